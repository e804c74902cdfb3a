//! Reading a content. By hand, because serde reads an internally tagged enum into a buffer first and plain text is 95 % of all traffic:
//! here text is read where it stands, and all other fields go into one box that is made when the first of them comes.
//!
//! A field of the wrong type is named with its place.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::{
    Action, ActionResponse, Attachment, Card, CardVariant, Choice, Content, Degrees, Entity, Field,
    FieldStyle, FormField, FormResponse, Format, InputKind, Location, Media, Price, Reference, Varied,
};

#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Text,
    Image,
    File,
    Audio,
    Video,
    Location,
    Card,
    Choices,
    Form,
    System,
    Custom,
    Carousel,
    List,
    FormResponse,
    ActionResponse,
    Template,
    Command,
}

/// Declares every field but `type` and `text` once: its key, how it is kept and how it is read.
macro_rules! fields {
    ($($variant:ident $name:ident $key:literal: $type:ty),* $(,)?) => {
        #[derive(serde::Deserialize)]
        #[serde(field_identifier)]
        enum Key {
            #[serde(rename = "type")]
            Type,
            #[serde(rename = "text")]
            Text,
            $(#[serde(rename = $key)] $variant,)*
            #[serde(other)]
            Unknown,
        }

        /// The fields that plain text does not have.
        #[derive(Default)]
        struct Others {
            $($name: Option<$type>,)*
        }

        impl Others {
            fn read<'de, M: MapAccess<'de>>(&mut self, key: &Key, map: &mut M) -> Result<(), M::Error> {
                match key {
                    $(Key::$variant => self.$name = Some(read(map, $key)?),)*
                    Key::Type | Key::Text | Key::Unknown => {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(())
            }
        }
    };
}

fields! {
    Alt alt "alt": String,
    Format format "format": Format,
    Entities entities "entities": Vec<Entity>,
    Att att "att": Attachment,
    Transcript transcript "transcript": Option<String>,
    Url url "url": String,
    Mime mime "mime": String,
    Bytes bytes "bytes": u64,
    Name name "name": String,
    W w "w": Option<u32>,
    H h "h": Option<u32>,
    DurMs dur_ms "dur_ms": Option<u32>,
    Lat lat "lat": Degrees,
    Lng lng "lng": Degrees,
    Label label "label": String,
    Address address "address": Option<String>,
    MapUrl map_url "map_url": Option<String>,
    Variant variant "variant": CardVariant,
    Title title "title": String,
    Subtitle subtitle "subtitle": Option<String>,
    Image image "image": Option<String>,
    Fields fields "fields": Vec<AnyField>,
    Price price "price": Option<Price>,
    Status status "status": Option<String>,
    Actions actions "actions": Vec<Action>,
    Ref reference "ref": Option<Reference>,
    Items items "items": Vec<Card>,
    Options options "options": Vec<Choice>,
    Multi multi "multi": bool,
    BlockInput block_input "block_input": bool,
    Form form "form": Option<String>,
    Submitted submitted "submitted": BTreeMap<String, String>,
    Event event "event": String,
    Params params "params": Vec<Field>,
    Schema schema "schema": String,
    Data data "data": String,
    ActionId action_id "action_id": String,
    Value value "value": String,
    FromMs from_ms "from_ms": String,
    Override overrides "override": BTreeMap<String, Plain>,
}

/// A labelled value of a card or an input of a form: which, is known when all has been read.
#[derive(serde::Deserialize)]
struct AnyField {
    label: String,
    value: Option<String>,
    style: Option<FieldStyle>,
    name: Option<String>,
    kind: Option<InputKind>,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    options: Vec<String>,
    pattern: Option<String>,
}

/// A content that does not vary: so nesting ends at one level while it is read.
struct Plain(Content);

fn read<'de, V: Deserialize<'de>, M: MapAccess<'de>>(map: &mut M, key: &str) -> Result<V, M::Error> {
    map.next_value().map_err(|error| Error::custom(format_args!("content.{key}: {error}")))
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields { varies: true })
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields { varies: false }).map(Self)
    }
}

struct Fields {
    varies: bool,
}

impl<'de> Visitor<'de> for Fields {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a content: a map with its type")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Content, M::Error> {
        let mut kind = None;
        let mut text = None;
        let mut others: Option<Box<Others>> = None;
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Type => kind = Some(read::<Kind, M>(&mut map, "type")?),
                Key::Text => text = Some(read::<String, M>(&mut map, "text")?),
                Key::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                }
                Key::Override if !self.varies => {
                    return Err(Error::custom("content.override: an override has none of its own"));
                }
                other => others.get_or_insert_default().read(&other, &mut map)?,
            }
        }
        match (kind, text, others) {
            (Some(Kind::Text), Some(text), None) => Ok(Content::text(text)),
            (Some(kind), text, others) => content(kind, text, *others.unwrap_or_default())
                .map_err(|missing| Error::custom(format_args!("content.{missing} is missing"))),
            (None, ..) => Err(Error::custom("content.type is missing")),
        }
    }
}

fn content(kind: Kind, text: Option<String>, mut of: Others) -> Result<Content, String> {
    let overrides = of.overrides.take();
    let content = plain(kind, text, of)?;
    match overrides {
        Some(overrides) if !overrides.is_empty() => {
            let overrides =
                overrides.into_iter().map(|(channel, Plain(content))| (channel, content)).collect();
            Ok(Content::Varied(Box::new(Varied { content, overrides })))
        }
        Some(_) | None => Ok(content),
    }
}

fn some<T>(value: Option<T>, name: &str) -> Result<T, String> {
    value.ok_or_else(|| name.to_owned())
}

fn plain(kind: Kind, text: Option<String>, of: Others) -> Result<Content, String> {
    Ok(match kind {
        Kind::Text => Content::Text {
            text: some(text, "text")?,
            format: of.format.unwrap_or_default(),
            entities: of.entities.unwrap_or_default(),
        },
        Kind::Image => Content::Image(media(of)?),
        Kind::File => Content::File(media(of)?),
        Kind::Audio => Content::Audio(media(of)?),
        Kind::Video => Content::Video(media(of)?),
        Kind::Location => Content::Location(Box::new(Location {
            alt: some(of.alt, "alt")?,
            lat: some(of.lat, "lat")?,
            lng: some(of.lng, "lng")?,
            label: some(of.label, "label")?,
            address: of.address.flatten(),
            map_url: of.map_url.flatten(),
        })),
        Kind::Card => Content::Card(Box::new(card(of)?)),
        Kind::Choices => Content::Choices {
            alt: some(of.alt, "alt")?,
            text: some(text, "text")?,
            options: some(of.options, "options")?,
            multi: of.multi.unwrap_or_default(),
            block_input: of.block_input.unwrap_or_default(),
        },
        Kind::Form => {
            Content::Form { alt: some(of.alt, "alt")?, fields: inputs(some(of.fields, "fields")?)? }
        }
        Kind::System => Content::System {
            alt: some(of.alt, "alt")?,
            event: some(of.event, "event")?,
            params: of.params.unwrap_or_default(),
        },
        Kind::Custom => Content::Custom {
            alt: some(of.alt, "alt")?,
            schema: some(of.schema, "schema")?,
            data: some(of.data, "data")?,
        },
        Kind::Carousel => Content::Carousel { alt: some(of.alt, "alt")?, items: some(of.items, "items")? },
        Kind::List => Content::List { alt: some(of.alt, "alt")?, items: some(of.items, "items")? },
        Kind::FormResponse => Content::FormResponse(Box::new(FormResponse {
            alt: some(of.alt, "alt")?,
            form: of.form.flatten(),
            submitted: some(of.submitted, "submitted")?,
        })),
        Kind::ActionResponse => Content::ActionResponse(Box::new(ActionResponse {
            alt: some(of.alt, "alt")?,
            action_id: some(of.action_id, "action_id")?,
            value: some(of.value, "value")?,
            from_ms: some(of.from_ms, "from_ms")?,
        })),
        Kind::Template => Content::Template {
            alt: some(of.alt, "alt")?,
            name: some(of.name, "name")?,
            params: of.params.unwrap_or_default(),
        },
        Kind::Command => Content::Command {
            alt: some(of.alt, "alt")?,
            name: some(of.name, "name")?,
            params: of.params.unwrap_or_default(),
        },
    })
}

/// The file in `att`, or in the fields beside `alt` as the first version wrote it.
fn media(of: Others) -> Result<Box<Media>, String> {
    let alt = some(of.alt, "alt")?;
    let att = match of.att {
        Some(att) => att,
        None => Attachment {
            url: some(of.url, "att")?,
            mime: some(of.mime, "mime")?,
            bytes: some(of.bytes, "bytes")?,
            name: some(of.name, "name")?,
            w: of.w.flatten(),
            h: of.h.flatten(),
            dur_ms: of.dur_ms.flatten(),
            ..Attachment::default()
        },
    };
    Ok(Box::new(Media { alt, att, transcript: of.transcript.flatten() }))
}

fn card(of: Others) -> Result<Card, String> {
    Ok(Card {
        alt: some(of.alt, "alt")?,
        variant: some(of.variant, "variant")?,
        title: some(of.title, "title")?,
        subtitle: of.subtitle.flatten(),
        image: of.image.flatten(),
        fields: values(of.fields.unwrap_or_default())?,
        price: of.price.flatten(),
        status: of.status.flatten(),
        actions: of.actions.unwrap_or_default(),
        reference: of.reference.flatten(),
    })
}

fn values(fields: Vec<AnyField>) -> Result<Vec<Field>, String> {
    let value = |(index, field): (usize, AnyField)| {
        let value = field.value.ok_or_else(|| format!("fields[{index}].value"))?;
        Ok(Field { label: field.label, value, style: field.style })
    };
    fields.into_iter().enumerate().map(value).collect()
}

fn inputs(fields: Vec<AnyField>) -> Result<Vec<FormField>, String> {
    let input = |(index, field): (usize, AnyField)| {
        let missing = |name: &str| format!("fields[{index}].{name}");
        Ok(FormField {
            name: field.name.ok_or_else(|| missing("name"))?,
            label: field.label,
            kind: field.kind.ok_or_else(|| missing("kind"))?,
            required: field.required,
            options: field.options,
            pattern: field.pattern,
        })
    };
    fields.into_iter().enumerate().map(input).collect()
}
