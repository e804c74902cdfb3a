//! The quality of many conversations: an exact, commutative sum.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Contribution, Verdict};

/// Bins of the histogram: 0 to 9 points, 10 to 19, and so on; the last has 90 to 100.
pub const BINS: usize = 10;

/// The sum of the scored conversations of one bucket, say of one slot.
///
/// Conversations that go on, or of which nothing could be judged, add nothing. Adding and removing form a commutative
/// group, so any order that leaves the same contributions leaves the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Conversations with a score.
    pub scored: i64,
    /// Those with a fatal failure.
    pub fatal: i64,
    /// The sum of their points.
    pub points_sum: i64,
    /// Conversations by points.
    pub bins: [i64; BINS],
    /// Verdicts by rule.
    pub rules: BTreeMap<String, RuleCount>,
}

/// How often a rule was kept and broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct RuleCount {
    pub passed: i64,
    pub failed: i64,
}

impl Totals {
    /// Adds one conversation.
    pub fn add(&mut self, contribution: &Contribution) {
        self.count(contribution, 1);
    }

    /// Takes away what [`Totals::add`] of the same contribution added.
    pub fn remove(&mut self, contribution: &Contribution) {
        self.count(contribution, -1);
    }

    /// Adds all that `other` has.
    pub fn merge(&mut self, other: &Self) {
        self.scored += other.scored;
        self.fatal += other.fatal;
        self.points_sum += other.points_sum;
        for (bin, more) in self.bins.iter_mut().zip(other.bins) {
            *bin += more;
        }
        for (rule, count) in &other.rules {
            self.rule(rule, *count);
        }
    }

    fn count(&mut self, contribution: &Contribution, times: i64) {
        let Some(score) = contribution.score.as_ref().filter(|score| score.is_scored()) else {
            return;
        };
        self.scored += times;
        self.fatal += times * i64::from(score.fatal);
        self.points_sum += times * i64::from(score.points);
        self.bins[(score.points as usize / BINS).min(BINS - 1)] += times;
        for item in &score.items {
            match item.verdict {
                Verdict::Pass => self.rule(&item.rule, RuleCount { passed: times, failed: 0 }),
                Verdict::Fail => self.rule(&item.rule, RuleCount { passed: 0, failed: times }),
                Verdict::NotApplicable => {}
            }
        }
    }

    /// A rule that comes to nothing leaves, so that what was removed leaves no trace.
    fn rule(&mut self, rule: &str, more: RuleCount) {
        let count = match self.rules.get_mut(rule) {
            Some(count) => count,
            None => self.rules.entry(rule.to_owned()).or_default(),
        };
        count.passed += more.passed;
        count.failed += more.failed;
        if *count == RuleCount::default() {
            self.rules.remove(rule);
        }
    }
}
