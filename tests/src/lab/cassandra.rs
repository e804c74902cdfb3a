//! A ring of Apache Cassandra: one process for each of some addresses of this machine, with one CQL port for all, since its drivers know
//! peers by address alone. `tests/cassandra` has the templates and fetches the server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;

use super::process::Process;
use super::{free_ports, port_free_on};

/// A server of a ring on two busy cores starts within this time.
const START: Duration = Duration::from_secs(240);
/// Three equal ranges.
const TOKENS: [&str; 3] = ["-9223372036854775808", "-3074457345618258603", "3074457345618258602"];
/// Less than a server that is alone has: three must fit a small machine.
const MEMORY: [&str; 4] =
    ["-Xms256m", "-Xmx256m", "-XX:MaxDirectMemorySize=128m", "-XX:MaxMetaspaceSize=128m"];

/// A ring, ended when it is dropped.
#[derive(Debug)]
pub struct Ring {
    folder: PathBuf,
    jars: PathBuf,
    ips: Vec<String>,
    ports: Ports,
    servers: Vec<Option<Process>>,
}

#[derive(Debug)]
struct Ports {
    cql: u16,
    storage: u16,
    jmx: Vec<u16>,
}

fn templates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cassandra")
}

fn java() -> PathBuf {
    std::env::var_os("JAVA_HOME").map_or("java".into(), |home| PathBuf::from(home).join("bin/java"))
}

/// Where the server's jars are; fetched once.
fn fetch() -> anyhow::Result<PathBuf> {
    let script = templates().join("with.sh");
    let output = Command::new(&script).arg("--fetch").stderr(std::process::Stdio::inherit()).output();
    let output = output.with_context(|| format!("{} does not run", script.display()))?;
    anyhow::ensure!(output.status.success(), "Apache Cassandra is not there: it needs a JDK (17) and Maven");
    Ok(String::from_utf8(output.stdout)?.trim().into())
}

impl Ring {
    /// Starts a server on each of these addresses, 3 at most, and waits until each answers.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start(folder: &Path, ips: &[String]) -> anyhow::Result<Self> {
        let (ips, count) = (ips.to_vec(), ips.len());
        anyhow::ensure!((1..=TOKENS.len()).contains(&count), "a ring has 1 to {} servers", TOKENS.len());
        let jars = fetch()?;
        let ports = Ports {
            cql: port_free_on(&ips)?,
            storage: port_free_on(&ips)?,
            jmx: free_ports(count, "127.0.0.1")?,
        };
        let servers = (0..count).map(|_| None).collect();
        let mut ring = Self { folder: folder.to_owned(), jars, ips, ports, servers };
        // All are seeds, so none waits for another one.
        (0..count).try_for_each(|place| ring.begin(place))?;
        (0..count).try_for_each(|place| ring.wait(place))?;
        Ok(ring)
    }

    /// As drivers want them.
    #[must_use]
    pub fn contact_points(&self) -> Vec<String> {
        self.ips.iter().map(|ip| format!("{ip}:{}", self.ports.cql)).collect()
    }

    /// The server at that place, if it runs.
    pub fn server(&mut self, place: usize) -> Option<&mut Process> {
        self.servers[place].as_mut()
    }

    /// Ends a server in this instant; its data stays.
    pub fn kill(&mut self, place: usize) {
        self.servers[place] = None;
    }

    /// Starts a server again on its data, and waits until it answers.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_again(&mut self, place: usize) -> anyhow::Result<()> {
        self.kill(place);
        self.begin(place)?;
        self.wait(place)
    }

    fn begin(&mut self, place: usize) -> anyhow::Result<()> {
        let folder = self.folder.join(&self.ips[place]);
        for part in ["conf", "tmp", "log"] {
            std::fs::create_dir_all(folder.join(part))?;
        }
        let template = std::fs::read_to_string(templates().join("cassandra.yaml.in"))?;
        let seeds: Vec<String> = self.ips.iter().map(|ip| format!("{ip}:{}", self.ports.storage)).collect();
        let shown = folder.display().to_string();
        let settings = template
            .replace("@IP@", &self.ips[place])
            .replace("@DIR@", &shown)
            .replace("@CQL@", &self.ports.cql.to_string())
            .replace("@STORAGE@", &self.ports.storage.to_string())
            .replace("@SEEDS@", &seeds.join(","))
            .replace("@TOKEN@", TOKENS[place]);
        let file = folder.join("conf/cassandra.yaml");
        std::fs::write(&file, settings)?;
        let process = Process::start("cassandra", &folder, &mut self.command(place, &folder, &file)?)?;
        self.servers[place] = Some(process);
        Ok(())
    }

    fn command(&self, place: usize, folder: &Path, settings: &Path) -> anyhow::Result<Command> {
        let jars = std::fs::read_dir(&self.jars)?.filter_map(Result::ok).map(|entry| entry.path());
        let is_agent = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("jamm-"))
        };
        let agent = jars.into_iter().find(is_agent).context("the server's jars are not complete")?;
        let shown = folder.display();
        let mut command = Command::new(java());
        command
            .arg(format!("@{}", templates().join("jvm17.options").display()))
            .args(MEMORY)
            .arg(format!("-javaagent:{}", agent.display()))
            .arg(format!("-Djava.io.tmpdir={shown}/tmp"))
            .arg(format!("-Djna.tmpdir={shown}/tmp"))
            .arg(format!("-Dcassandra.config=file://{}", settings.display()))
            .arg(format!("-Dcassandra.storagedir={shown}"))
            .arg(format!("-Dcassandra.logdir={shown}/log"))
            .arg(format!("-Dlogback.configurationFile=file://{}", templates().join("logback.xml").display()))
            .arg(format!("-Dcassandra.jmx.local.port={}", self.ports.jmx[place]))
            .arg("-Dcom.sun.management.jmxremote.authenticate=false")
            .arg("-cp")
            .arg(format!("{shown}/conf:{}/*", self.jars.display()))
            .arg("org.apache.cassandra.service.CassandraDaemon");
        Ok(command)
    }

    fn wait(&mut self, place: usize) -> anyhow::Result<()> {
        let address: SocketAddr = format!("{}:{}", self.ips[place], self.ports.cql).parse()?;
        let server = self.servers[place].as_mut().context("it was begun")?;
        server.wait_until(START, || answers(address))
    }
}

/// True when a CQL server answers the frame OPTIONS.
fn answers(address: SocketAddr) -> bool {
    const PATIENCE: Duration = Duration::from_secs(5);
    let ask = || {
        let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.write_all(&[4, 0, 0, 0, 5, 0, 0, 0, 0])?;
        let mut head = [0; 9];
        socket.read_exact(&mut head)?;
        Ok::<_, std::io::Error>(head[4])
    };
    // SUPPORTED.
    ask().is_ok_and(|opcode| opcode == 6)
}
