//! Text without its marks, for channels that would show them.

use crate::content::{Entity, EntityKind, is_web_url};

/// Marks that stand in pairs, the longer before what they contain.
const PAIRS: [&str; 4] = ["**", "~~", "`", "*"];

/// md-lite as plain text: `**bold**` as bold, `[label](url)` as label (url). What is no mark stays as it is.
#[must_use]
pub fn unmarked(text: &str) -> String {
    let text = PAIRS.iter().fold(links(text), |text, mark| unpaired(&text, mark));
    text.trim().to_owned()
}

fn links(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('[') {
        let (before, after) = rest.split_at(open);
        plain.push_str(before);
        match link(&after[1..]) {
            Some((label, url, length)) => {
                plain.push_str(label);
                plain.push_str(" (");
                plain.push_str(url);
                plain.push(')');
                rest = &after[1 + length..];
            }
            None => {
                plain.push('[');
                rest = &after[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// The label, the URL and the length of `label](url)`.
fn link(text: &str) -> Option<(&str, &str, usize)> {
    let label = &text[..text.find([']', '[', '\n'])?];
    let after = text[label.len()..].strip_prefix("](")?;
    let url = &after[..after.find([')', '\n'])?];
    let closed = after[url.len()..].starts_with(')');
    (closed && !label.trim().is_empty() && is_web_url(url)).then_some((
        label,
        url,
        label.len() + url.len() + 3,
    ))
}

fn unpaired(text: &str, mark: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(mark) {
        plain.push_str(before);
        match after.split_once(mark).filter(|(inside, _)| marked(inside)) {
            Some((inside, behind)) => {
                plain.push_str(inside);
                rest = behind;
            }
            None => {
                plain.push_str(mark);
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// Something on one line that begins and ends with a letter: `2 * 3 * 4` has no mark.
fn marked(inside: &str) -> bool {
    !inside.is_empty() && inside.trim() == inside && !inside.contains('\n')
}

/// The text with the URLs of its links written out behind them.
pub(super) fn linked(text: &str, entities: &[Entity]) -> String {
    let mut urls: Vec<(usize, &str)> = entities
        .iter()
        .filter(|entity| entity.kind == EntityKind::Link)
        .filter_map(|entity| Some((entity.at as usize + entity.len as usize, entity.value.as_deref()?)))
        .filter(|(_, url)| !text.contains(url))
        .collect();
    urls.sort_unstable();
    let mut plain = String::with_capacity(text.len());
    let mut urls = urls.into_iter().peekable();
    for (at, letter) in text.chars().enumerate() {
        while let Some((_, url)) = urls.next_if(|(end, _)| *end <= at) {
            plain.push_str(&format!(" ({url})"));
        }
        plain.push(letter);
    }
    for (_, url) in urls {
        plain.push_str(&format!(" ({url})"));
    }
    plain
}
