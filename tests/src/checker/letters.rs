//! Letters: what an event asks of others has happened, once, when everything has settled; and nothing was left undone.

use std::collections::{BTreeMap, BTreeSet};

use conversa_actors::behaviours::{BotEvent, SessionEvent};
use conversa_engine::content::Content;
use conversa_engine::conversation::{AuthorKind, Event};
use conversa_engine::ids::ConversationId;

use super::Findings;
use super::phases::Stand;
use crate::history::{History, Log};

pub(super) fn check(history: &History, findings: &mut Findings) {
    for undone in &history.undone {
        findings.add("settled", undone.clone());
    }
    for (id, log) in &history.conversations {
        bot_heard(history, *id, log, findings);
        rated(history, *id, log, findings);
    }
    sessions_know(history, findings);
    carried(history, findings);
}

/// The bot has heard every message of its phase, and each of its replies is said at most once: not when a human was faster.
fn bot_heard(history: &History, id: ConversationId, log: &Log<Event>, findings: &mut Findings) {
    let (mut stand, mut told, mut said) = (Stand::default(), BTreeSet::new(), 0);
    let mut has_bot = false;
    for entry in log {
        if let Event::Opened(opening) = &entry.event {
            has_bot = opening.bot.is_some();
        }
        let author = super::said(&entry.event).map(|said| said.author.kind);
        if author == Some(AuthorKind::Visitor) && stand == Stand::Bot {
            told.insert(entry.seq);
        }
        said += usize::from(author == Some(AuthorKind::Bot));
        stand = stand.after(&entry.event);
    }
    let replies = history.bots.get(&id);
    let heard: Vec<u64> = replies.into_iter().flatten().map(|entry| heard_of(&entry.event)).collect();
    let once: BTreeSet<u64> = heard.iter().copied().collect();
    findings.expect(once.len() == heard.len(), "letters", || {
        format!("{id}: its bot heard a message twice: {heard:?}")
    });
    findings.expect(said <= heard.len(), "letters", || {
        format!("{id}: its bot replied {} times and said {said} things", heard.len())
    });
    if has_bot {
        findings.expect(once == told, "letters", || {
            format!("{id}: its bot was to hear {told:?} and heard {once:?}")
        });
    }
}

fn heard_of(event: &BotEvent) -> u64 {
    match event {
        BotEvent::Replied { seq, .. }
        | BotEvent::NotUnderstood { seq, .. }
        | BotEvent::HandedOver { seq, .. } => *seq,
    }
}

/// A conversation that has closed was asked for a rating, once.
fn rated(history: &History, id: ConversationId, log: &Log<Event>, findings: &mut Findings) {
    let closed = log.iter().any(|entry| matches!(entry.event, Event::Closed { .. }));
    let asked = log
        .iter()
        .filter(|entry| {
            matches!(&entry.event, Event::Said(said) if said.author.kind == AuthorKind::System
                && matches!(said.content, Content::Choices { .. }))
        })
        .count();
    let journalled = history.ratings.get(&id).copied().unwrap_or_default();
    let expected = usize::from(closed);
    findings.expect(asked == expected && journalled == expected, "letters", || {
        format!("{id}: asked for a rating {asked} times, decided on {journalled} times, closed: {closed}")
    });
}

/// Each visitor's session knows which of the conversations is live.
fn sessions_know(history: &History, findings: &mut Findings) {
    for (visitor, log) in &history.sessions {
        let mut live: BTreeMap<&str, ConversationId> = BTreeMap::new();
        let mut own = BTreeSet::new();
        for entry in log {
            match &entry.event {
                SessionEvent::Opened { conversation, opening } => {
                    live.insert(&opening.channel, *conversation);
                    own.insert(*conversation);
                }
                SessionEvent::Ended { channel, .. } => {
                    live.remove(&**channel);
                }
                SessionEvent::Carried { channel, to, .. } => {
                    live.insert(channel, *to);
                }
            }
        }
        for id in own {
            let open = history.conversations.get(&id).is_some_and(|log| Stand::of(log) != Stand::Closed);
            let known = live.values().any(|known| *known == id);
            findings.expect(open == known, "letters", || {
                format!("{id} of {visitor} is open: {open}; its session says: {known}")
            });
        }
    }
}

/// What was passed on after a close was said somewhere.
fn carried(history: &History, findings: &mut Findings) {
    let stored = history.conversations.values().flatten();
    let said: BTreeSet<&str> =
        stored.filter_map(|entry| Some(super::said(&entry.event)?.content.plain())).collect();
    for (id, log) in &history.conversations {
        for entry in log {
            if let Event::Forwarded(late) = &entry.event {
                let arrived = said.contains(late.content.plain());
                findings.expect(arrived, "I2", || {
                    format!("{id} {}: a late message was passed on and never arrived", entry.seq)
                });
            }
        }
    }
}
