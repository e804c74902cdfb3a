//! What the bot makes of one question: answer, ask back, make small talk, or hand over.

use serde::{Deserialize, Serialize};

use super::human::asks_for_human;
use super::index::{Hit, Index};
use super::knowledge::Entry;
use super::small_talk::{SmallTalk, small_talk, without_small_talk};
use crate::text::{Kind, language, tokens};

/// Most entries that the bot offers when it asks back.
pub const CLARIFY_MAX: usize = 4;
/// Fewest entries worth asking back for.
const CLARIFY_MIN: usize = 2;

/// How sure the bot has to be. All are scores, or shares of the best score, from 0 to 1.
///
/// The defaults were chosen by hand for the sample knowledge base, where they answer 6 % of 3,425 questions that only a
/// bank can answer (`bank_questions_asked_in_a_shop_are_seldom_answered`). A company with logs of its own should choose
/// its own on questions held out for that.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Score from which the best entry is the answer, unless another rivals it.
    pub answer: f32,
    /// Share of the best score from which the second is a rival: the bot asks which was meant.
    pub rival: f32,
    /// Score from which the best entry is the answer with or without a rival.
    pub certain: f32,
    /// Score from which the best entry is the answer if no other is worth offering.
    pub alone: f32,
    /// Score from which the bot offers what it has. Below, nothing fits.
    pub clarify: f32,
    /// Share of the best score from which an entry is worth offering.
    pub offer: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { answer: 0.45, rival: 0.8, certain: 0.9, alone: 0.38, clarify: 0.25, offer: 0.6 }
    }
}

/// What the bot does about a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<'a> {
    /// It knows.
    Answer {
        /// The entry that answers.
        entry: &'a Entry,
        /// How well it fits, 0 to 1.
        score: f32,
    },
    /// It asks which of these was meant.
    Clarify {
        /// Two to [`CLARIFY_MAX`] entries, best first.
        entries: Vec<Hit<'a>>,
    },
    /// It is only being polite.
    SmallTalk {
        /// What the visitor said.
        kind: SmallTalk,
        /// What the bot says, in the visitor's language.
        reply: &'static str,
    },
    /// A human has to.
    HandOver {
        /// Why.
        reason: Reason,
    },
}

/// Why the bot hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The visitor asked for a human.
    AskedForHuman,
    /// There are no words in the message.
    NoWords,
    /// Nothing in the knowledge base fits well enough.
    NoMatch,
}

/// Judges one question by a knowledge base. The same question gets the same outcome.
#[must_use]
pub fn judge<'a>(index: &'a Index, question: &str, thresholds: &Thresholds) -> Outcome<'a> {
    if asks_for_human(question) {
        return Outcome::HandOver { reason: Reason::AskedForHuman };
    }
    if let Some(kind) = small_talk(question) {
        return Outcome::SmallTalk { kind, reply: kind.reply(language(question)) };
    }
    let asked = without_small_talk(question);
    if !tokens(&asked).iter().any(|token| matches!(token.kind, Kind::Han | Kind::Word)) {
        return Outcome::HandOver { reason: Reason::NoWords };
    }
    decide(index.search(&asked, CLARIFY_MAX), thresholds)
}

fn decide<'a>(mut hits: Vec<Hit<'a>>, thresholds: &Thresholds) -> Outcome<'a> {
    let Some(&best) = hits.first() else {
        return Outcome::HandOver { reason: Reason::NoMatch };
    };
    hits.retain(|hit| hit.score >= best.score * thresholds.offer);
    let alone = hits.len() < CLARIFY_MIN;
    let rivalled = hits.get(1).is_some_and(|second| second.score >= best.score * thresholds.rival);
    let sure_from = match (alone, rivalled) {
        (true, _) => thresholds.alone,
        (false, false) => thresholds.answer,
        (false, true) => thresholds.certain,
    };
    if best.score >= sure_from {
        Outcome::Answer { entry: best.entry, score: best.score }
    } else if best.score >= thresholds.clarify && !alone {
        Outcome::Clarify { entries: hits }
    } else {
        Outcome::HandOver { reason: Reason::NoMatch }
    }
}
