//! The calls to the outside that were given up: kept until somebody has them made again or drops them.

use std::collections::BTreeMap;
use std::sync::Arc;

use conversa_engine::refusal::{Code, Decision, Refusal};
use conversa_engine::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::courier::{self, Courier};
use crate::behaviour::{Behaviour, Context, Outbox};
use crate::port::outside::{Call, To};

/// Dead letters of one company; beyond it a courier keeps the next, and tells it again until there is room.
pub const LETTERS_MAX: usize = 1_000;

/// The dead letters of one company, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetters {
    letters: BTreeMap<u64, Dead>,
    last: u64,
}

/// A call that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dead {
    /// The key of its courier.
    pub lane: String,
    /// The call.
    pub call: Call,
    /// Why it was given up.
    pub why: String,
    /// When.
    pub at: Time,
}

/// A request to the dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Keep a call that was given up.
    Bury {
        /// The key of its courier.
        lane: String,
        /// The call.
        call: Box<Call>,
        /// Why.
        why: String,
        /// When.
        at: Time,
    },
    /// Have one made again.
    Replay {
        /// Its number.
        n: u64,
    },
    /// Forget one.
    Drop {
        /// Its number.
        n: u64,
    },
}

/// What has happened to the dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// One was kept.
    Buried {
        /// Its number.
        n: u64,
        /// The letter.
        dead: Dead,
    },
    /// One went back to its courier.
    Replayed {
        /// Its number.
        n: u64,
        /// The letter.
        dead: Dead,
        /// When.
        at: Time,
    },
    /// One was forgotten.
    Dropped {
        /// Its number.
        n: u64,
        /// When.
        at: Time,
    },
}

impl Behaviour for DeadLetters {
    const KIND: &'static str = "dead_letters";
    type Command = Command;
    type Event = Event;

    fn decide(&self, cx: &Context<'_>, command: Command) -> Decision<Event> {
        let known = |n: u64| {
            self.letters.get(&n).ok_or_else(|| Refusal::new(Code::NotFound, "there is no such dead letter"))
        };
        match command {
            Command::Bury { lane, call, why, at } => {
                if self.letters.len() >= LETTERS_MAX {
                    let detail = format!("there are {LETTERS_MAX} dead letters: replay or drop some");
                    return Err(Refusal::new(Code::QueueFull, detail).retry_after_ms(30_000));
                }
                let dead = Dead { lane, call: *call, why, at };
                Ok(vec![Event::Buried { n: self.last + 1, dead }])
            }
            Command::Replay { n } => Ok(vec![Event::Replayed { n, dead: known(n)?.clone(), at: cx.now }]),
            Command::Drop { n } => known(n).map(|_| vec![Event::Dropped { n, at: cx.now }]),
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Buried { n, dead } => {
                self.last = *n;
                self.letters.insert(*n, dead.clone());
            }
            Event::Replayed { n, .. } | Event::Dropped { n, .. } => {
                self.letters.remove(n);
            }
        }
    }

    fn react(&self, _cx: &Context<'_>, event: &Event, out: &mut Outbox) {
        if let Event::Replayed { dead, .. } = event {
            let lane: Arc<str> = dead.lane.as_str().into();
            out.tell::<Courier>(&lane, courier::Command::Post(Box::new(dead.call.clone())));
        }
    }

    /// Without the bodies: they are customers' words.
    fn view(&self) -> Value {
        let letter = |(n, dead): (&u64, &Dead)| {
            let to = match &dead.call.to {
                To::Channel { channel, .. } => channel.clone(),
                To::Device { person, device, .. } => format!("{person}/{device}"),
            };
            json!({ "n": n, "lane": dead.lane, "id": dead.call.id, "to": to, "why": dead.why, "ts": dead.at })
        };
        json!({ "items": self.letters.iter().map(letter).collect::<Vec<_>>() })
    }
}

/// The key of a company's dead letters.
#[must_use]
pub fn key() -> Arc<str> {
    "all".into()
}
