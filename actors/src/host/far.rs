//! A host among others: what is for an actor that another node serves goes there, and what comes from there is done here.
//!
//! Between nodes a frame arrives once, in order, or not at all. That is enough: a letter is sent again by its cell until it is taken over
//! and taken in once by the receiver's marks; a request without an answer has an unknown outcome and is repeated under its key; a push
//! that is missing is seen by the next one, and looked for whenever a link or a shard has moved.

mod asker;
mod directory;
mod frame;
mod incoming;
mod outgoing;
mod parked;
mod pending;
mod sockets;

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use conversa_engine::ids::SHARDS;
use parking_lot::Mutex;
use tokio::sync::Notify;

use self::directory::Directory;
use self::parked::Parked;
use self::pending::Pending;
use super::{ASK, Host};
use crate::port::mesh::Mesh;

pub use self::asker::FarAsker;
pub(crate) use self::frame::Ear;

/// How often what waits for an owner is tried again, at the latest.
const AGAIN: Duration = Duration::from_millis(100);

/// The pause before wake rows that could not be read are read again.
const WAKE_AGAIN: Duration = Duration::from_secs(1);

/// What uses the host is told by name: [`Host::notice`].
type Noticing = Box<dyn Fn(&str, &Bytes) + Send + Sync>;

/// What a host knows of the other nodes.
pub(crate) struct Far {
    mesh: Arc<dyn Mesh>,
    directory: Directory,
    pending: Pending,
    parked: Mutex<Parked>,
    /// The owner of each shard when this was looked at last.
    owners: Mutex<Vec<Option<Arc<str>>>>,
    /// A shard or a link has changed.
    changed: Notify,
    noticing: OnceLock<Noticing>,
}

impl std::fmt::Debug for Far {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Far").field("me", self.mesh.me()).finish_non_exhaustive()
    }
}

/// Who serves a shard.
pub(super) enum Route {
    /// This host.
    Here,
    /// That node, or it soon will.
    There(Arc<str>),
    /// Nobody that is known yet.
    Nowhere,
}

impl Far {
    pub(super) fn new(mesh: Arc<dyn Mesh>) -> Self {
        Self {
            pending: Pending::of(mesh.life()),
            mesh,
            directory: Directory::default(),
            parked: Mutex::default(),
            owners: Mutex::new(vec![None; usize::from(SHARDS)]),
            changed: Notify::new(),
            noticing: OnceLock::new(),
        }
    }
}

impl Host {
    /// Who serves a shard now.
    pub(super) fn route(&self, shard: u16) -> Route {
        if self.shards.epoch(shard).is_some() {
            return Route::Here;
        }
        let Some(far) = &self.far else { return Route::Nowhere };
        match far.mesh.owner(shard) {
            Some(node) if node != *far.mesh.me() => Route::There(node),
            Some(_) | None => Route::Nowhere,
        }
    }

    /// The shards that this host serves.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Serves these shards from now on, under these epochs; what was left undone in them is found.
    pub fn gain(self: &Arc<Self>, shards: &[(u16, u64)]) {
        for (shard, epoch) in shards {
            self.shards.set(*shard, *epoch);
        }
        self.moved();
        let (host, shards) = (Arc::downgrade(self), shards.to_vec());
        tokio::spawn(async move {
            for (shard, epoch) in shards {
                while let Some(host) = host.upgrade() {
                    // Whoever has it now, or has it again, looks through the rows anew.
                    if host.shards.epoch(shard) != Some(epoch) {
                        break;
                    }
                    match host.wake_shards([shard]).await {
                        Ok(_) => break,
                        Err(error) => tracing::warn!(shard, %error, "wake rows cannot be read: tried again"),
                    }
                    drop(host);
                    tokio::time::sleep(WAKE_AGAIN).await;
                }
            }
        });
    }

    /// Serves these shards no longer. Ends when all their cells have stopped and nothing of them is under way: until then this node
    /// owns them.
    pub async fn let_go(self: &Arc<Self>, shards: &[u16]) {
        const STEP: Duration = Duration::from_millis(3);
        for shard in shards {
            self.shards.set(*shard, 0);
        }
        // Whoever has seen a shard open before has put its input into a mailbox when the first look at the roster is over.
        while self.roster.retire_shards(shards) > 0 {
            tokio::time::sleep(STEP).await;
        }
        self.moved();
    }

    /// The view or what this host serves has changed: what waited for that goes on, and sockets are announced to new owners.
    pub fn moved(self: &Arc<Self>) {
        let Some(far) = &self.far else { return };
        self.follow_shards(far);
        self.unpark(far);
        far.changed.notify_waiters();
    }

    /// The link to a node is up.
    pub fn up(self: &Arc<Self>, node: &Arc<str>) {
        let Some(far) = &self.far else { return };
        self.introduce(far, node);
        self.unpark(far);
        far.changed.notify_waiters();
    }

    /// The link to a node is down: what it was asked has an unknown outcome, what it said of its sockets is forgotten.
    pub fn down(self: &Arc<Self>, node: &Arc<str>) {
        let Some(far) = &self.far else { return };
        far.directory.forget(node);
        far.pending.down(node);
        far.changed.notify_waiters();
    }

    /// What is told to the whole cluster with [`Host::notice`] is given to `noticing`, on every other node. Once.
    pub fn on_notice(&self, noticing: impl Fn(&str, &Bytes) + Send + Sync + 'static) {
        if let Some(far) = &self.far {
            // A second one is never set: one gateway uses a host.
            let _ = far.noticing.set(Box::new(noticing));
        }
    }

    /// Questions to other nodes without an answer, inputs that wait for an owner, entries of who is where: for metrics.
    #[must_use]
    pub fn far_counts(&self) -> [usize; 3] {
        self.far
            .as_ref()
            .map_or([0; 3], |far| [far.pending.len(), far.parked.lock().len(), far.directory.len()])
    }
}

/// Tries again what waits, and ends what waits too long, until the host is gone.
pub(super) async fn tend(host: Weak<Host>) {
    loop {
        let Some(strong) = host.upgrade() else { return };
        let Some(far) = strong.far.clone() else { return };
        strong.unpark(&far);
        let asked = i64::try_from(ASK.as_millis()).unwrap_or(i64::MAX);
        far.pending.expire(strong.now().after_ms(-asked));
        drop(strong);
        tokio::time::sleep(AGAIN).await;
    }
}
