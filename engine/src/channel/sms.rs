//! SMS.
//!
//! Sources: 3GPP TS 23.038 (UCS-2 as soon as one letter is not of the GSM alphabet: 70 letters) and TS 23.040, 9.2.3.24.1
//! (concatenation takes 6 octets of each part: 67 letters of UCS-2). Ten parts are our choice, below what gateways
//! document as their most: 670 UTF-16 code units, whatever the script.

use super::{Capabilities, Limit, OptionRule};

pub(super) const SMS: Capabilities = Capabilities {
    name: "sms",
    text: Limit::Utf16(670),
    markdown: false,
    media: &[],
    caption: Limit::Utf16(0),
    location: false,
    card: None,
    cards_max: 0,
    buttons: OptionRule::NONE,
    list: OptionRule::NONE,
    question: Limit::Utf16(0),
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
