//! How a store fares, for metrics and readiness.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a store's writer tells the world.
#[derive(Debug, Default)]
pub struct State {
    pub(crate) failing: AtomicBool,
    pub(crate) commits: AtomicU64,
    pub(crate) writes: AtomicU64,
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
}
