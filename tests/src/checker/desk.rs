//! The desk: capacity at every moment, places with an owner, conversations in their queues, nobody waiting beside a free agent.

use std::collections::{BTreeMap, BTreeSet};

use conversa_engine::conversation::{Event, QueueReason};
use conversa_engine::desk::{AVOID_MS, AgentEvent, Ask, Presence, QueueEvent};
use conversa_engine::ids::{ConversationId, OfferId, PersonId, QueueId};
use conversa_engine::time::Time;

use super::Findings;
use super::handover::{self, Hand};
use super::phases::Stand;
use crate::history::{History, Log};

/// An agent, folded anew and not by the engine.
#[derive(Default)]
pub(super) struct Folded {
    presence: Presence,
    places: BTreeMap<ConversationId, OfferId>,
}

impl Folded {
    /// Points that are taken.
    fn taken(&self, history: &History) -> usize {
        self.places.len() * usize::from(history.weight)
    }
}

pub(super) fn check(history: &History, findings: &mut Findings) {
    let (agents, stands) = hands(history, findings);
    for (agent, folded) in &agents {
        let there = folded.presence == Presence::Offline || !history.vanished.contains(*agent);
        findings.expect(there, "desk", || format!("{agent} has been gone for long and is not offline"));
    }
    overflows(history, findings);
    let waiting = waiting(history);
    queues(&waiting, &stands, findings);
    nobody_waits(history, &agents, &stands, findings);
}

type Agents<'a> = BTreeMap<&'a PersonId, Folded>;
type Stands = BTreeMap<ConversationId, Stand>;

/// Who has what: whoever has a conversation has a place for it, and nobody else has.
pub(super) fn hands<'a>(history: &'a History, findings: &mut Findings) -> (Agents<'a>, Stands) {
    let mut granted = BTreeMap::new();
    let mut agents = BTreeMap::new();
    for (agent, log) in &history.agents {
        agents.insert(agent, fold(history, agent, log, &mut granted, findings));
    }
    assignments(history, &granted, findings);
    handover::asked(history, findings);
    let stands = history.conversations.iter().map(|(id, log)| (*id, Stand::of(log))).collect();
    let hands = handover::hands(history, findings);
    places(&agents, &stands, &hands, findings);
    (agents, stands)
}

type Granted = BTreeMap<OfferId, (PersonId, Time)>;

fn fold(
    history: &History,
    agent: &PersonId,
    log: &Log<AgentEvent>,
    granted: &mut Granted,
    findings: &mut Findings,
) -> Folded {
    let capacity = history.capacity.get(agent).copied().unwrap_or_default();
    let mut folded = Folded::default();
    for entry in log {
        match &entry.event {
            AgentEvent::PresenceSet { presence, .. } => folded.presence = *presence,
            AgentEvent::Left { lost, kept_until, .. } => {
                folded.presence = Presence::Offline;
                folded.places.retain(|id, _| {
                    kept_until.is_some() && !lost.iter().any(|(conversation, _)| conversation == id)
                });
            }
            AgentEvent::PlaceGranted { conversation, offer, weight, ask, .. } => {
                let known = folded.places.insert(*conversation, offer.clone());
                findings.expect(known.is_none(), "I6", || {
                    format!("{agent} {}: two places for {conversation}", entry.seq)
                });
                // What is forced goes to whoever is there, and over capacity.
                let forced = matches!(ask, Ask::Force | Ask::TakeOver);
                let there = match folded.presence {
                    Presence::Online => true,
                    Presence::Away => forced,
                    Presence::Offline => false,
                };
                findings.expect(there, "I6", || {
                    format!("{agent} {}: a place was granted while {:?}", entry.seq, folded.presence)
                });
                findings.expect(*weight == history.weight, "I6", || {
                    format!("{agent} {}: {conversation} takes {weight} points", entry.seq)
                });
                let taken = folded.taken(history);
                findings.expect(forced || taken <= usize::from(capacity), "I6", || {
                    format!("{agent} {}: {taken} points of {capacity} taken", entry.seq)
                });
                if let Some((other, _)) = granted.insert(offer.clone(), (agent.clone(), entry.at)) {
                    findings.add("I6", format!("offer {offer} was granted by {other} and by {agent}"));
                }
            }
            AgentEvent::PlaceReleased { conversation, offer, .. } => {
                let known = folded.places.remove(conversation);
                findings.expect(known.as_ref() == Some(offer), "I6", || {
                    format!("{agent} {}: released what was not taken", entry.seq)
                });
            }
            AgentEvent::Renewed { .. }
            | AgentEvent::Resettled { .. }
            | AgentEvent::AwayAsked { .. }
            | AgentEvent::AwayAnswered { .. }
            | AgentEvent::PlaceDenied { .. }
            | AgentEvent::PlaceConfirmed { .. }
            | AgentEvent::Doubted { .. } => {}
        }
    }
    folded
}

/// Whoever was offered or assigned a conversation had granted a place for it before.
fn assignments(history: &History, granted: &Granted, findings: &mut Findings) {
    for (id, log) in &history.conversations {
        for entry in log {
            let stand = Stand::default().after(&entry.event);
            let (Stand::Offered(_, offer, agent) | Stand::Assigned(offer, agent)) = &stand else { continue };
            let before = granted.get(offer).is_some_and(|(by, at)| by == agent && *at <= entry.at);
            findings.expect(before, "I6", || {
                format!("{id} {}: {agent} has granted no place under {offer}", entry.seq)
            });
        }
    }
}

/// When everything has settled, places and conversations agree.
fn places(
    agents: &BTreeMap<&PersonId, Folded>,
    stands: &BTreeMap<ConversationId, Stand>,
    hands: &BTreeMap<ConversationId, Hand>,
    findings: &mut Findings,
) {
    let mut owners: BTreeMap<ConversationId, &PersonId> = BTreeMap::new();
    for (agent, folded) in agents {
        for (conversation, offer) in &folded.places {
            // A consultant has a place of its own.
            if hands.get(conversation).is_some_and(|hand| hand.needs(agent, offer)) {
                continue;
            }
            if let Some(other) = owners.insert(*conversation, agent) {
                findings.add("I6", format!("{conversation} takes a place of {other} and of {agent}"));
            }
            let needed = match stands.get(conversation) {
                Some(Stand::Offered(_, standing, by) | Stand::Assigned(standing, by)) => {
                    standing == offer && by == *agent
                }
                Some(Stand::Unopened | Stand::Bot | Stand::Queued(_) | Stand::Closed) | None => false,
            };
            findings.expect(needed, "I6", || format!("a place of {agent} for {conversation} has no owner"));
        }
    }
    for (conversation, stand) in stands {
        if let Stand::Offered(_, offer, agent) | Stand::Assigned(offer, agent) = stand {
            let held = agents.get(agent).and_then(|folded| folded.places.get(conversation));
            findings.expect(held == Some(offer), "I6", || {
                format!("{conversation} is with {agent}, who has no place for it")
            });
        }
    }
}

/// A wait moves only where a queue has given room to it, and never to a queue in which it has been.
fn overflows(history: &History, findings: &mut Findings) {
    let mut rooms: BTreeMap<(ConversationId, &QueueId, &QueueId), usize> = BTreeMap::new();
    for (queue, log) in &history.queues {
        for entry in log {
            if let QueueEvent::RoomAnswered { conversation, to, free: true } = &entry.event {
                *rooms.entry((*conversation, to, queue)).or_default() += 1;
            }
        }
    }
    for (id, log) in &history.conversations {
        let mut been: Vec<&QueueId> = Vec::new();
        for entry in log {
            let Event::Queued { wait, reason, .. } = &entry.event else { continue };
            if *reason != QueueReason::Overflow {
                been = vec![&wait.queue];
                continue;
            }
            let from = been.last().copied();
            let left = !been.contains(&&wait.queue) && wait.passed.iter().eq(been.iter().copied());
            findings.expect(left, "desk", || {
                format!("{id} {}: overflows to {} after {been:?}", entry.seq, wait.queue)
            });
            let room = from.and_then(|from| rooms.get_mut(&(*id, from, &wait.queue)));
            let room = room.filter(|room| **room > 0);
            findings.expect(room.is_some(), "desk", || {
                format!("{id} {}: {} has given no room to it", entry.seq, wait.queue)
            });
            room.into_iter().for_each(|room| *room -= 1);
            been.push(&wait.queue);
        }
    }
}

/// Who waits in which queue, as the queues have it.
fn waiting(history: &History) -> BTreeSet<(&QueueId, ConversationId)> {
    let mut waiting = BTreeSet::new();
    for (queue, log) in &history.queues {
        for entry in log {
            match &entry.event {
                QueueEvent::Enqueued { conversation, .. } => {
                    waiting.insert((queue, *conversation));
                }
                QueueEvent::LeftQueue { conversation, .. } => {
                    waiting.remove(&(queue, *conversation));
                }
                QueueEvent::AgentNoted { .. }
                | QueueEvent::PlaceAsked(_)
                | QueueEvent::OfferMade { .. }
                | QueueEvent::PlaceUnused { .. }
                | QueueEvent::OfferFailed { .. }
                | QueueEvent::AvoidsOver { .. }
                | QueueEvent::Unkept { .. }
                | QueueEvent::Relaxed { .. }
                | QueueEvent::RoomAsked { .. }
                | QueueEvent::RoomAnswered { .. }
                | QueueEvent::RoomLost { .. }
                | QueueEvent::OverflowPut { .. }
                | QueueEvent::Overflowing { .. }
                | QueueEvent::PauseSet { .. }
                | QueueEvent::Swept => {}
            }
        }
    }
    waiting
}

/// Conversations that wait or are offered are in their queue, and no others.
fn queues(
    waiting: &BTreeSet<(&QueueId, ConversationId)>,
    stands: &BTreeMap<ConversationId, Stand>,
    findings: &mut Findings,
) {
    for (conversation, stand) in stands {
        if let Stand::Queued(queue) | Stand::Offered(queue, ..) = stand {
            let there = waiting.contains(&(queue, *conversation));
            findings.expect(there, "letters", || format!("{conversation} waits and is not in {queue}"));
        }
    }
    for (queue, conversation) in waiting {
        let waits = match stands.get(conversation) {
            Some(Stand::Queued(own) | Stand::Offered(own, ..)) => own == *queue,
            Some(Stand::Unopened | Stand::Bot | Stand::Assigned(..) | Stand::Closed) | None => false,
        };
        findings.expect(waits, "letters", || format!("{conversation} is in {queue} and does not wait"));
    }
}

/// A queue has this long to look again once a time of avoidance is over, milliseconds.
const LOOKS_MS: i64 = 2_000;

/// Who is avoided by which conversation at the end, and that nobody is for longer than promised.
fn avoided<'a>(
    history: &'a History,
    findings: &mut Findings,
) -> BTreeSet<(&'a QueueId, ConversationId, &'a PersonId)> {
    let mut avoided = BTreeSet::new();
    for (queue, log) in &history.queues {
        for entry in log {
            let QueueEvent::OfferFailed { conversation, agent, avoid_until, .. } = &entry.event else {
                continue;
            };
            findings.expect(*avoid_until <= entry.at.after_ms(AVOID_MS), "desk", || {
                format!("{conversation} avoids {agent} for too long in {queue}")
            });
            if avoid_until.after_ms(LOOKS_MS) > history.end {
                avoided.insert((queue, *conversation, agent));
            }
        }
    }
    avoided
}

/// Nobody waits while an agent is free, unless that one is avoided after a refusal.
fn nobody_waits(
    history: &History,
    agents: &BTreeMap<&PersonId, Folded>,
    stands: &BTreeMap<ConversationId, Stand>,
    findings: &mut Findings,
) {
    let avoided = avoided(history, findings);
    for (conversation, stand) in stands {
        let Stand::Queued(queue) = stand else { continue };
        let free = agents.iter().find(|(agent, folded)| {
            let serves = history.serves.get(**agent).is_some_and(|queues| queues.contains(queue));
            let capacity = history.capacity.get(**agent).copied().unwrap_or_default();
            let fits = folded.taken(history) + usize::from(history.weight) <= usize::from(capacity);
            let avoided = avoided.contains(&(queue, *conversation, **agent));
            serves && folded.presence == Presence::Online && fits && !avoided
        });
        if let Some((agent, _)) = free {
            findings.add("desk", format!("{conversation} waits in {queue} while {agent} is free"));
        }
    }
}
