//! A history: what was stored, what clients invoked and what they were shown. Plain data, so that tests can corrupt it.

use std::collections::{BTreeMap, BTreeSet};

use conversa_actors::behaviours::{BotEvent, SessionEvent};
use conversa_actors::watcher::Refolded;
use conversa_engine::conversation::{ClientKey, Event};
use conversa_engine::desk::{AgentEvent, QueueEvent};
use conversa_engine::ids::{ConversationId, PersonId, QueueId};
use conversa_engine::refusal::Code;
use conversa_engine::time::Time;

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<E> {
    /// Its sequence number.
    pub seq: u64,
    /// When it was judged.
    pub at: Time,
    /// The event.
    pub event: E,
}

/// The journal of one actor.
pub type Log<E> = Vec<Entry<E>>;

/// Everything that a checker may look at, once all faults have stopped and everything has settled.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// When all of it had ended.
    pub end: Time,
    /// Places of each agent, as the company set them.
    pub capacity: BTreeMap<PersonId, u16>,
    /// Points that a conversation takes.
    pub weight: u16,
    /// The queues that each agent serves.
    pub serves: BTreeMap<PersonId, Vec<QueueId>>,
    /// Agents who have had no socket for longer than any grace.
    pub vanished: BTreeSet<PersonId>,
    /// The journals of conversations.
    pub conversations: BTreeMap<ConversationId, Log<Event>>,
    /// The journals of agents.
    pub agents: BTreeMap<PersonId, Log<AgentEvent>>,
    /// The journals of queues.
    pub queues: BTreeMap<QueueId, Log<QueueEvent>>,
    /// The journals of visitors' sessions.
    pub sessions: BTreeMap<PersonId, Log<SessionEvent>>,
    /// The journals of bots.
    pub bots: BTreeMap<ConversationId, Log<BotEvent>>,
    /// How often each conversation was asked to be rated.
    pub ratings: BTreeMap<ConversationId, usize>,
    /// All messages that clients wrote, in the order in which each device wrote them.
    pub messages: Vec<Message>,
    /// All other requests of clients that were accepted.
    pub asked: Vec<Asked>,
    /// What each socket showed.
    pub streams: Vec<Stream>,
    /// What was left undone.
    pub undone: Vec<String>,
    /// What folding the journals again gave, by watcher.
    pub refolded: Vec<(&'static str, Refolded)>,
    /// Slots of watchers whose totals are not the sum of what they have stored.
    pub wrong_totals: Vec<String>,
    /// Who owned what; nothing when there was one node.
    pub owners: Owners,
}

/// Who wrote which log, where there are several nodes.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    /// All appends that were acknowledged to a cell, in the order of the acknowledgements.
    pub commits: Vec<Commit>,
    /// Digests of what stands in each log at the end, by place.
    pub kept: BTreeMap<String, BTreeMap<u64, u64>>,
    /// The letters that have caused events, in the order of these, by log of the receiver.
    pub marks: BTreeMap<String, Vec<Mark>>,
    /// What was seen to be wrong while it happened, and at the end.
    pub wrong: Vec<String>,
}

/// An acknowledged append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// To which log.
    pub log: String,
    /// By which life of which node.
    pub by: String,
    /// Under which epoch.
    pub epoch: u64,
    /// From which place on.
    pub first: u64,
    /// Digests of the events.
    pub digests: Vec<u64>,
}

/// A letter that has caused events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whose.
    pub from: String,
    /// Which of the sender's.
    pub letter: (u64, u32),
    /// The first event that it has caused.
    pub seq: u64,
}

/// A message that a client wrote; its text is unlike every other's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who wrote it.
    pub sender: PersonId,
    /// On which device.
    pub device: String,
    /// To which conversation.
    pub conversation: ConversationId,
    /// Under which key it went last.
    pub key: ClientKey,
    /// Its text.
    pub text: String,
    /// What became of it as far as its writer knows.
    pub outcome: Outcome,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The writer has no definite answer yet.
    Pending,
    /// It was accepted, at this offset unless that was forgotten.
    Accepted(Option<u64>),
    /// Its writer has gone without an answer.
    Unknown,
    /// It was refused for good.
    Refused(Code),
}

/// A request beside messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who asked.
    pub person: PersonId,
    /// Which conversation.
    pub conversation: ConversationId,
    /// For what.
    pub what: What,
    /// At which offset it was accepted.
    pub seq: u64,
}

/// What a client may ask for beside messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A human.
    Human,
    /// The end.
    Close,
    /// The offered conversation.
    Accept,
    /// Not the offered conversation.
    Decline,
    /// That somebody else goes on with it.
    Transfer,
    /// No longer to wait.
    LeaveQueue,
    /// That one other person has it or comes in.
    HandOver,
    /// That the consultant has it.
    Complete,
    /// That nobody is asked or consulted any more.
    Withdraw,
    /// That the consultant may speak.
    Conference,
    /// To say how it ended.
    Wrap,
    /// A conversation is to rest.
    Snooze,
    /// Or not any longer.
    Unsnooze,
    /// The survey is answered.
    Rate,
}

/// What one socket showed, from its attachment to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Whose socket.
    pub person: PersonId,
    /// True for an agent's.
    pub agent: bool,
    /// When it was attached.
    pub since: Time,
    /// Where the client stood in the conversations that it followed from the start.
    pub positions: BTreeMap<ConversationId, u64>,
    /// What was shown, in order.
    pub shown: Vec<Shown>,
    /// It was open when everything had settled.
    pub live: bool,
}

/// Something that a socket showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// An event.
    Event(ConversationId, u64, Box<Event>),
    /// The acceptance of the client's own message, instead of the event.
    Own(ConversationId, u64),
}
