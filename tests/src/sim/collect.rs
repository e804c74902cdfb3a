//! The end of a run: everything rests, then what was stored is read into a history.

use std::any::Any;
use std::sync::Arc;

use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::{Agent, Bot, BotEvent, Conversation, Queue, Rating, Session, SessionEvent};
use conversa_actors::cell::core::{Setting, WAKES};
use conversa_actors::cell::envelope::unseal;
use conversa_actors::cell::machine::{Effect, Input, View};
use conversa_actors::letter::decode;
use conversa_actors::registry;
use conversa_actors::watcher::Refold;
use conversa_actors::watchers::{QualityTotals, ServiceTotals, SummaryTotals};
use conversa_engine::conversation::Event;
use conversa_engine::desk::{AgentEvent, QueueEvent};
use conversa_engine::ids::{PersonId, QueueId, SHARDS};
use conversa_engine::time::Time;
use conversa_engine::voice;
use futures_util::FutureExt;
use serde::de::DeserializeOwned;

use super::World;
use super::client::Part;
use crate::history::{Entry, History, Log, Outcome, Owners};

/// Cells get this long to go to rest, seconds.
const REST_S: u32 = 60;

impl World {
    /// Everybody is silent, everything goes to rest.
    pub(super) fn wind_down(&mut self) {
        self.silent = true;
        for _ in 0..REST_S {
            for n in 0..self.nodes.len() {
                self.retire(n, false, |_| true);
            }
            self.run_for(1_000);
            if self.restless().is_empty() {
                return;
            }
        }
    }

    /// What has happened, and what is left undone.
    pub(super) fn collect(self) -> History {
        self.collect_with(Owners::default())
    }

    /// The same, and who owned what.
    pub(super) fn collect_with(mut self, owners: Owners) -> History {
        let mut history = std::mem::take(&mut self.history);
        history.end = self.now;
        history.owners = owners;
        history.undone = self.undone();
        history.wrong_totals = self.wrong_totals();
        for (client, one) in self.clients.iter().enumerate() {
            if one.gone() {
                let own = history.messages.iter_mut().filter(|message| message.device == one.device);
                own.filter(|message| message.outcome == Outcome::Pending)
                    .for_each(|message| message.outcome = Outcome::Unknown);
            } else if !one.idle() {
                history.undone.push(format!("client {client} of {} still has something to send", one.person));
            }
        }
        history.weight = self.company.weights.get("web").copied().unwrap_or(1);
        for setting in &self.company.agents {
            history.capacity.insert(setting.id.clone(), setting.policy.capacity);
            history.serves.insert(setting.id.clone(), setting.policy.serves.clone());
        }
        let away = self.clients.iter().filter(|client| client.part == Part::Agent && client.talk.is_none());
        history.vanished = away.map(|client| client.person.clone()).collect();
        for address in self.store.addresses() {
            self.read_into(&mut history, &address);
        }
        for mut talk in std::mem::take(&mut self.talks) {
            talk.stream.live = talk.open;
            history.streams.push(talk.stream);
        }
        for watching in registry::WATCHERS {
            let refold = Refold {
                journal: Arc::clone(&self.store) as _,
                rows: Arc::clone(&self.store) as _,
                tenant: Arc::clone(&self.tenant),
                progress: Box::new(|_| {}),
            };
            let refolded = (watching.refold)(&refold).now_or_never().expect("memory answers at once");
            history.refolded.push((watching.name, refolded.expect("memory does not fail")));
        }
        history
    }

    fn read_into(&self, history: &mut History, address: &Address) {
        let key = &*address.key;
        match address.kind {
            Conversation::KIND => {
                history.conversations.extend(key.parse().ok().map(|id| (id, self.log::<Event>(address))));
            }
            Agent::KIND => drop(history.agents.insert(PersonId::new(key), self.log::<AgentEvent>(address))),
            Queue::KIND => drop(history.queues.insert(QueueId::new(key), self.log::<QueueEvent>(address))),
            Session::KIND => {
                drop(history.sessions.insert(PersonId::new(key), self.log::<SessionEvent>(address)))
            }
            Bot::KIND => history.bots.extend(key.parse().ok().map(|id| (id, self.log::<BotEvent>(address)))),
            Rating::KIND => {
                let asked = self.store.read_now(address, 0, usize::MAX).len();
                history.ratings.extend(key.parse().ok().map(|id| (id, asked)));
            }
            _ => {}
        }
    }

    fn log<E: DeserializeOwned>(&self, address: &Address) -> Log<E> {
        let entries = self.store.read_now(address, 0, usize::MAX);
        let read = |entry: conversa_actors::port::Entry| {
            let envelope = unseal::<E>(&entry.body).expect("a simulated store holds what was put into it");
            Entry { seq: entry.seq, at: envelope.at, event: envelope.body }
        };
        entries.into_iter().map(read).collect()
    }

    /// What must not be left when everything has rested.
    fn undone(&self) -> Vec<String> {
        let mut undone: Vec<String> =
            self.restless().iter().map(|address| format!("{address} does not go to rest")).collect();
        for shard in 0..SHARDS {
            for (key, due) in self.store.scan_now(WAKES, &format!("{shard:04}"), "", usize::MAX) {
                match decode::<Option<Time>>(&due) {
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => {
                        undone.push(format!("the wake row of {key} is left, and nothing is due"))
                    }
                }
            }
        }
        for address in self.store.addresses() {
            for letter in self.unsent(&address) {
                undone.push(format!("{address} sleeps with an unsent letter to {letter}"));
            }
        }
        undone
    }

    /// Slots whose totals differ from those that a new slot works out from what is stored.
    fn wrong_totals(&mut self) -> Vec<String> {
        let is_slot = |address: &&Address| registry::watcher(address.kind).is_some();
        let cells = self.nodes.iter().enumerate();
        let slots: Vec<(usize, Address)> = cells
            .flat_map(|(n, node)| node.cells.keys().filter(is_slot).map(move |slot| (n, slot.clone())))
            .collect();
        let mut wrong = Vec::new();
        for (n, slot) in slots {
            let live = self.look_here(n, &slot).and_then(|mut view| view.try_recv().ok());
            if !same_totals(live.as_ref(), self.fresh_totals(&slot).as_ref()) {
                wrong.push(slot.to_string());
            }
        }
        wrong
    }

    fn fresh_totals(&self, slot: &Address) -> Option<View> {
        let (reply, mut view) = tokio::sync::oneshot::channel();
        let mut inputs = vec![Input::View(reply), Input::Start];
        self.activate(slot, &mut inputs, |_| {});
        view.try_recv().ok()
    }

    /// The receivers of letters that a new activation of this actor would send.
    fn unsent(&self, address: &Address) -> Vec<String> {
        let mut unsent = Vec::new();
        self.activate(address, &mut vec![Input::Start], |effect| {
            if let Effect::Send(letter) = &effect {
                unsent.push(format!("{} of event {}", letter.to, letter.id.seq));
            }
            if let Effect::Die(why) = &effect {
                unsent.push(format!("nobody: it cannot be activated: {why}"));
            }
        });
        unsent
    }

    /// Gives a new core of this actor these inputs, the last first, and what it asks the store for.
    fn activate(&self, address: &Address, inputs: &mut Vec<Input>, mut see: impl FnMut(Effect)) {
        let (address, tenant) = (address.clone(), Arc::clone(&self.tenant));
        let setting = Setting {
            address: address.clone(),
            tenant: tenant.into(),
            epoch: 1,
            followers: &[],
            watchers: Vec::new(),
            snapshot_events: self.rates.snapshot_events,
        };
        let Some(mut core) = registry::make(setting) else { return };
        let mut effects = Vec::new();
        while let Some(input) = inputs.pop() {
            core.step(self.now, input, &mut effects);
            for effect in effects.drain(..) {
                match effect {
                    Effect::Load(load) => inputs.push(Input::Loaded(Ok(self.load(&address, load)))),
                    // Whoever asked looks whether an answer has come.
                    Effect::Show(reply, view) => drop(reply.send(view)),
                    effect => see(effect),
                }
            }
        }
    }
}

fn same_totals(one: Option<&View>, other: Option<&View>) -> bool {
    let (Some(View::Totals(one)), Some(View::Totals(other))) = (one, other) else { return false };
    fn same<T: PartialEq + 'static>(one: &dyn Any, other: &dyn Any) -> bool {
        one.downcast_ref::<T>().zip(other.downcast_ref::<T>()).is_some_and(|(one, other)| one == other)
    }
    let (one, other): (&dyn Any, &dyn Any) = (&**one, &**other);
    same::<SummaryTotals>(one, other)
        || same::<QualityTotals>(one, other)
        || same::<voice::Totals>(one, other)
        || same::<ServiceTotals>(one, other)
}
