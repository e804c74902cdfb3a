//! Membership: who is in the cluster, who owns which shard, and since when. Sans-I/O: time is an argument, the register is asked by
//! effects and answers by inputs, so the shell, the tests and the model run the same rules.
//!
//! The register decides. A node keeps a lease on its own row; a row that stands still for its whole time is revoked by compare and set;
//! the view, one value, says who takes part, and every change of it is conditional on its version.

pub mod asked;
pub mod machine;
pub mod ownership;
pub mod row;
pub mod sight;
pub mod term;
pub mod told;
pub mod view;

use std::sync::Arc;

/// The times that the protocol rests on. Only that clocks run at about the same rate is assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    /// A row that stands still for so long may be revoked.
    pub lease_ms: u64,
    /// Its holder stops relying on it so much earlier.
    pub margin_ms: u64,
    /// Whoever could not read a row for so long counts from the start: an outage of the store must end nobody.
    pub gap_ms: u64,
    /// How often a row is renewed.
    pub beat_ms: u64,
    /// How often the rows of others are looked at.
    pub look_ms: u64,
    /// How often the rows of all are.
    pub round_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease_ms: 3_000,
            margin_ms: 500,
            gap_ms: 1_000,
            beat_ms: 1_000,
            look_ms: 250,
            round_ms: 10_000,
        }
    }
}

/// A moment by two clocks of one machine. Both count from any start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment {
    /// Never set, goes on while the machine sleeps; stands still while a hypervisor stops the machine.
    pub boot_ms: u64,
    /// May be set; goes on whatever happens.
    pub wall_ms: u64,
}

impl Moment {
    /// At least as much as has passed since `earlier`: what a holder must count with.
    #[must_use]
    pub fn at_least_since(self, earlier: Self) -> u64 {
        let boot = self.boot_ms.saturating_sub(earlier.boot_ms);
        boot.max(self.wall_ms.saturating_sub(earlier.wall_ms))
    }
}

/// One life of a node: a node that starts again has a later generation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Life {
    /// The node's name.
    pub node: Arc<str>,
    /// Which of its lives.
    pub generation: u64,
}

#[cfg(test)]
mod tests;
