//! What a conversation can be asked to do.

use serde::{Deserialize, Serialize};

use super::{
    Asker, Author, Change, Closer, DeskCommand, HandoverCommand, Offer, Opening, QueueReason, Reach, Said,
    Subject, Visibility, seen::ClientKey,
};
use crate::content::Content;
use crate::ids::{OfferId, PersonId, QueueId};

/// A request to a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Begin. Asked by the visitor's session, which has journalled the opening.
    Open(Opening),
    /// Take in a message.
    Say(Say),
    /// Hand over to a human.
    AskHuman {
        /// Who asks: the visitor or the bot.
        by: Author,
        /// Why.
        reason: QueueReason,
    },
    /// Offer it to an agent. Asked by the queue, once the agent has granted a place.
    Offer {
        /// The queue that offers.
        queue: QueueId,
        /// The offer.
        offer: Offer,
    },
    /// Wait elsewhere. Asked by the queue where it waits, once the other one has room.
    Overflow {
        /// Where it waits.
        from: QueueId,
        /// Where there is room.
        to: QueueId,
    },
    /// Take the offer.
    Accept {
        /// Who.
        agent: PersonId,
        /// Which offer.
        offer: OfferId,
    },
    /// Turn the offer down.
    Decline {
        /// Who.
        agent: PersonId,
        /// Which offer.
        offer: OfferId,
    },
    /// The offer's time is over.
    Expire {
        /// Which offer.
        offer: OfferId,
    },
    /// The agent is gone. Told by the agent's actor.
    AgentGone {
        /// Who.
        agent: PersonId,
        /// The offer under which the agent held or was offered this conversation.
        offer: OfferId,
    },
    /// The agent's actor doubts that a place is still needed; the answer confirms or releases it.
    CheckPlace {
        /// Who asks.
        agent: PersonId,
        /// The place's offer.
        offer: OfferId,
    },
    /// Something of the desk beside offers.
    Desk {
        /// Who asks.
        by: Asker,
        /// For what.
        command: DeskCommand,
    },
    /// Something of a handover, told by an agent's actor or the timer.
    Handover(HandoverCommand),
    /// The time of the wrap-up is over.
    WrapOver {
        /// The place's offer.
        offer: OfferId,
    },
    /// The time of a goal has come.
    GoalsDue,
    /// Somebody has been silent for long.
    IdleOver,
    /// The time of a snooze has come.
    SnoozeOver,
    /// End it.
    Close {
        /// Who.
        by: Closer,
        /// The person, when it is one.
        person: Option<PersonId>,
        /// Why, in a word or a sentence.
        reason: String,
    },
    /// A message that came after a close, sent on by the session.
    Carry {
        /// The message.
        said: Said,
        /// Open again for it when closed; else it goes back to the session.
        reopen: bool,
    },
    /// Change a message: edit, recall, react.
    Change {
        /// Who.
        by: Author,
        /// Which message.
        target: Subject,
        /// What is wanted.
        change: Change,
    },
    /// Note how far everything up to an offset has come to somebody.
    Mark {
        /// To whom.
        by: Author,
        /// How far.
        reach: Reach,
        /// Up to which offset.
        upto: u64,
    },
    /// The conversation's channel says how far everything has come to the visitor there.
    Reached {
        /// How far.
        reach: Reach,
        /// Up to which offset.
        upto: u64,
    },
    /// An outside channel could not deliver a message.
    Fail {
        /// Which message.
        seq: u64,
        /// Why, in a sentence.
        why: String,
        /// It is not tried again.
        last: bool,
    },
}

impl Say {
    /// A message that everybody in the conversation may read, without a client's name for it.
    #[must_use]
    pub fn new(author: Author, content: Content) -> Self {
        Self { author, key: None, content, visibility: Visibility::Public, reply_to: None }
    }

    /// The same with the client's name for it.
    #[must_use]
    pub fn keyed(self, key: ClientKey) -> Self {
        Self { key: Some(key), ..self }
    }
}

/// A message to take in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Say {
    /// Who says it.
    pub author: Author,
    /// The client's name for this message; bots and the system have none.
    pub key: Option<ClientKey>,
    /// What.
    pub content: Content,
    /// Who may read it.
    #[serde(default)]
    pub visibility: Visibility,
    /// Offset of the message that it answers.
    #[serde(default)]
    pub reply_to: Option<u64>,
}
