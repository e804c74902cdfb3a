//! Snapshots, wake rows and passivation.

use bytes::Bytes;
use conversa_engine::time::Time;

use super::{Core, Stage, WAKES, Wake};
use crate::behaviour::Behaviour;
use crate::cell::envelope::{Snapshot, StoredLetter};
use crate::cell::machine::{Effect, Retire, Ticket};
use crate::letter::{Letter, encode};
use crate::port::{Row, RowKey, StoreError};

/// The partition of the wake rows of a shard.
#[must_use]
pub(crate) fn wake_partition(shard: u16) -> String {
    format!("{shard:04}")
}

impl<B: Behaviour> Core<B> {
    /// The state after event `tip` with all that the cell keeps beside it.
    pub(super) fn snapshot_row(&self, now: Time) -> Row {
        let flying = self.flight.iter().flat_map(|batch| &batch.letters);
        let letters = self.outgoing.letters().chain(flying).chain(&self.pending.letters);
        let snapshot = Snapshot {
            version: B::VERSION,
            seq: self.tip,
            told: self.told,
            marks: self.marks.stored(),
            unsent: letters.map(stored).collect(),
            state: encode(&self.state).to_vec(),
            of: std::marker::PhantomData::<B>,
        };
        Row { key: self.snapshot_key(), stamp: stamp(now), value: Some(encode(&snapshot)) }
    }

    /// The wake row; `due` is the only thing undone, or `None` when it may be anything.
    pub(super) fn wake_row(&self, now: Time, due: Option<Time>) -> Row {
        Row { key: self.wake_key(), stamp: stamp(now), value: Some(encode(&due)) }
    }

    fn wake_key(&self) -> RowKey {
        RowKey {
            table: WAKES,
            partition: wake_partition(self.setting.address.shard()),
            key: self.setting.address.to_string(),
        }
    }

    /// Passivation: writes what the next activation needs, then asks to stop.
    pub(super) fn retire(&mut self, now: Time, why: Retire, out: &mut Vec<Effect>) {
        let busy = self.flight.is_some()
            || !self.pending.bodies.is_empty()
            || !self.backlog.is_empty()
            || self.wake == Wake::Entering;
        let (unsent, unwatched) = (self.outgoing.len() > 0, self.unwatched());
        if busy || (why == Retire::Idle && unsent) {
            return;
        }
        if unwatched && why != Retire::Moving {
            // Not under pressure either: nothing but the node's next start would wake it for its watchers.
            return self.announce(out);
        }
        let mut rows = Vec::new();
        // Also one whose unsent letters have been taken over since: the next activation would send them again.
        if self.head > self.snapshot || self.told > self.snapshot_told {
            rows.push(self.snapshot_row(now));
        }
        if self.wake != Wake::Clean && !unsent && !unwatched {
            rows.push(match self.state.due() {
                Some((due, _)) => self.wake_row(now, Some(due)),
                None => Row { key: self.wake_key(), stamp: stamp(now), value: None },
            });
        }
        if rows.is_empty() {
            return out.push(Effect::Stop);
        }
        self.stage = Stage::Resting;
        out.push(Effect::PutRows(Ticket::Rest, rows));
    }

    fn unwatched(&self) -> bool {
        self.wake != Wake::Clean && self.watched.iter().any(|watched| watched.stored < watched.fed)
    }

    pub(super) fn rows_put(
        &mut self,
        now: Time,
        ticket: Ticket,
        outcome: Result<(), StoreError>,
        out: &mut Vec<Effect>,
    ) {
        match (ticket, outcome) {
            (Ticket::Wake, Ok(())) => {
                self.wake = Wake::Entered;
                self.submit(now, out);
            }
            (Ticket::Wake, Err(error)) => {
                let lost = std::mem::take(&mut self.pending);
                self.die([lost], &error.to_string(), out);
            }
            (Ticket::Rest, outcome) => {
                self.stage = Stage::Ready;
                if outcome.is_ok() {
                    // Whatever comes next enters the wake row again before it appends. Under pressure it stays.
                    let stays = self.wake != Wake::Clean && (self.outgoing.len() > 0 || self.unwatched());
                    self.wake = if stays { Wake::Found } else { Wake::Clean };
                    (self.snapshot, self.snapshot_told) = (self.head, self.told);
                    if self.backlog.is_empty() {
                        out.push(Effect::Stop);
                    }
                } else if self.wake == Wake::Entered {
                    // It may have been deleted all the same.
                    self.wake = Wake::Found;
                }
            }
            // The journal has it all: a snapshot only saves time.
            (Ticket::Snapshot | Ticket::Flush, _) => {}
        }
    }
}

/// Rows of one actor are written by one cell in order of time.
fn stamp(now: Time) -> i64 {
    now.ms()
}

fn stored(letter: &Letter) -> StoredLetter {
    let payload: Bytes = letter.payload.encode();
    StoredLetter {
        kind: letter.to.kind.to_owned(),
        key: letter.to.key.to_string(),
        id: letter.id,
        payload: payload.to_vec(),
    }
}
