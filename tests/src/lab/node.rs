//! A process of `conversa serve` with a configuration of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::process::Process;

/// A node is ready within this time: making the tables takes longest.
const START: Duration = Duration::from_secs(120);
/// A node that is asked to stop ends within this time.
pub const STOP: Duration = Duration::from_secs(20);

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
}

/// The configuration of a node. Nodes cannot join each other yet, and one node serves a keyspace: so each has its own here. When they
/// can, this is the one place that changes: one keyspace for all, and a section for `links`.
#[must_use]
pub fn configuration(spec: &Spec) -> String {
    let Spec { name, listen, contact_points, .. } = spec;
    format!(
        "[node]\nname = {name:?}\nlisten = {listen:?}\ndata = \"data\"\ndevelopment = true\n\n\
         [store]\nkind = \"cql\"\ncontact_points = {contact_points:?}\nkeyspace = \"lab_{name}\"\nreplication = {}\n",
        contact_points.len()
    )
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
        std::fs::write(spec.folder.join("conversa.toml"), configuration(&spec))?;
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
    let mut command = Command::new(&spec.conversa);
    command.arg("serve").arg("--config").arg(spec.folder.join("conversa.toml"));
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
