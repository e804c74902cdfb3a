//! Snooze: an agent who can do nothing now lets a conversation rest until a time, or until the visitor writes. The agent keeps it and its place,
//! so that it is never without a controller; whatever takes it elsewhere wakes it.

use serde::{Deserialize, Serialize};

use super::{AuthorKind, Command, Conversation, DeskEvent, Event, Phase, Visibility};
use crate::ids::PersonId;
use crate::refusal::{Code, Decision, Refusal};
use crate::time::Time;

/// The longest snooze, milliseconds.
pub const SNOOZE_MS_MAX: i64 = 30 * 86_400_000;

/// A conversation that rests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snooze {
    /// Who wanted it.
    pub by: PersonId,
    /// Until when; without it only the visitor's word wakes it.
    pub until: Option<Time>,
}

/// What has happened to a snooze.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub enum SnoozeEvent {
    /// It rests.
    Begun { snooze: Snooze, at: Time },
    /// It is awake.
    Ended { why: SnoozeEnd, at: Time },
}

/// Why a snooze ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnoozeEnd {
    /// Its time has come.
    Due,
    /// The visitor wrote.
    VisitorWrote,
    /// The agent wants it.
    Woken,
    /// It ended or is with somebody else.
    Overtaken,
}

impl SnoozeEvent {
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Time {
        match self {
            Self::Begun { at, .. } | Self::Ended { at, .. } => *at,
        }
    }
}

fn ended(now: Time, why: SnoozeEnd) -> Event {
    Event::Desk(DeskEvent::Snooze(SnoozeEvent::Ended { why, at: now }))
}

impl Conversation {
    /// The snooze, while it rests.
    #[must_use]
    pub fn snoozed(&self) -> Option<&Snooze> {
        self.snooze.as_deref()
    }

    pub(super) fn snooze(&self, now: Time, by: PersonId, until: Option<Time>) -> Decision<Event> {
        let Phase::Assigned { .. } = &self.phase else {
            return Err(Refusal::new(
                Code::NotAssigned,
                "only a conversation that an agent holds is snoozed",
            ));
        };
        if until.is_some_and(|until| until <= now || until.ms_since(now) > SNOOZE_MS_MAX) {
            let detail = "until_ms is a time within the next 30 days, in milliseconds since 1970";
            return Err(Refusal::new(Code::BadRequest, detail).field("until_ms"));
        }
        if self.snooze.as_ref().is_some_and(|snooze| snooze.until == until) {
            return Err(Refusal::duplicate(None));
        }
        let begun =
            Event::Desk(DeskEvent::Snooze(SnoozeEvent::Begun { snooze: Snooze { by, until }, at: now }));
        // Another time: it wakes for a moment, so that clocks go by what is left.
        let before = self.snooze.as_ref().map(|_| ended(now, SnoozeEnd::Woken));
        Ok(before.into_iter().chain([begun]).collect())
    }

    pub(super) fn unsnooze(&self, now: Time) -> Decision<Event> {
        match self.snooze {
            Some(_) => Ok(vec![ended(now, SnoozeEnd::Woken)]),
            None => Err(Refusal::duplicate(None)),
        }
    }

    pub(super) fn snooze_due(&self) -> Option<(Time, Command)> {
        Some((self.snooze.as_ref()?.until?, Command::SnoozeOver))
    }

    pub(super) fn snooze_over(&self, now: Time) -> Vec<Event> {
        let over = self.snooze.as_ref().and_then(|snooze| snooze.until).is_some_and(|until| until <= now);
        over.then(|| ended(now, SnoozeEnd::Due)).into_iter().collect()
    }

    /// The visitor's word wakes it, and so does whatever takes it elsewhere: before that happens.
    pub(super) fn end_snooze(&self, now: Time, mut events: Vec<Event>) -> Vec<Event> {
        if self.snooze.is_none() {
            return events;
        }
        let spoken = |event: &Event| {
            matches!(event, Event::Said(said)
                if said.author.kind == AuthorKind::Visitor && said.visibility == Visibility::Public)
        };
        let elsewhere = |event: &Event| {
            matches!(event, Event::Closed { .. } | Event::Queued { .. } | Event::Assigned { .. })
                || matches!(event, Event::Desk(DeskEvent::BotTook { .. }))
        };
        if events.iter().any(elsewhere) {
            events.insert(0, ended(now, SnoozeEnd::Overtaken));
        } else if events.iter().any(spoken) {
            events.push(ended(now, SnoozeEnd::VisitorWrote));
        }
        events
    }

    pub(super) fn take_in_snooze(&mut self, event: &SnoozeEvent) {
        self.snooze = match event {
            SnoozeEvent::Begun { snooze, .. } => Some(Box::new(snooze.clone())),
            SnoozeEvent::Ended { .. } => None,
        };
    }
}
