//! Writing a content. The derived code is that of a borrowed twin without `Varied`: a type that flattens itself cannot be derived.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::{
    ActionResponse, Card, Choice, Content, Entity, Field, FormField, FormResponse, Format, Location, Media,
    Varied,
};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Written<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "is_plain")]
        format: Format,
        #[serde(skip_serializing_if = "is_empty")]
        entities: &'a [Entity],
    },
    Image(&'a Media),
    File(&'a Media),
    Audio(&'a Media),
    Video(&'a Media),
    Location(&'a Location),
    Card(&'a Card),
    Choices {
        alt: &'a str,
        text: &'a str,
        options: &'a [Choice],
        multi: bool,
        #[serde(skip_serializing_if = "is_false")]
        block_input: bool,
    },
    Form {
        alt: &'a str,
        fields: &'a [FormField],
    },
    System {
        alt: &'a str,
        event: &'a str,
        params: &'a [Field],
    },
    Custom {
        alt: &'a str,
        schema: &'a str,
        data: &'a str,
    },
    Carousel {
        alt: &'a str,
        items: &'a [Card],
    },
    List {
        alt: &'a str,
        items: &'a [Card],
    },
    FormResponse(&'a FormResponse),
    ActionResponse(&'a ActionResponse),
    Template {
        alt: &'a str,
        name: &'a str,
        params: &'a [Field],
    },
    Command {
        alt: &'a str,
        name: &'a str,
        params: &'a [Field],
    },
}

#[derive(Serialize)]
struct WithOverrides<'a> {
    #[serde(flatten)]
    content: Written<'a>,
    #[serde(rename = "override")]
    overrides: &'a BTreeMap<String, Content>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_plain(format: &Format) -> bool {
    *format == Format::Plain
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

fn is_empty(entities: &&[Entity]) -> bool {
    entities.is_empty()
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Varied(varied) => varied.serialize(serializer),
            content => content.written().serialize(serializer),
        }
    }
}

impl Serialize for Varied {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WithOverrides { content: self.content.written(), overrides: &self.overrides }.serialize(serializer)
    }
}

impl Content {
    fn written(&self) -> Written<'_> {
        match self {
            Self::Text { text, format, entities } => Written::Text { text, format: *format, entities },
            Self::Image(media) => Written::Image(media),
            Self::File(media) => Written::File(media),
            Self::Audio(media) => Written::Audio(media),
            Self::Video(media) => Written::Video(media),
            Self::Location(location) => Written::Location(location),
            Self::Card(card) => Written::Card(card),
            Self::Choices { alt, text, options, multi, block_input } => {
                Written::Choices { alt, text, options, multi: *multi, block_input: *block_input }
            }
            Self::Form { alt, fields } => Written::Form { alt, fields },
            Self::System { alt, event, params } => Written::System { alt, event, params },
            Self::Custom { alt, schema, data } => Written::Custom { alt, schema, data },
            Self::Carousel { alt, items } => Written::Carousel { alt, items },
            Self::List { alt, items } => Written::List { alt, items },
            Self::FormResponse(response) => Written::FormResponse(response),
            Self::ActionResponse(response) => Written::ActionResponse(response),
            Self::Template { alt, name, params } => Written::Template { alt, name, params },
            Self::Command { alt, name, params } => Written::Command { alt, name, params },
            // One that varies twice passes no check; its inner overrides are not written.
            Self::Varied(varied) => varied.content.written(),
        }
    }
}
