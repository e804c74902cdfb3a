//! A server under test: started on its own core with a folder of its own, killed when it is dropped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use conversa_benches::door::{Door, Guests, Kind};
use conversa_benches::procstat;
use conversa_benches::protocol::conversa::{Directory, Seat};
use conversa_benches::{clock, http};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::Bench;
use crate::company::{Company, ID_PREFIX, configuration};

/// What a server prints when it is ready, before its port.
const READY: &str = "listening on http://127.0.0.1:";
const START: Duration = Duration::from_secs(60);
/// A process is at rest when it takes less than this, seconds, in each of `REST_STEPS` steps of `REST_STEP_MS`.
const REST_CPU_S: f64 = 0.015;
const REST_STEP_MS: u64 = 200;
const REST_STEPS: u32 = 2;
const REST_PATIENCE_MS: u64 = 30_000;

/// A running server.
pub(crate) struct Server {
    pub(crate) pid: u32,
    pub(crate) port: u16,
    capacity: u16,
    program: PathBuf,
    /// Killed with it.
    child: Child,
    _stdout: ChildStdout,
    folder: TempDir,
}

impl Server {
    /// Starts the floor.
    pub(crate) async fn floor(bench: &Bench) -> Result<Self> {
        let folder = TempDir::with_prefix_in("bench-floor-", &bench.work)?;
        let log = folder.path().join("log");
        Self::start(bench, &bench.floor, &["--log".as_ref(), log.as_os_str()], folder, 1).await
    }

    /// Starts a node.
    pub(crate) async fn conversa(bench: &Bench, company: &Company) -> Result<Self> {
        let folder = TempDir::with_prefix_in("bench-conversa-", &bench.work)?;
        let file = folder.path().join("conversa.toml");
        std::fs::write(&file, configuration(company))?;
        let arguments = ["serve".as_ref(), "--config".as_ref(), file.as_os_str()];
        let server = Self::start(bench, &bench.conversa, &arguments, folder, company.capacity).await?;
        for _ in 0..100 {
            if server.get("/readyz").await.is_ok() {
                return Ok(server);
            }
            clock::pause_ms(50).await;
        }
        server.get("/readyz").await?;
        Ok(server)
    }

    /// Kills the node, and starts another on what it left.
    pub(crate) async fn killed_and_started(self, bench: &Bench) -> Result<Self> {
        let Self { mut child, program, folder, capacity, .. } = self;
        child.kill().await?;
        let file = folder.path().join("conversa.toml");
        let arguments = ["serve".as_ref(), "--config".as_ref(), file.as_os_str()];
        Self::start(bench, &program, &arguments, folder, capacity).await
    }

    async fn start(
        bench: &Bench,
        program: &Path,
        arguments: &[&std::ffi::OsStr],
        folder: TempDir,
        capacity: u16,
    ) -> Result<Self> {
        let mut command = match &bench.server_core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", core]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let stderr = File::create(folder.path().join("stderr"))?;
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let pid = child.id().context("the server has ended already")?;
        let mut lines = BufReader::new(child.stdout.take().context("the server's output is piped")?).lines();
        let ready = timeout(START, async {
            while let Some(line) = lines.next_line().await? {
                if let Some(port) = line.strip_prefix(READY) {
                    return port
                        .trim_end_matches('/')
                        .parse::<u16>()
                        .with_context(|| format!("no port in {line:?}"));
                }
            }
            bail!("it ended before it printed {READY:?}")
        });
        let port = match ready.await.unwrap_or_else(|_| bail!("it did not print {READY:?} within {START:?}"))
        {
            Ok(port) => port,
            Err(error) => bail!("{} did not start: {error:#}\n{}", program.display(), tail(folder.path())),
        };
        let stdout = lines.into_inner().into_inner();
        Ok(Self { pid, port, capacity, program: program.to_owned(), child, _stdout: stdout, folder })
    }

    /// The floor's entrance.
    pub(crate) fn relay_door(&self) -> Door {
        Door { port: self.port, kind: Kind::Relay }
    }

    /// A node's entrance, with tokens for so many people.
    pub(crate) async fn door(&self, bench: &Bench, visitors: usize, agents: usize) -> Result<Door> {
        let guests = Guests {
            visitors: self.tokens("visitor", visitors).await?,
            agents: self.tokens("agent", agents).await?,
            capacity: self.capacity,
            encoding: bench.encoding(),
            directory: Directory::default(),
        };
        Ok(Door { port: self.port, kind: Kind::Conversa(Rc::new(guests)) })
    }

    /// `conversa token --count` prints lines of id and token.
    async fn tokens(&self, role: &str, count: usize) -> Result<Vec<Seat>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut command = Command::new(&self.program);
        command.args([
            "token",
            "--role",
            role,
            "--count",
            &count.to_string(),
            "--id-prefix",
            ID_PREFIX,
            "--config",
        ]);
        let signed = command.arg(self.folder.path().join("conversa.toml")).output().await?;
        ensure!(
            signed.status.success(),
            "conversa token failed: {}",
            String::from_utf8_lossy(&signed.stderr)
        );
        let printed = String::from_utf8(signed.stdout)?;
        let seat = |line: &str| {
            let (id, token) = line.split_once(' ')?;
            Some(Seat { id: id.to_owned(), token: token.trim().to_owned() })
        };
        let seats: Vec<Seat> = printed.lines().filter_map(seat).collect();
        let shown: String = printed.lines().next().unwrap_or_default().chars().take(40).collect();
        ensure!(
            seats.len() == count,
            "conversa token --count {count} printed {} lines of id and token, the first is {shown:?}",
            seats.len()
        );
        Ok(seats)
    }

    /// Asks the node something over HTTP.
    pub(crate) async fn get(&self, path: &str) -> Result<String> {
        self.get_as(path, "").await
    }

    /// Asks the node something over HTTP, with a token.
    pub(crate) async fn get_as(&self, path: &str, token: &str) -> Result<String> {
        http::get(self.port, path, token).await
    }

    /// A node's gauge; `None` when it has no such.
    pub(crate) async fn gauge(&self, name: &str) -> Result<Option<f64>> {
        let page = self.get("/metrics").await?;
        Ok(page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()))
    }

    /// Waits until the server has nothing more to do: watchers may still be reading what was delivered. Returns how long it took, ms.
    pub(crate) async fn rest(&self) -> Result<u64> {
        let (mut quiet, mut waited_ms) = (0, 0);
        while quiet < REST_STEPS {
            let before = procstat::cpu_s(self.pid);
            clock::pause_ms(REST_STEP_MS).await;
            waited_ms += REST_STEP_MS;
            ensure!(
                waited_ms < REST_PATIENCE_MS,
                "the server is still busy {REST_PATIENCE_MS} ms after the load"
            );
            quiet = if procstat::cpu_s(self.pid) - before < REST_CPU_S { quiet + 1 } else { 0 };
        }
        Ok(waited_ms - u64::from(REST_STEPS) * REST_STEP_MS)
    }

    /// Adds what the server said to an error of `work`.
    pub(crate) async fn watch<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let work = Box::pin(work).await;
        work.map_err(|error| {
            let said = tail(self.folder.path());
            if said.is_empty() {
                error
            } else {
                error.context(format!("{} said:\n{said}", self.program.display()))
            }
        })
    }
}

/// The last that a server said.
fn tail(folder: &Path) -> String {
    const LINES_MAX: usize = 15;
    let said = std::fs::read_to_string(folder.join("stderr")).unwrap_or_default();
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(LINES_MAX)..].join("\n")
}
