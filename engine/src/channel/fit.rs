//! Whether a channel shows a content as it is.

use super::{Capabilities, CardRule, MediaKind, OptionRule, render};
use crate::content::{Action, ActionKind, Card, Choice, Content, Format, Media};

impl Capabilities {
    /// True when the channel shows `content` as it is.
    #[must_use]
    pub fn fits(&self, content: &Content) -> bool {
        match content {
            Content::Text { text, format, entities } => {
                self.text.takes(text) && (self.markdown || *format == Format::Plain && entities.is_empty())
            }
            Content::Image(media) => self.fits_media(MediaKind::Image, media),
            Content::Audio(media) => self.fits_media(MediaKind::Audio, media),
            Content::Video(media) => self.fits_media(MediaKind::Video, media),
            Content::File(media) => self.fits_media(MediaKind::File, media),
            Content::Location(_) => self.location,
            Content::Card(card) => self.card.is_some_and(|rule| rule.takes(card)),
            Content::Carousel { items, .. } | Content::List { items, .. } => {
                items.len() <= self.cards_max
                    && items.iter().all(|card| self.card.is_some_and(|rule| rule.takes(card)))
            }
            Content::Choices { text, options, multi, .. } => {
                self.question.takes(text) && (!*multi || self.multi) && self.fits_options(options)
            }
            Content::Form { .. } => self.forms,
            Content::Template { .. } => self.templates,
            Content::System { .. }
            | Content::Custom { .. }
            | Content::Command { .. }
            | Content::FormResponse(_)
            | Content::ActionResponse(_) => self.own_client,
            Content::Varied(_) => false,
        }
    }

    /// True when the channel shows such a file as this kind, whatever the words with it.
    pub(super) fn shows(&self, kind: MediaKind, media: &Media) -> bool {
        let essence = media.att.mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let known = |mimes: &[&str]| {
            mimes.iter().any(|mime| match mime.is_empty() || mime.ends_with('/') {
                true => essence.starts_with(mime),
                false => essence == **mime,
            })
        };
        self.media
            .iter()
            .any(|rule| rule.kind == kind && media.att.bytes <= rule.bytes_max && known(rule.mimes))
    }

    fn fits_media(&self, kind: MediaKind, media: &Media) -> bool {
        self.shows(kind, media)
            && (media.transcript.is_none() || self.own_client)
            // Where there are no captions, the words stand for the file and are not shown beside it.
            && (self.caption.max() == 0 || self.caption.takes(&media.alt))
    }

    /// True when the channel shows these answers, as buttons or as a list.
    pub(super) fn fits_options(&self, options: &[Choice]) -> bool {
        self.buttons.takes(options) || self.list.takes(options)
    }
}

impl OptionRule {
    fn takes(&self, options: &[Choice]) -> bool {
        options.len() <= self.count_max
            && options.iter().all(|option| {
                self.label.takes(&option.label) && self.desc.takes(option.desc.as_deref().unwrap_or_default())
            })
    }
}

impl CardRule {
    pub(super) fn takes(&self, card: &Card) -> bool {
        self.takes_words(card)
            && card.actions.len() <= self.actions_max
            && card.actions.iter().all(|action| self.takes_action(action))
    }

    pub(super) fn takes_words(&self, card: &Card) -> bool {
        self.title.takes(&card.title) && self.body.takes(&render::body(card))
    }

    pub(super) fn takes_action(&self, action: &Action) -> bool {
        let special = matches!(action.kind, ActionKind::Copy | ActionKind::LocationRequest);
        self.label.takes(&action.label) && (self.all_kinds || !special)
    }
}
