//! Judges recorded histories: what both sides sent, what was acknowledged, what they saw, against what is stored. Pure: a history
//! in, counts out; it trusts nobody and asks nobody.
//!
//! Each message is sent only after the one before was acknowledged, so the order of sending binds the whole session, which
//! includes each sender's own order.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use conversa_engine::content::Content;
use serde::Serialize;

/// Who speaks in a recorded session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The customer.
    Visitor,
    /// The company's human.
    Agent,
}

impl Side {
    /// The one who listens.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Visitor => Self::Agent,
            Self::Agent => Self::Visitor,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Visitor => "visitor",
            Self::Agent => "agent",
        })
    }
}

/// A message that somebody sent, in the order of sending.
#[derive(Clone, Debug)]
pub struct Sending {
    /// By whom.
    pub side: Side,
    /// Under which key; `None` when its fate is unknown.
    pub key: Option<String>,
    /// What.
    pub content: Content,
    /// The server said that it is stored.
    pub acknowledged: bool,
    /// At which offset, when the server said so.
    pub o: Option<u64>,
}

/// A message as a reader saw it, or as it is stored.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its offset.
    pub o: u64,
    /// Whose it is.
    pub side: Side,
    /// Under which key it was sent.
    pub key: Option<String>,
    /// What it says.
    pub content: Content,
}

/// One socket's view, in the order of seeing.
#[derive(Clone, Debug)]
pub struct Reader {
    /// On whose side.
    pub side: Side,
    /// A name for findings.
    pub name: String,
    /// What it was shown; its own messages may be missing.
    pub seen: Vec<Line>,
}

/// All that is known of one session.
#[derive(Clone, Debug)]
pub struct History {
    /// A name for findings.
    pub name: String,
    /// Turns that were to be played.
    pub planned: usize,
    /// What was sent.
    pub sent: Vec<Sending>,
    /// Who saw what.
    pub readers: Vec<Reader>,
    /// What is stored, in the order in which the server lists it.
    pub stored: Vec<Line>,
    /// Why the session did not come to its end.
    pub failure: Option<String>,
}

/// The checker's counts; everything from `lost` on must be 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Messages sent.
    pub sent: u64,
    /// Of these acknowledged.
    pub acknowledged: u64,
    /// Acknowledged or seen but not stored; stored but never shown to the other side; not played because the session failed.
    pub lost: u64,
    /// Stored twice or shown twice.
    pub doubled: u64,
    /// Stored in another order than sent, at another offset than acknowledged, or shown in another order than stored.
    pub out_of_order: u64,
    /// Stored or shown with another content or author than sent, or sent by nobody.
    pub altered: u64,
}

/// Counts and, for people, what was found.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// The counts.
    pub counts: Counts,
    /// One sentence per fault.
    pub findings: Vec<String>,
}

/// Judges all sessions together.
#[must_use]
pub fn check<'a>(histories: impl IntoIterator<Item = &'a History>) -> Verdict {
    let mut verdict = Verdict::default();
    for history in histories {
        Bench { history, verdict: &mut verdict }.judge();
    }
    verdict
}

/// One session before the checker.
struct Bench<'a> {
    history: &'a History,
    verdict: &'a mut Verdict,
}

impl<'a> Bench<'a> {
    fn judge(&mut self) {
        let history = self.history;
        let acknowledged = history.sent.iter().filter(|sending| sending.acknowledged).count();
        self.verdict.counts.sent += history.sent.len() as u64;
        self.verdict.counts.acknowledged += acknowledged as u64;
        let stored = self.list();
        self.compare_sent(&stored);
        for reader in &history.readers {
            self.compare_seen(reader, &stored);
        }
        self.look_for_unseen(&stored);
        if let Some(failure) = &history.failure {
            let missing = history.planned.saturating_sub(acknowledged).max(1);
            self.verdict.counts.lost += missing as u64;
            self.note(format!("{missing} turns not played: {failure}"));
        }
    }

    /// The stored messages by offset; the list itself must rise.
    fn list(&mut self) -> BTreeMap<u64, &'a Line> {
        let mut stored: BTreeMap<u64, &Line> = BTreeMap::new();
        for line in &self.history.stored {
            if stored.last_key_value().is_some_and(|(last, _)| line.o < *last) {
                self.out_of_order(format!("the stored list goes back to {}", line.o));
            }
            if stored.insert(line.o, line).is_some() {
                self.doubled(format!("offset {} is stored twice", line.o));
            }
        }
        stored
    }

    fn compare_sent(&mut self, stored: &BTreeMap<u64, &'a Line>) {
        let sent = &self.history.sent;
        let mut places: Vec<Option<u64>> = vec![None; sent.len()];
        for line in stored.values() {
            let Some(index) = self.sending_of(line, &places) else {
                if sent.iter().any(|sending| sending.side == line.side && sending.content == line.content) {
                    self.doubled(format!("{} is stored again under another key", show(line)));
                } else {
                    self.altered(format!("{} was sent by nobody", show(line)));
                }
                continue;
            };
            if places[index].is_some() {
                self.doubled(format!("{} is stored again", show(line)));
                continue;
            }
            places[index] = Some(line.o);
            if sent[index].content != line.content {
                self.altered(format!("{} was sent as {:?}", show(line), sent[index].content.plain()));
            }
            if sent[index].o.is_some_and(|o| o != line.o) {
                self.out_of_order(format!("{} was acknowledged at {:?}", show(line), sent[index].o));
            }
        }
        self.compare_places(&places);
    }

    /// Which sending a stored line is: by its key; one whose fate is unknown by its words.
    fn sending_of(&self, line: &Line, places: &[Option<u64>]) -> Option<usize> {
        let sent = &self.history.sent;
        let by_key = sent.iter().position(|sending| {
            sending.side == line.side && sending.key.is_some() && sending.key == line.key
        });
        by_key.or_else(|| {
            let unknown = |(sending, place): (&Sending, &Option<u64>)| {
                sending.key.is_none()
                    && place.is_none()
                    && sending.side == line.side
                    && sending.content == line.content
            };
            sent.iter().zip(places).position(unknown)
        })
    }

    fn compare_places(&mut self, places: &[Option<u64>]) {
        let mut before = 0;
        for (sending, place) in self.history.sent.iter().zip(places) {
            match place {
                Some(o) if *o < before => self
                    .out_of_order(format!("{:?} was sent later but stored earlier", sending.content.plain())),
                Some(o) => before = *o,
                None if sending.acknowledged => {
                    self.lost(format!(
                        "{:?} of the {} was acknowledged and is not stored",
                        sending.content.plain(),
                        sending.side
                    ));
                }
                None => {}
            }
        }
    }

    fn compare_seen(&mut self, reader: &Reader, stored: &BTreeMap<u64, &Line>) {
        let (mut offsets, mut keys) = (HashSet::new(), HashSet::new());
        let mut before = 0;
        for line in &reader.seen {
            let again =
                !offsets.insert(line.o) | line.key.as_ref().is_some_and(|key| !keys.insert((line.side, key)));
            if again {
                self.doubled(format!("{} was shown again to {}", show(line), reader.name));
                continue;
            }
            if line.o < before {
                self.out_of_order(format!("{} was shown to {} after {before}", show(line), reader.name));
            }
            before = before.max(line.o);
            match stored.get(&line.o) {
                None => self.lost(format!("{} was shown to {} and is not stored", show(line), reader.name)),
                Some(stored) if stored.side != line.side || stored.content != line.content => {
                    self.altered(format!(
                        "{} was shown to {} but stored is {}",
                        show(line),
                        reader.name,
                        show(stored)
                    ));
                }
                Some(_) => {}
            }
        }
    }

    /// What is stored must have been shown to the other side, through one of its sockets at least.
    fn look_for_unseen(&mut self, stored: &BTreeMap<u64, &Line>) {
        for line in stored.values() {
            let listens = line.side.other();
            let mut readers = self.history.readers.iter().filter(|reader| reader.side == listens);
            if !readers.any(|reader| reader.seen.iter().any(|seen| seen.o == line.o)) {
                self.lost(format!("{} was never shown to the {listens}", show(line)));
            }
        }
    }

    fn lost(&mut self, what: String) {
        self.verdict.counts.lost += 1;
        self.note(format!("lost: {what}"));
    }

    fn doubled(&mut self, what: String) {
        self.verdict.counts.doubled += 1;
        self.note(format!("doubled: {what}"));
    }

    fn out_of_order(&mut self, what: String) {
        self.verdict.counts.out_of_order += 1;
        self.note(format!("out of order: {what}"));
    }

    fn altered(&mut self, what: String) {
        self.verdict.counts.altered += 1;
        self.note(format!("altered: {what}"));
    }

    fn note(&mut self, what: String) {
        self.verdict.findings.push(format!("session {}: {what}", self.history.name));
    }
}

fn show(line: &Line) -> String {
    format!("{} at {} of the {}", short(line.content.plain()), line.o, line.side)
}

fn short(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    let cut: String = text.chars().take(CHARS_MAX).collect();
    if cut.len() == text.len() { format!("{cut:?}") } else { format!("{cut:?}…") }
}

#[cfg(test)]
mod tests;
