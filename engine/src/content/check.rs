//! Checking a content: the first field that is out of its bounds, with its place and what to do.

use super::bounds::{
    self, ACTIONS_MAX, CARD_FIELDS_MAX, CARDS_MAX, CHANNELS_MAX, CHOICES_MAX, CUSTOM_BYTES_MAX,
    CUSTOM_DEPTH_MAX, ENTITIES_MAX, FORM_FIELDS_MAX, ID_BYTES_MAX, LABEL_BYTES_MAX, PARAMS_MAX,
    TEXT_BYTES_MAX, counted, file_url, name, optional_words, some, some_words, unique, web_url, words,
};
use super::place::Place;
use super::{
    Action, ActionKind, Attachment, Card, Choice, Content, Entity, Field, FormField, Location, Media, Varied,
};
use crate::refusal::Refusal;

impl Content {
    /// Checks the bounds of every field.
    ///
    /// # Errors
    /// `payload_too_large` or `unsupported_content`, with the place of the field.
    pub fn check(&self) -> Result<(), Refusal> {
        match self {
            Self::Text { text, entities, .. } => {
                some_words(&Place::CONTENT.field("text"), text, TEXT_BYTES_MAX)?;
                if entities.is_empty() { Ok(()) } else { entities_of(&Place::CONTENT, text, entities) }
            }
            content => content.check_at(&Place::CONTENT),
        }
    }

    fn check_at(&self, at: &Place<'_>) -> Result<(), Refusal> {
        // Text has no alt, and what varies has that of its content.
        if !matches!(self, Self::Text { .. } | Self::Varied(_)) {
            some_words(&at.field("alt"), self.plain(), TEXT_BYTES_MAX)?;
        }
        match self {
            Self::Text { text, entities, .. } => {
                some_words(&at.field("text"), text, TEXT_BYTES_MAX)?;
                entities_of(at, text, entities)
            }
            Self::Image(media) => media.check(at, Some("image/")),
            Self::Audio(media) => media.check(at, Some("audio/")),
            Self::Video(media) => media.check(at, Some("video/")),
            Self::File(media) => media.check(at, None),
            Self::Location(location) => location.check(at),
            Self::Card(card) => card.check(at),
            Self::Choices { text, options, .. } => {
                some_words(&at.field("text"), text, TEXT_BYTES_MAX)?;
                choices(&at.field("options"), options)
            }
            Self::Form { fields, .. } => form(&at.field("fields"), fields),
            Self::System { event, params, .. } => {
                name(&at.field("event"), event, ID_BYTES_MAX)?;
                parameters(&at.field("params"), params)
            }
            Self::Custom { schema, data, .. } => custom(at, schema, data),
            Self::Carousel { items, .. } | Self::List { items, .. } => {
                let place = at.field("items");
                some(&place, items.len(), CARDS_MAX)?;
                for (index, card) in items.iter().enumerate() {
                    let place = place.item(index);
                    some_words(&place.field("alt"), &card.alt, TEXT_BYTES_MAX)?;
                    card.check(&place)?;
                }
                Ok(())
            }
            Self::FormResponse(response) => {
                if let Some(form) = &response.form {
                    name(&at.field("form"), form, ID_BYTES_MAX)?;
                }
                let place = at.field("submitted");
                counted(&place, response.submitted.len(), FORM_FIELDS_MAX)?;
                response.submitted.iter().try_for_each(|(input, answer)| {
                    name(&place, input, ID_BYTES_MAX)?;
                    words(&place.field(input), answer, LABEL_BYTES_MAX)
                })
            }
            Self::ActionResponse(response) => {
                name(&at.field("action_id"), &response.action_id, ID_BYTES_MAX)?;
                words(&at.field("value"), &response.value, LABEL_BYTES_MAX)?;
                name(&at.field("from_ms"), &response.from_ms, ID_BYTES_MAX)
            }
            Self::Template { name: called, params, .. } | Self::Command { name: called, params, .. } => {
                name(&at.field("name"), called, ID_BYTES_MAX)?;
                parameters(&at.field("params"), params)
            }
            Self::Varied(varied) => varied.check(at),
        }
    }
}

impl Varied {
    fn check(&self, at: &Place<'_>) -> Result<(), Refusal> {
        self.content.check_at(at)?;
        let place = at.field("override");
        some(&place, self.overrides.len(), CHANNELS_MAX)?;
        for (channel, content) in &self.overrides {
            let place = place.field(channel);
            if !crate::ids::is_id(channel) {
                return Err(place.refuse("is not the name of a channel"));
            }
            if matches!(content, Content::Varied(_)) {
                return Err(place.refuse("has an override itself: one level is all there is"));
            }
            content.check_at(&place)?;
        }
        if matches!(self.content, Content::Varied(_)) {
            return Err(at.refuse("varies twice: one level is all there is"));
        }
        Ok(())
    }
}

fn entities_of(at: &Place<'_>, text: &str, entities: &[Entity]) -> Result<(), Refusal> {
    let place = at.field("entities");
    counted(&place, entities.len(), ENTITIES_MAX)?;
    let length = text.chars().count() as u64;
    for (index, entity) in entities.iter().enumerate() {
        let place = place.item(index);
        if entity.len == 0 || u64::from(entity.at) + u64::from(entity.len) > length {
            return Err(place.refuse(format_args!("is not within the text, which has {length} letters")));
        }
        match (entity.kind, &entity.value) {
            (super::EntityKind::Link, Some(url)) => web_url(&place.field("value"), url)?,
            (_, Some(value)) => name(&place.field("value"), value, ID_BYTES_MAX)?,
            (_, None) => {}
        }
    }
    Ok(())
}

impl Media {
    fn check(&self, at: &Place<'_>, kind: Option<&str>) -> Result<(), Refusal> {
        self.att.check(&at.field("att"), kind)?;
        optional_words(&at.field("transcript"), self.transcript.as_ref(), TEXT_BYTES_MAX)
    }
}

impl Attachment {
    fn check(&self, at: &Place<'_>, kind: Option<&str>) -> Result<(), Refusal> {
        if let Some(id) = &self.id {
            name(&at.field("id"), id, ID_BYTES_MAX)?;
        }
        file_url(&at.field("url"), &self.url)?;
        name(&at.field("name"), &self.name, 512)?;
        let mime = at.field("mime");
        if !bounds::is_mime(&self.mime) {
            return Err(mime.refuse("is not a media type, for instance image/png"));
        }
        if let Some(kind) = kind
            && !self.mime.to_ascii_lowercase().starts_with(kind)
        {
            return Err(mime.refuse(format_args!("does not begin with {kind}: send it as a file")));
        }
        let hex = |text: &str| {
            text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        if self.sha256.as_deref().is_some_and(|digest| !hex(digest)) {
            return Err(at.field("sha256").refuse("is not 64 lower-case hex digits"));
        }
        if let Some(url) = &self.thumb {
            file_url(&at.field("thumb"), url)?;
        }
        self.blurhash.as_ref().map_or(Ok(()), |hash| name(&at.field("blurhash"), hash, 128))
    }
}

impl Location {
    fn check(&self, at: &Place<'_>) -> Result<(), Refusal> {
        if !(-90.0..=90.0).contains(&self.lat.0) {
            return Err(at.field("lat").refuse("is not within -90 and 90 degrees"));
        }
        if !(-180.0..=180.0).contains(&self.lng.0) {
            return Err(at.field("lng").refuse("is not within -180 and 180 degrees"));
        }
        words(&at.field("label"), &self.label, LABEL_BYTES_MAX)?;
        optional_words(&at.field("address"), self.address.as_ref(), LABEL_BYTES_MAX)?;
        self.map_url.as_ref().map_or(Ok(()), |url| web_url(&at.field("map_url"), url))
    }
}

impl Card {
    fn check(&self, at: &Place<'_>) -> Result<(), Refusal> {
        some_words(&at.field("title"), &self.title, LABEL_BYTES_MAX)?;
        optional_words(&at.field("subtitle"), self.subtitle.as_ref(), LABEL_BYTES_MAX)?;
        optional_words(&at.field("status"), self.status.as_ref(), LABEL_BYTES_MAX)?;
        if let Some(url) = &self.image {
            file_url(&at.field("image"), url)?;
        }
        labelled(&at.field("fields"), &self.fields, CARD_FIELDS_MAX)?;
        if let Some(price) = &self.price
            && (price.currency.len() != 3 || !price.currency.bytes().all(|byte| byte.is_ascii_uppercase()))
        {
            let price = at.field("price");
            return Err(price.field("currency").refuse("is not three capital letters, for instance CNY"));
        }
        if let Some(reference) = &self.reference {
            let place = at.field("ref");
            name(&place.field("system"), &reference.system, ID_BYTES_MAX)?;
            name(&place.field("id"), &reference.id, ID_BYTES_MAX)?;
        }
        let place = at.field("actions");
        counted(&place, self.actions.len(), ACTIONS_MAX)?;
        for (index, action) in self.actions.iter().enumerate() {
            action.check(&place.item(index))?;
        }
        unique(&place, "id", self.actions.iter().map(|action| action.id.as_str()))
    }
}

impl Action {
    fn check(&self, at: &Place<'_>) -> Result<(), Refusal> {
        name(&at.field("id"), &self.id, ID_BYTES_MAX)?;
        some_words(&at.field("label"), &self.label, LABEL_BYTES_MAX)?;
        let value = at.field("value");
        match self.kind {
            ActionKind::Link | ActionKind::Webview => web_url(&value, &self.value),
            ActionKind::Call => bounds::tel_url(&value, &self.value),
            ActionKind::Reply | ActionKind::Postback | ActionKind::LocationRequest | ActionKind::Copy => {
                words(&value, &self.value, LABEL_BYTES_MAX)
            }
        }
    }
}

fn choices(at: &Place<'_>, options: &[Choice]) -> Result<(), Refusal> {
    some(at, options.len(), CHOICES_MAX)?;
    for (index, option) in options.iter().enumerate() {
        let place = at.item(index);
        name(&place.field("id"), &option.id, ID_BYTES_MAX)?;
        some_words(&place.field("label"), &option.label, LABEL_BYTES_MAX)?;
        optional_words(&place.field("value"), option.value.as_ref(), LABEL_BYTES_MAX)?;
        optional_words(&place.field("desc"), option.desc.as_ref(), LABEL_BYTES_MAX)?;
    }
    unique(at, "id", options.iter().map(|option| option.id.as_str()))
}

fn form(at: &Place<'_>, fields: &[FormField]) -> Result<(), Refusal> {
    some(at, fields.len(), FORM_FIELDS_MAX)?;
    for (index, field) in fields.iter().enumerate() {
        field.check(&at.item(index))?;
    }
    unique(at, "name", fields.iter().map(|field| field.name.as_str()))
}

fn labelled(at: &Place<'_>, fields: &[Field], count_max: usize) -> Result<(), Refusal> {
    counted(at, fields.len(), count_max)?;
    fields.iter().enumerate().try_for_each(|(index, field)| {
        let place = at.item(index);
        words(&place.field("label"), &field.label, LABEL_BYTES_MAX)?;
        words(&place.field("value"), &field.value, LABEL_BYTES_MAX)
    })
}

fn parameters(at: &Place<'_>, params: &[Field]) -> Result<(), Refusal> {
    labelled(at, params, PARAMS_MAX)
}

fn custom(at: &Place<'_>, schema: &str, data: &str) -> Result<(), Refusal> {
    let place = at.field("schema");
    name(&place, schema, LABEL_BYTES_MAX)?;
    if url::Url::parse(schema).is_err() {
        return Err(place.refuse("is not a URI, for instance https://shop.example/schemas/parcel"));
    }
    let place = at.field("data");
    words(&place, data, CUSTOM_BYTES_MAX)?;
    let depth = depth(data);
    if depth > CUSTOM_DEPTH_MAX {
        return Err(place.refuse(format_args!("is {depth} levels deep, the limit is {CUSTOM_DEPTH_MAX}")));
    }
    Ok(())
}

/// The deepest nesting of brackets outside of JSON strings.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match (quoted, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => quoted = !quoted,
            (false, b'[' | b'{') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            (true | false, _) => {}
        }
    }
    deepest
}
