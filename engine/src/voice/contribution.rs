//! What one conversation adds to the voice of a tenant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::keywords::keywords_of;
use super::sentiment::Polarity;
use super::{Read, Sentiment, Tally, Understanding};

/// Different keywords that a conversation counts. At the bound, those it has go on counting, and mentions of others are
/// only numbered in [`Contribution::beyond`].
pub const KEYWORDS_MAX: usize = 64;
/// Messages kept as samples of a keyword, per polarity: the first ones.
pub const SAMPLES_MAX: usize = 3;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// The voice of one conversation so far: bounded, and a fold of its visitor's messages in their order.
///
/// A repeated message must be kept out by the caller's cursor: it would count twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// The UTC day of the first message, in days since the Unix epoch: the bucket of the whole conversation.
    pub day: Option<i64>,
    /// The visitor's messages by polarity.
    pub messages: Tally,
    /// The sum of their values, thousandths.
    pub value_sum_milli: i64,
    /// What the visitor talks about, at most [`KEYWORDS_MAX`].
    pub keywords: BTreeMap<String, Mention>,
    /// Mentions that the bound on keywords left out.
    pub beyond: i64,
}

/// How one keyword is talked about in one conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mention {
    /// The clauses that have the word, by their polarity.
    pub clauses: Tally,
    /// Messages to read.
    pub samples: Samples,
}

/// The first messages that have the word, by the polarity of the clause; sequence numbers, at most [`SAMPLES_MAX`] each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Samples {
    pub positive: Vec<u64>,
    pub neutral: Vec<u64>,
    pub negative: Vec<u64>,
}

impl Contribution {
    /// Takes in one message of the visitor, `ts` in milliseconds since the Unix epoch; `understanding` is kept beside it, if anything is.
    pub fn hear(&mut self, seq: u64, ts: i64, text: &str, understanding: Option<&Understanding>) {
        self.day.get_or_insert(ts.div_euclid(DAY_MS));
        let words = Read::of(text, understanding);
        let Sentiment { value, polarity } = words.sentiment();
        self.messages.count(polarity);
        self.value_sum_milli += i64::from(value);
        for clause in words.clauses() {
            let polarity = clause.sentiment().polarity;
            for word in keywords_of(&words.normal[clause.range.clone()]) {
                self.mention(word, polarity, seq);
            }
        }
    }

    fn mention(&mut self, word: String, polarity: Polarity, seq: u64) {
        if self.keywords.len() >= KEYWORDS_MAX && !self.keywords.contains_key(&word) {
            self.beyond += 1;
            return;
        }
        let mention = self.keywords.entry(word).or_default();
        mention.clauses.count(polarity);
        mention.samples.keep(polarity, seq);
    }
}

impl Samples {
    fn keep(&mut self, polarity: Polarity, seq: u64) {
        let samples = match polarity {
            Polarity::Positive => &mut self.positive,
            Polarity::Neutral => &mut self.neutral,
            Polarity::Negative => &mut self.negative,
        };
        if samples.len() < SAMPLES_MAX && samples.last() != Some(&seq) {
            samples.push(seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_remembers_what_was_said_about_what_and_where() {
        let mut voice = Contribution::default();
        voice.hear(3, 2 * DAY_MS - 1, "快递太慢了，但是质量很好", None);
        voice.hear(5, 2 * DAY_MS, "快递到哪里了？", None);
        let parcel = &voice.keywords["快递"];
        assert_eq!(parcel.clauses, Tally { positive: 0, neutral: 1, negative: 1 });
        assert_eq!(parcel.samples, Samples { positive: vec![], neutral: vec![5], negative: vec![3] });
        assert_eq!(voice.keywords["质量"].clauses, Tally { positive: 1, neutral: 0, negative: 0 });
        assert_eq!(voice.day, Some(1), "the day of the first message");
        assert_eq!(voice.messages.sum(), 2);
    }

    #[test]
    fn a_conversation_stays_bounded_and_says_what_it_left_out() {
        let mut voice = Contribution::default();
        for seq in 0..200 {
            voice.hear(seq, 0, &format!("the widget{} is broken, the refund is late", letters(seq)), None);
        }
        assert_eq!(voice.keywords.len(), KEYWORDS_MAX);
        assert_eq!(voice.keywords["refund"].clauses.negative, 200, "words within the bound go on counting");
        assert_eq!(voice.keywords["refund"].samples.negative, [0, 1, 2]);
        assert_eq!(voice.beyond, 200 - (KEYWORDS_MAX as i64 - 1));
    }

    fn letters(seq: u64) -> String {
        seq.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect()
    }
}
