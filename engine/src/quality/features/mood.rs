//! Sentiment: how the visitor feels over the course of the conversation.

use serde::{Deserialize, Serialize};

use super::{Family, Feature, Unit};
use crate::quality::Role;
use crate::quality::reading::{Act, Reading};
use crate::voice::Polarity;

const fn milli(id: &'static str, doc: &'static str, compute: fn(&super::Features) -> Option<i64>) -> Feature {
    Feature { id, family: Family::Sentiment, unit: Unit::Milli, version: 1, doc, compute }
}

pub(super) const SENTIMENT_MEAN_MILLI: Feature =
    milli("sentiment_mean_milli", "mean sentiment of the visitor's messages", |f| f.mood.course.mean(0..3));
pub(super) const SENTIMENT_FIRST_THIRD_MILLI: Feature = milli(
    "sentiment_first_third_milli",
    "mean sentiment of the first third of the visitor's messages",
    |f| f.mood.course.mean(0..1),
);
pub(super) const SENTIMENT_LAST_THIRD_MILLI: Feature =
    milli("sentiment_last_third_milli", "mean sentiment of the last third of the visitor's messages", |f| {
        f.mood.course.mean(2..3)
    });
pub(super) const SENTIMENT_CHANGE_MILLI: Feature =
    milli("sentiment_change_milli", "last third less first third", |f| {
        Some(f.mood.course.mean(2..3)? - f.mood.course.mean(0..1)?)
    });
pub(super) const SENTIMENT_VALLEY_MILLI: Feature =
    milli("sentiment_valley_milli", "lowest sentiment of a visitor's message", |f| f.mood.valley);
pub(super) const NEGATIVE_MESSAGES: Feature = Feature {
    unit: Unit::Count,
    ..milli("negative_messages", "negative messages of the visitor", |f| Some(f.mood.negative))
};
pub(super) const THREATS: Feature = Feature {
    unit: Unit::Count,
    ..milli("threats", "visitor's messages that speak of complaint, court, police or media", |f| {
        Some(f.mood.threats)
    })
};

/// The visitor's feelings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mood {
    course: Course,
    valley: Option<i64>,
    negative: i64,
    threats: i64,
}

impl Mood {
    pub(super) fn hear(&mut self, reading: &Reading<'_>) {
        if reading.role != Role::Visitor || reading.words.normal.is_empty() {
            return;
        }
        let sentiment = reading.words.sentiment();
        let value = i64::from(sentiment.value);
        self.course.push(value);
        self.valley = Some(self.valley.map_or(value, |valley| valley.min(value)));
        self.negative += i64::from(sentiment.polarity == Polarity::Negative);
        self.threats += reading.count(Act::Threat);
    }
}

/// Steps that a course has at most.
const STEPS_MAX: usize = 48;

/// Values in their order, in steps of equal width. At the bound, neighbouring steps become one, so that thirds stay exact
/// up to 48 values and are rounded to a step beyond.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Course {
    width: i64,
    /// Sum and count of each step; only the last may have fewer than `width` values.
    steps: Vec<(i64, i64)>,
}

impl Default for Course {
    fn default() -> Self {
        Self { width: 1, steps: Vec::new() }
    }
}

impl Course {
    fn push(&mut self, value: i64) {
        if let Some((sum, count)) = self.steps.last_mut().filter(|(_, count)| *count < self.width) {
            *sum += value;
            *count += 1;
            return;
        }
        if self.steps.len() == STEPS_MAX {
            self.steps = self.steps.chunks(2).map(total).collect();
            self.width *= 2;
        }
        self.steps.push((value, 1));
    }

    /// The mean over these thirds, rounded towards zero. Thirds are rounded outwards, so that one value has all of them.
    fn mean(&self, thirds: std::ops::Range<usize>) -> Option<i64> {
        let n = self.steps.len();
        let (start, end) = (n * thirds.start / 3, (n * thirds.end).div_ceil(3));
        let (sum, count) = total(&self.steps[start..end]);
        sum.checked_div(count)
    }
}

fn total(steps: &[(i64, i64)]) -> (i64, i64) {
    steps.iter().fold((0, 0), |(sum, count), step| (sum + step.0, count + step.1))
}
