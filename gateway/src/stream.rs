//! A client's stream of events: what it was sent and has not acknowledged. It outlives its socket for a while, so that a client which
//! comes back to the same node goes on with the next frame (`resumed: full`). What is kept is bounded; a client that needs more than
//! that resumes by positions from the journal.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use conversa_actors::address::Address;
use conversa_actors::host::Host;
use conversa_actors::lobby::Socket;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::auth::{Principal, Role};

/// Streams that are kept without a socket; beyond it the one that lost its socket longest ago is forgotten.
const PARKED_MAX: usize = 20_000;
/// Frames that a stream keeps, bytes: some eighty messages, where clients acknowledge every 32 events.
const KEPT_BYTES_MAX: usize = 32 * 1024;

/// How long a stream is kept without a socket.
pub(crate) fn retain(role: Role) -> Duration {
    match role {
        Role::Visitor => Duration::from_secs(120),
        Role::Agent | Role::Supervisor => Duration::from_secs(300),
    }
}

/// One client's stream; it is named by the number of its socket, and taken by its token.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) principal: Principal,
    pub(crate) socket: Arc<Socket>,
    sent: Mutex<Sent>,
}

/// What was sent, and who sends.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The task that holds the stream; told when another takes it.
    holder: u64,
    evicted: Arc<Notify>,
    /// Proves that a client may take the stream; another one each time.
    token: String,
    /// Number of the last event, and the last that the client acknowledged.
    pub(crate) s: u64,
    pub(crate) acked: u64,
    /// Event frames from `first` on.
    kept: VecDeque<Kept>,
    first: u64,
    bytes: usize,
    /// Conversations to be read from the journal.
    pub(crate) behind: Vec<Address>,
    /// Offsets up to which the client has taken responsibility, not told to the conversations yet.
    pub(crate) delivered: BTreeMap<Address, u64>,
}

#[derive(Debug)]
struct Kept {
    frame: Bytes,
    /// The message inside: its conversation and offset.
    message: Option<(Address, u64)>,
}

/// The right to send on a stream, until another task takes it.
#[derive(Debug)]
pub(crate) struct Hold {
    number: u64,
    pub(crate) evicted: Arc<Notify>,
    /// The token with which the client takes the stream next time.
    pub(crate) token: String,
}

impl Stream {
    pub(crate) fn new(principal: Principal, socket: Arc<Socket>) -> (Arc<Self>, Hold) {
        let hold = Hold { number: 1, evicted: Arc::default(), token: secret() };
        let sent = Sent {
            holder: hold.number,
            evicted: Arc::clone(&hold.evicted),
            token: hold.token.clone(),
            s: 0,
            acked: 0,
            kept: VecDeque::new(),
            first: 1,
            bytes: 0,
            behind: Vec::new(),
            delivered: BTreeMap::new(),
        };
        (Arc::new(Self { principal, socket, sent: Mutex::new(sent) }), hold)
    }

    /// Its name on the wire.
    pub(crate) fn name(&self) -> String {
        format!("se_{:x}", self.socket.id())
    }

    /// The stream's state, while `hold` is the one that sends; `None` once another task has taken the stream.
    pub(crate) fn lock(&self, hold: &Hold) -> Option<MutexGuard<'_, Sent>> {
        let sent = self.sent.lock();
        (sent.holder == hold.number).then_some(sent)
    }

    /// Takes the stream for a client that has everything up to `s`, and gives the frames after it. `None`, and nothing has changed,
    /// when the token is another one or some of those frames are not kept any more.
    fn take(&self, token: &str, s: u64) -> Option<(Hold, Vec<Bytes>)> {
        let mut sent = self.sent.lock();
        if !same(&sent.token, token) || s + 1 < sent.first || s > sent.s {
            return None;
        }
        sent.acknowledge(&self.socket, s);
        let hold = Hold { number: sent.holder + 1, evicted: Arc::default(), token: secret() };
        sent.holder = hold.number;
        sent.token.clone_from(&hold.token);
        std::mem::replace(&mut sent.evicted, Arc::clone(&hold.evicted)).notify_one();
        Some((hold, sent.kept.iter().map(|kept| kept.frame.clone()).collect()))
    }
}

impl Sent {
    /// Keeps the frame of event `s`, until it is acknowledged or the bound is reached.
    pub(crate) fn keep(&mut self, frame: &Bytes, message: Option<(Address, u64)>) {
        self.bytes += frame.len();
        self.kept.push_back(Kept { frame: frame.clone(), message });
        while self.bytes > KEPT_BYTES_MAX {
            self.forget();
        }
    }

    fn forget(&mut self) -> Option<Kept> {
        let kept = self.kept.pop_front()?;
        self.bytes -= kept.frame.len();
        self.first += 1;
        Some(kept)
    }

    /// The client has taken responsibility for everything up to `s`. True when a message was among it.
    pub(crate) fn acknowledge(&mut self, socket: &Socket, s: u64) -> bool {
        self.acked = self.acked.max(s.min(self.s));
        // Offsets of one conversation rise: the last of a run says it for all.
        let mut last: Option<(Address, u64)> = None;
        let mut any = false;
        while self.first <= self.acked {
            let Some(kept) = self.forget() else { break };
            let Some(message) = kept.message else { continue };
            any = true;
            match &mut last {
                Some(run) if run.0.key == message.0.key => run.1 = message.1,
                Some(_) | None => {
                    if let Some(run) = last.replace(message) {
                        self.deliver(socket, run);
                    }
                }
            }
        }
        if let Some(run) = last {
            self.deliver(socket, run);
        }
        any
    }

    fn deliver(&mut self, socket: &Socket, (conversation, o): (Address, u64)) {
        socket.acknowledge(&conversation.key, o);
        let upto = self.delivered.entry(conversation).or_default();
        *upto = o.max(*upto);
    }
}

/// The streams of a node, and with them its lobby: who holds a stream, whether it waits for its client and whether its socket counts as
/// connected change together, under one lock.
#[derive(Debug)]
pub(crate) struct Streams {
    host: Arc<Host>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// By the numbers of their sockets.
    all: HashMap<u64, Held>,
    /// Those without a client, in the order in which they lost it, and when they are forgotten.
    parked: BTreeMap<u64, (Instant, Arc<Stream>)>,
    parks: u64,
}

#[derive(Debug)]
struct Held {
    stream: Arc<Stream>,
    /// Its place among those without a client.
    parked: Option<u64>,
}

impl Streams {
    pub(crate) fn new(host: Arc<Host>) -> Self {
        Self { host, table: Mutex::default() }
    }

    /// A new stream: its socket is shown what happens from now on.
    pub(crate) fn add(&self, stream: &Arc<Stream>) {
        let mut table = self.table.lock();
        table.all.insert(stream.socket.id(), Held { stream: Arc::clone(stream), parked: None });
        // The device has begun anew: what it had before is not taken again.
        if let Some(replaced) = self.host.lobby().attach(&stream.socket)
            && let Some(Held { parked: Some(number), .. }) = table.all.remove(&replaced)
        {
            table.parked.remove(&number);
        }
    }

    /// The task of `hold` has lost its client. When the client may come back the stream is kept for a while. True when it was the last
    /// connected socket of its person. Nothing changes when another task has taken the stream.
    pub(crate) fn lose(&self, stream: &Arc<Stream>, hold: &Hold, comes_back: bool, now: Instant) -> bool {
        let mut table = self.table.lock();
        let Some(sent) = stream.lock(hold) else { return false };
        if !comes_back {
            table.all.remove(&stream.socket.id());
            return self.host.lobby().detach(&stream.socket);
        }
        drop(sent);
        table.parks += 1;
        let number = table.parks;
        let Some(held) = table.all.get_mut(&stream.socket.id()) else { return false };
        held.parked = Some(number);
        table.parked.insert(number, (now + retain(stream.principal.role), Arc::clone(stream)));
        let last = self.host.lobby().park(&stream.socket);
        while table.parked.len() > PARKED_MAX {
            let Some((_, (_, oldest))) = table.parked.pop_first() else { break };
            self.forget(&mut table, &oldest);
        }
        last
    }

    /// Forgets the streams whose time is over.
    pub(crate) fn sweep(&self, now: Instant) {
        let mut table = self.table.lock();
        let over: Vec<_> = table.parked.extract_if(.., |_, (until, _)| *until <= now).collect();
        for (_, (_, stream)) in over {
            self.forget(&mut table, &stream);
        }
    }

    fn forget(&self, table: &mut Table, stream: &Stream) {
        table.all.remove(&stream.socket.id());
        self.host.lobby().detach(&stream.socket);
    }

    /// Takes a stream for a client that comes back, with the frames that it misses: whatever task still holds it is told to end. `None`
    /// when it is not kept, not the client's, or has missed something.
    pub(crate) fn take(
        &self,
        id: &str,
        token: &str,
        s: u64,
        principal: &Principal,
        device: &str,
    ) -> Option<(Arc<Stream>, Hold, Vec<Bytes>)> {
        let number = u64::from_str_radix(id.strip_prefix("se_")?, 16).ok()?;
        let mut table = self.table.lock();
        let held = table.all.get_mut(&number)?;
        let stream = Arc::clone(&held.stream);
        let same = stream.principal.tenant == principal.tenant
            && stream.principal.id == principal.id
            && stream.principal.role == principal.role
            && stream.socket.device() == device;
        let (hold, frames) = if same { stream.take(token, s)? } else { return None };
        if let Some(place) = held.parked.take() {
            table.parked.remove(&place);
        }
        self.host.lobby().unpark(&stream.socket);
        Some((stream, hold, frames))
    }

    /// Streams that are kept without a client.
    pub(crate) fn parked(&self) -> usize {
        self.table.lock().parked.len()
    }
}

fn secret() -> String {
    conversa_cluster::clock::random::<16>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares in a time that does not tell how much is right.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}
