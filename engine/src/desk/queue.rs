//! One waiting queue: who waits since when, and the one offer each has in flight.
//!
//! **Order**: the higher priority first, then the least time left until the answer is due, then the longest wait. **Lanes**: those
//! that need the same skills and points wait in one lane, so that an agent who becomes free finds its first conversation by looking at
//! the head of each lane, and nobody is looked at in vain however many wait. **Between commands nobody waits beside a free agent who
//! matches**: so a command only looks for what it changes itself, one agent among the lanes or one conversation among the agents.

mod apply;
mod lanes;
mod overflow;
mod pace;
mod search;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::policy::{QueuePolicy, Ring, Skills};
use crate::conversation::{OfferEnd, OverflowWhy, Wait};
use crate::ids::{ConversationId, OfferId, PersonId, QueueId};
use crate::refusal::{Code, Decision, Refusal};
use crate::time::Time;
use lanes::{Lanes, Rank};
use pace::Pace;
use search::Search;

/// Conversations that may wait in one queue; the next is refused and its actor asks again later.
pub const WAITING_MAX: usize = 100_000;
/// An agent who turned a conversation down is not asked for it again for this time, milliseconds.
pub const AVOID_MS: i64 = 20_000;
/// An agent whose last place for the same conversation is not given back yet is asked again after this time, milliseconds. The letter that
/// frees it is on its way; a short time only keeps the two from asking and denying without a pause.
pub const TAKEN_MS: i64 = 1_000;
/// Those at the head of the queue who are told their place.
pub const PLACES_MAX: usize = 1_000;
/// Asks of one command, and waiting conversations that one looks at again: bounds its work and its events. What is left over is due at
/// once.
pub(super) const MATCH_MAX: usize = 28;

/// A request to a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub enum QueueCommand {
    /// A conversation waits.
    Enqueue { conversation: ConversationId, wait: Wait },
    /// A conversation does not wait any more: assigned, closed or gone elsewhere.
    Leave {
        conversation: ConversationId,
        /// An agent has it.
        #[serde(default)]
        served: bool,
    },
    /// An agent of this queue has changed.
    AgentSeen {
        agent: PersonId,
        /// Points that could be granted now.
        free: u16,
        idle_since: Time,
        /// Points that are taken.
        #[serde(default)]
        taken: u16,
        #[serde(default)]
        skills: Skills,
    },
    /// The agent has granted a place.
    Granted { conversation: ConversationId, offer: OfferId, agent: PersonId },
    /// The agent has no place.
    Denied {
        conversation: ConversationId,
        offer: OfferId,
        agent: PersonId,
        /// Not because it is full: it has a place for this conversation under another offer.
        #[serde(default)]
        taken: bool,
    },
    /// An offer came to nothing.
    Returned { conversation: ConversationId, offer: OfferId, agent: PersonId, why: OfferEnd },
    /// Another queue asks whether there is room for one of its conversations.
    AskRoom { conversation: ConversationId, from: QueueId },
    /// What that one answers.
    Room { conversation: ConversationId, queue: QueueId, free: bool },
    /// Look again for matches: a time of avoidance is over, a ring is reached, the pause is over.
    Match,
    /// A supervisor stops assignment, or lets it go on. Whoever waits goes on waiting.
    Pause { paused: bool, by: PersonId },
}

/// What has happened to a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the commands")]
pub enum QueueEvent {
    /// A conversation waits; `rings` is how its needs relax, and from `overflows` on it waits too long here.
    Enqueued {
        conversation: ConversationId,
        wait: Wait,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rings: Vec<Ring>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        overflows: Option<Time>,
    },
    /// A conversation has left.
    LeftQueue {
        conversation: ConversationId,
        #[serde(default)]
        served: bool,
        #[serde(default)]
        at: Time,
    },
    /// An agent has changed.
    AgentNoted {
        agent: PersonId,
        free: u16,
        idle_since: Time,
        #[serde(default)]
        taken: u16,
        #[serde(default, skip_serializing_if = "Skills::is_empty")]
        skills: Skills,
    },
    /// An agent was asked for a place.
    PlaceAsked(PlaceAsk),
    /// The conversation is offered.
    OfferMade {
        conversation: ConversationId,
        offer: OfferId,
        agent: PersonId,
        expires: Time,
        /// The agent takes it without being asked.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        auto: bool,
    },
    /// A place was granted for a conversation that does not wait any more.
    PlaceUnused { conversation: ConversationId, offer: OfferId, agent: PersonId },
    /// An offer, or the asking for a place, came to nothing. A time of avoidance that is over already avoids nobody.
    OfferFailed { conversation: ConversationId, offer: OfferId, agent: PersonId, avoid_until: Time },
    /// These may be matched again.
    AvoidsOver { pairs: Vec<(ConversationId, PersonId)> },
    /// The queue has opened for these, which were kept for it.
    Unkept { conversations: Vec<ConversationId> },
    /// The needs of these have reached their next ring.
    Relaxed { conversations: Vec<ConversationId> },
    /// Another queue was asked for room; where none has any, all are asked again then.
    RoomAsked { conversation: ConversationId, queue: QueueId, why: OverflowWhy, again: Option<Time> },
    /// Another queue was told whether there is room.
    RoomAnswered { conversation: ConversationId, to: QueueId, free: bool },
    /// There is room nowhere, or no need of it any more.
    RoomLost { conversation: ConversationId },
    /// It cannot go elsewhere now; it is looked at again then.
    OverflowPut { conversation: ConversationId, again: Time },
    /// The conversation is told to go where there is room.
    Overflowing { conversation: ConversationId, to: QueueId, why: OverflowWhy },
    /// Assignment was stopped or goes on.
    PauseSet { paused: bool, by: PersonId, at: Time },
    /// After a pause: whoever could be matched was.
    Swept,
}

/// Asking one agent for a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct PlaceAsk {
    pub conversation: ConversationId,
    pub agent: PersonId,
    pub offer: OfferId,
    /// Points of the place.
    #[serde(default = "one")]
    pub weight: u16,
}

fn one() -> u16 {
    1
}

/// One waiting conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Waiting {
    wait: Wait,
    /// The one offer in flight.
    flight: Option<Flight>,
    /// Agents not to ask before a time.
    avoid: BTreeMap<PersonId, Time>,
    /// The rings that are still to come.
    rings: Vec<Ring>,
    /// What is needed now.
    needs: Skills,
    /// From when on it waits too long here.
    overflows: Option<Time>,
    /// The queue that was asked for room, and why.
    asked: Option<(QueueId, OverflowWhy)>,
}

/// An offer in flight: first a place is asked for, then the offer is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Flight {
    offer: OfferId,
    agent: PersonId,
    made: bool,
}

/// What the queue has heard of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    free: u16,
    taken: u16,
    idle_since: Time,
    skills: Skills,
    /// Points asked for and not yet answered, by offer.
    asks: BTreeMap<OfferId, u16>,
    /// The number of the last offer for which it was asked.
    turn: u64,
}

/// The state of one queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    waiting: BTreeMap<ConversationId, Waiting>,
    /// Those without an offer in flight, by lane and in order.
    lanes: Lanes,
    since: BTreeSet<(Time, ConversationId)>,
    /// All who are not kept, in order, with or without an offer.
    line: BTreeSet<Rank>,
    pace: Pace,
    agents: BTreeMap<PersonId, Seen>,
    avoids: BTreeSet<(Time, ConversationId, PersonId)>,
    relaxes: BTreeSet<(Time, ConversationId)>,
    overflows: BTreeSet<(Time, ConversationId)>,
    /// Those that are offered to nobody before a time; they are in no lane.
    #[serde(default)]
    kept: BTreeSet<(Time, ConversationId)>,
    /// Offers made so far: numbers them.
    offers: u64,
    paused: bool,
    /// Nobody has looked yet for what was held back.
    unswept: bool,
}

impl Queue {
    /// Conversations that wait, with or without an offer in flight.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Offers in flight.
    #[must_use]
    pub fn offers(&self) -> usize {
        self.waiting.len() - self.lanes.len() - self.kept.len()
    }

    /// Conversations that are kept until the queue opens.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Since when the one who has waited longest has waited.
    #[must_use]
    pub fn longest_wait_since(&self) -> Option<Time> {
        self.since.first().map(|(since, _)| *since)
    }

    /// Who is to be served next, in order, whatever skills it takes: at most [`PLACES_MAX`]. Those who are kept have no place.
    pub fn line(&self) -> impl Iterator<Item = ConversationId> {
        self.line.iter().take(PLACES_MAX).map(|(.., conversation)| *conversation)
    }

    /// For how long the one in the `place`th place, from 1, is expected to wait still, milliseconds; `None` while nothing is known or
    /// nothing is assigned. How it is estimated says `queue/pace.rs`.
    #[must_use]
    pub fn expected_ms(&self, place: usize) -> Option<i64> {
        self.pace.expected_ms(place).filter(|_| !self.paused)
    }

    /// Agents who could take something now.
    #[must_use]
    pub fn agents_free(&self) -> usize {
        self.agents.values().filter(|seen| seen.free > 0).count()
    }

    /// True while nothing is assigned.
    #[must_use]
    pub fn paused(&self) -> bool {
        self.paused
    }

    /// The next timer: a time of avoidance that ends, a ring that is reached, opening, a wait that is too long, or what one command left over.
    #[must_use]
    pub fn due(&self) -> Option<(Time, QueueCommand)> {
        if self.paused {
            return None;
        }
        let sweep = self.unswept.then(Time::default);
        let avoid = self.avoids.first().map(|(at, ..)| *at);
        let relax = self.relaxes.first().map(|(at, _)| *at);
        let kept = self.kept.first().map(|(at, _)| *at);
        let overflow = self.overflows.first().map(|(at, _)| *at);
        [sweep, avoid, relax, kept, overflow].into_iter().flatten().min().map(|at| (at, QueueCommand::Match))
    }

    /// Judges `command` at `now`. New offers are named after the queue's own count, so that replay names them alike.
    ///
    /// # Errors
    /// `queue_full` when too many wait.
    pub fn decide(&self, now: Time, policy: &QueuePolicy, command: QueueCommand) -> Decision<QueueEvent> {
        match command {
            QueueCommand::Enqueue { conversation, wait } => self.enqueue(now, policy, conversation, wait),
            QueueCommand::Leave { conversation, served } => Ok(match self.waiting.get(&conversation) {
                Some(_) => vec![QueueEvent::LeftQueue { conversation, served, at: now }],
                None => Vec::new(),
            }),
            QueueCommand::AgentSeen { agent, free, idle_since, taken, skills } => {
                let seen = Seen { free, taken, idle_since, skills, asks: BTreeMap::new(), turn: 0 };
                Ok(self.agent_seen(now, policy, agent, seen))
            }
            QueueCommand::Granted { conversation, offer, agent } => {
                let (expires, auto) = (now.after_ms(policy.offer_ms), policy.auto_accept);
                Ok(vec![if self.in_flight(conversation, &offer) {
                    QueueEvent::OfferMade { conversation, offer, agent, expires, auto }
                } else {
                    QueueEvent::PlaceUnused { conversation, offer, agent }
                }])
            }
            QueueCommand::Denied { conversation, offer, agent, taken } => {
                // No time to avoid one who is full: it says itself when a place is free.
                let avoid_until = if taken { now.after_ms(TAKEN_MS) } else { Time::default() };
                Ok(if self.in_flight(conversation, &offer) {
                    self.failed(now, policy, conversation, offer, agent, avoid_until)
                } else {
                    vec![QueueEvent::PlaceUnused { conversation, offer, agent }]
                })
            }
            QueueCommand::Returned { conversation, offer, agent, .. } => {
                Ok(if self.in_flight(conversation, &offer) {
                    self.failed(now, policy, conversation, offer, agent, now.after_ms(AVOID_MS))
                } else {
                    Vec::new()
                })
            }
            QueueCommand::AskRoom { conversation, from } => {
                Ok(self.answer_room(now, policy, conversation, from))
            }
            QueueCommand::Room { conversation, queue, free } => self.room(policy, conversation, queue, free),
            QueueCommand::Match => Ok(self.look_again(now, policy)),
            QueueCommand::Pause { paused, by } if paused == self.paused => {
                Err(Refusal::new(Code::Duplicate, format!("{by} finds it so already")))
            }
            QueueCommand::Pause { paused, by } => Ok(vec![QueueEvent::PauseSet { paused, by, at: now }]),
        }
    }

    fn enqueue(
        &self,
        now: Time,
        policy: &QueuePolicy,
        conversation: ConversationId,
        wait: Wait,
    ) -> Decision<QueueEvent> {
        if self.waiting.get(&conversation).is_some_and(|known| known.wait == wait) {
            return Ok(Vec::new());
        }
        if self.waiting.len() >= WAITING_MAX {
            return Err(Refusal::new(Code::QueueFull, "too many conversations wait in this queue")
                .retry_after_ms(10_000));
        }
        let rings = if wait.needs.is_empty() { Vec::new() } else { policy.rings.clone() };
        let waiting = Waiting::new(wait.clone(), rings.clone());
        let mut asks = match waiting.wait.kept_until() {
            Some(_) => Vec::new(),
            None => self.search(now, policy).ask_for(conversation, &waiting),
        };
        if asks.is_empty() {
            asks.extend(self.ask_when_long(policy, conversation, &wait));
        }
        let overflows = self.overflows_at(now, policy, &wait);
        Ok([QueueEvent::Enqueued { conversation, wait, rings, overflows }].into_iter().chain(asks).collect())
    }

    fn agent_seen(
        &self,
        now: Time,
        policy: &QueuePolicy,
        agent: PersonId,
        mut seen: Seen,
    ) -> Vec<QueueEvent> {
        let known = self.agents.get(&agent);
        if let Some(known) = known {
            (seen.asks, seen.turn) = (known.asks.clone(), known.turn);
        }
        if known == Some(&seen) || (seen.free == 0 && known.is_none()) {
            return Vec::new();
        }
        let Seen { free, taken, idle_since, skills, .. } = seen.clone();
        let mut search = self.search(now, policy);
        search.note(&agent, seen);
        search.work_for(&agent);
        let noted = QueueEvent::AgentNoted { agent, free, idle_since, taken, skills };
        [noted].into_iter().chain(search.asks).collect()
    }

    fn failed(
        &self,
        now: Time,
        policy: &QueuePolicy,
        conversation: ConversationId,
        offer: OfferId,
        agent: PersonId,
        avoid_until: Time,
    ) -> Vec<QueueEvent> {
        let Some(known) = self.waiting.get(&conversation) else { return Vec::new() };
        let mut search = self.search(now, policy);
        if known.flight.as_ref().is_some_and(|flight| !flight.made)
            && let Some(mut seen) = self.agents.get(&agent).cloned()
        {
            seen.answered(&offer, false);
            search.note(&agent, seen);
        }
        let mut waiting = Waiting { flight: None, ..known.clone() };
        waiting.avoid.insert(agent.clone(), avoid_until);
        let asks = search.ask_for(conversation, &waiting);
        let failed = QueueEvent::OfferFailed { conversation, offer, agent, avoid_until };
        [failed].into_iter().chain(asks).collect()
    }

    /// What the passing of time makes possible.
    fn look_again(&self, now: Time, policy: &QueuePolicy) -> Vec<QueueEvent> {
        if self.paused {
            return Vec::new();
        }
        let over = self.avoids.iter().take_while(|(at, ..)| *at <= now).take(MATCH_MAX);
        let pairs: Vec<_> = over.map(|(_, conversation, agent)| (*conversation, agent.clone())).collect();
        let reached = self.relaxes.iter().take_while(|(at, _)| *at <= now).take(MATCH_MAX);
        let conversations: Vec<_> = reached.map(|(_, conversation)| *conversation).collect();
        let opened = self.kept.iter().take_while(|(at, _)| *at <= now).take(MATCH_MAX);
        let opened: Vec<_> = opened.map(|(_, conversation)| *conversation).collect();
        let mut changed: BTreeMap<ConversationId, Waiting> = BTreeMap::new();
        let known = |conversation| self.waiting.get(&conversation).cloned();
        for conversation in &conversations {
            changed.extend(known(*conversation).map(|mut waiting| {
                waiting.relax();
                (*conversation, waiting)
            }));
        }
        for (conversation, _) in &pairs {
            if !changed.contains_key(conversation) {
                changed.extend(known(*conversation).map(|waiting| (*conversation, waiting)));
            }
        }
        for conversation in &opened {
            if !changed.contains_key(conversation) {
                changed.extend(known(*conversation).map(|waiting| (*conversation, waiting)));
            }
        }
        let still_kept = |id: &ConversationId, waiting: &Waiting| {
            waiting.wait.kept_until().is_some_and(|at| self.kept.contains(&(at, *id))) && !opened.contains(id)
        };
        let mut search = self.search(now, policy);
        let mut free: Vec<_> = changed
            .iter()
            .filter(|(id, waiting)| waiting.flight.is_none() && !still_kept(id, waiting))
            .collect();
        // Those who left a message in the night are served in the order of the queue.
        free.sort_by_key(|(id, waiting)| lanes::rank(**id, &waiting.wait));
        for (conversation, waiting) in free {
            search.place(*conversation, waiting);
        }
        let mut events = Vec::new();
        if !opened.is_empty() {
            events.push(QueueEvent::Unkept { conversations: opened.clone() });
        }
        if !pairs.is_empty() {
            events.push(QueueEvent::AvoidsOver { pairs });
        }
        if !conversations.is_empty() {
            events.push(QueueEvent::Relaxed { conversations });
        }
        if self.unswept && events.is_empty() {
            search.sweep();
            if !search.full() {
                events.push(QueueEvent::Swept);
            }
        }
        events.extend(search.asks);
        events.extend(self.ask_when_late(now, policy));
        events
    }

    fn in_flight(&self, conversation: ConversationId, offer: &OfferId) -> bool {
        let waiting = self.waiting.get(&conversation);
        waiting.and_then(|waiting| waiting.flight.as_ref()).is_some_and(|flight| flight.offer == *offer)
    }

    fn search<'a>(&'a self, now: Time, policy: &'a QueuePolicy) -> Search<'a> {
        Search::new(self, now, policy)
    }
}
