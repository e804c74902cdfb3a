//! Network namespaces for the nodes, joined by a bridge, so that lines between them can be cut. Needs root, `ip` and `iptables`.

use std::process::{Command as Blocking, Stdio};

use super::{COUNT, Places, run};

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
    pub async fn start() -> anyhow::Result<Self> {
        let net = Self(());
        net.clear();
        run("ip", &["link", "add", BRIDGE, "type", "bridge"]).await?;
        run("ip", &["addr", "add", &format!("{NETWORK}.1/24"), "dev", BRIDGE]).await?;
        for server in 0..COUNT {
            run("ip", &["addr", "add", &format!("{}/24", server_address(server)), "dev", BRIDGE]).await?;
        }
        run("ip", &["link", "set", BRIDGE, "up"]).await?;
        for node in 0..COUNT {
            let (space, out, inside) =
                (space(node), format!("cvlab{}", node + 1), format!("cvin{}", node + 1));
            run("ip", &["netns", "add", &space]).await?;
            run("ip", &["link", "add", &out, "type", "veth", "peer", "name", &inside]).await?;
            run("ip", &["link", "set", &out, "master", BRIDGE]).await?;
            run("ip", &["link", "set", &out, "up"]).await?;
            run("ip", &["link", "set", &inside, "netns", &space]).await?;
            let within = ["netns", "exec", &space, "ip"];
            let address = format!("{}/24", node_address(node));
            run("ip", &[&within[..], &["addr", "add", &address, "dev", &inside]].concat()).await?;
            run("ip", &[&within[..], &["link", "set", &inside, "up"]].concat()).await?;
            run("ip", &[&within[..], &["link", "set", "lo", "up"]].concat()).await?;
        }
        Ok(net)
    }

    /// Where everything is.
    #[must_use]
    pub fn places(&self) -> Places {
        Places { servers: std::array::from_fn(server_address), nodes: std::array::from_fn(node_address) }
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
    pub async fn cut(&self, node: usize, deaf: bool) -> anyhow::Result<()> {
        let others = (0..COUNT).filter(|other| *other != node).map(node_address);
        for other in others.chain((0..COUNT).map(server_address)) {
            self.rule(node, &["-A", "INPUT", "-s", &other, "-j", "DROP"]).await?;
            if !deaf {
                self.rule(node, &["-A", "OUTPUT", "-d", &other, "-j", "DROP"]).await?;
            }
        }
        Ok(())
    }

    /// Joins it again.
    ///
    /// # Errors
    /// When the rules cannot be taken away.
    pub async fn join(&self, node: usize) -> anyhow::Result<()> {
        self.rule(node, &["-F"]).await
    }

    async fn rule(&self, node: usize, rule: &[&str]) -> anyhow::Result<()> {
        let space = space(node);
        run("ip", &[&["netns", "exec", &space, "iptables", "-w"][..], rule].concat()).await
    }

    /// What an earlier lab may have left.
    fn clear(&self) {
        let quiet = |args: &[&str]| {
            // Most of it is not there.
            let _ = Blocking::new("ip").args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
        };
        for node in 0..COUNT {
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
