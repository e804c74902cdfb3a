//! The state of the model: the register and one partition of the store, the processes, and what may still arrive late.

use std::sync::Arc;

use conversa_cluster::member::ownership::Ownership;
use conversa_cluster::member::row::Row;
use conversa_cluster::member::sight::Sight;
use conversa_cluster::member::term::Term;
use conversa_cluster::member::view::View;
use conversa_cluster::member::{Life, Moment};

use crate::store::{Log, Partition, SEQS, Write};

/// What a cell has sent without knowing whether it arrived.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Doubt {
    pub(crate) write: Write,
    /// The log once it has arrived.
    pub(crate) then: Log,
}

/// The cell of the one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Cell {
    Off,
    /// It serves.
    Open {
        epoch: u64,
        log: Log,
    },
    /// It has sent a takeover or an append and repeats it until it has arrived.
    Doubtful {
        epoch: u64,
        log: Log,
        doubt: Doubt,
    },
}

/// A node in one life. It may stand still at any point for any time: nothing in the model makes it go on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) life: Life,
    /// None before it has begun, and when it knows that it is over.
    pub(crate) term: Option<Term>,
    /// A renewal may have been made.
    pub(crate) unsure: bool,
    /// Its row's version in the register, as it knows it.
    pub(crate) version: u64,
    pub(crate) view: Arc<View>,
    pub(crate) owned: Ownership,
    pub(crate) cell: Cell,
}

/// A row of the register.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    pub(crate) version: u64,
    pub(crate) row: Row,
    /// Views that it was ever seen to have adopted, or has told so, a bit each: rows are read one after the other and what is told comes
    /// late, so who waits may know of any.
    pub(crate) ever: u32,
    /// What the most patient watcher has seen of it.
    pub(crate) sight: Option<Sight>,
}

/// The state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) now: u8,
    pub(crate) view: Arc<View>,
    /// By name; `None` before its first life.
    pub(crate) rows: Vec<Option<Held>>,
    pub(crate) processes: Vec<Process>,
    pub(crate) partition: Partition,
    /// Sent, not arrived; sorted.
    pub(crate) late: Vec<Write>,
    /// What was acknowledged or shown, by place.
    pub(crate) acked: [u8; SEQS],
    /// Two events were acknowledged for one place.
    pub(crate) diverged: bool,
    pub(crate) events: u8,
    pub(crate) delays: u8,
    pub(crate) lost_answers: u8,
    pub(crate) drops: u8,
}

impl State {
    pub(crate) fn moment(&self) -> Moment {
        Moment { boot_ms: u64::from(self.now), wall_ms: u64::from(self.now) }
    }

    /// What is acknowledged or shown to people.
    pub(crate) fn show(&mut self, log: &Log) {
        for (acked, event) in self.acked.iter_mut().zip(log) {
            if *event != 0 {
                self.diverged |= *acked != 0 && acked != event;
                *acked = *event;
            }
        }
    }

    pub(crate) fn send_late(&mut self, write: Write) {
        self.late.push(write);
        self.late.sort();
    }
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    Tick,
    /// A process renews its row; its answer may be lost.
    Renew {
        process: usize,
        answered: bool,
    },
    /// It repeats a renewal whose answer was lost.
    RenewAgain {
        process: usize,
    },
    /// The watcher looks: only for the mutant, the most patient one looks at once.
    Look {
        name: usize,
    },
    Revoke {
        name: usize,
    },
    /// A process that has not begun takes the row of its name.
    Claim {
        process: usize,
    },
    /// Whoever is first writes the next view.
    Enter {
        process: usize,
    },
    Weigh {
        process: usize,
    },
    Leave {
        process: usize,
    },
    TakeOut {
        member: usize,
    },
    /// A process that has not seen the latest view writes its own next one over it: only for the mutant.
    LeaveStale {
        process: usize,
    },
    /// It sees the latest view, and stops what is not its any more.
    See {
        process: usize,
    },
    /// Its shard and cell start: the cell reads the log, sees those late writes, and takes it over.
    Activate {
        process: usize,
        seen: usize,
        arrives: bool,
    },
    Append {
        process: usize,
        arrives: bool,
    },
    /// It repeats what it has under way.
    Again {
        process: usize,
    },
    /// A late write arrives.
    Arrive {
        late: usize,
    },
    /// A cell fails.
    Drop {
        process: usize,
    },
}
