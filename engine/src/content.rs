//! What a message can hold. Every type but text has `alt`, the plain words that stand for it in notifications, weak channels,
//! search, quality and voice.
//!
//! Bodies are journalled in this form and last for years: fields are only ever added, optional, and `decode` still reads the flat
//! `image`, `file`, `audio` and `video` of the first version. Plain text is 95 % of all traffic: nothing here may make it slower.

mod bounds;
mod card;
mod check;
mod decode;
mod encode;
mod form;
mod media;
mod place;
mod text;

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::xxh3_64;

pub use bounds::{
    ACTIONS_MAX, CARD_FIELDS_MAX, CARDS_MAX, CHANNELS_MAX, CHOICES_MAX, CUSTOM_BYTES_MAX, CUSTOM_DEPTH_MAX,
    ENTITIES_MAX, FORM_FIELDS_MAX, FORM_OPTIONS_MAX, ID_BYTES_MAX, LABEL_BYTES_MAX, PARAMS_MAX,
    PATTERN_BYTES_MAX, TEXT_BYTES_MAX, URL_BYTES_MAX, is_mime, is_web_url,
};
pub use card::{Action, ActionKind, Card, CardVariant, Field, FieldStyle, Price, Reference};
pub use form::{ActionResponse, Choice, FormField, FormResponse, InputKind, answers};
pub use media::{Attachment, Degrees, Location, Media};
pub use text::{Entity, EntityKind, Format};

/// The content of one message.
///
/// New types go to the end: the digests of a conversation's dedupe window depend on the order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the fields say what they are; bounds are in `bounds`")]
pub enum Content {
    /// Words.
    Text { text: String, format: Format, entities: Vec<Entity> },
    /// A picture.
    Image(Box<Media>),
    /// Any file.
    File(Box<Media>),
    /// A voice message or other sound.
    Audio(Box<Media>),
    /// A film.
    Video(Box<Media>),
    /// A point on the map.
    Location(Box<Location>),
    /// An order, product, ticket, article, link or parcel.
    Card(Box<Card>),
    /// A question with answers to choose from.
    Choices {
        alt: String,
        text: String,
        options: Vec<Choice>,
        multi: bool,
        /// The visitor cannot write until one is chosen.
        block_input: bool,
    },
    /// Inputs to fill in.
    Form { alt: String, fields: Vec<FormField> },
    /// Something that happened; `event` names a text of the client, `params` fill it.
    System { alt: String, event: String, params: Vec<Field> },
    /// What only the company's own clients understand: `data` is JSON text of the schema with this URI.
    Custom { alt: String, schema: String, data: String },
    /// Cards side by side.
    Carousel { alt: String, items: Vec<Card> },
    /// Cards one below the other.
    List { alt: String, items: Vec<Card> },
    /// A form, filled in.
    FormResponse(Box<FormResponse>),
    /// A button was pressed.
    ActionResponse(Box<ActionResponse>),
    /// A text that the company has registered with the channel.
    Template { alt: String, name: String, params: Vec<Field> },
    /// An instruction for the client's program; people do not see it, and no transcript shows it.
    Command { alt: String, name: String, params: Vec<Field> },
    /// Any of those above, with another form of it for some channels.
    Varied(Box<Varied>),
}

/// A content and what stands for it on some channels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Varied {
    /// Everywhere else.
    pub content: Content,
    /// By the channel's name; none of them varies again.
    pub overrides: BTreeMap<String, Content>,
}

impl Content {
    /// Plain text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), format: Format::Plain, entities: Vec::new() }
    }

    /// A question with one answer to choose; its text stands for it.
    #[must_use]
    pub fn choices(text: impl Into<String>, options: Vec<Choice>) -> Self {
        let text = text.into();
        Self::Choices { alt: text.clone(), text, options, multi: false, block_input: false }
    }

    /// The words that stand for this content: the text, or `alt`.
    #[must_use]
    pub fn plain(&self) -> &str {
        match self {
            Self::Text { text, .. } => text,
            Self::Image(media) | Self::File(media) | Self::Audio(media) | Self::Video(media) => &media.alt,
            Self::Location(location) => &location.alt,
            Self::Card(card) => &card.alt,
            Self::FormResponse(response) => &response.alt,
            Self::ActionResponse(response) => &response.alt,
            Self::Choices { alt, .. }
            | Self::Form { alt, .. }
            | Self::System { alt, .. }
            | Self::Custom { alt, .. }
            | Self::Carousel { alt, .. }
            | Self::List { alt, .. }
            | Self::Template { alt, .. }
            | Self::Command { alt, .. } => alt,
            Self::Varied(varied) => varied.content.plain(),
        }
    }

    /// True for what no person sees: instructions to the client's program.
    #[must_use]
    pub fn hidden(&self) -> bool {
        match self {
            Self::Command { .. } => true,
            Self::Varied(varied) => varied.content.hidden(),
            _ => false,
        }
    }

    /// What is shown on `channel`: the override for it, else the content itself.
    #[must_use]
    pub fn on(&self, channel: &str) -> &Self {
        match self {
            Self::Varied(varied) => varied.overrides.get(channel).unwrap_or(&varied.content),
            content => content,
        }
    }

    /// The stored files that this content points at, each with the place of its field.
    #[must_use]
    pub fn attachments(&self) -> Vec<(String, &Attachment)> {
        match self {
            Self::Image(media) | Self::File(media) | Self::Audio(media) | Self::Video(media) => {
                vec![("content.att".to_owned(), &media.att)]
            }
            Self::Varied(varied) => {
                let mut found = varied.content.attachments();
                for (channel, content) in &varied.overrides {
                    found.extend(
                        content
                            .attachments()
                            .into_iter()
                            .map(|(_, attachment)| (format!("content.override.{channel}.att"), attachment)),
                    );
                }
                found
            }
            _ => Vec::new(),
        }
    }

    /// A 64-bit digest that tells one content from another within a conversation's dedupe window; not for storage elsewhere.
    /// That of plain text is the same in every version, so that a retry is known as one after an upgrade.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut bytes = Collected(Vec::with_capacity(64 + self.plain().len()));
        match self {
            Self::Text { text, format: Format::Plain, entities } if entities.is_empty() => {
                // As the derived code wrote it when text had no other field.
                bytes.write_isize(0);
                text.hash(&mut bytes);
            }
            content => content.hash(&mut bytes),
        }
        bytes.finish()
    }
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
pub(crate) mod tests;
