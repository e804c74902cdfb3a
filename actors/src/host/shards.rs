//! Which shards this host serves, and under which epochs.

use std::sync::atomic::{AtomicU64, Ordering};

use conversa_engine::ids::SHARDS;

/// The epoch of each shard that is served; 0 of the others.
#[derive(Debug)]
pub(super) struct Shards(Box<[AtomicU64]>);

impl Shards {
    /// All served under one epoch, or none (0).
    pub(super) fn all(epoch: u64) -> Self {
        Self((0..SHARDS).map(|_| AtomicU64::new(epoch)).collect())
    }

    /// The epoch under which a shard is served.
    pub(super) fn epoch(&self, shard: u16) -> Option<u64> {
        match self.0.get(usize::from(shard))?.load(Ordering::Acquire) {
            0 => None,
            epoch => Some(epoch),
        }
    }

    /// Serves a shard from now on; 0 for no longer.
    pub(super) fn set(&self, shard: u16, epoch: u64) {
        if let Some(place) = self.0.get(usize::from(shard)) {
            place.store(epoch, Ordering::Release);
        }
    }

    /// How many are served.
    pub(super) fn len(&self) -> usize {
        self.0.iter().filter(|epoch| epoch.load(Ordering::Relaxed) > 0).count()
    }
}
