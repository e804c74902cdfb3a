//! The list of behaviours. Adding one is its file and its line here.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;
use conversa_engine::conversation;
use futures_util::future::BoxFuture;

use crate::behaviour::{Behaviour, Shown};
use crate::behaviours::{
    Agent, Bot, Claim, Conversation, Courier, DeadLetters, Identity, Intake, Queue, Rating, Reach, Session,
};
use crate::cell::core::{Core, Setting};
use crate::cell::machine::Machine;
use crate::letter::{Payload, decode, encode};
use crate::port::StoreError;
use crate::watcher::{Refold, Refolded, Slot, Watcher, refold};
use crate::watchers::{Quality, Service, Summary, Voice};

/// All behaviours.
pub static BEHAVIOURS: &[Line] = &[
    line::<Session>(),
    line::<Conversation>(),
    line::<Agent>(),
    line::<Queue>(),
    line::<Bot>(),
    line::<Rating>(),
    line::<Intake>(),
    line::<Reach>(),
    line::<Courier>(),
    line::<DeadLetters>(),
    line::<Identity>(),
    line::<Claim>(),
];

/// All watchers.
pub static WATCHERS: &[Watching] =
    &[watching::<Summary>(), watching::<Quality>(), watching::<Voice>(), watching::<Service>()];

/// One behaviour, without its type.
#[derive(Debug)]
pub struct Line {
    /// Its kind.
    pub kind: &'static str,
    /// Makes a core.
    pub make: fn(Setting) -> Box<dyn Machine>,
    /// The command that a conversation's event is for it.
    pub command: fn(&conversation::Event) -> Option<Payload>,
    /// An event of it as it goes to another node.
    bytes: fn(&Shown) -> Option<Bytes>,
    /// The same, as it comes from there.
    event: fn(&[u8]) -> Option<Shown>,
}

/// A behaviour that may follow conversations.
pub type Follower = Line;

const fn line<B: Behaviour>() -> Line {
    Line {
        kind: B::KIND,
        make: |setting| Box::new(Core::<B>::new(setting)),
        command: |event| B::follows(event).map(Payload::of),
        bytes: |event| event.downcast_ref::<B::Event>().map(encode),
        event: |bytes| decode::<B::Event>(bytes).ok().map(|event| Arc::new(event) as Shown),
    }
}

/// One watcher, without its type.
#[derive(Debug)]
pub struct Watching {
    /// Its name.
    pub name: &'static str,
    /// True for events that may change what it keeps.
    pub interest: fn(&conversation::Event) -> bool,
    /// Makes the core of a slot.
    pub make: fn(Setting) -> Box<dyn Machine>,
    /// Totals as they go to another node.
    bytes: fn(&(dyn Any + Send)) -> Option<Bytes>,
    /// The same, as they come from there.
    totals: fn(&[u8]) -> Option<Box<dyn Any + Send>>,
    /// Folds all journals again.
    pub refold: fn(&Refold) -> BoxFuture<'_, Result<Refolded, StoreError>>,
}

const fn watching<W: Watcher>() -> Watching {
    Watching {
        name: W::NAME,
        interest: W::interest,
        make: |setting| Box::new(Slot::<W>::new(setting)),
        bytes: |totals| totals.downcast_ref::<W::Totals>().map(encode),
        totals: |bytes| decode::<W::Totals>(bytes).ok().map(|totals| Box::new(totals) as Box<dyn Any + Send>),
        refold: refold::<W>,
    }
}

/// An event of an actor of `kind` as it goes to another node.
pub(crate) fn event_bytes(kind: &str, event: &Shown) -> Option<Bytes> {
    BEHAVIOURS.iter().find(|line| line.kind == kind).and_then(|line| (line.bytes)(event))
}

/// The same, as it comes from there.
pub(crate) fn event_of(kind: &str, bytes: &[u8]) -> Option<Shown> {
    BEHAVIOURS.iter().find(|line| line.kind == kind).and_then(|line| (line.event)(bytes))
}

/// A watcher's totals as they go to another node.
pub(crate) fn totals_bytes(name: &str, totals: &(dyn Any + Send)) -> Option<Bytes> {
    WATCHERS.iter().find(|watching| watching.name == name).and_then(|watching| (watching.bytes)(totals))
}

/// The same, as they come from there.
pub(crate) fn totals_of(name: &str, bytes: &[u8]) -> Option<Box<dyn Any + Send>> {
    WATCHERS.iter().find(|watching| watching.name == name).and_then(|watching| (watching.totals)(bytes))
}

/// The kind or watcher of this name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static str> {
    let kinds = BEHAVIOURS.iter().map(|line| line.kind);
    kinds.chain(WATCHERS.iter().map(|watching| watching.name)).find(|known| *known == name)
}

/// The watcher of this name.
#[must_use]
pub fn watcher(name: &str) -> Option<&'static str> {
    WATCHERS.iter().map(|watching| watching.name).find(|known| *known == name)
}

/// The core of an actor that has not begun.
#[must_use]
pub fn make(mut setting: Setting) -> Option<Box<dyn Machine>> {
    if let Some(line) = BEHAVIOURS.iter().find(|line| line.kind == setting.address.kind) {
        if line.kind == Conversation::KIND {
            setting.followers = BEHAVIOURS;
            setting.watchers =
                WATCHERS.iter().filter(|watching| setting.tenant.watchers.contains(&watching.name)).collect();
        }
        return Some((line.make)(setting));
    }
    let watching = WATCHERS.iter().find(|watching| watching.name == setting.address.kind)?;
    Some((watching.make)(setting))
}
