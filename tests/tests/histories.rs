//! The checker against corrupted histories: each corruption of a clean one must be found, as a breach of the right invariant.

mod handover;
mod overflow;

use conversa_actors::behaviours::SessionEvent;
use conversa_engine::content::Content;
use conversa_engine::conversation::{AuthorKind, DeskEvent, Event, Said};
use conversa_engine::desk::{AVOID_MS, AgentEvent, QueueEvent};
use conversa_engine::ids::{ConversationId, PersonId};
use conversa_engine::refusal::Code;
use conversa_tests::checker::check;
use conversa_tests::history::{Entry, History, Log, Outcome, Shown, What};
use conversa_tests::sim::run;

/// One way to corrupt a history: false when this one has nothing to corrupt in that way.
struct Corruption {
    name: &'static str,
    /// One of these must be among the breaches.
    breaks: &'static [&'static str],
    corrupt: fn(&mut History) -> bool,
}

const fn corruption(
    name: &'static str,
    breaks: &'static [&'static str],
    corrupt: fn(&mut History) -> bool,
) -> Corruption {
    Corruption { name, breaks, corrupt }
}

const CORRUPTIONS: &[Corruption] = &[
    // I1
    corruption("an event is missing from a log", &["I1"], |h| {
        edit_log(h, |log| log.len() > 3 && remove(log, 2))
    }),
    corruption("an event stands twice under its number", &["I1"], |h| edit_log(h, doubled)),
    corruption("two numbers are swapped", &["I1"], |h| edit_log(h, |log| log.len() > 2 && swap_seqs(log))),
    corruption("time runs backwards", &["I1"], |h| edit_log(h, backwards)),
    // I2
    corruption("an acknowledged message is not stored", &["I2"], |h| {
        with_last_said(h, |log, place| drop(log.remove(place)))
    }),
    corruption("an acknowledged message is altered", &["I2"], |h| {
        edit_said(h, |said| said.content = Content::text("altered"))
    }),
    corruption("a message has another author", &["I2"], |h| {
        edit_said(h, |said| said.author.id = PersonId::new("vi_other"))
    }),
    corruption("two messages of a device are swapped", &["I2"], swapped_messages),
    corruption("an acknowledgement names another offset", &["I2"], |h| edit_accepted(h, |seq| *seq += 1)),
    corruption("an acknowledgement names an offset beyond the log", &["I2"], |h| {
        edit_accepted(h, |seq| *seq += 10_000)
    }),
    corruption("a refused message is stored", &["I2"], refused_and_stored),
    corruption("a message that nobody wrote is stored", &["I2"], |h| {
        said_again(h, |said| said.content = Content::text("nobody's"))
    }),
    corruption("a close was acknowledged and did not happen", &["I2"], |h| misplaced(h, What::Close)),
    corruption("a request for a human was acknowledged and did not happen", &["I2"], |h| {
        misplaced(h, What::Human)
    }),
    corruption("an acceptance was acknowledged and did not happen", &["I2"], |h| misplaced(h, What::Accept)),
    corruption("a late message was passed on and never arrived", &["I2"], lost_late),
    // I3
    corruption("a message is stored twice", &["I3"], |h| said_again(h, |said| said.key = None)),
    corruption("a key stands for two messages", &["I3"], |h| said_again(h, |_| ())),
    corruption("a key stands for two bodies", &["I3"], one_key_for_two),
    // I4
    corruption("a socket leaves an event out", &["I4"], |h| edit_stream(h, shown_with_a_hole)),
    corruption("a socket shows an event twice", &["I4"], |h| edit_stream(h, shown_twice)),
    corruption("a socket shows two events in the wrong order", &["I4"], |h| {
        edit_stream(h, |shown| shown_swapped(shown))
    }),
    corruption("a socket shows an event altered", &["I4"], |h| edit_stream(h, |shown| shown_altered(shown))),
    corruption("a live socket is left behind", &["I4"], left_behind),
    corruption("a socket shows an event that is not stored", &["I4"], |h| edit_stream(h, shown_beyond)),
    // I6
    corruption("the bot speaks while an agent holds the conversation", &["I6"], |h| {
        author_becomes(h, AuthorKind::Agent, AuthorKind::Bot)
    }),
    corruption("an agent speaks who does not hold the conversation", &["I6"], |h| {
        author_becomes(h, AuthorKind::Bot, AuthorKind::Agent)
    }),
    corruption("a conversation is assigned without an offer", &["I6"], |h| {
        without(h, |event| matches!(event, Event::Offered { .. }))
    }),
    corruption("another agent is assigned than was offered", &["I6"], another_agent),
    corruption("a conversation closes twice", &["I6"], closes_twice),
    corruption("an agent has one place too many", &["I6"], capacity_less),
    corruption("a place is never released", &["I6"], never_released),
    corruption("a place is granted twice", &["I6"], granted_twice),
    corruption("an assigned conversation has no place", &["I6"], |h| {
        without_agent(h, |event| matches!(event, AgentEvent::PlaceGranted { .. }))
    }),
    corruption("two agents grant one offer", &["I6"], granted_by_two),
    // I7
    corruption("two conversations of a visitor are live at once", &["I7"], two_live),
    corruption("a conversation begins that no session has opened", &["I7"], |h| {
        edit_sessions(h, |event| matches!(event, SessionEvent::Opened { .. }))
    }),
    corruption("a session opens what never begins", &["letters"], |h| h.conversations.pop_last().is_some()),
    // Letters and the desk
    corruption("a waiting conversation is not in its queue", &["letters"], never_enqueued),
    corruption("a conversation stays in a queue", &["letters"], never_left),
    corruption("a session does not hear of a close", &["letters"], deaf_session),
    corruption("nobody asks for a rating", &["letters"], |h| h.ratings.pop_first().is_some()),
    corruption("the bot does not hear a message", &["letters"], |h| {
        h.bots.values_mut().any(|log| remove(log, 0))
    }),
    corruption("the bot hears a message twice", &["letters"], |h| h.bots.values_mut().any(doubled)),
    corruption("a conversation waits beside a free agent", &["desk", "letters"], waits_beside),
    corruption("an agent is avoided for too long", &["desk"], avoided_for_long),
    corruption("a wait goes back to a queue that it left", &["desk"], overflow::back),
    corruption("a wait goes where no room was given", &["desk"], overflow::without_room),
    corruption("an agent who vanished is still there", &["desk"], still_there),
    corruption("something is left undone", &["settled"], |h| {
        h.undone.push("an actor sleeps with an unsent letter".into());
        true
    }),
    corruption("a client waits for ever", &["settled"], |h| {
        h.messages.first_mut().map(|message| message.outcome = Outcome::Pending).is_some()
    }),
    // I8
    corruption("a contribution is behind", &["I8"], |h| {
        h.refolded.first_mut().is_some_and(|(_, refolded)| take(&mut refolded.equal))
    }),
    corruption("a digest differs", &["I8"], |h| {
        h.refolded.first_mut().map(|(_, refolded)| refolded.stored_digest ^= 1).is_some()
    }),
    corruption("a conversation is not folded", &["I8"], |h| {
        h.refolded.first_mut().is_some_and(|(_, refolded)| take(&mut refolded.conversations))
    }),
    corruption("a slot has wrong totals", &["I8"], |h| {
        h.wrong_totals.push("a slot".into());
        true
    }),
];

#[test]
fn every_corruption_of_a_history_is_found() {
    assert!(CORRUPTIONS.len() >= 40);
    let clean: Vec<History> = (0..150).map(|seed| run(seed, None).history).collect();
    for Corruption { name, breaks, corrupt } in CORRUPTIONS.iter().chain(handover::CORRUPTIONS) {
        let corrupted = |mut history: History| corrupt(&mut history).then_some(history);
        // What seldom happens is looked for in more of them.
        let more = || (150..1_500).find_map(|seed| corrupted(run(seed, None).history));
        let history = clean
            .iter()
            .find_map(|history| corrupted(history.clone()))
            .or_else(more)
            .unwrap_or_else(|| panic!("{name}: no history has anything to corrupt in this way"));
        let found = check(&history);
        let right = found.iter().any(|violation| breaks.contains(&violation.invariant));
        assert!(right, "{name}: {breaks:?} should be broken; found {found:#?}");
    }
}

fn take(count: &mut u64) -> bool {
    let some = *count > 0;
    *count = count.saturating_sub(1);
    some
}

fn remove<T>(list: &mut Vec<T>, place: usize) -> bool {
    let there = place < list.len();
    if there {
        list.remove(place);
    }
    there
}

/// Leaves out an event after which another of its conversation is shown: what comes last may never have come.
fn shown_with_a_hole(shown: &mut Vec<Shown>) -> bool {
    let of = |shown: &Shown| match shown {
        Shown::Event(id, ..) | Shown::Own(id, _) => *id,
    };
    let followed = |place: &usize| shown[place + 1..].iter().any(|later| of(later) == of(&shown[*place]));
    let place = (1..shown.len()).find(|place| shown.len() > 4 && followed(place));
    place.is_some_and(|place| remove(shown, place))
}

fn doubled<E: Clone>(log: &mut Log<E>) -> bool {
    match log.last().cloned() {
        Some(entry) => {
            log.push(entry);
            true
        }
        None => false,
    }
}

fn renumber<E>(log: &mut Log<E>) {
    for (entry, seq) in log.iter_mut().zip(1..) {
        entry.seq = seq;
    }
}

fn edit_log(history: &mut History, edit: impl Fn(&mut Log<Event>) -> bool) -> bool {
    history.conversations.values_mut().any(edit)
}

fn swap_seqs(log: &mut Log<Event>) -> bool {
    (log[1].seq, log[2].seq) = (log[2].seq, log[1].seq);
    true
}

fn backwards(log: &mut Log<Event>) -> bool {
    let last = log.len() - 1;
    log[last].at = log[0].at.after_ms(-1);
    last > 0
}

fn is_by(event: &Event, kind: AuthorKind) -> bool {
    matches!(event, Event::Said(said) if said.author.kind == kind)
}

/// The last stored message of a visitor whose text is nowhere else.
fn with_last_said(history: &mut History, edit: impl Fn(&mut Log<Event>, usize)) -> bool {
    for log in history.conversations.values_mut() {
        if let Some(place) = log.iter().rposition(|entry| is_by(&entry.event, AuthorKind::Visitor)) {
            edit(log, place);
            renumber(log);
            return true;
        }
    }
    false
}

fn edit_said(history: &mut History, edit: impl Fn(&mut Said)) -> bool {
    with_last_said(history, |log, place| {
        if let Event::Said(said) = &mut log[place].event {
            edit(said);
        }
    })
}

/// The message once more, changed a little, at the end of the log.
fn said_again(history: &mut History, edit: impl Fn(&mut Said)) -> bool {
    with_last_said(history, |log, place| {
        let mut again = log[place].clone();
        if let Event::Said(said) = &mut again.event {
            edit(said);
        }
        log.insert(place + 1, again);
    })
}

fn swapped_messages(history: &mut History) -> bool {
    let device = |entry: &Entry<Event>| match &entry.event {
        Event::Said(Said { key: Some(key), .. }) => Some(key.device.clone()),
        _ => None,
    };
    for log in history.conversations.values_mut() {
        for one in 0..log.len() {
            let other = (one + 1..log.len())
                .find(|other| device(&log[*other]).is_some() && device(&log[*other]) == device(&log[one]));
            if let Some(other) = other {
                let event = log[one].event.clone();
                log[one].event = std::mem::replace(&mut log[other].event, event);
                return true;
            }
        }
    }
    false
}

fn edit_accepted(history: &mut History, edit: impl Fn(&mut u64)) -> bool {
    history.messages.iter_mut().any(|message| match &mut message.outcome {
        Outcome::Accepted(Some(seq)) => {
            edit(seq);
            true
        }
        Outcome::Accepted(None) | Outcome::Pending | Outcome::Unknown | Outcome::Refused(_) => false,
    })
}

fn refused_and_stored(history: &mut History) -> bool {
    let accepted =
        history.messages.iter_mut().find(|message| matches!(message.outcome, Outcome::Accepted(_)));
    accepted.map(|message| message.outcome = Outcome::Refused(Code::NotAssigned)).is_some()
}

fn misplaced(history: &mut History, what: What) -> bool {
    let asked = history.asked.iter_mut().find(|asked| asked.what == what);
    asked.map(|asked| asked.seq = 1).is_some()
}

fn lost_late(history: &mut History) -> bool {
    let late = history.conversations.values().flatten().find_map(|entry| match &entry.event {
        Event::Forwarded(said) => Some(said.content.plain().to_owned()),
        _ => None,
    });
    let Some(late) = late else { return false };
    for log in history.conversations.values_mut() {
        log.retain(|entry| !matches!(&entry.event, Event::Said(said) if said.content.plain() == late));
        renumber(log);
    }
    true
}

fn one_key_for_two(history: &mut History) -> bool {
    history.conversations.values_mut().any(|log| {
        let mut keyed = log.iter_mut().filter_map(|entry| match &mut entry.event {
            Event::Said(said) if said.author.kind == AuthorKind::Visitor => said.key.as_mut(),
            _ => None,
        });
        match (keyed.next(), keyed.next()) {
            (Some(one), Some(other)) if one.device == other.device => {
                other.n = one.n;
                true
            }
            (_, _) => false,
        }
    })
}

fn edit_stream(history: &mut History, edit: impl Fn(&mut Vec<Shown>) -> bool) -> bool {
    // A visitor's stream that begins with the conversation: nothing is known before it.
    let fresh = history.streams.iter_mut().filter(|stream| !stream.agent && stream.positions.is_empty());
    fresh.map(|stream| &mut stream.shown).any(edit)
}

fn shown_twice(shown: &mut Vec<Shown>) -> bool {
    let place = shown.iter().position(|shown| matches!(shown, Shown::Event(..)));
    place.map(|place| shown.insert(place + 1, shown[place].clone())).is_some()
}

fn shown_swapped(shown: &mut [Shown]) -> bool {
    let place = shown
        .windows(2)
        .position(|pair| matches!(pair, [Shown::Event(one, ..), Shown::Event(other, ..)] if one == other));
    place.map(|place| shown.swap(place, place + 1)).is_some()
}

fn shown_altered(shown: &mut [Shown]) -> bool {
    let said = shown.iter_mut().find_map(|shown| match shown {
        Shown::Event(_, _, event) => match &mut **event {
            Event::Said(said) => Some(said),
            _ => None,
        },
        Shown::Own(..) => None,
    });
    said.map(|said| said.content = Content::text("altered")).is_some()
}

fn shown_beyond(shown: &mut Vec<Shown>) -> bool {
    match shown.last().cloned() {
        Some(Shown::Event(id, seq, event)) => {
            shown.push(Shown::Event(id, seq + 10_000, event));
            true
        }
        Some(Shown::Own(..)) | None => false,
    }
}

/// A live socket that was never shown the end of what it follows.
fn left_behind(history: &mut History) -> bool {
    let live = history.streams.iter_mut().filter(|stream| stream.live && !stream.agent);
    for stream in live {
        let Some(Shown::Event(id, ..)) = stream.shown.last().cloned() else { continue };
        let of_it = |shown: &Shown| matches!(shown, Shown::Event(of, ..) | Shown::Own(of, _) if *of == id);
        if stream.shown.iter().filter(|shown| of_it(shown)).count() > 1 {
            stream.shown.pop();
            return true;
        }
    }
    false
}

/// A message of a person of one kind becomes one of another kind.
fn author_becomes(history: &mut History, from: AuthorKind, to: AuthorKind) -> bool {
    history.conversations.values_mut().flatten().any(|entry| match &mut entry.event {
        Event::Said(said) if said.author.kind == from => {
            said.author.kind = to;
            true
        }
        _ => false,
    })
}

fn without(history: &mut History, which: impl Fn(&Event) -> bool) -> bool {
    edit_log(history, |log| {
        let place = log.iter().position(|entry| which(&entry.event));
        let removed = place.is_some_and(|place| remove(log, place));
        renumber(log);
        removed
    })
}

fn another_agent(history: &mut History) -> bool {
    history.conversations.values_mut().flatten().any(|entry| match &mut entry.event {
        Event::Assigned { agent, .. } => {
            agent.id = PersonId::new("ag_other");
            true
        }
        _ => false,
    })
}

fn closes_twice(history: &mut History) -> bool {
    edit_log(history, |log| {
        let Some(place) = log.iter().position(|entry| matches!(entry.event, Event::Closed { .. })) else {
            return false;
        };
        log.insert(place + 1, log[place].clone());
        renumber(log);
        true
    })
}

/// As if the company had set one place less than an agent came to take.
fn capacity_less(history: &mut History) -> bool {
    let granted = |log: &Log<AgentEvent>| {
        log.iter().any(|entry| matches!(entry.event, AgentEvent::PlaceGranted { .. }))
    };
    let Some(agent) = history.agents.iter().find(|(_, log)| granted(log)).map(|(agent, _)| agent.clone())
    else {
        return false;
    };
    history.capacity.insert(agent, 0);
    true
}

fn without_agent(history: &mut History, which: impl Fn(&AgentEvent) -> bool) -> bool {
    history.agents.values_mut().any(|log| {
        let place = log.iter().rposition(|entry| which(&entry.event));
        let removed = place.is_some_and(|place| remove(log, place));
        renumber(log);
        removed
    })
}

/// The last release of an agent who has not left since: leaving gives all places back.
fn never_released(history: &mut History) -> bool {
    history.agents.values_mut().any(|log| {
        let place = log.iter().rposition(|entry| matches!(entry.event, AgentEvent::PlaceReleased { .. }));
        let left = log.iter().rposition(|entry| matches!(entry.event, AgentEvent::Left { .. }));
        let removed = place.filter(|_| left < place).is_some_and(|place| remove(log, place));
        renumber(log);
        removed
    })
}

fn granted_twice(history: &mut History) -> bool {
    history.agents.values_mut().any(|log| {
        let place = log.iter().position(|entry| matches!(entry.event, AgentEvent::PlaceGranted { .. }));
        let Some(place) = place else { return false };
        log.insert(place + 1, log[place].clone());
        renumber(log);
        true
    })
}

fn granted_by_two(history: &mut History) -> bool {
    let mut grants = history.agents.values().flatten();
    let grant = grants.find(|entry| matches!(entry.event, AgentEvent::PlaceGranted { .. })).cloned();
    let (Some(grant), Some(other)) = (grant, history.agents.values_mut().next_back()) else { return false };
    other.push(grant);
    renumber(other);
    true
}

/// The first conversation of a visitor who opened two never closed.
fn two_live(history: &mut History) -> bool {
    let opened: Vec<(ConversationId, PersonId)> = history
        .conversations
        .iter()
        .filter_map(|(id, log)| match &log.first()?.event {
            Event::Opened(opening) => Some((*id, opening.visitor.id.clone())),
            _ => None,
        })
        .collect();
    let two =
        opened.iter().find(|(id, visitor)| opened.iter().any(|(other, of)| other > id && of == visitor));
    let Some((first, _)) = two else { return false };
    let log = history.conversations.get_mut(first).expect("it was found there");
    log.retain(|entry| !matches!(entry.event, Event::Closed { .. }));
    renumber(log);
    true
}

fn edit_sessions(history: &mut History, which: impl Fn(&SessionEvent) -> bool) -> bool {
    history.sessions.values_mut().any(|log| {
        let place = log.iter().rposition(|entry| which(&entry.event));
        let removed = place.is_some_and(|place| remove(log, place));
        renumber(log);
        removed
    })
}

/// The last close that a session heard of, unless something has been opened since.
fn deaf_session(history: &mut History) -> bool {
    history.sessions.values_mut().any(|log| {
        let ended = matches!(log.last().map(|entry| &entry.event), Some(SessionEvent::Ended { .. }));
        ended && log.pop().is_some()
    })
}

fn waiting(history: &History) -> Option<ConversationId> {
    let waits = |log: &Log<Event>| {
        matches!(
            log.iter().rfind(|entry| moves(&entry.event)).map(|entry| &entry.event),
            Some(Event::Queued { .. })
        )
    };
    history.conversations.iter().find(|(_, log)| waits(log)).map(|(id, _)| *id)
}

fn moves(event: &Event) -> bool {
    !matches!(
        event,
        Event::Said(_)
            | Event::Forwarded(_)
            | Event::PlaceChecked { .. }
            | Event::Edited { .. }
            | Event::Recalled { .. }
            | Event::Reacted { .. }
            | Event::Marked { .. }
            | Event::Failed { .. }
            | Event::OfferVoided { .. }
            | Event::OfferRejected { .. }
            | Event::Desk(
                DeskEvent::Transferred { .. }
                    | DeskEvent::Watched { .. }
                    | DeskEvent::BargedIn { .. }
                    | DeskEvent::Handover(_)
                    | DeskEvent::Wrap(_)
                    | DeskEvent::Sla(_)
                    | DeskEvent::Idle(_)
                    | DeskEvent::Snooze(_)
                    | DeskEvent::Survey(_)
            )
    )
}

fn never_enqueued(history: &mut History) -> bool {
    let Some(waiting) = waiting(history) else { return false };
    for log in history.queues.values_mut() {
        log.retain(|entry| !matches!(&entry.event, QueueEvent::Enqueued { conversation, .. } if *conversation == waiting));
        renumber(log);
    }
    true
}

fn never_left(history: &mut History) -> bool {
    history.queues.values_mut().any(|log| {
        // One that does not wait again later, when it would be right.
        let comes = |of: ConversationId, event: &QueueEvent| matches!(event, QueueEvent::Enqueued { conversation, .. } if *conversation == of);
        let for_good = |place: &usize| {
            let QueueEvent::LeftQueue { conversation, .. } = &log[*place].event else { return false };
            !log[place + 1..].iter().any(|later| comes(*conversation, &later.event))
        };
        let place = (0..log.len()).rev().find(for_good);
        let removed = place.is_some_and(|place| remove(log, place));
        renumber(log);
        removed
    })
}

/// As if somebody who serves the queue had a place.
fn waits_beside(history: &mut History) -> bool {
    if waiting(history).is_none() {
        return false;
    }
    history.capacity.values_mut().for_each(|capacity| *capacity += 10);
    history.agents.values().flatten().any(|entry| matches!(entry.event, AgentEvent::PresenceSet { .. }))
        && check(history).iter().any(|violation| violation.invariant == "desk")
}

fn avoided_for_long(history: &mut History) -> bool {
    history.queues.values_mut().flatten().any(|entry| {
        let QueueEvent::OfferFailed { avoid_until, .. } = &mut entry.event else { return false };
        *avoid_until = entry.at.after_ms(AVOID_MS + 1);
        true
    })
}

fn still_there(history: &mut History) -> bool {
    use conversa_engine::desk::Presence;
    let there = history.agents.iter().find(|(_, log)| {
        let last = log.iter().rev().find_map(|entry| match entry.event {
            AgentEvent::PresenceSet { presence, .. } => Some(presence),
            AgentEvent::Left { .. } => Some(Presence::Offline),
            _ => None,
        });
        last.is_some_and(|presence| presence != Presence::Offline)
    });
    let Some(agent) = there.map(|(agent, _)| agent.clone()) else { return false };
    history.vanished.insert(agent)
}
