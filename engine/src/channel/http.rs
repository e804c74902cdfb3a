//! The generic channel over HTTP: the company's own program gets every message as it is and shows what it can.

use super::{ANY_CARD, ANY_OPTIONS, Capabilities, ENDLESS, MediaKind, MediaRule, OptionRule};

const fn any(kind: MediaKind) -> MediaRule {
    MediaRule { kind, mimes: &[""], bytes_max: u64::MAX }
}

pub(super) const HTTP: Capabilities = Capabilities {
    name: "http",
    text: ENDLESS,
    markdown: true,
    media: &[any(MediaKind::Image), any(MediaKind::Audio), any(MediaKind::Video), any(MediaKind::File)],
    caption: ENDLESS,
    location: true,
    card: Some(ANY_CARD),
    cards_max: 10,
    buttons: ANY_OPTIONS,
    list: OptionRule::NONE,
    question: ENDLESS,
    multi: true,
    forms: true,
    templates: true,
    own_client: true,
    window_hours: None,
    reply_deadline_ms: None,
    edit: true,
    recall: true,
    typing: true,
    read: true,
};
