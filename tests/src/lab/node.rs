//! A process of `conversa serve` with a configuration of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use conversa_gateway::config::{Config, StoreConfig, StoreKind, sample};

use super::process::Process;

/// A node is ready within this time: making the tables takes longest.
const START: Duration = Duration::from_secs(120);
/// A node that is asked to stop gets this long: when all stop, nobody takes over what they serve.
pub const STOP: Duration = Duration::from_secs(5);

/// What a node is made of.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Its name in the cluster.
    pub name: String,
    /// Its configuration, data and log.
    pub folder: PathBuf,
    /// The program.
    pub conversa: PathBuf,
    /// Where clients find it.
    pub listen: String,
    /// Where the links of other nodes find it.
    pub links: String,
    /// Of the store.
    pub contact_points: Vec<String>,
    /// The folder with the certificates of the links; without it they are not encrypted, and on this machine only.
    pub certificates: Option<PathBuf>,
    /// The words that run something where the node is: in a network namespace.
    pub within: Vec<String>,
}

/// The keyspace of the lab.
pub const KEYSPACE: &str = "lab";
/// The company of the lab.
pub const TENANT: &str = "clearbrook";
/// Its secret.
pub const SECRET: &str = "a secret of the lab, which is on this machine only";

/// The configuration of a node: all serve one keyspace together, for the sample company.
#[must_use]
pub fn configuration(spec: &Spec) -> Config {
    let mut config = Config::default();
    config.node.name.clone_from(&spec.name);
    config.node.listen.clone_from(&spec.listen);
    config.node.data = "data".into();
    // Tokens for anybody, on this machine only; elsewhere the company's secret signs them.
    config.node.development = spec.certificates.is_none();
    // Whoever measures is not to be slowed down by what protects from strangers.
    (config.limits.visitor_rate_per_s, config.limits.visitor_burst) = (50, 200);
    config.limits.connections_per_address = 10_000;
    config.store = StoreConfig {
        kind: StoreKind::Cql,
        contact_points: spec.contact_points.clone(),
        keyspace: KEYSPACE.into(),
        replication: u32::try_from(spec.contact_points.len()).unwrap_or(3),
        ..StoreConfig::default()
    };
    config.cluster.listen = Some(spec.links.clone());
    if let Some(folder) = &spec.certificates {
        config.cluster.authority = Some(folder.join("authority.pem"));
        config.cluster.certificate = Some(folder.join(format!("{}.pem", spec.name)));
        config.cluster.key = Some(folder.join(format!("{}.key", spec.name)));
    }
    let mut company = sample::company();
    company.secret = Some(SECRET.to_owned());
    // Whoever misses offers because of a fault would be set away, and wait for somebody to come back.
    company.desk.misses_max = 0;
    config.tenants = vec![company];
    config
}

/// A node.
#[derive(Debug)]
pub struct Node {
    spec: Spec,
    process: Process,
}

impl Node {
    /// Starts it; [`Node::wait`] then waits until it is ready.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn start(spec: Spec) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&spec.folder)?;
        std::fs::write(spec.folder.join("conversa.toml"), toml::to_string(&configuration(&spec))?)?;
        let process = begin(&spec)?;
        Ok(Self { spec, process })
    }

    /// What it is made of.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Its process: to be killed, paused, or asked to end.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Starts it again with what it has; [`Node::wait`] then waits until it is ready.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.process().kill();
        self.process = begin(&self.spec)?;
        Ok(())
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// When it ends, or takes too long.
    pub fn wait(&mut self) -> anyhow::Result<()> {
        self.process.wait_until(START, || is_ready(&self.spec.listen))
    }
}

fn begin(spec: &Spec) -> anyhow::Result<Process> {
    let program = spec.conversa.display().to_string();
    let mut words = spec.within.iter().chain([&program]);
    let mut command = Command::new(words.next().unwrap_or(&program));
    command.args(words).arg("serve").arg("--config").arg(spec.folder.join("conversa.toml"));
    Process::start(&spec.name, &spec.folder, &mut command)
}

/// True when it answers `/readyz` with 200.
fn is_ready(listen: &str) -> bool {
    let ask = || {
        let mut socket = TcpStream::connect(listen)?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(socket, "GET /readyz HTTP/1.1\r\nHost: {listen}\r\nConnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        socket.read_exact(&mut head)?;
        Ok::<_, std::io::Error>(head)
    };
    ask().is_ok_and(|head| head.ends_with(b" 200"))
}
