//! LINE Messaging API.
//!
//! Sources, under developers.line.biz/en: text 5,000 UTF-16 code units, image JPEG or PNG 10 MB, video MP4 200 MB, audio 200 MB,
//! location, carousel of 10 columns with 3 actions, title 40 and text 60 beside a title, action label 20, quick reply 13
//! (reference/messaging-api, docs/messaging-api/using-quick-reply); a reply token is used within one minute (reference, "Send reply
//! message"); loading animation. Files cannot be sent, media carry no caption, messages cannot be edited or unsent by an account.

use super::{Capabilities, CardRule, Limit, MB, MediaKind, MediaRule, OptionRule};

pub(super) const LINE: Capabilities = Capabilities {
    name: "line",
    text: Limit::Utf16(5_000),
    markdown: false,
    media: &[
        MediaRule { kind: MediaKind::Image, mimes: &["image/jpeg", "image/png"], bytes_max: 10 * MB },
        MediaRule { kind: MediaKind::Audio, mimes: &["audio/mp4", "audio/mpeg"], bytes_max: 200 * MB },
        MediaRule { kind: MediaKind::Video, mimes: &["video/mp4"], bytes_max: 200 * MB },
    ],
    caption: Limit::Utf16(0),
    location: true,
    card: Some(CardRule {
        actions_max: 3,
        title: Limit::Utf16(40),
        body: Limit::Utf16(60),
        label: Limit::Utf16(20),
        all_kinds: false,
    }),
    cards_max: 10,
    buttons: OptionRule { count_max: 13, label: Limit::Utf16(20), desc: Limit::Chars(0) },
    list: OptionRule::NONE,
    question: Limit::Utf16(5_000),
    multi: false,
    forms: false,
    templates: false,
    own_client: false,
    window_hours: None,
    reply_deadline_ms: Some(60_000),
    edit: false,
    recall: false,
    typing: true,
    read: false,
};
