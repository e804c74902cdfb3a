//! Compliance: what agents must not ask, offer or promise. Bots are held to it too.

use serde::{Deserialize, Serialize};

use super::{Family, Feature, Unit};
use crate::quality::Role;
use crate::quality::reading::{Act, Reading};

const fn count(id: &'static str, doc: &'static str, compute: fn(&super::Features) -> Option<i64>) -> Feature {
    Feature { id, family: Family::Compliance, unit: Unit::Count, version: 1, doc, compute }
}

pub(super) const SECRETS_ASKED: Feature =
    count("secrets_asked", "agent or bot messages that ask for a password or a verification code", |f| {
        f.compliance.count(f.compliance.secrets)
    });
pub(super) const OFF_PLATFORM_CONTACTS: Feature = count(
    "off_platform_contacts",
    "agent or bot messages that lead to private contact: WeChat, QQ, a mobile number",
    |f| f.compliance.count(f.compliance.off_platform),
);
pub(super) const ABSOLUTE_PROMISES: Feature =
    count("absolute_promises", "agent or bot messages that promise without reserve", |f| {
        f.compliance.count(f.compliance.promises)
    });
pub(super) const PRIVATE_PAYMENTS: Feature =
    count("private_payments", "agent or bot messages that ask to pay past the platform", |f| {
        f.compliance.count(f.compliance.private_payments)
    });

/// Counts of messages of agents and bots by what they do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Compliance {
    answers: i64,
    secrets: i64,
    off_platform: i64,
    promises: i64,
    private_payments: i64,
}

impl Compliance {
    pub(super) fn hear(&mut self, reading: &Reading<'_>) {
        match reading.role {
            Role::Visitor | Role::System => return,
            Role::Agent | Role::Bot => self.answers += 1,
        }
        // "Never share your password" is the opposite of asking for it.
        self.secrets += i64::from(reading.does(Act::Secret) && !reading.does(Act::SecretWarning));
        self.off_platform +=
            i64::from(reading.does(Act::OffPlatform) || has_mobile_number(&reading.words.normal));
        self.promises += reading.count(Act::Promise);
        self.private_payments += reading.count(Act::PrivatePayment);
    }

    fn count(&self, count: i64) -> Option<i64> {
        (self.answers > 0).then_some(count)
    }
}

/// Whether a text has a mobile number of mainland China by itself: 11 digits, 13 to 19 first (MIIT numbering plan).
fn has_mobile_number(normal: &str) -> bool {
    normal
        .as_bytes()
        .split(|byte| !byte.is_ascii_digit())
        .any(|digits| digits.len() == 11 && matches!(digits, [b'1', b'3'..=b'9', ..]))
}
