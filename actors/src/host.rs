//! The host of all cells of a node: finds or starts a cell, performs the effects of its core, starts again what failed,
//! and lets what is idle go.

mod alarm;
mod far;
mod hearing;
mod meters;
mod outside;
mod perform;
mod roster;
mod shards;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use conversa_engine::ids::{PersonId, SHARDS, TenantId};
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

pub(crate) use far::Ear;
pub use far::{AGAIN, Far, FarAsker, Home, Page, Route, WAKE_AGAIN};
pub use meters::Meters;
pub use perform::Performed;
pub use roster::Seat;

use crate::address::Address;
use crate::cell::core::rest::wake_partition;
use crate::cell::core::{SNAPSHOT_EVENTS, Setting, WAKES};
use crate::cell::machine::{Accepted, Answer, Asker, Input, Request, SocketAsker, View, unknown_outcome};
use crate::cell::{Inbox, Region};
use crate::letter::{Payload, decode};
use crate::lobby::{Lobby, Socket};
use crate::port::mesh::Mesh;
use crate::port::outside::Outside;
use crate::port::{Clock, Journal, Rows, StoreError};
use crate::registry;
use crate::tenant::{InForce, Tenant};
use crate::watcher::Gathering;
use alarm::{Alarm, Bell};
use roster::Roster;
use shards::Shards;

/// Inputs from outside that wait in one mailbox; beyond it requests are refused and letters come again.
pub const MAILBOX_MAX: usize = 256;
/// A task that waits for an answer within the node gives up after this time.
const ASK: Duration = Duration::from_secs(30);

/// The bounds of a host.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// A cell that has had nothing to do for this time goes to rest, milliseconds.
    pub idle_ms: i64,
    /// Cells beyond this number go to rest, the longest idle first, even if a wake row must stay.
    pub cells_max: usize,
    /// Actors per second that a starting node revives.
    pub revive_per_s: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { idle_ms: 90_000, cells_max: 100_000, revive_per_s: 2_000 }
    }
}

/// What a host is made with.
pub struct Ports {
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// The rows.
    pub rows: Arc<dyn Rows>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The way to people who hold no socket.
    pub outside: Arc<dyn Outside>,
    /// The other nodes; a host without them is alone and serves everything.
    pub mesh: Option<Arc<dyn Mesh>>,
}

/// The host of all cells of a node.
pub struct Host {
    ports: Ports,
    bounds: Bounds,
    shards: Shards,
    far: Option<Arc<Far>>,
    tenants: HashMap<TenantId, InForce>,
    regions: HashMap<&'static str, Region>,
    roster: Roster,
    alarm: Alarm,
    gathering: Mutex<Gathering>,
    lobby: Lobby,
    calls: Arc<Semaphore>,
    meters: Meters,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("cells", &self.roster.len()).finish_non_exhaustive()
    }
}

impl Host {
    /// Starts the supervisors and the tasks that wake cells and let them rest. Alone it serves everything under `epoch`; among others it
    /// serves what it is given by [`Host::gain`].
    ///
    /// # Errors
    /// When the actor runtime cannot start.
    pub async fn start(
        ports: Ports,
        bounds: Bounds,
        epoch: u64,
        tenants: Vec<Arc<Tenant>>,
    ) -> Result<Arc<Self>, StoreError> {
        let mut regions = HashMap::new();
        let kinds = registry::BEHAVIOURS.iter().map(|line| line.kind);
        for kind in kinds.chain(registry::WATCHERS.iter().map(|watching| watching.name)) {
            let region = Region::start().await.map_err(|error| StoreError(error.to_string()))?;
            regions.insert(kind, region);
        }
        let far = ports.mesh.clone().map(|mesh| Arc::new(Far::new(mesh)));
        let host = Arc::new(Self {
            ports,
            bounds,
            shards: Shards::all(if far.is_some() { 0 } else { epoch }),
            lobby: Lobby::among(far.clone()),
            far,
            tenants: tenants.into_iter().map(|tenant| (tenant.id.clone(), tenant.into())).collect(),
            regions,
            roster: Roster::default(),
            alarm: Alarm::default(),
            gathering: Mutex::default(),
            calls: Arc::new(Semaphore::new(outside::CALLS_MAX)),
            meters: Meters::default(),
        });
        tokio::spawn(alarm::ring(Arc::downgrade(&host)));
        tokio::spawn(roster::sweep(Arc::downgrade(&host)));
        if host.far.is_some() {
            tokio::spawn(far::tend(Arc::downgrade(&host)));
        }
        Ok(host)
    }

    /// Now, by the node's clock.
    #[must_use]
    pub fn now(&self) -> Time {
        self.ports.clock.now()
    }

    /// The live sockets.
    #[must_use]
    pub fn lobby(&self) -> &Lobby {
        &self.lobby
    }

    /// The journal itself: what it says of an actor of another node is certain only there, see [`Host::read_log`].
    #[must_use]
    pub fn journal(&self) -> &Arc<dyn Journal> {
        &self.ports.journal
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &Arc<dyn Rows> {
        &self.ports.rows
    }

    /// What has been counted.
    #[must_use]
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Cells that are awake.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.roster.len()
    }

    /// The company `id`, as its settings are now.
    #[must_use]
    pub fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.tenants.get(id).map(InForce::now)
    }

    /// Puts a company's settings in force; false when the node has no such company.
    pub fn resettle(&self, tenant: Arc<Tenant>) -> bool {
        let Some(in_force) = self.tenants.get(&tenant.id) else { return false };
        in_force.replace(tenant);
        true
    }

    /// A request from a socket: answered through the socket's queue.
    pub fn request(self: &Arc<Self>, to: &Address, payload: Payload, socket: &Arc<Socket>, request: u64) {
        let asker = Asker::Socket(SocketAsker::new(Arc::clone(socket), request, to.clone()));
        self.submit(to, Request { payload, asker });
    }

    /// A request from a task of this node.
    ///
    /// # Errors
    /// The actor's refusal; `deadline` when no outcome is known in time.
    pub async fn ask(self: &Arc<Self>, to: &Address, payload: Payload) -> Result<Accepted, Refusal> {
        let (reply, answer) = oneshot::channel::<Answer>();
        self.submit(to, Request { payload, asker: Asker::Task(reply) });
        match tokio::time::timeout(ASK, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(unknown_outcome()),
        }
    }

    /// A request that nobody waits for.
    pub fn hint(self: &Arc<Self>, to: &Address, payload: Payload) {
        self.submit(to, Request { payload, asker: Asker::Nobody });
    }

    /// Something fleeting that a person wants to show to the others of an actor; dropped when the actor has too much to do.
    pub fn murmur(self: &Arc<Self>, to: &Address, from: PersonId, kind: &'static str, d: serde_json::Value) {
        let _ = self.deliver(to, Input::Murmur { from, kind: kind.into(), d });
    }

    /// True while somebody who works here has a connected socket on any node.
    #[must_use]
    pub fn is_connected(&self, tenant: &TenantId, person: &PersonId) -> bool {
        self.lobby.holds(tenant, person) || self.far.as_ref().is_some_and(|far| far.holds(tenant, person))
    }

    fn submit(self: &Arc<Self>, to: &Address, request: Request) {
        if let Err(refused) = self.deliver(to, Input::Request(request))
            && let Input::Request(Request { asker, .. }) = *refused
        {
            self.meters.overloaded.add();
            asker.answer(Err(overloaded()));
        }
    }

    /// What outsiders may read of an actor's durable state.
    ///
    /// # Errors
    /// `unavailable` or `deadline` when the actor does not answer.
    pub async fn view(self: &Arc<Self>, of: &Address) -> Result<View, Refusal> {
        self.view_far(of).await
    }

    async fn view_here(self: &Arc<Self>, of: &Address) -> Result<View, Refusal> {
        self.hear(of);
        let (reply, view) = oneshot::channel();
        if self.deliver_here(of, Input::View(reply)).is_err() {
            return Err(overloaded());
        }
        match tokio::time::timeout(ASK, view).await {
            Ok(Ok(view)) => Ok(view),
            Ok(Err(_)) | Err(_) => {
                Err(Refusal::new(Code::Unavailable, "the actor cannot be read now: try again")
                    .retry_after_ms(500))
            }
        }
    }

    /// A behaviour's view as JSON.
    ///
    /// # Errors
    /// As [`Host::view`].
    pub async fn view_json(self: &Arc<Self>, of: &Address) -> Result<serde_json::Value, Refusal> {
        match self.view(of).await? {
            View::Json(value) => Ok(value),
            View::Totals(_) => Err(Refusal::new(Code::Internal, "a watcher has no JSON view")),
        }
    }

    /// Gives an input to the cell of `to`, starting it when it is not awake.
    ///
    /// # Errors
    /// The input, when the mailbox is full or the actor may not run now.
    pub(crate) fn deliver(self: &Arc<Self>, to: &Address, input: Input) -> Result<(), Box<Input>> {
        match &self.far {
            None => self.deliver_here(to, input),
            Some(far) => far.deliver(self, to, input, self.now()),
        }
    }

    fn deliver_here(self: &Arc<Self>, to: &Address, input: Input) -> Result<(), Box<Input>> {
        self.roster.deliver(to, input, self.now(), |seat| self.spawn(to, seat))
    }

    /// Under the lock of the roster: a shard that is let go is looked through after that.
    fn spawn(self: &Arc<Self>, address: &Address, seat: Seat) -> Option<Inbox> {
        let epoch = self.shards.epoch(address.shard())?;
        let tenant = self.tenants.get(&address.tenant)?;
        let setting = Setting {
            address: address.clone(),
            tenant: tenant.clone(),
            epoch,
            followers: &[],
            watchers: Vec::new(),
            snapshot_events: SNAPSHOT_EVENTS,
        };
        let core = registry::make(setting)?;
        let region = self.regions.get(address.kind)?;
        self.meters.activations.add();
        Some(region.spawn(Arc::clone(self), address.clone(), core, seat))
    }

    /// Finds what a crash left undone: actors in the wake rows revive now or when they are due, at a bounded rate.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub async fn wake(self: &Arc<Self>) -> Result<usize, StoreError> {
        self.wake_shards(0..SHARDS).await
    }

    async fn wake_shards(
        self: &Arc<Self>,
        shards: impl IntoIterator<Item = u16>,
    ) -> Result<usize, StoreError> {
        let mut found = 0;
        for shard in shards {
            let partition = wake_partition(shard);
            let mut after = String::new();
            loop {
                let rows = self.ports.rows.scan(WAKES, &partition, &after, 256).await?;
                let Some((last, _)) = rows.last() else { break };
                after.clone_from(last);
                for (key, value) in rows {
                    found += usize::from(self.wake_one(&key, &value));
                    if found.is_multiple_of(16) {
                        tokio::time::sleep(Duration::from_secs(16) / self.bounds.revive_per_s.max(1)).await;
                    }
                }
            }
        }
        Ok(found)
    }

    fn wake_one(self: &Arc<Self>, key: &str, due: &[u8]) -> bool {
        let mut parts = key.splitn(3, '/');
        let (Some(tenant), Some(kind), Some(key)) =
            (parts.next(), parts.next().and_then(registry::kind), parts.next())
        else {
            tracing::warn!(key, "a wake row names no actor of this version");
            return false;
        };
        let address = Address::new(TenantId::new(tenant), kind, key);
        match decode::<Option<Time>>(due) {
            Ok(Some(at)) if at > self.now() => self.alarm.set(&address, Some(at), Bell::Woken),
            Ok(_) | Err(_) => drop(self.deliver(&address, Input::Woken)),
        }
        true
    }

    /// A cell ended by a fault: it starts again after a pause that grows; a key that keeps failing is stopped.
    pub(crate) fn failed(self: &Arc<Self>, address: &Address, seat: &Seat, why: &str, panicked: bool) {
        self.meters.failures.add();
        self.gathering.lock().take(address);
        let again = self.roster.failed(address, seat, self.now(), panicked);
        if again.poisoned {
            tracing::error!(%address, why, stopped_ms = again.pause_ms, "an actor keeps failing: its key is stopped");
        } else {
            tracing::warn!(%address, why, pause_ms = again.pause_ms, "an actor failed: it starts again");
        }
        self.alarm.set(address, Some(self.now().after_ms(again.pause_ms)), Bell::Woken);
    }

    /// Lets every cell finish what it has and go to rest, for at most `limit`; true when all did. In the second half of that time
    /// cells rest even if a wake row must stay.
    pub async fn rest(self: &Arc<Self>, limit: Duration) -> bool {
        const STEP: Duration = Duration::from_millis(20);
        let mut spent = Duration::ZERO;
        while self.roster.retire_all(spent * 2 > limit) > 0 {
            if spent > limit {
                return false;
            }
            tokio::time::sleep(STEP).await;
            spent += STEP;
        }
        true
    }
}

fn overloaded() -> Refusal {
    Refusal::new(Code::Overloaded, "the actor has too much to do: try again").retry_after_ms(250)
}
