//! Taking an event in: the same in life and in replay. Judges nothing.

use super::handover::of_handover;
use super::{
    AuthorKind, Conversation, Event, Offer, Person, Phase, RECENT_MAX, Recent, Said, VOID_MAX, Visibility,
    Wait,
};
use crate::ids::{OfferId, QueueId};

impl Conversation {
    /// Takes in the next event of the log.
    pub fn apply(&mut self, event: &Event) {
        self.head += 1;
        let before = self.agent().map(|agent| agent.id.clone());
        self.take_in(event);
        self.take_in_goals(event);
        self.take_in_turn(event);
        if let Some(agent) = before.filter(|before| self.agent().is_none_or(|agent| agent.id != *before)) {
            self.parted = Some((agent, self.head));
        }
    }

    fn take_in(&mut self, event: &Event) {
        match event {
            Event::Opened(opening) => {
                self.opening = Some(opening.clone());
                self.phase = Phase::Bot;
            }
            Event::Said(said) => self.take_message(said),
            Event::Queued { wait, .. } => self.phase = Phase::Queued(wait.clone()),
            Event::Offered { offer, .. } => self.offered(offer),
            Event::OfferEnded { .. } => self.back_to_queue(),
            Event::Assigned { agent, offer, queue, .. } => self.assigned(agent, offer, queue),
            Event::Closed { at, .. } => {
                self.phase = Phase::Closed { at: *at };
                self.barged_in.clear();
                self.unanswered_since = None;
            }
            Event::Forwarded(said) => {
                if said.key.is_some() && !self.knows(said) {
                    self.away += 1;
                }
                self.note_key(said);
            }
            Event::Desk(event) => self.take_in_desk(event),
            Event::Reopened { .. } => self.phase = Phase::Bot,
            // A place that is given back as unneeded must not be offered by an offer that is still on its way.
            Event::OfferVoided { offer, .. } | Event::PlaceChecked { offer, held: false, .. }
                if !of_handover(offer) =>
            {
                self.make_void(offer)
            }
            Event::OfferRejected { .. }
            | Event::OfferVoided { .. }
            | Event::PlaceChecked { .. }
            | Event::Failed { .. } => {}
            Event::Edited { seq, content, .. } => {
                self.remember(*seq, content.plain());
                self.changes.apply(event, self.head);
            }
            Event::Recalled { seq, .. } => {
                self.remember(*seq, "");
                self.changes.apply(event, self.head);
            }
            Event::Reacted { .. } | Event::Marked { .. } => self.changes.apply(event, self.head),
        }
    }

    /// A message that is still remembered has other words now.
    fn remember(&mut self, seq: u64, text: &str) {
        if let Some(recent) = self.recent.iter_mut().find(|recent| recent.seq == seq) {
            text.clone_into(&mut recent.text);
        }
    }

    fn make_void(&mut self, offer: &OfferId) {
        if self.void.contains(offer) {
            return;
        }
        if self.void.len() == VOID_MAX {
            self.void.pop_front();
        }
        self.void.push_back(offer.clone());
    }

    fn take_message(&mut self, said: &Said) {
        if self.away > 0 && self.knows(said) {
            self.away -= 1;
        }
        self.note_key(said);
        self.messages += 1;
        if said.visibility == Visibility::Public {
            self.changes.said(said.author.kind, self.head);
        }
        let closed = matches!(self.phase, Phase::Closed { .. });
        if said.visibility == Visibility::Public && !closed {
            match said.author.kind {
                AuthorKind::Visitor => {
                    self.unanswered_since.get_or_insert(said.at);
                }
                AuthorKind::Agent | AuthorKind::Bot => self.unanswered_since = None,
                AuthorKind::System => {}
            }
        }
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        let text = said.content.plain().to_owned();
        self.recent.push_back(Recent { seq: self.head, at: said.at, author: said.author.kind, text });
    }

    /// True for a message that came here before and was passed on.
    fn knows(&self, said: &Said) -> bool {
        said.key.as_ref().is_some_and(|key| self.seen.knows(&said.author, key))
    }

    fn note_key(&mut self, said: &Said) {
        if let Some(key) = &said.key {
            self.seen.note(&said.author, key, &said.content, self.head);
        }
    }

    fn offered(&mut self, offer: &Offer) {
        if let Phase::Queued(wait) = &self.phase {
            self.phase = Phase::Offered(wait.clone(), offer.clone());
        }
    }

    fn back_to_queue(&mut self) {
        if let Phase::Offered(wait, _) = &self.phase {
            let wait: Wait = wait.clone();
            self.phase = Phase::Queued(wait);
        }
    }

    fn assigned(&mut self, agent: &Person, offer: &OfferId, queue: &QueueId) {
        self.phase = Phase::Assigned { queue: queue.clone(), offer: offer.clone(), agent: agent.clone() };
    }
}
