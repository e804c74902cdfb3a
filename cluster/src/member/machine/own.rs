//! A node's own row: how it is taken, renewed, and given back.

use std::sync::Arc;

use super::{Effect, Key, Me, Over};
use crate::member::row::Row;
use crate::member::sight::Sight;
use crate::member::term::Term;
use crate::member::{Life, Moment, Timing};
use crate::register::{ChangeError, Held};

/// Beats seen of another process of the same name after which it is taken to be alive and well.
const PATIENCE: u32 = 5;

#[derive(Debug)]
enum Phase {
    /// It waits for the row of its name: an earlier life must be over.
    Waiting { sight: Option<Sight>, beats: u32 },
    /// It has asked for the row, perhaps without an answer.
    Claiming { expected: u64, row: Row, sent: Moment },
    /// It has the row.
    Holding { version: u64, row: Row, asked: Option<Row>, doubt: bool, term: Term, sent_ms: u64 },
    /// It has none.
    Ended(Over),
}

/// The row of this node.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) me: Me,
    phase: Phase,
    due_ms: u64,
}

impl Own {
    pub(super) fn new(me: Me) -> Self {
        Self { me, phase: Phase::Waiting { sight: None, beats: 0 }, due_ms: 0 }
    }

    pub(super) fn over(&self) -> Option<Over> {
        match self.phase {
            Phase::Ended(over) => Some(over),
            Phase::Waiting { .. } | Phase::Claiming { .. } | Phase::Holding { .. } => None,
        }
    }

    pub(super) fn term(&self) -> Option<&Term> {
        match &self.phase {
            Phase::Holding { term, .. } => Some(term),
            Phase::Waiting { .. } | Phase::Claiming { .. } | Phase::Ended(_) => None,
        }
    }

    /// True while it has asked for nothing that could make it a member.
    pub(super) fn waits(&self) -> bool {
        matches!(self.phase, Phase::Waiting { .. })
    }

    /// The row as it surely stood.
    pub(super) fn row(&self) -> Option<&Row> {
        match &self.phase {
            Phase::Holding { row, .. } => Some(row),
            Phase::Waiting { .. } | Phase::Claiming { .. } | Phase::Ended(_) => None,
        }
    }

    pub(super) fn life(&self) -> Option<Life> {
        let generation = self.row()?.generation;
        Some(Life { node: Arc::clone(&self.me.node), generation })
    }

    /// The row was read: only who waits for it reads it.
    pub(super) fn read(&mut self, now: Moment, held: Option<Held>, timing: &Timing) {
        let Phase::Waiting { sight, beats } = &mut self.phase else { return };
        let Some(held) = held else {
            self.claim(now, 0, 1);
            return;
        };
        // Something else under this key is nobody's to take.
        let Some(row) = Row::parse(&held.value) else { return };
        match sight {
            Some(sight) => {
                *beats += u32::from(sight.version != held.version);
                sight.look(held.version, now, timing);
            }
            None => *sight = Some(Sight::first(held.version, now)),
        }
        if *beats > PATIENCE {
            self.phase = Phase::Ended(Over::Occupied);
        } else if !row.alive || sight.is_some_and(|sight| sight.is_over(now, timing)) {
            self.claim(now, held.version, row.generation + 1);
        }
    }

    fn claim(&mut self, now: Moment, expected: u64, generation: u64) {
        let Me { addr, zone, weight, nonce, .. } = self.me.clone();
        let row = Row { generation, alive: true, beat: 0, adopted: 0, weight, nonce, addr, zone };
        self.phase = Phase::Claiming { expected, row, sent: now };
        self.due_ms = now.boot_ms;
    }

    /// What to ask of the register now. `gone`: the view has let this node go, so it gives the row back.
    pub(super) fn ask(&mut self, now: Moment, adopted: u64, gone: bool, timing: &Timing) -> Option<Effect> {
        let key = Key::Row(Arc::clone(&self.me.node));
        match &mut self.phase {
            Phase::Waiting { .. } if now.boot_ms >= self.due_ms => {
                self.due_ms = now.boot_ms + timing.look_ms;
                Some(Effect::Read(key))
            }
            Phase::Claiming { expected, row, .. } if now.boot_ms >= self.due_ms => {
                Some(Effect::Change { key, expected: *expected, value: row.bytes() })
            }
            Phase::Holding { version, row, asked, term, sent_ms, .. } => {
                let news = adopted > row.adopted || gone;
                let due = now.boot_ms >= *sent_ms + timing.beat_ms || news;
                if now.boot_ms < self.due_ms || !(due || asked.is_some()) {
                    return None;
                }
                term.ask(now);
                // What may have been made is asked for again unchanged.
                let asked = asked.get_or_insert_with(|| {
                    *sent_ms = now.boot_ms;
                    let adopted = row.adopted.max(adopted);
                    Row { beat: row.beat + 1, adopted, alive: !gone, ..row.clone() }
                });
                Some(Effect::Change { key, expected: *version, value: asked.bytes() })
            }
            Phase::Waiting { .. } | Phase::Claiming { .. } | Phase::Ended(_) => None,
        }
    }

    /// A change of the row was answered.
    pub(super) fn changed(&mut self, now: Moment, outcome: Result<u64, ChangeError>, timing: &Timing) {
        let later = now.boot_ms + timing.look_ms;
        match (&mut self.phase, outcome) {
            (Phase::Claiming { row, sent, .. }, Ok(version)) => {
                let (row, term, sent_ms) = (row.clone(), Term::from_claim(*sent), sent.boot_ms);
                self.phase = Phase::Holding { version, row, asked: None, doubt: false, term, sent_ms };
                self.due_ms = now.boot_ms;
            }
            (Phase::Claiming { .. }, Err(ChangeError::Lost { .. })) => {
                self.phase = Phase::Waiting { sight: None, beats: 0 };
                self.due_ms = later;
            }
            (Phase::Holding { version, row, asked, doubt, term, .. }, Ok(new)) => {
                *version = new;
                *doubt = false;
                term.grant();
                if let Some(asked) = asked.take() {
                    *row = asked;
                }
                if !row.alive {
                    self.phase = Phase::Ended(Over::Left);
                }
            }
            (Phase::Holding { .. }, Err(ChangeError::Lost { .. })) => {
                self.phase = Phase::Ended(Over::Revoked)
            }
            (Phase::Holding { asked, doubt, term, .. }, Err(error)) => {
                *doubt |= matches!(error, ChangeError::Unknown(_));
                if !*doubt {
                    *asked = None;
                    term.refuse();
                }
                self.due_ms = later;
            }
            (Phase::Claiming { .. } | Phase::Waiting { .. } | Phase::Ended(_), _) => self.due_ms = later,
        }
    }
}
