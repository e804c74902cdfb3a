//! Searching a knowledge base.

use super::knowledge::{Entry, Knowledge};
use super::shelf::Shelf;
use crate::text::{Language, language};

/// Characters of a question that are read; whoever writes more has said it by then.
pub const QUESTION_CHARS_MAX: usize = 512;
/// Score below which entries of the question's language count as no match, so that the other language may answer.
const MATCH_MIN: f32 = 0.25;

/// A knowledge base made ready for search. Built once per version of it, then only read.
#[derive(Debug)]
pub struct Index {
    knowledge: Knowledge,
    chinese: Shelf,
    english: Shelf,
}

/// An entry that a search found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// How well it fits, from 0 (nothing in common) to 1 (one of its wordings, word for word).
    pub score: f32,
}

impl Index {
    /// Indexes a knowledge base.
    #[must_use]
    pub fn new(knowledge: &Knowledge) -> Self {
        let shelf = |language| {
            let entries = (0..).zip(knowledge.entries()).filter(|(_, entry)| entry.lang == language);
            Shelf::new(
                language,
                entries.flat_map(|(at, entry)| entry.wordings().map(move |wording| (at, wording))),
            )
        };
        Self {
            chinese: shelf(Language::Chinese),
            english: shelf(Language::English),
            knowledge: knowledge.clone(),
        }
    }

    /// What is indexed.
    #[must_use]
    pub fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// The entries that fit a question best, best first, equal ones in the order of the file; at most `limit`.
    ///
    /// All are of the question's language, unless none of that language matches and one of the other does ("iPhone 15").
    /// The score is the mean of BM25 over words, scaled to what a perfect match would get, and the cosine of TF-IDF
    /// character n-grams. Work grows with how often the question's words occur, not with the size of the base.
    #[must_use]
    pub fn search(&self, question: &str, limit: usize) -> Vec<Hit<'_>> {
        let end = question.char_indices().nth(QUESTION_CHARS_MAX).map_or(question.len(), |(end, _)| end);
        let question = &question[..end];
        let (own, other) = match language(question) {
            Language::Chinese => (&self.chinese, &self.english),
            Language::English => (&self.english, &self.chinese),
        };
        let mut found = best(own.scores(question), limit);
        if found.first().is_none_or(|(_, score)| *score < MATCH_MIN) {
            let foreign = best(other.scores(question), limit);
            if foreign.first().is_some_and(|(_, score)| *score >= MATCH_MIN) {
                found = foreign;
            }
        }
        let entries = self.knowledge.entries();
        found.into_iter().map(|(at, score)| Hit { entry: &entries[at as usize], score }).collect()
    }
}

/// The `limit` best scores, best first, equal ones in their order.
fn best(mut scores: Vec<(u32, f32)>, limit: usize) -> Vec<(u32, f32)> {
    let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if limit < scores.len() {
        scores.select_nth_unstable_by(limit, order);
        scores.truncate(limit);
    }
    scores.sort_unstable_by(order);
    scores
}
