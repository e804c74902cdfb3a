//! The compiled-in words of feeling, in Chinese and English, with the words that turn, strengthen or excuse them.

use std::sync::LazyLock;

use super::phrases::Phrases;

/// Own lists; their header says how to read a line.
const LISTS: [&str; 3] = [
    include_str!("../../data/sentiment-zh.tsv"),
    include_str!("../../data/sentiment-en.tsv"),
    include_str!("../../data/sentiment-emoji.tsv"),
];

/// All words with their marks.
pub(super) static LEXICON: LazyLock<Phrases<Mark>> = LazyLock::new(|| {
    let mut phrases = Phrases::default();
    for (mark, word) in LISTS.iter().flat_map(|list| words(list)) {
        phrases.insert(word, mark);
    }
    phrases
});

/// What a word does to the feeling of its clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Adds a feeling of -3 to 3; 0 only keeps shorter words inside it from counting.
    Feeling(i32),
    /// Scales the feeling that follows, per cent.
    Degree(i32),
    /// Scales the feeling before it, per cent.
    Afterwards(i32),
    /// Turns the feeling that follows and keeps that many per cent of it.
    Negation(i32),
    /// What follows weighs more than what came before.
    Contrast,
    /// Asks or requests: problems named in it are its subject rather than a complaint.
    Ask,
    /// Reproaches in the shape of a question.
    Blame,
}

impl Mark {
    fn parse(mark: &str) -> Option<Self> {
        let number = |digits: &str| digits.parse().ok();
        match mark {
            "not" => Some(Self::Negation(100)),
            "but" => Some(Self::Contrast),
            "ask" => Some(Self::Ask),
            "blame" => Some(Self::Blame),
            _ => match mark.split_at(mark.find(|c: char| c.is_ascii_digit() || c == '-')?) {
                ("x", percent) => number(percent).map(Self::Degree),
                ("^", percent) => number(percent).map(Self::Afterwards),
                ("not", percent) => number(percent).map(Self::Negation),
                ("", weight) => number(weight).map(Self::Feeling),
                _ => None,
            },
        }
    }
}

/// The marked words of a list.
fn words(list: &'static str) -> impl Iterator<Item = (Mark, &'static str)> {
    list.lines().filter(|line| !line.starts_with('#')).flat_map(|line| {
        let (mark, words) = line.split_once('\t').expect("a line of a compiled-in list has a mark and words");
        let mark = Mark::parse(mark).expect("a compiled-in list has known marks only");
        words.split('\t').map(move |word| (mark, word))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::text::normalise;

    #[test]
    fn every_word_is_listed_once_in_its_normal_form() {
        let mut seen = BTreeSet::new();
        for (mark, word) in LISTS.iter().flat_map(|list| words(list)) {
            assert_eq!(normalise(word), word, "{mark:?}");
            assert!(seen.insert(word), "{word} is listed twice");
            if let Mark::Feeling(weight) = mark {
                assert!((-3..=3).contains(&weight), "{word} weighs {weight}");
            }
        }
        assert!(seen.iter().filter(|word| word.is_ascii()).count() >= 300);
        assert!(seen.len() >= 1_000);
    }
}
