//! The rules that make the protocol safe. A mutant is the protocol without one of them.

/// A rule that a mutant lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rule {
    /// Write timestamps carry the owner's epoch.
    EpochInStamp,
    /// A view is adopted when everything that it places elsewhere has stopped.
    StopBeforeAdopt,
    /// What it gives is started when everybody has adopted it.
    Barrier,
    /// A leaver's adoption is waited for like everybody's.
    BarrierOfLeavers,
    /// An adoption counts for just that view, not for earlier ones that were skipped.
    BarrierIsExact,
    /// Whoever is over is not waited for, and taken out.
    OverIsAdopted,
    /// An append is acknowledged only while the lease holds.
    AckWithinLease,
    /// A takeover hides what earlier owners may still write.
    TakeoverCuts,
    /// A takeover writes again what it saw.
    TakeoverWritesAgain,
    /// An append of unknown outcome outlives its cell.
    DoubtOutlivesCell,
    /// A row is revoked only if it still has the beat that stood still.
    CompareBeat,
    /// A row is renewed only if nobody else has changed it.
    CompareRenewal,
    /// A node that starts again waits until its earlier life is over.
    RestartWaits,
    /// A renewal that is repeated counts from its first attempt.
    CountFromFirst,
    /// A view is changed only if it is the latest.
    CompareView,
    /// A leaver stays in the view until it has adopted that it owns nothing.
    LeaverAdopts,
    /// A member is taken out only when it is over.
    RevokeFirst,
}
