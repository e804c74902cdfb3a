//! A knowledge base: the questions that a company can answer, as a file that people write.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::text::Language;

/// Most entries of one knowledge base.
pub const ENTRIES_MAX: usize = 100_000;
/// Most phrasings of one entry.
pub const PHRASINGS_MAX: usize = 100;
/// Longest answer, in bytes: it has to fit into one message.
pub const ANSWER_BYTES_MAX: usize = 8 * 1024;
/// Longest question or phrasing, in bytes.
pub const QUESTION_BYTES_MAX: usize = 1024;
/// Longest id or tag, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// A checked knowledge base. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knowledge {
    entries: Arc<[Entry]>,
}

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Name of the entry, unique in its knowledge base and stable when the wording changes.
    pub id: String,
    /// The language of question and answer, `zh` or `en`.
    pub lang: Language,
    /// The question as its editor would put it; shown when the bot asks back.
    pub question: String,
    /// Other ways to put it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phrasings: Vec<String>,
    /// What the bot says.
    pub answer: String,
    /// Free labels for boards and filters; they don't take part in the search.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// Why a knowledge base was refused; every message says which entry it is and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KnowledgeError {
    /// Not TOML, or not of the shape of a knowledge base.
    #[error("{place} cannot be read: {reason}; correct it and load the file again")]
    Syntax {
        /// Line and, where there is one, entry.
        place: String,
        /// What the parser met.
        reason: String,
    },
    /// More than [`ENTRIES_MAX`].
    #[error("{found} entries are more than {ENTRIES_MAX}; split the knowledge base")]
    TooManyEntries {
        /// How many there are.
        found: usize,
    },
    /// Two entries of the same id.
    #[error("entry `{id}` (number {second}) has the id of number {first}; give one of them another id")]
    DuplicateId {
        /// The id of both.
        id: String,
        /// Number of the earlier entry, from 1.
        first: usize,
        /// Number of the later entry, from 1.
        second: usize,
    },
    /// A field without a visible character.
    #[error("entry `{id}` (number {number}) has an empty {field}; fill it in or remove the entry")]
    Empty {
        /// The entry.
        id: String,
        /// Its number, from 1.
        number: usize,
        /// The field.
        field: &'static str,
    },
    /// A field over its bound.
    #[error("entry `{id}` (number {number}) has {found} {unit} of {field}, more than {max}; shorten it")]
    TooLong {
        /// The entry, its id cut to the bound.
        id: String,
        /// Its number, from 1.
        number: usize,
        /// The field.
        field: &'static str,
        /// Its size.
        found: usize,
        /// The bound.
        max: usize,
        /// What is counted.
        unit: &'static str,
    },
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    entry: Vec<Entry>,
}

impl Knowledge {
    /// Reads a knowledge base from TOML: a list of `[[entry]]`, each with `id`, `lang`, `question`, `answer` and, where
    /// wanted, `phrasings` and `tags`. A file without entries is a knowledge base that answers nothing.
    ///
    /// # Errors
    /// The first fault of the file, as in [`KnowledgeError`].
    pub fn parse(toml: &str) -> Result<Self, KnowledgeError> {
        let document: Document = toml::from_str(toml).map_err(|error| syntax(toml, &error))?;
        Self::from_entries(document.entry)
    }

    /// Checks entries that come from elsewhere, for instance from the REST interface.
    ///
    /// # Errors
    /// The first fault, as in [`KnowledgeError`].
    pub fn from_entries(entries: Vec<Entry>) -> Result<Self, KnowledgeError> {
        if entries.len() > ENTRIES_MAX {
            return Err(KnowledgeError::TooManyEntries { found: entries.len() });
        }
        let mut numbers = HashMap::with_capacity(entries.len());
        for (number, entry) in (1..).zip(&entries) {
            entry.check(number)?;
            if let Some(first) = numbers.insert(entry.id.as_str(), number) {
                return Err(KnowledgeError::DuplicateId { id: entry.id.clone(), first, second: number });
            }
        }
        Ok(Self { entries: entries.into() })
    }

    /// The entries in the order of the file.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of an id.
    #[must_use]
    pub fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }
}

impl Entry {
    /// The question, then its other phrasings.
    pub fn wordings(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.question.as_str()).chain(self.phrasings.iter().map(String::as_str))
    }

    fn check(&self, number: usize) -> Result<(), KnowledgeError> {
        self.check_text(number, "id", &self.id, NAME_BYTES_MAX)?;
        self.check_text(number, "question", &self.question, QUESTION_BYTES_MAX)?;
        self.check_text(number, "answer", &self.answer, ANSWER_BYTES_MAX)?;
        for phrasing in &self.phrasings {
            self.check_text(number, "phrasing", phrasing, QUESTION_BYTES_MAX)?;
        }
        for tag in &self.tags {
            self.check_text(number, "tag", tag, NAME_BYTES_MAX)?;
        }
        self.check_size(number, "phrasings", self.phrasings.len(), PHRASINGS_MAX, "pieces")
    }

    fn check_text(
        &self,
        number: usize,
        field: &'static str,
        text: &str,
        max: usize,
    ) -> Result<(), KnowledgeError> {
        if text.trim().is_empty() {
            return Err(KnowledgeError::Empty { id: self.id.clone(), number, field });
        }
        self.check_size(number, field, text.len(), max, "bytes")
    }

    fn check_size(
        &self,
        number: usize,
        field: &'static str,
        found: usize,
        max: usize,
        unit: &'static str,
    ) -> Result<(), KnowledgeError> {
        if found <= max {
            return Ok(());
        }
        let id = self.id[..self.id.floor_char_boundary(NAME_BYTES_MAX)].to_owned();
        Err(KnowledgeError::TooLong { id, number, field, found, max, unit })
    }
}

/// What the parser says, with the line and the entry that it happened in.
fn syntax(toml: &str, error: &toml::de::Error) -> KnowledgeError {
    let Range { start, .. } = error.span().unwrap_or(0..0);
    let before = &toml[..toml.floor_char_boundary(start)];
    let line = before.matches('\n').count() + 1;
    // An error about a whole entry points at its `[[entry]]`, which is then not before it.
    let header = toml[before.len()..].starts_with("[[entry]]");
    let place = match before.matches("[[entry]]").count() + usize::from(header) {
        0 => format!("line {line}"),
        number => {
            let id = id_of_entry(toml, number).map(|id| format!(" `{id}`")).unwrap_or_default();
            format!("entry{id} (number {number}, line {line})")
        }
    };
    KnowledgeError::Syntax { place, reason: error.message().trim().replace('\n', " ") }
}

/// The id that an entry states, for a file that the parser refused.
fn id_of_entry(toml: &str, number: usize) -> Option<&str> {
    let entry = toml.split("[[entry]]").nth(number)?;
    let line = entry.lines().map(str::trim).find_map(|line| line.strip_prefix("id"))?;
    let id = line.trim_start().strip_prefix('=')?.trim_start();
    let quote = id.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    id[1..].split(quote).next()
}
