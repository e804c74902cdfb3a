//! What goes to the client: events and answers, in the order of the socket's queue.

use std::sync::Arc;

use axum::body::Bytes;
use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::{Agent, Conversation};
use conversa_actors::cell::machine::{Accepted, Answer};
use conversa_actors::lobby::{Murmur, Out};
use conversa_cluster::clock::random;
use conversa_engine::conversation::Event;
use conversa_engine::refusal::{Code, Refusal};
use serde_json::{Value, json};

use tokio::time::Instant;

use super::{Goodbye, TOGETHER_MAX, Talk, goodbye, taken, window_full};
use crate::auth::Role;
use crate::stream;
use crate::wire::{self, Bye, Ev, Res, Sent, encode};

/// The log's epoch: it changes only if a log's identity ever does.
pub(super) const EPOCH: u64 = 1;

impl Talk {
    /// Encodes what waits, as much as is written together; true when there is more.
    pub(super) fn collect(&mut self) -> Result<bool, Goodbye> {
        let stream = Arc::clone(&self.stream);
        // Held over taking and numbering: what is taken from the queue is kept for the client, whoever sends it.
        let mut sent = stream.lock(&self.hold).ok_or_else(taken)?;
        while self.frames.len() < TOGETHER_MAX {
            if window_full(&sent) {
                // What waits there may be that the client is to go.
                if self.edge.draining() && self.leave_by.is_none() {
                    self.go_away();
                }
                return Ok(false);
            }
            match stream.socket.next() {
                None => return Ok(false),
                // An agent is shown as it stands, by the task that reads what is behind.
                Some(Out::Event { source, .. }) if source.kind == Agent::KIND => {
                    self.is_behind(&mut sent, source)
                }
                Some(Out::Event { source, seq, event }) => {
                    if let Some(event) = event.downcast_ref::<Event>() {
                        self.event(&mut sent, &source, seq, event);
                    }
                }
                Some(Out::Answer { request, source, answer }) => self.answered(request, &source, answer),
                Some(Out::Reply { request, answer }) => self.replied(request, answer),
                Some(Out::Behind { source, slow }) => self.fell_behind(&mut sent, source, slow),
                Some(Out::Murmur(murmur)) => self.murmured(&murmur),
                Some(Out::LookUp) => self.look_up(),
                Some(Out::Replaced) => {
                    return Err(goodbye(Bye::Replaced, "another socket of this device has connected"));
                }
                // What waited for a client that was away may be long past.
                Some(Out::Drain) if self.edge.draining() => self.go_away(),
                Some(Out::Drain) => {}
            }
        }
        Ok(true)
    }

    fn fell_behind(&mut self, sent: &mut stream::Sent, source: Address, slow: bool) {
        if slow {
            self.edge.metrics.lags.inc();
            let lag = json!({ "t": "lag", "cv": &*source.key, "d": { "mode": "catchup", "behind": self.stream.socket.missing(&source) } });
            self.say(&lag);
        }
        self.is_behind(sent, source);
    }

    /// It is read when its turn comes, and once more if it is being read now.
    fn is_behind(&mut self, sent: &mut stream::Sent, source: Address) {
        if let Some(reading) = self.reading.as_mut().filter(|reading| reading.of == source) {
            reading.again = true;
        }
        if !sent.behind.contains(&source) {
            sent.behind.push(source);
        }
    }

    fn murmured(&mut self, murmur: &Murmur) {
        if self.wishes.wants(&murmur.kind) {
            let mut frame = json!({ "t": "eph", "k": murmur.kind, "d": murmur.d });
            if murmur.source.kind == Conversation::KIND {
                frame["cv"] = (*murmur.source.key).into();
            }
            self.say(&frame);
        }
    }

    /// Conversations may have been given to this agent of which no event could tell: they are read from their beginning, as new ones are.
    fn look_up(&self) {
        let (host, agent, socket) =
            (Arc::clone(&self.edge.host), self.agent(), Arc::clone(&self.stream.socket));
        tokio::spawn(async move {
            let Ok(view) = host.view_json(&agent).await else { return };
            for key in view["conversations"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                socket.follow(&agent.beside(Conversation::KIND, key), 0);
            }
        });
    }

    /// The node is going down: the client is asked to connect again at a time of its own, so that not all come at once.
    pub(super) fn go_away(&mut self) {
        let leave_by = self.edge.drain();
        if self.leave_by.is_some_and(|by| by <= Instant::now() + leave_by) {
            return;
        }
        let spread_ms = u64::try_from(leave_by.as_millis() / 2).unwrap_or(u64::MAX).max(1);
        let after_ms = u64::from_le_bytes(random()) % spread_ms;
        self.leave_by = Some(Instant::now() + leave_by);
        let d = json!({ "reason": "drain", "after_ms": after_ms, "deadline_ms": leave_by.as_millis() });
        self.say(&json!({ "t": "goaway", "d": d }));
    }

    /// One event of a conversation, unless this client may not see it or does not want it.
    pub(super) fn event(&mut self, sent: &mut stream::Sent, source: &Address, o: u64, event: &Event) {
        if self.principal.role == Role::Visitor {
            if !event.public() {
                return;
            }
            self.keep_place(&source.key, event);
        }
        let (cv, ts) = (&*source.key, event.at().ms());
        let s = sent.s + 1;
        let (frame, message) = if let Event::Said(said) = event {
            if !self.wishes.wants("message.created") {
                return;
            }
            let message = wire::message(cv, o, said);
            (wire::created(self.encoding, s, EPOCH, message), Some((source.clone(), o)))
        } else {
            let Some((k, d)) = wire::shown(cv, event).filter(|(k, _)| self.wishes.wants(k)) else { return };
            let ev = Ev { t: "ev", s, k, cv: Some(cv), ep: Some(EPOCH), o: Some(o), ts, d };
            (encode(self.encoding, &ev), None)
        };
        self.count(sent, frame, message);
    }

    /// An event that is of no conversation.
    pub(super) fn own_event(&mut self, sent: &mut stream::Sent, k: &'static str, d: Value) {
        let ts = self.edge.host.now().ms();
        let ev = Ev { t: "ev", s: sent.s + 1, k, cv: None, ep: None, o: None, ts, d };
        self.count(sent, encode(self.encoding, &ev), None);
    }

    fn count(&mut self, sent: &mut stream::Sent, frame: Vec<u8>, message: Option<(Address, u64)>) {
        let frame = Bytes::from(frame);
        sent.s += 1;
        sent.keep(&frame, message);
        self.edge.metrics.events_sent.inc();
        self.frames.push(frame);
    }

    pub(super) fn refuse(&mut self, request: u64, refusal: &Refusal) {
        self.frames.push(wire::refused(self.encoding, request, refusal).into());
    }

    /// The answer of an actor.
    pub(super) fn answered(&mut self, request: u64, source: &Address, answer: Answer) {
        let Some(place) = self.pending.iter().position(|pending| pending.id == request) else { return };
        let pending = self.pending.remove(place);
        let frame = match answer {
            Ok(accepted) => self.done(request, source, pending.sends, accepted, false),
            Err(Refusal { code: Code::Duplicate, seq, .. }) => {
                let accepted = Accepted {
                    first: seq.unwrap_or_default(),
                    last: seq.unwrap_or_default(),
                    at: self.edge.host.now(),
                };
                self.done(request, source, pending.sends, accepted, true)
            }
            Err(refusal) => wire::refused(self.encoding, request, &refusal),
        };
        self.frames.push(frame.into());
    }

    fn done(&self, id: u64, source: &Address, sends: bool, accepted: Accepted, dup: bool) -> Vec<u8> {
        let cv = &*source.key;
        if sends {
            let (id_of, ts) = (wire::MessageId { cv, o: accepted.first }, accepted.at.ms());
            let d = Sent { id: id_of, cv, o: accepted.first, ep: EPOCH, ts, dup };
            return wire::sent(self.encoding, &Res { t: "res", id, d });
        }
        let mut d = json!({ "o": accepted.last, "ts": accepted.at });
        if dup && let Some(map) = d.as_object_mut() {
            map.insert("dup".into(), true.into());
        }
        encode(self.encoding, &Res { t: "res", id, d })
    }

    fn replied(&mut self, request: u64, answer: Result<Value, Refusal>) {
        let Some(place) = self.pending.iter().position(|pending| pending.id == request) else { return };
        self.pending.remove(place);
        let frame = match answer {
            Ok(d) => encode(self.encoding, &Res { t: "res", id: request, d }),
            Err(refusal) => wire::refused(self.encoding, request, &refusal),
        };
        self.frames.push(frame.into());
    }
}
