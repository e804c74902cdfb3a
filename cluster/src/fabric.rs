//! One node among others, held together: what the view says, the links, and the host of the cells. It decides nothing: the
//! membership says what is served, the host does it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use conversa_actors::host::Host;
use conversa_actors::port::mesh::{Class, Mesh, NotSent};
use conversa_engine::ids::SHARDS;
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::{moment, random};
use crate::lease::Holds;
use crate::link::{self, Handler, LinkError, LinkSettings, Links, QueueBounds, Security};
use crate::member::machine::{Me, Over};
use crate::member::told::Told;
use crate::member::view::View;
use crate::member::{Life, Timing};
use crate::membership::{Conduct, Membership, Orders, Owned};
use crate::place;
use crate::register::Register;

/// How long a node waits for its place in the cluster when it starts: another life of it may have to be waited for.
const JOIN: Duration = Duration::from_secs(60);

/// How a node takes part in a cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cluster's name: nodes of others are refused.
    pub cluster: String,
    /// The node's, unique in it.
    pub node: String,
    /// Where its links listen.
    pub listen: SocketAddr,
    /// Where others reach them.
    pub advertise: String,
    /// Its rack or zone.
    pub zone: String,
    /// Its share relative to others, in millionths.
    pub weight: u32,
    /// How nodes know each other.
    pub security: Security,
}

/// Why a node is no member.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Its name is taken.
    #[error(
        "another process is the node {0:?} of this cluster and is alive: give each node a name of its own"
    )]
    Occupied(String),
    /// It has no place yet.
    #[error("the node did not become a member within {} s: is the store reachable?", JOIN.as_secs())]
    Late,
    /// Its life ended at once.
    #[error("the node was taken out of the cluster when it started: {0:?}")]
    Over(Over),
    /// Links cannot be made.
    #[error(transparent)]
    Links(#[from] LinkError),
}

/// Who serves which shard by a view.
#[derive(Debug, Default)]
pub struct Placed {
    view: u64,
    nodes: Vec<Arc<str>>,
    /// Index of the owner, by shard.
    owners: Vec<usize>,
}

impl Placed {
    /// By this view.
    #[must_use]
    pub fn of(view: &View) -> Self {
        let members = view.placed();
        let nodes: Vec<Arc<str>> = members.iter().map(|member| Arc::clone(&member.node)).collect();
        let owners = (0..SHARDS).map(|shard| {
            let owner = place::owner(&members, shard);
            owner.and_then(|owner| nodes.iter().position(|node| *node == owner.node)).unwrap_or(usize::MAX)
        });
        Self { view: view.version, owners: owners.collect(), nodes: nodes.clone() }
    }

    /// The node that serves a shard, or soon will.
    #[must_use]
    pub fn owner(&self, shard: u16) -> Option<Arc<str>> {
        self.owners.get(usize::from(shard)).and_then(|owner| self.nodes.get(*owner)).cloned()
    }
}

/// What all tasks of the node's part in the cluster share.
#[derive(Debug)]
struct Shared {
    me: Arc<str>,
    generation: u64,
    membership: Membership,
    placed: RwLock<Placed>,
    linked: RwLock<BTreeSet<Arc<str>>>,
    links: OnceLock<Links>,
    host: OnceLock<Weak<Host>>,
}

impl Shared {
    fn host(&self) -> Option<Arc<Host>> {
        self.host.get().and_then(Weak::upgrade)
    }
}

impl Mesh for Shared {
    fn me(&self) -> &Arc<str> {
        &self.me
    }

    fn life(&self) -> u64 {
        self.generation
    }

    fn owner(&self, shard: u16) -> Option<Arc<str>> {
        self.placed.read().owner(shard)
    }

    fn linked(&self) -> Vec<Arc<str>> {
        self.linked.read().iter().cloned().collect()
    }

    fn send(&self, to: &str, class: Class, frame: Bytes) -> Result<(), NotSent> {
        self.links.get().ok_or(NotSent::Down)?.send(to, class, frame)
    }
}

/// Links call it from their own tasks.
struct Received(Arc<Shared>);

impl Handler for Received {
    fn received(&self, from: &Life, _: Class, frame: Bytes) {
        if let Some(host) = self.0.host() {
            host.received(&from.node, frame);
        }
    }

    fn up(&self, peer: &Life) {
        tracing::info!(node = %peer.node, generation = peer.generation, "a link is up");
        self.0.linked.write().insert(Arc::clone(&peer.node));
        if let Some(host) = self.0.host() {
            host.up(&peer.node);
        }
    }

    fn down(&self, peer: &Life) {
        tracing::warn!(node = %peer.node, generation = peer.generation, "a link is down");
        self.0.linked.write().remove(&peer.node);
        if let Some(host) = self.0.host() {
            host.down(&peer.node);
        }
    }

    fn heard(&self, from: &Life, told: Told) {
        self.0.membership.hear(from, told);
    }
}

/// A node's part in a cluster. Dropped, the node stands still and is taken out by the others.
#[derive(Debug)]
pub struct Fabric {
    shared: Arc<Shared>,
    settings: Settings,
    life: Life,
    conducting: OnceLock<JoinHandle<()>>,
}

impl Drop for Fabric {
    fn drop(&mut self) {
        if let Some(conducting) = self.conducting.get() {
            conducting.abort();
        }
    }
}

impl Fabric {
    /// Becomes a member of the cluster whose register that is. It serves nothing before [`Fabric::serve`].
    ///
    /// # Errors
    /// See [`JoinError`].
    pub async fn join(register: Arc<dyn Register>, settings: Settings) -> Result<Self, JoinError> {
        let me = Me {
            node: settings.node.as_str().into(),
            addr: settings.advertise.clone(),
            zone: settings.zone.clone(),
            weight: settings.weight,
            nonce: u64::from_be_bytes(random::<8>()),
        };
        let node = Arc::clone(&me.node);
        let membership = Membership::start(register, me, SHARDS, Timing::default(), Arc::new(moment));
        let mut owned = membership.owned();
        let begun = owned.wait_for(|owned| owned.life.is_some() || owned.over.is_some());
        let (life, over) = match tokio::time::timeout(JOIN, begun).await {
            Ok(Ok(owned)) => (owned.life.clone(), owned.over),
            Ok(Err(_)) | Err(_) => return Err(JoinError::Late),
        };
        let life = match (life, over) {
            (_, Some(Over::Occupied)) => return Err(JoinError::Occupied(settings.node)),
            (_, Some(over)) => return Err(JoinError::Over(over)),
            (None, None) => return Err(JoinError::Late),
            (Some(life), None) => life,
        };
        let shared = Shared {
            me: node,
            generation: life.generation,
            membership,
            placed: RwLock::default(),
            linked: RwLock::default(),
            links: OnceLock::new(),
            host: OnceLock::new(),
        };
        Ok(Self { shared: Arc::new(shared), settings, life, conducting: OnceLock::new() })
    }

    /// The other nodes, for the host.
    #[must_use]
    pub fn mesh(&self) -> Arc<dyn Mesh> {
        Arc::clone(&self.shared) as _
    }

    /// True while this node may acknowledge.
    #[must_use]
    pub fn holds(&self) -> Holds {
        let shared = Arc::clone(&self.shared);
        Arc::new(move || shared.membership.holds())
    }

    /// Links to the others and has `host` serve what the view gives to this node.
    ///
    /// # Errors
    /// When links cannot be made.
    pub async fn serve(&self, host: &Arc<Host>) -> Result<(), JoinError> {
        let Settings { cluster, listen, security, .. } = self.settings.clone();
        let _ = self.shared.host.set(Arc::downgrade(host));
        let settings = LinkSettings {
            listen,
            security,
            cluster: cluster.into(),
            life: self.life.clone(),
            queue: QueueBounds::default(),
        };
        let links = Links::start(settings, Arc::new(Received(Arc::clone(&self.shared)))).await?;
        let _ = self.shared.links.set(links);
        let conducting = tokio::spawn(conduct(Arc::clone(&self.shared), Arc::downgrade(host)));
        let _ = self.conducting.set(conducting);
        Ok(())
    }

    /// Ends when this life is over without having left: the node may not go on.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut owned = self.shared.membership.owned();
        async move {
            // An error means that nobody says anything any more: the membership has ended.
            let _ = owned.wait_for(|owned| owned.over.is_some_and(|over| over != Over::Left)).await;
        }
    }

    /// True once the view has this node.
    #[must_use]
    pub fn is_member(&self) -> bool {
        let owned = self.shared.membership.owned();
        let owned = owned.borrow();
        owned.over.is_none() && owned.view.life(&self.life).is_some()
    }

    /// What it is and owns, as that changes.
    #[must_use]
    pub fn owned(&self) -> watch::Receiver<Owned> {
        self.shared.membership.owned()
    }

    /// What its membership has done, for metrics.
    #[must_use]
    pub fn counts(&self) -> crate::member::machine::Counts {
        self.shared.membership.counts()
    }

    /// What its links have done, for metrics.
    #[must_use]
    pub fn link_counts(&self) -> link::Counts {
        self.shared.links.get().map(Links::counts).unwrap_or_default()
    }

    /// Gives everything to the others, shard by shard, for at most `limit`; true when nothing is left.
    pub async fn leave(&self, limit: Duration) -> bool {
        let mut owned = self.shared.membership.owned();
        self.shared.membership.leave().await;
        let left = owned.wait_for(|owned| owned.over.is_some());
        matches!(tokio::time::timeout(limit, left).await, Ok(Ok(owned)) if owned.over == Some(Over::Left))
    }
}

/// Has the host serve what this node owns, as that changes.
async fn conduct(shared: Arc<Shared>, host: Weak<Host>) {
    let mut owned = shared.membership.owned();
    let mut conduct = Conduct::default();
    loop {
        let now = owned.borrow_and_update().clone();
        let Some(host) = host.upgrade() else { return };
        follow(&shared, &now);
        let Orders { stop, gain } = conduct.follow(&now);
        if !stop.is_empty() {
            let shards: Vec<u16> = stop.iter().map(|(shard, _)| *shard).collect();
            let (shared, host) = (Arc::clone(&shared), Arc::clone(&host));
            tokio::spawn(async move {
                host.let_go(&shards).await;
                shared.membership.stopped(stop).await;
            });
        }
        if gain.is_empty() {
            host.moved();
        } else {
            host.gain(&gain);
        }
        if let Some(links) = shared.links.get() {
            links.tell(now.tells);
        }
        drop(host);
        if owned.changed().await.is_err() {
            return;
        }
    }
}

/// Takes in a view: who owns what, and whom to link to.
fn follow(shared: &Shared, now: &Owned) {
    if shared.placed.read().view != now.view.version {
        *shared.placed.write() = Placed::of(&now.view);
    }
    if let Some(links) = shared.links.get() {
        let others = now.addresses.iter().filter(|(life, _)| life.node != shared.me);
        links.peers(others.map(|(life, address)| (life.clone(), address.clone())).collect());
    }
}
