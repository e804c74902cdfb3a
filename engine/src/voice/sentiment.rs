//! How a visitor feels, by words: per clause and per message, in whole thousandths.
//!
//! A clause adds up the feelings of its words, turned and scaled by the negations and degree words that reach them. A
//! question or request keeps a fifth: asking about a problem is no complaint. The message adds up its clauses; what
//! comes before a contrast ("but", 但是) counts half, what follows it half more.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::lexicon::{LEXICON, Mark};
use super::phrases::{Phrases, next};
use crate::text::{is_han, link_len, normalise};

/// From this value on a text is positive, from its opposite on it is negative, thousandths.
const POSITIVE_FROM: i32 = 200;
const NEGATIVE_TO: i32 = -POSITIVE_FROM;
/// The sum of feelings, in thousandths of a weight, that gives half of the largest value.
const HALF_AT: i64 = 2_000;
/// How far a negation or degree word reaches: a Han character is 1 away, an English word 2.
const REACH: i32 = 6;
/// Part of a feeling that is left when a negation stands before a degree word ("not very good"), per cent.
const NOT_VERY_PERCENT: i32 = 60;
/// Part of a bad feeling that is left, as a good one, when it is negated ("not bad"), per cent.
const NOT_BAD_PERCENT: i64 = 50;
/// Largest product of degree words, per cent.
const DEGREE_PERCENT_MAX: i32 = 250;

/// Which way a feeling goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Polarity {
    Positive,
    Neutral,
    Negative,
}

/// The feeling of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sentiment {
    /// From -1000, as bad as can be, to 1000.
    pub value: i32,
    /// Neutral while the value is within ±199.
    pub polarity: Polarity,
}

impl Sentiment {
    /// The sentiment of a sum of feelings, thousandths of a weight: `1000 * s / (|s| + 2000)`.
    fn from_sum(sum: i64) -> Self {
        let value = sum * 1_000 / (sum.abs() + HALF_AT);
        let value = i32::try_from(value).expect("a fraction of a thousand fits");
        let polarity = match value {
            POSITIVE_FROM.. => Polarity::Positive,
            i32::MIN..=NEGATIVE_TO => Polarity::Negative,
            _ => Polarity::Neutral,
        };
        Self { value, polarity }
    }
}

/// A part of a message that says one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// Its normalised words.
    pub text: String,
    /// Its feeling.
    pub sentiment: Sentiment,
}

/// The sentiment of a message, Chinese, English or both.
#[must_use]
pub fn sentiment(text: &str) -> Sentiment {
    weigh(&read(&normalise(text)))
}

/// The clauses of a message, each with its own sentiment. A contrast word begins a clause.
#[must_use]
pub fn clauses(text: &str) -> Vec<Clause> {
    let normal = normalise(text);
    let clause = |felt: &Felt| Clause {
        text: normal[felt.range.clone()].trim().to_owned(),
        sentiment: felt.sentiment(),
    };
    read(&normal).iter().map(clause).filter(|clause| !clause.text.is_empty()).collect()
}

/// The sentiment of a message with these clauses.
pub(super) fn weigh(clauses: &[Felt]) -> Sentiment {
    let (mut sum, mut percent) = (0_i64, 100);
    for clause in clauses {
        if clause.contrasts {
            sum /= 2;
            percent = 150;
        }
        sum += clause.sum() * percent / 100;
    }
    Sentiment::from_sum(sum)
}

/// What was felt in one clause.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Felt {
    /// Where it stands in the normalised text.
    pub(super) range: Range<usize>,
    feelings: i64,
    asks: bool,
    blames: bool,
    contrasts: bool,
}

impl Felt {
    /// The clause's own sentiment.
    pub(super) fn sentiment(&self) -> Sentiment {
        Sentiment::from_sum(self.sum())
    }

    fn sum(&self) -> i64 {
        if self.asks && !self.blames { self.feelings / 5 } else { self.feelings }
    }
}

/// Reads a normalised text in one pass.
pub(super) fn read(normal: &str) -> Vec<Felt> {
    let mut reader = Reader::default();
    let (lexicon, mut at) = (&*LEXICON, 0);
    while at < normal.len() {
        at = reader.step(lexicon, normal, at);
    }
    reader.end_clause(at, at);
    reader.clauses
}

/// Where reading stands: the clauses so far, the one under way, and what modifies the next feeling in it.
#[derive(Default)]
struct Reader {
    clauses: Vec<Felt>,
    clause: Felt,
    modifiers: Modifiers,
    /// The last feeling taken in and where its word ended.
    last: Option<(i64, usize)>,
}

impl Reader {
    /// Takes in what stands at `at` and says where to go on.
    fn step(&mut self, lexicon: &Phrases<Mark>, normal: &str, at: usize) -> usize {
        if lexicon.may_stand(normal, at)
            && let Some((len, &mark)) = lexicon.at(normal, at).next()
        {
            self.take(mark, normal, at..at + len);
            return at + len;
        }
        let first = normal.as_bytes()[at];
        if matches!(first, b'h' | b'w' | b'[') {
            let whole = whole_len(&normal[at..]);
            if whole > 0 {
                return at + whole;
            }
        }
        let after = next(normal, at);
        if first.is_ascii_alphanumeric() || matches!(first, 0xe4..=0xe9) {
            // Letters, digits and common Han characters end no clause.
            self.modifiers.pass(&normal[at..after]);
            return after;
        }
        match clause_end(normal, at, after) {
            ClauseEnd::Asking => {
                self.clause.asks = true;
                self.end_clause(at, after);
            }
            ClauseEnd::Plain => self.end_clause(at, after),
            ClauseEnd::None => self.modifiers.pass(&normal[at..after]),
        }
        after
    }

    fn take(&mut self, mark: Mark, normal: &str, word: Range<usize>) {
        match mark {
            Mark::Feeling(0) => self.modifiers.pass(&normal[word]),
            Mark::Feeling(weight) => {
                let feeling = std::mem::take(&mut self.modifiers).modify(weight);
                self.clause.feelings += feeling;
                self.last = Some((feeling, word.end));
            }
            Mark::Degree(percent) => self.modifiers.degree(percent),
            Mark::Afterwards(percent) => {
                if let Some((feeling, _)) =
                    self.last.filter(|&(_, end)| normal[end..word.start].trim().is_empty())
                {
                    self.clause.feelings += feeling * i64::from(percent - 100) / 100;
                }
            }
            Mark::Negation(percent) => self.modifiers.negation(percent),
            Mark::Contrast => {
                self.end_clause(word.start, word.start);
                self.clause.contrasts = true;
            }
            Mark::Ask => {
                self.clause.asks = true;
                self.modifiers.pass(&normal[word]);
            }
            Mark::Blame => {
                self.clause.blames = true;
                self.clause.feelings -= 1_000;
            }
        }
    }

    /// Ends the clause before `end`; the next begins at `start`.
    fn end_clause(&mut self, end: usize, start: usize) {
        let mut clause = std::mem::take(&mut self.clause);
        self.clause.range = start..start;
        self.modifiers = Modifiers::default();
        self.last = None;
        if end > clause.range.start {
            clause.range.end = end;
            self.clauses.push(clause);
        }
    }
}

/// The negations and degree words that wait for a feeling.
struct Modifiers {
    negations: u32,
    percent: i32,
    reach: i32,
}

impl Default for Modifiers {
    fn default() -> Self {
        Self { negations: 0, percent: 100, reach: 0 }
    }
}

impl Modifiers {
    /// "很不好" strengthens what is negated, "不很好" weakens it.
    fn degree(&mut self, percent: i32) {
        let percent = if self.negations > 0 { NOT_VERY_PERCENT } else { percent };
        self.percent = (self.percent * percent / 100).min(DEGREE_PERCENT_MAX);
        self.reach = REACH;
    }

    fn negation(&mut self, percent: i32) {
        self.negations += 1;
        self.percent = self.percent * percent / 100;
        self.reach = REACH;
    }

    /// A word without feeling passes by; after enough of them the modifiers reach nothing more.
    fn pass(&mut self, word: &str) {
        if self.reach == 0 {
            return;
        }
        let han = i32::try_from(word.chars().filter(|&c| is_han(c)).count()).unwrap_or(REACH);
        let words = if word.starts_with(|c: char| c.is_ascii_alphanumeric()) { 2 } else { 0 };
        self.reach -= (han + words).min(self.reach);
        if self.reach == 0 {
            *self = Self::default();
        }
    }

    /// The feeling of a word of this weight, thousandths.
    fn modify(self, weight: i32) -> i64 {
        let feeling = i64::from(weight * 10 * self.percent);
        match (self.negations % 2, weight < 0) {
            (0, _) => feeling,
            (_, false) => -feeling,
            (_, true) => -feeling * NOT_BAD_PERCENT / 100,
        }
    }
}

/// Longest placeholder that is passed over, in bytes.
const PLACEHOLDER_BYTES_MAX: usize = 256;

/// Byte length of the web address or `[placeholder]` at the start of `rest`, whose marks end no clause; 0 if there is none.
fn whole_len(rest: &str) -> usize {
    if rest.starts_with(['h', 'w']) {
        return link_len(rest);
    }
    if !rest.starts_with('[') {
        return 0;
    }
    let mut depth = 0;
    for (at, byte) in rest.bytes().enumerate().take(PLACEHOLDER_BYTES_MAX) {
        match byte {
            b'[' => depth += 1,
            b']' if depth == 1 => return at + 1,
            b']' => depth -= 1,
            _ => {}
        }
    }
    0
}

enum ClauseEnd {
    None,
    Plain,
    Asking,
}

/// Whether the character at `at..after` ends a clause: the marks of [`crate::text::clauses`] in a normalised text.
fn clause_end(normal: &str, at: usize, after: usize) -> ClauseEnd {
    let before = || normal[..at].chars().next_back();
    let then = || normal[after..].chars().next();
    let ends = match &normal[at..after] {
        "?" => return ClauseEnd::Asking,
        "。" | "!" | ";" | "…" | "~" => true,
        "." => !then().is_some_and(|c| c.is_ascii_alphanumeric()),
        "," => !(before().is_some_and(|c| c.is_ascii_digit()) && then().is_some_and(|c| c.is_ascii_digit())),
        " " => before().is_some_and(is_han) && then().is_some_and(is_han),
        _ => false,
    };
    if ends { ClauseEnd::Plain } else { ClauseEnd::None }
}

#[cfg(test)]
mod tests;
