//! I2 and I3: what was acknowledged is stored, unaltered, once, in its sender's order; what was refused is not stored.

use std::collections::BTreeMap;

use conversa_engine::conversation::{
    DeskEvent, Event, HandoverEvent, Said, SnoozeEvent, SurveyEvent, WrapEvent,
};
use conversa_engine::ids::{ConversationId, PersonId};

use super::{Findings, at, forwarded, said};
use crate::history::{Asked, History, Message, Outcome, What};

/// Where a text is stored: as a message, and as one that was passed on after a close.
#[derive(Default)]
struct Places<'a> {
    said: Vec<(ConversationId, u64, &'a Said)>,
    forwarded: Vec<(ConversationId, u64, &'a Said)>,
}

type Stored<'a> = BTreeMap<&'a str, Places<'a>>;

pub(super) fn check(history: &History, findings: &mut Findings) {
    let mut stored = Stored::new();
    for (id, log) in &history.conversations {
        for entry in log {
            if let Some(said) = said(&entry.event) {
                stored.entry(said.content.plain()).or_default().said.push((*id, entry.seq, said));
            }
            if let Some(late) = forwarded(&entry.event) {
                stored.entry(late.content.plain()).or_default().forwarded.push((*id, entry.seq, late));
            }
        }
    }
    for message in &history.messages {
        one(history, message, stored.get(&*message.text), findings);
    }
    keys(history, findings);
    senders_order(history, &stored, findings);
    accepted(history, findings);
    nobody_elses(history, findings);
}

fn one(history: &History, message: &Message, places: Option<&Places<'_>>, findings: &mut Findings) {
    let name = || format!("{:?} of {}", message.text, message.sender);
    let nowhere = Places::default();
    let places = places.unwrap_or(&nowhere);
    match message.outcome {
        Outcome::Pending => findings.add("settled", format!("{} has no definite answer", name())),
        Outcome::Unknown => {}
        Outcome::Refused(code) => {
            let stored = !places.said.is_empty() || !places.forwarded.is_empty();
            findings.expect(!stored, "I2", || format!("{} was refused as {code:?} and is stored", name()));
        }
        Outcome::Accepted(seq) => {
            findings.expect(places.said.len() == 1, "I2", || {
                format!("{} was accepted and is stored {} times", name(), places.said.len())
            });
            if let Some(seq) = seq {
                acknowledged_at(history, message, seq, findings);
            }
        }
    }
    findings
        .expect(places.said.len() <= 1, "I3", || format!("{} is stored {} times", name(), places.said.len()));
    for (id, seq, said) in places.said.iter().chain(&places.forwarded) {
        let same = said.author.id == message.sender;
        findings
            .expect(same, "I2", || format!("{} stands at {id} {seq} as said by {}", name(), said.author.id));
    }
}

/// At the acknowledged offset stands this message.
fn acknowledged_at(history: &History, message: &Message, seq: u64, findings: &mut Findings) {
    let stands = match at(history, message.conversation, seq).map(|entry| &entry.event) {
        Some(Event::Said(said) | Event::Forwarded(said)) => said.content.plain() == message.text,
        Some(_) | None => false,
    };
    let conversation = message.conversation;
    findings.expect(stands, "I2", || {
        format!("{:?} was acknowledged at {conversation} {seq}, where it does not stand", message.text)
    });
}

/// I3: a key names one message. One that was passed on may come back to where it came first, under its own key.
fn keys(history: &History, findings: &mut Findings) {
    let mut texts: BTreeMap<(ConversationId, PersonId, String), (String, u32)> = BTreeMap::new();
    for (id, log) in &history.conversations {
        for entry in log {
            let (message, late) = (said(&entry.event), forwarded(&entry.event));
            let Some(words) = message.or(late) else { continue };
            let Some(key) = &words.key else { continue };
            let known = texts.entry((*id, words.author.id.clone(), key.to_string()));
            let (text, count) = known.or_insert_with(|| (words.content.plain().to_owned(), 0));
            *count += u32::from(message.is_some());
            let same = *text == words.content.plain();
            findings.expect(same, "I3", || {
                format!("{id}: key {key} names {text:?} and {:?}", words.content.plain())
            });
            findings.expect(*count <= 1, "I3", || format!("{id}: key {key} stands for {count} messages"));
        }
    }
}

/// What one device wrote to one conversation stands in the order in which it wrote it, wherever it was carried. One that came late to
/// a second conversation as well may be overtaken: nobody waits for it then.
fn senders_order(history: &History, stored: &Stored<'_>, findings: &mut Findings) {
    let mut last: BTreeMap<(&str, ConversationId, ConversationId), (u64, &str)> = BTreeMap::new();
    for message in &history.messages {
        let Some(places) = stored.get(&*message.text) else { continue };
        if places.forwarded.iter().any(|(id, ..)| *id != message.conversation) {
            continue;
        }
        for (id, seq, _) in &places.said {
            let of = (message.device.as_str(), message.conversation, *id);
            if let Some((before, text)) = last.insert(of, (*seq, message.text.as_str())) {
                let rises = before < *seq;
                findings.expect(rises, "I2", || {
                    format!(
                        "{id}: {:?} stands at {seq}, before {text:?}, which was written first",
                        message.text
                    )
                });
            }
        }
    }
}

/// Other requests that were accepted stand where they were acknowledged.
fn accepted(history: &History, findings: &mut Findings) {
    for asked in &history.asked {
        let event = at(history, asked.conversation, asked.seq).map(|entry| &entry.event);
        let stands = match (asked.what, event) {
            (What::Human, Some(Event::Queued { .. })) | (What::Close, Some(Event::Closed { .. })) => true,
            (What::Accept, Some(Event::Assigned { agent, .. })) => agent.id == asked.person,
            (What::Decline, Some(Event::OfferEnded { agent, .. })) => *agent == asked.person,
            (_, Some(Event::Desk(DeskEvent::Handover(event)))) => handover(asked, event),
            (What::Complete, Some(Event::Assigned { .. })) => true,
            (What::Wrap, Some(Event::Desk(DeskEvent::Wrap(WrapEvent::Ended { agent, disposition, .. })))) => {
                *agent == asked.person && disposition.is_some()
            }
            (What::Snooze, Some(Event::Desk(DeskEvent::Snooze(SnoozeEvent::Begun { snooze, .. })))) => {
                snooze.by == asked.person
            }
            (What::Rate, Some(Event::Desk(DeskEvent::Survey(SurveyEvent::Received { .. })))) => true,
            (What::Unsnooze, Some(Event::Desk(DeskEvent::Snooze(SnoozeEvent::Ended { .. })))) => true,
            (What::Transfer, Some(Event::Queued { .. } | Event::Desk(DeskEvent::BotTook { .. })))
            | (What::LeaveQueue, Some(Event::Closed { .. } | Event::Desk(DeskEvent::BotTook { .. }))) => true,
            (
                What::Human
                | What::Close
                | What::Accept
                | What::Decline
                | What::Transfer
                | What::LeaveQueue
                | What::HandOver
                | What::Complete
                | What::Withdraw
                | What::Conference
                | What::Wrap
                | What::Snooze
                | What::Unsnooze
                | What::Rate,
                _,
            ) => false,
        };
        let words = || {
            format!(
                "{} was told that {:?} happened at {} {}, where it did not",
                asked.person, asked.what, asked.conversation, asked.seq
            )
        };
        findings.expect(stands, "I2", words);
    }
}

/// A consultant joins by accepting; whoever is asked declines by ending it.
fn handover(asked: &Asked, event: &HandoverEvent) -> bool {
    match (asked.what, event) {
        (What::HandOver, HandoverEvent::Asked { .. })
        | (What::Withdraw, HandoverEvent::Ended { .. })
        | (What::Conference, HandoverEvent::Spoken { .. }) => true,
        (What::Accept, HandoverEvent::Joined { to, .. })
        | (What::Decline, HandoverEvent::Ended { to, .. }) => to.id == asked.person,
        (_, _) => false,
    }
}

/// No message of a person is stored that the person did not write.
fn nobody_elses(history: &History, findings: &mut Findings) {
    use conversa_engine::conversation::AuthorKind;
    let written: std::collections::BTreeSet<&str> =
        history.messages.iter().map(|message| &*message.text).collect();
    for (id, log) in &history.conversations {
        for entry in log {
            let (Event::Said(said) | Event::Forwarded(said)) = &entry.event else { continue };
            let by_person = matches!(said.author.kind, AuthorKind::Visitor | AuthorKind::Agent);
            let known = !by_person || written.contains(said.content.plain());
            findings.expect(known, "I2", || {
                format!("{id} {}: nobody wrote {:?}", entry.seq, said.content.plain())
            });
        }
    }
}
