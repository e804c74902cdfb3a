//! Facebook Messenger Platform.
//!
//! Sources, under developers.facebook.com/docs/messenger-platform: text 2,000 and 24-hour standard messaging window
//! (reference/send-api, policy); quick replies 13 of 20 letters (send-messages/quick-replies); generic template 10 elements, title and
//! subtitle 80, 3 buttons of 20 (send-messages/template/generic, send-messages/buttons); attachments 25 MB
//! (send-messages, "Attachments"); sender actions `typing_on`, webhook `messaging_reads`. Attachments carry no caption.

use super::{Capabilities, CardRule, Limit, MB, MediaKind, MediaRule, OptionRule};

pub(super) const MESSENGER: Capabilities = Capabilities {
    name: "messenger",
    text: Limit::Utf16(2_000),
    markdown: false,
    media: &[
        MediaRule {
            kind: MediaKind::Image,
            mimes: &["image/png", "image/jpeg", "image/gif"],
            bytes_max: 8 * MB,
        },
        MediaRule { kind: MediaKind::Audio, mimes: &["audio/"], bytes_max: 25 * MB },
        MediaRule { kind: MediaKind::Video, mimes: &["video/"], bytes_max: 25 * MB },
        MediaRule { kind: MediaKind::File, mimes: &[""], bytes_max: 25 * MB },
    ],
    caption: Limit::Utf16(0),
    location: false,
    card: Some(CardRule {
        actions_max: 3,
        title: Limit::Utf16(80),
        body: Limit::Utf16(80),
        label: Limit::Utf16(20),
        all_kinds: false,
    }),
    cards_max: 10,
    buttons: OptionRule { count_max: 13, label: Limit::Utf16(20), desc: Limit::Chars(0) },
    list: OptionRule::NONE,
    question: Limit::Utf16(2_000),
    multi: false,
    forms: false,
    templates: false,
    own_client: false,
    window_hours: Some(24),
    reply_deadline_ms: None,
    edit: false,
    recall: false,
    typing: true,
    read: true,
};
