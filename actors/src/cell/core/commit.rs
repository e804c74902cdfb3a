//! Appends: one in flight; what it holds is told when it is definite.

use std::sync::Arc;

use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;

use super::{Batch, Core, Stage, Wake};
use crate::behaviour::{Behaviour, Shown};
use crate::cell::machine::{Effect, Heard, Ticket};
use crate::port::{APPEND_EVENTS_MAX, Append, AppendError};

impl<B: Behaviour> Core<B> {
    /// Does `effect` once all that was judged before it is durable.
    pub(super) fn withhold(&mut self, effect: Effect, out: &mut Vec<Effect>) {
        if !self.pending.bodies.is_empty() {
            self.pending.withheld.push(effect);
        } else if let Some(flight) = &mut self.flight {
            flight.withheld.push(effect);
        } else {
            out.push(effect);
        }
    }

    /// Submits what is pending, unless an append is in flight. The wake row is written before the first append.
    pub(super) fn submit(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.flight.is_some() || self.pending.bodies.is_empty() {
            return;
        }
        match self.wake {
            Wake::Clean | Wake::Found => {
                self.wake = Wake::Entering;
                out.push(Effect::PutRows(Ticket::Wake, vec![self.wake_row(now, None)]));
            }
            Wake::Entering => {}
            Wake::Entered => {
                let mut batch = std::mem::take(&mut self.pending);
                debug_assert!(batch.bodies.len() <= APPEND_EVENTS_MAX, "a batch is bounded by `batch_full`");
                self.flying_to = batch.first + batch.bodies.len() as u64 - 1;
                out.push(Effect::Append(Append {
                    address: self.setting.address.clone(),
                    epoch: self.setting.epoch,
                    first: batch.first,
                    bodies: std::mem::take(&mut batch.bodies).into(),
                }));
                self.flight = Some(batch);
            }
        }
    }

    pub(super) fn appended(&mut self, now: Time, outcome: Result<(), AppendError>, out: &mut Vec<Effect>) {
        let Some(batch) = self.flight.take() else { return };
        if let Err(error) = outcome {
            let lost = [batch, std::mem::take(&mut self.pending)];
            return self.die(lost, &error.to_string(), out);
        }
        self.head = self.flying_to;
        for letter in batch.letters {
            self.outgoing.post(now, letter, out);
        }
        out.extend(batch.withheld);
        if !self.watched.is_empty() {
            let events: Arc<[_]> = batch.shown.into_iter().map(|event| event.0).collect();
            self.feed(batch.first, &events, out);
        }
        self.count_told();
        self.submit(now, out);
    }

    /// Gives new events to the watchers that are interested in one of them.
    fn feed(&mut self, first: u64, events: &Arc<[Shown]>, out: &mut Vec<Effect>) {
        let (source, head) = (&self.setting.address, self.head);
        for watched in &mut self.watched {
            let interesting =
                events.iter().filter_map(|event| event.downcast_ref()).any(watched.watching.interest);
            if interesting {
                let heard = Heard {
                    conversation: source.clone(),
                    after: watched.fed,
                    first,
                    events: Arc::clone(events),
                    head,
                };
                out.push(Effect::Feed { watcher: watched.slot.clone(), heard });
                watched.fed = head;
            }
        }
    }

    /// Says to each watcher that has not stored everything where the log ends.
    pub(super) fn announce(&self, out: &mut Vec<Effect>) {
        let (source, head) = (&self.setting.address, self.head);
        for watched in self.watched.iter().filter(|watched| watched.stored < watched.fed) {
            let heard = Heard {
                conversation: source.clone(),
                after: head,
                first: head + 1,
                events: Arc::default(),
                head,
            };
            out.push(Effect::Feed { watcher: watched.slot.clone(), heard });
        }
    }

    pub(super) fn count_told(&mut self) {
        self.told = self.outgoing.first_seq().map_or(self.head, |seq| seq - 1);
    }

    /// Nothing of `lost` happened: who asked is told so, and the cell ends; it revives from the journal.
    pub(super) fn die(&mut self, lost: impl IntoIterator<Item = Batch>, why: &str, out: &mut Vec<Effect>) {
        self.stage = Stage::Dead;
        for effect in lost.into_iter().flat_map(|batch| batch.withheld) {
            if let Effect::Answer(asker, _) = effect {
                let refusal =
                    Refusal::new(Code::Unavailable, "it was not stored: try again").retry_after_ms(500);
                out.push(Effect::Answer(asker, Err(refusal)));
            }
        }
        out.push(Effect::Die(why.to_owned()));
    }
}
