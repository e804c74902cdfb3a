//! The bookkeeping of one connection: the dense `s`, what is to be acknowledged, and whether the server still lives.

use std::time::Duration;

use tokio::time::Instant;

use super::error::ClientError;
use super::frame::Heartbeat;

/// Events after which an `ack` is due at once.
const ACK_EVENTS: u64 = 32;
/// Time after which an `ack` is due.
const ACK: Duration = Duration::from_secs(5);

/// One connection's counters.
#[derive(Debug)]
pub(super) struct Stream {
    next_s: u64,
    acked: u64,
    oldest_unacked: Option<Instant>,
    heard: Instant,
    pinged: bool,
    interval: Duration,
    timeout: Duration,
}

/// What a connection owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chore {
    /// Acknowledge up to this `s`.
    Ack(u64),
    /// Ask whether the server lives.
    Ping,
    /// It does not.
    GiveUp,
}

impl Stream {
    pub(super) fn new(from_s: u64, heartbeat: Heartbeat, now: Instant) -> Self {
        Self {
            next_s: from_s,
            acked: from_s.saturating_sub(1),
            oldest_unacked: None,
            heard: now,
            pinged: false,
            interval: Duration::from_millis(heartbeat.interval_ms.clamp(100, 600_000)),
            timeout: Duration::from_millis(heartbeat.timeout_ms.clamp(100, 600_000)),
        }
    }

    /// The server has been heard.
    pub(super) fn heard(&mut self, now: Instant) {
        (self.heard, self.pinged) = (now, false);
    }

    /// An event has come.
    ///
    /// # Errors
    /// [`ClientError::Protocol`] when one before it is missing: only a resume can bring it.
    pub(super) fn count(&mut self, s: Option<u64>, now: Instant) -> Result<(), ClientError> {
        let s = s.ok_or_else(|| ClientError::Protocol("an ev without s".into()))?;
        if s != self.next_s {
            return Err(ClientError::Protocol(format!("a gap in s: {s} came instead of {}", self.next_s)));
        }
        self.next_s += 1;
        self.oldest_unacked.get_or_insert(now);
        Ok(())
    }

    /// The last `s` that has come.
    pub(super) fn last_s(&self) -> u64 {
        self.next_s - 1
    }

    /// What is owed at `now`, one thing at a time.
    pub(super) fn chore(&mut self, now: Instant) -> Option<Chore> {
        let ack_due = self.last_s() - self.acked >= ACK_EVENTS
            || self.oldest_unacked.is_some_and(|since| now >= since + ACK);
        if ack_due {
            return Some(Chore::Ack(self.acknowledge()));
        }
        if now >= self.heard + self.interval + self.timeout {
            return Some(Chore::GiveUp);
        }
        if !self.pinged && now >= self.heard + self.interval {
            self.pinged = true;
            return Some(Chore::Ping);
        }
        None
    }

    /// Everything that has come is acknowledged now, whoever carries it; gives the last `s`.
    pub(super) fn acknowledge(&mut self) -> u64 {
        self.oldest_unacked = None;
        self.acked = self.last_s();
        self.acked
    }

    /// When something will be owed.
    pub(super) fn due(&self) -> Instant {
        let silence = self.heard + self.interval + if self.pinged { self.timeout } else { Duration::ZERO };
        self.oldest_unacked.map_or(silence, |since| silence.min(since + ACK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn acks_pings_and_gaps_come_when_they_should() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut stream = Stream::new(1, Heartbeat { interval_ms: 25_000, timeout_ms: 10_000 }, start);
        for s in 1..=31 {
            stream.count(Some(s), at(0)).expect("dense");
        }
        assert_eq!(stream.chore(at(4_999)), None);
        assert_eq!(stream.due(), at(5_000));
        assert_eq!(stream.chore(at(5_000)), Some(Chore::Ack(31)));
        for s in 32..=63 {
            stream.count(Some(s), at(5_001)).expect("dense");
        }
        assert_eq!(stream.chore(at(5_001)), Some(Chore::Ack(63)), "32 events are enough");
        assert_eq!(stream.chore(at(25_000)), Some(Chore::Ping));
        assert_eq!(stream.chore(at(25_001)), None);
        assert_eq!(stream.due(), at(35_000));
        stream.heard(at(26_000));
        assert_eq!(stream.chore(at(51_000)), Some(Chore::Ping));
        assert_eq!(stream.chore(at(61_000)), Some(Chore::GiveUp));
        let gap = stream.count(Some(65), at(61_000)).expect_err("64 is missing");
        assert_eq!(gap.to_string(), "the server broke the protocol: a gap in s: 65 came instead of 64");
    }
}
