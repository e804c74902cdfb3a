//! Words that say nothing about the subject: particles, pronouns, question words, courtesies.

use std::collections::HashSet;
use std::sync::LazyLock;

use foldhash::fast::FixedState;

/// Own lists, written for customer service: one word a line, `#` starts a comment.
const LISTS: [&str; 2] =
    [include_str!("../../data/stopwords-zh.txt"), include_str!("../../data/stopwords-en.txt")];

static STOP_WORDS: LazyLock<HashSet<&'static str, FixedState>> = LazyLock::new(|| {
    LISTS.iter().flat_map(|list| list.lines()).map(str::trim).filter(|line| !line.starts_with('#')).collect()
});

/// All stop words.
pub(crate) fn stop_words() -> impl Iterator<Item = &'static str> {
    STOP_WORDS.iter().copied()
}

/// Whether a normalised word, not stemmed, is a stop word of Chinese or English.
#[must_use]
pub fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.contains(word)
}
