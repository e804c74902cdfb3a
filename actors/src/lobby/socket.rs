//! One live socket: a bounded queue to its writer, and where each conversation stands on it.

mod topics;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use conversa_engine::conversation;
use conversa_engine::ids::{ConversationId, PersonId, TenantId};
use conversa_engine::refusal::Refusal;
use foldhash::quality::RandomState;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::address::Address;
use crate::behaviour::{Behaviour, Shown};
use crate::behaviours::{Agent, CONVERSATION};
use crate::cell::machine::{Accepted, Answer, Push};
use crate::lobby::topics::Topic;

/// What an event costs in a queue beside its text, bytes.
const EVENT_BYTES: usize = 200;
/// Conversations whose positions a socket keeps.
const POSITIONS_MAX: usize = 1024;
/// Bytes of events that wait for a client who has gone and may come back.
const PARKED_BYTES_MAX: usize = 16 * 1024;
/// Fleeting things that wait on one socket.
const MURMURS_MAX: usize = 32;

/// One live socket: a bounded queue to its writer, and where each conversation stands on it.
#[derive(Debug)]
pub struct Socket {
    id: u64,
    tenant: TenantId,
    person: PersonId,
    device: String,
    bytes_max: usize,
    bell: Notify,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    queue: VecDeque<Out>,
    /// Fleeting things: shown when nothing else waits, the latest of each kind and conversation.
    murmurs: VecDeque<Arc<Murmur>>,
    bytes: usize,
    parked: bool,
    watching: bool,
    /// It is not in the lobby any more.
    gone: bool,
    positions: HashMap<Arc<str>, Position, RandomState>,
    /// The last event of each conversation that the client has acknowledged.
    acknowledged: HashMap<Arc<str>, u64, RandomState>,
    /// Answers whose event is still to be caught up with: shown in order with the events.
    held: Vec<(u64, Arc<str>, Accepted)>,
    /// What it follows beside its own conversations, and which version of what stands there was shown last.
    topics: BTreeMap<Topic, Option<u64>>,
    /// Conversations that are shown because of a topic alone.
    followed: BTreeSet<Arc<str>>,
}

/// Where a conversation stands on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// Every event up to here is shown or queued.
    Live(u64),
    /// Every event up to `shown` is; the log is known to go on to `head`.
    Behind { shown: u64, head: u64 },
}

/// Something fleeting, such as "is typing": not stored, not counted, and dropped when there is no room.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Murmur {
    /// The actor through which it comes.
    pub source: Address,
    /// Its kind.
    pub kind: Cow<'static, str>,
    /// What.
    pub d: serde_json::Value,
}

/// Something for a socket's writer.
pub enum Out {
    /// Show an event.
    Event {
        /// Whose.
        source: Address,
        /// Its sequence number.
        seq: u64,
        /// The event.
        event: Shown,
    },
    /// Answer a request.
    Answer {
        /// Which.
        request: u64,
        /// The actor that answers.
        source: Address,
        /// Its answer.
        answer: Answer,
    },
    /// Answer a request that the edge has dealt with itself.
    Reply {
        /// Which.
        request: u64,
        /// The answer.
        answer: Result<serde_json::Value, Refusal>,
    },
    /// This conversation is behind: read its journal.
    Behind {
        /// Which.
        source: Address,
        /// The client was too slow: events that waited for it were dropped.
        slow: bool,
    },
    /// Show something fleeting.
    Murmur(Arc<Murmur>),
    /// Conversations may have come of which no event has told: look up which there are.
    LookUp,
    /// Another socket of the same device has come.
    Replaced,
    /// The node is going down.
    Drain,
}

impl std::fmt::Debug for Out {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Event { source, seq, .. } => write!(f, "event {source}#{seq}"),
            Self::Answer { request, .. } => write!(f, "answer {request}"),
            Self::Reply { request, .. } => write!(f, "reply {request}"),
            Self::Behind { source, .. } => write!(f, "behind {source}"),
            Self::Murmur(murmur) => write!(f, "{} {}", murmur.kind, murmur.source),
            Self::LookUp => f.write_str("look up"),
            Self::Replaced => f.write_str("replaced"),
            Self::Drain => f.write_str("drain"),
        }
    }
}

impl Socket {
    /// A socket of a person's device whose queue holds about `bytes_max` bytes of events.
    #[must_use]
    pub fn new(id: u64, tenant: TenantId, person: PersonId, device: String, bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { id, tenant, person, device, bytes_max, bell: Notify::new(), inner: Mutex::default() })
    }

    /// Its number on this node.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Whose it is.
    #[must_use]
    pub fn person(&self) -> &PersonId {
        &self.person
    }

    /// Whose company's.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The device it is of.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    pub(super) fn parked(&self) -> bool {
        self.inner.lock().parked
    }

    /// Gives what it was before.
    pub(super) fn set_parked(&self, parked: bool) -> bool {
        let mut inner = self.inner.lock();
        if parked {
            inner.murmurs.clear();
            // What stands there is shown again when the client comes back.
            inner.topics.values_mut().for_each(|shown| *shown = None);
        }
        std::mem::replace(&mut inner.parked, parked)
    }

    /// Gives what it was before.
    pub(super) fn set_watching(&self, watching: bool) -> bool {
        std::mem::replace(&mut self.inner.lock().watching, watching)
    }

    /// Of an actor that is shown as it stands, not event by event: nothing is missing any more.
    pub fn skip(&self, source: &Address) {
        let mut inner = self.inner.lock();
        if let Some(Position::Behind { head, .. }) = inner.positions.get(&source.key).copied() {
            inner.positions.insert(Arc::clone(&source.key), Position::Live(head));
        }
    }

    /// The latest of its kind and conversation stands; beyond the bound it is dropped.
    pub(super) fn murmur(&self, murmur: &Arc<Murmur>) {
        self.inner.lock().murmur(murmur);
        self.bell.notify_one();
    }

    /// Waits until something is queued.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }

    /// The next thing to write.
    #[must_use]
    pub fn next(&self) -> Option<Out> {
        let mut inner = self.inner.lock();
        let Some(out) = inner.queue.pop_front() else { return inner.murmurs.pop_front().map(Out::Murmur) };
        if let Out::Event { event, .. } = &out {
            inner.bytes = inner.bytes.saturating_sub(weight(event));
        }
        Some(out)
    }

    /// Follows a conversation from `shown`: what comes after it is read from the journal, then shown live.
    pub fn follow(&self, source: &Address, shown: u64) {
        let mut inner = self.inner.lock();
        if inner.positions.contains_key(&source.key) {
            return;
        }
        inner.positions.insert(Arc::clone(&source.key), Position::Behind { shown, head: shown });
        inner.queue.push_back(Out::Behind { source: source.clone(), slow: false });
        drop(inner);
        self.bell.notify_one();
    }

    /// Shows one event, or notes that the conversation is behind on this socket.
    pub(super) fn show(&self, push: &Push) {
        let mut inner = self.inner.lock();
        let rung = inner.show(push, self.id, &self.person, self.bytes_max);
        drop(inner);
        if rung {
            self.bell.notify_one();
        }
    }

    /// Queues the answer to a request; one that belongs after events which are still to be caught up with waits for them.
    pub fn answer(&self, request: u64, source: &Address, answer: Answer) {
        let mut inner = self.inner.lock();
        match (&answer, inner.positions.get(&source.key)) {
            (Ok(accepted), Some(Position::Behind { shown, .. })) if accepted.last > *shown => {
                inner.held.push((request, Arc::clone(&source.key), *accepted));
            }
            (Ok(_) | Err(_), _) => {
                inner.queue.push_back(Out::Answer { request, source: source.clone(), answer })
            }
        }
        drop(inner);
        self.bell.notify_one();
    }

    /// Queues the answer to a request that the edge has dealt with itself.
    pub fn reply(&self, request: u64, answer: Result<serde_json::Value, Refusal>) {
        self.push_out(Out::Reply { request, answer });
    }

    pub(super) fn push_out(&self, out: Out) {
        self.inner.lock().queue.push_back(out);
        self.bell.notify_one();
    }

    /// Where catching up begins; `None` when the conversation is not behind.
    #[must_use]
    pub fn behind(&self, source: &Address) -> Option<u64> {
        match self.inner.lock().positions.get(&source.key) {
            Some(Position::Behind { shown, .. }) => Some(*shown),
            Some(Position::Live(_)) | None => None,
        }
    }

    /// Events of a conversation that the socket is known to have missed.
    #[must_use]
    pub fn missing(&self, source: &Address) -> u64 {
        match self.inner.lock().positions.get(&source.key) {
            Some(Position::Behind { shown, head }) => head - shown,
            Some(Position::Live(_)) | None => 0,
        }
    }

    /// The request of this socket that event `seq` answers, when it is held: shown as an answer instead of an event.
    #[must_use]
    pub fn held(&self, source: &Address, seq: u64) -> Option<(u64, Accepted)> {
        let mut inner = self.inner.lock();
        let place =
            inner.held.iter().position(|(_, key, accepted)| *key == source.key && accepted.last == seq)?;
        let (request, _, accepted) = inner.held.remove(place);
        Some((request, accepted))
    }

    /// Everything up to `shown` has been written. With `end` the journal had no more: true when the conversation is live again.
    pub fn caught_up(&self, source: &Address, shown: u64, end: bool) -> bool {
        let mut inner = self.inner.lock();
        let Some(position) = inner.positions.get_mut(&source.key) else { return true };
        let Position::Behind { head, .. } = *position else { return true };
        let live = end && shown >= head;
        *position = if live { Position::Live(shown) } else { Position::Behind { shown, head } };
        live
    }

    /// Events of actors in these shards may have passed by: what is live is behind, from what was shown.
    pub(super) fn doubt(&self, moved: &impl Fn(u16) -> bool) {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let mut doubted = Vec::new();
        for (key, position) in &mut inner.positions {
            let Position::Live(shown) = *position else { continue };
            let kind = if key.parse::<ConversationId>().is_ok() { CONVERSATION } else { Agent::KIND };
            let source = Address::new(self.tenant.clone(), kind, Arc::clone(key));
            if moved(source.shard()) {
                *position = Position::Behind { shown, head: shown };
                doubted.push(source);
            }
        }
        // In order, so that the same inputs have the same effects.
        doubted.sort_unstable();
        let rung = !doubted.is_empty();
        inner.queue.extend(doubted.into_iter().map(|source| Out::Behind { source, slow: false }));
        if rung {
            self.bell.notify_one();
        }
    }

    /// The client has taken responsibility for a conversation up to `o`.
    pub fn acknowledge(&self, key: &Arc<str>, o: u64) {
        let mut inner = self.inner.lock();
        if inner.acknowledged.len() >= POSITIONS_MAX && !inner.acknowledged.contains_key(key) {
            // What is forgotten counts as unseen: a notification too many at most.
            inner.acknowledged.clear();
        }
        let known = inner.acknowledged.entry(Arc::clone(key)).or_default();
        *known = o.max(*known);
    }

    pub(super) fn acknowledged(&self, key: &str) -> u64 {
        self.inner.lock().acknowledged.get(key).copied().unwrap_or_default()
    }

    /// Where each conversation stands: for tests and for the next node.
    #[must_use]
    pub fn shown(&self, key: &str) -> u64 {
        match self.inner.lock().positions.get(key) {
            Some(Position::Live(shown) | Position::Behind { shown, .. }) => *shown,
            None => 0,
        }
    }
}

impl Inner {
    /// True when it waits to be shown.
    fn murmur(&mut self, murmur: &Arc<Murmur>) -> bool {
        if self.parked {
            return false;
        }
        let same = |known: &Arc<Murmur>| known.kind == murmur.kind && known.source.key == murmur.source.key;
        match self.murmurs.iter().position(same) {
            Some(place) => self.murmurs[place] = Arc::clone(murmur),
            None if self.murmurs.len() < MURMURS_MAX => self.murmurs.push_back(Arc::clone(murmur)),
            None => return false,
        }
        true
    }

    /// True when the writer has something to do.
    fn show(&mut self, push: &Push, socket: u64, person: &PersonId, bytes_max: usize) -> bool {
        let known = self.positions.get(&push.source.key).copied();
        match known.unwrap_or(Position::Live(0)) {
            Position::Behind { shown, head } => {
                self.set(push, Position::Behind { shown, head: head.max(push.seq) });
                false
            }
            Position::Live(shown) if push.seq <= shown => false,
            Position::Live(shown) => match &push.event {
                Some(event) if push.seq == shown + 1 => self.show_next(
                    push,
                    event,
                    push.origin == Some(socket) && said_by(event, person),
                    bytes_max,
                ),
                Some(_) | None => self.fall_behind(push, shown, false),
            },
        }
    }

    /// `own`: the socket's answer shows it.
    fn show_next(&mut self, push: &Push, event: &Shown, own: bool, bytes_max: usize) -> bool {
        if own {
            self.set(push, Position::Live(push.seq));
            let Some((request, accepted)) = push.answer else { return false };
            // The one that comes by itself finds nobody waiting any more.
            self.queue.push_back(Out::Answer { request, source: push.source.clone(), answer: Ok(accepted) });
            return true;
        }
        let weight = weight(event);
        let bytes_max = if self.parked { bytes_max.min(PARKED_BYTES_MAX) } else { bytes_max };
        if self.bytes + weight > bytes_max {
            return self.fall_behind(push, push.seq - 1, !self.parked);
        }
        self.collapse(push, event);
        self.bytes += weight;
        self.set(push, Position::Live(push.seq));
        self.queue.push_back(Out::Event {
            source: push.source.clone(),
            seq: push.seq,
            event: Arc::clone(event),
        });
        true
    }

    fn fall_behind(&mut self, push: &Push, shown: u64, slow: bool) -> bool {
        self.set(push, Position::Behind { shown, head: push.seq });
        self.queue.push_back(Out::Behind { source: push.source.clone(), slow });
        true
    }

    /// A receipt that still waits says less than the next one of the same person: it is dropped.
    fn collapse(&mut self, push: &Push, event: &Shown) {
        let receipt = |event: &Shown| match event.downcast_ref() {
            Some(conversation::Event::Marked { by, reach, .. }) => Some((by.id.clone(), *reach)),
            Some(_) | None => None,
        };
        let Some(new) = receipt(event) else { return };
        let older = self.queue.iter().position(|out| match out {
            Out::Event { source, event, .. } => {
                source.key == push.source.key && receipt(event).is_some_and(|old| old == new)
            }
            _ => false,
        });
        if let Some(Out::Event { event, .. }) = older.and_then(|place| self.queue.remove(place)) {
            self.bytes = self.bytes.saturating_sub(weight(&event));
        }
    }

    fn set(&mut self, push: &Push, position: Position) {
        if let Some(known) = self.positions.get_mut(&push.source.key) {
            *known = position;
            return;
        }
        if self.positions.len() >= POSITIONS_MAX {
            // A conversation that is forgotten here is shown from its beginning when it speaks again; clients drop what they know.
            let forgotten = self
                .positions
                .iter()
                .find(|(_, position)| matches!(position, Position::Live(_)))
                .map(|(key, _)| Arc::clone(key));
            if let Some(key) = forgotten {
                self.positions.remove(&key);
            }
        }
        self.positions.insert(Arc::clone(&push.source.key), position);
    }
}

/// True for words of `person`. What others say because of a request (the system, for instance) is news to its socket too.
fn said_by(event: &Shown, person: &PersonId) -> bool {
    match event.downcast_ref() {
        Some(conversation::Event::Said(said)) => said.author.id == *person,
        Some(_) | None => false,
    }
}

fn weight(event: &Shown) -> usize {
    match event.downcast_ref() {
        Some(conversation::Event::Said(said)) => EVENT_BYTES + said.content.plain().len(),
        Some(conversation::Event::Edited { content, .. }) => EVENT_BYTES + content.plain().len(),
        Some(_) | None => EVENT_BYTES,
    }
}

#[cfg(test)]
mod tests;
