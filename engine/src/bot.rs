//! The bot's single turn: one question, a knowledge base, and what to do about it.
//!
//! Nothing is labelled and nothing is trained. A question is compared with the wordings of every entry by words (BM25)
//! and by the shape of words (character n-grams), and thresholds say whether the best entry is the answer, whether to ask
//! "did you mean", or whether a human has to take over. It never makes up an answer: what it says stands in the
//! knowledge base.

mod human;
mod index;
mod judge;
mod knowledge;
mod postings;
mod shelf;
mod small_talk;
#[cfg(test)]
mod tests;

pub use human::asks_for_human;
pub use index::{Hit, Index, QUESTION_CHARS_MAX};
pub use judge::{CLARIFY_MAX, Outcome, Reason, Thresholds, judge};
pub use knowledge::{
    ANSWER_BYTES_MAX, ENTRIES_MAX, Entry, Knowledge, KnowledgeError, NAME_BYTES_MAX, PHRASINGS_MAX,
    QUESTION_BYTES_MAX,
};
pub use small_talk::SmallTalk;
