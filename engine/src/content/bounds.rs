//! The limits of a message's fields and the checks that all types share.

use url::Url;

use super::place::Place;
use crate::refusal::Refusal;

/// Longest text or `alt` of a message, in bytes.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;
/// Longest title, label or value, in bytes.
pub const LABEL_BYTES_MAX: usize = 2 * 1024;
/// Longest URL, in bytes.
pub const URL_BYTES_MAX: usize = 2 * 1024;
/// Longest name or id of a part of a message, in bytes.
pub const ID_BYTES_MAX: usize = 256;
/// Longest data of a custom content, in bytes.
pub const CUSTOM_BYTES_MAX: usize = 16 * 1024;
/// Deepest nesting of arrays and objects in the data of a custom content.
pub const CUSTOM_DEPTH_MAX: usize = 32;
/// Most entities of a text.
pub const ENTITIES_MAX: usize = 100;
/// Most labelled values of a card.
pub const CARD_FIELDS_MAX: usize = 12;
/// Most buttons of a card.
pub const ACTIONS_MAX: usize = 5;
/// Most cards of a carousel or list.
pub const CARDS_MAX: usize = 10;
/// Most answers to choose from.
pub const CHOICES_MAX: usize = 20;
/// Most inputs of a form.
pub const FORM_FIELDS_MAX: usize = 30;
/// Most options of one input.
pub const FORM_OPTIONS_MAX: usize = 100;
/// Longest pattern of an input, in bytes.
pub const PATTERN_BYTES_MAX: usize = 256;
/// Most parameters of a template, a command or a system text.
pub const PARAMS_MAX: usize = 16;
/// Most channels with a form of their own.
pub const CHANNELS_MAX: usize = 16;

/// What a person wrote: any letters, line ends and tabs, no other control characters.
pub(super) fn words(place: &Place<'_>, text: &str, bytes_max: usize) -> Result<(), Refusal> {
    if text.len() > bytes_max {
        return Err(too_long(place, text, bytes_max));
    }
    // All bytes without an early end: that is what a compiler can do for many at once.
    let control = |byte: u8| (byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0x7f;
    if text.bytes().fold(false, |found, byte| found | control(byte)) {
        return Err(place.refuse("has a control character: leave out all but line ends and tabs"));
    }
    Ok(())
}

/// The same, and not blank.
pub(super) fn some_words(place: &Place<'_>, text: &str, bytes_max: usize) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        return Err(place.refuse("is empty: write something"));
    }
    words(place, text, bytes_max)
}

pub(super) fn optional_words(
    place: &Place<'_>,
    text: Option<&String>,
    bytes_max: usize,
) -> Result<(), Refusal> {
    text.map_or(Ok(()), |text| some_words(place, text, bytes_max))
}

/// A name for programs or of a file: one line, nothing that hides how it reads.
pub(super) fn name(place: &Place<'_>, text: &str, bytes_max: usize) -> Result<(), Refusal> {
    if text.len() > bytes_max {
        return Err(too_long(place, text, bytes_max));
    }
    if text.trim().is_empty() {
        return Err(place.refuse("is empty: give it a name"));
    }
    // The bidirectional controls of Unicode make "exe.fdp" read as "pdf.exe".
    let hides = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.chars().any(hides) {
        return Err(place.refuse("has a control character: use letters, digits and spaces"));
    }
    Ok(())
}

fn too_long(place: &Place<'_>, text: &str, bytes_max: usize) -> Refusal {
    place.too_large(format_args!(
        "has {} bytes, the limit is {bytes_max}: split it or send a file",
        text.len()
    ))
}

pub(super) fn counted(place: &Place<'_>, count: usize, count_max: usize) -> Result<(), Refusal> {
    if count <= count_max {
        return Ok(());
    }
    Err(place.refuse(format_args!("has {count} items, the limit is {count_max}")))
}

/// At least one and at most `count_max`.
pub(super) fn some(place: &Place<'_>, count: usize, count_max: usize) -> Result<(), Refusal> {
    if count == 0 {
        return Err(place.refuse("is empty: it has at least one item"));
    }
    counted(place, count, count_max)
}

/// Every name is there once.
pub(super) fn unique<'a>(
    place: &Place<'_>,
    part: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), Refusal> {
    for (index, name) in names.clone().enumerate() {
        if names.clone().take(index).any(|earlier| earlier == name) {
            return Err(place.item(index).field(part).refuse(format_args!("{name:?} is there twice")));
        }
    }
    Ok(())
}

/// True for an absolute `http` or `https` URL with a host, as browsers parse it.
#[must_use]
pub fn is_web_url(text: &str) -> bool {
    text.len() <= URL_BYTES_MAX
        && Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

pub(super) fn web_url(place: &Place<'_>, text: &str) -> Result<(), Refusal> {
    if text.len() > URL_BYTES_MAX {
        return Err(too_long(place, text, URL_BYTES_MAX));
    }
    if is_web_url(text) {
        return Ok(());
    }
    Err(place.refuse("is not a URL that begins with https:// or http://"))
}

/// A web URL, or a path of the node itself (not `//host`, which is a URL of another host).
pub(super) fn file_url(place: &Place<'_>, text: &str) -> Result<(), Refusal> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    if text.len() <= URL_BYTES_MAX
        && text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(plain)
        && !text.split('/').any(|part| part == "..")
    {
        return Ok(());
    }
    web_url(place, text)
}

/// `tel:` and a number of 2 to 32 digits, with `+`, `-`, `.`, brackets or `*` and `#` between them (RFC 3966).
pub(super) fn tel_url(place: &Place<'_>, text: &str) -> Result<(), Refusal> {
    let number = text.strip_prefix("tel:").unwrap_or_default();
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let written = |byte: u8| byte.is_ascii_digit() || b"+-.()*#".contains(&byte);
    if (2..=32).contains(&digits) && number.len() <= 48 && number.bytes().all(written) {
        return Ok(());
    }
    Err(place.refuse("is not tel: and a phone number, for instance tel:+861012345678"))
}

/// True for `type/subtype` with optional parameters, by the grammar of RFC 9110, section 8.3.1.
#[must_use]
pub fn is_mime(text: &str) -> bool {
    let token = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let mut parts = text.split(';');
    let essence = parts.next().unwrap_or_default().trim_end();
    text.len() <= 128
        && essence.split_once('/').is_some_and(|(kind, of)| token(kind) && token(of))
        && parts.all(|part| {
            part.trim().split_once('=').is_some_and(|(name, value)| {
                let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                token(name) && token(quoted.unwrap_or(value))
            })
        })
}
