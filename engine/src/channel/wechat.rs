//! WeChat Official Account, customer service messages.
//!
//! Sources, under developers.weixin.qq.com/doc/offiaccount: text up to 2,048 bytes (the platform answers 45002 "content size out of
//! limit" beyond it), `msgmenu`, customer service messages for 48 hours after the visitor's last message, typing state
//! (Message_Management/Service_Center_messages); a passive reply within 5 seconds (Message_Management/Passive_user_reply_message);
//! temporary media: image 10 MB PNG/JPEG/JPG/GIF, voice 2 MB AMR/MP3, video 10 MB MP4 (Asset_Management/New_temporary_materials).
//! Files, locations and edits cannot be sent. `msgmenu` has no written bound: eight answers keep it readable; media have no caption.

use super::{Capabilities, Limit, MB, MediaKind, MediaRule, OptionRule};

pub(super) const WECHAT: Capabilities = Capabilities {
    name: "wechat",
    text: Limit::Bytes(2_048),
    markdown: false,
    media: &[
        MediaRule {
            kind: MediaKind::Image,
            mimes: &["image/png", "image/jpeg", "image/gif"],
            bytes_max: 10 * MB,
        },
        MediaRule { kind: MediaKind::Audio, mimes: &["audio/amr", "audio/mpeg"], bytes_max: 2 * MB },
        MediaRule { kind: MediaKind::Video, mimes: &["video/mp4"], bytes_max: 10 * MB },
    ],
    caption: Limit::Bytes(0),
    location: false,
    card: None,
    cards_max: 0,
    buttons: OptionRule { count_max: 8, label: Limit::Bytes(128), desc: Limit::Chars(0) },
    list: OptionRule::NONE,
    question: Limit::Bytes(1_024),
    multi: false,
    forms: false,
    templates: true,
    own_client: false,
    window_hours: Some(48),
    reply_deadline_ms: Some(5_000),
    edit: false,
    recall: false,
    typing: true,
    read: false,
};
