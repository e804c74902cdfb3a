//! Character n-grams: what words look like when one cannot trust where they begin and end.

use std::ops::RangeInclusive;

/// Every run of `sizes` characters of a text, as slices of it: all that start at the first character, shortest first,
/// then all that start at the second, and so on. Spaces and punctuation count as characters.
#[must_use]
pub fn char_ngrams(text: &str, sizes: RangeInclusive<usize>) -> Vec<&str> {
    let ends: Vec<usize> = text.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
    let mut ngrams = Vec::with_capacity(ends.len() * sizes.clone().count());
    let mut start = 0;
    for (first, &next) in ends.iter().enumerate() {
        for size in sizes.clone().filter(|&size| size > 0) {
            if let Some(&end) = ends.get(first + size - 1) {
                ngrams.push(&text[start..end]);
            }
        }
        start = next;
    }
    ngrams
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ngrams_follow_characters_not_bytes() {
        assert_eq!(char_ngrams("我要退货", 2..=3), ["我要", "我要退", "要退", "要退货", "退货"]);
        assert_eq!(char_ngrams("a b", 2..=2), ["a ", " b"]);
        assert!(char_ngrams("货", 2..=3).is_empty());
        assert!(char_ngrams("", 1..=3).is_empty());
    }
}
