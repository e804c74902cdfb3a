//! What a developer writes: a behaviour judges commands, takes in events and says whom to tell. Nothing else.
//!
//! No clock, randomness, input, output, lock or async: persistence, replay, placement, supervision, duplicates, metrics and
//! simulation come from the cell that runs it.

use std::any::Any;
use std::sync::Arc;

use conversa_engine::conversation;
use conversa_engine::ids::PersonId;
use conversa_engine::refusal::Decision;
use conversa_engine::time::Time;
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::address::{Address, Key};
use crate::letter::Payload;
use crate::port::outside::{Call, Outcome};
use crate::tenant::Tenant;

/// The behaviour of one kind of actor. Adding one is a file and a line in `registry.rs`.
pub trait Behaviour: Default + Clone + Serialize + DeserializeOwned + Send + 'static {
    /// Names the journal: never rename.
    const KIND: &'static str;
    /// Version of the stored state: raise it when an old snapshot must be ignored (the journal is replayed then).
    const VERSION: u32 = 1;
    /// What it can be asked, in the imperative: `Say`, `Enqueue`.
    type Command: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;
    /// What can have happened, in the past tense: `Said`, `Enqueued`.
    type Event: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Judges: which events happen, or why none does. Changes nothing.
    ///
    /// # Errors
    /// A refusal when the asker wanted what cannot be.
    fn decide(&self, cx: &Context<'_>, command: Self::Command) -> Decision<Self::Event>;

    /// Takes an event in; the same in life and in replay.
    fn apply(&mut self, event: &Self::Event);

    /// Whom to tell of an event; sees the state just after it.
    fn react(&self, _cx: &Context<'_>, _event: &Self::Event, _out: &mut Outbox) {}

    /// The next timer, derived from the state: cancelling and replay come free.
    fn due(&self) -> Option<(Time, Self::Command)> {
        None
    }

    /// The command that an event of a conversation is for this behaviour, whose actor then has the conversation's key.
    fn follows(_event: &conversation::Event) -> Option<Self::Command> {
        None
    }

    /// What outsiders may read of the state.
    fn view(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// The people to whom something fleeting of `kind` is shown when `from` says it; nobody when `from` may not.
    fn hears(&self, _from: &PersonId, _kind: &str) -> Vec<PersonId> {
        Vec::new()
    }

    /// The people whose sockets show this actor's events.
    fn audience(&self) -> Vec<PersonId> {
        Vec::new()
    }
}

/// What a behaviour is told of the world.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The time of this decision.
    pub now: Time,
    /// Its own address.
    pub address: &'a Address,
    /// Its company: settings, knowledge, score card.
    pub tenant: &'a Arc<Tenant>,
    /// The sequence number that the next event would get (in `decide`) or that the event has (in `react`).
    pub seq: u64,
}

impl Context<'_> {
    /// 64 bits that look random and are the same in every replay: derived from (address, seq, index).
    #[must_use]
    pub fn bits(&self, index: u64) -> u64 {
        let seed = xxh3_64_with_seed(self.address.key.as_bytes(), self.seq);
        let name = format!("{}/{}/{index}", self.address.tenant, self.address.kind);
        xxh3_64_with_seed(name.as_bytes(), seed)
    }

    /// The key of the actor.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.address.key
    }
}

/// An event that people's sockets show.
pub type Shown = Arc<dyn Any + Send + Sync>;

/// What follows from an event: data that says what to do. The cell does it once the event is durable.
#[derive(Debug, Default)]
pub struct Outbox {
    pub(crate) letters: Vec<(&'static str, Arc<str>, Payload)>,
    pub(crate) people: Vec<PersonId>,
    pub(crate) calls: Vec<Calling>,
}

/// A call to the outside and what its outcome is for the actor that makes it.
#[derive(Clone, Debug)]
pub struct Calling {
    /// The call.
    pub call: Call,
    /// The command that its outcome is.
    pub answer: fn(&Call, Outcome) -> Payload,
}

impl Outbox {
    /// Tells another actor a command: delivered in order, taken in once.
    pub fn tell<B: Behaviour>(&mut self, key: &impl Key, command: B::Command) {
        self.letters.push((B::KIND, key.key(), Payload::of(command)));
    }

    /// Tells an actor of a kind that is known by name only.
    pub(crate) fn tell_kind(&mut self, kind: &'static str, key: Arc<str>, payload: Payload) {
        self.letters.push((kind, key, payload));
    }

    /// Has one attempt of a call made; its outcome comes back as a command, unless the node dies meanwhile.
    pub fn call(&mut self, call: Call, answer: fn(&Call, Outcome) -> Payload) {
        self.calls.push(Calling { call, answer });
    }

    /// Shows the event on the sockets of a person. A socket that misses it reads it from the journal.
    pub fn push(&mut self, person: &PersonId) {
        if !self.people.contains(person) {
            self.people.push(person.clone());
        }
    }
}
