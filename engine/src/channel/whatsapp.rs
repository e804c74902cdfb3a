//! WhatsApp Business Platform, Cloud API.
//!
//! Sources, all under developers.facebook.com/docs/whatsapp/cloud-api: text body 4,096 (reference/messages); reply buttons 3 of 20
//! letters, list 10 rows of 24 with a description of 72, interactive body 1,024 (messages/interactive-reply-buttons-messages,
//! messages/interactive-list-messages); caption 1,024; media types and sizes (reference/media, "Supported Media Types");
//! customer service window 24 hours (guides/send-messages); typing indicators, read status (webhooks). Sent messages can be neither
//! edited nor taken back by a business. Cards exist only in registered templates.

use super::{Capabilities, Limit, MB, MediaKind, MediaRule, OptionRule};

pub(super) const WHATSAPP: Capabilities = Capabilities {
    name: "whatsapp",
    text: Limit::Chars(4_096),
    markdown: false,
    media: &[
        MediaRule { kind: MediaKind::Image, mimes: &["image/jpeg", "image/png"], bytes_max: 5 * MB },
        MediaRule {
            kind: MediaKind::Audio,
            mimes: &["audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"],
            bytes_max: 16 * MB,
        },
        MediaRule { kind: MediaKind::Video, mimes: &["video/mp4", "video/3gpp"], bytes_max: 16 * MB },
        MediaRule { kind: MediaKind::File, mimes: &[""], bytes_max: 100 * MB },
    ],
    caption: Limit::Chars(1_024),
    location: true,
    card: None,
    cards_max: 0,
    buttons: OptionRule { count_max: 3, label: Limit::Chars(20), desc: Limit::Chars(0) },
    list: OptionRule { count_max: 10, label: Limit::Chars(24), desc: Limit::Chars(72) },
    question: Limit::Chars(1_024),
    multi: false,
    forms: false,
    templates: true,
    own_client: false,
    window_hours: Some(24),
    reply_deadline_ms: None,
    edit: false,
    recall: false,
    typing: true,
    read: true,
};
