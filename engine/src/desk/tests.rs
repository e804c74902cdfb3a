//! Random histories of a queue, its agents and conversations: whatever happens, capacity holds, a conversation has one offer, and
//! nobody waits while a free agent could take it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Agent, AgentCommand, AgentEvent, PlaceAsk, Presence, Queue, QueueCommand, QueueEvent};
use crate::conversation::{OfferEnd, Wait};
use crate::ids::{ConversationId, OfferId, PersonId, QueueId};
use crate::time::Time;

/// Numbers that look random; the constants are those of Knuth's MMIX generator.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// What a conversation does with an offer that reached it.
#[derive(Default)]
struct Desk {
    now: i64,
    queue: Queue,
    agents: BTreeMap<PersonId, Agent>,
    /// Offers that stand, and conversations that are held, by conversation.
    offered: BTreeMap<ConversationId, (OfferId, PersonId)>,
    held: BTreeMap<ConversationId, (OfferId, PersonId)>,
    /// Conversations that wait, are offered or held.
    talking: BTreeSet<ConversationId>,
    /// Offers that come too late: their agent went first.
    void: Vec<OfferId>,
    to_queue: VecDeque<QueueCommand>,
    to_agent: BTreeMap<PersonId, VecDeque<AgentCommand>>,
}

impl Desk {
    fn time(&self) -> Time {
        Time::from_ms(self.now)
    }

    fn queue_does(&mut self, command: QueueCommand) {
        for event in self.queue.decide(self.time(), 20_000, command).expect("far from its bound") {
            self.queue.apply(&event);
            match event {
                QueueEvent::PlaceAsked(PlaceAsk { conversation, agent, offer }) => {
                    let queue = QueueId::new("q");
                    self.to_agent.entry(agent).or_default().push_back(AgentCommand::AskPlace {
                        queue,
                        conversation,
                        offer,
                    });
                }
                QueueEvent::OfferMade { conversation, offer, agent, .. } => {
                    assert!(
                        !self.offered.contains_key(&conversation) && !self.held.contains_key(&conversation),
                        "two offers of one conversation"
                    );
                    if self.void.contains(&offer) {
                        let why = OfferEnd::AgentGone;
                        self.to_queue.push_back(QueueCommand::Returned { conversation, offer, agent, why });
                    } else {
                        self.offered.insert(conversation, (offer, agent));
                    }
                }
                QueueEvent::PlaceUnused { conversation, offer, agent } => {
                    self.to_agent
                        .entry(agent)
                        .or_default()
                        .push_back(AgentCommand::Release { conversation, offer });
                }
                QueueEvent::Enqueued { .. }
                | QueueEvent::LeftQueue { .. }
                | QueueEvent::AgentNoted { .. }
                | QueueEvent::OfferFailed { .. } => {}
            }
        }
    }

    fn agent_does(&mut self, id: &PersonId, command: AgentCommand) {
        let now = self.time();
        let agent = self.agents.entry(id.clone()).or_default();
        for event in agent.decide(now, 2, command).expect("in bounds") {
            agent.apply(&event);
            assert!(agent.places().len() <= usize::from(agent.capacity()), "{id} is over capacity");
            match event {
                AgentEvent::PlaceGranted { conversation, offer, .. } => {
                    self.to_queue.push_back(QueueCommand::Granted { conversation, offer, agent: id.clone() });
                }
                AgentEvent::PlaceDenied { conversation, offer, .. } => {
                    let taken = agent.places().contains_key(&conversation);
                    self.to_queue.push_back(QueueCommand::Denied {
                        conversation,
                        offer,
                        agent: id.clone(),
                        taken,
                    });
                }
                AgentEvent::Left { lost, .. } => {
                    for (conversation, offer) in lost {
                        if self.offered.get(&conversation).is_some_and(|(standing, _)| *standing == offer) {
                            self.offered.remove(&conversation);
                            let why = OfferEnd::AgentGone;
                            self.to_queue.push_back(QueueCommand::Returned {
                                conversation,
                                offer,
                                agent: id.clone(),
                                why,
                            });
                        } else if self.held.get(&conversation).is_some_and(|(held, _)| *held == offer) {
                            self.held.remove(&conversation);
                            let wait = Wait { queue: QueueId::new("q"), since: now, priority: 1 };
                            self.to_queue.push_back(QueueCommand::Enqueue { conversation, wait });
                        } else {
                            self.void.push(offer);
                        }
                    }
                }
                AgentEvent::PresenceSet { .. }
                | AgentEvent::Renewed { .. }
                | AgentEvent::PlaceConfirmed { .. }
                | AgentEvent::PlaceReleased { .. }
                | AgentEvent::Doubted { .. } => {}
            }
            let (free, idle_since) = (agent.free(), agent.idle_since());
            self.to_queue.push_back(QueueCommand::AgentSeen { agent: id.clone(), free, idle_since });
        }
    }

    /// Delivers one letter, in order per pair; false when none is left.
    fn deliver(&mut self, chance: &mut Chance) -> bool {
        let waiting: Vec<PersonId> = self
            .to_agent
            .iter()
            .filter(|(_, letters)| !letters.is_empty())
            .map(|(id, _)| id.clone())
            .collect();
        let pick = chance.below(waiting.len() as u64 + 1);
        match waiting.get(usize::try_from(pick).expect("small")) {
            Some(id) => {
                if let Some(command) = self.to_agent.get_mut(id).and_then(VecDeque::pop_front) {
                    self.agent_does(id, command);
                }
                true
            }
            None => match self.to_queue.pop_front() {
                Some(command) => {
                    self.queue_does(command);
                    true
                }
                None => !waiting.is_empty(),
            },
        }
    }

    fn answer_offer(&mut self, conversation: ConversationId, chance: &mut Chance) {
        let Some((offer, agent)) = self.offered.remove(&conversation) else { return };
        if chance.below(3) == 0 {
            let why = OfferEnd::Declined;
            self.to_queue.push_back(QueueCommand::Returned {
                conversation,
                offer: offer.clone(),
                agent: agent.clone(),
                why,
            });
            self.to_agent.entry(agent).or_default().push_back(AgentCommand::Release { conversation, offer });
        } else {
            self.to_queue.push_back(QueueCommand::Leave { conversation });
            self.to_agent
                .entry(agent.clone())
                .or_default()
                .push_back(AgentCommand::Confirm { conversation, offer: offer.clone() });
            self.held.insert(conversation, (offer, agent));
        }
    }
}

fn run(seed: u64) {
    let mut chance = Chance(seed);
    let mut desk = Desk::default();
    let conversations: Vec<ConversationId> =
        (0..8).map(|n| ConversationId::new(Time::from_ms(n), 1, n.unsigned_abs())).collect();
    let people: Vec<PersonId> = ["a", "b", "c"].map(PersonId::new).to_vec();
    for _ in 0..300 {
        desk.now += i64::try_from(chance.below(4_000)).expect("small");
        let conversation = conversations[usize::try_from(chance.below(8)).expect("small")];
        let person = people[usize::try_from(chance.below(3)).expect("small")].clone();
        match chance.below(8) {
            0 if desk.talking.insert(conversation) => {
                let wait = Wait { queue: QueueId::new("q"), since: desk.time(), priority: 0 };
                desk.to_queue.push_back(QueueCommand::Enqueue { conversation, wait });
            }
            1 => desk.agent_does(
                &person,
                AgentCommand::SetPresence { presence: Presence::Online, capacity: Some(2) },
            ),
            2 => desk
                .agent_does(&person, AgentCommand::SetPresence { presence: Presence::Away, capacity: None }),
            3 => desk.agent_does(&person, AgentCommand::Gone),
            4 => desk.answer_offer(conversation, &mut chance),
            5 => {
                if let Some((offer, agent)) = desk.held.remove(&conversation) {
                    desk.talking.remove(&conversation);
                    desk.to_agent
                        .entry(agent)
                        .or_default()
                        .push_back(AgentCommand::Release { conversation, offer });
                }
            }
            _ => drop(desk.deliver(&mut chance)),
        }
    }
    // Everything arrives, every time of avoidance passes: then nobody waits while somebody is free.
    for _ in 0..5 {
        while desk.deliver(&mut chance) {}
        desk.now += 60_000;
        if let Some((_, command)) = desk.queue.due() {
            desk.to_queue.push_back(command);
        }
    }
    while desk.deliver(&mut chance) {}
    let free: u16 = desk.agents.values().map(Agent::free).sum();
    let idle = desk.queue.waiting() - desk.offered.len();
    assert!(free == 0 || idle == 0, "seed {seed}: {idle} wait and {free} places are free: {:?}", desk.queue);
    let places: usize = desk.agents.values().map(|agent| agent.places().len()).sum();
    assert_eq!(
        places,
        desk.offered.len() + desk.held.len(),
        "seed {seed}: a place without a conversation, or the reverse"
    );
}

#[test]
fn whatever_happens_capacity_holds_and_nobody_waits_beside_a_free_agent() {
    (0..2_000).for_each(run);
}
