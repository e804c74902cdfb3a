//! Work beside the probes: recorded sessions with agents, played again and again through all nodes.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinHandle;

use super::nodes::Nodes;

/// Sessions of one round, and turns of each.
const SESSIONS: usize = 24;
const TURNS: usize = 12;

/// Sums of what was checked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) acknowledged: u64,
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) reordered: u64,
}

/// Rounds that follow each other until they are stopped.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    playing: JoinHandle<anyhow::Result<Sums>>,
}

impl Load {
    pub(super) fn start(program: &Path, nodes: &Nodes, folder: &Path, name: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (program, folder, over) = (program.to_owned(), folder.to_owned(), Arc::clone(&stop));
        let (urls, config, name) = (nodes.urls().clone(), nodes.config().to_owned(), name.to_owned());
        let playing = tokio::spawn(async move {
            let (file, report) = (folder.join("sessions.jsonl"), folder.join(format!("replay-{name}.json")));
            std::fs::write(&file, sessions())?;
            let mut sums = Sums::default();
            while !over.load(Ordering::Relaxed) {
                let round = round(&program, &urls, &config, &file, &report).await?;
                let count = |name: &str| round[name].as_u64().unwrap_or_default();
                sums.acknowledged += count("acknowledged");
                sums.lost += count("lost") + count("altered");
                sums.doubled += count("doubled");
                sums.reordered += count("out_of_order");
            }
            Ok(sums)
        });
        Self { stop, playing }
    }

    /// Lets the round end that is being played.
    pub(super) async fn stop(self) -> anyhow::Result<Sums> {
        self.stop.store(true, Ordering::Relaxed);
        self.playing.await?
    }
}

async fn round(
    program: &Path,
    urls: &[String],
    config: &PathBuf,
    file: &PathBuf,
    report: &PathBuf,
) -> anyhow::Result<Value> {
    let mut command = Command::new(program);
    command.arg("replay").arg(file).args(["--parallel", "6"]).arg("--report").arg(report);
    command.arg("--token-config").arg(config);
    for url in urls {
        command.arg("--node").arg(url);
    }
    let log = std::fs::OpenOptions::new().create(true).append(true).open(report.with_extension("log"))?;
    // A report is written whatever the counts say; that there is none is an error.
    let _ = std::fs::remove_file(report);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true).status().await?;
    let text = std::fs::read(report).with_context(|| {
        format!("the replay gave no report: see {}", report.with_extension("log").display())
    })?;
    Ok(serde_json::from_slice(&text)?)
}

fn sessions() -> String {
    let turn = |session: usize, n: usize| {
        let from = if n.is_multiple_of(2) { "visitor" } else { "agent" };
        json!({ "from": from, "text": format!("session {session}, turn {n}") })
    };
    let lines = (0..SESSIONS).map(|session| {
        let turns: Vec<_> = (0..TURNS).map(|n| turn(session, n)).collect();
        json!({ "session": format!("s{session}"), "turns": turns }).to_string() + "\n"
    });
    lines.collect()
}
