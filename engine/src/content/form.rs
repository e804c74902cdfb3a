//! Questions with prepared answers: choices, forms, and what comes back.

use std::collections::BTreeMap;

use regex_lite::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::bounds;
use super::place::Place;
use crate::refusal::Refusal;

/// Memory that one compiled pattern may take, bytes.
const PATTERN_COMPILED_BYTES_MAX: usize = 64 * 1024;
/// Stars of a rating.
const RATING_MAX: u8 = 5;

/// One of the answers to choose from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Choice {
    /// Its name within the question.
    pub id: String,
    /// What is written on it.
    pub label: String,
    /// What it says when it is chosen; the label when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// More about it, in small print.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desc: Option<String>,
}

impl Choice {
    /// An answer that says its label.
    #[must_use]
    pub fn new(id: impl Into<String>, label: impl Into<String>) -> Self {
        Self { id: id.into(), label: label.into(), ..Self::default() }
    }

    /// The same answer with something else to say.
    #[must_use]
    pub fn says(mut self, value: impl Into<String>) -> Self {
        self.value = Some(value.into());
        self
    }
}

/// One input of a form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FormField {
    /// Its name within the form.
    pub name: String,
    /// What is asked.
    pub label: String,
    /// What it takes.
    pub kind: InputKind,
    /// True when the form cannot be sent without it.
    #[serde(default)]
    pub required: bool,
    /// What a select offers.
    #[serde(default)]
    pub options: Vec<String>,
    /// A regular expression that the whole answer matches; syntax of the crate `regex-lite`, which has no look-around and is linear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

/// What an input takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum InputKind {
    Text,
    Email,
    Tel,
    Select,
    Date,
    File,
    Rating,
}

/// A form, filled in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct FormResponse {
    /// The words that stand for it.
    pub alt: String,
    /// The message that asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// The answers by the names of their inputs; a file by its id.
    pub submitted: BTreeMap<String, String>,
}

/// A button was pressed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ActionResponse {
    /// The words that stand for it.
    pub alt: String,
    /// The button's or choice's id.
    pub action_id: String,
    /// What it gives.
    pub value: String,
    /// The message that it belongs to.
    pub from_ms: String,
}

/// Checks answers against the form that asked for them: nothing unknown, nothing required missing, each of its kind and pattern.
///
/// # Errors
/// `unsupported_content` with the answer's place.
pub fn answers(fields: &[FormField], submitted: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let content = Place::CONTENT;
    let place = content.field("submitted");
    if let Some(unknown) = submitted.keys().find(|name| fields.iter().all(|field| field.name != **name)) {
        return Err(place.field(unknown).refuse("is not an input of this form"));
    }
    for field in fields {
        let place = place.field(&field.name);
        match submitted.get(&field.name).map(|answer| answer.trim()).filter(|answer| !answer.is_empty()) {
            Some(answer) => field.takes(&place, answer)?,
            None if field.required => return Err(place.refuse("is required: fill it in")),
            None => {}
        }
    }
    Ok(())
}

impl FormField {
    fn takes(&self, place: &Place<'_>, answer: &str) -> Result<(), Refusal> {
        let offered = self.options.is_empty() || self.options.iter().any(|option| option == answer);
        let wanted = match self.kind {
            InputKind::Text => None,
            InputKind::Email => {
                (!is_email(answer)).then_some("is not an e-mail address, as name@example.com")
            }
            InputKind::Tel => (!is_phone(answer)).then_some("is not a phone number, as +86 10 1234 5678"),
            InputKind::Select => {
                (!self.options.iter().any(|option| option == answer)).then_some("is not one of the options")
            }
            InputKind::Date => (!is_date(answer)).then_some("is not a date, as 2026-01-31"),
            InputKind::File => {
                (!answer.starts_with("at_")).then_some("is not the id of an attachment, as at_…")
            }
            InputKind::Rating => {
                let stars = answer.parse::<u8>().is_ok_and(|stars| (1..=RATING_MAX).contains(&stars));
                (!stars || !offered).then_some("is not a rating from 1 to 5")
            }
        };
        if let Some(wanted) = wanted {
            return Err(place.refuse(wanted));
        }
        match self.pattern.as_deref().map(whole) {
            // A form whose pattern does not compile was never accepted; an answer to one is not the visitor's fault.
            Some(Ok(pattern)) if !pattern.is_match(answer) => Err(place.refuse("is not written as asked")),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn check(&self, place: &Place<'_>) -> Result<(), Refusal> {
        bounds::name(&place.field("name"), &self.name, bounds::ID_BYTES_MAX)?;
        bounds::some_words(&place.field("label"), &self.label, bounds::LABEL_BYTES_MAX)?;
        let options = place.field("options");
        if self.kind == InputKind::Select {
            bounds::some(&options, self.options.len(), bounds::FORM_OPTIONS_MAX)?;
        }
        bounds::counted(&options, self.options.len(), bounds::FORM_OPTIONS_MAX)?;
        for (index, option) in self.options.iter().enumerate() {
            bounds::some_words(&options.item(index), option, bounds::LABEL_BYTES_MAX)?;
        }
        let Some(pattern) = &self.pattern else { return Ok(()) };
        let place = place.field("pattern");
        bounds::name(&place, pattern, bounds::PATTERN_BYTES_MAX)?;
        whole(pattern).map_err(|error| {
            place.refuse(format_args!("is not a regular expression that can be used: {error}"))
        })?;
        Ok(())
    }
}

/// The pattern that the whole of an answer matches.
fn whole(pattern: &str) -> Result<Regex, regex_lite::Error> {
    // Compiled on its own first: `a)(b` must not become valid by the brackets around it.
    RegexBuilder::new(pattern).size_limit(PATTERN_COMPILED_BYTES_MAX).build()?;
    RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(PATTERN_COMPILED_BYTES_MAX).build()
}

/// One `@` with something before it and a name with a dot after it: whether it exists only a mail can tell.
fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty()
            && !host.contains('@')
            && host.split('.').count() > 1
            && host.split('.').all(|part| !part.is_empty())
    }) && !text.chars().any(char::is_whitespace)
}

fn is_phone(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    (3..=32).contains(&digits)
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | ' ' | '(' | ')' | '.' | '#' | '*'))
}

/// A day of the Gregorian calendar as `YYYY-MM-DD` (RFC 3339, `full-date`).
fn is_date(text: &str) -> bool {
    let part = |range: std::ops::Range<usize>| {
        text.get(range).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?.parse::<u32>().ok()
    };
    let (Some(year), Some(month), Some(day)) = (part(0..4), part(5..7), part(8..10)) else { return false };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => 0,
    };
    text.len() == 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-' && (1..=days).contains(&day)
}
