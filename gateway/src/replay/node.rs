//! A replay's own node: starts it as a child, kills it with SIGKILL when asked, starts it again on the same folder and port.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A node says where it listens within this time.
const START: Duration = Duration::from_secs(60);
/// A node ends by itself within this time when asked.
const STOP: Duration = Duration::from_secs(10);
const READY: &str = "listening on ";
const LOG_LINES_SHOWN: usize = 15;

/// A node that belongs to this process.
#[derive(Debug)]
pub(super) struct OwnNode {
    program: PathBuf,
    config: PathBuf,
    /// Holds the log, and for a generated configuration everything else.
    folder: PathBuf,
    url: String,
    child: Child,
}

/// The configuration of a node for one replay.
fn generated(data: &Path, port: u16) -> String {
    let data = toml::Value::String(data.display().to_string());
    format!("[node]\nname = \"replay\"\ndata = {data}\nlisten = \"127.0.0.1:{port}\"\ndevelopment = true\n")
}

impl OwnNode {
    /// Starts `program serve --config`, with a configuration of our own unless one is given.
    pub(super) async fn start(program: PathBuf, config: Option<&Path>) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir()
            .join(format!("conversa-replay-{:016x}", u64::from_le_bytes(conversa_cluster::clock::random())));
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let config = match config {
            Some(config) => config.to_owned(),
            None => {
                let file = folder.join("conversa.toml");
                std::fs::write(&file, generated(&folder.join("data"), free_port()?))?;
                file
            }
        };
        let started = spawn(&program, &config, &folder).await;
        if started.is_err() {
            // Its last words are in the error; a folder that cannot be removed does not hide it.
            let _ = std::fs::remove_dir_all(&folder);
        }
        let (child, url) = started?;
        Ok(Self { program, config, folder, url, child })
    }

    /// Where it serves.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Its log.
    pub(super) fn log(&self) -> PathBuf {
        log_of(&self.folder)
    }

    /// Waits until it ends by itself, which it should not.
    pub(super) async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// SIGKILL, then the same again.
    pub(super) async fn kill_and_restart(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("cannot kill the node")?;
        let (child, url) = spawn(&self.program, &self.config, &self.folder).await?;
        self.child = child;
        if url != self.url {
            bail!(
                "the node came back at {url} instead of {}: give node.listen a port in {}",
                self.url,
                self.config.display()
            );
        }
        Ok(())
    }

    /// Ends it, by request first; removes its folder unless there is something to look into.
    pub(super) async fn stop(mut self, keep: bool) -> anyhow::Result<()> {
        if let Some(id) = self.child.id() {
            // Without a `kill` program the node is ended the hard way below; it bears that.
            let _ =
                Command::new("kill").arg("-TERM").arg(id.to_string()).stderr(Stdio::null()).status().await;
        }
        if timeout(STOP, self.child.wait()).await.is_err() {
            self.child.kill().await.context("cannot end the node")?;
        }
        if !keep {
            std::fs::remove_dir_all(&self.folder)
                .with_context(|| format!("cannot remove {}", self.folder.display()))?;
        }
        Ok(())
    }
}

/// A port that is free now. It must be known before the first start, because a killed node comes back on it.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

fn log_of(folder: &Path) -> PathBuf {
    folder.join("node.log")
}

async fn spawn(program: &Path, config: &Path, folder: &Path) -> anyhow::Result<(Child, String)> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log_of(folder))?;
    let mut child = Command::new(program)
        .arg("serve")
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {} serve", program.display()))?;
    let mut lines = BufReader::new(child.stdout.take().expect("its output was asked for")).lines();
    let ready = async {
        while let Some(line) = lines.next_line().await? {
            if let Some((_, url)) = line.split_once(READY) {
                return Ok(url.split_whitespace().next().unwrap_or_default().to_owned());
            }
        }
        bail!("the node ended before it listened")
    };
    match timeout(START, ready).await {
        Ok(Ok(url)) => {
            // Its output is read on, so that it never waits for us.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            Ok((child, url))
        }
        Ok(Err(error)) => bail!("{error:#}\n{}", last_words(folder)),
        Err(_) => bail!("the node does not listen after {} s\n{}", START.as_secs(), last_words(folder)),
    }
}

/// The end of the node's log.
fn last_words(folder: &Path) -> String {
    let log = std::fs::read_to_string(log_of(folder)).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}
