//! The row of a member in the register, written by compare and set only.

use bytes::Bytes;

use super::Life;
use super::view::is_name;

/// What a node says of itself, or a watcher of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// Which life of the node.
    pub generation: u64,
    /// False when that life is over: revoked, or left.
    pub alive: bool,
    /// Counts renewals.
    pub beat: u64,
    /// The version of the view that the node has adopted: it has stopped everything that this view places elsewhere.
    pub adopted: u64,
    /// The share it wants, in millionths.
    pub weight: u32,
    /// Unique to this life: two processes of one name never write equal rows, and equal changes are taken for one.
    pub nonce: u64,
    /// Where its links are, without spaces.
    pub addr: String,
    /// Its rack or zone, without spaces.
    pub zone: String,
}

impl Row {
    /// True when `life` can do nothing more: it was revoked, or a later one has begun.
    #[must_use]
    pub fn ends(&self, life: &Life) -> bool {
        self.generation > life.generation || (self.generation == life.generation && !self.alive)
    }

    /// The row as whoever revokes its life writes it.
    #[must_use]
    pub fn revoked(&self) -> Self {
        Self { alive: false, ..self.clone() }
    }

    /// As it is written.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        let Self { generation, alive, beat, adopted, weight, nonce, addr, zone } = self;
        let alive = if *alive { "alive" } else { "over" };
        format!("1 {generation} {alive} {beat} {adopted} {weight} {nonce:016x} {addr} {zone}").into()
    }

    /// Reads what [`Row::bytes`] wrote; words behind what is known are for later versions.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(value).ok()?.split(' ');
        if words.next()? != "1" {
            return None;
        }
        Some(Self {
            generation: words.next()?.parse().ok()?,
            alive: match words.next()? {
                "alive" => true,
                "over" => false,
                _ => return None,
            },
            beat: words.next()?.parse().ok()?,
            adopted: words.next()?.parse().ok()?,
            weight: words.next()?.parse().ok()?,
            nonce: u64::from_str_radix(words.next()?, 16).ok()?,
            addr: words.next()?.to_owned(),
            zone: words.next()?.to_owned(),
        })
    }

    /// True when its words can be written.
    #[must_use]
    pub fn is_writable(addr: &str, zone: &str) -> bool {
        is_name(addr) && is_name(zone)
    }
}
