//! Our own pages and apps: everything.

use super::{ANY_CARD, ANY_OPTIONS, Capabilities, ENDLESS, MediaKind, MediaRule, OptionRule};

pub(super) const WEB: Capabilities = Capabilities {
    name: "web",
    text: ENDLESS,
    markdown: true,
    // What a browser shows itself; everything else is a file to save. The size is what the node lets in.
    media: &[
        MediaRule {
            kind: MediaKind::Image,
            mimes: &["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"],
            bytes_max: u64::MAX,
        },
        MediaRule { kind: MediaKind::Audio, mimes: &["audio/"], bytes_max: u64::MAX },
        MediaRule { kind: MediaKind::Video, mimes: &["video/mp4", "video/webm"], bytes_max: u64::MAX },
        MediaRule { kind: MediaKind::File, mimes: &[""], bytes_max: u64::MAX },
    ],
    caption: ENDLESS,
    location: true,
    card: Some(ANY_CARD),
    cards_max: 10,
    buttons: ANY_OPTIONS,
    list: OptionRule::NONE,
    question: ENDLESS,
    multi: true,
    forms: true,
    templates: false,
    own_client: true,
    window_hours: None,
    reply_deadline_ms: None,
    edit: true,
    recall: true,
    typing: true,
    read: true,
};
