//! The checker: reads a history and says which invariants it breaks. It knows what the design promises, not how the engine keeps it.

mod derived;
mod desk;
mod handover;
mod letters;
mod messages;
mod owners;
mod phases;
mod streams;
mod time;
mod wrap;

use std::fmt;

use conversa_engine::conversation::{Event, Said};
use conversa_engine::ids::ConversationId;

use crate::history::{Entry, History, Log};

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant of the design it breaks.
    pub invariant: &'static str,
    /// What is wrong, where.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// Collects violations.
#[derive(Debug, Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, invariant: &'static str, what: impl Into<String>) {
        self.0.push(Violation { invariant, what: what.into() });
    }

    /// Adds one unless `holds`.
    fn expect(&mut self, holds: bool, invariant: &'static str, what: impl FnOnce() -> String) {
        if !holds {
            self.add(invariant, what());
        }
    }
}

/// Checks a history that has settled.
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    let mut findings = Findings::default();
    orders(history, &mut findings);
    phases::check(history, &mut findings);
    messages::check(history, &mut findings);
    streams::check(history, &mut findings);
    desk::check(history, &mut findings);
    wrap::check(history, &mut findings);
    time::check(history, &mut findings);
    letters::check(history, &mut findings);
    derived::check(history, &mut findings);
    owners::check(history, &mut findings);
    findings.0
}

/// Checks who had which conversation, by the journals of conversations, agents and queues alone, when everything has settled.
#[must_use]
pub fn check_hands(history: &History) -> Vec<Violation> {
    let mut findings = Findings::default();
    orders(history, &mut findings);
    phases::check(history, &mut findings);
    let _who = desk::hands(history, &mut findings);
    findings.0
}

/// I1: seq = 1, 2, 3, …, and time does not run backwards.
fn orders(history: &History, findings: &mut Findings) {
    for (id, log) in &history.conversations {
        order(&id.to_string(), log, findings);
    }
    for (id, log) in &history.agents {
        order(id.as_str(), log, findings);
    }
    for (id, log) in &history.queues {
        order(id.as_str(), log, findings);
    }
    for (id, log) in &history.sessions {
        order(id.as_str(), log, findings);
    }
    for (id, log) in &history.bots {
        order(&format!("bot of {id}"), log, findings);
    }
}

fn order<E>(of: &str, log: &Log<E>, findings: &mut Findings) {
    for (entry, expected) in log.iter().zip(1..) {
        findings.expect(entry.seq == expected, "I1", || {
            format!("{of}: event {} stands at place {expected}", entry.seq)
        });
    }
    for pair in log.windows(2) {
        findings.expect(pair[0].at <= pair[1].at, "I1", || {
            format!("{of}: event {} is earlier than the one before it", pair[1].seq)
        });
    }
}

/// The event at `seq` of a conversation.
fn at(history: &History, id: ConversationId, seq: u64) -> Option<&Entry<Event>> {
    history.conversations.get(&id)?.iter().find(|entry| entry.seq == seq)
}

/// The message that the event is.
fn said(event: &Event) -> Option<&Said> {
    if let Event::Said(said) = event { Some(said) } else { None }
}

/// The late message that the event has passed on.
fn forwarded(event: &Event) -> Option<&Said> {
    if let Event::Forwarded(said) = event { Some(said) } else { None }
}
