//! The voice of many conversations: an exact, commutative sum of contributions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Contribution, Tally};

/// Mentions from which a colour other than yellow is given.
const COLOUR_MENTIONS_MIN: i64 = 2;
/// Share of mentions that makes a word green or red, per cent.
const COLOUR_PERCENT: i64 = 25;

/// The sum of the contributions of one bucket, say one day of one slot: bucket by [`Contribution::day`].
///
/// Adding and removing form a commutative group, so any order of adds, removes and merges that leaves the same
/// contributions leaves the same bytes. Its size is that of the bucket's vocabulary: at most
/// [`KEYWORDS_MAX`](super::KEYWORDS_MAX) words per conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Conversations.
    pub conversations: i64,
    /// Visitors' messages by polarity.
    pub messages: Tally,
    /// The sum of their values, thousandths.
    pub value_sum_milli: i64,
    /// The words talked about.
    pub keywords: BTreeMap<String, Word>,
    /// Mentions that the conversations' bounds left out.
    pub beyond: i64,
}

/// One word over many conversations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Conversations that have it: its heat.
    pub conversations: i64,
    /// Clauses that have it, by polarity.
    pub clauses: Tally,
}

/// A line of a keyword board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heat {
    /// The word.
    pub keyword: String,
    /// Conversations that have it.
    pub conversations: i64,
    /// Clauses that speak well of it.
    pub positive: i64,
    /// Clauses that only name it.
    pub neutral: i64,
    /// Clauses that speak badly of it.
    pub negative: i64,
    /// What to make of it.
    pub colour: Colour,
}

/// What the clauses about a word say together.
///
/// Red when at least a quarter of them are negative and no fewer than the positive ones; green when at least a quarter are
/// positive and more than the negative ones; yellow otherwise, and whenever there are fewer than 2 clauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Colour {
    Green,
    Yellow,
    Red,
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
        self.conversations += other.conversations;
        self.messages.add(&other.messages, 1);
        self.value_sum_milli += other.value_sum_milli;
        self.beyond += other.beyond;
        for (keyword, word) in &other.keywords {
            self.word(keyword, word, 1);
        }
    }

    fn count(&mut self, contribution: &Contribution, times: i64) {
        if *contribution == Contribution::default() {
            return;
        }
        self.conversations += times;
        self.messages.add(&contribution.messages, times);
        self.value_sum_milli += times * contribution.value_sum_milli;
        self.beyond += times * contribution.beyond;
        for (keyword, mention) in &contribution.keywords {
            self.word(keyword, &Word { conversations: 1, clauses: mention.clauses }, times);
        }
    }

    /// A word that comes to nothing leaves, so that what was removed leaves no trace.
    fn word(&mut self, keyword: &str, more: &Word, times: i64) {
        let word = match self.keywords.get_mut(keyword) {
            Some(word) => word,
            None => self.keywords.entry(keyword.to_owned()).or_default(),
        };
        word.conversations += times * more.conversations;
        word.clauses.add(&more.clauses, times);
        if *word == Word::default() {
            self.keywords.remove(keyword);
        }
    }

    /// The `n` words that most conversations have; among equals first the worse spoken of, then by the alphabet.
    #[must_use]
    pub fn hottest(&self, n: usize) -> Vec<Heat> {
        let mut words: Vec<_> = self.keywords.iter().collect();
        words.sort_by_key(|(keyword, word)| (-word.conversations, -word.clauses.negative, *keyword));
        words.into_iter().take(n).map(|(keyword, word)| word.heat(keyword)).collect()
    }
}

impl Word {
    fn heat(&self, keyword: &str) -> Heat {
        let Tally { positive, neutral, negative } = self.clauses;
        let (keyword, conversations, colour) =
            (keyword.to_owned(), self.conversations, Colour::of(&self.clauses));
        Heat { keyword, conversations, positive, neutral, negative, colour }
    }
}

impl Colour {
    /// The colour of these clauses.
    #[must_use]
    pub fn of(clauses: &Tally) -> Self {
        let sum = clauses.sum();
        let many = |part: i64| sum >= COLOUR_MENTIONS_MIN && part * 100 >= sum * COLOUR_PERCENT;
        if many(clauses.negative) && clauses.negative >= clauses.positive {
            Self::Red
        } else if many(clauses.positive) && clauses.positive > clauses.negative {
            Self::Green
        } else {
            Self::Yellow
        }
    }
}

#[cfg(test)]
mod tests;
