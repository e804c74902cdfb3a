//! The write timestamps of rows.

use conversa_actors::port::Row;
use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_64;

/// Writes of one stamp that are told apart; the stamp is a time in milliseconds, the store's is in microseconds.
const TICKS: i64 = 1_000;
const SLOTS: usize = 1024;

/// Orders writes of the same row with the same stamp: of equal timestamps the store takes the larger value, not the later write.
#[derive(Debug)]
pub struct Ticks {
    slots: Vec<Mutex<(i64, i64)>>,
}

impl Default for Ticks {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| Mutex::default()).collect() }
    }
}

impl Ticks {
    /// The write timestamp of a row that is written now.
    #[must_use]
    pub fn stamp(&self, row: &Row) -> i64 {
        let hash = xxh3_64(row.key.key.as_bytes());
        let place = usize::try_from(hash % SLOTS as u64).unwrap_or_default();
        let mut slot = self.slots[place].lock();
        let tick = match row.stamp.cmp(&slot.0) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Equal => (slot.1 + 1).min(TICKS - 1),
            std::cmp::Ordering::Greater => 0,
        };
        if row.stamp >= slot.0 {
            *slot = (row.stamp, tick);
        }
        row.stamp.saturating_mul(TICKS).saturating_add(tick)
    }
}
