//! Clauses: the stretches of a message that say one thing each.

use super::{is_han, link_len};

/// The clauses of a text, as trimmed slices of it, without the marks that end them.
///
/// A clause ends at `。！？；，…` and `.!?;,` in either width, at a line end, at `~`, and at white space between two Han
/// characters, which is how people who chat in Chinese punctuate. Decimals (`3.5`, `1,299`), dotted names
/// (`clearbrook.example`) and web addresses stay whole.
#[must_use]
pub fn clauses(text: &str) -> Vec<&str> {
    let mut clauses = Vec::new();
    let (mut start, mut at, mut before) = (0, 0, None);
    while let Some(c) = text[at..].chars().next() {
        let link = if matches!(c, 'h' | 'w') { link_len(&text[at..]) } else { 0 };
        let len = link.max(c.len_utf8());
        if link == 0 && ends_clause(before, c, &text[at + len..]) {
            push_trimmed(&text[start..at], &mut clauses);
            start = at + len;
        }
        before = Some(c);
        at += len;
    }
    push_trimmed(&text[start..], &mut clauses);
    clauses
}

fn ends_clause(before: Option<char>, mark: char, rest: &str) -> bool {
    let after = rest.chars().next();
    match mark {
        '。' | '！' | '？' | '；' | '，' | '．' | '…' | '!' | '?' | ';' | '~' | '～' | '\n' | '\r' => {
            true
        }
        '.' => !after.is_some_and(|c| c.is_ascii_alphanumeric()),
        ',' => !(before.is_some_and(|c| c.is_ascii_digit()) && after.is_some_and(|c| c.is_ascii_digit())),
        space if space.is_whitespace() => {
            before.is_some_and(is_han) && rest.trim_start().chars().next().is_some_and(is_han)
        }
        _ => false,
    }
}

fn push_trimmed<'a>(clause: &'a str, clauses: &mut Vec<&'a str>) {
    let clause = clause.trim();
    if !clause.is_empty() {
        clauses.push(clause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_falls_into_what_it_says() {
        for (text, expected) in [
            ("", vec![]),
            ("。。。!!", vec![]),
            ("不在同一城市，能改地址吗？谢谢", vec!["不在同一城市", "能改地址吗", "谢谢"]),
            ("我昨天拍了   拍的时候有货  iPhone 15 呢", vec!["我昨天拍了", "拍的时候有货  iPhone 15 呢"]),
            (
                "It cost 1,299.50, not 3.5. Why?\nTell me",
                vec!["It cost 1,299.50", "not 3.5", "Why", "Tell me"],
            ),
            (
                "看 https://a.example/x?id=1,2;b.html。不对",
                vec!["看 https://a.example/x?id=1,2;b.html", "不对"],
            ),
            ("see clearbrook.example.", vec!["see clearbrook.example"]),
        ] {
            assert_eq!(clauses(text), expected, "{text:?}");
        }
    }
}
