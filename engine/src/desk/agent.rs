//! One agent: presence and places. Nobody else counts an agent's places, so capacity cannot be exceeded.

mod apply;
mod presence;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::policy::{AgentPolicy, WhenGone};
use crate::ids::{ConversationId, OfferId, PersonId, QueueId};
use crate::refusal::Decision;
use crate::time::Time;

/// Most points of conversations that one agent may hold at once.
pub const CAPACITY_MAX: u16 = 500;
/// How long presence stands without a sign of life, milliseconds: a node that died cannot say that its agents are gone.
pub const LEASE_MS: i64 = 120_000;
/// After this time the agent asks whether an unconfirmed place is still needed, milliseconds.
pub const DOUBT_MS: i64 = 60_000;
/// Longest reason of a presence, characters.
const REASON_CHARS_MAX: usize = 64;

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
    /// Points that it takes.
    pub weight: u16,
}

/// Who asks for a place, and how urgently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// A queue: only what is free is granted.
    #[default]
    Queue,
    /// The conversation, for a transfer or a consultation: only what is free is granted.
    Handover,
    /// A supervisor: granted to whoever is there, over capacity too. What is over is counted, so that nothing more comes until the agent
    /// is below it.
    Force,
    /// The person itself, a supervisor.
    TakeOver,
}

impl Ask {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn is_queue(&self) -> bool {
        *self == Self::Queue
    }
}

/// A request to an agent's actor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentCommand {
    /// The agent says how it is.
    SetPresence {
        /// The new presence.
        presence: Presence,
        /// Points at most; `None` keeps the present number.
        capacity: Option<u16>,
        /// Why, in a few words: lunch, training, …
        #[serde(default)]
        reason: Option<String>,
    },
    /// A supervisor answers an agent who asks to be away.
    AnswerAway {
        /// It may be.
        approved: bool,
        /// Who says so.
        by: PersonId,
    },
    /// A sign of life of a connected agent.
    Renew,
    /// The company's settings have changed: queues are told what the agent serves now.
    Resettle {
        /// Points at most, where the settings have a new number; `None` keeps the present one.
        capacity: Option<u16>,
    },
    /// The agent's last socket has been gone for the grace time, or the lease ran out.
    Gone,
    /// The agent has not come back in the time for which its conversations were kept.
    GiveBack,
    /// A queue asks for a place.
    AskPlace {
        /// Who asks.
        queue: QueueId,
        /// For which conversation.
        conversation: ConversationId,
        /// Under which offer.
        offer: OfferId,
        /// Its points.
        #[serde(default = "one")]
        weight: u16,
        /// On whose wish.
        #[serde(default)]
        ask: Ask,
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
        /// The agent let the offer run out.
        #[serde(default)]
        missed: bool,
    },
    /// Ask about places whose time of doubt has come.
    Doubt,
}

fn one() -> u16 {
    1
}

/// What has happened to an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the commands")]
pub enum AgentEvent {
    /// Presence was set, by the agent or because it let too many offers run out.
    PresenceSet {
        presence: Presence,
        capacity: u16,
        at: Time,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The queues that it serves from now on; older events do not say it, and the company's settings do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        serves: Option<Vec<QueueId>>,
    },
    /// It wants to be away and waits for a supervisor's answer.
    AwayAsked {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        at: Time,
    },
    /// A supervisor has answered.
    AwayAnswered { approved: bool, by: PersonId, at: Time },
    /// It serves other queues, or with other points, as the company's settings have changed.
    Resettled {
        capacity: u16,
        serves: Vec<QueueId>,
        /// The queues that it does not serve any more: they are told that nothing is free.
        left: Vec<QueueId>,
        at: Time,
    },
    /// A sign of life.
    Renewed { at: Time },
    /// The agent is gone; these conversations are given back, the others are kept until then.
    Left {
        lost: Vec<(ConversationId, OfferId)>,
        at: Time,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept_until: Option<Time>,
    },
    /// A place was granted.
    PlaceGranted {
        queue: QueueId,
        conversation: ConversationId,
        offer: OfferId,
        at: Time,
        #[serde(default = "one")]
        weight: u16,
        #[serde(default, skip_serializing_if = "Ask::is_queue")]
        ask: Ask,
    },
    /// No place: full, away or gone.
    PlaceDenied {
        queue: QueueId,
        conversation: ConversationId,
        offer: OfferId,
        at: Time,
        #[serde(default, skip_serializing_if = "Ask::is_queue")]
        ask: Ask,
    },
    /// A place stays.
    PlaceConfirmed { conversation: ConversationId, offer: OfferId, at: Time },
    /// A place is free again.
    PlaceReleased {
        conversation: ConversationId,
        offer: OfferId,
        at: Time,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        missed: bool,
    },
    /// Places were asked about.
    Doubted { places: Vec<(ConversationId, OfferId)>, at: Time },
}

/// A place that is asked for.
struct PlaceFor {
    queue: QueueId,
    conversation: ConversationId,
    offer: OfferId,
    weight: u16,
}

/// The state of one agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    presence: Presence,
    reason: Option<String>,
    /// Since when it asks to be away, and why.
    #[serde(default)]
    asked: Option<(Time, Option<String>)>,
    capacity: u16,
    places: BTreeMap<ConversationId, Place>,
    /// The queues it was last said to serve.
    serves: Option<Vec<QueueId>>,
    /// The last sign of life.
    seen: Time,
    /// Since when it has had nothing new: the longest idle is chosen first.
    idle_since: Time,
    /// Offers that ran out in a row.
    misses: u8,
    /// Gone, and its conversations are kept until then.
    kept_until: Option<Time>,
}

impl Agent {
    /// Presence.
    #[must_use]
    pub fn presence(&self) -> Presence {
        self.presence
    }

    /// Why it is so, if somebody said why.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Points at most.
    #[must_use]
    pub fn capacity(&self) -> u16 {
        self.capacity
    }

    /// The conversations that hold a place.
    #[must_use]
    pub fn places(&self) -> &BTreeMap<ConversationId, Place> {
        &self.places
    }

    /// The queues to be told of this agent, when its events say them.
    #[must_use]
    pub fn serves(&self) -> Option<&[QueueId]> {
        self.serves.as_deref()
    }

    /// Since when the agent has had nothing new.
    #[must_use]
    pub fn idle_since(&self) -> Time {
        self.idle_since
    }

    /// Points that are taken.
    #[must_use]
    pub fn taken(&self) -> u16 {
        self.places.values().fold(0, |sum, place| sum.saturating_add(place.weight))
    }

    /// Points that could be granted now.
    #[must_use]
    pub fn free(&self) -> u16 {
        match self.presence {
            Presence::Online => self.capacity.saturating_sub(self.taken()),
            Presence::Away | Presence::Offline => 0,
        }
    }

    /// The next timer: a lease or a time of keeping that runs out, or a place to doubt.
    #[must_use]
    pub fn due(&self) -> Option<(Time, AgentCommand)> {
        let lease = match self.presence {
            Presence::Online | Presence::Away => Some((self.seen.after_ms(LEASE_MS), AgentCommand::Gone)),
            Presence::Offline if self.places.is_empty() => None,
            Presence::Offline => self.kept_until.map(|at| (at, AgentCommand::GiveBack)),
        };
        let doubt =
            self.places.values().filter_map(|place| place.doubt).min().map(|at| (at, AgentCommand::Doubt));
        [lease, doubt].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Judges `command` at `now`.
    ///
    /// # Errors
    /// `bad_request` for a capacity out of bounds.
    pub fn decide(&self, now: Time, policy: &AgentPolicy, command: AgentCommand) -> Decision<AgentEvent> {
        match command {
            AgentCommand::SetPresence { presence, capacity, reason } => {
                self.set_presence(now, policy, presence, capacity, reason)
            }
            AgentCommand::AnswerAway { approved, by } => self.answer_away(now, approved, by),
            AgentCommand::Renew => Ok(self.renew(now)),
            AgentCommand::Resettle { capacity } => Ok(self.resettle(now, policy, capacity)),
            AgentCommand::Gone => Ok(self.gone(now, policy)),
            AgentCommand::GiveBack => Ok(match (self.presence, self.kept_until) {
                (Presence::Offline, Some(until)) if until <= now => self.leave(now),
                (Presence::Online | Presence::Away | Presence::Offline, _) => Vec::new(),
            }),
            AgentCommand::AskPlace { queue, conversation, offer, weight, ask } => {
                Ok(self.ask_place(now, policy, ask, PlaceFor { queue, conversation, offer, weight }))
            }
            AgentCommand::Confirm { conversation, offer } => Ok(match self.places.get(&conversation) {
                Some(place) if place.offer == offer && place.doubt.is_some() => {
                    vec![AgentEvent::PlaceConfirmed { conversation, offer, at: now }]
                }
                Some(_) | None => Vec::new(),
            }),
            AgentCommand::Release { conversation, offer, missed } => {
                Ok(self.release(now, policy, conversation, offer, missed))
            }
            AgentCommand::Doubt => Ok(self.doubt(now)),
        }
    }

    fn renew(&self, now: Time) -> Vec<AgentEvent> {
        // A sign of life is written at most four times a lease.
        if self.presence == Presence::Offline || now.ms_since(self.seen) < LEASE_MS / 4 {
            return Vec::new();
        }
        vec![AgentEvent::Renewed { at: now }]
    }

    /// Nobody said goodbye: what happens to the conversations is the company's choice. Offers are never kept.
    fn gone(&self, now: Time, policy: &AgentPolicy) -> Vec<AgentEvent> {
        let held = self.places.values().any(|place| place.doubt.is_none());
        match policy.when_gone {
            WhenGone::Keep if held && self.presence != Presence::Offline => {
                let offers = self.places.iter().filter(|(_, place)| place.doubt.is_some());
                let lost = offers.map(|(id, place)| (*id, place.offer.clone())).collect();
                vec![AgentEvent::Left { lost, at: now, kept_until: Some(now.after_ms(policy.keep_ms)) }]
            }
            // It was gone already, and the time for which they are kept runs.
            WhenGone::Keep if held && self.kept_until.is_some() => Vec::new(),
            WhenGone::Keep | WhenGone::Requeue => self.leave(now),
        }
    }

    fn leave(&self, now: Time) -> Vec<AgentEvent> {
        if self.presence == Presence::Offline && self.places.is_empty() {
            return Vec::new();
        }
        let lost =
            self.places.iter().map(|(conversation, place)| (*conversation, place.offer.clone())).collect();
        vec![AgentEvent::Left { lost, at: now, kept_until: None }]
    }

    fn ask_place(&self, now: Time, policy: &AgentPolicy, ask: Ask, wanted: PlaceFor) -> Vec<AgentEvent> {
        let PlaceFor { queue, conversation, offer, weight } = wanted;
        let weight = weight.max(1);
        match self.places.get(&conversation) {
            Some(place) if place.offer == offer => return Vec::new(),
            Some(_) => return vec![AgentEvent::PlaceDenied { queue, conversation, offer, at: now, ask }],
            None => {}
        }
        let there = self.presence != Presence::Offline;
        let granted = match ask {
            Ask::Queue | Ask::Handover => self.free() >= weight,
            Ask::Force => there,
            Ask::TakeOver => true,
        };
        if !granted {
            return vec![AgentEvent::PlaceDenied { queue, conversation, offer, at: now, ask }];
        }
        // Who takes something over is there, and must be missed when it goes.
        let shows = (!there).then(|| AgentEvent::PresenceSet {
            presence: Presence::Away,
            capacity: if self.capacity == 0 { policy.capacity } else { self.capacity },
            at: now,
            reason: Some("took_over".to_owned()),
            serves: Some(policy.serves.clone()),
        });
        let place = AgentEvent::PlaceGranted { queue, conversation, offer, at: now, weight, ask };
        shows.into_iter().chain([place]).collect()
    }

    fn release(
        &self,
        now: Time,
        policy: &AgentPolicy,
        conversation: ConversationId,
        offer: OfferId,
        missed: bool,
    ) -> Vec<AgentEvent> {
        if self.places.get(&conversation).is_none_or(|place| place.offer != offer) {
            return Vec::new();
        }
        let mut events = vec![AgentEvent::PlaceReleased { conversation, offer, at: now, missed }];
        let too_many = policy.misses_max > 0 && self.misses.saturating_add(1) >= policy.misses_max;
        if missed && too_many && self.presence == Presence::Online {
            events.push(AgentEvent::PresenceSet {
                presence: Presence::Away,
                capacity: self.capacity,
                at: now,
                reason: Some("missed_offers".to_owned()),
                serves: self.serves.clone(),
            });
        }
        events
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
}
