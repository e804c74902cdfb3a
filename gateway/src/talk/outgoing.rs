//! What goes to the client: events and answers, in the order of the socket's queue.

use std::sync::Arc;

use conversa_actors::address::Address;
use conversa_actors::cell::machine::{Accepted, Answer};
use conversa_actors::lobby::Out;
use conversa_engine::conversation::Event;
use conversa_engine::ids::ConversationId;
use conversa_engine::refusal::{Code, Refusal};
use serde_json::{Value, json};

use super::{Goodbye, TOGETHER_MAX, Talk, goodbye};
use crate::auth::Role;
use crate::wire::{self, Bye, Ev, Res, Sent, encode};

/// The log's epoch: it changes only if a log's identity ever does.
const EPOCH: u64 = 1;

impl Talk {
    /// Encodes what waits, as much as is written together; true when there is more.
    pub(super) fn collect(&mut self) -> Result<bool, Goodbye> {
        while self.frames.len() < TOGETHER_MAX {
            if self.window_full() {
                return Ok(false);
            }
            match self.socket.next() {
                None => return Ok(false),
                Some(Out::Event { source, seq, event }) => {
                    if let Some(event) = event.downcast_ref::<Event>() {
                        self.event(&source, seq, event);
                    }
                }
                Some(Out::Answer { request, source, answer }) => self.answered(request, &source, answer),
                Some(Out::Reply { request, answer }) => self.replied(request, answer),
                Some(Out::Behind(source)) => self.behind.push(source),
                Some(Out::Replaced) => {
                    return Err(goodbye(Bye::Replaced, "another socket of this device has connected"));
                }
                Some(Out::Drain) => return Err(goodbye(Bye::Drain, "the node is going down: connect again")),
            }
        }
        Ok(true)
    }

    /// One event of a conversation, unless this client may not see it.
    pub(super) fn event(&mut self, source: &Address, o: u64, event: &Event) {
        if self.principal.role == Role::Visitor && !event.public() {
            return;
        }
        let (cv, ts) = (&*source.key, event.at().ms());
        let s = self.s + 1;
        let frame = if let Event::Said(said) = event {
            let Ok(conversation) = cv.parse::<ConversationId>() else { return };
            self.unacknowledged.push_back((s, Arc::clone(&source.key), o));
            let d = Created { message: wire::message(conversation, cv, o, said) };
            encode(
                self.encoding,
                &Ev { t: "ev", s, k: "message.created", cv: Some(cv), ep: Some(EPOCH), o: Some(o), ts, d },
            )
        } else {
            let Some((k, d)) = wire::shown(event) else { return };
            encode(self.encoding, &Ev { t: "ev", s, k, cv: Some(cv), ep: Some(EPOCH), o: Some(o), ts, d })
        };
        self.s = s;
        self.edge.metrics.events_sent.inc();
        self.frames.push(frame);
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
        self.frames.push(frame);
    }

    fn done(&self, id: u64, source: &Address, sends: bool, accepted: Accepted, dup: bool) -> Vec<u8> {
        let cv = &*source.key;
        match (sends, cv.parse::<ConversationId>()) {
            (true, Ok(conversation)) => {
                let o = accepted.first;
                let d = Sent { id: conversation.message(o), cv, o, ep: EPOCH, ts: accepted.at.ms(), dup };
                encode(self.encoding, &Res { t: "res", id, d })
            }
            (true, Err(_)) | (false, _) => {
                let mut d = json!({ "o": accepted.last, "ts": accepted.at });
                if dup && let Some(map) = d.as_object_mut() {
                    map.insert("dup".into(), true.into());
                }
                encode(self.encoding, &Res { t: "res", id, d })
            }
        }
    }

    fn replied(&mut self, request: u64, answer: Result<Value, Refusal>) {
        let Some(place) = self.pending.iter().position(|pending| pending.id == request) else { return };
        self.pending.remove(place);
        self.frames.push(match answer {
            Ok(d) => encode(self.encoding, &Res { t: "res", id: request, d }),
            Err(refusal) => wire::refused(self.encoding, request, &refusal),
        });
    }
}

#[derive(serde::Serialize)]
struct Created<'a> {
    message: wire::MessageView<'a>,
}
