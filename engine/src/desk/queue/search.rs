//! A search for matches: reads the queue as it stands, remembers what the events of the command in hand change.

use std::collections::{BTreeMap, BTreeSet};

use super::lanes::Rank;
use super::{MATCH_MAX, PlaceAsk, Queue, QueueEvent, Seen, Waiting};
use crate::conversation::Wait;
use crate::desk::policy::{Choice, QueuePolicy, Skills};
use crate::ids::{ConversationId, OfferId, PersonId};
use crate::time::Time;

/// Conversations at the head of a lane that an agent may be avoided by before the lane is left for later.
const LOOK_MAX: usize = 64;

pub(super) struct Search<'a> {
    queue: &'a Queue,
    now: Time,
    policy: &'a QueuePolicy,
    /// Agents that stand otherwise than in the queue's state.
    agents: BTreeMap<PersonId, Seen>,
    placed: BTreeSet<ConversationId>,
    offers: u64,
    pub(super) asks: Vec<QueueEvent>,
}

impl<'a> Search<'a> {
    pub(super) fn new(queue: &'a Queue, now: Time, policy: &'a QueuePolicy) -> Self {
        Self {
            queue,
            now,
            policy,
            agents: BTreeMap::new(),
            placed: BTreeSet::new(),
            offers: queue.offers,
            asks: Vec::new(),
        }
    }

    /// The agent stands like this now.
    pub(super) fn note(&mut self, agent: &PersonId, seen: Seen) {
        self.agents.insert(agent.clone(), seen);
    }

    pub(super) fn full(&self) -> bool {
        self.asks.len() >= MATCH_MAX
    }

    /// Looks for an agent for one conversation.
    pub(super) fn ask_for(mut self, conversation: ConversationId, waiting: &Waiting) -> Vec<QueueEvent> {
        self.place(conversation, waiting);
        self.asks
    }

    /// Looks for an agent for one conversation, among all who can take something.
    pub(super) fn place(&mut self, conversation: ConversationId, waiting: &Waiting) {
        if self.queue.paused || self.full() || self.placed.contains(&conversation) {
            return;
        }
        let fits = |agent: &PersonId, seen: &Seen| {
            seen.can_take(waiting.wait.weight)
                && seen.matches(&waiting.needs)
                && waiting.avoid.get(agent).is_none_or(|until| *until <= self.now)
        };
        let preferred = waiting.wait.prefers.as_ref();
        let preferred = preferred.filter(|agent| self.seen(agent).is_some_and(|seen| fits(agent, seen)));
        let best = || {
            let known = self.queue.agents.iter().filter(|(agent, _)| !self.agents.contains_key(*agent));
            let free = known.chain(&self.agents).filter(|(agent, seen)| fits(agent, seen));
            free.min_by_key(|(_, seen)| seen.order(self.policy.choice)).map(|(agent, _)| agent)
        };
        if let Some(agent) = preferred.or_else(best).cloned() {
            self.ask(conversation, &agent, &waiting.wait);
        }
    }

    /// Looks for conversations for one agent, at the heads of the lanes, as many as it can take.
    pub(super) fn work_for(&mut self, agent: &PersonId) {
        while !self.queue.paused && !self.full() {
            let Some(seen) = self.seen(agent) else { return };
            let lanes = self.queue.lanes.iter();
            let lanes = lanes.filter(|(needs, _)| seen.can_take(needs.weight) && seen.matches(&needs.skills));
            let first = lanes.filter_map(|(_, lane)| self.head(agent, lane)).min();
            let Some((.., conversation)) = first else { return };
            let Some(waiting) = self.queue.waiting.get(&conversation) else { return };
            self.ask(conversation, agent, &waiting.wait);
        }
    }

    /// All agents look for conversations.
    pub(super) fn sweep(&mut self) {
        let agents: Vec<PersonId> = self.queue.agents.keys().cloned().collect();
        for agent in agents {
            self.work_for(&agent);
        }
    }

    /// The first of a lane that may be offered to the agent.
    fn head(&self, agent: &PersonId, lane: &BTreeSet<Rank>) -> Option<Rank> {
        let may = |(.., conversation): &&Rank| {
            let avoid = self.queue.waiting.get(conversation).and_then(|waiting| waiting.avoid.get(agent));
            avoid.is_none_or(|until| *until <= self.now)
        };
        let left = lane.iter().filter(|(.., conversation)| !self.placed.contains(conversation));
        left.take(LOOK_MAX).find(may).copied()
    }

    fn seen(&self, agent: &PersonId) -> Option<&Seen> {
        self.agents.get(agent).or_else(|| self.queue.agents.get(agent))
    }

    fn ask(&mut self, conversation: ConversationId, agent: &PersonId, wait: &Wait) {
        let Some(mut seen) = self.seen(agent).cloned() else { return };
        self.offers += 1;
        let offer = OfferId::new(format!("of_{:x}_{}", hash_of(conversation, wait), self.offers));
        let weight = wait.weight;
        seen.asks.insert(offer.clone(), weight);
        seen.turn = self.offers;
        self.agents.insert(agent.clone(), seen);
        self.placed.insert(conversation);
        let ask = PlaceAsk { conversation, agent: agent.clone(), offer, weight };
        self.asks.push(QueueEvent::PlaceAsked(ask));
    }
}

impl Seen {
    fn asked(&self) -> u16 {
        self.asks.values().fold(0, |sum, weight| sum.saturating_add(*weight))
    }

    pub(super) fn can_take(&self, weight: u16) -> bool {
        self.free >= self.asked().saturating_add(weight)
    }

    pub(super) fn matches(&self, needs: &Skills) -> bool {
        needs.iter().all(|(skill, level)| self.skills.get(skill).is_some_and(|own| own >= level))
    }

    /// The smallest is asked first.
    fn order(&self, choice: Choice) -> (u64, u64, Time) {
        let asked = u64::from(self.asked());
        match choice {
            Choice::LongestIdle => (asked, 0, self.idle_since),
            Choice::LeastLoaded => (asked + u64::from(self.taken), 0, self.idle_since),
            Choice::RoundRobin => (0, self.turn, self.idle_since),
        }
    }

    /// The agent has answered. A granted place is so many points less until the agent says its new count; after a denial it has none.
    pub(super) fn answered(&mut self, offer: &OfferId, granted: bool) {
        let Some(weight) = self.asks.remove(offer) else { return };
        self.free = if granted { self.free.saturating_sub(weight) } else { 0 };
    }
}

/// Offers of different conversations must not share a name, nor those of one conversation in different queues, which each count for
/// themselves.
fn hash_of(conversation: ConversationId, wait: &Wait) -> u64 {
    xxhash_rust::xxh3::xxh3_64(format!("{conversation}/{}", wait.queue).as_bytes())
}
