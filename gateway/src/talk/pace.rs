//! Token buckets: how fast somebody may send.

use std::time::Duration;

use tokio::time::Instant;

/// A bucket that fills at a rate and holds a burst.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_s: f64,
    burst: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    pub(crate) fn new(per_s: u32, burst: u32) -> Self {
        Self {
            per_s: f64::from(per_s),
            burst: f64::from(burst),
            tokens: f64::from(burst),
            filled: Instant::now(),
        }
    }

    /// Takes one token, or says how long to wait for it, milliseconds.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), u32> {
        let since: Duration = now.saturating_duration_since(self.filled);
        self.tokens = (self.tokens + since.as_secs_f64() * self.per_s).min(self.burst);
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        let wait_ms = (1.0 - self.tokens) / self.per_s.max(0.001) * 1_000.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and 1,000,000"
        )]
        Err(wait_ms.ceil().clamp(1.0, 1_000_000.0) as u32)
    }
}

/// Bursts within [`STRIKES`] that end a socket.
const STRIKES_MAX: usize = 3;
const STRIKES: Duration = Duration::from_secs(60);

/// Counts how often somebody ran into the limit. A run of refusals is one strike: it ends with the first request that passes.
#[derive(Debug, Default)]
pub(crate) struct Strikes {
    at: Vec<Instant>,
    refusing: bool,
}

impl Strikes {
    /// Notes a request that was refused or passed; true when it is one burst too many.
    pub(crate) fn note(&mut self, now: Instant, refused: bool) -> bool {
        let begins = refused && !self.refusing;
        self.refusing = refused;
        if begins {
            self.at.retain(|at| now.saturating_duration_since(*at) < STRIKES);
            self.at.push(now);
        }
        begins && self.at.len() > STRIKES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate_holds() {
        let mut bucket = Bucket::new(5, 20);
        let start = Instant::now();
        assert!((0..20).all(|_| bucket.take(start).is_ok()));
        assert_eq!(bucket.take(start), Err(200));
        assert_eq!(bucket.take(start + Duration::from_millis(200)), Ok(()));
        assert!(bucket.take(start + Duration::from_millis(201)).is_err());
    }

    #[test]
    fn three_bursts_in_a_minute_are_borne_and_the_fourth_is_not() {
        let (mut strikes, start) = (Strikes::default(), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        for burst in 0..3 {
            assert!(!strikes.note(at(burst * 10), true));
            assert!(!strikes.note(at(burst * 10 + 1), true), "the same burst");
            assert!(!strikes.note(at(burst * 10 + 2), false));
        }
        assert!(!strikes.note(at(61), true), "the first is forgiven");
        assert!(!strikes.note(at(62), false));
        assert!(strikes.note(at(63), true));
    }
}
