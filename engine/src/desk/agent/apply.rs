//! Taking an agent's events in: the same in life and in replay. Judges nothing.

use super::{Agent, AgentEvent, DOUBT_MS, Place, Presence};

impl Agent {
    /// Takes in the next event.
    pub fn apply(&mut self, event: &AgentEvent) {
        match event {
            AgentEvent::PresenceSet { presence, capacity, at, reason, serves } => {
                if self.presence != Presence::Online {
                    self.idle_since = *at;
                }
                (self.presence, self.capacity, self.seen) = (*presence, *capacity, *at);
                self.reason.clone_from(reason);
                if serves.is_some() {
                    self.serves.clone_from(serves);
                }
                (self.misses, self.kept_until, self.asked) = (0, None, None);
            }
            AgentEvent::AwayAsked { reason, at } => self.asked = Some((*at, reason.clone())),
            AgentEvent::AwayAnswered { .. } => self.asked = None,
            AgentEvent::Resettled { capacity, serves, .. } => {
                self.capacity = *capacity;
                self.serves = Some(serves.clone());
            }
            AgentEvent::Renewed { at } => self.seen = *at,
            AgentEvent::Left { lost, kept_until, .. } => {
                (self.presence, self.reason, self.misses) = (Presence::Offline, None, 0);
                self.asked = None;
                match kept_until {
                    None => self.places.clear(),
                    Some(_) => {
                        self.places.retain(|id, _| !lost.iter().any(|(conversation, _)| conversation == id))
                    }
                }
                self.kept_until = *kept_until;
            }
            AgentEvent::PlaceGranted { queue, conversation, offer, at, weight, .. } => {
                let doubt = Some(at.after_ms(DOUBT_MS));
                let place = Place { offer: offer.clone(), queue: queue.clone(), doubt, weight: *weight };
                self.places.insert(*conversation, place);
                self.idle_since = *at;
            }
            AgentEvent::PlaceDenied { .. } => {}
            AgentEvent::PlaceConfirmed { conversation, .. } => {
                if let Some(place) = self.places.get_mut(conversation) {
                    place.doubt = None;
                }
                self.misses = 0;
            }
            AgentEvent::PlaceReleased { conversation, at, missed, .. } => {
                let place = self.places.remove(conversation);
                self.idle_since = *at;
                let answered = place.is_some_and(|place| place.doubt.is_some());
                match (*missed, answered) {
                    (true, _) => self.misses = self.misses.saturating_add(1),
                    (false, true) => self.misses = 0,
                    (false, false) => {}
                }
            }
            AgentEvent::Doubted { places, at } => {
                for (conversation, _) in places {
                    if let Some(place) = self.places.get_mut(conversation) {
                        place.doubt = Some(at.after_ms(DOUBT_MS));
                    }
                }
            }
        }
    }
}
