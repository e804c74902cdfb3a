//! E-mail as plain text with files.
//!
//! Sources: RFC 5322 (no bound on a body), RFC 2045 (files); 25 MB is what large providers take in
//! (support.google.com/mail/answer/6584, "Attachment size limit"); base64 makes a file 4/3 as long, so 18 MB of it.

use super::{Capabilities, ENDLESS, MB, MediaKind, MediaRule, OptionRule};

pub(super) const EMAIL: Capabilities = Capabilities {
    name: "email",
    text: ENDLESS,
    markdown: false,
    media: &[
        MediaRule { kind: MediaKind::Image, mimes: &["image/"], bytes_max: 18 * MB },
        MediaRule { kind: MediaKind::File, mimes: &[""], bytes_max: 18 * MB },
    ],
    caption: ENDLESS,
    location: false,
    card: None,
    cards_max: 0,
    buttons: OptionRule::NONE,
    list: OptionRule::NONE,
    question: ENDLESS,
    multi: false,
    forms: false,
    templates: false,
    own_client: false,
    window_hours: None,
    reply_deadline_ms: None,
    edit: false,
    recall: false,
    typing: false,
    read: false,
};
