//! How long a node may rely on its lease: acknowledge, tell and push only while [`Term::holds`].

use super::{Moment, Timing};

/// The right that a node has from its last successful renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Term {
    /// When the renewal that succeeded last was first sent.
    granted: Moment,
    /// When the renewal under way was first sent.
    asked: Option<Moment>,
}

impl Term {
    /// The right that comes with a claim that was first sent at `sent`.
    #[must_use]
    pub fn from_claim(sent: Moment) -> Self {
        Self { granted: sent, asked: None }
    }

    /// A renewal is sent. A repeat counts from the first attempt: that one may have been made, and watchers count from there.
    pub fn ask(&mut self, now: Moment) {
        self.asked.get_or_insert(now);
    }

    /// The renewal under way was made.
    pub fn grant(&mut self) {
        if let Some(asked) = self.asked.take() {
            self.granted = asked;
        }
    }

    /// No attempt of the renewal under way can have been made.
    pub fn refuse(&mut self) {
        self.asked = None;
    }

    /// True while nobody can have taken this node's shards over.
    #[must_use]
    pub fn holds(&self, now: Moment, timing: &Timing) -> bool {
        now.at_least_since(self.granted) < timing.lease_ms.saturating_sub(timing.margin_ms)
    }

    /// How long it still holds if nothing is renewed.
    #[must_use]
    pub fn left_ms(&self, now: Moment, timing: &Timing) -> u64 {
        let whole = timing.lease_ms.saturating_sub(timing.margin_ms);
        whole.saturating_sub(now.at_least_since(self.granted))
    }
}
