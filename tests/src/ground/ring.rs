//! Three Apache Cassandra servers that hold a copy each.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::{COUNT, Process, run, until};

/// Where clients connect to, at each server's address.
pub const CQL_PORT: u16 = 19_042;
const STORAGE_PORT: u16 = 17_000;
/// Where the first is managed from; the others follow.
const JMX_PORT: u16 = 17_199;
/// Evenly spread over the ring.
const TOKENS: [&str; COUNT] = ["-9223372036854775808", "-3074457345618258603", "3074457345618258602"];
const START: Duration = Duration::from_secs(180);

/// The servers.
#[derive(Debug)]
pub struct Ring {
    addresses: [String; COUNT],
    folder: PathBuf,
    jars: PathBuf,
    servers: Vec<Process>,
}

/// The template and its companions.
fn templates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cassandra")
}

/// The server's jars, fetched once by Maven into the cache of `with.sh`.
async fn jars() -> anyhow::Result<PathBuf> {
    let pom = templates().join("pom.xml");
    let text = std::fs::read_to_string(&pom)?;
    let version = text.split("<cassandra.version>").nth(1).and_then(|rest| rest.split('<').next());
    let version = version.context("the pom names the server's version")?;
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => Path::new(&std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache"),
    };
    let cache = cache.join("conversa-cassandra").join(version);
    let jars = cache.join("lib");
    if !cache.join("complete").exists() {
        eprintln!("fetching Apache Cassandra {version}");
        let (pom, out) = (pom.display().to_string(), format!("-DoutputDirectory={}", jars.display()));
        let args = ["-B", "-q", "-f", &pom, "dependency:copy-dependencies", "-DincludeScope=runtime", &out];
        run("mvn", &args).await.context("a JDK 17 and Maven fetch the CQL server")?;
        std::fs::write(cache.join("complete"), "")?;
    }
    Ok(jars)
}

impl Ring {
    /// Starts the servers at `addresses`, with their data in `folder`.
    ///
    /// # Errors
    /// When one does not start, with what it said.
    pub async fn start(addresses: [String; COUNT], folder: &Path) -> anyhow::Result<Self> {
        let mut ring =
            Self { addresses, folder: folder.to_owned(), jars: jars().await?, servers: Vec::new() };
        for index in 0..COUNT {
            let server = ring.launch(index)?;
            ring.servers.push(server);
        }
        for index in 0..COUNT {
            ring.answers(index).await?;
        }
        Ok(ring)
    }

    /// Where clients connect to.
    #[must_use]
    pub fn contact_points(&self) -> Vec<String> {
        self.addresses.iter().map(|address| format!("{address}:{CQL_PORT}")).collect()
    }

    fn launch(&self, index: usize) -> anyhow::Result<Process> {
        let home = self.folder.join(format!("server{}", index + 1));
        for part in ["log", "conf", "tmp"] {
            std::fs::create_dir_all(home.join(part))?;
        }
        let seeds: Vec<_> =
            self.addresses.iter().map(|address| format!("{address}:{STORAGE_PORT}")).collect();
        let text = std::fs::read_to_string(templates().join("cassandra.yaml.in"))?
            .replace("@IP@", &self.addresses[index])
            .replace("@DIR@", &home.display().to_string())
            .replace("@CQL@", &CQL_PORT.to_string())
            .replace("@STORAGE@", &STORAGE_PORT.to_string())
            .replace("@TOKEN@", TOKENS[index])
            .replace("@SEEDS@", &seeds.join(","));
        std::fs::write(home.join("conf/cassandra.yaml"), text)?;
        let agent = std::fs::read_dir(&self.jars)?.filter_map(Result::ok).map(|entry| entry.path());
        let mut agent = agent
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("jamm-")));
        let agent = agent.next().context("the server's jars are complete")?;
        let (home, conf) = (home.display(), home.join("conf"));
        let java = std::env::var_os("JAVA_HOME")
            .map_or_else(|| PathBuf::from("java"), |home| Path::new(&home).join("bin/java"));
        let mut command = Command::new(java);
        command
            .arg(format!("@{}", templates().join("jvm17.options").display()))
            .arg(format!("-javaagent:{}", agent.display()))
            .arg(format!("-Djava.io.tmpdir={home}/tmp"))
            .arg(format!("-Djna.tmpdir={home}/tmp"))
            .arg(format!("-Dcassandra.config=file://{}/cassandra.yaml", conf.display()))
            .arg(format!("-Dcassandra.storagedir={home}"))
            .arg(format!("-Dcassandra.logdir={home}/log"))
            .arg(format!("-Dlogback.configurationFile=file://{}", templates().join("logback.xml").display()))
            .arg(format!("-Dcassandra.jmx.local.port={}", usize::from(JMX_PORT) + index))
            .arg("-Dcom.sun.management.jmxremote.authenticate=false")
            .arg("-cp")
            .arg(format!("{}:{}/*", conf.display(), self.jars.display()))
            .arg("org.apache.cassandra.service.CassandraDaemon");
        Process::start(command, Path::new(&format!("{home}/log/out")))
    }

    /// Waits until a server answers.
    async fn answers(&mut self, index: usize) -> anyhow::Result<()> {
        let address = format!("{}:{CQL_PORT}", self.addresses[index]);
        let server = &mut self.servers[index];
        let up = until("the CQL server", START, async || !server.runs() || answers(&address).await).await;
        if up.is_err() || !server.runs() {
            bail!("the CQL server {address} does not start: {}", server.said());
        }
        Ok(())
    }

    /// Ends a server at once.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn kill(&mut self, index: usize) -> anyhow::Result<()> {
        self.servers[index].signal("KILL").await?;
        self.servers[index].ended().await;
        Ok(())
    }

    /// Starts it again, with its data.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn revive(&mut self, index: usize) -> anyhow::Result<()> {
        self.servers[index] = self.launch(index)?;
        self.answers(index).await
    }

    /// Stops all servers in the middle of what they do, or lets them go on.
    ///
    /// # Errors
    /// When they cannot be told.
    pub async fn pause(&self, pause: bool) -> anyhow::Result<()> {
        for server in &self.servers {
            server.signal(if pause { "STOP" } else { "CONT" }).await?;
        }
        Ok(())
    }
}

/// True when a CQL `OPTIONS` frame is answered.
async fn answers(address: &str) -> bool {
    const OPTIONS: [u8; 9] = [4, 0, 0, 0, 5, 0, 0, 0, 0];
    let ask = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(&OPTIONS).await.ok()?;
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()
    };
    matches!(tokio::time::timeout(Duration::from_secs(2), ask).await, Ok(Some(_)))
}
