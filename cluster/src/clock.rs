//! The one place that asks the machine for time and randomness.
#![allow(clippy::disallowed_methods, reason = "this is the module that the ban points to")]

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use conversa_actors::port::Clock;
use conversa_engine::time::Time;

use crate::member::Moment;

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

/// The machine's two clocks, in whole milliseconds.
#[must_use]
pub fn moment() -> Moment {
    let boot = rustix::time::clock_gettime(AWAKE_OR_NOT);
    let boot_ms = u64::try_from(boot.tv_sec).unwrap_or(0) * 1_000
        + u64::try_from(boot.tv_nsec).unwrap_or(0) / 1_000_000;
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment { boot_ms, wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX) }
}

/// Goes on while the machine sleeps. Elsewhere only the wall clock does.
#[cfg(target_os = "linux")]
const AWAKE_OR_NOT: rustix::time::ClockId = rustix::time::ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const AWAKE_OR_NOT: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

/// When something began, to measure how long it takes: never set, and cheap enough for every append. Nothing is decided by it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Began(Instant);

impl Began {
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    /// How long ago that was at `end`.
    pub(crate) fn until(self, end: Self) -> Duration {
        end.0.saturating_duration_since(self.0)
    }
}

/// A moment to measure from, by the larger of two clocks: one that is never set but stands still with a machine that a hypervisor stops,
/// and one that goes on but may be set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since(Moment);

impl Since {
    pub(crate) fn now() -> Self {
        Self(moment())
    }

    /// At least as much as has passed, unless both clocks were wrong.
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_millis(moment().at_least_since(self.0))
    }
}
