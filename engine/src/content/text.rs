//! Text and what stands out in it.

use serde::{Deserialize, Serialize};

/// How a text is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Format {
    /// As it is.
    #[default]
    #[serde(rename = "plain")]
    Plain,
    /// With `**bold**`, `*italic*`, `~~struck~~`, `` `code` `` and `[label](url)`; nothing else of Markdown.
    #[serde(rename = "md-lite")]
    MdLite,
}

/// A part of a text that means something to the client.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entity {
    /// What it is.
    pub kind: EntityKind,
    /// Where it begins, in Unicode scalar values (not bytes) from the start of the text.
    pub at: u32,
    /// How many it has.
    pub len: u32,
    /// The link's URL, or the id of who is mentioned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// What a part of a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum EntityKind {
    Link,
    Mention,
    Email,
    Phone,
    Hashtag,
    Code,
    Bold,
    Italic,
}
