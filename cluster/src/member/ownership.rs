//! Which shards this life owns, with their epochs, and the hand-over: everything that a view places elsewhere is stopped before the
//! view is adopted, and what it gives is started when every life in it has adopted it or is over.

use std::collections::BTreeMap;

use super::Life;
use super::row::Row;
use super::view::View;

/// A shard of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Shard {
    /// It waits until everybody has adopted the view.
    Awaited,
    /// It is served, under the version of the view by which it was acquired.
    Served {
        /// That version.
        epoch: u64,
    },
    /// It belongs to somebody else now, but its cells may still have something under way.
    Stopping {
        /// The epoch under which they were started.
        epoch: u64,
    },
    /// The same, but the latest view gives it back.
    StoppingAwaited {
        /// The epoch under which they were started.
        epoch: u64,
    },
}

/// What a view changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Moves {
    /// Cells of these shards, started under that epoch, are to stop once what they append is definite; then [`Ownership::stopped`].
    pub stop: Vec<(u16, u64)>,
}

/// What a life owns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ownership {
    life: Life,
    /// The shards there are.
    shards: u16,
    version: u64,
    held: BTreeMap<u16, Shard>,
    /// How many of them stop, and how many wait: both are asked for in every step.
    stopping: u16,
    awaited: u16,
}

impl Ownership {
    /// Of a life that owns nothing yet, of `shards` shards in all.
    #[must_use]
    pub fn new(life: Life, shards: u16) -> Self {
        Self { life, shards, version: 0, held: BTreeMap::new(), stopping: 0, awaited: 0 }
    }

    /// A later view. An earlier one changes nothing.
    pub fn see(&mut self, view: &View) -> Moves {
        let mut moves = Moves::default();
        if view.version <= self.version {
            return moves;
        }
        self.version = view.version;
        let placed = view.placed();
        let here = view.life(&self.life).is_some();
        for shard in 0..self.shards {
            let mine = here
                && crate::place::owner(&placed, shard).is_some_and(|placed| placed.node == self.life.node);
            let before = self.held.get(&shard).copied();
            let next = turn(before, mine);
            if let (Some(Shard::Served { .. }), Some(Shard::Stopping { epoch })) = (before, next) {
                moves.stop.push((shard, epoch));
            }
            self.set(shard, before, next);
        }
        moves
    }

    /// The cells that a shard had under `epoch` have stopped, and nothing of them is under way. Said twice, or too late, it changes
    /// nothing: the shard may have come back meanwhile, with cells of a later epoch. True when it changes something.
    pub fn stopped(&mut self, shard: u16, epoch: u64) -> bool {
        let before = self.held.get(&shard).copied();
        let next = match before {
            Some(Shard::Stopping { epoch: of }) if of == epoch => None,
            Some(Shard::StoppingAwaited { epoch: of }) if of == epoch => Some(Shard::Awaited),
            Some(_) | None => return false,
        };
        self.set(shard, before, next);
        true
    }

    fn set(&mut self, shard: u16, before: Option<Shard>, next: Option<Shard>) {
        let counts = |state: Option<Shard>| match state {
            Some(Shard::Stopping { .. } | Shard::StoppingAwaited { .. }) => (1, 0),
            Some(Shard::Awaited) => (0, 1),
            Some(Shard::Served { .. }) | None => (0, 0),
        };
        let (had, has) = (counts(before), counts(next));
        self.stopping = self.stopping + has.0 - had.0;
        self.awaited = self.awaited + has.1 - had.1;
        match next {
            Some(_) if next == before => {}
            Some(next) => drop(self.held.insert(shard, next)),
            None => drop(self.held.remove(&shard)),
        }
    }

    /// The view that this life has adopted; none while something still stops.
    #[must_use]
    pub fn adopted(&self) -> Option<u64> {
        (self.stopping == 0).then_some(self.version)
    }

    /// The version of the latest view that was seen.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// True while a shard waits for others.
    #[must_use]
    pub fn awaits(&self) -> bool {
        self.awaited > 0
    }

    /// Starts what waited; the caller has made sure by [`is_adopted`] that everybody has adopted the view. Returns the shards.
    pub fn start(&mut self) -> Vec<u16> {
        if self.adopted().is_none() || !self.awaits() {
            return Vec::new();
        }
        self.awaited = 0;
        let epoch = self.version;
        let awaited = self.held.iter_mut().filter(|(_, state)| **state == Shard::Awaited);
        awaited
            .map(|(shard, state)| {
                *state = Shard::Served { epoch };
                *shard
            })
            .collect()
    }

    /// The epoch under which a shard is served, if it is.
    #[must_use]
    pub fn epoch(&self, shard: u16) -> Option<u64> {
        match self.held.get(&shard)? {
            Shard::Served { epoch } => Some(*epoch),
            Shard::Awaited | Shard::Stopping { .. } | Shard::StoppingAwaited { .. } => None,
        }
    }

    /// All shards that are served, with their epochs.
    pub fn served(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.held.iter().filter_map(|(shard, state)| match state {
            Shard::Served { epoch } => Some((*shard, *epoch)),
            Shard::Awaited | Shard::Stopping { .. } | Shard::StoppingAwaited { .. } => None,
        })
    }

    /// All shards whose cells are to stop, with the epochs under which these were started.
    pub fn stopping(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.held.iter().filter_map(|(shard, state)| match state {
            Shard::Stopping { epoch } | Shard::StoppingAwaited { epoch } => Some((*shard, *epoch)),
            Shard::Awaited | Shard::Served { .. } => None,
        })
    }
}

/// What becomes of a shard under a view that places it here or not. What is served and stays keeps its epoch; what was given away and
/// back in the meantime is acquired anew.
fn turn(now: Option<Shard>, mine: bool) -> Option<Shard> {
    match (now, mine) {
        (None | Some(Shard::Awaited), true) => Some(Shard::Awaited),
        (None | Some(Shard::Awaited), false) => None,
        (Some(served @ Shard::Served { .. }), true) => Some(served),
        (Some(Shard::Stopping { epoch } | Shard::StoppingAwaited { epoch }), true) => {
            Some(Shard::StoppingAwaited { epoch })
        }
        (
            Some(Shard::Served { epoch } | Shard::Stopping { epoch } | Shard::StoppingAwaited { epoch }),
            false,
        ) => Some(Shard::Stopping { epoch }),
    }
}

/// What is known of one member, for whoever waits for its adoption of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// It has adopted that view, or can do nothing more.
    Done,
    /// It has not yet.
    Missing,
    /// It is at a later view already: who waits must read that first. A node that skipped a view may go on serving what the skipped
    /// one placed elsewhere, so a later adoption says nothing about an earlier view.
    Later,
}

/// What is known of a member's adoption of views.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// Its row, which may be that of another life.
    pub row: Option<&'a Row>,
    /// What this very life has told, see [`super::told::Told::adopted`]; 0 for nothing.
    pub told: u64,
}

/// Judges what is known of one member.
#[must_use]
pub fn adoption(life: &Life, known: Known<'_>, version: u64) -> Adoption {
    let Known { row, told } = known;
    if row.is_some_and(|row| row.ends(life)) {
        return Adoption::Done;
    }
    let written = row.filter(|row| row.generation == life.generation).map_or(0, |row| row.adopted);
    // That it adopted this view stays true when it has adopted a later one: what it then serves again it does not start before the others
    // have adopted that one.
    if written == version || told == version {
        Adoption::Done
    } else if written.max(told) > version {
        Adoption::Later
    } else {
        Adoption::Missing
    }
}

/// True when every life in the view has adopted just this view or is over: then what it gives may be started.
pub fn is_adopted<'a>(view: &View, known: impl Fn(&Life) -> Known<'a>) -> bool {
    let mut lives = view.members.iter().map(|member| &member.life);
    lives.all(|life| adoption(life, known(life), view.version) == Adoption::Done)
}
