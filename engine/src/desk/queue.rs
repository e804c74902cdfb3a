//! One waiting queue: who waits since when, and the one offer each has in flight. Oldest by priority first.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::conversation::{OfferEnd, Wait};
use crate::ids::{ConversationId, OfferId, PersonId};
use crate::refusal::{Code, Decision, Refusal};
use crate::time::Time;

/// Conversations that may wait in one queue; the next is refused and its actor asks again later.
pub const WAITING_MAX: usize = 100_000;
/// An agent who turned a conversation down is not asked for it again for this time, milliseconds.
pub const AVOID_MS: i64 = 20_000;

/// A request to a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub enum QueueCommand {
    /// A conversation waits.
    Enqueue { conversation: ConversationId, wait: Wait },
    /// A conversation does not wait any more: assigned, closed or gone elsewhere.
    Leave { conversation: ConversationId },
    /// An agent of this queue has changed.
    AgentSeen { agent: PersonId, free: u16, idle_since: Time },
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
    /// Look again for matches: a time of avoidance is over.
    Match,
}

/// What has happened to a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the commands")]
pub enum QueueEvent {
    /// A conversation waits.
    Enqueued { conversation: ConversationId, wait: Wait },
    /// A conversation has left.
    LeftQueue { conversation: ConversationId },
    /// An agent has changed.
    AgentNoted { agent: PersonId, free: u16, idle_since: Time },
    /// An agent was asked for a place.
    PlaceAsked(PlaceAsk),
    /// The conversation is offered.
    OfferMade { conversation: ConversationId, offer: OfferId, agent: PersonId, expires: Time },
    /// A place was granted for a conversation that does not wait any more.
    PlaceUnused { conversation: ConversationId, offer: OfferId, agent: PersonId },
    /// An offer, or the asking for a place, came to nothing.
    OfferFailed { conversation: ConversationId, offer: OfferId, agent: PersonId, avoid_until: Time },
}

/// Asking one agent for a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct PlaceAsk {
    pub conversation: ConversationId,
    pub agent: PersonId,
    pub offer: OfferId,
}

/// One waiting conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Waiting {
    wait: Wait,
    /// The one offer in flight.
    flight: Option<Flight>,
    /// Agents not to ask before a time.
    avoid: BTreeMap<PersonId, Time>,
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
    idle_since: Time,
    /// Asked for and not yet answered.
    asked: u16,
}

/// (255 − priority, since, conversation): the smallest goes first.
type Rank = (u8, Time, ConversationId);

/// The state of one queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    waiting: BTreeMap<ConversationId, Waiting>,
    /// Those without an offer in flight, in order.
    order: BTreeSet<Rank>,
    agents: BTreeMap<PersonId, Seen>,
    /// Offers made so far: numbers them.
    offers: u64,
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
        self.waiting.len() - self.order.len()
    }

    /// Since when the first in order has waited.
    #[must_use]
    pub fn longest_wait_since(&self) -> Option<Time> {
        self.waiting.values().map(|waiting| waiting.wait.since).min()
    }

    /// Agents who could take something now.
    #[must_use]
    pub fn agents_free(&self) -> usize {
        self.agents.values().filter(|seen| seen.free > 0).count()
    }

    /// The next timer: the first time at which a free agent who was avoided may be asked again.
    #[must_use]
    pub fn due(&self) -> Option<(Time, QueueCommand)> {
        let avoided = self.first_in_order().flat_map(|waiting| &waiting.avoid);
        let free = avoided.filter(|(agent, _)| self.agents.get(*agent).is_some_and(Seen::can_take));
        free.map(|(_, until)| *until).min().map(|at| (at, QueueCommand::Match))
    }

    fn first_in_order(&self) -> impl Iterator<Item = &Waiting> {
        self.order.iter().take(MATCH_MAX).filter_map(|(.., conversation)| self.waiting.get(conversation))
    }

    /// Judges `command` at `now`. New offers are named after the queue's own count, so that replay names them alike.
    ///
    /// # Errors
    /// `queue_full` when too many wait.
    pub fn decide(&self, now: Time, offer_ms: i64, command: QueueCommand) -> Decision<QueueEvent> {
        match command {
            QueueCommand::Enqueue { conversation, wait } => self.enqueue(now, conversation, wait),
            QueueCommand::Leave { conversation } => Ok(self.leave(conversation)),
            QueueCommand::AgentSeen { agent, free, idle_since } => {
                Ok(self.agent_seen(now, agent, free, idle_since))
            }
            QueueCommand::Granted { conversation, offer, agent } => {
                let expires = now.after_ms(offer_ms);
                Ok(vec![if self.in_flight(conversation, &offer) {
                    QueueEvent::OfferMade { conversation, offer, agent, expires }
                } else {
                    QueueEvent::PlaceUnused { conversation, offer, agent }
                }])
            }
            QueueCommand::Denied { conversation, offer, agent, taken } => {
                Ok(self.denied(now, conversation, offer, agent, taken))
            }
            QueueCommand::Returned { conversation, offer, agent, .. } => {
                Ok(self.failed(now, conversation, offer, agent, now.after_ms(AVOID_MS)))
            }
            QueueCommand::Match => Ok(Search::of(self).asks(now)),
        }
    }

    fn enqueue(&self, now: Time, conversation: ConversationId, wait: Wait) -> Decision<QueueEvent> {
        if self.waiting.get(&conversation).is_some_and(|known| known.wait == wait) {
            return Ok(Vec::new());
        }
        if self.waiting.len() >= WAITING_MAX {
            return Err(Refusal::new(Code::QueueFull, "too many conversations wait in this queue")
                .retry_after_ms(10_000));
        }
        Ok(self.and_match(now, QueueEvent::Enqueued { conversation, wait }))
    }

    fn leave(&self, conversation: ConversationId) -> Vec<QueueEvent> {
        match self.waiting.get(&conversation) {
            Some(_) => vec![QueueEvent::LeftQueue { conversation }],
            None => Vec::new(),
        }
    }

    fn agent_seen(&self, now: Time, agent: PersonId, free: u16, idle_since: Time) -> Vec<QueueEvent> {
        let same =
            self.agents.get(&agent).is_some_and(|seen| seen.free == free && seen.idle_since == idle_since);
        if same || (free == 0 && !self.agents.contains_key(&agent)) {
            return Vec::new();
        }
        self.and_match(now, QueueEvent::AgentNoted { agent, free, idle_since })
    }

    fn denied(
        &self,
        now: Time,
        conversation: ConversationId,
        offer: OfferId,
        agent: PersonId,
        taken: bool,
    ) -> Vec<QueueEvent> {
        if !self.in_flight(conversation, &offer) {
            return vec![QueueEvent::PlaceUnused { conversation, offer, agent }];
        }
        // No time to avoid one who is full: it says itself when a place is free.
        let avoid_until = if taken { now.after_ms(AVOID_MS) } else { now };
        self.failed(now, conversation, offer, agent, avoid_until)
    }

    fn failed(
        &self,
        now: Time,
        conversation: ConversationId,
        offer: OfferId,
        agent: PersonId,
        avoid_until: Time,
    ) -> Vec<QueueEvent> {
        if !self.in_flight(conversation, &offer) {
            return Vec::new();
        }
        self.and_match(now, QueueEvent::OfferFailed { conversation, offer, agent, avoid_until })
    }

    fn in_flight(&self, conversation: ConversationId, offer: &OfferId) -> bool {
        let waiting = self.waiting.get(&conversation);
        waiting.and_then(|waiting| waiting.flight.as_ref()).is_some_and(|flight| flight.offer == *offer)
    }

    /// The event and the asks that it makes possible.
    fn and_match(&self, now: Time, event: QueueEvent) -> Vec<QueueEvent> {
        let mut search = Search::of(self);
        search.foresee(&event, self);
        let asks = search.asks(now);
        let mut events = vec![event];
        events.extend(asks);
        events
    }
}

impl Seen {
    fn can_take(&self) -> bool {
        self.free > self.asked
    }
}

impl Queue {
    /// Takes in the next event.
    pub fn apply(&mut self, event: &QueueEvent) {
        match event {
            QueueEvent::Enqueued { conversation, wait } => {
                self.remove(*conversation);
                let waiting = Waiting { wait: wait.clone(), flight: None, avoid: BTreeMap::new() };
                self.order.insert(rank(*conversation, wait));
                self.waiting.insert(*conversation, waiting);
            }
            QueueEvent::LeftQueue { conversation } => self.remove(*conversation),
            QueueEvent::AgentNoted { agent, free, idle_since } => self.note_agent(agent, *free, *idle_since),
            QueueEvent::PlaceAsked(ask) => self.asked(ask),
            QueueEvent::OfferMade { conversation, agent, .. } => {
                if let Some(flight) =
                    self.waiting.get_mut(conversation).and_then(|waiting| waiting.flight.as_mut())
                {
                    flight.made = true;
                }
                self.answered(agent, true);
            }
            QueueEvent::PlaceUnused { agent, .. } => self.answered(agent, true),
            QueueEvent::OfferFailed { conversation, agent, avoid_until, .. } => {
                self.offer_failed(*conversation, agent, *avoid_until)
            }
        }
    }

    fn note_agent(&mut self, agent: &PersonId, free: u16, idle_since: Time) {
        let asked = self.agents.get(agent).map_or(0, |seen| seen.asked);
        if free == 0 && asked == 0 {
            self.agents.remove(agent);
        } else {
            self.agents.insert(agent.clone(), Seen { free, idle_since, asked });
        }
    }

    fn asked(&mut self, ask: &PlaceAsk) {
        self.offers += 1;
        if let Some(waiting) = self.waiting.get_mut(&ask.conversation) {
            self.order.remove(&rank(ask.conversation, &waiting.wait));
            waiting.flight = Some(Flight { offer: ask.offer.clone(), agent: ask.agent.clone(), made: false });
        }
        if let Some(seen) = self.agents.get_mut(&ask.agent) {
            seen.asked += 1;
        }
    }

    /// The agent has answered. A granted place is a place less until the agent says its new count; after a denial it has none.
    fn answered(&mut self, agent: &PersonId, granted: bool) {
        if let Some(seen) = self.agents.get_mut(agent) {
            seen.asked = seen.asked.saturating_sub(1);
            seen.free = if granted { seen.free.saturating_sub(1) } else { 0 };
        }
    }

    fn offer_failed(&mut self, conversation: ConversationId, agent: &PersonId, avoid_until: Time) {
        let Some(waiting) = self.waiting.get_mut(&conversation) else { return };
        let denied = waiting.flight.take().is_some_and(|flight| !flight.made);
        waiting.avoid.insert(agent.clone(), avoid_until);
        self.order.insert(rank(conversation, &waiting.wait));
        if denied {
            self.answered(agent, false);
        }
    }

    fn remove(&mut self, conversation: ConversationId) {
        if let Some(waiting) = self.waiting.remove(&conversation) {
            self.order.remove(&rank(conversation, &waiting.wait));
        }
    }
}

/// Waiting conversations looked at in one search for matches: bounds the work and the events of one command.
const MATCH_MAX: usize = 30;

/// A search for matches: the first in order and the agents who can take something.
struct Search {
    order: Vec<(Rank, BTreeMap<PersonId, Time>)>,
    agents: BTreeMap<PersonId, Seen>,
    offers: u64,
}

impl Search {
    fn of(queue: &Queue) -> Self {
        let order = queue.first_in_order().map(|waiting| waiting.avoid.clone());
        let agents = queue
            .agents
            .iter()
            .filter(|(_, seen)| seen.free > 0)
            .map(|(agent, seen)| (agent.clone(), seen.clone()));
        Self {
            order: queue.order.iter().copied().zip(order).collect(),
            agents: agents.collect(),
            offers: queue.offers,
        }
    }

    /// Takes in what `event`, which is not applied yet, changes for the search.
    fn foresee(&mut self, event: &QueueEvent, queue: &Queue) {
        match event {
            QueueEvent::Enqueued { conversation, wait } => {
                self.order.retain(|((.., known), _)| known != conversation);
                self.order.push((rank(*conversation, wait), BTreeMap::new()));
            }
            QueueEvent::AgentNoted { agent, free, idle_since } => {
                let asked = queue.agents.get(agent).map_or(0, |seen| seen.asked);
                self.agents.insert(agent.clone(), Seen { free: *free, idle_since: *idle_since, asked });
            }
            QueueEvent::OfferFailed { conversation, agent, avoid_until, .. } => {
                self.foresee_failed(*conversation, agent, *avoid_until, queue);
            }
            QueueEvent::LeftQueue { .. }
            | QueueEvent::PlaceAsked(_)
            | QueueEvent::OfferMade { .. }
            | QueueEvent::PlaceUnused { .. } => {}
        }
        self.order.sort_by_key(|(rank, _)| *rank);
    }

    fn foresee_failed(
        &mut self,
        conversation: ConversationId,
        agent: &PersonId,
        avoid_until: Time,
        queue: &Queue,
    ) {
        let Some(waiting) = queue.waiting.get(&conversation) else { return };
        let denied = waiting.flight.as_ref().is_some_and(|flight| !flight.made);
        let mut avoid = waiting.avoid.clone();
        if denied {
            self.agents.remove(agent);
        } else {
            avoid.insert(agent.clone(), avoid_until);
        }
        self.order.push((rank(conversation, &waiting.wait), avoid));
    }

    /// Each waiting conversation in order goes to the free agent who has been idle longest.
    fn asks(mut self, now: Time) -> Vec<QueueEvent> {
        let mut asks = Vec::new();
        for ((.., conversation), avoid) in &self.order {
            let free = self.agents.iter_mut().filter(|(agent, seen)| {
                seen.can_take() && avoid.get(*agent).is_none_or(|until| *until <= now)
            });
            let Some((agent, seen)) = free.min_by_key(|(_, seen)| (seen.asked, seen.idle_since)) else {
                continue;
            };
            self.offers += 1;
            seen.asked += 1;
            let offer = OfferId::new(format!("of_{:x}_{}", hash_of(*conversation), self.offers));
            asks.push(QueueEvent::PlaceAsked(PlaceAsk {
                conversation: *conversation,
                agent: agent.clone(),
                offer,
            }));
        }
        asks
    }
}

/// Offers of different conversations must not share a name.
fn hash_of(conversation: ConversationId) -> u64 {
    xxhash_rust::xxh3::xxh3_64(conversation.to_string().as_bytes())
}

fn rank(conversation: ConversationId, wait: &Wait) -> Rank {
    (u8::MAX - wait.priority, wait.since, conversation)
}
