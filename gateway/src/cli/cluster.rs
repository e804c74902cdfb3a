//! `conversa cluster`: certificates, and what operators look at and change: rows of the register, so it needs the store and no running
//! node.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use conversa_cluster::clock;
use conversa_cluster::cql;
use conversa_cluster::member::Timing;
use conversa_cluster::operator::{Drained, Operator, Overview, changes};
use tokio::time::sleep;

use crate::config::{Config, StoreKind};

mod certs;
mod print;

#[derive(Debug, Args)]
pub(super) struct ClusterArgs {
    #[command(subcommand)]
    act: Act,
    /// The configuration file of any node of the cluster; its section [store] is used
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Act {
    #[command(verbatim_doc_comment)]
    /// Make certificates by which the nodes of a cluster know each other
    ///
    /// The links between nodes are encrypted, and each end proves which node it is:
    /// by a certificate whose DNS name is the name of the node, signed by an authority
    /// that all nodes of the cluster trust. This command makes such an authority, for
    /// trying things out, and certificates for the nodes that you name.
    ///
    /// Each node gets three files:
    ///   authority.pem   whom it trusts: the same for all
    ///   NODE.pem        who it is
    ///   NODE.key        its key: for this node only
    ///
    /// authority.key stays where it was made: whoever has it can make nodes of this
    /// cluster. It signs again when the command is called with the same folder, for
    /// more nodes, or with --force for the same ones before their certificates end.
    /// A node reads new files by itself when it makes its next connection; links that
    /// stand go on.
    Certs(certs::CertsArgs),
    /// Print who is in the cluster, what each serves, and whom it waits for
    ///
    /// Looks for two seconds, so that it can say of each node how long ago it renewed its row. A node that has not for 3 s is taken out by
    /// the others. `settled` means that everybody has adopted the view: everything that it places is served. A share that reads
    /// `0.40 -> 1.00` is growing, 64 shards a step.
    ///
    /// Ends with 0 when all is well, with 1 when somebody is silent, over, or has not adopted the view.
    Status {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print what changes, as it does, until Ctrl-C
    Watch {
        /// The whole state as a JSON object a line, whenever something has changed
        #[arg(long)]
        json: bool,
    },
    /// Ask a node to hand over everything and leave
    ///
    /// The node does it by itself, 64 shards a step, without an error for clients; its process ends the membership when others serve all.
    /// It is this life of the node that is asked: started again, it comes back.
    ///
    /// To upgrade a cluster: for each node, drain it with --wait, exchange the program, start it, and wait until `conversa cluster status`
    /// says `settled` and its share is whole.
    Drain {
        /// The node's name
        node: String,
        /// Wait until it has left, and print what it still has
        #[arg(long)]
        wait: bool,
        /// Also if nobody else would serve
        #[arg(long)]
        last: bool,
    },
    /// Take out a node that is dead
    ///
    /// Seldom needed: members take each other out 3 s after the last beat. It is for when nobody is left to do so, for instance before
    /// a cluster is founded again with other names. A node that renews its row is not taken out; neither is one whose row could not be
    /// read for 3 s without a gap.
    Remove {
        /// The node's name
        node: String,
    },
}

/// How long `status` looks: two beats.
const LOOK_MS: u64 = 2_000;
/// A store that does not answer `watch` for so long ends it.
const BLIND_LOOKS: u32 = 240;

pub(super) async fn cluster(args: ClusterArgs) -> anyhow::Result<ExitCode> {
    if let Act::Certs(args) = &args.act {
        println!("{}", certs::certs(args)?);
        return Ok(ExitCode::SUCCESS);
    }
    let file =
        args.config.ok_or_else(|| anyhow::anyhow!("name the configuration of a node with --config"))?;
    let config = Config::read(&file)?;
    anyhow::ensure!(
        config.store.kind == StoreKind::Cql,
        "{} keeps its data in a folder: such a node is alone; a cluster needs [store] kind = \"cql\"",
        file.display()
    );
    let base = file.parent().unwrap_or_else(|| Path::new("."));
    let register = cql::open_register(&config.store.settings(base)?).await?;
    let mut operator = Operator::new(register, Timing::default(), Arc::new(clock::moment));
    match args.act {
        // Done above: it needs no store.
        Act::Certs(_) => Ok(ExitCode::SUCCESS),
        Act::Status { json } => status(&mut operator, json).await,
        Act::Watch { json } => watch(&mut operator, json).await,
        Act::Drain { node, wait, last } => drain(&mut operator, &node, wait, last).await,
        Act::Remove { node } => {
            eprintln!("looking at the row of {node} for 3 s");
            let removed = operator.remove(&node).await?;
            let generation = removed.life.generation;
            match removed.version {
                Some(version) => println!("{node} (generation {generation}) is over and out: view {version}"),
                None => println!("{node} (generation {generation}) is over; no view has it"),
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn status(operator: &mut Operator, json: bool) -> anyhow::Result<ExitCode> {
    let mut overview = operator.look().await?;
    while overview.at_ms < LOOK_MS {
        sleep(look()).await;
        overview = operator.look().await?;
    }
    if json {
        println!("{}", print::json(&overview));
    } else {
        print!("{}", print::table(&overview));
    }
    let well =
        |seen: &conversa_cluster::operator::Seen| !seen.missing && !seen.is_over() && !seen.is_silent();
    Ok(ExitCode::from(u8::from(!overview.members.iter().all(well))))
}

async fn watch(operator: &mut Operator, json: bool) -> anyhow::Result<ExitCode> {
    let mut before = operator.look().await?;
    if json {
        println!("{}", print::json(&before));
    } else {
        print!("{}", print::table(&before));
    }
    let mut blind = 0;
    loop {
        sleep(look()).await;
        let now = match operator.look().await {
            Ok(now) => now,
            Err(error) if blind < BLIND_LOOKS => {
                if blind == 0 {
                    eprintln!("conversa: {error}; looking on");
                }
                blind += 1;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        blind = 0;
        let lines = changes(&before, &now);
        if !lines.is_empty() && tell(&now, &lines, json).is_err() {
            // Nobody reads any more.
            return Ok(ExitCode::SUCCESS);
        }
        before = now;
    }
}

fn tell(now: &Overview, lines: &[String], json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        return writeln!(out, "{}", print::json(now));
    }
    let at = print::seconds(now.at_ms);
    lines.iter().try_for_each(|line| writeln!(out, "{at:>8}  {line}"))
}

async fn drain(operator: &mut Operator, node: &str, wait: bool, last: bool) -> anyhow::Result<ExitCode> {
    let life = match operator.drain(node, last).await? {
        Drained::Asked(life) => {
            println!(
                "{node} (generation {}) is asked to leave; it hears it within a second",
                life.generation
            );
            life
        }
        Drained::AskedBefore(life) => {
            println!("{node} (generation {}) was asked to leave before", life.generation);
            life
        }
        Drained::Leaves(life) => {
            println!("{node} (generation {}) leaves already", life.generation);
            life
        }
    };
    if !wait {
        println!("`conversa cluster watch` shows how far it is");
        return Ok(ExitCode::SUCCESS);
    }
    let mut shards = None;
    loop {
        let overview = operator.look().await?;
        let Some(seen) = overview.member(node).filter(|seen| seen.life == life) else {
            println!("{node} has left");
            return Ok(ExitCode::SUCCESS);
        };
        anyhow::ensure!(!seen.is_over(), "{node} died before it had left: the others take over what it had");
        if shards.replace(seen.shards) != Some(seen.shards) {
            println!("{:>8}  {node} has {} shards", print::seconds(overview.at_ms), seen.shards);
        }
        sleep(look()).await;
    }
}

fn look() -> Duration {
    Duration::from_millis(Timing::default().look_ms)
}
