//! Keeping to a rate by oneself, so that the server need not refuse.

use std::time::Duration;

use tokio::time::Instant;

use super::Rate;

/// A token bucket a little slower than the server's, because the two clocks and the line are not exact.
#[derive(Debug)]
pub(super) struct Bucket {
    per_s: f64,
    burst: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        let burst = (rate.burst * 0.9).floor().max(1.0);
        Self { per_s: (rate.per_s * 0.95).max(0.1), burst, tokens: burst, filled: now }
    }

    /// Takes one token if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let since_s = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + since_s * self.per_s).min(self.burst);
        self.filled = now;
        let there = self.tokens >= 1.0;
        if there {
            self.tokens -= 1.0;
        }
        there
    }

    /// When there will be a token; `None` when there is one.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let since_s = now.saturating_duration_since(self.filled).as_secs_f64();
        let missing = 1.0 - (self.tokens + since_s * self.per_s);
        (missing > 0.0)
            .then(|| now + Duration::from_secs_f64(missing / self.per_s) + Duration::from_millis(1))
    }
}
