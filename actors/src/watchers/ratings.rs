//! What visitors thought of conversations, added up by queue and agent. Exact: what was counted can be taken out again.

use std::collections::BTreeMap;
use std::hash::Hash;

use conversa_engine::conversation::Survey;
use conversa_engine::ids::{PersonId, QueueId};
use serde::{Deserialize, Serialize};

/// A recommendation is likely from this score on.
const PROMOTER_MIN: u8 = 9;
/// And unlikely up to this one.
const DETRACTOR_MAX: u8 = 6;

/// The answer of one visitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct Rating {
    pub survey: Survey,
    pub queue: QueueId,
    pub agent: Option<PersonId>,
    pub score: u8,
}

/// The answers of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct Tally {
    pub answers: i64,
    pub sum: i64,
    /// Of those who were asked for a recommendation.
    pub promoters: i64,
    pub detractors: i64,
}

/// All answers to one survey.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct Ratings {
    pub all: Tally,
    pub queues: BTreeMap<QueueId, Tally>,
    pub agents: BTreeMap<PersonId, Tally>,
}

impl Tally {
    fn add(&mut self, rating: &Rating, times: i64) {
        self.answers += times;
        self.sum += i64::from(rating.score) * times;
        self.promoters += i64::from(rating.score >= PROMOTER_MIN) * times;
        self.detractors += i64::from(rating.score <= DETRACTOR_MAX) * times;
    }

    /// Takes in those of others.
    pub fn merge(&mut self, other: &Self) {
        self.answers += other.answers;
        self.sum += other.sum;
        self.promoters += other.promoters;
        self.detractors += other.detractors;
    }

    /// The mean score; `None` without answers.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a mean for a picture")]
    pub fn mean(&self) -> Option<f64> {
        (self.answers > 0).then(|| self.sum as f64 / self.answers as f64)
    }

    /// Promoters less detractors, percent; `None` without answers.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share for a picture")]
    pub fn nps(&self) -> Option<f64> {
        (self.answers > 0).then(|| (self.promoters - self.detractors) as f64 * 100.0 / self.answers as f64)
    }
}

impl Ratings {
    pub(super) fn count(&mut self, rating: &Rating, times: i64) {
        self.all.add(rating, times);
        add(&mut self.queues, &rating.queue, rating, times);
        if let Some(agent) = &rating.agent {
            add(&mut self.agents, agent, rating, times);
        }
    }

    /// Takes in those of another slot.
    pub fn merge(&mut self, other: &Self) {
        self.all.merge(&other.all);
        for (queue, tally) in &other.queues {
            self.queues.entry(queue.clone()).or_default().merge(tally);
        }
        for (agent, tally) in &other.agents {
            self.agents.entry(agent.clone()).or_default().merge(tally);
        }
    }
}

fn add<K: Clone + Ord + Hash>(tallies: &mut BTreeMap<K, Tally>, key: &K, rating: &Rating, times: i64) {
    let tally = tallies.entry(key.clone()).or_default();
    tally.add(rating, times);
    if tally.answers == 0 {
        tallies.remove(key);
    }
}
