//! What nodes say to each other: `MessagePack` with named fields, so that a field can be added.

use std::sync::Arc;

use bytes::Bytes;
use conversa_engine::ids::{PersonId, TenantId};
use conversa_engine::refusal::Refusal;
use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::cell::machine::{Accepted, Answer};
use crate::letter::LetterId;
use crate::lobby::Murmur;
use crate::port::mesh::Class;

/// Something that one node says to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Frame {
    /// A letter for an actor.
    Letter { from: Address, to: Address, id: LetterId, payload: Bytes },
    /// A letter was taken over.
    Taken { by: Address, to: Address, id: LetterId },
    /// A request for an actor; `n` 0 when nobody waits. `origin` is the socket that asks, `request` its number for it.
    Request {
        n: u64,
        to: Address,
        payload: Bytes,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<u64>,
    },
    /// The answer to a request.
    Answer { n: u64, answer: Answer },
    /// Something fleeting for an actor.
    Say { to: Address, from: PersonId, kind: String, d: serde_json::Value },
    /// What is the state of an actor?
    View { n: u64, of: Address },
    /// The state.
    Viewed { n: u64, view: Result<Seen, Refusal> },
    /// What is in the log of an actor, after an event?
    Read { n: u64, of: Address, after: u64, limit: u32 },
    /// That.
    Entries { n: u64, entries: Result<Page, String> },
    /// Has a socket of the person acknowledged event `o` of the conversation?
    Acknowledged { n: u64, tenant: TenantId, person: PersonId, conversation: String, o: u64 },
    /// It has, or has not.
    Told { n: u64, yes: bool },
    /// An event for the sockets of a person, or of those who watch, and of those who follow the conversation.
    Push(Pushed),
    /// Something fleeting for the sockets of people.
    Murmur { to: Vec<PersonId>, murmur: Murmur },
    /// Events for the slot of a watcher.
    Heard { slot: Address, heard: Vec<HeardFar> },
    /// A watcher has stored what it made of a conversation.
    Watched { conversation: Address, watcher: String, cursor: u64 },
    /// Sockets of these are at the node that says so, from now on.
    Here(Vec<Ear>),
    /// No longer.
    Gone(Vec<Ear>),
    /// The receiver does not serve what this frame is for: where it should go it knows no better than its sender.
    Bounced(Bytes),
    /// Something for what uses the host, by name.
    Notice { name: String, body: Bytes },
}

/// Some of what a log holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Page {
    /// Events with their sequence numbers.
    pub entries: Vec<(u64, Bytes)>,
    /// There may be more.
    pub more: bool,
}

/// A state on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Seen {
    Json(serde_json::Value),
    /// A watcher's totals.
    Totals(Bytes),
}

/// [`Push`](crate::cell::machine::Push) on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pushed {
    pub(super) person: PersonId,
    pub(super) source: Address,
    pub(super) seq: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) event: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) origin: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) answer: Option<(u64, Accepted)>,
}

/// [`Heard`](crate::cell::machine::Heard) on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct HeardFar {
    pub(super) conversation: Address,
    pub(super) after: u64,
    pub(super) first: u64,
    pub(super) events: Vec<Bytes>,
    pub(super) head: u64,
}

/// Whose sockets want to be shown something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Ear {
    /// A person's.
    Person(TenantId, PersonId),
    /// Of those who watch a company's agents.
    Watchers(TenantId),
    /// Of somebody who works here, and at least one is connected: no frame goes there for it.
    Connected(TenantId, PersonId),
    /// Of those who follow a conversation.
    Follower(TenantId, Arc<str>),
}

impl Frame {
    /// How soon it must go.
    pub(super) fn class(&self) -> Class {
        match self {
            Self::Heard { .. } | Self::Watched { .. } => Class::Bulk,
            // Reads too: an owner must have heard of a socket before that reads what it may have missed.
            _ => Class::Interactive,
        }
    }
}
