//! The courier of one lane keeps calls to the outside until they are done: in order, one at a time, again after growing pauses.
//!
//! Every attempt is journalled before it is made. So a crash repeats a call at most, with the same id, and never forgets one:
//! what was in the air when the node died is due again when its lease ends. A lane is a conversation of a channel or a device
//! of a person.

use std::collections::VecDeque;

use conversa_engine::conversation as domain;
use conversa_engine::ids::ConversationId;
use conversa_engine::refusal::{Code, Decision, Refusal};
use conversa_engine::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Conversation;
use super::dead_letters::{self, DeadLetters};
use super::reach::{self, Reach};
use crate::behaviour::{Behaviour, Context, Outbox};
use crate::letter::Payload;
use crate::port::outside::{CALL_BYTES_MAX, Call, CallError, Outcome, Seen, Taken, To};

/// Calls that wait in one lane; beyond it the next comes again later.
pub const WAITING_MAX: usize = 256;
/// An attempt without an outcome for this time was lost with its node, milliseconds. Longer than the host waits for one.
pub const LEASE_MS: i64 = 30_000;
/// Pauses after a failed attempt at a channel, milliseconds: 5 s to 24 h (Standard Webhooks 1.0).
const CHANNEL_PAUSES_MS: &[i64] =
    &[5_000, 60_000, 300_000, 1_800_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000];
/// The same for a device: after two minutes a notification is old, and the message is read from the log.
const DEVICE_PAUSES_MS: &[i64] = &[1_000, 4_000, 15_000, 60_000];
/// The longest pause that a receiver may ask for, milliseconds.
const PAUSE_MS_MAX: i64 = 86_400_000;
/// Messages whose failure is remembered for the receipts.
const FAILED_MAX: usize = 32;
/// Longest reason that is kept, bytes.
const WHY_BYTES_MAX: usize = 300;

/// The courier of one lane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Courier {
    /// The first is tried; the others wait for it.
    waiting: VecDeque<Waiting>,
    receipts: Receipts,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Waiting {
    call: Call,
    /// When it is tried next, or when the attempt in the air counts as lost.
    due: Time,
    flying: bool,
}

/// How far the messages of a conversation have come on their channel: marks that never fall.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Receipts {
    sent: u64,
    delivered: u64,
    read: u64,
    failed: VecDeque<(u64, String)>,
}

/// A request to a courier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Keep a call until it is done.
    Post(Box<Call>),
    /// Try what is due.
    Try,
    /// An attempt has ended.
    Tried {
        /// Which call.
        id: String,
        /// Which attempt.
        attempt: u32,
        /// How.
        outcome: Outcome,
    },
    /// The channel says what became of a message.
    Report {
        /// Its offset.
        o: u64,
        /// What became of it.
        state: Receipt,
        /// Why it failed.
        why: String,
    },
}

/// What a channel can say of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Receipt {
    Delivered,
    Read,
    Failed,
}

/// What has happened to a courier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A call is kept.
    Posted {
        /// The call.
        call: Call,
        /// When.
        at: Time,
    },
    /// An attempt begins.
    Attempted {
        /// Which call.
        id: String,
        /// Which attempt.
        attempt: u32,
        /// When it counts as lost.
        until: Time,
    },
    /// The receiver has it, or it was not needed any more.
    Done {
        /// Which call.
        id: String,
        /// The offset of the message that it carried to a channel.
        #[serde(default)]
        o: Option<u64>,
        /// How.
        taken: Taken,
        /// What made it needless.
        #[serde(default)]
        seen: Option<Seen>,
        /// When.
        at: Time,
    },
    /// It is tried again.
    Deferred {
        /// Which call.
        id: String,
        /// When.
        due: Time,
        /// Why.
        why: String,
    },
    /// It is not tried any more.
    GivenUp {
        /// The call.
        call: Call,
        /// Why.
        why: String,
        /// The receiver is no more.
        gone: bool,
        /// When.
        at: Time,
    },
    /// The channel has said what became of a message.
    Reported {
        /// Its offset.
        o: u64,
        /// What became of it.
        state: Receipt,
        /// Why it failed.
        why: String,
    },
}

impl Behaviour for Courier {
    const KIND: &'static str = "courier";
    type Command = Command;
    type Event = Event;

    fn decide(&self, cx: &Context<'_>, command: Command) -> Decision<Event> {
        match command {
            Command::Post(call) => self.post(cx, *call),
            Command::Try => Ok(self.attempt(cx)),
            Command::Tried { id, attempt, outcome } => Ok(self.tried(cx, &id, attempt, outcome)),
            Command::Report { o, state, why } => Ok(self.report(o, state, why)),
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Posted { call, at } => self.keep(call, *at),
            Event::Attempted { id, attempt, until } => self.change(id, |waiting| {
                waiting.call.attempt = *attempt;
                (waiting.due, waiting.flying) = (*until, true);
            }),
            Event::Deferred { id, due, .. } => self.change(id, |waiting| {
                (waiting.due, waiting.flying) = (*due, false);
            }),
            Event::Done { id, o, taken, .. } => {
                self.waiting.retain(|waiting| waiting.call.id != *id);
                if *taken == Taken::Delivered {
                    self.receipts.sent = self.receipts.sent.max(o.unwrap_or_default());
                }
            }
            Event::GivenUp { call, why, .. } => {
                self.waiting.retain(|waiting| waiting.call.id != call.id);
                if let Some(o) = offset(call) {
                    self.receipts.fail(o, why);
                }
            }
            Event::Reported { o, state, why } => self.receipts.note(*o, *state, why),
        }
    }

    fn react(&self, cx: &Context<'_>, event: &Event, out: &mut Outbox) {
        match event {
            Event::Attempted { id, .. } => {
                if let Some(waiting) = self.waiting.iter().find(|waiting| waiting.call.id == *id) {
                    out.call(waiting.call.clone(), tried);
                }
            }
            Event::Done { seen: Some(seen), .. } => {
                let (conversation, o) = (seen.conversation, seen.o);
                out.tell::<Reach>(&seen.person, reach::Command::Seen { conversation, o });
            }
            Event::GivenUp { call, why, gone, at } => match &call.to {
                To::Channel { .. } => {
                    if let Some(seq) = offset(call) {
                        out.tell::<Conversation>(&cx.address.key, failed(seq, why));
                    }
                    let call = Box::new(Call { attempt: 0, ..call.clone() });
                    let lane = cx.key().to_owned();
                    let bury = dead_letters::Command::Bury { lane, call, why: why.clone(), at: *at };
                    out.tell::<DeadLetters>(&dead_letters::key(), bury);
                }
                To::Device { person, device, token, .. } => {
                    if *gone {
                        let forget = reach::Command::Forget { device: device.clone(), token: token.clone() };
                        out.tell::<Reach>(person, forget);
                    }
                }
            },
            // People see it in the conversation.
            Event::Reported { o, state, why } => {
                let told = match state {
                    Receipt::Delivered => {
                        domain::Command::Reached { reach: domain::Reach::Delivered, upto: *o }
                    }
                    Receipt::Read => domain::Command::Reached { reach: domain::Reach::Read, upto: *o },
                    Receipt::Failed => failed(*o, why),
                };
                out.tell::<Conversation>(&cx.address.key, told);
            }
            Event::Posted { .. } | Event::Done { seen: None, .. } | Event::Deferred { .. } => {}
        }
    }

    fn due(&self) -> Option<(Time, Command)> {
        self.waiting.front().map(|waiting| (waiting.due, Command::Try))
    }

    fn view(&self) -> Value {
        let waiting = self.waiting.iter().map(|waiting| {
            json!({ "id": waiting.call.id, "attempt": waiting.call.attempt, "due_ts": waiting.due })
        });
        let Receipts { sent, delivered, read, failed } = &self.receipts;
        let failed = failed.iter().map(|(o, why)| json!({ "o": o, "why": why }));
        json!({
            "waiting": waiting.collect::<Vec<_>>(), "sent": sent, "delivered": delivered, "read": read,
            "failed": failed.collect::<Vec<_>>(),
        })
    }
}

fn failed(seq: u64, why: &str) -> domain::Command {
    domain::Command::Fail { seq, why: why.to_owned(), last: true }
}

/// What an attempt's outcome is for the courier that made it.
fn tried(call: &Call, outcome: Outcome) -> Payload {
    Payload::of(Command::Tried { id: call.id.clone(), attempt: call.attempt, outcome })
}

impl Courier {
    fn post(&self, cx: &Context<'_>, call: Call) -> Decision<Event> {
        let bytes = match &call.to {
            To::Channel { body, .. } => body.len(),
            To::Device { token, notification, .. } => {
                token.len() + notification.title.len() + notification.body.len()
            }
        };
        if bytes > CALL_BYTES_MAX {
            let why = format!("a call has at most {CALL_BYTES_MAX} bytes, this one has {bytes}");
            return Ok(vec![Event::GivenUp { call, why, gone: false, at: cx.now }]);
        }
        if self.waiting.iter().any(|waiting| waiting.call.id == call.id) {
            return Ok(Vec::new());
        }
        if self.waiting.len() >= WAITING_MAX && self.replaced(&call).is_none() {
            let detail = format!("{WAITING_MAX} calls wait in this lane: it comes again");
            return Err(Refusal::new(Code::QueueFull, detail).retry_after_ms(30_000));
        }
        let first = self.waiting.is_empty().then(|| attempted(cx, &call));
        let posted = Event::Posted { call, at: cx.now };
        Ok(std::iter::once(posted).chain(first).collect())
    }

    /// The place of the call that a new one stands for: one that flies may arrive, so it is not replaced.
    fn replaced(&self, call: &Call) -> Option<usize> {
        let name = call.collapse.as_ref()?;
        let same = |waiting: &Waiting| waiting.call.collapse.as_ref() == Some(name) && !waiting.flying;
        self.waiting.iter().position(same)
    }

    /// The later call takes the place, the attempts and the pause of the one that it stands for.
    fn keep(&mut self, call: &Call, at: Time) {
        if let Some(waiting) = self.replaced(call).and_then(|place| self.waiting.get_mut(place)) {
            let attempt = waiting.call.attempt;
            waiting.call = Call { attempt, ..call.clone() };
            return;
        }
        self.waiting.push_back(Waiting { call: call.clone(), due: at, flying: false });
    }

    fn change(&mut self, id: &str, change: impl FnOnce(&mut Waiting)) {
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.call.id == id) {
            change(waiting);
        }
    }

    fn attempt(&self, cx: &Context<'_>) -> Vec<Event> {
        let Some(first) = self.waiting.front().filter(|first| first.due <= cx.now) else { return Vec::new() };
        if first.flying && spent(&first.call) {
            return self.end(cx, given_up(cx, &first.call, "no outcome of the last attempt is known", false));
        }
        vec![attempted(cx, &first.call)]
    }

    fn tried(&self, cx: &Context<'_>, id: &str, attempt: u32, outcome: Outcome) -> Vec<Event> {
        let Some(first) = self.waiting.front().filter(|first| first.call.id == id) else { return Vec::new() };
        let call = &first.call;
        match outcome {
            Ok(taken) => {
                let seen = call.unless.clone().filter(|_| taken == Taken::Needless);
                let (id, o) = (id.to_owned(), offset(call));
                self.end(cx, Event::Done { id, o, taken, seen, at: cx.now })
            }
            Err(CallError::Gone { why }) => self.end(cx, given_up(cx, call, &why, true)),
            Err(CallError::Refused { why }) => self.end(cx, given_up(cx, call, &why, false)),
            // A later attempt is in the air: its outcome counts.
            Err(CallError::Retry { .. }) if call.attempt != attempt || !first.flying => Vec::new(),
            Err(CallError::Retry { why, .. }) if spent(call) => self.end(cx, given_up(cx, call, &why, false)),
            Err(CallError::Retry { why, after_ms }) => {
                let due = cx.now.after_ms(pause_ms(cx, call, after_ms));
                vec![Event::Deferred { id: id.to_owned(), due, why: short(&why) }]
            }
        }
    }

    /// The first call ends; the next is tried at once.
    fn end(&self, cx: &Context<'_>, ended: Event) -> Vec<Event> {
        let next = self.waiting.get(1).map(|next| attempted(cx, &next.call));
        std::iter::once(ended).chain(next).collect()
    }

    fn report(&self, o: u64, state: Receipt, why: String) -> Vec<Event> {
        let mut after = self.receipts.clone();
        after.note(o, state, &why);
        let news = after != self.receipts;
        news.then(|| Event::Reported { o, state, why: short(&why) }).into_iter().collect()
    }
}

impl Receipts {
    fn note(&mut self, o: u64, state: Receipt, why: &str) {
        match state {
            Receipt::Delivered => self.delivered = self.delivered.max(o),
            // What was read was delivered.
            Receipt::Read => (self.read, self.delivered) = (self.read.max(o), self.delivered.max(o)),
            Receipt::Failed => self.fail(o, why),
        }
    }

    fn fail(&mut self, o: u64, why: &str) {
        if self.failed.iter().any(|(known, _)| *known == o) {
            return;
        }
        if self.failed.len() == FAILED_MAX {
            self.failed.pop_front();
        }
        self.failed.push_back((o, short(why)));
    }
}

fn attempted(cx: &Context<'_>, call: &Call) -> Event {
    let until = cx.now.after_ms(LEASE_MS);
    Event::Attempted { id: call.id.clone(), attempt: call.attempt + 1, until }
}

fn given_up(cx: &Context<'_>, call: &Call, why: &str, gone: bool) -> Event {
    Event::GivenUp { call: call.clone(), why: short(why), gone, at: cx.now }
}

fn pauses_ms(call: &Call) -> &'static [i64] {
    match call.to {
        To::Channel { .. } => CHANNEL_PAUSES_MS,
        To::Device { .. } => DEVICE_PAUSES_MS,
    }
}

fn spent(call: &Call) -> bool {
    call.attempt as usize > pauses_ms(call).len()
}

/// The pause after this attempt: the schedule's, a fifth more or less, or what the receiver asks for when that is longer.
fn pause_ms(cx: &Context<'_>, call: &Call, after_ms: Option<i64>) -> i64 {
    let place = (call.attempt as usize).saturating_sub(1);
    let pause = pauses_ms(call).get(place).copied().unwrap_or(PAUSE_MS_MAX);
    let fifths = i64::try_from(cx.bits(0) % 401).expect("below 401") - 200;
    let jittered = pause + pause * fifths / 1_000;
    jittered.max(after_ms.unwrap_or_default()).min(PAUSE_MS_MAX + PAUSE_MS_MAX / 5)
}

/// The offset of the message that a call to a channel carries: the end of its id.
fn offset(call: &Call) -> Option<u64> {
    match call.to {
        To::Channel { .. } => call.id.rsplit_once('.').and_then(|(_, o)| o.parse().ok()),
        To::Device { .. } => None,
    }
}

fn short(why: &str) -> String {
    let end = (0..=WHY_BYTES_MAX.min(why.len())).rev().find(|end| why.is_char_boundary(*end));
    why[..end.unwrap_or_default()].to_owned()
}

/// The courier that carries a conversation's messages to its channel.
#[must_use]
pub fn lane(conversation: ConversationId) -> std::sync::Arc<str> {
    conversation.to_string().into()
}
