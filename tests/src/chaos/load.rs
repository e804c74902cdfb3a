//! Work beside the probes: recorded sessions with agents, played again and again through all nodes.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use conversa_gateway::auth::Role;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinHandle;

use super::probe::token;
use crate::ground::Nodes;

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
        let (urls, config, name) = (nodes.urls(), nodes.config(0), name.to_owned());
        let playing = tokio::spawn(async move {
            let (file, report) = (folder.join("sessions.jsonl"), folder.join(format!("replay-{name}.json")));
            std::fs::write(&file, sessions())?;
            let mut sums = Sums::default();
            while !over.load(Ordering::Relaxed) {
                let round = round(&program, &urls, &config, &file, &report).await?;
                let count = |name: &str| round[name].as_u64().unwrap_or_default();
                sums.acknowledged += count("acknowledged");
                sums.lost += count("lost");
                sums.doubled += count("doubled");
                sums.reordered += count("out_of_order") + count("altered");
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

/// Conversations that are in the hands of two agents.
pub(super) async fn double_assigned(nodes: &Nodes) -> anyhow::Result<u64> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/v1/agents", nodes.urls()[0]);
    let answer = http.get(&url).bearer_auth(token(Role::Supervisor, "su_chaos")?).send().await?;
    let agents: Value = answer.error_for_status()?.json().await?;
    let mut held: Vec<&str> = Vec::new();
    for agent in agents["items"].as_array().or(agents.as_array()).into_iter().flatten() {
        held.extend(agent["conversations"].as_array().into_iter().flatten().filter_map(Value::as_str));
    }
    held.sort_unstable();
    let twice = held.windows(2).filter(|pair| pair[0] == pair[1]).count();
    Ok(twice as u64)
}
