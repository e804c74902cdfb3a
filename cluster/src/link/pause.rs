//! How long a node waits before it dials a peer again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
/// A peer that comes back is found within this time.
const LONGEST: Duration = Duration::from_secs(1);
/// A link that stood so long was a good one: the next pause is short again.
const GOOD: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Pause(Duration);

impl Pause {
    pub(super) fn new() -> Self {
        Self(FIRST)
    }

    pub(super) fn stood(&mut self, time: Duration) {
        if time >= GOOD {
            self.0 = FIRST;
        }
    }

    /// Doubles each time. Between half and all of it, by chance, so that the peers of a node that starts do not come at once.
    pub(super) fn next(&mut self, chance: u32) -> Duration {
        let whole = self.0;
        self.0 = (whole * 2).min(LONGEST);
        whole / 2 + (whole / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
    }
}
