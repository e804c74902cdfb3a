//! The nodes of a run: each is started again when it ends, as a service manager does.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use parking_lot::Mutex;

use super::{LOOK, until};
use crate::lab::NODES;
use crate::lab::net::Net;
use crate::lab::node::{Node, Spec};

const HTTP_PORT: u16 = 8_080;
const LINK_PORT: u16 = 7_800;
/// How soon a node that ended is started again.
const AGAIN: Duration = Duration::from_millis(500);
/// How long a node may take to be ready, and the shards to be spread.
const READY: Duration = Duration::from_secs(120);

/// A node, and how often it was started.
#[derive(Debug)]
struct Kept {
    node: Node,
    starts: u32,
}

/// The nodes.
#[derive(Debug)]
pub(super) struct Nodes {
    urls: [String; NODES],
    config: PathBuf,
    http: reqwest::Client,
    kept: Arc<[Mutex<Kept>]>,
    keeping: tokio::task::JoinHandle<()>,
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

impl Nodes {
    pub(super) async fn start(
        program: &Path,
        net: &Net,
        contact_points: Vec<String>,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let conversa =
            program.canonicalize().with_context(|| format!("{} is not there", program.display()))?;
        let certificates = folder.join("tls");
        let names: [String; NODES] = std::array::from_fn(|node| format!("n{}", node + 1));
        let mut command = Command::new(&conversa);
        command.args(["cluster", "certs", "--out"]).arg(&certificates).args(&names);
        let made = command.output().context("certificates cannot be made")?;
        ensure!(made.status.success(), "no certificates: {}", String::from_utf8_lossy(&made.stderr));
        let mut kept = Vec::new();
        for (node, name) in names.iter().enumerate() {
            let spec = Spec {
                name: name.clone(),
                folder: folder.join(name),
                conversa: conversa.clone(),
                listen: format!("{}:{HTTP_PORT}", net.node(node)),
                links: format!("{}:{LINK_PORT}", net.node(node)),
                contact_points: contact_points.clone(),
                certificates: Some(certificates.clone()),
                within: net.within(node),
            };
            kept.push(Mutex::new(Kept { node: Node::start(spec)?, starts: 1 }));
        }
        let kept: Arc<[_]> = kept.into();
        let nodes = Self {
            urls: std::array::from_fn(|node| format!("http://{}:{HTTP_PORT}", net.node(node))),
            config: folder.join(&names[0]).join("conversa.toml"),
            http: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?,
            keeping: tokio::spawn(keep(Arc::clone(&kept))),
            kept,
        };
        for node in 0..NODES {
            nodes.ready(node).await?;
        }
        Ok(nodes)
    }

    /// Where clients connect to.
    pub(super) fn urls(&self) -> &[String; NODES] {
        &self.urls
    }

    /// A configuration that has the company's secret.
    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    pub(super) fn kill(&self, node: usize) {
        self.kept[node].lock().node.process().kill();
    }

    pub(super) fn pause(&self, node: usize) -> anyhow::Result<()> {
        self.kept[node].lock().node.process().pause()
    }

    pub(super) fn resume(&self, node: usize) -> anyhow::Result<()> {
        self.kept[node].lock().node.process().resume()
    }

    /// Stops a node as one should, and waits until it is there again.
    pub(super) async fn restart(&self, node: usize) -> anyhow::Result<()> {
        let before = {
            let mut kept = self.kept[node].lock();
            kept.node.process().ask_to_end();
            kept.starts
        };
        until("the end of a node", READY, async || self.kept[node].lock().starts > before).await?;
        self.ready(node).await
    }

    /// Waits until a node says that it is ready.
    pub(super) async fn ready(&self, node: usize) -> anyhow::Result<()> {
        let url = format!("{}/readyz", self.urls[node]);
        let ready =
            async || self.http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success());
        match until("a node", READY, ready).await {
            Ok(()) => Ok(()),
            Err(late) => {
                let said = self.kept[node].lock().node.process().log_end();
                Err(late.context(format!("node {}: {said}", node + 1)))
            }
        }
    }

    /// Waits until no node serves less than `share` of an even part of the shards.
    pub(super) async fn spread(&self, share: f64) -> anyhow::Result<()> {
        let least = f64::from(conversa_engine::ids::SHARDS) / 3.0 * share;
        let spread = async || {
            for node in 0..NODES {
                if self.shards(node).await.is_none_or(|shards| shards < least) {
                    return false;
                }
            }
            true
        };
        until("an even spread of the shards", READY, spread).await
    }

    /// What a node serves, by its metrics page; none when it does not answer.
    async fn shards(&self, node: usize) -> Option<f64> {
        let page =
            self.http.get(format!("{}/metrics", self.urls[node])).send().await.ok()?.text().await.ok()?;
        page.lines().find_map(|line| line.strip_prefix("conversa_cluster_shards "))?.trim().parse().ok()
    }
}

async fn keep(nodes: Arc<[Mutex<Kept>]>) {
    loop {
        for node in &*nodes {
            let mut kept = node.lock();
            if kept.node.process().ended().is_some() {
                kept.starts += 1;
                if let Err(error) = kept.node.start_again() {
                    eprintln!("a node cannot be started again: {error:#}");
                }
            }
        }
        tokio::time::sleep(AGAIN.max(LOOK)).await;
    }
}
