//! A cluster of real processes on this machine: three CQL servers and three nodes, each node in a network namespace of its own where
//! that is allowed, so that lines can be cut. Everything ends with the lab.

pub mod net;
pub mod nodes;
pub mod ring;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::{Child, Command};

pub use net::Net;
pub use nodes::{Nodes, SECRET, TENANT};
pub use ring::Ring;

/// Servers, and nodes.
pub const COUNT: usize = 3;
/// How often something that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Where the parts of a lab find each other.
#[derive(Clone, Debug)]
pub struct Places {
    /// Addresses of the CQL servers.
    pub servers: [String; COUNT],
    /// Addresses of the nodes.
    pub nodes: [String; COUNT],
}

/// A running process whose output goes to a file.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) log: PathBuf,
}

impl Process {
    pub(crate) fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.as_std().get_program()))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Sends a signal, as `kill` names it.
    pub(crate) async fn signal(&self, name: &str) -> anyhow::Result<()> {
        let Some(pid) = self.child.id() else { return Ok(()) };
        run("kill", &[&format!("-{name}"), &pid.to_string()]).await
    }

    /// True while it runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub(crate) async fn ended(&mut self) {
        // An error means that there is nothing to wait for.
        let _ = self.child.wait().await;
    }

    /// The last lines that it wrote.
    pub(crate) fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// Runs a program to its end.
pub(crate) async fn run(program: &str, args: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().await;
    let output = output.with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{program} {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Waits until `done` says so.
pub(crate) async fn until(
    what: &str,
    limit: Duration,
    mut done: impl AsyncFnMut() -> bool,
) -> anyhow::Result<()> {
    let wait = async {
        while !done().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(limit, wait).await.with_context(|| format!("{what} did not come within {limit:?}"))
}
