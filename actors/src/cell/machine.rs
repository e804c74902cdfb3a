//! What goes into a cell's core and what comes out of it. Between the two there is no input or output: the ractor shell and
//! the simulator run the same cores.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use conversa_engine::ids::PersonId;
use conversa_engine::refusal::Refusal;
use conversa_engine::time::Time;
use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::behaviour::{Calling, Shown};
use crate::host::FarAsker;
use crate::letter::{Letter, LetterId, Payload};
use crate::lobby::{Murmur, Socket};
use crate::port::{Append, AppendError, Entry, Row, RowKey, StoreError};

/// A core: takes one input, gives the effects that follow, in order.
pub trait Machine: Send {
    /// Takes `input` at `now` and appends what is to be done to `out`.
    fn step(&mut self, now: Time, input: Input, out: &mut Vec<Effect>);
}

/// What can happen to a core.
#[derive(Debug)]
pub enum Input {
    /// It begins: load what is stored.
    Start,
    /// What was loaded.
    Loaded(Result<Loaded, StoreError>),
    /// It was found in the wake rows, or its predecessor died: look for what was left undone.
    Woken,
    /// A letter from another actor.
    Letter(Letter),
    /// A request from the edge.
    Request(Request),
    /// A letter of ours was taken over.
    Taken {
        /// By whom.
        by: Address,
        /// Which.
        id: LetterId,
    },
    /// The outcome of the append in flight.
    Appended(Result<(), AppendError>),
    /// The outcome of writing rows.
    RowsPut(Ticket, Result<(), StoreError>),
    /// Time has come.
    Tick,
    /// Events of conversations, for a watcher, in the order in which it was fed.
    Heard(Vec<Heard>),
    /// What a watcher's journal read gave.
    Read {
        /// Whose journal.
        conversation: Address,
        /// The entries.
        entries: Result<Vec<Entry>, StoreError>,
    },
    /// What a watcher's row read gave.
    RowGot {
        /// Whose contribution.
        conversation: Address,
        /// The row.
        row: Result<Option<Bytes>, StoreError>,
    },
    /// A watcher has stored what it made of everything up to `cursor`.
    Watched {
        /// Which watcher.
        watcher: &'static str,
        /// Up to where.
        cursor: u64,
    },
    /// Something fleeting that a person wants to show to the others.
    Murmur {
        /// Who.
        from: PersonId,
        /// Its kind.
        kind: Cow<'static, str>,
        /// What.
        d: serde_json::Value,
    },
    /// Somebody wants to look at the state.
    View(Reply<View>),
    /// Stop as soon as that can be.
    Retire(Retire),
}

/// Why a cell is to stop, and so what it may leave undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retire {
    /// It has been idle: it stops when nothing is undone.
    Idle,
    /// The node holds too many cells: a wake row may stay for its letters.
    Pressure,
    /// Its shard goes to another node, which looks through the wake rows: one may stay for anything.
    Moving,
}

/// What is to be done.
#[derive(Debug)]
pub enum Effect {
    /// Load something; answer with [`Input::Loaded`].
    Load(Load),
    /// Write events; answer with [`Input::Appended`].
    Append(Append),
    /// Write rows; answer with [`Input::RowsPut`].
    PutRows(Ticket, Vec<Row>),
    /// Send a letter.
    Send(Letter),
    /// Tell the sender of a letter that it was taken over.
    Take {
        /// The sender.
        from: Address,
        /// Its letter.
        id: LetterId,
    },
    /// Answer a request.
    Answer(Asker, Answer),
    /// Show an event to a person's sockets.
    Push(Push),
    /// Show something fleeting to people.
    Murmur {
        /// To whom.
        to: Vec<PersonId>,
        /// What.
        murmur: Arc<Murmur>,
    },
    /// Give events to a watcher.
    Feed {
        /// The slot.
        watcher: Address,
        /// The events.
        heard: Heard,
    },
    /// Tell a conversation how far a watcher has stored.
    Watched {
        /// The conversation.
        conversation: Address,
        /// Which watcher.
        watcher: &'static str,
        /// Up to where.
        cursor: u64,
    },
    /// Read a conversation's journal for a watcher.
    Read {
        /// Whose.
        conversation: Address,
        /// After which sequence number.
        after: u64,
    },
    /// Read a contribution row for a watcher.
    GetRow {
        /// Whose.
        conversation: Address,
        /// Where.
        key: RowKey,
    },
    /// Make one attempt of a call to the outside; its outcome comes back as a request.
    Call(Box<Calling>),
    /// Tick at this time; `None` cancels.
    Timer(Option<Time>),
    /// Show somebody the state.
    Show(Reply<View>, View),
    /// Nothing is undone: the cell may end unless something arrives first.
    Stop,
    /// The core cannot go on; it revives from the journal.
    Die(String),
}

/// Which write of rows is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ticket {
    /// The wake row before the first append.
    Wake,
    /// The rows of passivation.
    Rest,
    /// A snapshot in passing; nobody waits for it.
    Snapshot,
    /// A watcher's contributions.
    Flush,
}

/// What to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// One row.
    Row(RowKey),
    /// The own journal after a sequence number, at most [`TAIL_MAX`] events.
    Tail {
        /// After which.
        after: u64,
    },
    /// Rows of a partition after a key, at most [`TAIL_MAX`].
    Scan {
        /// The table.
        table: &'static str,
        /// The partition.
        partition: String,
        /// After which key.
        after: String,
    },
}

/// Events or rows that one load gives at most; fewer mean that the end is reached.
pub const TAIL_MAX: usize = 512;

/// What was loaded.
#[derive(Debug)]
pub enum Loaded {
    /// The row, when there is one.
    Row(Option<Bytes>),
    /// The events.
    Tail(Vec<Entry>),
    /// The rows.
    Scan(Vec<(String, Bytes)>),
}

/// Events of a conversation for a watcher; without events it only says where the log ends.
#[derive(Clone)]
pub struct Heard {
    /// Whose.
    pub conversation: Address,
    /// The watcher was given everything of interest up to here before.
    pub after: u64,
    /// Sequence number of the first event.
    pub first: u64,
    /// The events, as the behaviour's own type.
    pub events: Arc<[Shown]>,
    /// Where the log ends.
    pub head: u64,
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}+{}", self.conversation, self.first, self.events.len())
    }
}

/// A request from the edge.
#[derive(Debug)]
pub struct Request {
    /// The command.
    pub payload: Payload,
    /// Who waits for the answer.
    pub asker: Asker,
}

/// What came of a request.
pub type Answer = Result<Accepted, Refusal>;

/// The request became durable events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The first event; 0 when nothing needed to happen.
    pub first: u64,
    /// The last event.
    pub last: u64,
    /// When.
    pub at: Time,
}

/// A one-time way back to whoever waits; dropping it without an answer says that the outcome is unknown.
pub type Reply<T> = tokio::sync::oneshot::Sender<T>;

/// Who waits for an answer.
#[derive(Debug)]
pub enum Asker {
    /// Nobody.
    Nobody,
    /// A task within the node.
    Task(Reply<Answer>),
    /// A request of a socket: its answer goes through the socket's queue, in order with the events it shows.
    Socket(SocketAsker),
    /// A request that came from another node.
    Far(FarAsker),
}

/// A request of a socket. Dropped unanswered (its cell died) it answers by itself that the outcome is unknown.
#[derive(Debug)]
pub struct SocketAsker {
    socket: Arc<Socket>,
    request: u64,
    source: Address,
    answered: bool,
}

impl SocketAsker {
    /// The request `request` of `socket` to the actor `source`.
    #[must_use]
    pub fn new(socket: Arc<Socket>, request: u64, source: Address) -> Self {
        Self { socket, request, source, answered: false }
    }

    /// The socket that asks.
    #[must_use]
    pub fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// Gives the answer.
    pub fn answer(mut self, answer: Answer) {
        self.answered = true;
        self.socket.answer(self.request, &self.source, answer);
    }
}

impl Drop for SocketAsker {
    fn drop(&mut self) {
        if !self.answered {
            self.socket.answer(self.request, &self.source, Err(unknown_outcome()));
        }
    }
}

impl Asker {
    /// Gives the answer.
    pub fn answer(self, answer: Answer) {
        match self {
            Self::Nobody => {}
            // Whoever waited may have gone.
            Self::Task(reply) => drop(reply.send(answer)),
            Self::Socket(asker) => asker.answer(answer),
            Self::Far(asker) => asker.answer(answer),
        }
    }

    /// The number that a socket gave its request.
    #[must_use]
    pub fn request(&self) -> Option<u64> {
        match self {
            Self::Nobody | Self::Task(_) => None,
            Self::Socket(asker) => Some(asker.request),
            Self::Far(asker) => asker.request(),
        }
    }

    /// The socket that asks, if it is one.
    #[must_use]
    pub fn socket(&self) -> Option<u64> {
        match self {
            Self::Nobody | Self::Task(_) => None,
            Self::Socket(asker) => Some(asker.socket().id()),
            Self::Far(asker) => asker.socket(),
        }
    }
}

/// The refusal that stands for "nobody knows": the actor died before it answered.
#[must_use]
pub fn unknown_outcome() -> Refusal {
    use conversa_engine::refusal::Code;
    Refusal::new(
        Code::Deadline,
        "no outcome in time: it may still have happened; repeat it with the same key",
    )
    .retry_after_ms(200)
}

/// An event on its way to the sockets of a person.
#[derive(Clone)]
pub struct Push {
    /// Whose sockets.
    pub person: PersonId,
    /// The actor whose event it is.
    pub source: Address,
    /// Its sequence number.
    pub seq: u64,
    /// The event; `None` only says that the log has come so far.
    pub event: Option<Shown>,
    /// The socket that caused it and gets an answer instead.
    pub origin: Option<u64>,
    /// That answer and the number of the request, when the socket is at another node: what is shown as an answer must not come without it,
    /// and two frames may be parted by the end of a node.
    pub answer: Option<(u64, Accepted)>,
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <- {}#{}", self.person, self.source, self.seq)
    }
}

/// What outsiders see of a state.
pub enum View {
    /// A behaviour's view.
    Json(serde_json::Value),
    /// A watcher's totals, as its own type.
    Totals(Box<dyn Any + Send>),
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("view")
    }
}
