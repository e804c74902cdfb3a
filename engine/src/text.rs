//! Reading Chinese and English: one normal form, words, terms, clauses, character n-grams, language, questions.
//!
//! Bot, voice and quality all read through here, so that one message means the same words to each of them. It never
//! judges what the words mean, and it never fails: any text, however broken, has a reading.

mod clause;
mod ngram;
mod normal;
mod question;
mod stem;
mod stopword;
mod token;

use serde::{Deserialize, Serialize};

pub use clause::clauses;
pub use ngram::char_ngrams;
pub use normal::normalise;
pub use question::is_question;
pub use stem::stem;
pub use stopword::is_stop_word;
pub(crate) use stopword::stop_words;
pub(crate) use token::each_token;
pub use token::{Kind, Token, tokens, warm_up};

/// A language that Conversa reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Language {
    /// Chinese.
    #[serde(rename = "zh")]
    Chinese,
    /// English, and whatever is not Chinese.
    #[serde(rename = "en")]
    English,
}

impl Language {
    /// The ISO 639-1 code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Chinese => "zh",
            Self::English => "en",
        }
    }
}

/// Letters of another script that weigh as much as one Han character: an English word has about five letters, a
/// Chinese word about two characters.
const LETTERS_PER_HAN: usize = 3;

/// The language that a text is mostly written in, by the share of Han characters among its letters.
///
/// `"我的 iPhone 坏了"` is Chinese, `"what does 退货 mean"` English. Text without letters counts as English.
#[must_use]
pub fn language(text: &str) -> Language {
    Letters::of(text).language()
}

/// What a text is written with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Letters {
    han: usize,
    other: usize,
}

impl Letters {
    pub(crate) fn of(text: &str) -> Self {
        let mut letters = Self::default();
        if text.is_ascii() {
            letters.other = count_bytes(text.as_bytes(), |byte| byte.is_ascii_alphabetic());
            return letters;
        }
        for c in text.chars() {
            if c.is_ascii() {
                letters.other += usize::from(c.is_ascii_alphabetic());
            } else if is_han(c) {
                letters.han += 1;
            } else {
                letters.other += usize::from(c.is_alphabetic());
            }
        }
        letters
    }

    /// Letters and Han characters.
    pub(crate) fn count(self) -> usize {
        self.han + self.other
    }

    pub(crate) fn language(self) -> Language {
        let chinese = self.han > 0 && self.han * LETTERS_PER_HAN >= self.other;
        if chinese { Language::Chinese } else { Language::English }
    }
}

/// How many bytes are such that `counted`. In sums of eight bits, so that the processor counts many bytes at once.
#[must_use]
pub fn count_bytes(bytes: &[u8], counted: impl Fn(u8) -> bool) -> usize {
    let count = |piece: &[u8]| piece.iter().map(|&byte| u8::from(counted(byte))).sum::<u8>();
    bytes.chunks(u8::MAX.into()).map(|piece| usize::from(count(piece))).sum()
}

/// The words that carry a text's subject: its tokens without stop words, links and emoji, English ones stemmed.
///
/// In the order of the text, repeats kept: `"How do I return the shoes?"` has `["return", "shoe"]`.
#[must_use]
pub fn terms(text: &str) -> Vec<String> {
    tokens(text).iter().filter(|token| token.is_term()).map(|token| token.term().into_owned()).collect()
}

/// Whether a character is a Han ideograph (Unicode's Unified Ideographs with their extensions, and 々 and 〇).
pub(crate) fn is_han(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{323af}' | '々' | '〇')
}

/// Whether a character is a pictograph that people use as an emoji.
pub(crate) fn is_emoji(c: char) -> bool {
    matches!(c, '\u{1f300}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}')
}

/// Byte length of the web address at the start of `text`, 0 if there is none. It ends at white space, a Han character
/// or full-width punctuation, and a closing mark of a sentence is not part of it.
pub(crate) fn link_len(text: &str) -> usize {
    if !["http://", "https://", "www."].iter().any(|start| text.starts_with(start)) {
        return 0;
    }
    let end =
        text.find(|c: char| !c.is_ascii_graphic() || matches!(c, '"' | '<' | '>')).unwrap_or(text.len());
    text[..end].trim_end_matches(['.', ',', '!', '?', ';', ':', ')', ']', '\'']).len()
}

#[cfg(test)]
mod tests;
