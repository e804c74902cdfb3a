//! Light English stemming: plural, -ing, -ed, final y and e.
//!
//! Source: M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980, steps 1a, 1b, 1c and 5a. The later
//! steps, which join words of different meaning ("general", "generate"), are left out on purpose.

use std::borrow::Cow;

/// The stem of an English word in lower case, for comparing only: `arrived`, `arrives` and `arrive` share `arriv`.
///
/// Words with other than ASCII letters, and those of one or two letters, are their own stem.
#[must_use]
pub fn stem(word: &str) -> Cow<'_, str> {
    if word.len() <= 2 || !word.bytes().all(|b| b.is_ascii_lowercase()) {
        return Cow::Borrowed(word);
    }
    let singular = without_plural(word);
    let mut stem = without_past_or_progressive(singular);
    if stem.ends_with('y') && has_vowel(&stem[..stem.len() - 1]) {
        let to = stem.to_mut();
        to.pop();
        to.push('i');
    }
    without_final_e(stem)
}

/// Step 1a.
fn without_plural(word: &str) -> &str {
    if word.ends_with("sses") || word.ends_with("ies") {
        &word[..word.len() - 2]
    } else if word.ends_with('s') && !word.ends_with("ss") {
        &word[..word.len() - 1]
    } else {
        word
    }
}

/// Step 1b.
fn without_past_or_progressive(word: &str) -> Cow<'_, str> {
    if let Some(stem) = word.strip_suffix("eed") {
        return Cow::Borrowed(if measure(stem) > 0 { &word[..word.len() - 1] } else { word });
    }
    let stem =
        ["ed", "ing"].iter().find_map(|suffix| word.strip_suffix(suffix).filter(|stem| has_vowel(stem)));
    let Some(stem) = stem else {
        return Cow::Borrowed(word);
    };
    if ["at", "bl", "iz"].iter().any(|end| stem.ends_with(end)) || measure(stem) == 1 && ends_short(stem) {
        return Cow::Owned(format!("{stem}e"));
    }
    match stem.as_bytes() {
        [.., a, b] if a == b && !is_vowel(stem, stem.len() - 1) && !matches!(b, b'l' | b's' | b'z') => {
            Cow::Borrowed(&stem[..stem.len() - 1])
        }
        _ => Cow::Borrowed(stem),
    }
}

/// Step 5a.
fn without_final_e(word: Cow<'_, str>) -> Cow<'_, str> {
    let Some(stem) = word.strip_suffix('e') else {
        return word;
    };
    if measure(stem) > 1 || measure(stem) == 1 && !ends_short(stem) {
        Cow::Owned(stem.to_owned())
    } else {
        word
    }
}

/// Porter's m: how often a vowel is followed by a consonant.
fn measure(stem: &str) -> usize {
    (1..stem.len()).filter(|&at| is_vowel(stem, at - 1) && !is_vowel(stem, at)).count()
}

fn has_vowel(stem: &str) -> bool {
    (0..stem.len()).any(|at| is_vowel(stem, at))
}

/// Porter's *o: consonant, vowel, consonant at the end, the last not w, x or y.
fn ends_short(stem: &str) -> bool {
    let n = stem.len();
    n >= 3
        && !is_vowel(stem, n - 3)
        && is_vowel(stem, n - 2)
        && !is_vowel(stem, n - 1)
        && !matches!(stem.as_bytes()[n - 1], b'w' | b'x' | b'y')
}

/// Whether the letter at a place is a vowel; y is one after a consonant.
fn is_vowel(word: &str, at: usize) -> bool {
    match word.as_bytes()[at] {
        b'a' | b'e' | b'i' | b'o' | b'u' => true,
        b'y' => at > 0 && !is_vowel(word, at - 1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_meet() {
        for (forms, expected) in [
            ("arrive arrives arrived arriving", "arriv"),
            ("return returns returned returning", "return"),
            ("ship ships shipped shipping", "ship"),
            ("delivery deliveries", "deliveri"),
            ("refund refunds refunded refunding", "refund"),
            ("cancel cancels canceled", "cancel"),
            ("use used uses using", "us"),
            ("pass passes passed", "pass"),
        ] {
            for form in forms.split(' ') {
                assert_eq!(stem(form), expected, "{form}");
            }
        }
    }

    #[test]
    fn short_and_foreign_words_stay() {
        for word in ["", "is", "5g", "été", "don't", "退货", "sing", "bed"] {
            assert_eq!(stem(word), word);
        }
    }
}
