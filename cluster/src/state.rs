//! How a store fares, for metrics and readiness.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::histogram::Histogram;

/// What a store's writer tells the world.
#[derive(Debug)]
pub struct State {
    pub(crate) failing: AtomicBool,
    pub(crate) commits: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) append_times: Histogram,
    pub(crate) append_events: Histogram,
}

impl Default for State {
    fn default() -> Self {
        Self {
            failing: AtomicBool::new(false),
            commits: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            append_times: Histogram::of_times(),
            append_events: Histogram::of_events(),
        }
    }
}

impl State {
    /// True while the last commit failed, for instance because the disk is full.
    #[must_use]
    pub fn failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Commits so far: transactions of the embedded store, batches of a CQL store.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Writes that these commits held.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// From when an append is given to the store until its outcome is known, whatever that is; microseconds.
    #[must_use]
    pub fn append_times(&self) -> &Histogram {
        &self.append_times
    }

    /// Events that are written together: by a transaction of the embedded store, by a write to one log of a CQL store.
    #[must_use]
    pub fn append_events(&self) -> &Histogram {
        &self.append_events
    }
}
