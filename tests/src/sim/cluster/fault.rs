//! Planted faults of a cluster: each takes one rule away that keeps two owners apart, or what was acknowledged.

use super::nemesis::Ills;
use crate::sim::rates::Rates;

/// One mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Writes carry no epoch: the one that arrives last stands.
    NoEpochInStamp,
    /// A view is adopted while cells of what it gives away still run.
    AdoptBeforeStop,
    /// A node acknowledges although its lease has lapsed.
    AcknowledgeAfterLease,
    /// A takeover does not hide what earlier owners may still write.
    TakeoverNotCut,
    /// A takeover does not write again what it saw.
    TakeoverNotWritten,
    /// Whoever leaves is not waited for.
    LeaverSkipped,
    /// An append that is not decided is forgotten with its cell.
    UndecidedDropped,
    /// A letter that comes again is judged again.
    ResendWithoutDedupe,
    /// A view that was made from an earlier one than the latest is accepted.
    StaleViewAccepted,
    /// A node writes rows although its lease has lapsed.
    RowsAfterLease,
    /// The wake rows of a shard that was gained are not read.
    WakeRowsUnread,
}

impl Fault {
    /// All planted faults.
    pub const ALL: &[Self] = &[
        Self::NoEpochInStamp,
        Self::AdoptBeforeStop,
        Self::AcknowledgeAfterLease,
        Self::TakeoverNotCut,
        Self::TakeoverNotWritten,
        Self::LeaverSkipped,
        Self::UndecidedDropped,
        Self::ResendWithoutDedupe,
        Self::StaleViewAccepted,
        Self::RowsAfterLease,
        Self::WakeRowsUnread,
    ];

    /// A mistake that shows only where rare things meet is looked for where they meet often.
    pub(super) fn worsen(self, rates: &mut Rates, ills: &mut Ills) {
        match self {
            Self::NoEpochInStamp | Self::TakeoverNotCut | Self::TakeoverNotWritten => {
                (rates.append_unknown, rates.unknown_written) = (4_000, 1_000);
                (ills.late, ills.late_ms_max, rates.node_crash, ills.pause) = (9_000, 12_000, 1_000, 500);
            }
            Self::AcknowledgeAfterLease => (ills.pause, ills.partition) = (1_000, 1_000),
            Self::RowsAfterLease => {
                (ills.pause, rates.idle_ms, rates.retire, ills.register_lost) = (1_500, 700, 3_000, 3_000);
            }
            Self::AdoptBeforeStop | Self::LeaverSkipped => {
                (ills.leave, rates.append_unknown, rates.unknown_written) = (600, 4_000, 1_000);
            }
            Self::UndecidedDropped => {
                // Much is said, so that something else stands where a late write arrives.
                (rates.append_unknown, rates.unknown_written, rates.crash_unwritten) = (6_000, 0, 500);
                (rates.window, rates.way_ms_max) = (3, 150);
                (ills.late, ills.late_ms_max) = (9_000, 12_000);
            }
            Self::ResendWithoutDedupe => rates.twice = 1_000,
            Self::StaleViewAccepted => (rates.node_crash, ills.pause) = (800, 800),
            Self::WakeRowsUnread => rates.node_crash = 600,
        }
    }
}
