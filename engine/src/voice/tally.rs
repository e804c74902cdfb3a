//! Counts by polarity.

use serde::{Deserialize, Serialize};

use super::Polarity;

/// How many were positive, neutral and negative. Signed, so that taking away is the exact inverse of adding in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Tally {
    pub positive: i64,
    pub neutral: i64,
    pub negative: i64,
}

impl Tally {
    /// All of them.
    #[must_use]
    pub fn sum(&self) -> i64 {
        self.positive + self.neutral + self.negative
    }

    pub(super) fn count(&mut self, polarity: Polarity) {
        match polarity {
            Polarity::Positive => self.positive += 1,
            Polarity::Neutral => self.neutral += 1,
            Polarity::Negative => self.negative += 1,
        }
    }

    /// Adds `other` as many `times`; -1 takes it away.
    pub(super) fn add(&mut self, other: &Self, times: i64) {
        self.positive += times * other.positive;
        self.neutral += times * other.neutral;
        self.negative += times * other.negative;
    }
}
