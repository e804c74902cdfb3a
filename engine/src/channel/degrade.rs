//! Bringing a content down to what a channel shows.
//!
//! Invariants, tested over every channel: what comes out is valid and fits; no word of what people would see is lost; the same content
//! gives the same result. Values that only programs see (the payload of a button that became a number) stay with the caller, who has
//! the content.

use std::fmt;

use super::{Capabilities, MediaKind, markdown, render, split};
use crate::content::{Card, Choice, Content, Format, Media};

/// What a channel is given in place of one content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degraded {
    /// One message each, in order; none for what nobody sees.
    pub contents: Vec<Content>,
    /// What was done, each once, in order.
    pub notes: Vec<Note>,
}

/// What was done to a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// The message has a form of its own for this channel.
    Override,
    /// Marks were taken out of the text.
    Unmarked,
    /// It takes several messages.
    Split,
    /// It became text.
    AsText,
    /// A picture, sound or film is sent as a file.
    AsFile,
    /// Buttons became answers to choose from.
    AsChoices,
    /// Buttons became a numbered list: an answer is a number.
    Numbered,
    /// The channel has no program that it could instruct.
    LeftOut,
}

impl Note {
    /// One sentence for the preview.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Override => "this channel has its own form of the message",
            Self::Unmarked => "bold, links and the like become plain text",
            Self::Split => "it takes several messages",
            Self::AsText => "it is shown as text",
            Self::AsFile => "it is sent as a file",
            Self::AsChoices => "its buttons become answers to choose from",
            Self::Numbered => "its buttons become a numbered list",
            Self::LeftOut => "this channel shows nothing of it",
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What `to` is given in place of `content`, which has passed its check.
#[must_use]
pub fn degrade(content: &Content, to: &Capabilities) -> Degraded {
    let mut making = Making { to, contents: Vec::new(), notes: Vec::new() };
    let shown = content.on(to.name);
    if let Content::Varied(varied) = content
        && varied.overrides.contains_key(to.name)
    {
        making.note(Note::Override);
    }
    making.add(shown);
    Degraded { contents: making.contents, notes: making.notes }
}

struct Making<'a> {
    to: &'a Capabilities,
    contents: Vec<Content>,
    notes: Vec<Note>,
}

impl Making<'_> {
    fn note(&mut self, note: Note) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn add(&mut self, content: &Content) {
        if self.to.fits(content) {
            self.contents.push(content.clone());
            return;
        }
        match content {
            Content::Text { text, format, entities } => {
                let text = if entities.is_empty() { text.clone() } else { markdown::linked(text, entities) };
                if *format == Format::MdLite {
                    self.note(Note::Unmarked);
                    self.text(&markdown::unmarked(&text));
                } else {
                    self.text(&text);
                }
            }
            Content::Image(media) => self.media(MediaKind::Image, media, Content::Image),
            Content::Audio(media) => self.media(MediaKind::Audio, media, Content::Audio),
            Content::Video(media) => self.media(MediaKind::Video, media, Content::Video),
            Content::File(media) => self.media(MediaKind::File, media, Content::File),
            Content::Location(location) => self.as_text(&render::location(location)),
            Content::Card(card) => self.card(card),
            Content::Carousel { alt, items } => {
                self.cards(alt, items, |alt, items| Content::Carousel { alt, items })
            }
            Content::List { alt, items } => self.cards(alt, items, |alt, items| Content::List { alt, items }),
            Content::Choices { alt, text, options, multi, block_input } => {
                if *multi && !self.to.multi {
                    self.numbered(text, options);
                } else {
                    self.choices((alt, text), options, *multi, *block_input);
                }
            }
            Content::Form { alt, fields } => self.as_text(&render::form(alt, fields)),
            Content::FormResponse(response) => self.as_text(&render::response(response)),
            Content::System { alt, .. } | Content::Custom { alt, .. } | Content::Template { alt, .. } => {
                self.as_text(alt);
            }
            Content::ActionResponse(response) => self.as_text(&response.alt),
            Content::Command { .. } => self.note(Note::LeftOut),
            Content::Varied(varied) => self.add(&varied.content),
        }
    }

    fn text(&mut self, text: &str) {
        let parts = split(text, self.to.text);
        if parts.len() > 1 {
            self.note(Note::Split);
        }
        self.contents.extend(parts.into_iter().map(Content::text));
    }

    fn as_text(&mut self, text: &str) {
        self.note(Note::AsText);
        self.text(text);
    }

    fn media(&mut self, kind: MediaKind, media: &Media, content: impl FnOnce(Box<Media>) -> Content) {
        let as_is = self.to.shows(kind, media);
        if !as_is && !self.to.shows(MediaKind::File, media) {
            self.as_text(&render::media(media));
            return;
        }
        let mut shown = media.clone();
        let mut words = Vec::new();
        if self.to.caption.max() > 0 && !self.to.caption.takes(&media.alt) {
            let mut parts = split(&media.alt, self.to.caption).into_iter();
            shown.alt = parts.next().expect("an alt is not blank");
            words = parts.collect();
        }
        if !self.to.own_client {
            words.extend(shown.transcript.take());
        }
        if as_is {
            self.contents.push(content(Box::new(shown)));
        } else {
            self.note(Note::AsFile);
            self.contents.push(Content::File(Box::new(shown)));
        }
        if !words.is_empty() {
            self.note(Note::Split);
            words.iter().for_each(|words| self.text(words));
        }
    }

    /// Cards in groups of as many as the channel takes; what could not stay a card ends its group.
    fn cards(&mut self, alt: &str, items: &[Card], group: impl Fn(String, Vec<Card>) -> Content) {
        let mut inner = Making { to: self.to, contents: Vec::new(), notes: Vec::new() };
        for card in items {
            inner.add(&Content::Card(Box::new(card.clone())));
        }
        inner.notes.into_iter().for_each(|note| self.note(note));
        let mut waiting: Vec<Card> = Vec::new();
        let flush = |waiting: &mut Vec<Card>, contents: &mut Vec<Content>| match waiting.len() {
            0 => {}
            1 => contents.extend(waiting.pop().map(|card| Content::Card(Box::new(card)))),
            _ => contents.push(group(alt.to_owned(), std::mem::take(waiting))),
        };
        let before = self.contents.len();
        for content in inner.contents {
            match content {
                Content::Card(card) if self.to.cards_max > 1 => {
                    waiting.push(*card);
                    if waiting.len() == self.to.cards_max {
                        flush(&mut waiting, &mut self.contents);
                    }
                }
                other => {
                    flush(&mut waiting, &mut self.contents);
                    self.contents.push(other);
                }
            }
        }
        flush(&mut waiting, &mut self.contents);
        if self.contents.len() > before + 1 {
            self.note(Note::Split);
        }
    }

    fn card(&mut self, card: &Card) {
        match self.to.card {
            Some(rule) if rule.title.takes(&card.title) => {
                let mut shown = card.clone();
                if !rule.takes_words(card) {
                    self.as_text(&render::body(card));
                    (shown.subtitle, shown.price, shown.status) = (None, None, None);
                    shown.fields.clear();
                }
                let (kept, moved): (Vec<_>, Vec<_>) = card
                    .actions
                    .iter()
                    .enumerate()
                    .partition(|(index, action)| *index < rule.actions_max && rule.takes_action(action));
                shown.actions = kept.into_iter().map(|(_, action)| action.clone()).collect();
                self.contents.push(Content::Card(Box::new(shown)));
                let moved = || moved.iter().map(|(_, action)| *action);
                let links = render::links(moved());
                if !links.is_empty() {
                    self.as_text(&links);
                }
                let replies = render::replies(moved());
                if !replies.is_empty() {
                    self.note(Note::Numbered);
                    self.text(&render::numbered(&replies));
                }
            }
            Some(_) | None => self.card_as_text(card),
        }
    }

    /// The words, the links, and the answers as buttons where the channel has them.
    fn card_as_text(&mut self, card: &Card) {
        self.note(Note::AsText);
        let words = render::joined(&[render::card(card), render::links(&card.actions)]);
        let replies = render::replies(&card.actions);
        if replies.is_empty() {
            self.text(&words);
            return;
        }
        if self.to.fits_options(&replies) {
            self.note(Note::AsChoices);
        }
        self.choices((&card.alt, &words), &replies, false, false);
    }

    fn choices(&mut self, (alt, text): (&str, &str), options: &[Choice], multi: bool, block_input: bool) {
        if !self.to.fits_options(options) {
            self.numbered(text, options);
            return;
        }
        let mut parts = split(text, self.to.question);
        let last = parts.pop().expect("a question is not blank");
        if !parts.is_empty() {
            self.note(Note::Split);
            self.contents.extend(parts.into_iter().map(Content::text));
        }
        self.contents.push(Content::Choices {
            alt: alt.to_owned(),
            text: last,
            options: options.to_vec(),
            multi,
            block_input,
        });
    }

    fn numbered(&mut self, text: &str, options: &[Choice]) {
        self.note(Note::Numbered);
        self.text(&render::joined(&[text.to_owned(), render::numbered(options)]));
    }
}
