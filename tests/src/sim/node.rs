//! The node of a simulation: what `conversa_actors::host` is to real cells, in one thread and on virtual time. The cores, the lobby and
//! the sockets are the real ones.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::Agent;
use conversa_actors::cell::core::{Setting, WAKES};
use conversa_actors::cell::machine::{Heard, Input, Machine, Reply, Request, View};
use conversa_actors::letter::{Payload, decode};
use conversa_actors::lobby::{Lobby, Socket};
use conversa_actors::registry;
use conversa_actors::watcher::{Added, GATHER_MS, Gathering};
use conversa_engine::desk::AgentCommand;
use conversa_engine::ids::{PersonId, SHARDS, TenantId};
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;

use super::agenda::{Action, Bell, Life};
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

/// The node.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) life: Life,
    pub(super) up: bool,
    pub(super) cells: BTreeMap<Address, Cell>,
    pub(super) flying: Flying,
    pub(super) lobby: Lobby,
    gathering: Gathering,
    failures: BTreeMap<Address, Failures>,
    alarms: BTreeMap<(Address, Bell), Time>,
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

impl World {
    /// Gives an input to an actor, starting its cell when it is not awake.
    pub(super) fn deliver(&mut self, to: &Address, input: Input) -> Result<(), Box<Input>> {
        if !self.node.up || self.node.failures.get(to).is_some_and(|failures| self.now < failures.until) {
            return Err(Box::new(input));
        }
        if !self.node.cells.contains_key(to) {
            let waits = self.node.flying.contains_key(to) && self.plant != Some(Plant::ActivationDoesNotWait);
            if waits || !self.start(to) {
                return Err(Box::new(input));
            }
        }
        let Some(cell) = self.node.cells.get_mut(to) else { return Err(Box::new(input)) };
        if bounded(&input) && cell.mailbox.len() >= self.rates.mailbox {
            return Err(Box::new(input));
        }
        if !matches!(input, Input::Watched { .. } | Input::Taken { .. }) {
            cell.used = self.now;
        }
        cell.mailbox.push_back(input);
        self.work(to);
        Ok(())
    }

    /// Gives an input to a cell that is awake; nothing happens when it is not.
    pub(super) fn deliver_awake(&mut self, to: &Address, input: Input) {
        if let Some(cell) = self.node.cells.get_mut(to) {
            cell.mailbox.push_back(input);
            self.work(to);
        }
    }

    /// The answer to an effect of one cell; nothing happens when it has ended.
    pub(super) fn back(&mut self, to: &Address, cell: u64, input: Input) {
        if self.node.cells.get(to).is_some_and(|awake| awake.id == cell) {
            self.deliver_awake(to, input);
        }
    }

    fn start(&mut self, address: &Address) -> bool {
        let setting = Setting {
            address: address.clone(),
            tenant: Arc::clone(&self.tenant).into(),
            epoch: 1,
            followers: &[],
            watchers: Vec::new(),
            snapshot_events: self.rates.snapshot_events,
        };
        let Some(core) = registry::make(setting) else { return false };
        let core = match self.plant {
            Some(plant) => Box::new(Tampered::new(core, plant, address.clone())),
            None => core,
        };
        self.node.cells_started += 1;
        let id = self.node.cells_started;
        let mailbox = VecDeque::from([Input::Start]);
        self.node.cells.insert(address.clone(), Cell { id, core, mailbox, held_up: false, used: self.now });
        true
    }

    /// The cell deals with what is in its mailbox.
    pub(super) fn work(&mut self, address: &Address) {
        let mut effects = Vec::new();
        loop {
            let Some(cell) = self.node.cells.get_mut(address) else { return };
            if cell.held_up {
                return;
            }
            let Some(input) = cell.mailbox.pop_front() else { return };
            if self.crashes(address, &input) {
                return self.failed(address, true);
            }
            self.steps += 1;
            self.trace.note(self.now, address, &input);
            if registry::watcher(address.kind).is_some() {
                self.tell(|| format!("{address} <- {input:?}"));
            }
            let Some(cell) = self.node.cells.get_mut(address) else { return };
            let id = cell.id;
            cell.core.step(self.now, input, &mut effects);
            if !self.perform_all(address, id, &mut effects) {
                return;
            }
        }
    }

    /// True when nothing waits in the cell's mailbox: it has left.
    pub(super) fn leave(&mut self, address: &Address) -> bool {
        let leaves = self.node.cells.get(address).is_some_and(|cell| cell.mailbox.is_empty());
        if leaves {
            self.node.cells.remove(address);
        }
        leaves
    }

    /// A cell has ended by a fault: it starts again after a pause that grows.
    pub(super) fn failed(&mut self, address: &Address, panicked: bool) {
        self.crashes += 1;
        self.tell(|| format!("{address} fails"));
        self.node.cells.remove(address);
        self.node.gathering.take(address);
        let now = self.now;
        let failures =
            self.node.failures.entry(address.clone()).or_insert(Failures { count: 0, last: now, until: now });
        if now.ms_since(failures.last) > FORGIVEN_MS {
            failures.count = 0;
        }
        failures.count = (failures.count + u32::from(panicked)).min(FAILURES_MAX);
        failures.last = now;
        let pause_ms =
            if panicked { (PAUSE_MS_MIN << failures.count).min(PAUSE_MS_MAX) } else { STORE_PAUSE_MS };
        failures.until = now.after_ms(pause_ms);
        let at = failures.until;
        self.set_alarm(address, Some(at), Bell::Woken);
    }

    /// True while the actor has failed so often lately that nothing more is done to it.
    pub(super) fn spared(&self, address: &Address) -> bool {
        self.node.failures.get(address).is_some_and(|failures| {
            failures.count + 1 >= FAILURES_MAX && self.now.ms_since(failures.last) <= FORGIVEN_MS
        })
    }

    /// Sets, moves or cancels an alarm.
    pub(super) fn set_alarm(&mut self, of: &Address, at: Option<Time>, bell: Bell) {
        let key = (of.clone(), bell);
        let Some(at) = at else {
            self.node.alarms.remove(&key);
            return;
        };
        self.node.alarms.insert(key, at);
        let at = at.max(self.now);
        self.agenda.put(at, Action::Ring { life: self.node.life, of: of.clone(), bell });
    }

    /// Rings when the time that stands has come.
    pub(super) fn ring(&mut self, of: &Address, bell: Bell) {
        let key = (of.clone(), bell);
        if self.node.alarms.get(&key).is_none_or(|at| *at > self.now) {
            return;
        }
        if self.chance.hits(self.rates.late_bell) {
            let late = self.chance_ms(NAP_MS);
            return self.set_alarm(of, Some(self.now.after_ms(late)), bell);
        }
        self.node.alarms.remove(&key);
        let input = match bell {
            Bell::Tick => Input::Tick,
            Bell::Woken => Input::Woken,
            Bell::Heard => return self.hear(of),
        };
        if self.deliver(of, input).is_err() {
            self.set_alarm(of, Some(self.now.after_ms(NAP_MS)), bell);
        }
    }

    /// Gives events to a watcher, soon, as `Host::feed`.
    pub(super) fn feed(&mut self, slot: &Address, heard: Heard) {
        match self.node.gathering.add(slot, heard) {
            Added::First => self.set_alarm(slot, Some(self.now.after_ms(GATHER_MS)), Bell::Heard),
            Added::More => {}
            Added::Full => self.hear(slot),
        }
    }

    /// Hands over what was gathered for a slot, as `Host::hear`.
    fn hear(&mut self, slot: &Address) {
        let heard = self.node.gathering.take(slot);
        if !heard.is_empty() {
            // A slot that cannot take it reads it from the journals.
            let _ = self.deliver(slot, Input::Heard(heard));
        }
    }

    /// Holds a cell up: its mailbox fills meanwhile.
    pub(super) fn hold_up(&mut self, address: &Address, ms: i64) {
        if let Some(cell) = self.node.cells.get_mut(address) {
            cell.held_up = true;
            let action = Action::Resume { life: self.node.life, of: address.clone(), cell: cell.id };
            self.agenda.put(self.now.after_ms(ms), action);
        }
    }

    /// A cell that was held up goes on.
    pub(super) fn resume(&mut self, address: &Address, cell: u64) {
        if let Some(awake) = self.node.cells.get_mut(address).filter(|awake| awake.id == cell) {
            awake.held_up = false;
            self.work(address);
        }
    }

    /// The node dies: everything goes but what is on the disk.
    pub(super) fn crash_node(&mut self) {
        self.node_crashes += 1;
        self.tell(|| "-- the node dies".into());
        self.close_all_talks();
        self.node =
            Node { life: self.node.life + 1, cells_started: self.node.cells_started, ..Node::default() };
        let actions = self.agenda.take_all();
        self.writes_of_the_dead(actions);
        let down = self.chance.between(100, 3_000);
        self.agenda.put(self.now.after_ms(down), Action::Boot);
    }

    /// The node starts and revives what was left undone, as `Host::wake` does.
    pub(super) fn boot(&mut self) {
        if self.node.up {
            return;
        }
        self.node.up = true;
        self.tell(|| "-- the node starts".into());
        for shard in 0..SHARDS {
            for (key, due) in self.store.scan_now(WAKES, &format!("{shard:04}"), "", usize::MAX) {
                let Some(address) = actor(&key) else { continue };
                match decode::<Option<Time>>(&due) {
                    Ok(Some(at)) if at > self.now => self.set_alarm(&address, Some(at), Bell::Woken),
                    Ok(_) | Err(_) => {
                        let at = self.now.after_ms(self.chance_ms(300));
                        self.set_alarm(&address, Some(at), Bell::Woken);
                    }
                }
            }
        }
    }

    pub(super) fn chance_ms(&mut self, most: i64) -> i64 {
        self.chance.between(1, most)
    }

    /// A request from a socket, as `Host::request`.
    pub(super) fn request(&mut self, to: &Address, request: Request) {
        let refused = self.deliver(to, Input::Request(request)).map_err(|input| *input);
        if let Err(Input::Request(Request { asker, .. })) = refused {
            let refusal =
                Refusal::new(Code::Overloaded, "the actor has too much to do: try again").retry_after_ms(250);
            asker.answer(Err(refusal));
        }
    }

    /// Asks to look at an actor's state; `None` when it may not be asked now.
    pub(super) fn look(&mut self, of: &Address) -> Option<tokio::sync::oneshot::Receiver<View>> {
        let (reply, view): (Reply<View>, _) = tokio::sync::oneshot::channel();
        self.hear(of);
        self.deliver(of, Input::View(reply)).ok().map(|()| view)
    }

    /// Tells an agent's actor something that nobody waits for.
    pub(super) fn hint(&mut self, agent: &PersonId, command: AgentCommand) {
        let to = Address::new(self.tenant.id.clone(), Agent::KIND, agent.shared());
        let asker = conversa_actors::cell::machine::Asker::Nobody;
        self.request(&to, Request { payload: Payload::of(command), asker });
    }

    /// The grace of an agent without a socket is over.
    pub(super) fn grace_over(&mut self, agent: &PersonId) {
        let tenant = self.tenant.id.clone();
        if !self.node.lobby.holds(&tenant, agent) {
            self.hint(agent, AgentCommand::Gone);
        }
    }

    pub(super) fn new_socket(&mut self, person: &PersonId, device: &str) -> Arc<Socket> {
        let id = self.talks.len() as u64 + 1;
        Socket::new(id, self.tenant.id.clone(), person.clone(), device.to_owned(), self.rates.queue_bytes)
    }
}

/// The actor that a wake row names.
pub(super) fn actor(wake_key: &str) -> Option<Address> {
    let mut parts = wake_key.splitn(3, '/');
    let (tenant, kind, key) = (parts.next()?, registry::kind(parts.next()?)?, parts.next()?);
    Some(Address::new(TenantId::new(tenant), kind, key))
}
