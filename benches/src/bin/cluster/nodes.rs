//! Two nodes of a cluster, their company, and who of its people belongs to which node.

use std::cell::RefCell;
use std::fmt::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use conversa_benches::door::{Door, Guests, Kind};
use conversa_benches::protocol::conversa::{Directory, Encoding, Seat};
use conversa_benches::{clock, http, procstat};
use conversa_cluster::place::{Member, WEIGHT_ONE, owner};
use conversa_engine::ids::{SHARDS, TenantId, shard_of};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{Bench, float};

pub(crate) const NAMES: [&str; 2] = ["n1", "n2"];
const TENANT: &str = "bench";
const PREFIX: &str = "b";
/// Each takes one conversation.
pub(crate) const AGENTS: usize = 200;
const VISITORS: usize = 6_000;
/// Making the tables, and growing to an even share, takes longest.
const PATIENCE: Duration = Duration::from_secs(120);

/// A node.
pub(crate) struct Node {
    pub(crate) pid: u32,
    pub(crate) port: u16,
    /// Killed with it.
    child: Child,
    config: PathBuf,
}

impl Node {
    /// A gauge of its metrics.
    pub(crate) async fn gauge(&self, name: &str) -> Result<f64> {
        let page = http::get(self.port, "/metrics", "").await?;
        let found = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        found.with_context(|| format!("the node's /metrics has no gauge {name}"))
    }

    pub(crate) async fn signal(&self, signal: &str) -> Result<()> {
        let sent = Command::new("kill").arg(signal).arg(self.pid.to_string()).status().await?;
        ensure!(sent.success(), "the node cannot be sent {signal}");
        Ok(())
    }
}

/// Both of them.
pub(crate) struct Pair {
    pub(crate) nodes: [Node; 2],
    /// By the node that serves them.
    visitors: [Vec<Seat>; 2],
    agents: Vec<Seat>,
    /// Visitors and agents that have been given a part, by node.
    taken: RefCell<([usize; 2], usize)>,
    folder: TempDir,
}

impl Pair {
    /// Starts both, and waits until each has its share.
    pub(crate) async fn start(bench: &Bench) -> Result<Self> {
        let folder = TempDir::with_prefix_in("cluster-bench-", &bench.work)?;
        let keyspace = format!("bench_{}", std::process::id());
        let mut nodes = Vec::new();
        for name in NAMES {
            let config = folder.path().join(format!("{name}.toml"));
            let (port, links) = (free_port()?, free_port()?);
            std::fs::write(&config, configuration(name, port, links, &keyspace, &bench.cql))?;
            nodes.push(start(bench, config, port, folder.path())?);
        }
        let Ok(nodes) = <[Node; 2]>::try_from(nodes) else { unreachable!("one for each name") };
        let config = &nodes[0].config;
        let (signed, agents) = (
            tokens(bench, config, "visitor", VISITORS).await?,
            tokens(bench, config, "agent", AGENTS).await?,
        );
        let (mut visitors, tenant) = ([Vec::new(), Vec::new()], TenantId::new(TENANT));
        for seat in signed {
            visitors[owner_of(shard_of(&tenant, &seat.id))].push(seat);
        }
        let pair = Self { nodes, visitors, agents, taken: RefCell::default(), folder };
        pair.settle().await?;
        Ok(pair)
    }

    /// Waits until each node serves what it has when both have their whole share.
    pub(crate) async fn settle(&self) -> Result<()> {
        let shares = [0, 1].map(|node| (0..SHARDS).filter(|shard| owner_of(*shard) == node).count() as u64);
        let began = clock::now_ns();
        loop {
            let mut is_settled = true;
            for (node, share) in self.nodes.iter().zip(shares) {
                let served = node.gauge("conversa_cluster_shards").await.unwrap_or(-1.0);
                is_settled &= (served - float(share)).abs() < 0.5;
            }
            if is_settled {
                return Ok(());
            }
            let waited = clock::now_ns() - began;
            ensure!(
                u128::from(waited) < PATIENCE.as_nanos(),
                "{}",
                self.said("the nodes do not share their work")
            );
            clock::pause_ms(200).await;
        }
    }

    /// An entrance to the first node for visitors whose conversations are at `node`, and as many agents; nobody is let in twice.
    pub(crate) fn door(&self, node: usize, visitors: usize, agents: usize) -> Result<Door> {
        let mut taken = self.taken.borrow_mut();
        let (first, first_agent) = (taken.0[node], taken.1);
        let seats = |all: &[Seat], first: usize, count: usize| {
            all.get(first..first + count).map(<[Seat]>::to_vec).context("there are not so many people")
        };
        let guests = Guests {
            visitors: seats(&self.visitors[node], first, visitors)?,
            agents: seats(&self.agents, first_agent, agents)?,
            capacity: 1,
            encoding: Encoding::Json,
            directory: Directory::default(),
        };
        taken.0[node] += visitors;
        taken.1 += agents;
        Ok(Door { port: self.nodes[0].port, kind: Kind::Conversa(Rc::new(guests)) })
    }

    /// CPU time of both, seconds.
    pub(crate) fn cpu_s(&self) -> f64 {
        self.nodes.iter().map(|node| procstat::cpu_s(node.pid)).sum()
    }

    /// Kills the second node in this instant.
    pub(crate) async fn kill_second(&mut self) -> Result<()> {
        Ok(self.nodes[1].child.kill().await?)
    }

    /// Starts it again, and waits until it has its share.
    pub(crate) async fn start_second(&mut self, bench: &Bench) -> Result<()> {
        let Node { config, port, .. } = &self.nodes[1];
        self.nodes[1] = start(bench, config.clone(), *port, self.folder.path())?;
        self.settle().await
    }

    /// `what`, and the last that the nodes said.
    pub(crate) fn said(&self, what: &str) -> String {
        const LINES: usize = 15;
        let mut text = what.to_owned();
        for name in NAMES {
            let log =
                std::fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(LINES)..].join("\n");
            write!(text, "\n{name} said:\n{end}").expect("a string takes text");
        }
        text
    }
}

/// The place of the node that has a shard, once both have their whole share.
fn owner_of(shard: u16) -> usize {
    let members = NAMES.map(|node| Member { node: node.into(), weight: WEIGHT_ONE });
    usize::from(owner(&members, shard).is_some_and(|owner| *owner.node == *NAMES[1]))
}

/// A port that was free a moment ago: the other node must know it before this one has started.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Both nodes on the first core that this process may use.
fn start(bench: &Bench, config: PathBuf, port: u16, folder: &Path) -> Result<Node> {
    let mut command = match procstat::cores()[..] {
        [core, _, ..] => {
            let mut command = Command::new("taskset");
            command.args(["-c", &core.to_string()]).arg(&bench.conversa);
            command
        }
        [_] | [] => Command::new(&bench.conversa),
    };
    let name = config.file_stem().context("it has a name")?.to_string_lossy().into_owned();
    let log =
        std::fs::OpenOptions::new().create(true).append(true).open(folder.join(format!("{name}.log")))?;
    command.arg("serve").arg("--config").arg(&config).stdin(Stdio::null());
    let child = command.stdout(log.try_clone()?).stderr(log).kill_on_drop(true).spawn();
    let child = child.with_context(|| format!("cannot start {}", bench.conversa.display()))?;
    Ok(Node { pid: child.id().context("it has ended already")?, port, child, config })
}

/// `conversa token --count` prints lines of id and token.
async fn tokens(bench: &Bench, config: &Path, role: &str, count: usize) -> Result<Vec<Seat>> {
    let mut command = Command::new(&bench.conversa);
    command.args(["token", "--role", role, "--count", &count.to_string(), "--id-prefix", PREFIX, "--config"]);
    let signed = command.arg(config).output().await?;
    ensure!(signed.status.success(), "conversa token: {}", String::from_utf8_lossy(&signed.stderr));
    let printed = String::from_utf8(signed.stdout)?;
    let seat = |line: &str| {
        let (id, token) = line.split_once(' ')?;
        Some(Seat { id: id.to_owned(), token: token.trim().to_owned() })
    };
    let seats: Vec<Seat> = printed.lines().filter_map(seat).collect();
    ensure!(seats.len() == count, "conversa token --count {count} printed {} lines", seats.len());
    Ok(seats)
}

/// Limits are out of the way: the load is the benches', not a stranger's.
fn configuration(name: &str, port: u16, links: u16, keyspace: &str, cql: &str) -> String {
    let mut text = format!(
        r#"[node]
name = "{name}"
data = "{name}"
listen = "127.0.0.1:{port}"

[store]
kind = "cql"
contact_points = ["{cql}"]
keyspace = "{keyspace}"
replication = 1

[cluster]
listen = "127.0.0.1:{links}"

[limits]
visitor_rate_per_s = 1000000
visitor_burst = 1000000
agent_rate_per_s = 1000000
agent_burst = 1000000
connections_per_address = 1000000

[[tenants]]
id = "{TENANT}"
secret = "the benches' secret, worth nothing anywhere else"
offer_ms = 60000

[[tenants.queues]]
id = "support"
name_zh = "客户服务"
name_en = "Customer service"

[tenants.desk]
misses_max = 0

[tenants.bot]
id = "bot"
name = "Bot"
"#
    );
    for number in 0..AGENTS {
        let agent = format!(
            "\n[[tenants.agents]]\nid = \"ag_{PREFIX}{number}\"\nname = \"Agent {number}\"\nqueues = [\"support\"]\ncapacity = 1\n"
        );
        text.push_str(&agent);
    }
    text
}
