//! Splitting a long text where it hurts least: between sentences, else between words, else between graphemes (UAX #29).

use unicode_segmentation::UnicodeSegmentation;

use super::Limit;
use crate::content::TEXT_BYTES_MAX;

/// The parts of `text`, each within `limit` and within what one message can hold; no letter but white space at the seams is lost.
///
/// A limit of nothing gives the parts that a message can hold: a channel that takes no text at all has no use for any of them.
#[must_use]
pub fn split(text: &str, limit: Limit) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let part = &rest[..seam(rest, limit)];
        parts.push(part.trim_end().to_owned());
        rest = rest[part.len()..].trim_start();
    }
    parts
}

/// Where the first part ends; it is not empty.
fn seam(text: &str, limit: Limit) -> usize {
    let end = longest(text, limit);
    if end == text.len() {
        return end;
    }
    let head = &text[..end];
    // A sentence that ends in the first half would leave a short part and a long one: a word's end is better then.
    let sentences = head.split_sentence_bound_indices().map(|(at, _)| at).filter(|at| *at > end / 2);
    let words = || head.split_word_bound_indices().map(|(at, _)| at).filter(|at| *at > end / 2);
    sentences.last().or_else(|| words().next_back()).unwrap_or(end)
}

/// The longest beginning within the limits that does not end inside a grapheme; inside one when it is longer than a message.
fn longest(text: &str, limit: Limit) -> usize {
    let most = if limit.max() == 0 { Limit::Bytes(TEXT_BYTES_MAX) } else { limit };
    let within = |parts: &mut dyn Iterator<Item = &str>| {
        let (mut end, mut size) = (0, 0);
        for part in parts {
            size += most.size(part);
            if size > most.max() || end + part.len() > TEXT_BYTES_MAX {
                break;
            }
            end += part.len();
        }
        end
    };
    match within(&mut text.graphemes(true)) {
        0 => match within(&mut text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()])) {
            // A limit below one letter: a letter all the same, so that there is an end.
            0 => text.chars().next().map_or(0, char::len_utf8),
            end => end,
        },
        end => end,
    }
}
