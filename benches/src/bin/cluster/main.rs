//! What it costs to be several: two Conversa nodes over one CQL server. Figures are ratios of the same run, in interleaved rounds, of CPU
//! time. Without a CQL server it says so and measures nothing: `tests/cassandra/with.sh cluster` starts one.

mod crash;
mod link;
mod nodes;
mod report;
mod stopped;
mod store;
mod talk;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use conversa_benches::clock;
use conversa_benches::stats::Faults;
use report::Report;
use tokio::task::LocalSet;

/// Measures what is between nodes: messages whose people and conversation are at one node or at two, appends to a CQL store one by one
/// and together, a crash, and a peer that stands still.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Args {
    /// The node's program [default: `conversa` beside this program]
    #[arg(long, value_name = "PATH")]
    conversa: Option<PathBuf>,
    /// The program that measures links [default: `link` beside this program]
    #[arg(long, value_name = "PATH")]
    link: Option<PathBuf>,
    /// Where the figures go [default: target/cluster-bench.json of the workspace]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Measure only these
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<Measure>,
    /// Interleaved rounds; the figures are medians
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// One short round of each, to see that everything works: the figures mean little
    #[arg(long)]
    quick: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// Appends to the store, one by one and 16 together: CPU of its server
    Store,
    /// Letters over a link, one way
    Link,
    /// People at one node, conversations at it or at the other: CPU of both nodes
    Talk,
    /// A node is killed: how quickly the other serves what it had
    Crash,
    /// A node stands still for a minute under full load: memory of the other
    Stopped,
}

/// One run.
pub(crate) struct Bench {
    pub(crate) args: Args,
    pub(crate) conversa: PathBuf,
    pub(crate) link: PathBuf,
    /// Where nodes keep what little they have.
    pub(crate) work: PathBuf,
    /// Address and process of the CQL server.
    pub(crate) cql: String,
    pub(crate) cql_pid: u32,
    pub(crate) faults: Faults,
    pub(crate) report: Report,
}

impl Bench {
    pub(crate) fn rounds(&self) -> u32 {
        if self.args.quick { 1 } else { self.args.rounds }
    }

    /// One value for a full run, another for a quick one.
    pub(crate) fn either<T>(&self, full: T, quick: T) -> T {
        if self.args.quick { quick } else { full }
    }

    fn wants(&self, measure: Measure) -> bool {
        self.args.only.is_empty() || self.args.only.contains(&measure)
    }

    pub(crate) fn say(&self, line: &str) {
        let seconds = clock::now_ns() / 1_000_000_000;
        eprintln!("[{}:{:02}] {line}", seconds / 60, seconds % 60);
    }

    /// Adds up what must be 0.
    pub(crate) fn judge(&mut self, what: &str, faults: Faults) {
        if !faults.none() {
            self.say(&format!("VOID: {what}: {faults:?}"));
        }
        self.faults.add(faults);
    }

    async fn run(&mut self) -> Result<()> {
        if self.wants(Measure::Store) {
            store::run(self).await.context("store")?;
        }
        if self.wants(Measure::Link) {
            link::run(self).await.context("link")?;
        }
        if [Measure::Talk, Measure::Crash, Measure::Stopped].iter().any(|measure| self.wants(*measure)) {
            let mut pair = nodes::Pair::start(self).await.context("two nodes")?;
            let mut crowds = Vec::new();
            if self.wants(Measure::Talk) {
                crowds = talk::run(self, &pair).await.context("talk")?;
            }
            if self.wants(Measure::Crash) {
                crash::run(self, &mut pair).await.context("crash")?;
            }
            if self.wants(Measure::Stopped) {
                stopped::run(self, &pair).await.context("stopped")?;
            }
            drop(crowds);
        }
        Ok(())
    }
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let cql = std::env::var("CONVERSA_CQL").ok().filter(|at| !at.is_empty());
    let pid = std::env::var("CONVERSA_CQL_PID").ok().and_then(|pid| pid.parse().ok());
    let (Some(cql), Some(cql_pid)) = (cql, pid) else {
        println!(
            "cluster figures: skipped, no CQL server was started (a JDK 17 and Maven are needed): CONVERSA_CQL and CONVERSA_CQL_PID \
             name none; tests/cassandra/with.sh sets both"
        );
        return Ok(ExitCode::SUCCESS);
    };
    let beside = |name: &str| Ok::<_, anyhow::Error>(std::env::current_exe()?.with_file_name(name));
    let conversa = args.conversa.clone().map_or_else(|| beside("conversa"), Ok)?;
    let link = args.link.clone().map_or_else(|| beside("link"), Ok)?;
    for program in [&conversa, &link] {
        ensure!(program.exists(), "there is no {}: cargo build --release", program.display());
    }
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let out = args.out.clone().unwrap_or_else(|| target.join("cluster-bench.json"));
    let work = out.parent().map(Path::to_owned).unwrap_or_default();
    std::fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let _ = clock::now_ns();
    let (faults, report) = (Faults::default(), Report::default());
    let mut bench = Bench { args, conversa, link, work, cql, cql_pid, faults, report };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = LocalSet::new().block_on(&runtime, Box::pin(bench.run()));
    bench.report.write(&out, &bench, measured.as_ref().err())?;
    println!("{}\nfigures: {}", bench.report.table(), out.display());
    if let Err(failure) = &measured {
        eprintln!("cluster: stopped early: {failure:#}");
    }
    let is_void = !bench.faults.none();
    if is_void {
        println!(
            "VOID: messages were lost, doubled or jumped over, or connections failed: {:?}",
            bench.faults
        );
    }
    Ok(ExitCode::from(u8::from(measured.is_err() || is_void)))
}

/// The middle value, or the mean of the two in the middle; 0 of nothing.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and times far below 2^53")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

/// Seconds since `began_ns`.
pub(crate) fn since_s(began_ns: u64) -> f64 {
    float(clock::now_ns() - began_ns) / 1e9
}
