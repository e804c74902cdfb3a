//! What a watcher has seen of somebody's row, on its own clock.

use super::{Moment, Timing};

/// A row as it was seen. Its version in the register is its beat: every renewal is a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sight {
    /// The version that was seen last.
    pub version: u64,
    /// Since when it has been seen at every look.
    since_ms: u64,
    /// When it was looked at last.
    looked_ms: u64,
}

impl Sight {
    /// The first look. `now` is when the answer came: the row was not older than that.
    #[must_use]
    pub fn first(version: u64, now: Moment) -> Self {
        Self { version, since_ms: now.boot_ms, looked_ms: now.boot_ms }
    }

    /// Another look.
    pub fn look(&mut self, version: u64, now: Moment, timing: &Timing) {
        let gap = now.boot_ms.saturating_sub(self.looked_ms);
        if version != self.version || gap > timing.gap_ms {
            *self = Self::first(version, now);
        }
        self.looked_ms = now.boot_ms;
    }

    /// True when the row has stood still for its whole time; whoever revokes it still has to compare [`Sight::version`].
    #[must_use]
    pub fn is_over(&self, now: Moment, timing: &Timing) -> bool {
        let fresh = now.boot_ms.saturating_sub(self.looked_ms) <= timing.gap_ms;
        fresh && now.boot_ms.saturating_sub(self.since_ms) >= timing.lease_ms
    }
}
