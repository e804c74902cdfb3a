//! A node of a simulation: what `conversa_actors::host` is to real cells, in one thread and on virtual time. The cores, the lobby and
//! the sockets are the real ones.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::Agent;
use conversa_actors::cell::core::{Setting, WAKES};
use conversa_actors::cell::machine::{Heard, Input, Machine, Reply, Request, View};
use conversa_actors::letter::{Payload, decode};
use conversa_actors::lobby::Socket;
use conversa_actors::registry;
use conversa_actors::watcher::{Added, GATHER_MS, Gathering};
use conversa_engine::desk::AgentCommand;
use conversa_engine::ids::{PersonId, SHARDS, TenantId};
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use tokio::sync::oneshot::Receiver;

use super::agenda::{Action, Bell, Life};
use super::cluster::{Member, Porch};
use super::plant::Tampered;
use super::store::Flying;
use super::{Plant, World};

/// The pauses of `host/roster.rs` before a failed cell starts again: after the store's failure, after panics.
const STORE_PAUSE_MS: i64 = 500;
const PAUSE_MS_MIN: i64 = 100;
const PAUSE_MS_MAX: i64 = 30_000;
const FORGIVEN_MS: i64 = 120_000;
/// A real node stops a key after six failures in a row; so many are never dealt out here.
pub(super) const FAILURES_MAX: u32 = 5;
/// An alarm that finds its cell stopped or full rings again after this time, as in `host/alarm.rs`.
const NAP_MS: i64 = 1_000;

/// A node.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) life: Life,
    pub(super) up: bool,
    pub(super) cells: BTreeMap<Address, Cell>,
    pub(super) flying: Flying,
    pub(super) porch: Porch,
    /// Its part in a cluster; a node that is alone has none.
    pub(super) member: Option<Box<Member>>,
    /// How far its clock is ahead, milliseconds, and the latest time that it has told.
    pub(super) ahead_ms: i64,
    latest: Time,
    /// It stands still until then.
    pub(super) still_until: Time,
    gathering: Gathering,
    failures: BTreeMap<Address, Failures>,
    pub(super) alarms: BTreeMap<(Address, Bell), Time>,
    cells_started: u64,
}

/// One awake cell.
pub(super) struct Cell {
    pub(super) id: u64,
    core: Box<dyn Machine>,
    mailbox: VecDeque<Input>,
    held_up: bool,
    pub(super) used: Time,
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cell {} with {} inputs", self.id, self.mailbox.len())
    }
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Time,
    until: Time,
}

/// True for what counts against the bound of a mailbox, as in `host/roster.rs`.
fn bounded(input: &Input) -> bool {
    matches!(input, Input::Letter(_) | Input::Request(_) | Input::Heard(_) | Input::View(_))
}

impl Cell {
    pub(super) fn idle(&self) -> bool {
        self.mailbox.is_empty() && !self.held_up
    }
}

impl Node {
    /// One of several, before its first life.
    pub(super) fn of(node: usize) -> Self {
        Self { life: Life { node, number: 0 }, ..Self::default() }
    }

    /// The next life of the node; its clock goes on.
    pub(super) fn next_life(&self) -> Self {
        let life = Life { number: self.life.number + 1, ..self.life };
        let (ahead_ms, latest) = (self.ahead_ms, Time::default());
        Self { life, ahead_ms, latest, cells_started: self.cells_started, ..Self::default() }
    }
}

impl World {
    /// Now, by the clock of a node, which never runs backwards.
    pub(super) fn clock(&mut self, n: usize) -> Time {
        let node = &mut self.nodes[n];
        node.latest = node.latest.max(self.now.after_ms(node.ahead_ms));
        node.latest
    }

    /// Gives an input to an actor, wherever it is served.
    pub(super) fn deliver(&mut self, n: usize, to: &Address, input: Input) -> Result<(), Box<Input>> {
        match self.elsewhere(n, to) {
            Some(far) => self.deliver_far(n, &far, to, input),
            None => self.deliver_here(n, to, input),
        }
    }

    /// Gives an input to an actor of this node, starting its cell when it is not awake.
    pub(super) fn deliver_here(&mut self, n: usize, to: &Address, input: Input) -> Result<(), Box<Input>> {
        let now = self.clock(n);
        if !self.nodes[n].up || self.nodes[n].failures.get(to).is_some_and(|failures| now < failures.until) {
            return Err(Box::new(input));
        }
        if !self.nodes[n].cells.contains_key(to) {
            let waits =
                self.nodes[n].flying.contains_key(to) && self.plant != Some(Plant::ActivationDoesNotWait);
            if waits || !self.start(n, to) {
                return Err(Box::new(input));
            }
        }
        let Some(cell) = self.nodes[n].cells.get_mut(to) else { return Err(Box::new(input)) };
        if bounded(&input) && cell.mailbox.len() >= self.rates.mailbox {
            return Err(Box::new(input));
        }
        if !matches!(input, Input::Watched { .. } | Input::Taken { .. }) {
            cell.used = now;
        }
        cell.mailbox.push_back(input);
        self.work(n, to);
        Ok(())
    }

    /// Gives an input to a cell that is awake; nothing happens when it is not.
    pub(super) fn deliver_awake(&mut self, n: usize, to: &Address, input: Input) {
        if let Some(cell) = self.nodes[n].cells.get_mut(to) {
            cell.mailbox.push_back(input);
            self.work(n, to);
        }
    }

    /// The answer to an effect of one cell; nothing happens when it has ended.
    pub(super) fn back(&mut self, n: usize, to: &Address, cell: u64, input: Input) {
        if self.nodes[n].cells.get(to).is_some_and(|awake| awake.id == cell) {
            self.deliver_awake(n, to, input);
        }
    }

    fn start(&mut self, n: usize, address: &Address) -> bool {
        let Some(epoch) = self.epoch(n, address.shard()) else { return false };
        let used = self.clock(n);
        let setting = Setting {
            address: address.clone(),
            tenant: Arc::clone(&self.tenant).into(),
            epoch,
            followers: &[],
            watchers: Vec::new(),
            snapshot_events: self.rates.snapshot_events,
        };
        let Some(core) = registry::make(setting) else { return false };
        let core = match self.plant {
            Some(plant) => Box::new(Tampered::new(core, plant, address.clone())),
            None => core,
        };
        self.nodes[n].cells_started += 1;
        let id = self.nodes[n].cells_started;
        let mailbox = VecDeque::from([Input::Start]);
        self.nodes[n].cells.insert(address.clone(), Cell { id, core, mailbox, held_up: false, used });
        true
    }

    /// The cell deals with what is in its mailbox.
    pub(super) fn work(&mut self, n: usize, address: &Address) {
        let mut effects = Vec::new();
        loop {
            let Some(cell) = self.nodes[n].cells.get_mut(address) else { return };
            if cell.held_up {
                return;
            }
            let Some(input) = cell.mailbox.pop_front() else { return };
            if self.crashes(n, address, &input) {
                return self.failed(n, address, true);
            }
            self.steps += 1;
            let now = self.clock(n);
            self.trace.note(now, address, &input);
            if registry::watcher(address.kind).is_some() {
                self.tell(|| format!("{address} <- {input:?}"));
            }
            let Some(cell) = self.nodes[n].cells.get_mut(address) else { return };
            let id = cell.id;
            cell.core.step(now, input, &mut effects);
            if !self.perform_all(n, address, id, &mut effects) {
                return;
            }
        }
    }

    /// True when nothing waits in the cell's mailbox: it has left.
    pub(super) fn leave(&mut self, n: usize, address: &Address) -> bool {
        let leaves = self.nodes[n].cells.get(address).is_some_and(|cell| cell.mailbox.is_empty());
        if leaves {
            self.nodes[n].cells.remove(address);
        }
        leaves
    }

    /// A cell has ended by a fault: it starts again after a pause that grows.
    pub(super) fn failed(&mut self, n: usize, address: &Address, panicked: bool) {
        self.crashes += 1;
        self.tell(|| format!("{address} fails"));
        self.nodes[n].cells.remove(address);
        self.nodes[n].gathering.take(address);
        if self.cluster.is_some() {
            self.forget_undecided(n, address);
        }
        let now = self.clock(n);
        let failures = self.nodes[n].failures.entry(address.clone()).or_insert(Failures {
            count: 0,
            last: now,
            until: now,
        });
        if now.ms_since(failures.last) > FORGIVEN_MS {
            failures.count = 0;
        }
        failures.count = (failures.count + u32::from(panicked)).min(FAILURES_MAX);
        failures.last = now;
        let pause_ms =
            if panicked { (PAUSE_MS_MIN << failures.count).min(PAUSE_MS_MAX) } else { STORE_PAUSE_MS };
        failures.until = now.after_ms(pause_ms);
        let at = failures.until;
        self.set_alarm(n, address, Some(at), Bell::Woken);
    }

    /// True while the actor has failed so often lately that nothing more is done to it.
    pub(super) fn spared(&self, n: usize, address: &Address) -> bool {
        self.nodes[n].failures.get(address).is_some_and(|failures| {
            failures.count + 1 >= FAILURES_MAX && self.now.ms_since(failures.last) <= FORGIVEN_MS
        })
    }

    /// Sets, moves or cancels an alarm.
    pub(super) fn set_alarm(&mut self, n: usize, of: &Address, at: Option<Time>, bell: Bell) {
        let key = (of.clone(), bell);
        let Some(at) = at else {
            self.nodes[n].alarms.remove(&key);
            return;
        };
        self.nodes[n].alarms.insert(key, at);
        let at = at.after_ms(-self.nodes[n].ahead_ms).max(self.now);
        self.agenda.put(at, Action::Ring { life: self.nodes[n].life, of: of.clone(), bell });
    }

    /// Rings when the time that stands has come.
    pub(super) fn ring(&mut self, n: usize, of: &Address, bell: Bell) {
        let key = (of.clone(), bell);
        let now = self.clock(n);
        if self.nodes[n].alarms.get(&key).is_none_or(|at| *at > now) {
            return;
        }
        if self.chance.hits(self.rates.late_bell) {
            let late = self.chance_ms(NAP_MS);
            return self.set_alarm(n, of, Some(now.after_ms(late)), bell);
        }
        self.nodes[n].alarms.remove(&key);
        let input = match bell {
            Bell::Tick => Input::Tick,
            Bell::Woken => Input::Woken,
            Bell::Heard => return self.hear(n, of),
        };
        if self.deliver(n, of, input).is_err() {
            self.set_alarm(n, of, Some(now.after_ms(NAP_MS)), bell);
        }
    }

    /// Gives events to a watcher, soon, as `Host::feed`.
    pub(super) fn feed(&mut self, n: usize, slot: &Address, heard: Heard) {
        let at = self.clock(n).after_ms(GATHER_MS);
        match self.nodes[n].gathering.add(slot, heard) {
            Added::First => self.set_alarm(n, slot, Some(at), Bell::Heard),
            Added::More => {}
            Added::Full => self.hear(n, slot),
        }
    }

    /// Hands over what was gathered for a slot, as `Host::hear`.
    pub(super) fn hear(&mut self, n: usize, slot: &Address) {
        let heard = self.nodes[n].gathering.take(slot);
        if !heard.is_empty() {
            // A slot that cannot take it reads it from the journals.
            let _ = self.deliver(n, slot, Input::Heard(heard));
        }
    }

    /// Holds a cell up: its mailbox fills meanwhile.
    pub(super) fn hold_up(&mut self, n: usize, address: &Address, ms: i64) {
        let life = self.nodes[n].life;
        if let Some(cell) = self.nodes[n].cells.get_mut(address) {
            cell.held_up = true;
            let action = Action::Resume { life, of: address.clone(), cell: cell.id };
            self.agenda.put(self.now.after_ms(ms), action);
        }
    }

    /// A cell that was held up goes on.
    pub(super) fn resume(&mut self, n: usize, address: &Address, cell: u64) {
        if let Some(awake) = self.nodes[n].cells.get_mut(address).filter(|awake| awake.id == cell) {
            awake.held_up = false;
            self.work(n, address);
        }
    }

    /// A node dies: everything goes but what is on the disk.
    pub(super) fn crash_node(&mut self, n: usize) {
        self.node_crashes += 1;
        self.tell(|| format!("-- node {n} dies"));
        self.hush(n);
        self.close_all_talks(n);
        if self.cluster.is_some() {
            return self.end_life(n);
        }
        self.nodes[n] = self.nodes[n].next_life();
        let actions = self.agenda.take_all();
        self.writes_of_the_dead(actions);
        let down = self.chance.between(100, 3_000);
        self.agenda.put(self.now.after_ms(down), Action::Boot(n));
    }

    /// A node starts and revives what was left undone, as `Host::wake` does.
    pub(super) fn boot(&mut self, n: usize) {
        if self.nodes[n].up {
            return;
        }
        self.nodes[n].up = true;
        self.tell(|| format!("-- node {n} starts"));
        if self.cluster.is_some() {
            return self.join(n);
        }
        for shard in 0..SHARDS {
            let rows = self.store.scan_now(WAKES, &format!("{shard:04}"), "", usize::MAX);
            self.wake_all(n, rows);
        }
    }

    /// Revives what wake rows name, now or when it is due, as `Host::wake_one` does.
    pub(super) fn wake_all(&mut self, n: usize, rows: Vec<(String, Bytes)>) {
        for (key, due) in rows {
            let Some(address) = actor(&key) else { continue };
            let now = self.clock(n);
            match decode::<Option<Time>>(&due) {
                Ok(Some(at)) if at > now => self.set_alarm(n, &address, Some(at), Bell::Woken),
                Ok(_) | Err(_) => {
                    let at = now.after_ms(self.chance_ms(300));
                    self.set_alarm(n, &address, Some(at), Bell::Woken);
                }
            }
        }
    }

    pub(super) fn chance_ms(&mut self, most: i64) -> i64 {
        self.chance.between(1, most)
    }

    /// A request from a socket, as `Host::request`.
    pub(super) fn request(&mut self, n: usize, to: &Address, request: Request) {
        if let Err(refused) = self.deliver(n, to, Input::Request(request)) {
            refuse(*refused);
        }
    }

    /// Asks to look at an actor's state; `None` when it may not be asked now.
    pub(super) fn look(&mut self, n: usize, of: &Address) -> Option<Receiver<View>> {
        if self.nodes[n].member.is_some() {
            return Some(self.look_anywhere(n, of));
        }
        self.look_here(n, of)
    }

    /// The same of one that this node serves, as `Host::view_here`.
    pub(super) fn look_here(&mut self, n: usize, of: &Address) -> Option<Receiver<View>> {
        let (reply, view): (Reply<View>, _) = tokio::sync::oneshot::channel();
        self.hear(n, of);
        self.deliver_here(n, of, Input::View(reply)).ok().map(|()| view)
    }

    /// Tells an agent's actor something that nobody waits for.
    pub(super) fn hint(&mut self, n: usize, agent: &PersonId, command: AgentCommand) {
        let to = Address::new(self.tenant.id.clone(), Agent::KIND, agent.shared());
        let asker = conversa_actors::cell::machine::Asker::Nobody;
        self.request(n, &to, Request { payload: Payload::of(command), asker });
    }

    /// The grace of an agent without a socket is over.
    pub(super) fn grace_over(&mut self, n: usize, agent: &PersonId) {
        let tenant = self.tenant.id.clone();
        let far = self.far(n).is_some_and(|far| far.holds(&tenant, agent));
        if !far && !self.nodes[n].porch.lobby.holds(&tenant, agent) {
            self.hint(n, agent, AgentCommand::Gone);
        }
    }

    pub(super) fn new_socket(&mut self, person: &PersonId, device: &str) -> Arc<Socket> {
        let id = self.talks.len() as u64 + 1;
        Socket::new(id, self.tenant.id.clone(), person.clone(), device.to_owned(), self.rates.queue_bytes)
    }
}

/// Whoever asked is told that it may try again; all else comes again by itself.
pub(super) fn refuse(input: Input) {
    if let Input::Request(Request { asker, .. }) = input {
        let refusal =
            Refusal::new(Code::Overloaded, "the actor has too much to do: try again").retry_after_ms(250);
        asker.answer(Err(refusal));
    }
}

/// The actor that a wake row names.
pub(super) fn actor(wake_key: &str) -> Option<Address> {
    let mut parts = wake_key.splitn(3, '/');
    let (tenant, kind, key) = (parts.next()?, registry::kind(parts.next()?)?, parts.next()?);
    Some(Address::new(TenantId::new(tenant), kind, key))
}
