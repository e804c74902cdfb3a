//! Telegram Bot API.
//!
//! Sources, all in core.telegram.org/bots/api: `sendMessage` text 1-4096 and `caption` 0-1024 "characters after entities parsing",
//! offsets and lengths in UTF-16 code units; entities; `sendPhoto` 10 MB, other files 50 MB; `sendAudio` MP3 and M4A, `sendVideo`
//! MPEG4; `sendLocation`; `InlineKeyboardButton` (no written bound on count: 20 is all that ours have; a label over 64 is cut on
//! phones); `editMessageText`, `deleteMessage` (48 hours), `sendChatAction`. No window, no read state.

use super::{Capabilities, Limit, MB, MediaKind, MediaRule, OptionRule};

pub(super) const TELEGRAM: Capabilities = Capabilities {
    name: "telegram",
    text: Limit::Utf16(4_096),
    markdown: true,
    media: &[
        MediaRule {
            kind: MediaKind::Image,
            mimes: &["image/jpeg", "image/png", "image/webp"],
            bytes_max: 10 * MB,
        },
        MediaRule {
            kind: MediaKind::Audio,
            mimes: &["audio/mpeg", "audio/mp4", "audio/ogg"],
            bytes_max: 50 * MB,
        },
        MediaRule { kind: MediaKind::Video, mimes: &["video/mp4"], bytes_max: 50 * MB },
        MediaRule { kind: MediaKind::File, mimes: &[""], bytes_max: 50 * MB },
    ],
    caption: Limit::Utf16(1_024),
    location: true,
    card: None,
    cards_max: 0,
    buttons: OptionRule { count_max: 20, label: Limit::Utf16(64), desc: Limit::Chars(0) },
    list: OptionRule::NONE,
    question: Limit::Utf16(4_096),
    multi: false,
    forms: false,
    templates: false,
    own_client: false,
    window_hours: None,
    reply_deadline_ms: None,
    edit: true,
    recall: true,
    typing: true,
    read: false,
};
