//! Planted faults: what a mistake in the engine would do, done to the real cores from outside. A checker that does not catch them
//! catches nothing.

mod tamper;

use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::Agent;
use conversa_actors::letter::Letter;

use super::World;
use super::rates::Rates;

pub(super) use tamper::Tampered;

/// One mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plant {
    /// Everybody is told before the append is definite.
    AckBeforeAppend,
    /// The letters of stored events are not sent again after a crash.
    ReactLost,
    /// A letter that comes again is judged again.
    NoLetterDedupe,
    /// A client's message that comes again is judged again.
    NoClientDedupe,
    /// One offer goes to two agents.
    OfferToTwo,
    /// The bot talks on while a human holds the conversation.
    BotTalksOn,
    /// An agent gets one conversation more than there are places.
    CapacityOffByOne,
    /// A watcher stores how far it has read before what it read.
    CursorBeforeEffect,
    /// A conversation believes that its watchers have stored everything.
    WatchedAhead,
    /// Two events of a page are shown in the wrong order.
    ResumeReordered,
    /// A page leaves one event out.
    ResumeSkips,
    /// A letter is dropped and its sender told that it was taken over.
    TellDropped,
    /// A cell that starts again after a crash does not tell the live sockets.
    RestartUnannounced,
    /// The wake row is not written.
    WakeRowSkipped,
    /// Events say that their own letters were taken over.
    ToldAhead,
    /// Snapshots leave the unsent letters out.
    SnapshotWithoutUnsent,
    /// The store acknowledges an append that it loses.
    AppendLost,
    /// An actor starts while an append of its predecessor is under way.
    ActivationDoesNotWait,
    /// An agent's lease never runs out.
    LeaseForgotten,
    /// Two answers that are given together go to the wrong askers.
    AnswersSwapped,
    /// An agent does not hear that a conversation has gone elsewhere.
    PlaceKept,
    /// A queue does not hear that a visitor waits no longer.
    LeaverStays,
    /// Whoever is asked to take a conversation over is taken for free.
    HandoverForced,
    /// An agent who has no place for a handover is believed to have one.
    DeniedAsGranted,
}

impl Plant {
    /// All planted faults.
    pub const ALL: &[Self] = &[
        Self::AckBeforeAppend,
        Self::ReactLost,
        Self::NoLetterDedupe,
        Self::NoClientDedupe,
        Self::OfferToTwo,
        Self::BotTalksOn,
        Self::CapacityOffByOne,
        Self::CursorBeforeEffect,
        Self::WatchedAhead,
        Self::ResumeReordered,
        Self::ResumeSkips,
        Self::TellDropped,
        Self::RestartUnannounced,
        Self::WakeRowSkipped,
        Self::ToldAhead,
        Self::SnapshotWithoutUnsent,
        Self::AppendLost,
        Self::ActivationDoesNotWait,
        Self::LeaseForgotten,
        Self::AnswersSwapped,
        Self::PlaceKept,
        Self::LeaverStays,
        Self::HandoverForced,
        Self::DeniedAsGranted,
    ];

    /// A mistake that shows only where two rare things meet is looked for where they meet often.
    pub(super) fn worsen(self, rates: &mut Rates) {
        if self == Self::ActivationDoesNotWait {
            let calm = rates.calm();
            *rates = Rates { append_unknown: 6_000, unknown_written: 0, crash_unwritten: 1_000, ..calm };
        }
        if self == Self::LeaseForgotten {
            (rates.node_crash, rates.cut) = (300, 1_000);
        }
        if self == Self::CursorBeforeEffect {
            rates.crash = 100;
        }
    }
}

impl World {
    /// True when the letter is to be dropped although its sender is told that it was taken over.
    pub(super) fn stolen(&mut self, letter: &Letter) -> bool {
        self.plant == Some(Plant::TellDropped) && letter.to.kind != Agent::KIND && self.chance.hits(100)
    }
}
