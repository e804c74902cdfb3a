//! Corruptions of what is handed over and wrapped up.

use conversa_engine::conversation::{DeskEvent, Event, HandoverEvent, WrapEvent};
use conversa_engine::desk::{AgentEvent, Ask};
use conversa_engine::ids::{ConversationId, OfferId, PersonId};
use conversa_tests::history::{History, Log};

use super::{Corruption, corruption, remove, renumber};

pub(super) const CORRUPTIONS: &[Corruption] = &[
    corruption("a conversation that changes hands is with nobody", &["I6"], |h| {
        edit(h, |log| after(log, taken).is_some_and(|place| remove(log, place)))
    }),
    corruption("somebody else gets it than was asked", &["I6"], |h| {
        edit(h, |log| match after(log, taken).map(|place| &mut log[place].event) {
            Some(Event::Assigned { agent, .. }) => {
                agent.id = PersonId::new("ag_other");
                true
            }
            Some(_) | None => false,
        })
    }),
    corruption("somebody gets it who was never asked", &["I6"], |h| {
        edit(h, |log| {
            let asks = |event: &HandoverEvent| matches!(event, HandoverEvent::Asked { .. });
            let done = log.iter().position(|entry| handover(&entry.event).is_some_and(taken));
            let asked = done.and_then(|done| {
                log[..done].iter().rposition(|entry| handover(&entry.event).is_some_and(asks))
            });
            asked.is_some_and(|place| remove(log, place))
        })
    }),
    corruption("somebody gets it who has not accepted", &["I6"], |h| {
        let offered = |event: &HandoverEvent| matches!(event, HandoverEvent::Offered { .. });
        edit(h, |log| {
            // Goals, silence and words may come between the two.
            let place = (0..log.len()).find(|&place| {
                let next = log[place + 1..].iter().find_map(|entry| handover(&entry.event));
                handover(&log[place].event).is_some_and(offered) && next.is_some_and(taken)
            });
            place.is_some_and(|place| remove(log, place))
        })
    }),
    corruption("a second handover begins beside the first", &["I6"], |h| {
        edit(h, |log| {
            let asks = |event: &HandoverEvent| matches!(event, HandoverEvent::Asked { .. });
            let place = log.iter().position(|entry| handover(&entry.event).is_some_and(asks));
            place.is_some_and(|place| {
                let again = log[place].clone();
                log.insert(place, again);
                true
            })
        })
    }),
    corruption("a handover outlives what it is of", &["I6"], |h| {
        edit(h, |log| {
            let ends = |event: &Event| matches!(handover(event), Some(HandoverEvent::Ended { .. }));
            let closes = |place: &usize| {
                ends(&log[place - 1].event) && matches!(log[*place].event, Event::Closed { .. })
            };
            let place = (1..log.len()).find(closes).map(|place| place - 1);
            place.is_some_and(|place| remove(log, place))
        })
    }),
    corruption("a place is still held after the conversation went to another", &["I6"], old_place_kept),
    corruption("a place is forced without a supervisor", &["I6"], |h| {
        h.agents.values_mut().flatten().any(|entry| match &mut entry.event {
            AgentEvent::PlaceGranted { ask: ask @ Ask::Handover, .. } => {
                *ask = Ask::Force;
                true
            }
            _ => false,
        })
    }),
    corruption("a forced place is told as a free one", &["I6"], |h| {
        h.agents.values_mut().flatten().any(|entry| match &mut entry.event {
            AgentEvent::PlaceGranted { ask: ask @ (Ask::Force | Ask::TakeOver), .. } => {
                *ask = Ask::Handover;
                true
            }
            _ => false,
        })
    }),
    corruption("a wrap-up never ends", &["desk", "I6"], |h| {
        edit(h, |log| {
            let ends = |event: &Event| matches!(event, Event::Desk(DeskEvent::Wrap(WrapEvent::Ended { .. })));
            let place = log.iter().rposition(|entry| ends(&entry.event));
            place.is_some_and(|place| remove(log, place))
        })
    }),
    corruption("a wrap-up begins before the end", &["I6"], |h| {
        edit(h, |log| {
            let begins =
                |event: &Event| matches!(event, Event::Desk(DeskEvent::Wrap(WrapEvent::Begun { .. })));
            let place = log.iter().position(|entry| begins(&entry.event));
            place.is_some_and(|place| remove(log, place + 1))
        })
    }),
];

fn edit(history: &mut History, edit: impl Fn(&mut Log<Event>) -> bool) -> bool {
    history.conversations.values_mut().any(|log| {
        let edited = edit(log);
        renumber(log);
        edited
    })
}

fn handover(event: &Event) -> Option<&HandoverEvent> {
    match event {
        Event::Desk(DeskEvent::Handover(event)) => Some(event),
        _ => None,
    }
}

fn taken(event: &HandoverEvent) -> bool {
    matches!(event, HandoverEvent::Taken { .. })
}

/// Where the event stands that follows the first one of this kind.
fn after(log: &Log<Event>, which: impl Fn(&HandoverEvent) -> bool) -> Option<usize> {
    let place = log.iter().position(|entry| handover(&entry.event).is_some_and(&which))?;
    Some(place + 1).filter(|next| *next < log.len())
}

fn old_place_kept(history: &mut History) -> bool {
    let released: Vec<(ConversationId, PersonId, OfferId)> = history
        .conversations
        .iter()
        .flat_map(|(id, log)| log.iter().map(move |entry| (*id, &entry.event)))
        .filter_map(|(id, event)| match handover(event)? {
            HandoverEvent::Taken { released: Some((agent, offer)), .. } => {
                Some((id, agent.clone(), offer.clone()))
            }
            _ => None,
        })
        .collect();
    released.iter().any(|(id, agent, offer)| {
        let Some(log) = history.agents.get_mut(agent) else { return false };
        let place = log.iter().position(|entry| {
            matches!(&entry.event, AgentEvent::PlaceReleased { conversation, offer: under, .. }
                if conversation == id && under == offer)
        });
        // Leaving gives all places back.
        let left = log.iter().rposition(|entry| matches!(entry.event, AgentEvent::Left { .. }));
        let removed = place.filter(|_| left < place).is_some_and(|place| remove(log, place));
        renumber(log);
        removed
    })
}
