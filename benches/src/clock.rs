//! The benches' only clock: one monotonic time for the whole process, and the wall time that the floor writes into its events.
#![allow(
    clippy::disallowed_methods,
    reason = "a bench measures real time; this file is the one place that reads it"
)]

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep, sleep_until};

static START: OnceLock<Instant> = OnceLock::new();

fn start() -> Instant {
    *START.get_or_init(Instant::now)
}

/// Nanoseconds since this was first asked.
#[must_use]
pub fn now_ns() -> u64 {
    u64::try_from(start().elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Waits until [`now_ns`] says `ns`; the runtime's timers tick every millisecond.
pub async fn until_ns(ns: u64) {
    sleep_until(start() + Duration::from_nanos(ns)).await;
}

/// Waits.
pub async fn pause_ms(ms: u64) {
    sleep(Duration::from_millis(ms)).await;
}

/// Wall time, microseconds since 1970.
#[must_use]
pub fn wall_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
