//! The words that a message is about: candidates for the heat of a board.
//!
//! There is no list of topics. Every word that could name one is a candidate, and the number of conversations that have it
//! decides. What names nothing is kept out: stop words, numbers, codes, addresses, courtesies, placeholders.

use std::collections::HashSet;
use std::sync::LazyLock;

use foldhash::fast::FixedState;

use crate::text::{Kind, each_token, normalise, stop_words};

/// Shortest Chinese keyword, in characters.
const HAN_MIN: usize = 2;
/// Shortest English keyword, in letters.
const LETTERS_MIN: usize = 3;
/// Longest keyword, in bytes; longer ones are no words.
const WORD_BYTES_MAX: usize = 48;

/// Own lists: words separated by white space, `#` starts a comment.
const LISTS: [&str; 2] =
    [include_str!("../../data/keyword-stop-zh.txt"), include_str!("../../data/keyword-stop-en.txt")];

/// With the stop words, so that a word is looked up once.
static NAMELESS: LazyLock<HashSet<&'static str, FixedState>> = LazyLock::new(|| {
    let lines = LISTS.iter().flat_map(|list| list.lines()).filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace).chain(stop_words()).collect()
});

/// The keywords of a message, each once, in the order of the text; English ones in the singular.
///
/// `"您好，我的快递怎么还没到"` has `["快递"]`, `"Where are my refunds?"` has `["refund"]`.
#[must_use]
pub fn keywords(text: &str) -> Vec<String> {
    keywords_of(&normalise(text))
}

/// The keywords of a normalised text.
pub(super) fn keywords_of(normal: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    each_token(normal, |kind, text| {
        if let Some(word) = keyword(kind, &text).filter(|word| !words.contains(word)) {
            words.push(word);
        }
    });
    words
}

/// The keyword that a token stands for, if it does.
fn keyword(kind: Kind, text: &str) -> Option<String> {
    let long_enough = match kind {
        Kind::Han => text.chars().nth(HAN_MIN - 1).is_some(),
        Kind::Word => is_long_word(text),
        Kind::Number | Kind::Code | Kind::Link | Kind::Emoji => false,
    };
    if !long_enough || text.len() > WORD_BYTES_MAX || is_nameless(text) {
        return None;
    }
    let mut word = text.to_owned();
    if kind == Kind::Word {
        make_singular(&mut word);
        if word.len() != text.len() && is_nameless(&word) {
            return None;
        }
    }
    Some(word)
}

fn is_long_word(text: &str) -> bool {
    // Most words are of nothing but ASCII letters.
    match *text.as_bytes() {
        [a, b, c, ..] if [a, b, c].iter().all(u8::is_ascii_alphabetic) => true,
        _ => text.chars().filter(|c| c.is_alphabetic()).nth(LETTERS_MIN - 1).is_some(),
    }
}

fn is_nameless(word: &str) -> bool {
    NAMELESS.contains(word)
}

/// Takes the plural off an English word, so that one thing is one keyword; the result is always a word to show.
fn make_singular(word: &mut String) {
    if let Some(owner) = word.strip_suffix("'s") {
        word.truncate(owner.len());
    }
    if word.len() <= LETTERS_MIN || ["ss", "us", "is"].iter().any(|end| word.ends_with(end)) {
        return;
    }
    if let Some(stem) = word.strip_suffix("ies") {
        word.truncate(stem.len());
        word.push('y');
    } else if ["sses", "shes", "ches", "xes"].iter().any(|end| word.ends_with(end)) {
        word.truncate(word.len() - "es".len());
    } else if word.ends_with('s') {
        word.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_could_name_a_subject_is_a_keyword() {
        for (text, expected) in [
            ("您好，请问我的快递怎么还没到？谢谢亲", vec!["快递"]),
            ("[订单编号:[订单x]，订单金额:[金额x]，下单时间:[日期x] [时间x]]", vec![]),
            ("发票 我之前订单的发票", vec!["发票", "订单"]),
            ("订单 1234567890 的退款，见 https://a.example/x.html", vec!["订单", "退款"]),
            ("可以吗？什么意思", vec![]),
            ("Hello, where are my refunds for the boxes? Thanks", vec!["refund", "box"]),
            ("the agent's policies on iPhone15 batteries", vec!["agent", "policy", "iphone15", "battery"]),
            ("😊 ok 12 a1", vec![]),
        ] {
            assert_eq!(keywords(text), expected, "{text}");
        }
    }
}
