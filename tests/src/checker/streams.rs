//! I4: each socket shows every event after its client's position once, in order, unaltered; one that is open when everything has
//! settled has shown all.

use std::collections::BTreeMap;

use conversa_engine::conversation::Event;
use conversa_engine::ids::ConversationId;

use super::handover::Hand;
use super::phases::Stand;
use super::{Findings, at};
use crate::history::{History, Log, Shown, Stream};

pub(super) fn check(history: &History, findings: &mut Findings) {
    for (place, stream) in history.streams.iter().enumerate() {
        let name = format!("socket {} of {}", place + 1, stream.person);
        let reached = gapless(history, stream, &name, findings);
        if stream.live {
            complete(history, stream, &reached, &name, findings);
        }
    }
}

/// Gives how far each conversation was shown.
fn gapless(
    history: &History,
    stream: &Stream,
    name: &str,
    findings: &mut Findings,
) -> BTreeMap<ConversationId, u64> {
    let mut reached = stream.positions.clone();
    for shown in &stream.shown {
        let (id, seq) = match shown {
            Shown::Event(id, seq, event) => {
                let stored = at(history, *id, *seq).map(|entry| &entry.event);
                findings.expect(stored == Some(&**event), "I4", || {
                    format!("{name}: {id} {seq} was shown otherwise than it is stored")
                });
                let before = reached.get(id).copied().unwrap_or_default();
                findings
                    .expect(before < *seq, "I4", || format!("{name}: {id} {seq} was shown after {before}"));
                (*id, *seq)
            }
            Shown::Own(id, seq) => (*id, *seq),
        };
        let reached = reached.entry(id).or_default();
        for missed in missed(history, stream, id, *reached, seq) {
            findings.add("I4", format!("{name}: {id} {seq} was shown after {reached} and without {missed}"));
        }
        *reached = (*reached).max(seq);
    }
    reached
}

/// What is visible between two offsets, without either.
fn missed(history: &History, stream: &Stream, id: ConversationId, after: u64, before: u64) -> Vec<u64> {
    let log = history.conversations.get(&id).into_iter().flatten();
    let between = log.filter(|entry| after < entry.seq && entry.seq < before);
    between.filter(|entry| stream.agent || entry.event.public()).map(|entry| entry.seq).collect()
}

fn complete(
    history: &History,
    stream: &Stream,
    reached: &BTreeMap<ConversationId, u64>,
    name: &str,
    findings: &mut Findings,
) {
    for (id, log) in &history.conversations {
        let followed = stream.positions.contains_key(id);
        let concerns = if stream.agent { concerns_agent(stream, log) } else { concerns_visitor(stream, log) };
        let last =
            concerns.into_iter().filter(|(_, at)| followed || *at > stream.since).map(|(seq, _)| seq).max();
        let reached = reached.get(id).copied().unwrap_or_default();
        if let Some(last) = last {
            findings.expect(last <= reached, "I4", || {
                format!("{name} is open and was left at {id} {reached}, without {last}")
            });
        }
    }
}

type Concerns = Vec<(u64, conversa_engine::time::Time)>;

fn concerns_visitor(stream: &Stream, log: &Log<Event>) -> Concerns {
    let own = matches!(log.first().map(|entry| &entry.event), Some(Event::Opened(opening)) if opening.visitor.id == stream.person);
    let public = log.iter().filter(|entry| own && entry.event.public());
    public.map(|entry| (entry.seq, entry.at)).collect()
}

/// An agent sees what happens while holding a conversation, being offered it or in it as a second, up to and with the event that ends that.
fn concerns_agent(stream: &Stream, log: &Log<Event>) -> Concerns {
    let (mut stand, mut hand) = (Stand::default(), Hand::default());
    let mut concerns = Vec::new();
    for entry in log {
        let concerned = |stand: &Stand, hand: &Hand| {
            stand.agent() == Some(&stream.person) || hand.second() == Some(&stream.person)
        };
        let before = concerned(&stand, &hand);
        (stand, hand) = (stand.after(&entry.event), hand.after(&entry.event));
        if before || concerned(&stand, &hand) {
            concerns.push((entry.seq, entry.at));
        }
    }
    concerns
}
