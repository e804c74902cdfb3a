//! A host among others: what is for an actor that another node serves goes there, and what comes from there is done here.
//!
//! Between nodes a frame arrives once, in order, or not at all. That is enough: a letter is sent again by its cell until it is taken over
//! and taken in once by the receiver's marks; a request without an answer has an unknown outcome and is repeated under its key; a push
//! that is missing is seen by the next one, and looked for whenever a link or a shard has moved.
//!
//! [`Far`] decides all that without waiting for anything, over a [`Home`]: the host and the simulator run the same rules.

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
use conversa_engine::time::Time;
use parking_lot::Mutex;
use tokio::sync::Notify;

use self::directory::Directory;
use self::parked::Parked;
use self::pending::Pending;
use super::{ASK, Host, overloaded};
use crate::address::Address;
use crate::cell::machine::{Input, Request};
use crate::lobby::Lobby;
use crate::port::mesh::Mesh;

pub use self::asker::FarAsker;
pub(crate) use self::frame::Ear;
pub use self::frame::Page;

/// How often what waits for an owner is tried again, at the latest.
pub const AGAIN: Duration = Duration::from_millis(100);

/// The pause before wake rows that could not be read are read again.
pub const WAKE_AGAIN: Duration = Duration::from_secs(1);

/// What uses the host is told by name: [`Host::notice`].
type Noticing = Box<dyn Fn(&str, &Bytes) + Send + Sync>;

/// What a host knows of the other nodes.
pub struct Far {
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

/// The node around: it serves some shards and holds sockets.
pub trait Home {
    /// Now, by the node's clock.
    fn now(&self) -> Time;

    /// True while it serves a shard.
    fn serves(&self, shard: u16) -> bool;

    /// Its sockets.
    fn lobby(&self) -> &Lobby;

    /// Gives an input to an actor that it serves, whose cell is started when it is not awake.
    ///
    /// # Errors
    /// The input, when the mailbox is full or the actor may not run now.
    fn take(&self, to: &Address, input: Input) -> Result<(), Box<Input>>;

    /// Gives an input to a cell that is awake; nothing happens when it is not.
    fn take_awake(&self, to: &Address, input: Input);

    /// Looks at an actor that it serves, for question `n` of another node: then [`Far::viewed`].
    fn look_for(&self, from: &Arc<str>, n: u64, of: Address);

    /// Reads the log of an actor that it serves, for question `n` of another node: then [`Far::read`].
    fn read_for(&self, from: &Arc<str>, n: u64, of: Address, after: u64, limit: usize);

    /// A request was refused because its actor has too much to do.
    fn overloads(&self) {}
}

/// Who serves a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// This host.
    Here,
    /// That node, or it soon will.
    There(Arc<str>),
    /// Nobody that is known yet.
    Nowhere,
}

impl Far {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(mesh: Arc<dyn Mesh>) -> Self {
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

    /// Who serves a shard now.
    pub fn route(&self, home: &impl Home, shard: u16) -> Route {
        if home.serves(shard) {
            return Route::Here;
        }
        match self.mesh.owner(shard) {
            Some(node) if node != *self.mesh.me() => Route::There(node),
            Some(_) | None => Route::Nowhere,
        }
    }

    /// Gives an input that came at `since` to its actor, wherever that is served.
    ///
    /// # Errors
    /// The input, when the actor cannot take it now.
    pub fn deliver(
        self: &Arc<Self>,
        home: &impl Home,
        to: &Address,
        input: Input,
        since: Time,
    ) -> Result<(), Box<Input>> {
        match self.route(home, to.shard()) {
            Route::Here => home.take(to, input),
            Route::There(node) => self.forward(home, &node, to, input, since),
            Route::Nowhere => self.park(since, to, input),
        }
    }

    /// The view or what this node serves has changed: what waited for that goes on, and sockets are announced to new owners.
    pub fn moved(self: &Arc<Self>, home: &impl Home) {
        self.follow_shards(home.lobby());
        self.unpark(home);
        self.changed.notify_waiters();
    }

    /// The link to a node is up.
    pub fn up(self: &Arc<Self>, home: &impl Home, node: &Arc<str>) {
        self.introduce(home.lobby(), node);
        self.unpark(home);
        self.changed.notify_waiters();
    }

    /// The link to a node is down: what it was asked has an unknown outcome, what it said of its sockets is forgotten.
    pub fn down(&self, node: &Arc<str>) {
        self.directory.forget(node);
        self.pending.down(node);
        self.changed.notify_waiters();
    }

    /// Tries again what waits, and ends what waits too long: to be called every [`AGAIN`].
    pub fn tend(self: &Arc<Self>, home: &impl Home) {
        self.unpark(home);
        let asked = i64::try_from(ASK.as_millis()).unwrap_or(i64::MAX);
        self.pending.expire(home.now().after_ms(-asked));
    }
}

/// Whoever asked is told that it may try again; all else comes again by itself, or is done without.
fn refuse(home: &impl Home, refused: Input) {
    if let Input::Request(Request { asker, .. }) = refused {
        home.overloads();
        asker.answer(Err(overloaded()));
    }
}

impl Home for Arc<Host> {
    fn now(&self) -> Time {
        Host::now(self)
    }

    fn serves(&self, shard: u16) -> bool {
        self.shards.epoch(shard).is_some()
    }

    fn lobby(&self) -> &Lobby {
        &self.lobby
    }

    fn take(&self, to: &Address, input: Input) -> Result<(), Box<Input>> {
        self.deliver_here(to, input)
    }

    fn take_awake(&self, to: &Address, input: Input) {
        self.roster.deliver_awake(to, input, Host::now(self));
    }

    fn look_for(&self, from: &Arc<str>, n: u64, of: Address) {
        let (host, from) = (Arc::clone(self), Arc::clone(from));
        tokio::spawn(async move {
            let view = host.view_here(&of).await;
            if let Some(far) = &host.far {
                far.viewed(&from, n, of.kind, view);
            }
        });
    }

    fn read_for(&self, from: &Arc<str>, n: u64, of: Address, after: u64, limit: usize) {
        let (host, from) = (Arc::clone(self), Arc::clone(from));
        tokio::spawn(async move {
            let entries = host.ports.journal.read(&of, after, limit).await;
            if let Some(far) = &host.far {
                far.read(&from, n, entries, limit);
            }
        });
    }

    fn overloads(&self) {
        self.meters.overloaded.add();
    }
}

impl Host {
    /// Who serves a shard now.
    pub(super) fn route(self: &Arc<Self>, shard: u16) -> Route {
        match &self.far {
            Some(far) => far.route(self, shard),
            None if self.shards.epoch(shard).is_some() => Route::Here,
            None => Route::Nowhere,
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
        if let Some(far) = &self.far {
            far.moved(self);
        }
    }

    /// The link to a node is up.
    pub fn up(self: &Arc<Self>, node: &Arc<str>) {
        if let Some(far) = &self.far {
            far.up(self, node);
        }
    }

    /// The link to a node is down: what it was asked has an unknown outcome, what it said of its sockets is forgotten.
    pub fn down(self: &Arc<Self>, node: &Arc<str>) {
        if let Some(far) = &self.far {
            far.down(node);
        }
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
        far.tend(&strong);
        drop(strong);
        tokio::time::sleep(AGAIN).await;
    }
}
