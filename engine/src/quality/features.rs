//! What can be measured of a conversation: exact integers, kept up to date moment by moment in a bounded state.
//!
//! To add a feature, write a constant in the file of its family and list it in [`FEATURES`].

mod compliance;
mod courtesy;
mod language;
mod mood;
mod outcome;
mod timing;
mod turns;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Moment;
use super::reading::Reading;

/// All features, by family.
pub const FEATURES: &[Feature] = &[
    timing::FIRST_HUMAN_RESPONSE_MS,
    timing::RESPONSE_MAX_MS,
    timing::RESPONSE_MEAN_MS,
    timing::VISITOR_WAIT_MAX_MS,
    timing::QUEUE_WAIT_MS,
    timing::HOLD_MAX_MS,
    timing::DURATION_MS,
    turns::VISITOR_MESSAGES,
    turns::AGENT_MESSAGES,
    turns::BOT_MESSAGES,
    turns::TURNS,
    turns::UNANSWERED_BURST_MAX,
    turns::VISITOR_REPEATS,
    turns::AGENT_REPEATS,
    turns::AGENT_TALK_PERMILLE,
    language::SAME_LANGUAGE_PERMILLE,
    language::VISITOR_SHOUTS,
    language::AGENT_SHOUTS,
    language::ONE_WORD_REPLIES,
    language::PLACEHOLDERS_LEFT,
    language::MOJIBAKE,
    courtesy::GREETING,
    courtesy::INTRODUCTION,
    courtesy::CLOSING,
    courtesy::FURTHER_HELP,
    courtesy::THANKS,
    courtesy::APOLOGIES,
    courtesy::EMPATHY,
    courtesy::FORMAL_YOU_PERMILLE,
    courtesy::FORBIDDEN_PHRASES,
    mood::SENTIMENT_MEAN_MILLI,
    mood::SENTIMENT_FIRST_THIRD_MILLI,
    mood::SENTIMENT_LAST_THIRD_MILLI,
    mood::SENTIMENT_CHANGE_MILLI,
    mood::SENTIMENT_VALLEY_MILLI,
    mood::NEGATIVE_MESSAGES,
    mood::THREATS,
    compliance::SECRETS_ASKED,
    compliance::OFF_PLATFORM_CONTACTS,
    compliance::ABSOLUTE_PROMISES,
    compliance::PRIVATE_PAYMENTS,
    outcome::CLOSED,
    outcome::REOPENED,
    outcome::BOT_CONTAINED,
    outcome::HUMAN_ASKED_FOR,
    outcome::ABANDONED,
    outcome::UNANSWERED_AT_END,
];

/// One thing that is measured.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    /// Its name in score cards and reports, for ever; ends with the unit unless it counts or flags.
    pub id: &'static str,
    /// What it is about.
    pub family: Family,
    /// What its value counts.
    pub unit: Unit,
    /// Goes up whenever the same conversation can get another value.
    pub version: u16,
    /// How the value comes about.
    pub doc: &'static str,
    /// The value so far; `None` when there is nothing to measure.
    pub compute: fn(&Features) -> Option<i64>,
}

impl Feature {
    /// The feature of this name.
    #[must_use]
    pub fn named(id: &str) -> Option<&'static Self> {
        FEATURES.iter().find(|feature| feature.id == id)
    }
}

/// What features are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Family {
    Timing,
    Turns,
    Language,
    Courtesy,
    Sentiment,
    Compliance,
    Outcome,
}

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Milliseconds.
    Milliseconds,
    /// A number of things.
    Count,
    /// A share in thousandths, 0 to 1000.
    PerMille,
    /// A sentiment in thousandths, -1000 to 1000; differences -2000 to 2000.
    Milli,
    /// 1 for yes, 0 for no.
    Flag,
}

/// The state from which all features are computed: it does not grow with the conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    timing: timing::Timing,
    turns: turns::Turns,
    language: language::Wording,
    courtesy: courtesy::Courtesy,
    mood: mood::Mood,
    compliance: compliance::Compliance,
    outcome: outcome::Outcome,
}

impl Features {
    /// Takes in one moment.
    pub fn hear(&mut self, moment: &Moment<'_>) {
        self.hear_read(moment, Reading::of(moment, None).as_ref());
    }

    /// Takes in a moment whose message, if it has one, has been read.
    pub(super) fn hear_read(&mut self, moment: &Moment<'_>, reading: Option<&Reading<'_>>) {
        self.timing.hear(moment, reading);
        self.outcome.hear(moment, reading);
        if let Some(reading) = reading {
            self.turns.hear(reading);
            self.language.hear(reading);
            self.courtesy.hear(reading);
            self.mood.hear(reading);
            self.compliance.hear(reading);
        }
    }

    /// All values there are, by the features' names.
    #[must_use]
    pub fn values(&self) -> BTreeMap<String, i64> {
        let value = |feature: &Feature| (feature.compute)(self).map(|value| (feature.id.to_owned(), value));
        FEATURES.iter().filter_map(value).collect()
    }

    /// How long the visitor had waited for the message just heard, if it is an agent's answer.
    pub(super) fn response_ms(&self) -> Option<i64> {
        self.timing.response_ms
    }

    pub(super) fn human_took_part(&self) -> bool {
        self.turns.agent > 0
    }

    pub(super) fn bot_took_part(&self) -> bool {
        self.turns.bot > 0
    }

    pub(super) fn is_closed(&self) -> bool {
        self.outcome.closed
    }
}

/// `part` of `whole` in thousandths, rounded down; `None` of nothing.
fn permille(part: i64, whole: i64) -> Option<i64> {
    (whole > 0).then(|| part * 1_000 / whole)
}

#[cfg(test)]
mod tests;
