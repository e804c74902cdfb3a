//! What a message can hold. Every type but text has `alt`, the plain words that stand for it in notifications, weak channels,
//! search, quality and voice.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::refusal::{Code, Refusal};

/// Longest text of a message, in bytes.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;
/// Longest `alt`, title, label or url, in bytes.
pub const LABEL_BYTES_MAX: usize = 2 * 1024;
/// Longest opaque data of a custom content, in bytes.
pub const CUSTOM_BYTES_MAX: usize = 16 * 1024;

/// The content of one message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields say what they are; bounds are in `check`")]
pub enum Content {
    Text {
        text: String,
    },
    Image {
        alt: String,
        #[serde(flatten)]
        file: File,
    },
    File {
        alt: String,
        #[serde(flatten)]
        file: File,
    },
    Audio {
        alt: String,
        #[serde(flatten)]
        file: File,
    },
    Video {
        alt: String,
        #[serde(flatten)]
        file: File,
    },
    Location {
        alt: String,
        lat: Degrees,
        lng: Degrees,
        label: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    Card(Box<Card>),
    Choices {
        alt: String,
        text: String,
        options: Vec<Choice>,
        #[serde(default)]
        multi: bool,
    },
    Form {
        alt: String,
        fields: Vec<FormField>,
    },
    System {
        alt: String,
        event: String,
        #[serde(default)]
        params: Vec<Field>,
    },
    Custom {
        alt: String,
        schema: String,
        data: String,
    },
}

/// A stored file that a message points at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct File {
    pub url: String,
    pub mime: String,
    pub bytes: u64,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub w: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub h: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dur_ms: Option<u32>,
}

/// An angle in degrees, compared and hashed by its bits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Degrees(pub f64);

impl PartialEq for Degrees {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Degrees {}

impl Hash for Degrees {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// An order, product, ticket, article, link or parcel shown as a card.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct Card {
    pub alt: String,
    pub variant: CardVariant,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtitle: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    #[serde(default)]
    pub fields: Vec<Field>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(default)]
    pub actions: Vec<Action>,
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
}

/// What a card is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum CardVariant {
    Order,
    Product,
    Ticket,
    Article,
    Link,
    Logistics,
}

/// A labelled value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct Field {
    pub label: String,
    pub value: String,
}

/// An amount in the currency's smallest unit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct Price {
    pub amount_minor: i64,
    pub currency: String,
}

/// A button of a card.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct Action {
    pub id: String,
    pub kind: ActionKind,
    pub label: String,
    pub value: String,
}

/// What a button does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ActionKind {
    Reply,
    Postback,
    Link,
    Webview,
    Call,
    LocationRequest,
    Copy,
}

/// Where a card's subject lives in the company's own system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct Reference {
    pub system: String,
    pub id: String,
}

/// One of the answers to choose from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct Choice {
    pub id: String,
    pub label: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// One input of a form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct FormField {
    pub name: String,
    pub label: String,
    pub kind: InputKind,
    #[serde(default)]
    pub required: bool,
    #[serde(default)]
    pub options: Vec<String>,
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

impl Content {
    /// Plain text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// The words that stand for this content: the text, or `alt`.
    #[must_use]
    pub fn plain(&self) -> &str {
        match self {
            Self::Text { text } => text,
            Self::Image { alt, .. }
            | Self::File { alt, .. }
            | Self::Audio { alt, .. }
            | Self::Video { alt, .. }
            | Self::Location { alt, .. }
            | Self::Choices { alt, .. }
            | Self::Form { alt, .. }
            | Self::System { alt, .. }
            | Self::Custom { alt, .. } => alt,
            Self::Card(card) => &card.alt,
        }
    }

    /// A 64-bit digest that tells one content from another within a conversation's dedupe window; not for storage elsewhere.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut bytes = Collected(Vec::with_capacity(64 + self.plain().len()));
        self.hash(&mut bytes);
        bytes.finish()
    }

    /// Checks the bounds of every field.
    ///
    /// # Errors
    /// `payload_too_large` or `unsupported_content`, naming the field.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.plain().trim().is_empty() {
            let field = if matches!(self, Self::Text { .. }) { "text" } else { "alt" };
            return Err(Refusal::new(
                Code::UnsupportedContent,
                format!("content.{field} is empty: write something"),
            ));
        }
        bounded("text or alt", self.plain(), TEXT_BYTES_MAX)?;
        match self {
            Self::Text { .. } => Ok(()),
            Self::Image { file, .. }
            | Self::File { file, .. }
            | Self::Audio { file, .. }
            | Self::Video { file, .. } => file.check(),
            Self::Location { lat, lng, label, address, .. } => {
                if !(-90.0..=90.0).contains(&lat.0) || !(-180.0..=180.0).contains(&lng.0) {
                    return Err(Refusal::new(
                        Code::UnsupportedContent,
                        "content.lat is within ±90 and content.lng within ±180",
                    ));
                }
                bounded("label", label, LABEL_BYTES_MAX)?;
                bounded("address", address.as_deref().unwrap_or_default(), LABEL_BYTES_MAX)
            }
            Self::Card(card) => card.check(),
            Self::Choices { text, options, .. } => {
                bounded("text", text, TEXT_BYTES_MAX)?;
                counted("options", options.len(), 20)?;
                options.iter().try_for_each(|option| bounded("options.label", &option.label, LABEL_BYTES_MAX))
            }
            Self::Form { fields, .. } => {
                counted("fields", fields.len(), 30)?;
                fields.iter().try_for_each(|field| bounded("fields.label", &field.label, LABEL_BYTES_MAX))
            }
            Self::System { params, .. } => counted("params", params.len(), 16),
            Self::Custom { schema, data, .. } => {
                bounded("schema", schema, LABEL_BYTES_MAX)?;
                bounded("data", data, CUSTOM_BYTES_MAX)
            }
        }
    }
}

impl File {
    fn check(&self) -> Result<(), Refusal> {
        bounded("url", &self.url, LABEL_BYTES_MAX)?;
        bounded("mime", &self.mime, 128)?;
        bounded("name", &self.name, 512)?;
        if self.url.starts_with("https://") || self.url.starts_with('/') {
            return Ok(());
        }
        Err(Refusal::new(Code::UnsupportedContent, "content.url begins with https:// or /"))
    }
}

impl Card {
    fn check(&self) -> Result<(), Refusal> {
        bounded("title", &self.title, LABEL_BYTES_MAX)?;
        counted("fields", self.fields.len(), 12)?;
        counted("actions", self.actions.len(), 5)?;
        for field in &self.fields {
            bounded("fields.label", &field.label, LABEL_BYTES_MAX)?;
            bounded("fields.value", &field.value, LABEL_BYTES_MAX)?;
        }
        self.actions.iter().try_for_each(|action| bounded("actions.value", &action.value, LABEL_BYTES_MAX))
    }
}

fn bounded(field: &str, text: &str, bytes_max: usize) -> Result<(), Refusal> {
    if text.len() <= bytes_max {
        return Ok(());
    }
    Err(Refusal::new(
        Code::PayloadTooLarge,
        format!(
            "content.{field} has {} bytes, the limit is {bytes_max}: split it or send a file",
            text.len()
        ),
    ))
}

fn counted(field: &str, count: usize, count_max: usize) -> Result<(), Refusal> {
    if count <= count_max {
        return Ok(());
    }
    Err(Refusal::new(
        Code::UnsupportedContent,
        format!("content.{field} has {count} items, the limit is {count_max}"),
    ))
}

/// What is hashed, collected: the state of a streaming XXH3 is ten times as large as a message, and takes longer to set up than to use.
struct Collected(Vec<u8>);

impl Hasher for Collected {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        xxh3_64(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_out_of_bounds_are_refused_with_the_field() {
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        let picture = |url: &str| Content::Image {
            alt: "a photo".into(),
            file: File {
                url: url.into(),
                mime: "image/png".into(),
                bytes: 1,
                name: "a.png".into(),
                w: None,
                h: None,
                dur_ms: None,
            },
        };
        let cases = [
            (Content::text(" "), "unsupported_content: content.text is empty: write something"),
            (
                Content::text(long),
                "payload_too_large: content.text or alt has 8193 bytes, the limit is 8192: split it or send a file",
            ),
            (picture("javascript:alert(1)"), "unsupported_content: content.url begins with https:// or /"),
            (
                Content::Location {
                    alt: "here".into(),
                    lat: Degrees(91.0),
                    lng: Degrees(0.0),
                    label: "x".into(),
                    address: None,
                },
                "unsupported_content: content.lat is within ±90 and content.lng within ±180",
            ),
        ];
        for (content, expected) in cases {
            assert_eq!(content.check().expect_err("out of bounds").to_string(), expected);
        }
        assert_eq!(picture("https://a.example/1.png").check(), Ok(()));
    }

    #[test]
    fn the_digest_tells_contents_apart() {
        assert_eq!(Content::text("a").digest(), Content::text("a").digest());
        assert_ne!(Content::text("a").digest(), Content::text("b").digest());
    }
}
