//! Repeating what may be repeated: reads, and writes that carry their own timestamp.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

/// With the pauses between them 2.5 s: a driver whose connections broke makes new ones in that time.
const ATTEMPTS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(20);

/// The first success of a few attempts, or the last error.
pub(super) async fn again<T, E: Display, F>(what: &str, mut attempt: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut tried = 0;
    loop {
        match attempt().await {
            Ok(found) => return Ok(found),
            Err(error) if tried + 1 < ATTEMPTS => {
                tracing::debug!(%error, what, tried, "the store failed: trying again");
                tokio::time::sleep(PAUSE * 2_u32.pow(tried)).await;
                tried += 1;
            }
            Err(error) => return Err(error),
        }
    }
}
