//! What a host counts, for the metrics page.

use std::sync::atomic::{AtomicU64, Ordering};

/// One count that only grows.
#[derive(Debug, Default)]
pub struct Meter(AtomicU64);

impl Meter {
    /// Counts one.
    pub fn add(&self) {
        self.add_many(1);
    }

    /// Counts several.
    pub fn add_many(&self, many: u64) {
        self.0.fetch_add(many, Ordering::Relaxed);
    }

    /// The count.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All counts of a host.
#[derive(Debug, Default)]
pub struct Meters {
    /// Cells that were started.
    pub activations: Meter,
    /// Cells that went to rest.
    pub rests: Meter,
    /// Cells that failed.
    pub failures: Meter,
    /// Appends submitted.
    pub appends: Meter,
    /// Events submitted.
    pub events: Meter,
    /// Letters sent, again or for the first time.
    pub letters: Meter,
    /// Events pushed to people.
    pub pushes: Meter,
    /// Requests refused because a mailbox was full.
    pub overloaded: Meter,
    /// Events that a watcher's full mailbox did not take; it reads them from the journal.
    pub unheard: Meter,
}
