//! Finding many phrases in one pass over a text.
//!
//! Phrases are found where they stand, Chinese ones anywhere and those of ASCII letters as whole words. A place costs two
//! look-ups however many phrases there are, because few of them share their first two characters.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A set of phrases, each with what it stands for.
#[derive(Debug)]
pub(crate) struct Phrases<T> {
    /// By the first two characters, longest first; phrases of one character are under that character and `'\0'`.
    by_head: HashMap<u64, Vec<Phrase<T>>, BuildHasherDefault<HeadHasher>>,
    /// A Bloom filter of the heads: nearly every place of a text has none of them.
    heads: Box<[u64; HEADS_WORDS]>,
    starts: Starts,
}

/// What phrases start with: a place that starts otherwise costs one look into a bitmap.
#[derive(Debug)]
struct Starts {
    /// Of those that start with an ASCII character the low five bits of the first three bytes, which tell letters apart; behind the
    /// end of a phrase stands anything.
    narrow: Box<[u32; 1_024]>,
    /// Of those that start with a character of three bytes, its code point.
    wide: Box<[u64; 1_024]>,
}

impl Default for Starts {
    fn default() -> Self {
        Self { narrow: Box::new([0; 1_024]), wide: Box::new([0; 1_024]) }
    }
}

impl Starts {
    fn insert(&mut self, phrase: &str) {
        match *phrase.as_bytes() {
            [first @ ..128] => {
                let from = pair(first, 0);
                self.narrow[from..from + 32].fill(u32::MAX);
            }
            [first @ ..128, second] => self.narrow[pair(first, second)] = u32::MAX,
            [first @ ..128, second, third, ..] => self.narrow[pair(first, second)] |= 1 << (third & 31),
            [first @ 0xe0..0xf0, second, third, ..] => {
                let point = point(first, second, third);
                self.wide[point >> 6] |= 1 << (point & 63);
            }
            // Few are of these: they are looked up wherever they may stand.
            _ => {}
        }
    }

    /// False when no phrase stands at byte `at`, by the bytes there.
    #[inline]
    fn may_stand(&self, text: &[u8], at: usize) -> bool {
        match *text[at..].first_chunk::<3>().unwrap_or(&[text[at], text.get(at + 1).copied().unwrap_or(0), 0])
        {
            [first @ ..128, second, third] => self.narrow[pair(first, second)] & 1 << (third & 31) != 0,
            [first @ 0xe0..0xf0, second, third] => {
                let point = point(first, second, third);
                self.wide[point >> 6] & 1 << (point & 63) != 0
            }
            _ => true,
        }
    }
}

/// Where the first two bytes of an ASCII phrase have their thirds.
fn pair(first: u8, second: u8) -> usize {
    usize::from(first & 31) << 5 | usize::from(second & 31)
}

/// The code point of a character of three bytes (RFC 3629).
fn point(first: u8, second: u8, third: u8) -> usize {
    usize::from(first & 0xf) << 12 | usize::from(second & 0x3f) << 6 | usize::from(third & 0x3f)
}

/// 64 bits each: 2 KiB, where some thousand heads leave 15 of 16 bits empty.
const HEADS_WORDS: usize = 256;

#[derive(Debug)]
struct Phrase<T> {
    text: Box<str>,
    /// True when more letters may follow: it was written with a `*` at its end.
    open: bool,
    meaning: T,
}

impl<T> Default for Phrases<T> {
    fn default() -> Self {
        Self { by_head: HashMap::default(), heads: Box::new([0; HEADS_WORDS]), starts: Starts::default() }
    }
}

impl<T> Phrases<T> {
    /// Adds a normalised phrase; a `*` at its end lets it match longer words too (`refund*`). Empty phrases are left out.
    pub(crate) fn insert(&mut self, phrase: &str, meaning: T) {
        let (text, open) = phrase.strip_suffix('*').map_or((phrase, false), |stem| (stem, true));
        let mut chars = text.chars();
        let Some(first) = chars.next() else {
            return;
        };
        let head = head(first, chars.next());
        let (word, bit) = place(head);
        self.heads[word] |= bit;
        self.starts.insert(text);
        let bucket = self.by_head.entry(head).or_default();
        let place = bucket.partition_point(|other| other.text.len() >= text.len());
        bucket.insert(place, Phrase { text: text.into(), open, meaning });
    }

    /// False when no phrase stands at byte `at` of a text, which is so of nearly every place and quickly told.
    #[inline]
    pub(crate) fn may_stand(&self, text: &str, at: usize) -> bool {
        self.starts.may_stand(text.as_bytes(), at)
    }

    /// The phrases that stand at byte `at` of a normalised text, longest first: their length in bytes and their meaning.
    pub(crate) fn at<'a>(&'a self, text: &'a str, at: usize) -> impl Iterator<Item = (usize, &'a T)> {
        let candidates = self.candidates(text, at).into_iter().flatten().flatten();
        candidates.filter_map(move |phrase| phrase.len_in(&text[at..]).map(|len| (len, &phrase.meaning)))
    }

    /// Phrases whose first characters stand at byte `at`: those of two characters or more, then those of one.
    fn candidates(&self, text: &str, at: usize) -> [Option<&Vec<Phrase<T>>>; 2] {
        let bytes = text.as_bytes();
        let (first, second) = match bytes.get(at..at + 2) {
            Some(&[a, b]) if a.is_ascii() && b.is_ascii() => (Some(char::from(a)), Some(char::from(b))),
            Some(_) | None => {
                let mut chars = text[at..].chars();
                (chars.next(), chars.next())
            }
        };
        let Some(first) = first else { return [None; 2] };
        if first.is_ascii_alphanumeric() && at > 0 && bytes[at - 1].is_ascii_alphanumeric() {
            return [None; 2];
        }
        [second.and_then(|second| self.of_head(head(first, Some(second)))), self.of_head(head(first, None))]
    }

    fn of_head(&self, head: u64) -> Option<&Vec<Phrase<T>>> {
        let (word, bit) = place(head);
        if self.heads[word] & bit == 0 {
            return None;
        }
        self.by_head.get(&head)
    }

    /// Calls `found` for every phrase anywhere in a normalised text, those inside others included.
    pub(crate) fn each(&self, text: &str, mut found: impl FnMut(&T)) {
        let mut at = 0;
        while at < text.len() {
            if self.may_stand(text, at) {
                self.at(text, at).for_each(|(_, meaning)| found(meaning));
            }
            at = next(text, at);
        }
    }
}

impl<T> Phrase<T> {
    /// Its length at the start of `rest`, with the letters that follow an open phrase; `None` if it isn't there.
    fn len_in(&self, rest: &str) -> Option<usize> {
        // Those of one head mostly differ in their last byte: a comparison is saved.
        if rest.as_bytes().get(self.text.len() - 1) != self.text.as_bytes().last() {
            return None;
        }
        let after = rest.strip_prefix(&*self.text)?;
        if self.open {
            return Some(self.text.len() + word_len(after.as_bytes()));
        }
        let ends_word = self.text.as_bytes().last().is_some_and(u8::is_ascii_alphanumeric);
        let goes_on = ends_word && after.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        (!goes_on).then_some(self.text.len())
    }
}

/// The next place after `at` at which a phrase may start: after the word of ASCII letters there, or after one character.
pub(crate) fn next(text: &str, at: usize) -> usize {
    let rest = &text.as_bytes()[at..];
    match rest.first() {
        Some(first) if first.is_ascii_alphanumeric() => at + word_len(rest),
        // By the first byte of a character (RFC 3629); within one of them nobody starts.
        Some(0xe0..0xf0) => at + 3,
        Some(0xf0..) => at + 4,
        Some(0xc0..) => at + 2,
        Some(_) | None => at + 1,
    }
}

/// How many ASCII letters and digits a text begins with.
fn word_len(text: &[u8]) -> usize {
    text.iter().take_while(|byte| IN_WORD[usize::from(**byte)]).count()
}

/// The ASCII letters and digits.
const IN_WORD: [bool; 256] = {
    let (mut table, mut byte) = ([false; 256], 0);
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

fn head(first: char, second: Option<char>) -> u64 {
    u64::from(first) << 32 | second.map_or(0, u64::from)
}

/// Where the filter has a head: a word and a bit in it.
fn place(head: u64) -> (usize, u64) {
    let spread = head.wrapping_mul(SPREAD);
    (usize::from((spread >> 56) as u8), 1 << (spread >> 50 & 63))
}

/// 2^64 divided by the golden ratio: Fibonacci hashing (Knuth, TAOCP 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Spreads a head over 64 bits. Keys are our own lexicons, not an attacker's.
#[derive(Default)]
struct HeadHasher(u64);

impl Hasher for HeadHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(self.0 << 8 | u64::from(byte));
        }
    }

    fn write_u64(&mut self, head: u64) {
        let spread = head.wrapping_mul(SPREAD);
        self.0 = spread ^ spread >> 32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(phrases: &[&'static str], text: &str) -> Vec<&'static str> {
        let mut table = Phrases::default();
        phrases.iter().for_each(|&phrase| table.insert(phrase, phrase));
        let mut found = Vec::new();
        table.each(text, |&phrase| found.push(phrase));
        found
    }

    #[test]
    fn chinese_is_found_anywhere_and_english_as_whole_words() {
        assert_eq!(found(&["退款", "退款成功", "款"], "已退款成功"), ["退款成功", "退款", "款"]);
        assert_eq!(found(&["art"], "art, start, party, an art"), ["art", "art"]);
        assert_eq!(found(&["disappoint*", "qq*"], "i'm disappointed,加qq123"), ["disappoint*", "qq*"]);
        assert_eq!(found(&["can", "can't", ":("], "can't :("), ["can't", "can", ":("]);
        assert!(found(&["", "*"], "anything * at all").is_empty());
    }

    #[test]
    fn a_place_that_is_passed_over_has_no_phrase() {
        let phrases = ["退款", "款", "é", "ét", "👍", "👍🏽", "a", "ab*", "~", "can't", "。", "㐀", ":("];
        let mut table = Phrases::default();
        phrases.iter().for_each(|&phrase| table.insert(phrase, phrase));
        for c in '\0'..=char::MAX {
            let text = format!("{c}a{c}b{c}{c}退{c}款{c}");
            let (mut quickly, mut everywhere, mut at) = (Vec::new(), Vec::new(), 0);
            table.each(&text, |&phrase| quickly.push(phrase));
            while at < text.len() {
                everywhere.extend(table.at(&text, at).map(|(_, phrase)| *phrase));
                let rest = text[at..].chars();
                let word = rest.clone().take_while(char::is_ascii_alphanumeric).count();
                at += if word > 0 { word } else { rest.take(1).map(char::len_utf8).sum() };
            }
            assert_eq!(quickly, everywhere, "U+{:04x}", c as u32);
        }
    }
}
