//! The shell of [`Machine`]: asks the register, keeps the time, and publishes what this node owns. It decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::member::machine::{Counts, Effect, Input, Key, Machine, Me, Over};
use crate::member::term::Term;
use crate::member::told::Told;
use crate::member::view::View;
use crate::member::{Life, Moment, Timing};
use crate::register::{ChangeError, Register};

/// The clock of leases: [`crate::clock::moment`], or a test's.
pub type LeaseClock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// A request at the register that has no answer after this time has an unknown outcome.
const REQUEST: Duration = Duration::from_secs(2);
/// What is told to the machine and not yet taken in; whoever tells more waits.
const INPUTS_MAX: usize = 256;

/// What this node is and owns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owned {
    /// Its life, once it has begun.
    pub life: Option<Life>,
    /// The latest view that is known.
    pub view: Arc<View>,
    /// The shards that it serves, with their epochs.
    pub served: Arc<BTreeMap<u16, u64>>,
    /// The shards whose cells are to stop, with the epochs under which these were started; then [`Membership::stopped`].
    pub stopping: Arc<BTreeMap<u16, u64>>,
    /// Where the links of the members of the view are, as far as that is known.
    pub addresses: Arc<BTreeMap<Life, String>>,
    /// What the others are to be told of it, once the host has been told what it owns.
    pub tells: Told,
    /// How its life ended, if it did: nothing is served then.
    pub over: Option<Over>,
}

impl Owned {
    /// What a machine says now; true when it says something else than before. `changes` is the machine's count that was followed last.
    pub fn follow(&mut self, machine: &Machine, changes: &mut u64) -> bool {
        let (life, over, addresses) = (machine.life(), machine.over(), machine.addresses());
        let changed = machine.changes() != std::mem::replace(changes, machine.changes());
        let moved = *self.addresses != addresses;
        let news = self.life != life
            || self.over != over
            || self.view.version != machine.view().version
            || moved
            || changed;
        if moved {
            self.addresses = Arc::new(addresses);
        }
        (self.life, self.over) = (life, over);
        (self.view, self.tells) = (Arc::clone(machine.view()), machine.tells());
        if changed {
            let owned = machine.owned();
            self.served = Arc::new(owned.map(|owned| owned.served().collect()).unwrap_or_default());
            self.stopping = Arc::new(owned.map(|owned| owned.stopping().collect()).unwrap_or_default());
        }
        news
    }
}

/// What a host was told to serve, and what of it to let go: from one [`Owned`] to a later one, whatever was between them.
#[derive(Debug, Default)]
pub struct Conduct {
    served: BTreeMap<u16, u64>,
    stopping: BTreeMap<u16, u64>,
}

/// What a host is told to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// Shards to let go; when nothing of them is under way, [`Membership::stopped`] with these epochs.
    pub stop: Vec<(u16, u64)>,
    /// Shards to serve, under these epochs.
    pub gain: Vec<(u16, u64)>,
}

impl Conduct {
    /// What follows from what is owned now.
    pub fn follow(&mut self, now: &Owned) -> Orders {
        self.stopping.retain(|shard, epoch| now.stopping.get(shard) == Some(epoch));
        let mut stop: Vec<(u16, u64)> = now.stopping.iter().map(|(shard, epoch)| (*shard, *epoch)).collect();
        stop.retain(|(shard, epoch)| self.stopping.insert(*shard, *epoch) != Some(*epoch));
        for (shard, _) in &stop {
            self.served.remove(shard);
        }
        let mut gain: Vec<(u16, u64)> = now.served.iter().map(|(shard, epoch)| (*shard, *epoch)).collect();
        gain.retain(|(shard, epoch)| self.served.insert(*shard, *epoch) != Some(*epoch));
        Orders { stop, gain }
    }
}

/// A node's membership. Dropped, the node stands still and is taken out by the others.
#[derive(Debug)]
pub struct Membership {
    inputs: mpsc::Sender<Input>,
    owned: watch::Receiver<Owned>,
    shared: Arc<Shared>,
    running: JoinHandle<()>,
}

struct Shared {
    clock: LeaseClock,
    timing: Timing,
    term: Mutex<Option<Term>>,
    counts: Mutex<Counts>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("term", &self.term)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Membership {
    /// Makes this node a member of the cluster whose register that is.
    #[must_use]
    pub fn start(
        register: Arc<dyn Register>,
        me: Me,
        shards: u16,
        timing: Timing,
        clock: LeaseClock,
    ) -> Self {
        let (inputs, told) = mpsc::channel(INPUTS_MAX);
        let (publish, owned) = watch::channel(Owned::default());
        let shared = Arc::new(Shared { clock, timing, term: Mutex::default(), counts: Mutex::default() });
        let machine = Machine::new(me, timing, shards);
        let requests = FuturesUnordered::new();
        let shell = Shell { machine, register, requests, publish, published: 0, shared: Arc::clone(&shared) };
        let running = tokio::spawn(shell.run(told));
        Self { inputs, owned, shared, running }
    }

    /// What it owns, as that changes.
    #[must_use]
    pub fn owned(&self) -> watch::Receiver<Owned> {
        self.owned.clone()
    }

    /// True while the node may acknowledge, tell and push: nobody can have taken its shards over.
    #[must_use]
    pub fn holds(&self) -> bool {
        let now = (self.shared.clock)();
        self.shared.term.lock().is_some_and(|term| term.holds(now, &self.shared.timing))
    }

    /// What it has done, for metrics.
    #[must_use]
    pub fn counts(&self) -> Counts {
        *self.shared.counts.lock()
    }

    /// The cells that these shards had under these epochs have stopped, and nothing of them is under way.
    pub async fn stopped(&self, shards: impl IntoIterator<Item = (u16, u64)>) {
        self.tell(Input::Stopped(shards.into_iter().collect())).await;
    }

    /// Another life has told this of itself. A hint: when too much waits it is dropped.
    pub fn hear(&self, from: &Life, told: Told) {
        let _ = self.inputs.try_send(Input::Heard(from.clone(), told));
    }

    /// Leaves, shard by shard; ends with [`Over::Left`] in what is published.
    pub async fn leave(&self) {
        self.tell(Input::Leave).await;
    }

    async fn tell(&self, input: Input) {
        // When it has ended there is nothing to tell it.
        let _ended = self.inputs.send(input).await;
    }
}

struct Shell {
    machine: Machine,
    register: Arc<dyn Register>,
    /// One of a key at most. Not tasks of their own: one that panics must end the node, not leave its key busy for ever.
    requests: FuturesUnordered<BoxFuture<'static, Input>>,
    publish: watch::Sender<Owned>,
    /// The changes of what is owned that were published.
    published: u64,
    shared: Arc<Shared>,
}

impl Shell {
    async fn run(mut self, mut told: mpsc::Receiver<Input>) {
        let mut ticks = interval(Duration::from_millis(self.shared.timing.look_ms));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.machine.over().is_none() {
            let input = tokio::select! {
                // Each of the first two has its bound, so nobody waits for ever.
                biased;
                _ = ticks.tick() => Input::Tick,
                Some(answer) = self.requests.next() => answer,
                input = told.recv() => match input {
                    Some(input) => input,
                    None => return,
                },
            };
            let effects = self.machine.step((self.shared.clock)(), input);
            // Before anything else: whoever is over must not acknowledge.
            *self.shared.term.lock() = self.machine.term().copied();
            *self.shared.counts.lock() = self.machine.counts();
            self.perform(effects);
            self.publish();
        }
    }

    fn perform(&self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Read(key) => self.requests.push(read(Arc::clone(&self.register), key).boxed()),
                Effect::Change { key, expected, value } => {
                    self.requests.push(change(Arc::clone(&self.register), key, expected, value).boxed());
                }
                Effect::Seen(view) => {
                    tracing::info!(
                        version = view.version,
                        members = view.members.len(),
                        "the view has changed"
                    );
                }
                Effect::Over(over) => tracing::warn!(?over, "this node is no member any more"),
                // Published.
                Effect::Stop(_) | Effect::Start { .. } => {}
            }
        }
    }

    fn publish(&mut self) {
        let (machine, published) = (&self.machine, &mut self.published);
        self.publish.send_if_modified(|owned| owned.follow(machine, published));
    }
}

async fn read(register: Arc<dyn Register>, key: Key) -> Input {
    let held = match timeout(REQUEST, register.read(&key.name())).await {
        Ok(Ok(held)) => Ok(held),
        Ok(Err(_)) | Err(_) => Err(()),
    };
    Input::Read { key, held }
}

async fn change(register: Arc<dyn Register>, key: Key, expected: u64, value: Bytes) -> Input {
    let outcome = match timeout(REQUEST, register.change(&key.name(), expected, value)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ChangeError::Unknown("the register did not answer in time".into())),
    };
    Input::Changed { key, outcome }
}
