//! The list of behaviours. Adding one is its file and its line here.

use conversa_engine::conversation;
use futures_util::future::BoxFuture;

use crate::behaviour::Behaviour;
use crate::behaviours::{
    Agent, Bot, Claim, Conversation, Courier, DeadLetters, Identity, Intake, Queue, Rating, Reach, Session,
};
use crate::cell::core::{Core, Setting};
use crate::cell::machine::Machine;
use crate::letter::Payload;
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
}

/// A behaviour that may follow conversations.
pub type Follower = Line;

const fn line<B: Behaviour>() -> Line {
    Line {
        kind: B::KIND,
        make: |setting| Box::new(Core::<B>::new(setting)),
        command: |event| B::follows(event).map(Payload::of),
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
    /// Folds all journals again.
    pub refold: fn(&Refold) -> BoxFuture<'_, Result<Refolded, StoreError>>,
}

const fn watching<W: Watcher>() -> Watching {
    Watching {
        name: W::NAME,
        interest: W::interest,
        make: |setting| Box::new(Slot::<W>::new(setting)),
        refold: refold::<W>,
    }
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
