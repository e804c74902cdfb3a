//! What a client still has to ask: requests that wait, that are on their way, that are to be repeated. No input or output here.
//!
//! Invariant: of one conversation one message at most is on its way, so `n` of its keys is dense; a repeat carries the key of the
//! first attempt, however many connections lie between.

mod bucket;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::chance::{Backoff, Chance};
use super::error::{ClientError, Refused};
use super::frame::Rate;
use bucket::Bucket;

/// Waits between repeats when the server does not say how long.
const REPEAT: Backoff = Backoff { first_ms: 100, longest_ms: 5_000 };
/// Requests on their way before the server has told its limit.
const IN_FLIGHT: usize = 8;
/// A server answers within 30 s; after this the line is taken for dead.
const ANSWER: Duration = Duration::from_secs(40);

/// Something to ask the server.
#[derive(Debug)]
pub(super) struct Ask {
    /// The method.
    pub(super) method: &'static str,
    /// Of which conversation.
    pub(super) cv: Option<String>,
    /// Under which key.
    pub(super) key: Key,
    /// The parameters.
    pub(super) d: Value,
    /// What to do without a definite answer.
    pub(super) patience: Patience,
    /// Who wants to know.
    pub(super) asker: Asker,
}

/// The idempotency key of an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// None: the method changes nothing.
    None,
    /// This one.
    Given(String),
    /// `<device>.<n>`, given when the message leaves for the first time.
    Message,
}

/// What to do without a definite answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Ask again until there is one.
    Endless,
    /// Hand the failure to the asker.
    None,
}

/// A definite answer, and the key under which it was asked for.
pub(super) type Answer = Result<(Value, String), ClientError>;

/// Who wants to know.
#[derive(Debug)]
pub(super) enum Asker {
    /// The owner of the client.
    Owner(oneshot::Sender<Answer>),
    /// The client itself: a page of this conversation's history.
    Page(String),
}

/// A request that waits or is on its way.
#[derive(Debug)]
struct Entry {
    ask: Ask,
    key: Option<String>,
    attempts: u32,
    not_before: Option<Instant>,
    asked: Option<Instant>,
}

/// An ask with its definite answer.
pub(super) struct Settled {
    pub(super) asker: Asker,
    pub(super) method: &'static str,
    pub(super) cv: Option<String>,
    pub(super) key: Option<String>,
    pub(super) answer: Result<Value, ClientError>,
}

/// All that a client still has to ask.
#[derive(Debug)]
pub(super) struct Outbox {
    device: String,
    /// The last `n` that was accepted, of each conversation.
    accepted: HashMap<String, u64>,
    waiting: VecDeque<Entry>,
    on_their_way: BTreeMap<u64, Entry>,
    in_flight_max: usize,
    next_id: u64,
    /// The server said to wait: nothing leaves before.
    paused_until: Option<Instant>,
    bucket: Option<Bucket>,
}

impl Outbox {
    pub(super) fn new(device: String) -> Self {
        Self {
            device,
            accepted: HashMap::new(),
            waiting: VecDeque::new(),
            on_their_way: BTreeMap::new(),
            in_flight_max: IN_FLIGHT,
            next_id: 1,
            paused_until: None,
            bucket: None,
        }
    }

    /// A connection begins: its limits, and its rate when the client keeps to it by itself.
    pub(super) fn begin(&mut self, in_flight_max: usize, pace: Option<Rate>, now: Instant) {
        self.in_flight_max = in_flight_max.max(1);
        self.paused_until = None;
        self.bucket = pace.map(|rate| Bucket::new(rate, now));
    }

    pub(super) fn push(&mut self, ask: Ask) {
        self.waiting.push_back(Entry { ask, key: None, attempts: 0, not_before: None, asked: None });
    }

    /// The next request frame to send, if any may leave at `now`.
    pub(super) fn next(&mut self, now: Instant) -> Option<Value> {
        if self.on_their_way.len() >= self.in_flight_max || self.paused_until.is_some_and(|until| now < until)
        {
            return None;
        }
        let place = self.first_ready(now)?;
        if !self.bucket.as_mut().is_none_or(|bucket| bucket.take(now)) {
            return None;
        }
        let mut entry = self.waiting.remove(place).expect("the place was found just now");
        if entry.key.is_none() {
            entry.key = self.key_of(&entry.ask);
        }
        entry.attempts += 1;
        entry.asked = Some(now);
        let id = self.next_id;
        self.next_id += 1;
        let frame = request(id, &entry);
        self.on_their_way.insert(id, entry);
        Some(frame)
    }

    fn first_ready(&self, now: Instant) -> Option<usize> {
        let busy = |cv: &Option<String>| {
            self.on_their_way.values().any(|entry| entry.ask.key == Key::Message && entry.ask.cv == *cv)
        };
        let mut passed: Vec<&Option<String>> = Vec::new();
        for (place, entry) in self.waiting.iter().enumerate() {
            let ready = entry.not_before.is_none_or(|at| at <= now);
            if entry.ask.key != Key::Message {
                if ready {
                    return Some(place);
                }
                continue;
            }
            let cv = &entry.ask.cv;
            if ready && !passed.contains(&cv) && !busy(cv) {
                return Some(place);
            }
            passed.push(cv);
        }
        None
    }

    fn key_of(&self, ask: &Ask) -> Option<String> {
        match &ask.key {
            Key::None => None,
            Key::Given(key) => Some(key.clone()),
            Key::Message => {
                let accepted =
                    ask.cv.as_ref().and_then(|cv| self.accepted.get(cv)).copied().unwrap_or_default();
                Some(format!("{}.{}", self.device, accepted + 1))
            }
        }
    }

    /// Takes in the answer to request `id`; `None` when it is unknown or is going to be repeated.
    pub(super) fn answer(
        &mut self,
        id: u64,
        answer: Result<Value, Refused>,
        now: Instant,
        chance: &mut Chance,
    ) -> Option<Settled> {
        let mut entry = self.on_their_way.remove(&id)?;
        match answer {
            Err(refused) if refused.retry && entry.ask.patience == Patience::Endless => {
                let wait = refused
                    .retry_after_ms
                    .map_or_else(|| REPEAT.wait(entry.attempts, chance), Duration::from_millis);
                entry.not_before = Some(now + wait);
                if refused.code == "rate_limited" {
                    self.paused_until = Some(now + wait);
                }
                self.waiting.push_front(entry);
                None
            }
            Err(refused) => Some(settle(entry, Err(ClientError::Refused(Box::new(refused))))),
            Ok(d) => {
                if let (Key::Message, Some(cv)) = (&entry.ask.key, &entry.ask.cv) {
                    *self.accepted.entry(cv.clone()).or_default() += 1;
                }
                Some(settle(entry, Ok(d)))
            }
        }
    }

    /// The connection is gone: the patient ask again on the next one, in their order; the others are told.
    pub(super) fn lost(&mut self, why: &ClientError) -> Vec<Settled> {
        let mut told = Vec::new();
        while let Some((_, mut entry)) = self.on_their_way.pop_last() {
            entry.not_before = None;
            match (entry.ask.patience, &entry.ask.asker) {
                (Patience::Endless, Asker::Owner(_)) => self.waiting.push_front(entry),
                (Patience::Endless | Patience::None, Asker::Owner(_) | Asker::Page(_)) => {
                    told.push(settle(entry, Err(ClientError::Lost(why.to_string()))));
                }
            }
        }
        told
    }

    /// The client ends: nobody gets an answer any more.
    pub(super) fn end(&mut self, why: &ClientError) -> Vec<Settled> {
        let on_their_way = std::mem::take(&mut self.on_their_way).into_values();
        on_their_way.chain(self.waiting.drain(..)).map(|entry| settle(entry, Err(why.clone()))).collect()
    }

    /// When to look again, if nothing else happens before.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let answer = self.answer_due();
        if self.waiting.is_empty() || self.on_their_way.len() >= self.in_flight_max {
            return answer;
        }
        let repeat = self.waiting.iter().filter_map(|entry| entry.not_before).filter(|at| *at > now).min();
        let paused = self.paused_until.filter(|at| *at > now);
        let paced = self.bucket.as_ref().and_then(|bucket| bucket.due(now));
        [answer, repeat, paused, paced].into_iter().flatten().min()
    }

    /// True while a request has no answer.
    pub(super) fn awaits(&self) -> bool {
        !self.on_their_way.is_empty()
    }

    /// When the oldest request on its way should have been answered at last.
    pub(super) fn answer_due(&self) -> Option<Instant> {
        self.on_their_way.values().filter_map(|entry| entry.asked).min().map(|asked| asked + ANSWER)
    }
}

fn settle(entry: Entry, answer: Result<Value, ClientError>) -> Settled {
    Settled { asker: entry.ask.asker, method: entry.ask.method, cv: entry.ask.cv, key: entry.key, answer }
}

fn request(id: u64, entry: &Entry) -> Value {
    let mut frame = Map::new();
    frame.insert("t".into(), json!("req"));
    frame.insert("id".into(), json!(id));
    frame.insert("m".into(), json!(entry.ask.method));
    if let Some(key) = &entry.key {
        frame.insert("key".into(), json!(key));
    }
    if let Some(cv) = &entry.ask.cv {
        frame.insert("cv".into(), json!(cv));
    }
    frame.insert("d".into(), entry.ask.d.clone());
    Value::Object(frame)
}

#[cfg(test)]
mod tests;
