//! `cargo run -p conversa-tests --bin chaos -- --faults LIST --minutes N --seed S`: faults under load on a cluster of real processes.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Parser;
use conversa_tests::chaos::{Fault, Outcome, Plan, run};
use conversa_tests::lab::process::asked_to_end;

/// Injects faults into a cluster of three nodes and three CQL servers, all real processes on this machine, while people talk through it, and
/// checks that nothing that was acknowledged is lost, doubled or out of order. Needs root (network namespaces), a JDK 17 and Maven
#[derive(Debug, Parser)]
struct Args {
    /// Which faults, with commas between, or all: kill-owner, kill-gateway, pause-node (10 s), pause-node-60, partition (from nodes and
    /// store), partition-oneway, kill-store, stop-store (30 s), rolling-restart, drain
    #[arg(long, value_name = "LIST", default_value = "all")]
    faults: String,
    /// The time for all of them together
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    minutes: f64,
    /// At most so many of each
    #[arg(long, value_name = "N", default_value_t = 20)]
    injections: usize,
    /// Chooses the victims
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// For data and logs; emptied first if a lab has made it
    #[arg(long, value_name = "FOLDER", default_value = "target/chaos")]
    folder: PathBuf,
    /// Write what came of it as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// The program under test; without it the one beside this program
    #[arg(long, value_name = "PROGRAM")]
    conversa: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match chaos(Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn chaos(args: Args) -> anyhow::Result<bool> {
    let beside = std::env::current_exe()?.with_file_name("conversa");
    let plan = Plan {
        program: args.conversa.unwrap_or(beside),
        faults: Fault::list(&args.faults)?,
        time: Duration::from_secs_f64((args.minutes * 60.0).clamp(1.0, 86_400.0)),
        injections: args.injections,
        seed: args.seed,
        folder: args.folder,
    };
    let began = tokio::time::Instant::now();
    let progress = |what: &str| {
        let seconds = began.elapsed().as_secs();
        eprintln!("[{}:{:02}] {what}", seconds / 60, seconds % 60);
    };
    // A task of its own: while a server starts nothing else of this one goes on.
    let asked = asked_to_end()?;
    let heard = tokio::spawn(async move {
        asked.await;
        eprintln!("ending what was started");
    });
    let outcomes = tokio::select! {
        outcomes = run(&plan, progress) => outcomes?,
        // Dropped, the lab ends what it has started.
        _ = heard => bail!("ended by a signal, before anything came of it"),
    };
    println!(
        "{:<18}{:>9}{:>13}{:>6}{:>9}{:>11}{:>16}{:>9}{:>9}{:>9}{:>11}{:>11}{:>11}",
        "fault",
        "injected",
        "acknowledged",
        "lost",
        "doubled",
        "reordered",
        "double-assigned",
        "p50 ms",
        "p99 ms",
        "max ms",
        "stall p50",
        "stall p99",
        "quiet p99"
    );
    for one in &outcomes {
        println!(
            "{:<18}{:>9}{:>13}{:>6}{:>9}{:>11}{:>16}{:>9}{:>9}{:>9}{:>11}{:>11}{:>11}",
            one.fault,
            one.injected,
            one.acknowledged,
            one.lost,
            one.doubled,
            one.reordered,
            one.double_assigned,
            one.recovery_ms_p50,
            one.recovery_ms_p99,
            one.recovery_ms_max,
            one.stall_ms_p50,
            one.stall_ms_p99,
            one.quiet_ms_p99
        );
    }
    if let Some(file) = &args.report {
        std::fs::write(file, serde_json::to_string_pretty(&outcomes)? + "\n")?;
    }
    Ok(outcomes.iter().all(Outcome::clean))
}
