//! What quality hears of a conversation. The conversation's own events are mapped to this by who hosts the watcher.

use serde::{Deserialize, Serialize};

use crate::voice::Understanding;

/// Something that happened in one conversation. Moments are heard once each, in the order of their `seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment<'a> {
    /// Its place in the conversation.
    pub seq: u64,
    /// When, milliseconds since the Unix epoch; a clock that runs backwards counts as no time passed.
    pub ts: i64,
    /// What.
    pub what: What<'a>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// It began.
    Opened {
        /// Through which channel.
        channel: &'a str,
    },
    /// Somebody said something that the visitor can read. Internal notes are not for quality.
    Said {
        /// In which part.
        role: Role,
        /// The text, or the words that stand for the content.
        text: &'a str,
        /// Written or shown.
        medium: Medium,
        /// What was read in the text, where that is kept.
        understanding: Option<&'a Understanding>,
    },
    /// It began to wait for a human.
    Queued,
    /// A human took it.
    Assigned,
    /// It ended.
    Closed,
    /// It goes on after its end.
    Reopened,
}

/// The part that a speaker plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Role {
    Visitor,
    Agent,
    Bot,
    System,
}

/// Whether a message's text is what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// Written by the speaker: its words are judged.
    Text,
    /// A picture, card or file: it counts as a message, but its words are nobody's wording.
    Other,
}
