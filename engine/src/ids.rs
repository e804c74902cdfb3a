//! Names of things: tenants, people, queues, offers, conversations. All are text on the wire; none is guessed from another.
//!
//! A conversation's id carries the shard of its visitor, so that the id alone says which node owns it, for ever.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

use crate::time::Time;

/// Number of shards that all actors are spread over; fixed for ever, because ids carry it.
pub const SHARDS: u16 = 4096;

/// Longest text id accepted, in bytes.
pub const ID_BYTES_MAX: usize = 64;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is; outside input is checked by [`is_id`] at the edge.
            #[must_use]
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The id's shared text, without a copy.
            #[must_use]
            pub fn shared(&self) -> Arc<str> {
                Arc::clone(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A customer of Conversa: nothing crosses from one to another.
    TenantId
);
text_id!(
    /// A visitor or an agent (`vi_…`, `ag_…`).
    PersonId
);
text_id!(
    /// A waiting queue.
    QueueId
);
text_id!(
    /// One offer of one conversation to one agent (`of_…`).
    OfferId
);
text_id!(
    /// A bot.
    BotId
);
text_id!(
    /// Something that an agent can do: `returns`, `en`, …
    SkillId
);

/// True when `text` may be an id from outside: 1 to 64 of `A-Z a-z 0-9 _ - .`
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// The shard of everything that belongs to `placement_key` (a visitor, a queue, an agent): XXH3-64 modulo [`SHARDS`].
#[must_use]
pub fn shard_of(tenant: &TenantId, placement_key: &str) -> u16 {
    let mut text = Vec::with_capacity(tenant.as_str().len() + 1 + placement_key.len());
    text.extend_from_slice(tenant.as_str().as_bytes());
    text.push(0);
    text.extend_from_slice(placement_key.as_bytes());
    u16::try_from(xxh3_64(&text) % u64::from(SHARDS)).expect("a remainder below 4096 fits 16 bits")
}

/// A conversation: a `UUIDv7` whose 12 random bits (`rand_a` of RFC 9562) are its visitor's shard. Text form `cv_` + 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationId(u128);

impl ConversationId {
    /// Composes an id from the time of opening, the visitor's shard (below [`SHARDS`]) and 62 random bits.
    #[must_use]
    pub fn new(at: Time, shard: u16, random: u64) -> Self {
        let ms = u128::from(at.ms().max(0).unsigned_abs()) & ((1 << 48) - 1);
        let shard = u128::from(shard % SHARDS);
        let random = u128::from(random) & ((1 << 62) - 1);
        Self(ms << 80 | 0x7 << 76 | shard << 64 | 0b10 << 62 | random)
    }

    /// The shard of the visitor whose conversation this is.
    #[must_use]
    pub fn shard(self) -> u16 {
        u16::try_from((self.0 >> 64) & 0xfff).expect("12 bits fit 16")
    }

    /// The time of opening that the id carries.
    #[must_use]
    pub fn opened(self) -> Time {
        Time::from_ms(i64::try_from(self.0 >> 80).expect("48 bits fit 63"))
    }

    /// The text id of the message at offset `seq` of this conversation: derived, so it needs no storage.
    #[must_use]
    pub fn message(self, seq: u64) -> String {
        let (hex, mut digits) = (self.hex(), [0; 20]);
        let mut text = String::with_capacity("ms_".len() + hex.len() + 1 + digits.len());
        text.push_str("ms_");
        text.push_str(as_text(&hex));
        text.push('.');
        text.push_str(decimal(seq, &mut digits));
        text
    }

    /// Its 32 hex digits: written by hand, because every message names its conversation several times on its way.
    fn hex(self) -> [u8; 32] {
        let mut hex = [0; 32];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0.to_be_bytes()) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 0xf)];
        }
        hex
    }

    /// The offset inside the text id of a message of this conversation; `None` for any other text.
    #[must_use]
    pub fn offset_of(self, message: &str) -> Option<u64> {
        let (conversation, seq) = message.strip_prefix("ms_")?.split_once('.')?;
        let seq = seq.parse().ok()?;
        (conversation.len() == 32 && self.message(seq) == message).then_some(seq)
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cv_")?;
        f.write_str(as_text(&self.hex()))
    }
}

impl fmt::Debug for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn as_text(ascii: &[u8]) -> &str {
    std::str::from_utf8(ascii).unwrap_or_default()
}

/// The decimal digits of `number`, at the end of `digits`.
pub(crate) fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &str {
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = HEX[(number % 10) as usize];
        number /= 10;
        if number == 0 {
            return as_text(&digits[start..]);
        }
    }
}

/// The text is not `cv_` and 32 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a conversation id is cv_ and 32 lower-case hex digits")]
pub struct NotAConversationId;

impl FromStr for ConversationId {
    type Err = NotAConversationId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.strip_prefix("cv_").filter(|hex| hex.len() == 32).ok_or(NotAConversationId)?;
        // Every frame names its conversation: the halves are read in registers, and what is no digit is looked at once.
        let (high, low) = hex.as_bytes().split_at(16);
        match (half_of_hex(high), half_of_hex(low)) {
            (Some(high), Some(low)) => Ok(Self(u128::from(high) << 64 | u128::from(low))),
            (_, _) => Err(NotAConversationId),
        }
    }
}

/// Sixteen lower-case hexadecimal digits.
fn half_of_hex(digits: &[u8]) -> Option<u64> {
    let (mut number, mut wrong) = (0_u64, 0_u8);
    for &byte in digits {
        let digit = HEX_VALUES[usize::from(byte)];
        wrong |= digit;
        number = number << 4 | u64::from(digit & 0xf);
    }
    (wrong < 16).then_some(number)
}

/// The value of each lower-case hexadecimal digit, 255 for all other bytes.
const HEX_VALUES: [u8; 256] = {
    let (mut values, mut value) = ([u8::MAX; 256], 0);
    while value < 16 {
        values[HEX[value] as usize] = value as u8;
        value += 1;
    }
    values
};

impl Serialize for ConversationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ConversationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = ConversationId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a conversation id")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ConversationId, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_id_carries_its_visitors_shard_and_survives_text() {
        let tenant = TenantId::new("acme");
        let shard = shard_of(&tenant, "vi_1");
        let id = ConversationId::new(Time::from_ms(1_764_000_000_000), shard, u64::MAX);
        assert_eq!(id.shard(), shard);
        assert_eq!(id.opened(), Time::from_ms(1_764_000_000_000));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string(), format!("cv_{:032x}", id.0));
        for seq in [0, 1, 9, 10, 4_096, u64::MAX] {
            assert_eq!(id.message(seq), format!("ms_{:032x}.{seq}", id.0));
            assert_eq!(id.offset_of(&id.message(seq)), Some(seq));
        }
        assert_eq!("cv_00".parse::<ConversationId>(), Err(NotAConversationId));
        assert_eq!(id.to_string().to_uppercase().parse::<ConversationId>(), Err(NotAConversationId));
        for other in (u8::MIN..=u8::MAX).map(char::from).filter(|c| !matches!(c, '0'..='9' | 'a'..='f')) {
            let (first, last) = (format!("cv_{other}{:031x}", 7), format!("cv_{:031x}{other}", 7));
            assert!([first, last].iter().all(|text| text.parse::<ConversationId>().is_err()), "{other:?}");
        }
    }

    #[test]
    fn the_shard_of_a_visitor_never_changes() {
        // Written down once: a change of the hash would move every stored conversation.
        assert_eq!(shard_of(&TenantId::new("acme"), "vi_1"), 2300);
    }
}
