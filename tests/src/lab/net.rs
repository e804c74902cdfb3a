//! Network namespaces for the nodes, joined by a bridge, so that lines between them can be cut. Needs root, `ip` and `iptables`.

use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use super::NODES;

const BRIDGE: &str = "cvlab0";
/// The lab's addresses: a network that exists on this machine only.
const NETWORK: &str = "10.213.77";

/// The namespaces. They go with it.
#[derive(Debug)]
pub struct Net(());

fn space(node: usize) -> String {
    format!("cvlab-{}", node + 1)
}

fn node_address(node: usize) -> String {
    format!("{NETWORK}.{}", 21 + node)
}

fn server_address(server: usize) -> String {
    format!("{NETWORK}.{}", 11 + server)
}

impl Net {
    /// Makes the namespaces.
    ///
    /// # Errors
    /// When that is not allowed here.
    pub fn start() -> anyhow::Result<Self> {
        let net = Self(());
        net.clear();
        run("ip", &["link", "add", BRIDGE, "type", "bridge"])?;
        run("ip", &["addr", "add", &format!("{NETWORK}.1/24"), "dev", BRIDGE])?;
        for server in 0..NODES {
            run("ip", &["addr", "add", &format!("{}/24", server_address(server)), "dev", BRIDGE])?;
        }
        run("ip", &["link", "set", BRIDGE, "up"])?;
        for node in 0..NODES {
            let (space, out, inside) =
                (space(node), format!("cvlab{}", node + 1), format!("cvin{}", node + 1));
            run("ip", &["netns", "add", &space])?;
            run("ip", &["link", "add", &out, "type", "veth", "peer", "name", &inside])?;
            run("ip", &["link", "set", &out, "master", BRIDGE])?;
            run("ip", &["link", "set", &out, "up"])?;
            run("ip", &["link", "set", &inside, "netns", &space])?;
            let within = ["netns", "exec", &space, "ip"];
            let address = format!("{}/24", node_address(node));
            run("ip", &[&within[..], &["addr", "add", &address, "dev", &inside]].concat())?;
            run("ip", &[&within[..], &["link", "set", &inside, "up"]].concat())?;
            run("ip", &[&within[..], &["link", "set", "lo", "up"]].concat())?;
        }
        Ok(net)
    }

    /// Addresses for the CQL servers.
    #[must_use]
    pub fn servers(&self) -> Vec<String> {
        (0..NODES).map(server_address).collect()
    }

    /// The address of a node.
    #[must_use]
    pub fn node(&self, node: usize) -> String {
        node_address(node)
    }

    /// The program and arguments that run something in a node's namespace.
    #[must_use]
    pub fn within(&self, node: usize) -> Vec<String> {
        ["ip", "netns", "exec"].map(str::to_owned).into_iter().chain([space(node)]).collect()
    }

    /// Cuts a node off from the other nodes and from the servers; clients still reach it. With `deaf` it hears nothing of them, and what
    /// it says arrives.
    ///
    /// # Errors
    /// When the rules cannot be set.
    pub fn cut(&self, node: usize, deaf: bool) -> anyhow::Result<()> {
        let others = (0..NODES).filter(|other| *other != node).map(node_address);
        for other in others.chain((0..NODES).map(server_address)) {
            self.rule(node, &["-A", "INPUT", "-s", &other, "-j", "DROP"])?;
            if !deaf {
                self.rule(node, &["-A", "OUTPUT", "-d", &other, "-j", "DROP"])?;
            }
        }
        Ok(())
    }

    /// Joins it again.
    ///
    /// # Errors
    /// When the rules cannot be taken away.
    pub fn join(&self, node: usize) -> anyhow::Result<()> {
        self.rule(node, &["-F"])
    }

    fn rule(&self, node: usize, rule: &[&str]) -> anyhow::Result<()> {
        let space = space(node);
        run("ip", &[&["netns", "exec", &space, "iptables", "-w"][..], rule].concat())
    }

    /// What an earlier lab may have left, and this one leaves.
    fn clear(&self) {
        let quiet = |args: &[&str]| {
            // Most of it is not there.
            let _ = Command::new("ip").args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
        };
        for node in 0..NODES {
            quiet(&["netns", "del", &space(node)]);
            quiet(&["link", "del", &format!("cvlab{}", node + 1)]);
        }
        quiet(&["link", "del", BRIDGE]);
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Runs a program to its end.
fn run(program: &str, args: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{program} {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
