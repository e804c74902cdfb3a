//! What happens to messages after they were said: edits, recalls, reactions, and how far each person has received and read.
//!
//! The state keeps where the last change of a message stands in the log, not its words: it stays small however long a conversation lasts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Author, AuthorKind, Conversation, Event, Phase, Visibility};
use crate::content::Content;
use crate::ids::PersonId;
use crate::refusal::{Code, Decision, Refusal};
use crate::time::Time;

/// A message may be edited or recalled by its author for this time, milliseconds.
pub const CHANGE_MS: i64 = 24 * 3_600_000;
/// Messages of one conversation that may have been edited or recalled; the next change is refused.
const CHANGED_MAX: usize = 512;
/// Messages of one conversation that may carry reactions.
const REACTED_MAX: usize = 512;
/// Reactions of one message.
const REACTIONS_MAX: usize = 20;
/// Longest reaction, bytes: an emoji of several code points fits.
const EMOJI_BYTES_MAX: usize = 32;
/// People whose marks are kept; beyond it the one who marked longest ago is forgotten, and marks again.
const MARKS_MAX: usize = 32;

/// The message that a change is about, as the asker read it in the log. A log never changes, so this stays true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its offset.
    pub seq: u64,
    /// In which part its author spoke.
    pub kind: AuthorKind,
    /// Its author.
    pub author: PersonId,
    /// Who may read it.
    pub visibility: Visibility,
    /// When it was said.
    pub at: Time,
}

/// What is wanted of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Other words.
    Edit(Content),
    /// It is to be gone from everybody's sight.
    Recall,
    /// A reaction is put on it or taken off.
    React {
        /// The emoji.
        emoji: String,
        /// False takes it off.
        on: bool,
    },
}

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// An outside channel or push provider has taken it.
    Sent,
    /// A device has taken responsibility for it.
    Delivered,
    /// A person has read it.
    Read,
}

impl Reach {
    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
        }
    }
}

/// How far everything up to an offset has come to one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// In which part the person hears.
    pub kind: AuthorKind,
    /// Who.
    pub person: PersonId,
    /// Offsets of the last message sent, delivered and read.
    pub upto: [u64; 3],
}

/// Where the last change of a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Offset of the event that changed it last.
    pub by: u64,
    /// It is gone from sight.
    pub recalled: bool,
    /// Of its present content: a repeated edit is recognised.
    digest: u64,
}

/// The changes and marks of one conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    #[serde(default)]
    changed: BTreeMap<u64, Changed>,
    #[serde(default)]
    reactions: BTreeMap<u64, Vec<(PersonId, String)>>,
    #[serde(default)]
    marks: Vec<Mark>,
    /// Offsets of the last message of the visitor and of the company's side.
    #[serde(default)]
    spoke: [u64; 2],
}

fn side(kind: AuthorKind) -> usize {
    usize::from(kind != AuthorKind::Visitor)
}

impl Changes {
    /// The messages that were edited or recalled.
    #[must_use]
    pub fn changed(&self) -> &BTreeMap<u64, Changed> {
        &self.changed
    }

    /// Who reacted how to which message.
    #[must_use]
    pub fn reactions(&self) -> &BTreeMap<u64, Vec<(PersonId, String)>> {
        &self.reactions
    }

    /// How far everything has come to whom.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// True when nothing was changed and nobody reacted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.reactions.is_empty()
    }

    pub(super) fn said(&mut self, kind: AuthorKind, seq: u64) {
        self.spoke[side(kind)] = seq;
    }

    pub(super) fn apply(&mut self, event: &Event, seq: u64) {
        match event {
            Event::Edited { seq: of, content, .. } => {
                self.changed.insert(*of, Changed { by: seq, recalled: false, digest: content.digest() });
            }
            Event::Recalled { seq: of, .. } => {
                self.changed.insert(*of, Changed { by: seq, recalled: true, digest: 0 });
                self.reactions.remove(of);
            }
            Event::Reacted { seq: of, by, emoji, on, .. } => self.reacted(*of, &by.id, emoji, *on),
            Event::Marked { by, reach, upto, .. } => self.marked(by, *reach, *upto),
            _ => {}
        }
    }

    fn reacted(&mut self, of: u64, by: &PersonId, emoji: &str, on: bool) {
        let reactions = self.reactions.entry(of).or_default();
        reactions.retain(|(person, known)| person != by || known != emoji);
        if on {
            reactions.push((by.clone(), emoji.to_owned()));
        } else if reactions.is_empty() {
            self.reactions.remove(&of);
        }
    }

    fn marked(&mut self, by: &Author, reach: Reach, upto: u64) {
        let place = self.marks.iter().position(|mark| mark.person == by.id);
        let mut mark = match place {
            Some(place) => self.marks.remove(place),
            None => {
                if self.marks.len() == MARKS_MAX {
                    self.marks.remove(0);
                }
                Mark { kind: by.kind, person: by.id.clone(), upto: [0; 3] }
            }
        };
        // What is read was delivered, and what was delivered was sent.
        for upto_of in &mut mark.upto[..=reach as usize] {
            *upto_of = (*upto_of).max(upto);
        }
        self.marks.push(mark);
    }

    /// Up to where a mark would move, `None` when it says nothing new: receipts are about the other side's messages.
    fn moves(&self, by: &Author, reach: Reach, upto: u64) -> Option<u64> {
        let upto = upto.min(self.spoke[1 - side(by.kind)]);
        let known = self.marks.iter().find(|mark| mark.person == by.id);
        (upto > known.map_or(0, |mark| mark.upto[reach as usize])).then_some(upto)
    }
}

impl Conversation {
    /// What has happened to messages after they were said.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    pub(super) fn change(&self, now: Time, by: Author, target: &Subject, change: Change) -> Decision<Event> {
        self.may_change(&by)?;
        let hidden = by.kind == AuthorKind::Visitor && target.visibility == Visibility::Internal;
        if target.seq == 0 || target.seq > self.head || hidden {
            return Err(Refusal::new(Code::NotFound, "there is no such message in this conversation"));
        }
        let known = self.changes.changed.get(&target.seq);
        match change {
            Change::React { emoji, on } => return self.react(now, by, target, known, emoji, on),
            Change::Edit(_) | Change::Recall => {}
        }
        if target.author != by.id || target.kind != by.kind {
            return Err(Refusal::new(Code::Forbidden, "a message is edited and recalled by its author only"));
        }
        if let Some(known) = known.filter(|known| known.recalled) {
            return Err(match change {
                Change::Recall => Refusal::duplicate(Some(known.by)),
                Change::Edit(_) | Change::React { .. } => recalled(),
            });
        }
        if now.ms_since(target.at) > CHANGE_MS {
            let hours = CHANGE_MS / 3_600_000;
            return Err(Refusal::new(
                Code::Gone,
                format!("a message is edited and recalled within {hours} hours: send another one"),
            ));
        }
        if known.is_none() && self.changes.changed.len() >= CHANGED_MAX {
            return Err(too_many("changed messages", CHANGED_MAX));
        }
        let (seq, visibility) = (target.seq, target.visibility);
        match change {
            Change::Edit(content) => {
                content.check()?;
                if let Some(known) = known.filter(|known| known.digest == content.digest()) {
                    return Err(Refusal::duplicate(Some(known.by)));
                }
                Ok(vec![Event::Edited { seq, content, by, visibility, at: now }])
            }
            Change::Recall => Ok(vec![Event::Recalled { seq, by, visibility, at: now }]),
            Change::React { .. } => Ok(Vec::new()),
        }
    }

    fn react(
        &self,
        now: Time,
        by: Author,
        target: &Subject,
        known: Option<&Changed>,
        emoji: String,
        on: bool,
    ) -> Decision<Event> {
        let sound = (1..=EMOJI_BYTES_MAX).contains(&emoji.len())
            && emoji.chars().all(|c| !c.is_whitespace() && !c.is_control());
        if !sound {
            return Err(Refusal::new(
                Code::BadRequest,
                format!("emoji is 1 to {EMOJI_BYTES_MAX} bytes without spaces"),
            ));
        }
        if known.is_some_and(|known| known.recalled) {
            return Err(recalled());
        }
        let reactions = self.changes.reactions.get(&target.seq);
        let stands = reactions
            .is_some_and(|all| all.iter().any(|(person, known)| *person == by.id && *known == emoji));
        if stands == on {
            return Err(Refusal::duplicate(None));
        }
        if on && reactions.is_none() && self.changes.reactions.len() >= REACTED_MAX {
            return Err(too_many("messages with reactions", REACTED_MAX));
        }
        if on && reactions.is_some_and(|all| all.len() >= REACTIONS_MAX) {
            return Err(too_many("reactions to one message", REACTIONS_MAX));
        }
        let (seq, visibility) = (target.seq, target.visibility);
        Ok(vec![Event::Reacted { seq, by, emoji, on, visibility, at: now }])
    }

    /// Notes how far everything has come to somebody. Whoever is no participant any more is not heard, and need not know;
    /// a consultant leaves no marks.
    pub(super) fn mark(&self, now: Time, by: Author, reach: Reach, upto: u64) -> Vec<Event> {
        let takes_part = match by.kind {
            AuthorKind::Visitor => self.opening.as_ref().is_some_and(|opening| opening.visitor.id == by.id),
            AuthorKind::Agent => self.agent().is_some_and(|agent| agent.id == by.id),
            AuthorKind::Bot | AuthorKind::System => false,
        };
        let moves = self.changes.moves(&by, reach, upto.min(self.head)).filter(|_| takes_part);
        moves.map(|upto| Event::Marked { by, reach, upto, at: now }).into_iter().collect()
    }

    /// The same for the visitor of a channel, who has no socket that would say it.
    pub(super) fn reached(&self, now: Time, reach: Reach, upto: u64) -> Vec<Event> {
        let visitor = self.opening.as_ref().map(|opening| &opening.visitor);
        let by = visitor.map(|visitor| Author::person(AuthorKind::Visitor, visitor));
        by.map(|by| self.mark(now, by, reach, upto)).unwrap_or_default()
    }

    /// An outside channel could not deliver a message.
    pub(super) fn fail(&self, now: Time, seq: u64, why: String, last: bool) -> Vec<Event> {
        if seq == 0 || seq > self.head {
            return Vec::new();
        }
        vec![Event::Failed { seq, why: why.chars().take(256).collect(), last, at: now }]
    }

    fn may_change(&self, by: &Author) -> Result<(), Refusal> {
        let opening = self.opening.as_ref().ok_or_else(super::decide::not_found)?;
        if matches!(self.phase, Phase::Closed { .. }) {
            return Err(super::decide::closed());
        }
        match by.kind {
            AuthorKind::Visitor if by.id == opening.visitor.id => Ok(()),
            AuthorKind::Visitor | AuthorKind::Bot | AuthorKind::System => {
                Err(super::decide::not_a_participant())
            }
            AuthorKind::Agent if self.consulted(&by.id, false) => Ok(()),
            AuthorKind::Agent => match &self.phase {
                Phase::Assigned { agent, .. } if agent.id == by.id => Ok(()),
                Phase::Unopened
                | Phase::Bot
                | Phase::Queued(_)
                | Phase::Offered(..)
                | Phase::Assigned { .. }
                | Phase::Closed { .. } => Err(super::decide::not_assigned()),
            },
        }
    }
}

fn recalled() -> Refusal {
    Refusal::new(Code::Gone, "the message was recalled")
}

fn too_many(what: &str, max: usize) -> Refusal {
    Refusal::new(Code::QuotaExceeded, format!("one conversation has at most {max} {what}"))
}
