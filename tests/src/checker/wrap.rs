//! Wrap-ups, worked out anew: one begins with the end of a conversation that an agent holds, keeps that agent's place, and ends.

use conversa_engine::conversation::{DeskEvent, Event, WrapEvent};
use conversa_engine::ids::{OfferId, PersonId};

use super::Findings;
use super::phases::Stand;
use crate::history::{History, Log};

/// The wrap-up of one conversation that is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wrap(Option<(PersonId, OfferId)>);

impl Wrap {
    /// What is open at the end of a journal.
    pub(super) fn of(log: &Log<Event>) -> Self {
        log.iter().fold(Self::default(), |wrap, entry| wrap.after(&entry.event))
    }

    pub(super) fn after(self, event: &Event) -> Self {
        match event {
            Event::Desk(DeskEvent::Wrap(WrapEvent::Begun { wrap, .. })) => {
                Self(Some((wrap.agent.clone(), wrap.offer.clone())))
            }
            Event::Desk(DeskEvent::Wrap(WrapEvent::Ended { .. })) => Self(None),
            _ => self,
        }
    }

    /// Whether the event may happen here; `None` when the wrap-up has no say in it.
    pub(super) fn allows(&self, stand: &Stand, event: &Event) -> Option<bool> {
        match (event, &self.0) {
            (Event::Desk(DeskEvent::Wrap(WrapEvent::Begun { wrap, .. })), open) => {
                let held = *stand == Stand::Assigned(wrap.offer.clone(), wrap.agent.clone());
                Some(open.is_none() && held)
            }
            (Event::Desk(DeskEvent::Wrap(WrapEvent::Ended { agent, offer, .. })), open) => {
                let known = open.as_ref().is_some_and(|(whose, under)| whose == agent && under == offer);
                Some(known && *stand == Stand::Closed)
            }
            (Event::Closed { .. }, _) => None,
            // What begins with the end is followed by it.
            (_, Some(_)) if *stand != Stand::Closed => Some(false),
            (Event::Reopened { .. }, Some(_)) => Some(false),
            _ => None,
        }
    }
}

/// When everything has settled, the time of every wrap-up is over.
pub(super) fn check(history: &History, findings: &mut Findings) {
    for (id, log) in &history.conversations {
        let wrap = Wrap::of(log);
        findings.expect(wrap.0.is_none(), "desk", || format!("{id} is being wrapped up for ever: {wrap:?}"));
    }
}
