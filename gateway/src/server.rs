//! The server: one listener for WebSocket, REST and pages, and its graceful stop.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use axum::serve::ListenerExt;
use conversa_actors::host::{Bounds, Host};
use conversa_actors::tenant::Tenant;
use conversa_cluster::State as StoreState;
use conversa_cluster::clock::{WallClock, random};
use conversa_cluster::fabric::Fabric;
use conversa_cluster::node::Node;
use conversa_engine::ids::TenantId;
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::attachment::Attachments;
use crate::auth::{self, Principal};
use crate::config::{Config, Limits, StoreKind, sample};
use crate::gauges;
use crate::line::Lines;
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::push::Reachable;
use crate::rest;
use crate::settings::{Book, SETTINGS};
use crate::stream::Streams;
use crate::ticket::Tickets;

/// Beyond the time that clients have to leave, they get this long to take their goodbye when a node stops.
const GOODBYE: Duration = Duration::from_secs(3);
/// How often streams whose time is over are looked for.
const SWEEP: Duration = Duration::from_secs(5);
/// How long clients have to leave a node that cannot serve.
const CUT_OFF: Duration = Duration::from_millis(500);
/// How often a node looks whether it has its place in its cluster.
const LOOK: Duration = Duration::from_millis(250);
/// How often a node of a cluster looks for settings of which no notice came.
const REREAD: Duration = Duration::from_secs(30);
/// How often uploads that nobody completed are looked for.
const UPLOADS_SWEEP: Duration = Duration::from_secs(60);
/// The file in the data folder that holds the secret made in development.
const SECRET_FILE: &str = "development-secret";

/// What every request needs.
pub(crate) struct Edge {
    pub(crate) host: Arc<Host>,
    pub(crate) node: String,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    pub(crate) development: bool,
    pub(crate) companies: Vec<TenantId>,
    pub(crate) settings: Book,
    pub(crate) streams: Streams,
    pub(crate) tickets: Tickets,
    pub(crate) lines: Lines,
    pub(crate) reachable: Arc<Reachable>,
    pub(crate) attachments: Attachments,
    store: Arc<StoreState>,
    fabric: Option<Arc<Fabric>>,
    secrets: HashMap<TenantId, String>,
    origins: Vec<String>,
    draining: AtomicBool,
    /// The node has no place in its cluster now.
    cut_off: AtomicBool,
    drain: Duration,
    sockets: AtomicU64,
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

impl Edge {
    /// True while nobody new is let in: the node is going down, or cannot serve.
    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed) || self.cut_off.load(Ordering::Relaxed)
    }

    /// How long clients have to leave when the node stops, or cannot serve: then there is nothing to wait for.
    pub(crate) fn drain(&self) -> Duration {
        if self.cut_off.load(Ordering::Relaxed) { self.drain.min(CUT_OFF) } else { self.drain }
    }

    /// Waits until nobody new is let in.
    pub(crate) async fn drains(&self) {
        while !self.draining() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// True while the store cannot write: nothing is accepted then.
    pub(crate) fn failing(&self) -> bool {
        self.store.failing()
    }

    /// Why the node cannot serve although it runs: it has no place in its cluster now.
    pub(crate) fn outside(&self) -> Option<&'static str> {
        let fabric = self.fabric.as_ref()?;
        match (fabric.is_member(), (fabric.holds())()) {
            (false, _) => Some("not in the view of the cluster yet"),
            (true, false) => Some("the lease of this node is not renewed: is the store reachable?"),
            (true, true) => None,
        }
    }

    /// The number of a new socket: another one than that of any socket of another node or of an earlier life of this one.
    pub(crate) fn next_socket(&self) -> u64 {
        self.sockets.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn metrics_page(&self) -> String {
        self.metrics.page(&self.host, &self.store, self.fabric.as_deref(), self.streams.parked())
    }

    /// The principal of a token, and when it ends.
    pub(crate) fn check(&self, token: &str) -> Result<(Principal, Time), Refusal> {
        auth::check(token, self.host.now(), |tenant| self.secrets.get(tenant).cloned())
    }

    /// The principal of a token, and what the company says there of the visitor.
    pub(crate) fn claims(&self, token: &str) -> Result<(Principal, BTreeMap<String, String>), Refusal> {
        auth::claims(token, self.host.now(), |tenant| self.secrets.get(tenant).cloned())
    }

    /// Signs a token of a company of this node.
    pub(crate) fn sign(&self, principal: &Principal) -> Result<(String, Time), Refusal> {
        let secret = self
            .secrets
            .get(&principal.tenant)
            .ok_or_else(|| Refusal::new(Code::NotFound, "there is no such company"))?;
        auth::sign(secret, principal, self.host.now())
    }

    /// A company, as its settings are now.
    pub(crate) fn company(&self, tenant: &TenantId) -> Result<Arc<Tenant>, Refusal> {
        self.host.tenant(tenant).ok_or_else(|| Refusal::new(Code::NotFound, "there is no such company"))
    }

    /// A web page may connect when it is the node's own or the operator allows it; programs send no Origin.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let origin = origin.to_str().unwrap_or_default();
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let own = origin.split_once("://").is_some_and(|(_, of)| of == host) && !host.is_empty();
        if own || self.origins.iter().any(|allowed| allowed == origin) {
            return Ok(());
        }
        Err(Problem::new(
            Code::Forbidden,
            format!("pages of {origin:?} may not connect: the operator adds them to node.origins"),
        ))
    }

    /// A connection of an address; `None` when it has too many.
    pub(crate) fn take_slot(self: &Arc<Self>, address: IpAddr) -> Option<Slot> {
        let counted = !(self.development && address.is_loopback());
        if counted {
            let mut addresses = self.addresses.lock();
            let count = addresses.entry(address).or_default();
            if *count >= self.limits.connections_per_address {
                return None;
            }
            *count += 1;
        }
        Some(Slot { edge: Arc::clone(self), address: counted.then_some(address) })
    }
}

/// One counted connection.
pub(crate) struct Slot {
    edge: Arc<Edge>,
    address: Option<IpAddr>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut addresses = self.edge.addresses.lock();
        if let Some(count) = addresses.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&address);
            }
        }
    }
}

/// Asks a running server to stop.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// Refuse, drain, flush, end.
    pub fn stop(&self) {
        // Nobody listens any more when it has already stopped.
        let _ = self.0.send(true);
    }
}

/// A running server.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Asks it to stop.
    pub stop: Stop,
    ended: tokio::task::JoinHandle<anyhow::Result<()>>,
    edge: Arc<Edge>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Running {
    /// Waits until it has stopped.
    ///
    /// # Errors
    /// When it ended for another reason.
    pub async fn ended(self) -> anyhow::Result<()> {
        self.ended.await?
    }

    /// What takes in a configuration file that was read again.
    #[must_use]
    pub fn reload(&self) -> Reload {
        Reload(Arc::clone(&self.edge))
    }

    /// The host of its cells: for tests and the command line.
    #[must_use]
    pub fn host(&self) -> &Arc<Host> {
        &self.edge.host
    }
}

/// Takes in the settings of a configuration file that was read again.
#[derive(Clone)]
pub struct Reload(Arc<Edge>);

impl std::fmt::Debug for Reload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reload")
    }
}

impl Reload {
    /// Puts in force what the file says of queues, agents and rules where it says something new; the number of companies changed.
    ///
    /// # Errors
    /// When the store cannot write; what was taken in before stays in force.
    pub async fn take(&self, config: &Config) -> Result<usize, Refusal> {
        self.0.settings.take_file(config).await
    }
}

/// Starts a node with its server; relative file names in `config` are relative to `base`.
///
/// # Errors
/// Whatever keeps it from starting, with what to do.
pub async fn serve(mut config: Config, base: &Path) -> anyhow::Result<Running> {
    if config.tenants.is_empty() {
        config.tenants.push(sample::company());
    }
    config.check()?;
    let companies = config.companies(base)?;
    // The address first: a second process says so before it touches the data.
    let listener = TcpListener::bind(&config.node.listen).await.map_err(|error| {
        anyhow::anyhow!(
            "cannot listen on {}: {error}; is another node running? set node.listen",
            config.node.listen
        )
    })?;
    let data = base.join(&config.node.data);
    let reachable = Arc::new(Reachable::new(&config, base, Arc::new(WallClock::default()))?);
    let outside = Arc::clone(&reachable) as _;
    let ids = companies.iter().map(|company| company.id.clone()).collect();
    let bounds = Bounds::from(&config.actors);
    let node = match config.store.kind {
        StoreKind::Embedded => Node::start(&data, bounds, companies, outside).await?,
        StoreKind::Cql => {
            let settings = config.store.settings(base)?;
            match config.cluster.settings(&config.node.name, base)? {
                Some(cluster) => Node::start_among(&settings, cluster, bounds, companies, outside).await?,
                None => Node::start_on_cql(&settings, &config.node.name, bounds, companies, outside).await?,
            }
        }
    };
    let settings = Book::open(Arc::clone(node.host()), &config).await?;
    let secrets = secrets(&config, &data)?;
    let among = config.store.kind == StoreKind::Cql && config.cluster.listen.is_some();
    let attachments = Attachments::open(&config.attachments, &data, &secrets, among).await?;
    let address = listener.local_addr()?;
    let edge = Arc::new(Edge {
        host: Arc::clone(node.host()),
        node: config.node.name.clone(),
        limits: config.limits.clone(),
        metrics: Metrics::new(node.store(), node.fabric().is_some()),
        development: config.node.development,
        companies: ids,
        settings,
        streams: Streams::new(Arc::clone(node.host())),
        tickets: Tickets::default(),
        lines: Lines::default(),
        drain: Duration::from_millis(config.node.drain_ms),
        reachable,
        attachments,
        store: Arc::clone(node.store()),
        fabric: node.fabric().cloned(),
        secrets,
        origins: config.node.origins.clone(),
        draining: AtomicBool::new(false),
        cut_off: AtomicBool::new(false),
        sockets: AtomicU64::new(first_socket()),
        addresses: Mutex::default(),
    });
    tokio::spawn(sweep(Arc::downgrade(&edge)));
    tokio::spawn(gauges::run(Arc::downgrade(&edge)));
    edge.host.on_notice({
        let edge = Arc::downgrade(&edge);
        move |name, body| noticed(&edge, name, body)
    });
    if edge.fabric.is_some() {
        tokio::spawn(reread(Arc::downgrade(&edge)));
        tokio::spawn(mind_place(Arc::downgrade(&edge)));
    }
    tokio::spawn(sweep_uploads(Arc::downgrade(&edge)));
    node.wake().await?;
    let (stop, stopping) = watch::channel(false);
    let ended = tokio::spawn(run(listener, node, Arc::clone(&edge), stopping));
    Ok(Running { address, stop: Stop(stop), ended, edge })
}

/// Numbers of sockets begin anywhere, far enough below the end that they never reach it.
fn first_socket() -> u64 {
    u64::from_be_bytes(random::<8>()) >> 1
}

/// Another node has something to tell.
fn noticed(edge: &Weak<Edge>, name: &str, body: &Bytes) {
    let Some(edge) = edge.upgrade().filter(|_| name == SETTINGS) else { return };
    let Ok(tenant) = std::str::from_utf8(body).map(TenantId::new) else { return };
    tokio::spawn(async move { edge.settings.reread(&tenant).await });
}

/// Sends people to other nodes while this one has no place in its cluster: it could only refuse them.
async fn mind_place(edge: Weak<Edge>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(edge) = edge.upgrade() else { return };
        let why = edge.outside();
        if edge.cut_off.swap(why.is_some(), Ordering::Relaxed) != why.is_some() {
            match why {
                Some(why) => {
                    tracing::warn!(why, "this node cannot serve: people are sent to the others");
                    edge.host.lobby().drain();
                }
                None => tracing::info!("this node can serve again"),
            }
        }
    }
}

/// Looks for settings that another node has put in force and whose notice did not arrive.
async fn reread(edge: Weak<Edge>) {
    loop {
        tokio::time::sleep(REREAD).await;
        let Some(edge) = edge.upgrade() else { return };
        for tenant in &edge.companies {
            edge.settings.reread(tenant).await;
        }
    }
}

/// Forgets the streams of clients that did not come back in time.
async fn sweep(edge: Weak<Edge>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(edge) = edge.upgrade() else { return };
        edge.streams.sweep(Instant::now());
    }
}

/// Removes uploads that nobody completed; what fails is tried with the next sweep.
async fn sweep_uploads(edge: Weak<Edge>) {
    loop {
        let Some(edge) = edge.upgrade() else { return };
        if let Ok(removed) = edge.attachments.sweep(edge.host.now()).await {
            edge.metrics.uploads_expired.inc_by(removed as u64);
        }
        drop(edge);
        tokio::time::sleep(UPLOADS_SWEEP).await;
    }
}

async fn run(
    listener: TcpListener,
    node: Node,
    edge: Arc<Edge>,
    mut stopping: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let router = rest::router(&edge).into_make_service_with_connect_info::<SocketAddr>();
    let mut accepting = stopping.clone();
    // Small frames leave at once; a connection that is already gone cannot take the option.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        let _ = accepting.wait_for(|stop| *stop).await;
    });
    let server = tokio::spawn(async move { server.await });
    let lost = tokio::select! {
        _ = stopping.wait_for(|stop| *stop) => false,
        () = node.lost() => true,
    };
    if lost {
        // Nothing more is accepted or told: clients come back to whoever has it now.
        server.abort();
        anyhow::bail!(
            "another node has taken over the store: this one has stopped; nothing that it acknowledged is lost"
        );
    }
    edge.draining.store(true, Ordering::Relaxed);
    edge.host.lobby().drain();
    let mut waited = Duration::ZERO;
    while !edge.host.lobby().is_empty() && waited < edge.drain + GOODBYE {
        const STEP: Duration = Duration::from_millis(20);
        tokio::time::sleep(STEP).await;
        waited += STEP;
    }
    node.stop().await;
    server.abort();
    Ok(())
}

/// The secrets of all companies; in development one that is missing is made once and kept.
pub(crate) fn secrets(config: &Config, data: &Path) -> anyhow::Result<HashMap<TenantId, String>> {
    let mut secrets = HashMap::new();
    for tenant in &config.tenants {
        let secret = match &tenant.secret {
            Some(secret) => secret.clone(),
            None => development_secret(data)?,
        };
        secrets.insert(TenantId::new(tenant.id.as_str()), secret);
    }
    Ok(secrets)
}

fn development_secret(data: &Path) -> anyhow::Result<String> {
    let file = data.join(SECRET_FILE);
    if let Ok(secret) = std::fs::read_to_string(&file) {
        return Ok(secret.trim().to_owned());
    }
    let bytes = conversa_cluster::clock::random::<32>();
    let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::create_dir_all(data)?;
    std::fs::write(&file, &secret)?;
    #[cfg(unix)]
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(secret)
}
