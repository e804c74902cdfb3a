//! One agent: presence and places. Nobody else counts an agent's places, so capacity cannot be exceeded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{ConversationId, OfferId, QueueId};
use crate::refusal::{Code, Decision, Refusal};
use crate::time::Time;

/// Most conversations that one agent may hold at once.
pub const CAPACITY_MAX: u16 = 500;
/// How long presence stands without a sign of life, milliseconds: a node that died cannot say that its agents are gone.
pub const LEASE_MS: i64 = 120_000;
/// After this time the agent asks whether an unconfirmed place is still needed, milliseconds.
pub const DOUBT_MS: i64 = 60_000;

/// Whether an agent takes conversations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Takes new conversations.
    Online,
    /// Keeps the present ones, takes no new.
    Away,
    /// Not there.
    #[default]
    Offline,
}

/// A place that one conversation takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The offer under which it was granted.
    pub offer: OfferId,
    /// The queue that asked.
    pub queue: QueueId,
    /// When to doubt it; `None` once confirmed.
    pub doubt: Option<Time>,
}

/// A request to an agent's actor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentCommand {
    /// The agent says how it is.
    SetPresence {
        /// The new presence.
        presence: Presence,
        /// Places at most; `None` keeps the present number.
        capacity: Option<u16>,
    },
    /// A sign of life of a connected agent.
    Renew,
    /// The agent's last socket has been gone for the grace time, or the lease ran out.
    Gone,
    /// A queue asks for a place.
    AskPlace {
        /// Who asks.
        queue: QueueId,
        /// For which conversation.
        conversation: ConversationId,
        /// Under which offer.
        offer: OfferId,
    },
    /// The conversation was accepted: the place stays.
    Confirm {
        /// Which conversation.
        conversation: ConversationId,
        /// Under which offer.
        offer: OfferId,
    },
    /// The place is free again.
    Release {
        /// Which conversation.
        conversation: ConversationId,
        /// Under which offer.
        offer: OfferId,
    },
    /// Ask about places whose time of doubt has come.
    Doubt,
}

/// What has happened to an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the commands")]
pub enum AgentEvent {
    /// Presence was set.
    PresenceSet { presence: Presence, capacity: u16, at: Time },
    /// A sign of life.
    Renewed { at: Time },
    /// The agent is gone; all its conversations are given back.
    Left { lost: Vec<(ConversationId, OfferId)>, at: Time },
    /// A place was granted.
    PlaceGranted { queue: QueueId, conversation: ConversationId, offer: OfferId, at: Time },
    /// No place: full, away or gone.
    PlaceDenied { queue: QueueId, conversation: ConversationId, offer: OfferId, at: Time },
    /// A place stays.
    PlaceConfirmed { conversation: ConversationId, offer: OfferId, at: Time },
    /// A place is free again.
    PlaceReleased { conversation: ConversationId, offer: OfferId, at: Time },
    /// Places were asked about.
    Doubted { places: Vec<(ConversationId, OfferId)>, at: Time },
}

/// The state of one agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    presence: Presence,
    capacity: u16,
    places: BTreeMap<ConversationId, Place>,
    /// The last sign of life.
    seen: Time,
    /// Since when it has had nothing new: the longest idle is chosen first.
    idle_since: Time,
}

impl Agent {
    /// Presence.
    #[must_use]
    pub fn presence(&self) -> Presence {
        self.presence
    }

    /// Places at most.
    #[must_use]
    pub fn capacity(&self) -> u16 {
        self.capacity
    }

    /// The conversations that hold a place.
    #[must_use]
    pub fn places(&self) -> &BTreeMap<ConversationId, Place> {
        &self.places
    }

    /// Since when the agent has had nothing new.
    #[must_use]
    pub fn idle_since(&self) -> Time {
        self.idle_since
    }

    /// Places that could be granted now.
    #[must_use]
    pub fn free(&self) -> u16 {
        match self.presence {
            Presence::Online => {
                let taken = u16::try_from(self.places.len()).unwrap_or(u16::MAX);
                self.capacity.saturating_sub(taken)
            }
            Presence::Away | Presence::Offline => 0,
        }
    }

    /// The next timer: a lease that runs out or a place to doubt.
    #[must_use]
    pub fn due(&self) -> Option<(Time, AgentCommand)> {
        let lease = match self.presence {
            Presence::Online | Presence::Away => Some((self.seen.after_ms(LEASE_MS), AgentCommand::Gone)),
            Presence::Offline => None,
        };
        let doubt =
            self.places.values().filter_map(|place| place.doubt).min().map(|at| (at, AgentCommand::Doubt));
        [lease, doubt].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Judges `command` at `now`; `default_capacity` is the company's setting for agents who did not name one.
    ///
    /// # Errors
    /// `bad_request` for a capacity out of bounds.
    pub fn decide(&self, now: Time, default_capacity: u16, command: AgentCommand) -> Decision<AgentEvent> {
        match command {
            AgentCommand::SetPresence { presence, capacity } => {
                self.set_presence(now, default_capacity, presence, capacity)
            }
            AgentCommand::Renew => Ok(self.renew(now)),
            AgentCommand::Gone => Ok(self.leave(now)),
            AgentCommand::AskPlace { queue, conversation, offer } => {
                Ok(self.ask_place(now, queue, conversation, offer))
            }
            AgentCommand::Confirm { conversation, offer } => Ok(match self.places.get(&conversation) {
                Some(place) if place.offer == offer && place.doubt.is_some() => {
                    vec![AgentEvent::PlaceConfirmed { conversation, offer, at: now }]
                }
                Some(_) | None => Vec::new(),
            }),
            AgentCommand::Release { conversation, offer } => Ok(match self.places.get(&conversation) {
                Some(place) if place.offer == offer => {
                    vec![AgentEvent::PlaceReleased { conversation, offer, at: now }]
                }
                Some(_) | None => Vec::new(),
            }),
            AgentCommand::Doubt => Ok(self.doubt(now)),
        }
    }

    fn set_presence(
        &self,
        now: Time,
        default_capacity: u16,
        presence: Presence,
        capacity: Option<u16>,
    ) -> Decision<AgentEvent> {
        let kept = if self.capacity == 0 { default_capacity } else { self.capacity };
        let capacity = capacity.unwrap_or(kept);
        if !(1..=CAPACITY_MAX).contains(&capacity) {
            return Err(Refusal::new(Code::BadRequest, format!("capacity is 1 to {CAPACITY_MAX}")));
        }
        if presence == Presence::Offline {
            return Ok(self.leave(now));
        }
        if presence == self.presence && capacity == self.capacity {
            return Ok(self.renew(now));
        }
        Ok(vec![AgentEvent::PresenceSet { presence, capacity, at: now }])
    }

    fn renew(&self, now: Time) -> Vec<AgentEvent> {
        // A sign of life is written at most four times a lease.
        if self.presence == Presence::Offline || now.ms_since(self.seen) < LEASE_MS / 4 {
            return Vec::new();
        }
        vec![AgentEvent::Renewed { at: now }]
    }

    fn leave(&self, now: Time) -> Vec<AgentEvent> {
        if self.presence == Presence::Offline && self.places.is_empty() {
            return Vec::new();
        }
        let lost =
            self.places.iter().map(|(conversation, place)| (*conversation, place.offer.clone())).collect();
        vec![AgentEvent::Left { lost, at: now }]
    }

    fn ask_place(
        &self,
        now: Time,
        queue: QueueId,
        conversation: ConversationId,
        offer: OfferId,
    ) -> Vec<AgentEvent> {
        let again = self.places.get(&conversation).is_some_and(|place| place.offer == offer);
        if again {
            return Vec::new();
        }
        let taken = self.places.contains_key(&conversation);
        vec![if self.free() > 0 && !taken {
            AgentEvent::PlaceGranted { queue, conversation, offer, at: now }
        } else {
            AgentEvent::PlaceDenied { queue, conversation, offer, at: now }
        }]
    }

    fn doubt(&self, now: Time) -> Vec<AgentEvent> {
        let places: Vec<_> = self
            .places
            .iter()
            .filter(|(_, place)| place.doubt.is_some_and(|at| at <= now))
            .map(|(conversation, place)| (*conversation, place.offer.clone()))
            .collect();
        if places.is_empty() { Vec::new() } else { vec![AgentEvent::Doubted { places, at: now }] }
    }

    /// Takes in the next event.
    pub fn apply(&mut self, event: &AgentEvent) {
        match event {
            AgentEvent::PresenceSet { presence, capacity, at } => {
                if self.presence != Presence::Online {
                    self.idle_since = *at;
                }
                (self.presence, self.capacity, self.seen) = (*presence, *capacity, *at);
            }
            AgentEvent::Renewed { at } => self.seen = *at,
            AgentEvent::Left { .. } => {
                self.presence = Presence::Offline;
                self.places.clear();
            }
            AgentEvent::PlaceGranted { queue, conversation, offer, at } => {
                let place =
                    Place { offer: offer.clone(), queue: queue.clone(), doubt: Some(at.after_ms(DOUBT_MS)) };
                self.places.insert(*conversation, place);
                self.idle_since = *at;
            }
            AgentEvent::PlaceDenied { .. } => {}
            AgentEvent::PlaceConfirmed { conversation, .. } => {
                if let Some(place) = self.places.get_mut(conversation) {
                    place.doubt = None;
                }
            }
            AgentEvent::PlaceReleased { conversation, at, .. } => {
                self.places.remove(conversation);
                self.idle_since = *at;
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
