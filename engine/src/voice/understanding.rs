//! What is read in a message's words before anybody judges them: its normal form and what is felt in its clauses.

use std::ops::Deref;
use std::sync::OnceLock;

use super::sentiment::{Felt, Sentiment, read, weigh};
use crate::text::normalise;

/// Kept beside a message: voice and quality hear the same messages, and reading the words is most of what they cost. Whoever
/// needs them first works them out, whoever comes later finds them. It says nothing that the message does not: it takes no
/// part in comparisons, a copy begins without it, and it is never stored.
#[derive(Debug, Default)]
pub struct Understanding(OnceLock<Box<Words>>);

impl Understanding {
    /// That of `text`, which is the same each time: the words of the message that this belongs to.
    fn of(&self, text: &str) -> &Words {
        self.0.get_or_init(|| Box::new(Words::of(text)))
    }
}

impl Clone for Understanding {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Understanding {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Understanding {}

/// The words of a message.
#[derive(Debug)]
pub(crate) struct Words {
    /// In normal form.
    pub(crate) normal: String,
    clauses: OnceLock<Vec<Felt>>,
}

impl Words {
    fn of(text: &str) -> Self {
        Self { normal: normalise(text), clauses: OnceLock::new() }
    }

    /// What is felt in each clause.
    pub(super) fn clauses(&self) -> &[Felt] {
        self.clauses.get_or_init(|| read(&self.normal))
    }

    /// What is felt in all of it.
    pub(crate) fn sentiment(&self) -> Sentiment {
        weigh(self.clauses())
    }
}

/// Words that are kept beside their message, or nowhere.
#[derive(Debug)]
pub(crate) enum Read<'a> {
    Kept(&'a Words),
    Own(Words),
}

impl<'a> Read<'a> {
    /// Reads `text`, or takes what was read of it before.
    pub(crate) fn of(text: &str, understanding: Option<&'a Understanding>) -> Self {
        match understanding {
            Some(understanding) => Self::Kept(understanding.of(text)),
            None => Self::Own(Words::of(text)),
        }
    }
}

impl Deref for Read<'_> {
    type Target = Words;

    fn deref(&self) -> &Words {
        match self {
            Self::Kept(words) => words,
            Self::Own(words) => words,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_once_and_the_same_with_and_without_a_place_for_them() {
        let text = "质量不错，但是快递太慢了！";
        let kept = Understanding::default();
        let (first, again) = (Read::of(text, Some(&kept)), Read::of(text, Some(&kept)));
        assert!(std::ptr::eq(&*first, &*again));
        let own = Read::of(text, None);
        assert_eq!((&own.normal, own.sentiment()), (&first.normal, first.sentiment()));
        assert_eq!(own.clauses(), first.clauses());
    }

    #[test]
    fn it_is_no_part_of_the_message() {
        let kept = Understanding::default();
        kept.of("好");
        assert_eq!(kept, Understanding::default());
        assert!(kept.clone().0.get().is_none());
    }
}
