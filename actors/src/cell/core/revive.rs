//! Activation: the snapshot, the journal after it, and the letters that nobody has taken over yet.

use conversa_engine::time::Time;

use super::{Core, Stage, Wake};
use crate::behaviour::Behaviour;
use crate::cell::envelope::{Envelope, Snapshot, unseal};
use crate::cell::machine::{Effect, Load, Loaded, TAIL_MAX};
use crate::letter::{Letter, Payload, decode};
use crate::port::{Entry, StoreError};
use crate::registry;

impl<B: Behaviour> Core<B> {
    pub(super) fn loaded(&mut self, now: Time, loaded: Result<Loaded, StoreError>, out: &mut Vec<Effect>) {
        let next = match loaded {
            Ok(Loaded::Row(row)) => {
                if let Some(row) = row {
                    self.take_snapshot(&row);
                }
                Ok(Some(self.tip))
            }
            Ok(Loaded::Tail(entries)) => self.take_tail(&entries),
            Ok(Loaded::Scan(_)) => Err("rows came where events were asked for".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        match next {
            Ok(Some(after)) => out.push(Effect::Load(Load::Tail { after })),
            Ok(None) => self.ready(now, out),
            Err(why) => self.die([], &why, out),
        }
    }

    /// A snapshot that cannot be used is ignored: the journal has it all.
    fn take_snapshot(&mut self, row: &[u8]) {
        let Ok(snapshot) = decode::<Snapshot<B>>(row) else {
            tracing::warn!(address = %self.setting.address, "a snapshot cannot be read: replaying the journal");
            return;
        };
        if snapshot.version != B::VERSION {
            return;
        }
        let Ok(state) = decode::<B>(&snapshot.state) else {
            tracing::warn!(address = %self.setting.address, "a snapshot's state cannot be read: replaying the journal");
            return;
        };
        self.state = state;
        (self.tip, self.head, self.told) = (snapshot.seq, snapshot.seq, snapshot.told);
        (self.snapshot, self.snapshot_told) = (snapshot.seq, snapshot.told);
        for mark in &snapshot.marks {
            self.marks.note(mark);
        }
        for letter in snapshot.unsent {
            let Some(kind) = registry::kind(&letter.kind) else { continue };
            let from = self.setting.address.clone();
            let to = from.beside(kind, letter.key);
            self.pending.letters.push(Letter {
                from,
                to,
                id: letter.id,
                payload: Payload::Encoded(letter.payload.into()),
            });
        }
    }

    /// Takes in stored events; gives where to read on, or `None` at the end.
    fn take_tail(&mut self, entries: &[Entry]) -> Result<Option<u64>, String> {
        for entry in entries {
            if entry.seq != self.tip + 1 {
                return Err(format!("the journal has a gap: {} is followed by {}", self.tip, entry.seq));
            }
            let envelope: Envelope<B::Event> = unseal(&entry.body)
                .map_err(|error| format!("event {} cannot be read: {error}", entry.seq))?;
            self.tip = entry.seq;
            self.state.apply(&envelope.body);
            self.told = self.told.max(envelope.told);
            if let Some(mark) = &envelope.mark {
                self.marks.note(mark);
            }
            let reaction = self.reaction(envelope.at, entry.seq, &envelope.body);
            let letters = self.letters(entry.seq, reaction.letters);
            self.pending.letters.extend(letters);
        }
        self.head = self.tip;
        let told = self.told;
        self.pending.letters.retain(|letter| letter.id.seq > told);
        Ok((entries.len() == TAIL_MAX).then_some(self.tip))
    }

    /// Sends what is left to send and takes what has come meanwhile.
    fn ready(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.stage = Stage::Ready;
        for watched in &mut self.watched {
            // An actor that rested well had everything stored; one that did not is woken, and then asks.
            (watched.fed, watched.stored) = (self.head, self.head);
        }
        if !self.pending.letters.is_empty() {
            // It rested under pressure, or died: its wake row stands.
            self.wake = Wake::Found;
        }
        for letter in std::mem::take(&mut self.pending.letters) {
            self.outgoing.post(now, letter, out);
        }
        self.count_told();
    }
}
