//! The one place that asks the machine for time and randomness.
#![allow(clippy::disallowed_methods, reason = "this is the module that the ban points to")]

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use conversa_actors::port::Clock;
use conversa_engine::time::Time;

/// The machine's clock, never running backwards.
#[derive(Debug, Default)]
pub struct WallClock {
    latest: AtomicI64,
}

impl Clock for WallClock {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        Time::from_ms(self.latest.fetch_max(ms, Ordering::AcqRel).max(ms))
    }
}

/// Bytes from the operating system's source of randomness.
///
/// # Panics
/// When the operating system has none: nothing safe can be done then.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A moment to measure from, by the larger of two clocks: one that never jumps but may stand still while a machine sleeps, and one that
/// goes on while it sleeps but may be set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since(tokio::time::Instant, SystemTime);

impl Since {
    pub(crate) fn now() -> Self {
        Self(tokio::time::Instant::now(), SystemTime::now())
    }

    /// At least as much as has passed, unless both clocks were wrong.
    pub(crate) fn elapsed(&self) -> std::time::Duration {
        self.0.elapsed().max(self.1.elapsed().unwrap_or_default())
    }
}
