//! The driver of the benches: starts the floor and Conversa nodes on one core and loads them from another, in turns, and prints
//! what came of it beside what is allowed. Exit code 1 when a message was lost, doubled or jumped over: then no figure counts.

mod company;
mod measure;
mod report;
mod server;

use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use conversa_benches::protocol::conversa::Encoding;
use conversa_benches::stats::Faults;
use conversa_benches::{clock, procstat};
use report::Report;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

/// Set for the process that measures: which core the servers get, or nothing.
const SERVER_CORE: &str = "CONVERSA_BENCH_SERVER_CORE";

/// Measures a Conversa node against the floor relay, on this machine, and writes the figures as JSON.
///
/// The servers run on the first core that this process may use, the load on the second. Takes less than 10 minutes and, as far
/// as it is allowed, the machine from whatever else runs (see --nice).
#[derive(Clone, Debug, Parser)]
struct Args {
    /// The node's program [default: `conversa` beside this program]
    #[arg(long, value_name = "PATH")]
    conversa: Option<PathBuf>,
    /// The floor's program [default: `floor` beside this program]
    #[arg(long, value_name = "PATH")]
    floor: Option<PathBuf>,
    /// Where the figures go [default: target/bench.json of the workspace]
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
    /// Speak conversa.v1.msgpack instead of conversa.v1.json
    #[arg(long)]
    msgpack: bool,
    /// Priority of servers and load; 0 leaves the machine to others too
    #[arg(long, value_name = "NICE", default_value_t = -20, allow_hyphen_values = true)]
    nice: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// 100 pairs, closed loop: CPU per delivered message
    Saturated,
    /// 200 pairs, 500 messages per second: delivery times
    Latency,
    /// 10,000 logged-in visitors: memory per socket
    Idle,
    /// Conversations at rest: time to the first answer
    Wake,
    /// Recorded sessions with and without quality and voice: CPU
    Watchers,
    /// A conversation of 100,000 messages against new ones: CPU
    History,
    /// Conversations that wait for an agent: time from a place that frees to the next one taken (only when named)
    Assign,
    /// 10,000 visitors come back at once after the node was killed: time until all have resumed (only when named)
    Reconnect,
    /// 1,000 sockets that nobody reads: memory, and what others notice (only when named)
    Stalled,
    /// Twice what saturates, for two minutes: what is delivered meanwhile (only when named)
    Overload,
}

/// One run of the driver.
struct Bench {
    args: Args,
    conversa: PathBuf,
    floor: PathBuf,
    /// Where servers keep their data: on the disk that is measured, not in memory.
    work: PathBuf,
    server_core: Option<String>,
    faults: Faults,
    report: Report,
}

impl Bench {
    fn new(args: Args) -> Result<Self> {
        let beside = |name: &str| Ok::<_, anyhow::Error>(std::env::current_exe()?.with_file_name(name));
        let (conversa, floor) = (
            args.conversa.clone().map_or_else(|| beside("conversa"), Ok)?,
            args.floor.clone().map_or_else(|| beside("floor"), Ok)?,
        );
        let work = args.out().parent().map(Path::to_owned).unwrap_or_default();
        std::fs::create_dir_all(&work)
            .with_context(|| format!("cannot make the folder {}", work.display()))?;
        let server_core = std::env::var(SERVER_CORE).ok().filter(|core| !core.is_empty());
        Ok(Self {
            args,
            conversa,
            floor,
            work,
            server_core,
            faults: Faults::default(),
            report: Report::default(),
        })
    }

    fn rounds(&self) -> u32 {
        if self.args.quick { 1 } else { self.args.rounds }
    }

    /// One value for a full run, another for a quick one.
    fn either<T>(&self, full: T, quick: T) -> T {
        if self.args.quick { quick } else { full }
    }

    fn encoding(&self) -> Encoding {
        if self.args.msgpack { Encoding::MessagePack } else { Encoding::Json }
    }

    fn wants(&self, measure: Measure) -> bool {
        self.args.only.is_empty() || self.args.only.contains(&measure)
    }

    /// Measures that take long are made only when they are named.
    fn names(&self, measure: Measure) -> bool {
        self.args.only.contains(&measure)
    }

    /// Says how far it is.
    fn say(&self, line: &str) {
        let seconds = clock::now_ns() / 1_000_000_000;
        eprintln!("[{}:{:02}] {line}", seconds / 60, seconds % 60);
    }

    /// Adds up what must be 0.
    fn judge(&mut self, what: &str, faults: Faults) {
        if !faults.none() {
            self.say(&format!(
                "VOID: {what}: {} lost, {} doubled, {} jumped over, {} errors",
                faults.lost, faults.dups, faults.gaps, faults.errors
            ));
        }
        self.faults.add(faults);
    }

    async fn run(&mut self) -> Result<()> {
        measure::saturated::run(self).await.context("saturated")?;
        measure::latency::run(self).await.context("latency")?;
        measure::idle::run(self).await.context("idle")?;
        measure::wake::run(self).await.context("wake")?;
        measure::watchers::run(self).await.context("watchers")?;
        measure::history::run(self).await.context("history")?;
        measure::assign::run(self).await.context("assign")?;
        measure::reconnect::run(self).await.context("reconnect")?;
        measure::stalled::run(self).await.context("stalled")?;
        measure::overload::run(self).await.context("overload")
    }

    /// Prints the table and writes the file, also when something failed on the way.
    fn close(&self, failure: Option<&anyhow::Error>) -> Result<ExitCode> {
        let out = self.args.out();
        self.report.write(&out, self, failure)?;
        println!("{}", self.report.table());
        println!("figures: {}", out.display());
        if let Some(failure) = failure {
            eprintln!("bench: stopped early: {failure:#}");
            return Ok(ExitCode::from(1));
        }
        if !self.faults.none() {
            println!(
                "VOID: messages were lost, doubled or jumped over, or connections failed: {:?}",
                self.faults
            );
            return Ok(ExitCode::from(1));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Args {
    fn out(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench.json"))
    }
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if std::env::var_os(SERVER_CORE).is_some() {
        return LocalSet::new().block_on(&runtime, Box::pin(measure_all(args)));
    }
    runtime.block_on(set_apart(&args))
}

/// Starts this program again in a scheduling session of its own, pinned, with as many files as the machine allows; this process
/// only passes signals on.
async fn set_apart(args: &Args) -> Result<ExitCode> {
    let cores = procstat::cores();
    let files = procstat::open_files_max();
    let mut command = Command::new("setsid");
    command.args(["nice", "-n", &args.nice.to_string(), "prlimit", &format!("--nofile={files}:{files}")]);
    let server_core = match cores[..] {
        [server, load, ..] => {
            command.args(["taskset", "-c", &load.to_string()]);
            server.to_string()
        }
        [_] | [] => {
            eprintln!("bench: only one core: servers and load share it, the figures mean little");
            String::new()
        }
    };
    command.arg(std::env::current_exe()?).args(std::env::args_os().skip(1)).env(SERVER_CORE, server_core);
    let mut child = command
        .stdin(Stdio::null())
        .spawn()
        .context("cannot start setsid, nice, prlimit, taskset (util-linux, coreutils)")?;
    let (mut interrupted, mut terminated) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    loop {
        tokio::select! {
            ended = child.wait() => return Ok(ExitCode::from(u8::try_from(ended?.code().unwrap_or(1)).unwrap_or(1))),
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        if let Some(pid) = child.id() {
            Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
        }
    }
}

async fn measure_all(args: Args) -> Result<ExitCode> {
    // Times that are shown count from here.
    let _ = clock::now_ns();
    if args.nice != 0 {
        // Where it is not allowed, or there are no autogroups, niceness has to do.
        let _ = std::fs::write("/proc/self/autogroup", args.nice.to_string());
    }
    let mut bench = Bench::new(args)?;
    for program in [&bench.conversa, &bench.floor] {
        ensure!(
            program.exists(),
            "there is no {}: cargo build --release, or name it with --conversa and --floor",
            program.display()
        );
    }
    let mut terminated = signal(SignalKind::terminate())?;
    let failure = tokio::select! {
        measured = bench.run() => measured.err(),
        _ = terminated.recv() => Some(anyhow::anyhow!("interrupted")),
        () = orphaned() => Some(anyhow::anyhow!("the process that started this one has gone")),
    };
    bench.close(failure.as_ref())
}

/// Waits until the process that started this one has gone: nobody could stop it then.
async fn orphaned() {
    let parent = parent_id();
    while parent_id() == parent {
        clock::pause_ms(500).await;
    }
}
