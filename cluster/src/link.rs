//! Links between nodes: frames in order, within bounds, at most once.
//!
//! A link joins two *lives*. Of its ends the node whose name is less dials: one connection with two streams, so that what is large does
//! not delay what is urgent. While it is up, frames of a class arrive in the order in which they were sent. When it breaks, what was
//! not yet received is gone, both ends are told so, and whoever waits for an answer sends again. Nothing is ever carried over from one
//! link to the next, so no frame reaches another life than the one it was sent to.
//!
//! A link knows nothing of what it carries, and what it says of a peer is a hint: the register decides who is a member.

mod hello;
mod lane;
mod message;
mod pairing;
mod pause;
mod peer;
mod queue;
mod session;
mod tls;
mod transport;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
pub use conversa_actors::port::mesh::{Class, NotSent};
use parking_lot::{Mutex, RwLock};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::member::Life;
use crate::member::told::Told;
use hello::Own;
use peer::Peer;
use tls::Tls;
pub use tls::{Security, TlsError, TlsFiles, is_node_name};

/// The largest frame, bytes.
pub const FRAME_MAX: usize = 1024 * 1024;
/// When links stop, peers get this long to take note.
const STOP: Duration = Duration::from_secs(3);

/// What a node does with what its links bring. All calls for one life of a peer come one after the other: up, what is received, down;
/// a later life of the node is up after the earlier one is down. A call must not wait for anything: the peer's frames wait meanwhile.
pub trait Handler: Send + Sync + 'static {
    /// A frame of a peer. It keeps no more memory alive than about twice its length.
    fn received(&self, from: &Life, class: Class, frame: Bytes);
    /// Frames are taken for this peer. What an earlier link was given and what has no answer is sent again now.
    fn up(&self, peer: &Life);
    /// What was sent and has no answer may not have arrived.
    fn down(&self, peer: &Life);
    /// A peer, or who would like to be one, tells this of itself; said again with each change, and each second.
    fn heard(&self, from: &Life, told: Told);
}

/// Why links cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nobody could connect.
    #[error("links cannot listen on {addr}: {why}")]
    Listen {
        /// Where.
        addr: SocketAddr,
        /// Why.
        why: io::Error,
    },
    /// Links without TLS are for trying things out on one machine.
    #[error("links on {0} need TLS: without it they listen on loopback addresses only")]
    PlainElsewhere(SocketAddr),
    /// Certificates carry names like those of hosts.
    #[error("{0:?} is no name for a node: letters, digits, hyphens and dots, as in the name of a host")]
    Node(String),
    /// Ends compare the name of their cluster.
    #[error("the name of a cluster has 1 to {} bytes", hello::NAME_MAX)]
    Cluster,
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What may wait for one peer in one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueBounds {
    /// Frames.
    pub frames: usize,
    /// Their bytes. A frame that is alone always fits.
    pub bytes: usize,
}

impl Default for QueueBounds {
    fn default() -> Self {
        Self { frames: 65_536, bytes: 8 * 1024 * 1024 }
    }
}

/// How a node takes part.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// Where peers connect to. Port 0: any.
    pub listen: SocketAddr,
    /// How the ends know each other.
    pub security: Security,
    /// Nodes of other clusters are refused.
    pub cluster: Arc<str>,
    /// This life. It makes links once.
    pub life: Life,
    /// For each peer and class.
    pub queue: QueueBounds,
}

/// What the links have done, for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of each peer, by name.
    pub peers: Vec<PeerCounts>,
    /// Ends that were refused when they said hello, by reason.
    pub refusals: BTreeMap<&'static str, u64>,
}

/// What one peer's link has done since the peer is wanted. Pairs are of the classes interactive and bulk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCounts {
    /// The peer.
    pub peer: Life,
    /// Whether frames are taken for it.
    pub up: bool,
    /// Frames that wait.
    pub waiting_frames: [usize; 2],
    /// Their bytes.
    pub waiting_bytes: [usize; 2],
    /// Frames that were handed to the connection.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Messages in which they were sent.
    pub batches: u64,
    /// Frames that came.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Frames that were not taken.
    pub refused: u64,
    /// How often the link came up.
    pub ups: u64,
    /// How often it broke, or an attempt to make it failed.
    pub failed: u64,
    /// The latest round trip, microseconds.
    pub rtt_us: Option<u64>,
}

/// The links of one life of a node. Dropped, they end at once.
pub struct Links {
    shared: Arc<Shared>,
    listen_addr: SocketAddr,
    runtime: runtime::Handle,
    /// Peers that are no longer wanted, while their end may not have been told yet.
    ending: Mutex<Vec<Kept>>,
    stopping: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

/// What the tasks of all peers share.
struct Shared {
    own: Own,
    handler: Arc<dyn Handler>,
    tls: Tls,
    queue: QueueBounds,
    /// What peers are told.
    told: Arc<Mutex<Told>>,
    peers: RwLock<BTreeMap<Arc<str>, Kept>>,
    /// Grows over all peers: one that is forgotten and wanted again must not meet its own numbers.
    attempts: AtomicU64,
    refusals: Mutex<BTreeMap<&'static str, u64>>,
    started: Instant,
}

/// Held by the task that speaks of a node's lives: the next one speaks when it has ended.
type Turn = Arc<tokio::sync::Mutex<()>>;

/// A peer and its task.
struct Kept {
    peer: Arc<Peer>,
    turn: Turn,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links")
            .field("own", &self.shared.own)
            .field("listen_addr", &self.listen_addr)
            .finish_non_exhaustive()
    }
}

impl Links {
    /// Listens for peers; whom to link to is said by [`Links::peers`].
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn start(settings: LinkSettings, handler: Arc<dyn Handler>) -> Result<Self, LinkError> {
        let LinkSettings { listen, security, cluster, life, queue } = settings;
        if !is_node_name(&life.node) {
            return Err(LinkError::Node(life.node.to_string()));
        }
        if cluster.is_empty() || cluster.len() > hello::NAME_MAX {
            return Err(LinkError::Cluster);
        }
        if matches!(security, Security::Plain) && !listen.ip().is_loopback() {
            return Err(LinkError::PlainElsewhere(listen));
        }
        let tls = Tls::new(security, &life.node)?;
        Self::listen(listen, Own { cluster, life }, tls, queue, handler).await
    }

    async fn listen(
        listen: SocketAddr,
        own: Own,
        tls: Tls,
        queue: QueueBounds,
        handler: Arc<dyn Handler>,
    ) -> Result<Self, LinkError> {
        let refused = |why| LinkError::Listen { addr: listen, why };
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let listen_addr = listener.local_addr().map_err(refused)?;
        let shared = Arc::new(Shared {
            own,
            handler,
            tls,
            queue,
            told: Arc::default(),
            peers: RwLock::default(),
            attempts: AtomicU64::new(0),
            refusals: Mutex::default(),
            started: Instant::now(),
        });
        let (stopping, mut stopped) = watch::channel(false);
        let ended = async move {
            // Without a sender the links are dropped: that ends them too.
            let _dropped = stopped.wait_for(|stopped| *stopped).await;
        };
        let serving = tokio::spawn(transport::serve(Arc::clone(&shared), listener, ended));
        let (runtime, ending) = (runtime::Handle::current(), Mutex::default());
        Ok(Self { shared, listen_addr, runtime, ending, stopping, serving })
    }

    /// Where peers connect to.
    #[must_use]
    pub fn listen_addr(&self) -> SocketAddr {
        self.listen_addr
    }

    /// The other lives of the view, and where they listen. Links to them are kept; links to others end.
    pub fn peers(&self, wanted: Vec<(Life, String)>) {
        let mut peers = self.shared.peers.write();
        let mut ending = self.ending.lock();
        let is_wanted =
            |peer: &Peer| wanted.iter().any(|(life, addr)| *life == peer.life && *addr == peer.addr);
        ending.retain(|kept| !kept.task.is_finished());
        for (_, kept) in peers.extract_if(.., |_, kept| !is_wanted(&kept.peer)) {
            kept.peer.shut();
            kept.task.abort();
            ending.push(kept);
        }
        for (life, addr) in wanted {
            if life.node == self.shared.own.life.node || peers.contains_key(&life.node) {
                continue;
            }
            let earlier = ending.iter().find(|kept| kept.peer.life.node == life.node);
            let turn = earlier.map(|kept| Arc::clone(&kept.turn)).unwrap_or_default();
            peers.insert(Arc::clone(&life.node), self.keep(life, addr, turn));
        }
    }

    /// Starts the task of a peer, which begins when those of its node's earlier lives have ended.
    fn keep(&self, life: Life, addr: String, turn: Turn) -> Kept {
        let shared = Arc::clone(&self.shared);
        let dials = shared.own.dials(&life.node);
        let (peer, offers) = Peer::new(life, addr, shared.queue);
        let (of_task, taken) = (Arc::clone(&peer), Arc::clone(&turn));
        let task = self.runtime.spawn(async move {
            let _turn = taken.lock_owned().await;
            if dials {
                session::dial(shared, of_task).await;
            } else {
                session::accept(shared, of_task, offers).await;
            }
        });
        Kept { peer, turn, task }
    }

    /// From now on peers are told this, at once and with everything that is sent. Versions do not go back.
    pub fn tell(&self, news: Told) {
        let is_new = {
            let mut told = self.shared.told.lock();
            let before = *told;
            *told = before.and(news);
            *told != before
        };
        if is_new {
            for kept in self.shared.peers.read().values() {
                kept.peer.lane(Class::Interactive).tell();
            }
        }
    }

    /// Sends a frame to a node, in the order of the calls. Never waits.
    ///
    /// # Errors
    /// See [`NotSent`]: then nothing was sent. Without one, the frame arrives unless [`Handler::down`] is told.
    pub fn send(&self, to: &str, class: Class, frame: Bytes) -> Result<(), NotSent> {
        let peers = self.shared.peers.read();
        peers.get(to).ok_or(NotSent::Down)?.peer.send(class, frame)
    }

    /// What they have done.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let peers = self.shared.peers.read().values().map(|kept| kept.peer.counts()).collect();
        Counts { peers, refusals: self.shared.refusals.lock().clone() }
    }

    /// Ends all links, and lets the peers take note. What waits is not sent.
    pub async fn stop(mut self) {
        self.peers(Vec::new());
        let ending = std::mem::take(&mut *self.ending.lock());
        for kept in ending {
            let _aborted = kept.task.await;
        }
        self.stopping.send_replace(true);
        if timeout(STOP, &mut self.serving).await.is_err() {
            tracing::info!("a peer did not take note that this node's links have ended");
        }
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.peers(Vec::new());
        self.serving.abort();
    }
}

impl Shared {
    /// Microseconds since the links were started.
    fn stamp(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Somebody has connected who did not prove to be a node.
    fn not_welcome(&self, why: &str) {
        *self.refusals.lock().entry("tls").or_default() += 1;
        tracing::warn!(why, "a connection was refused");
    }
}

#[cfg(test)]
mod tests;
