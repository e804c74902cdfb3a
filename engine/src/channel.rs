//! What each channel can show, and how a message is brought down to that: deterministic, total, and without losing a word.
//!
//! A channel is one file with its figures and their public source, and one line in [`CHANNELS`]. The figures are those that the vendors
//! document, on the safe side where a document leaves room: a channel that grants more only gets plainer messages than it could.

mod degrade;
mod email;
mod fit;
mod http;
mod line;
mod markdown;
mod messenger;
mod render;
mod sms;
mod split;
mod telegram;
mod web;
mod wechat;
mod whatsapp;

pub use degrade::{Degraded, Note, degrade};
pub use markdown::unmarked;
pub use split::split;

/// Every channel that is known.
pub const CHANNELS: &[&Capabilities] = &[
    &web::WEB,
    &http::HTTP,
    &whatsapp::WHATSAPP,
    &wechat::WECHAT,
    &messenger::MESSENGER,
    &telegram::TELEGRAM,
    &line::LINE,
    &sms::SMS,
    &email::EMAIL,
];

/// The channel of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Capabilities> {
    CHANNELS.iter().copied().find(|channel| channel.name == name)
}

/// What a channel can show and do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Its name in `conversation.open` and in overrides.
    pub name: &'static str,
    /// Longest text of one message.
    pub text: Limit,
    /// Shows bold, links and the like, and entities.
    pub markdown: bool,
    /// Files that it shows as pictures, sounds, films or files.
    pub media: &'static [MediaRule],
    /// Longest caption of a file.
    pub caption: Limit,
    /// Shows a point on a map.
    pub location: bool,
    /// Cards, when it has them.
    pub card: Option<CardRule>,
    /// Cards side by side or below each other in one message; 0 when it has no such thing.
    pub cards_max: usize,
    /// Answers shown as buttons.
    pub buttons: OptionRule,
    /// Answers shown as a list, where that takes more of them.
    pub list: OptionRule,
    /// Longest text above buttons or a list.
    pub question: Limit,
    /// Several answers can be chosen.
    pub multi: bool,
    /// Shows forms.
    pub forms: bool,
    /// Sends texts registered with the channel.
    pub templates: bool,
    /// Its client understands `system`, `custom` and `command`, and what comes back from forms and buttons.
    pub own_client: bool,
    /// Free messages can be sent for this long after the visitor's last one, hours.
    pub window_hours: Option<u32>,
    /// A reply in the visitor's own request must come within this time, milliseconds.
    pub reply_deadline_ms: Option<u32>,
    /// A sent message can be changed.
    pub edit: bool,
    /// A sent message can be taken back.
    pub recall: bool,
    /// The visitor can be shown that somebody writes.
    pub typing: bool,
    /// The channel tells what was read.
    pub read: bool,
}

/// A longest text, in the channel's own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Unicode scalar values.
    Chars(usize),
    /// UTF-16 code units.
    Utf16(usize),
    /// UTF-8 bytes.
    Bytes(usize),
}

impl Limit {
    /// True when `text` is not longer.
    #[must_use]
    pub fn takes(self, text: &str) -> bool {
        self.size(text) <= self.max()
    }

    pub(self) fn size(self, text: &str) -> usize {
        match self {
            Self::Chars(_) => text.chars().count(),
            Self::Utf16(_) => text.encode_utf16().count(),
            Self::Bytes(_) => text.len(),
        }
    }

    pub(self) fn max(self) -> usize {
        match self {
            Self::Chars(max) | Self::Utf16(max) | Self::Bytes(max) => max,
        }
    }
}

/// A kind of file that a channel shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaRule {
    /// As what.
    pub kind: MediaKind,
    /// Media types without parameters; an entry that ends in `/` stands for all that begin with it, an empty one for all.
    pub mimes: &'static [&'static str],
    /// Largest file.
    pub bytes_max: u64,
}

/// As what a file is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the content types")]
pub enum MediaKind {
    Image,
    Audio,
    Video,
    File,
}

/// What a channel's card can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardRule {
    /// Buttons.
    pub actions_max: usize,
    /// Longest title.
    pub title: Limit,
    /// Longest text below the title: subtitle, labelled values, price and status together.
    pub body: Limit,
    /// Longest label of a button.
    pub label: Limit,
    /// Has buttons for copying and for asking where somebody is; all have those that answer, open a page or call.
    pub all_kinds: bool,
}

/// Answers that a channel lets people choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionRule {
    /// How many; 0 when it has no such thing.
    pub count_max: usize,
    /// Longest label.
    pub label: Limit,
    /// Longest small print; `Chars(0)` when it shows none.
    pub desc: Limit,
}

impl OptionRule {
    /// No answers to choose from.
    pub const NONE: Self = Self { count_max: 0, label: Limit::Chars(0), desc: Limit::Chars(0) };
}

const MB: u64 = 1024 * 1024;
/// More than any message of ours has.
const ENDLESS: Limit = Limit::Bytes(64 * 1024);
/// Everything that a content can hold.
const ANY_OPTIONS: OptionRule = OptionRule { count_max: 20, label: ENDLESS, desc: ENDLESS };
const ANY_CARD: CardRule =
    CardRule { actions_max: 5, title: ENDLESS, body: ENDLESS, label: ENDLESS, all_kinds: true };

#[cfg(test)]
mod tests;
