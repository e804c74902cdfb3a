//! Three nodes of Conversa, each started again when it ends.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use conversa_gateway::config::{Config, StoreConfig, StoreKind, sample};
use tokio::process::Command;
use tokio::sync::Mutex;

use super::{COUNT, Net, Process, run, until};

/// The secret of the lab's company.
pub const SECRET: &str = "a secret of the lab, which is on this machine only";
/// The lab's company.
pub const TENANT: &str = "clearbrook";
const HTTP_PORT: u16 = 18_080;
const LINK_PORT: u16 = 17_800;
const START: Duration = Duration::from_secs(90);
/// How soon a node that ended is started again, as a service manager does.
const AGAIN: Duration = Duration::from_millis(500);

/// The nodes.
#[derive(Debug)]
pub struct Nodes {
    addresses: [String; COUNT],
    folder: PathBuf,
    http: reqwest::Client,
    nodes: [Arc<Mutex<One>>; COUNT],
    keeping: Vec<tokio::task::JoinHandle<()>>,
}

/// One node.
#[derive(Debug)]
struct One {
    program: PathBuf,
    within: Vec<String>,
    home: PathBuf,
    process: Option<Process>,
    /// It is to run: started again when it ends.
    wanted: bool,
    starts: u32,
}

impl One {
    fn launch(&mut self) -> anyhow::Result<()> {
        let mut words = self.within.iter().map(PathBuf::from).chain([self.program.clone()]);
        let mut command = Command::new(words.next().context("there is a program")?);
        command.args(words).arg("serve").arg("--config").arg(self.home.join("conversa.toml"));
        command.current_dir(&self.home);
        self.starts += 1;
        self.process = Some(Process::start(command, &self.home.join("node.log"))?);
        Ok(())
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.keeping.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl Nodes {
    /// Starts the nodes at `addresses` over the CQL store at `contact_points`.
    ///
    /// # Errors
    /// When one does not become a member, with what it said.
    pub async fn start(
        program: &Path,
        net: Option<&Net>,
        addresses: [String; COUNT],
        contact_points: Vec<String>,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let program =
            program.canonicalize().with_context(|| format!("{} is not there", program.display()))?;
        let certificates = folder.join("tls");
        let (tool, out) = (program.display().to_string(), certificates.display().to_string());
        let names: [String; COUNT] = std::array::from_fn(|index| format!("n{}", index + 1));
        let mut args = vec!["cluster", "certs", "--out", &out];
        args.extend(names.iter().map(String::as_str));
        run(&tool, &args).await?;
        let mut nodes = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let home = folder.join(name);
            std::fs::create_dir_all(&home)?;
            let config = config(name, &addresses[index], &contact_points, &certificates);
            std::fs::write(home.join("conversa.toml"), toml::to_string(&config)?)?;
            let within = net.map_or_else(Vec::new, |net| net.within(index));
            let program = program.clone();
            nodes.push(One { program, within, home, process: None, wanted: true, starts: 0 });
        }
        let nodes = <[One; COUNT]>::try_from(nodes).ok().context("three nodes")?;
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
        let nodes = nodes.map(|one| Arc::new(Mutex::new(one)));
        let keeping = nodes.iter().map(|node| tokio::spawn(keep(Arc::clone(node)))).collect();
        let lab = Self { addresses, folder: folder.to_owned(), http, nodes, keeping };
        for node in 0..COUNT {
            lab.ready(node).await?;
        }
        Ok(lab)
    }

    /// Where clients connect to.
    #[must_use]
    pub fn urls(&self) -> [String; COUNT] {
        std::array::from_fn(|node| format!("http://{}:{HTTP_PORT}", self.addresses[node]))
    }

    /// The configuration of a node, which has the company's secret.
    #[must_use]
    pub fn config(&self, node: usize) -> PathBuf {
        self.folder.join(format!("n{}", node + 1)).join("conversa.toml")
    }

    /// Sends a node a signal, as `kill` names it. One that ends because of it is started again.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub async fn signal(&self, node: usize, name: &str) -> anyhow::Result<()> {
        match &self.nodes[node].lock().await.process {
            Some(process) => process.signal(name).await,
            None => Ok(()),
        }
    }

    /// How often a node was started.
    pub async fn starts(&self, node: usize) -> u32 {
        self.nodes[node].lock().await.starts
    }

    /// Waits until a node says that it is ready.
    ///
    /// # Errors
    /// When it is not in time, with what it said last.
    pub async fn ready(&self, node: usize) -> anyhow::Result<()> {
        let url = format!("{}/readyz", self.urls()[node]);
        let ready = async || {
            let answer = self.http.get(&url).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        if let Err(late) = until("a node", START, ready).await {
            let said = self.nodes[node].lock().await.process.as_ref().map(Process::said).unwrap_or_default();
            return Err(late.context(format!("node {}: {said}", node + 1)));
        }
        Ok(())
    }

    /// A figure of a node's metrics page; none when the node does not answer.
    pub async fn figure(&self, node: usize, name: &str) -> Option<f64> {
        let page =
            self.http.get(format!("{}/metrics", self.urls()[node])).send().await.ok()?.text().await.ok()?;
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.trim().parse().ok()
    }

    /// Waits until the shards are spread: no node serves less than `share` of an even part.
    ///
    /// # Errors
    /// When they are not in time.
    pub async fn spread(&self, share: f64) -> anyhow::Result<()> {
        let least = f64::from(conversa_engine::ids::SHARDS) / 3.0 * share;
        let spread = async || {
            for node in 0..COUNT {
                if self.figure(node, "conversa_cluster_shards").await.is_none_or(|shards| shards < least) {
                    return false;
                }
            }
            true
        };
        until("an even spread of the shards", Duration::from_secs(120), spread).await
    }
}

/// Starts a node, and again whenever it ends.
async fn keep(node: Arc<Mutex<One>>) {
    loop {
        let mut one = node.lock().await;
        let runs = one.process.as_mut().is_some_and(Process::runs);
        if !runs
            && one.wanted
            && let Err(error) = one.launch()
        {
            eprintln!("a node cannot be started: {error:#}");
        }
        drop(one);
        tokio::time::sleep(AGAIN).await;
    }
}

fn config(name: &str, address: &str, contact_points: &[String], certificates: &Path) -> Config {
    let mut config = Config::default();
    config.node.name = name.to_owned();
    config.node.listen = format!("{address}:{HTTP_PORT}");
    config.node.data = "data".into();
    config.limits.visitor_rate_per_s = 50;
    config.limits.visitor_burst = 200;
    config.limits.connections_per_address = 10_000;
    config.store = StoreConfig {
        kind: StoreKind::Cql,
        contact_points: contact_points.to_vec(),
        keyspace: "lab".into(),
        ..StoreConfig::default()
    };
    config.cluster.listen = Some(format!("{address}:{LINK_PORT}"));
    config.cluster.authority = Some(certificates.join("authority.pem"));
    config.cluster.certificate = Some(certificates.join(format!("{name}.pem")));
    config.cluster.key = Some(certificates.join(format!("{name}.key")));
    let mut company = sample::company();
    company.secret = Some(SECRET.to_owned());
    config.tenants = vec![company];
    config
}
