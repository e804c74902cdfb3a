//! A cluster on one machine, for trying out and for whatever kills, pauses and restarts its parts: a ring of Apache Cassandra and processes
//! of `conversa serve` that serve it together. Everything is in one folder, and ends with the [`Lab`].

pub mod cassandra;
pub mod net;
pub mod node;
pub mod process;

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::Context;

use cassandra::Ring;
use node::{Node, Spec};

/// Nodes of a ring, and of Conversa.
pub const NODES: usize = 3;

/// What runs.
#[derive(Debug)]
pub struct Lab {
    // Dropped in this order: a node that stops still writes.
    nodes: Vec<Node>,
    ring: Ring,
}

impl Lab {
    /// Starts three nodes of the store, then three of Conversa, and waits until all are ready. `folder` is emptied first, after what an
    /// earlier lab has left running there is ended.
    ///
    /// # Errors
    /// When something is missing or does not start; its log stays in the folder.
    pub fn start(folder: &Path, conversa: &Path) -> anyhow::Result<Self> {
        prepare(folder)?;
        let ring = Ring::start(
            &folder.join("store"),
            &(1..=NODES).map(|n| format!("127.0.0.{n}")).collect::<Vec<_>>(),
        )?;
        let mut nodes = Vec::new();
        for spec in specs(folder, conversa, &ring)? {
            nodes.push(Node::start(spec)?);
        }
        nodes.iter_mut().try_for_each(Node::wait)?;
        Ok(Self { nodes, ring })
    }

    /// The store.
    pub fn ring(&mut self) -> &mut Ring {
        &mut self.ring
    }

    /// The nodes of Conversa.
    pub fn nodes(&mut self) -> &mut [Node] {
        &mut self.nodes
    }

    /// Starts the nodes again that have ended, as a service manager does; gives their names.
    ///
    /// # Errors
    /// When the program is not there any more.
    pub fn start_ended(&mut self) -> anyhow::Result<Vec<String>> {
        let mut names = Vec::new();
        for node in &mut self.nodes {
            if node.process().ended().is_some() {
                node.start_again()?;
                names.push(node.spec().name.clone());
            }
        }
        Ok(names)
    }

    /// Lets the nodes finish, then ends the store.
    pub fn stop(mut self) {
        for node in &mut self.nodes {
            node.process().ask_to_end();
        }
        for node in &mut self.nodes {
            node.process().end(node::STOP);
        }
    }
}

/// An empty folder, in which nothing runs any more.
///
/// # Errors
/// When it holds something that no lab has put there, or cannot be made.
pub fn prepare(folder: &Path) -> anyhow::Result<PathBuf> {
    const MARK: &str = "made-by-conversa-lab";
    if folder.exists() {
        let ours = folder.join(MARK).exists();
        anyhow::ensure!(ours, "{} is not a folder of a lab: name another one", folder.display());
        process::end_left_over(folder)?;
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    std::fs::write(folder.join(MARK), "")?;
    Ok(folder.canonicalize()?)
}

fn specs(folder: &Path, conversa: &Path, ring: &Ring) -> anyhow::Result<Vec<Spec>> {
    let ports = free_ports(2 * NODES, "127.0.0.1")?;
    let spec = |n: usize| Spec {
        name: format!("n{}", n + 1),
        folder: folder.join(format!("n{}", n + 1)),
        conversa: conversa.to_owned(),
        listen: format!("127.0.0.1:{}", ports[2 * n]),
        links: format!("127.0.0.1:{}", ports[2 * n + 1]),
        contact_points: ring.contact_points(),
        certificates: None,
        within: Vec::new(),
    };
    Ok((0..NODES).map(spec).collect())
}

/// Ports that are free now, all different. Whoever listens there soon has them, unless somebody is quicker.
///
/// # Errors
/// When the address is not this machine's.
pub fn free_ports(count: usize, ip: &str) -> anyhow::Result<Vec<u16>> {
    let held: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind((ip, 0))).collect::<Result<_, _>>()?;
    held.iter().map(|socket| Ok(socket.local_addr()?.port())).collect()
}

/// A port that is free on all of these addresses.
///
/// # Errors
/// When there is none.
pub fn port_free_on(ips: &[String]) -> anyhow::Result<u16> {
    const TRIES: usize = 50;
    for _ in 0..TRIES {
        let port = free_ports(1, &ips[0])?[0];
        if ips.iter().all(|ip| TcpListener::bind((ip.as_str(), port)).is_ok()) {
            return Ok(port);
        }
    }
    anyhow::bail!("no port is free on all of {ips:?}: are these addresses of this machine?")
}
