//! Taking a queue's events in: the same in life and in replay. Judges nothing.

use std::collections::BTreeMap;

use super::lanes::rank;
use super::{Flight, PlaceAsk, Queue, QueueEvent, Seen, Waiting};
use crate::conversation::Wait;
use crate::desk::policy::Ring;
use crate::ids::{ConversationId, OfferId, PersonId};
use crate::time::Time;

impl Queue {
    /// Takes in the next event.
    pub fn apply(&mut self, event: &QueueEvent) {
        match event {
            QueueEvent::Enqueued { conversation, wait, rings, overflows } => {
                self.remove(*conversation);
                let waiting = Waiting::new(wait.clone(), rings.clone());
                match wait.kept_until() {
                    Some(at) => drop(self.kept.insert((at, *conversation))),
                    None => {
                        self.lanes.put(*conversation, wait, &waiting.needs);
                        self.line.insert(rank(*conversation, wait));
                    }
                }
                self.since.insert((wait.since, *conversation));
                self.relaxes.extend(waiting.relaxes_at().map(|at| (at, *conversation)));
                self.waiting.insert(*conversation, waiting);
                overflows.iter().for_each(|at| self.put_overflow(*conversation, *at));
            }
            QueueEvent::LeftQueue { conversation, served, at } => {
                self.remove(*conversation);
                match (served, self.line.is_empty()) {
                    (true, empty) => self.pace.served(*at, !empty),
                    (false, true) => self.pace.broken(),
                    (false, false) => {}
                }
            }
            QueueEvent::AgentNoted { agent, free, idle_since, taken, skills } => {
                let known = self.agents.remove(agent);
                let (asks, turn) = known.map(|seen| (seen.asks, seen.turn)).unwrap_or_default();
                let (free, taken, idle_since) = (*free, *taken, *idle_since);
                let seen = Seen { free, taken, idle_since, skills: skills.clone(), asks, turn };
                self.agents.insert(agent.clone(), seen);
            }
            QueueEvent::PlaceAsked(ask) => self.asked(ask),
            QueueEvent::OfferMade { conversation, offer, agent, .. } => {
                let flight = self.waiting.get_mut(conversation).and_then(|waiting| waiting.flight.as_mut());
                if let Some(flight) = flight {
                    flight.made = true;
                }
                self.answered(agent, offer, true);
            }
            QueueEvent::PlaceUnused { offer, agent, .. } => self.answered(agent, offer, true),
            QueueEvent::OfferFailed { conversation, offer, agent, avoid_until } => {
                self.offer_failed(*conversation, offer, agent, *avoid_until)
            }
            QueueEvent::AvoidsOver { pairs } => {
                for (conversation, agent) in pairs {
                    self.avoid_over(*conversation, agent);
                }
            }
            QueueEvent::Unkept { conversations } => {
                for conversation in conversations {
                    self.unkeep(*conversation);
                }
            }
            QueueEvent::Relaxed { conversations } => {
                for conversation in conversations {
                    self.relax(*conversation);
                }
            }
            QueueEvent::RoomAsked { conversation, queue, why, again } => {
                self.set_asked(*conversation, Some((queue.clone(), *why)));
                again.iter().for_each(|at| self.put_overflow(*conversation, *at));
            }
            QueueEvent::RoomLost { conversation } | QueueEvent::Overflowing { conversation, .. } => {
                self.set_asked(*conversation, None);
            }
            QueueEvent::OverflowPut { conversation, again } => self.put_overflow(*conversation, *again),
            QueueEvent::RoomAnswered { .. } => {}
            QueueEvent::PauseSet { paused, .. } => {
                (self.paused, self.unswept) = (*paused, !*paused);
                self.pace.broken();
            }
            QueueEvent::Swept => self.unswept = false,
        }
    }

    fn asked(&mut self, ask: &PlaceAsk) {
        self.offers += 1;
        self.lanes.take(ask.conversation);
        if let Some(waiting) = self.waiting.get_mut(&ask.conversation) {
            waiting.flight = Some(Flight { offer: ask.offer.clone(), agent: ask.agent.clone(), made: false });
        }
        if let Some(seen) = self.agents.get_mut(&ask.agent) {
            seen.asks.insert(ask.offer.clone(), ask.weight);
            seen.turn = self.offers;
        }
    }

    fn answered(&mut self, agent: &PersonId, offer: &OfferId, granted: bool) {
        if let Some(seen) = self.agents.get_mut(agent) {
            seen.answered(offer, granted);
        }
    }

    fn offer_failed(
        &mut self,
        conversation: ConversationId,
        offer: &OfferId,
        agent: &PersonId,
        avoid_until: Time,
    ) {
        let Some(waiting) = self.waiting.get_mut(&conversation) else { return };
        let denied = waiting.flight.take().is_some_and(|flight| !flight.made);
        self.lanes.put(conversation, &waiting.wait, &waiting.needs);
        if avoid_until > Time::default()
            && let Some(before) = waiting.avoid.insert(agent.clone(), avoid_until)
        {
            self.avoids.remove(&(before, conversation, agent.clone()));
        }
        if avoid_until > Time::default() {
            self.avoids.insert((avoid_until, conversation, agent.clone()));
        }
        if denied {
            self.answered(agent, offer, false);
        }
    }

    fn avoid_over(&mut self, conversation: ConversationId, agent: &PersonId) {
        let Some(waiting) = self.waiting.get_mut(&conversation) else { return };
        if let Some(until) = waiting.avoid.remove(agent) {
            self.avoids.remove(&(until, conversation, agent.clone()));
        }
    }

    fn relax(&mut self, conversation: ConversationId) {
        let Some(waiting) = self.waiting.get_mut(&conversation) else { return };
        if let Some(at) = waiting.relaxes_at() {
            self.relaxes.remove(&(at, conversation));
        }
        waiting.relax();
        self.relaxes.extend(waiting.relaxes_at().map(|at| (at, conversation)));
        let kept = waiting.wait.kept_until().is_some_and(|at| self.kept.contains(&(at, conversation)));
        if waiting.flight.is_none() && !kept {
            self.lanes.put(conversation, &waiting.wait, &waiting.needs);
        }
    }

    fn unkeep(&mut self, conversation: ConversationId) {
        let Some(waiting) = self.waiting.get(&conversation) else { return };
        let kept = waiting.wait.kept_until().is_some_and(|at| self.kept.remove(&(at, conversation)));
        if kept {
            self.line.insert(rank(conversation, &waiting.wait));
            self.lanes.put(conversation, &waiting.wait, &waiting.needs);
        }
    }

    fn remove(&mut self, conversation: ConversationId) {
        let Some(waiting) = self.waiting.remove(&conversation) else { return };
        if let Some(at) = waiting.wait.kept_until() {
            self.kept.remove(&(at, conversation));
        }
        self.lanes.take(conversation);
        self.line.remove(&rank(conversation, &waiting.wait));
        self.since.remove(&(waiting.wait.since, conversation));
        if let Some(at) = waiting.relaxes_at() {
            self.relaxes.remove(&(at, conversation));
        }
        if let Some(at) = waiting.overflows {
            self.overflows.remove(&(at, conversation));
        }
        for (agent, until) in waiting.avoid {
            self.avoids.remove(&(until, conversation, agent));
        }
    }
}

impl Waiting {
    pub(super) fn new(wait: Wait, rings: Vec<Ring>) -> Self {
        let needs = wait.needs.clone();
        let (flight, avoid, overflows, asked) = (None, BTreeMap::new(), None, None);
        Self { wait, flight, avoid, rings, needs, overflows, asked }
    }

    /// When the next ring is reached.
    fn relaxes_at(&self) -> Option<Time> {
        let begins = self.wait.since.max(self.wait.kept_until().unwrap_or_default());
        self.rings.first().map(|ring| begins.after_ms(ring.after_ms))
    }

    /// Reaches the next ring.
    pub(super) fn relax(&mut self) {
        if self.rings.is_empty() {
            return;
        }
        let ring = self.rings.remove(0);
        self.needs = ring.relaxed(&self.wait.needs);
    }
}
