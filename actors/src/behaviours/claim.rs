//! A value by which a company's rules merge identities, for instance one e-mail address: who was signed with it.
//!
//! The first who holds it is merged with everyone who comes later; the merge itself is the identities' business.

use std::sync::Arc;

use conversa_engine::ids::PersonId;
use conversa_engine::person::{self, RuleKey, Why};
use conversa_engine::refusal::Decision;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use super::Identity;
use crate::behaviour::{Behaviour, Context, Outbox};

/// Holders of one value; beyond it nobody more is merged by it. What so many share, as a switchboard's number, names no person.
pub const HOLDERS_MAX: usize = 32;

/// The actor of one value; its key is the attribute and the value's digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The value: another one with the same digest merges nobody.
    value: String,
    holders: Vec<PersonId>,
}

/// A request to a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// An identity was signed with it.
    Hold {
        /// The value itself.
        value: String,
        /// Which.
        identity: PersonId,
    },
}

/// What has happened to a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// An identity holds it.
    Held {
        /// The value itself.
        value: String,
        /// Which.
        identity: PersonId,
    },
    /// An identity that holds it was signed with it again.
    HeldAgain {
        /// Which.
        identity: PersonId,
    },
}

/// The key of the actor of a value.
#[must_use]
pub fn key(of: &RuleKey) -> Arc<str> {
    format!("{}.{:032x}", of.name, xxh3_128(of.value.as_bytes())).into()
}

impl Behaviour for Claim {
    const KIND: &'static str = "claim";
    type Command = Command;
    type Event = Event;

    fn decide(&self, _cx: &Context<'_>, command: Command) -> Decision<Event> {
        let Command::Hold { value, identity } = command;
        let another = !self.value.is_empty() && self.value != value;
        let first = self.holders.first() == Some(&identity);
        Ok(match self.holders.contains(&identity) {
            _ if another || first => Vec::new(),
            true => vec![Event::HeldAgain { identity }],
            false if self.holders.len() >= HOLDERS_MAX => Vec::new(),
            false => vec![Event::Held { value, identity }],
        })
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Held { value, identity } => {
                self.value.clone_from(value);
                self.holders.push(identity.clone());
            }
            Event::HeldAgain { .. } => {}
        }
    }

    fn react(&self, cx: &Context<'_>, event: &Event, out: &mut Outbox) {
        let (Event::Held { identity, .. } | Event::HeldAgain { identity }) = event;
        let Some(first) = self.holders.first().filter(|first| *first != identity) else { return };
        let attribute = cx.key().rsplit_once('.').map_or("", |(attribute, _)| attribute);
        let why = Why::Rule { attribute: attribute.to_owned() };
        out.tell::<Identity>(identity, person::Command::Merge { other: first.clone(), why });
    }

    fn view(&self) -> Value {
        json!({ "value": self.value, "holders": self.holders })
    }
}
