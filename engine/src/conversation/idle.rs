//! Silence: whoever's turn it is and says nothing is reminded, then the conversation ends or goes back to its queue. How long that takes
//! stands in the events since the agent has it; the timers follow from the state.

use serde::{Deserialize, Serialize};

use super::{
    AuthorKind, Closer, Command, Conversation, DeskEvent, Event, Notice, Phase, QueueReason, SnoozeEvent,
    Visibility, Wait,
};
use crate::desk::IdlePolicy;
use crate::ids::{OfferId, PersonId};
use crate::time::Time;

/// Whose word is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Side {
    Visitor,
    Agent,
}

/// Somebody's turn in a conversation that an agent holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Whose.
    pub side: Side,
    /// Since when.
    pub since: Time,
    /// That one was reminded.
    pub warned: bool,
}

/// What silence has led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub enum IdleEvent {
    /// How much silence is borne from now on.
    Set { policy: IdlePolicy, at: Time },
    /// Whoever's turn it is was reminded.
    Warned { side: Side, since: Time, at: Time },
    /// The agent's conversation goes back to its queue: what follows says so.
    TakenBack { agent: PersonId, released: OfferId, at: Time },
}

impl IdleEvent {
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Time {
        match self {
            Self::Set { at, .. } | Self::Warned { at, .. } | Self::TakenBack { at, .. } => *at,
        }
    }
}

impl Conversation {
    /// Whose word is awaited; nobody's while no agent holds it or it is snoozed.
    #[must_use]
    pub fn turn(&self) -> Option<&Turn> {
        self.turn.as_ref().filter(|_| self.snoozed().is_none())
    }

    /// When `events` give the conversation to an agent, says before them how much silence is borne.
    pub fn keep_idle(&self, now: Time, policy: &IdlePolicy, events: &mut Vec<Event>) {
        let assigned = events.iter().any(|event| matches!(event, Event::Assigned { .. }));
        if assigned && *policy != self.idle {
            let set = IdleEvent::Set { policy: *policy, at: now };
            events.insert(0, Event::Desk(DeskEvent::Idle(set)));
        }
    }

    pub(super) fn idle_due(&self) -> Option<(Time, Command)> {
        let turn = self.turn()?;
        let (warn, end) = match turn.side {
            Side::Visitor => (self.idle.visitor_warn_ms, self.idle.visitor_close_ms),
            Side::Agent => (self.idle.agent_warn_ms, self.idle.agent_requeue_ms),
        };
        // A conversation into which late messages are on their way does not close before they are there.
        let end = end.filter(|_| turn.side == Side::Agent || self.away == 0);
        let next = [warn.filter(|_| !turn.warned), end].into_iter().flatten().min()?;
        Some((turn.since.after_ms(next), Command::IdleOver))
    }

    pub(super) fn idle_over(&self, now: Time) -> Vec<Event> {
        let (Some(turn), Some(opening)) = (self.turn(), self.opening()) else { return Vec::new() };
        if self.idle_due().is_none_or(|(at, _)| at > now) {
            return Vec::new();
        }
        let past = |ms: Option<i64>| ms.is_some_and(|ms| turn.since.after_ms(ms) <= now);
        let notice = |notice: Notice| Event::Said(notice.said(opening, now));
        let reminded = || {
            let (side, since) = (turn.side, turn.since);
            Event::Desk(DeskEvent::Idle(IdleEvent::Warned { side, since, at: now }))
        };
        match (turn.side, &self.phase) {
            (Side::Visitor, _) if past(self.idle.visitor_close_ms) && self.away == 0 => {
                let closed = self.close(now, Closer::System, None, "idle_visitor".into()).unwrap_or_default();
                [notice(Notice::IdleClosed)].into_iter().chain(closed).collect()
            }
            (Side::Agent, Phase::Assigned { agent, offer, queue }) if past(self.idle.agent_requeue_ms) => {
                let (agent, released) = (agent.id.clone(), offer.clone());
                let taken = IdleEvent::TakenBack { agent, released, at: now };
                let (wait, reason) = (Wait::new(queue.clone(), now, 1), QueueReason::AgentIdle);
                vec![Event::Desk(DeskEvent::Idle(taken)), Event::Queued { wait, reason, at: now }]
            }
            (Side::Visitor, _) => vec![reminded(), notice(Notice::IdleVisitor)],
            (Side::Agent, _) => vec![reminded(), notice(Notice::IdleAgent)],
        }
    }

    /// Whose turn it is after an event.
    pub(super) fn take_in_turn(&mut self, event: &Event) {
        let assigned = matches!(self.phase, Phase::Assigned { .. });
        let begin = |side, since| Some(Turn { side, since, warned: false });
        match event {
            Event::Assigned { at, .. } => {
                // Who has just got it is to greet, unless the visitor has a human's answer already.
                let side = match (self.unanswered_since, self.answered) {
                    (None, true) => Side::Visitor,
                    (Some(_), _) | (None, false) => Side::Agent,
                };
                self.turn = begin(side, *at);
            }
            Event::Said(said) if assigned && said.visibility == Visibility::Public => {
                match said.author.kind {
                    AuthorKind::Agent => self.turn = begin(Side::Visitor, said.at),
                    AuthorKind::Visitor if self.turn.is_none_or(|turn| turn.side == Side::Visitor) => {
                        self.turn = begin(Side::Agent, said.at);
                    }
                    AuthorKind::Visitor | AuthorKind::Bot | AuthorKind::System => {}
                }
            }
            Event::Desk(DeskEvent::Snooze(SnoozeEvent::Ended { at, .. })) => {
                self.turn = self.turn.and_then(|turn| begin(turn.side, *at));
            }
            _ if !assigned => self.turn = None,
            _ => {}
        }
    }

    pub(super) fn take_in_idle(&mut self, event: &IdleEvent) {
        match event {
            IdleEvent::Set { policy, .. } => self.idle = *policy,
            IdleEvent::Warned { .. } => {
                if let Some(turn) = &mut self.turn {
                    turn.warned = true;
                }
            }
            IdleEvent::TakenBack { .. } => {}
        }
    }
}
