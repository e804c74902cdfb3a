//! Commands: judged on the state in memory, their consequences withheld.

use std::any::Any;
use std::sync::Arc;

use conversa_engine::conversation;
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;

use super::{Core, QUIET_MS, ShownEvent};
use crate::address::Address;
use crate::behaviour::{Behaviour, Outbox, Shown};
use crate::cell::envelope::seal;
use crate::cell::machine::{Accepted, Asker, Effect, Push, Request, Ticket};
use crate::cell::marks::StoredMark;
use crate::cell::outgoing::LETTERS_MAX;
use crate::letter::{Letter, LetterId, Payload};
use crate::port::APPEND_EVENTS_MAX;

/// While a batch is full nothing new becomes due, milliseconds.
const FULL_MS: i64 = 10;

/// Whose request an event is of.
#[derive(Clone, Copy)]
struct Origin {
    socket: Option<u64>,
    answer: Option<(u64, Accepted)>,
}

impl Origin {
    fn of(asker: &Asker, accepted: Accepted) -> Self {
        let answer = match asker {
            Asker::Far(far) => far.request().map(|request| (request, accepted)),
            // A socket of this node: it goes where the answer goes.
            Asker::Nobody | Asker::Task(_) | Asker::Socket(_) => None,
        };
        Self { socket: asker.socket(), answer }
    }
}

impl<B: Behaviour> Core<B> {
    /// One command adds at most half of what an append takes, so a batch counts as full at half.
    pub(super) fn batch_full(&self) -> bool {
        self.pending.bodies.len() >= APPEND_EVENTS_MAX / 2
    }

    pub(super) fn letter(&mut self, now: Time, letter: Letter, out: &mut Vec<Effect>) {
        let Letter { from, id, payload, .. } = letter;
        if self.marks.knows(&from, id) {
            return self.withhold(Effect::Take { from, id }, out);
        }
        if self.outgoing.len() >= LETTERS_MAX {
            // Not taken over: the sender sends it again.
            return;
        }
        match payload.open::<B::Command>() {
            Ok(command) => self.judge(now, command, Some((from, id)), Asker::Nobody, out),
            Err(error) => {
                // It can never be understood: taken over, so that it does not block its sender for ever.
                tracing::error!(address = %self.setting.address, %from, %error, "a letter is not for this behaviour");
                self.withhold(Effect::Take { from, id }, out);
            }
        }
    }

    pub(super) fn request(&mut self, now: Time, request: Request, out: &mut Vec<Effect>) {
        if self.outgoing.len() >= LETTERS_MAX {
            let refusal = Refusal::new(Code::Overloaded, "this actor has too many letters on their way")
                .retry_after_ms(1_000);
            return self.withhold(Effect::Answer(request.asker, Err(refusal)), out);
        }
        match request.payload.open::<B::Command>() {
            Ok(command) => self.judge(now, command, None, request.asker, out),
            Err(error) => {
                let refusal = Refusal::new(Code::BadRequest, error.to_string());
                self.withhold(Effect::Answer(request.asker, Err(refusal)), out);
            }
        }
    }

    /// Sends letters again and does what is due.
    pub(super) fn tick(&mut self, now: Time, out: &mut Vec<Effect>) {
        // The timer that fired is gone: set it anew, whatever it is.
        self.timer = None;
        self.outgoing.tick(now, out);
        if self.batch_full() {
            self.quiet_until = now.after_ms(FULL_MS);
            return;
        }
        let due = self.state.due().filter(|(at, _)| *at <= now && self.quiet_until <= now);
        let Some((_, command)) = due else { return };
        let before = self.tip;
        self.judge(now, command, None, Asker::Nobody, out);
        if self.tip == before {
            self.quiet_until = now.after_ms(QUIET_MS);
        }
    }

    fn judge(
        &mut self,
        now: Time,
        command: B::Command,
        cause: Option<(Address, LetterId)>,
        asker: Asker,
        out: &mut Vec<Effect>,
    ) {
        let events = match self.state.decide(&self.context(now, self.tip + 1), command) {
            Ok(events) => events,
            Err(refusal) => return self.refused(refusal, cause, asker, out),
        };
        let before = self.tip;
        let mut mark = cause.as_ref().map(|(from, id)| StoredMark::of(from, *id));
        if let Some(mark) = &mark {
            self.marks.note(mark);
        }
        let accepted = match events.len() as u64 {
            0 => Accepted { first: 0, last: 0, at: now },
            count => Accepted { first: before + 1, last: before + count, at: now },
        };
        let origin = Origin::of(&asker, accepted);
        for event in events {
            self.take_in(now, event, mark.take(), origin);
        }
        if let Some((from, id)) = cause {
            self.withhold(Effect::Take { from, id }, out);
        }
        self.withhold(Effect::Answer(asker, Ok(accepted)), out);
        self.submit(now, out);
    }

    fn refused(
        &mut self,
        refusal: Refusal,
        cause: Option<(Address, LetterId)>,
        asker: Asker,
        out: &mut Vec<Effect>,
    ) {
        if let Some((from, id)) = cause {
            if refusal.code.retry() {
                // A bound is reached: not taken over, so it comes again.
                return;
            }
            tracing::debug!(address = %self.setting.address, %from, %refusal, "a letter was refused");
            self.withhold(Effect::Take { from, id }, out);
        }
        self.withhold(Effect::Answer(asker, Err(refusal)), out);
    }

    fn take_in(&mut self, now: Time, event: B::Event, mark: Option<StoredMark>, origin: Origin) {
        self.tip += 1;
        self.state.apply(&event);
        if self.pending.bodies.is_empty() {
            self.pending.first = self.tip;
        }
        self.pending.bodies.push(seal(&event, now, mark, self.told));
        let outbox = self.reaction(now, self.tip, &event);
        let letters = self.letters(self.tip, outbox.letters);
        self.pending.letters.extend(letters);
        let shown: Shown = Arc::new(event);
        let (source, seq) = (self.setting.address.clone(), self.tip);
        self.pending.withheld.extend(outbox.people.into_iter().map(|person| {
            Effect::Push(Push {
                person,
                source: source.clone(),
                seq,
                event: Some(Arc::clone(&shown)),
                origin: origin.socket,
                answer: origin.answer,
            })
        }));
        let calls = outbox.calls.into_iter().map(|call| Effect::Call(Box::new(call)));
        self.pending.withheld.extend(calls);
        self.pending.shown.push(ShownEvent(shown));
        if self.tip.is_multiple_of(self.setting.snapshot_events) {
            let row = self.snapshot_row(now);
            self.pending.withheld.push(Effect::PutRows(Ticket::Snapshot, vec![row]));
            (self.snapshot, self.snapshot_told) = (self.tip, self.told);
        }
    }

    /// What the behaviour and its followers make of an event.
    pub(super) fn reaction(&self, now: Time, seq: u64, event: &B::Event) -> Outbox {
        let mut outbox = Outbox::default();
        self.state.react(&self.context(now, seq), event, &mut outbox);
        if let Some(event) = (event as &dyn Any).downcast_ref::<conversation::Event>() {
            for follower in self.setting.followers {
                if let Some(payload) = (follower.command)(event) {
                    outbox.tell_kind(follower.kind, Arc::clone(&self.setting.address.key), payload);
                }
            }
        }
        outbox
    }

    pub(super) fn letters(&self, seq: u64, letters: Vec<(&'static str, Arc<str>, Payload)>) -> Vec<Letter> {
        let from = &self.setting.address;
        let numbered = letters.into_iter().zip(0..);
        numbered
            .map(|((kind, key, payload), index)| Letter {
                from: from.clone(),
                to: from.beside(kind, key),
                id: LetterId { seq, index },
                payload,
            })
            .collect()
    }
}
