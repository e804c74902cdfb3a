//! What the watcher keeps of one conversation.

use serde::{Deserialize, Serialize};

use super::{Inspection, Moment, Score, ScoreCard};

/// A conversation's inspection, and its score while it is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// What has been heard.
    pub inspection: Inspection,
    /// The score of the ended conversation; it goes when the conversation is reopened.
    pub score: Option<Score>,
}

impl Contribution {
    /// Takes in one moment.
    pub fn hear(&mut self, card: &ScoreCard, moment: &Moment<'_>) {
        self.inspection.hear(card, moment);
        self.score = self.inspection.is_closed().then(|| card.score(&self.inspection));
    }

    /// The score, provisional while the conversation goes on.
    #[must_use]
    pub fn score_so_far(&self, card: &ScoreCard) -> Score {
        self.score.clone().unwrap_or_else(|| card.score(&self.inspection))
    }
}
