//! Wrap-up: after the end the agent keeps the place for a while, to say how it ended. A timer ends that, so that no place is kept for ever.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::{Command, Conversation, DeskEvent, Event, Phase};
use crate::desk::WrapPolicy;
use crate::ids::{OfferId, PersonId};
use crate::refusal::{Code, Decision, Refusal};
use crate::time::Time;

/// Tags of one wrap-up.
pub const TAGS_MAX: usize = 16;
/// Longest tag or disposition, characters.
pub const TAG_CHARS_MAX: usize = 64;

/// A wrap-up that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrapUp {
    /// Whose.
    pub agent: PersonId,
    /// The offer under which the place is held.
    pub offer: OfferId,
    /// Until when.
    pub until: Time,
    /// One of these is the disposition; any word is when there are none.
    pub codes: Vec<String>,
}

/// What has happened to a wrap-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub enum WrapEvent {
    /// The conversation is about to end; its agent keeps the place.
    Begun { wrap: WrapUp, at: Time },
    /// The place is free again.
    Ended {
        agent: PersonId,
        offer: OfferId,
        why: WrapEnd,
        /// How the conversation ended, when the agent has said it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disposition: Option<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tags: Vec<String>,
        at: Time,
    },
}

/// Why a wrap-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrapEnd {
    /// The agent has said how it ended.
    Done,
    /// The time was over.
    TimedOut,
    /// The agent is gone.
    AgentGone,
    /// The conversation goes on.
    Reopened,
}

impl WrapEvent {
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Time {
        match self {
            Self::Begun { at, .. } | Self::Ended { at, .. } => *at,
        }
    }
}

impl WrapUp {
    fn ended(&self, now: Time, why: WrapEnd, disposition: Option<String>, tags: Vec<String>) -> Event {
        let (agent, offer) = (self.agent.clone(), self.offer.clone());
        Event::Desk(DeskEvent::Wrap(WrapEvent::Ended { agent, offer, why, disposition, tags, at: now }))
    }

    pub(super) fn is(&self, agent: &PersonId, offer: &OfferId) -> bool {
        self.agent == *agent && self.offer == *offer
    }

    pub(super) fn due(&self) -> (Time, Command) {
        (self.until, Command::WrapOver { offer: self.offer.clone() })
    }
}

impl Conversation {
    /// The wrap-up that is open.
    #[must_use]
    pub fn wrap(&self) -> Option<&WrapUp> {
        self.wrap.as_deref()
    }

    /// When `events` end a conversation that an agent holds, says in them how long the agent keeps the place. `policy` is that of the queue through
    /// which the conversation came.
    pub fn begin_wrap(&self, now: Time, policy: &WrapPolicy, events: &mut Vec<Event>) {
        let Phase::Assigned { agent, offer, .. } = &self.phase else { return };
        let Some(end) = events.iter().position(|event| matches!(event, Event::Closed { .. })) else { return };
        if policy.wrap_ms <= 0 {
            return;
        }
        let (agent, offer) = (agent.id.clone(), offer.clone());
        let (until, codes) = (now.after_ms(policy.wrap_ms), policy.codes.clone());
        let begun = WrapEvent::Begun { wrap: WrapUp { agent, offer, until, codes }, at: now };
        events.insert(end, Event::Desk(DeskEvent::Wrap(begun)));
    }

    /// The agent says how it ended.
    pub(super) fn wrap_up(&self, now: Time, disposition: String, tags: Vec<String>) -> Decision<Event> {
        let Some(wrap) = &self.wrap else { return Err(none()) };
        let long = |word: &String| word.is_empty() || word.chars().count() > TAG_CHARS_MAX;
        if tags.len() > TAGS_MAX || tags.iter().any(long) || long(&disposition) {
            let detail = format!(
                "a wrap-up has a disposition and at most {TAGS_MAX} tags, each of 1 to {TAG_CHARS_MAX} characters"
            );
            return Err(Refusal::new(Code::BadRequest, detail));
        }
        if !wrap.codes.is_empty() && !wrap.codes.contains(&disposition) {
            let detail = format!("the disposition is one of: {}", wrap.codes.join(", "));
            return Err(Refusal::new(Code::BadRequest, detail).field("disposition"));
        }
        Ok(vec![wrap.ended(now, WrapEnd::Done, Some(disposition), tags)])
    }

    /// The time of a wrap-up is over.
    pub(super) fn wrap_over(&self, now: Time, offer: &OfferId) -> Vec<Event> {
        let wrap = self.wrap.as_ref().filter(|wrap| wrap.offer == *offer && wrap.until <= now);
        wrap.map(|wrap| wrap.ended(now, WrapEnd::TimedOut, None, Vec::new())).into_iter().collect()
    }

    /// The agent who wraps up is gone; `None` when it is not that one.
    pub(super) fn gone_in_wrap(&self, now: Time, agent: &PersonId, offer: &OfferId) -> Option<Vec<Event>> {
        let wrap = self.wrap.as_ref().filter(|wrap| wrap.is(agent, offer))?;
        Some(vec![wrap.ended(now, WrapEnd::AgentGone, None, Vec::new())])
    }

    /// A conversation that goes on is not wrapped up: its agent may be the next who gets it.
    pub(super) fn end_wrap(&self, now: Time, events: Vec<Event>) -> Vec<Event> {
        let reopened = events.iter().any(|event| matches!(event, Event::Reopened { .. }));
        let wrap = self.wrap.as_ref().filter(|_| reopened);
        let ended = wrap.map(|wrap| wrap.ended(now, WrapEnd::Reopened, None, Vec::new()));
        ended.into_iter().chain(events).collect()
    }

    pub(super) fn take_in_wrap(&mut self, event: &WrapEvent) {
        self.wrap = match event {
            WrapEvent::Begun { wrap, .. } => Some(Box::new(wrap.clone())),
            WrapEvent::Ended { .. } => None,
        };
    }
}

pub(super) fn none() -> Refusal {
    Refusal::new(Code::NotAssigned, "no wrap-up of yours is open in this conversation")
}
