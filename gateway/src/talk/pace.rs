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

/// Time over which refusals are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts how often somebody was refused for sending too fast. Whoever waits as told is refused at most once for each request that
/// passes, so more refusals than the rate lets pass in a minute are those of a client that does not listen.
#[derive(Debug)]
pub(crate) struct Refusals {
    max: u32,
    count: u32,
    since: Instant,
}

impl Refusals {
    /// For a bucket of this rate; a `burst` may be on its way before the first refusal is heard.
    pub(crate) fn new(per_s: u32, burst: u32, now: Instant) -> Self {
        let window_s = u32::try_from(WINDOW.as_secs()).unwrap_or(u32::MAX);
        Self { max: per_s.saturating_mul(window_s).saturating_add(burst), count: 0, since: now }
    }

    /// Notes a refusal; true when it is one too many.
    pub(crate) fn one_more(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= WINDOW {
            (self.count, self.since) = (0, now);
        }
        self.count += 1;
        self.count > self.max
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
    fn who_waits_as_told_is_borne_and_who_does_not_listen_is_not() {
        let start = Instant::now();
        let (mut bucket, mut refusals) = (Bucket::new(5, 20), Refusals::new(5, 32, start));
        let mut now = start;
        for _ in 0..10_000 {
            if let Err(ms) = bucket.take(now) {
                assert!(!refusals.one_more(now), "it waits as told");
                now += Duration::from_millis(ms.into());
            }
        }
        let mut deaf = Refusals::new(5, 32, start);
        let borne = (0..1_000).take_while(|_| !deaf.one_more(start)).count();
        assert_eq!(borne, 5 * 60 + 32);
    }
}
