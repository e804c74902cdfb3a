//! What has happened in a conversation. Events last for years: new fields are optional, names never change.

use serde::{Deserialize, Serialize};

use super::{Author, DeskEvent, Offer, Opening, Person, Reach, Visibility, Wait, seen::ClientKey};
use crate::content::Content;
use crate::ids::{BotId, OfferId, PersonId, QueueId};
use crate::time::Time;
use crate::voice::Understanding;

/// Something that has happened; its place in the log is its offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// It began.
    Opened(Opening),
    /// A message was accepted.
    Said(Said),
    /// It waits for a human.
    Queued {
        /// Where, since when, how urgent.
        wait: Wait,
        /// Why.
        reason: QueueReason,
        /// When.
        at: Time,
    },
    /// It was offered to an agent.
    Offered {
        /// The queue that offers.
        queue: QueueId,
        /// The offer.
        offer: Offer,
        /// When.
        at: Time,
    },
    /// An offer came to nothing; the conversation waits again.
    OfferEnded {
        /// The queue in which it waits.
        queue: QueueId,
        /// The offer.
        offer: OfferId,
        /// To whom it was made.
        agent: PersonId,
        /// Why.
        why: OfferEnd,
        /// When.
        at: Time,
    },
    /// An offer came that cannot be made; its place is to be released.
    OfferRejected {
        /// The queue that offered.
        queue: QueueId,
        /// The offer.
        offer: OfferId,
        /// Whose place is to be released.
        agent: PersonId,
        /// When.
        at: Time,
    },
    /// The agent of an offer that has not come yet is gone: when it comes it is rejected.
    OfferVoided {
        /// Who.
        agent: PersonId,
        /// Which offer.
        offer: OfferId,
        /// When.
        at: Time,
    },
    /// An agent took it.
    Assigned {
        /// Who.
        agent: Person,
        /// Under which offer.
        offer: OfferId,
        /// Through which queue.
        queue: QueueId,
        /// When.
        at: Time,
    },
    /// An agent's doubt about a place was answered.
    PlaceChecked {
        /// Who asked.
        agent: PersonId,
        /// The place's offer.
        offer: OfferId,
        /// True when the place is needed.
        held: bool,
        /// When.
        at: Time,
    },
    /// It ended.
    Closed {
        /// Who ended it.
        by: Closer,
        /// Why.
        reason: String,
        /// What was held then and is to be released.
        held: Held,
        /// When.
        at: Time,
    },
    /// A message came after the close and was passed to the visitor's session, which opens again or opens the next.
    Forwarded(Said),
    /// Something of the desk beside offers.
    Desk(DeskEvent),
    /// It was opened again.
    Reopened {
        /// The bot that answers first, if any.
        bot: Option<BotId>,
        /// When.
        at: Time,
    },
    /// A message has other words now.
    Edited {
        /// The message's offset.
        seq: u64,
        /// Its content from now on.
        content: Content,
        /// Its author.
        by: Author,
        /// Who may read it: as the message itself.
        #[serde(default)]
        visibility: Visibility,
        /// When.
        at: Time,
    },
    /// A message is gone from sight.
    Recalled {
        /// The message's offset.
        seq: u64,
        /// Its author.
        by: Author,
        /// Who could read it.
        #[serde(default)]
        visibility: Visibility,
        /// When.
        at: Time,
    },
    /// Somebody put a reaction on a message, or took it off.
    Reacted {
        /// The message's offset.
        seq: u64,
        /// Who.
        by: Author,
        /// The emoji.
        emoji: String,
        /// False: taken off.
        on: bool,
        /// Who may see it: as the message itself.
        #[serde(default)]
        visibility: Visibility,
        /// When.
        at: Time,
    },
    /// Everything up to an offset has come so far to somebody.
    Marked {
        /// To whom.
        by: Author,
        /// How far.
        reach: Reach,
        /// Offset of the last message.
        upto: u64,
        /// When.
        at: Time,
    },
    /// An outside channel could not deliver a message.
    Failed {
        /// The message's offset.
        seq: u64,
        /// Why.
        why: String,
        /// It is not tried again.
        last: bool,
        /// When.
        at: Time,
    },
}

/// A message that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Who said it.
    pub author: Author,
    /// The client's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ClientKey>,
    /// What.
    pub content: Content,
    /// Who may read it.
    #[serde(default)]
    pub visibility: Visibility,
    /// Offset of the message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<u64>,
    /// When.
    pub at: Time,
    /// What was read in its words.
    #[serde(skip)]
    pub understanding: Understanding,
}

/// Why a conversation waits for a human.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueReason {
    /// The visitor asked for one.
    Asked,
    /// The bot has no answer.
    NoAnswer,
    /// There is no bot.
    NoBot,
    /// The agent who held it is gone.
    AgentGone,
    /// The agent who held it gave it away.
    Transferred,
    /// The agent who held it said nothing for too long.
    AgentIdle,
    /// It waited too long in another queue, or too many did.
    Overflow,
}

impl QueueReason {
    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::NoAnswer => "no_answer",
            Self::NoBot => "no_bot",
            Self::AgentGone => "agent_gone",
            Self::Transferred => "transferred",
            Self::AgentIdle => "agent_idle",
            Self::Overflow => "overflow",
        }
    }
}

/// Why a conversation goes to a queue that helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverflowWhy {
    /// It has waited too long.
    Wait,
    /// Too many waited when it came.
    Length,
}

/// Why an offer came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferEnd {
    /// The agent turned it down.
    Declined,
    /// Nobody answered in time.
    TimedOut,
    /// The agent is gone.
    AgentGone,
    /// A supervisor has given the conversation to somebody else.
    Withdrawn,
}

impl OfferEnd {
    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::TimedOut => "timed_out",
            Self::AgentGone => "agent_gone",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Who ended a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Closer {
    Visitor,
    Agent,
    System,
}

impl Closer {
    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Agent => "agent",
            Self::System => "system",
        }
    }
}

/// What a conversation held when it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The queue in which it waited or was offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueId>,
    /// The agent and the offer of the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<(PersonId, OfferId)>,
}

impl Event {
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Time {
        match self {
            Self::Opened(opening) => opening.at,
            Self::Said(said) | Self::Forwarded(said) => said.at,
            Self::Desk(event) => event.at(),
            Self::Queued { at, .. }
            | Self::Offered { at, .. }
            | Self::OfferEnded { at, .. }
            | Self::OfferRejected { at, .. }
            | Self::OfferVoided { at, .. }
            | Self::Assigned { at, .. }
            | Self::PlaceChecked { at, .. }
            | Self::Closed { at, .. }
            | Self::Reopened { at, .. }
            | Self::Edited { at, .. }
            | Self::Recalled { at, .. }
            | Self::Reacted { at, .. }
            | Self::Marked { at, .. }
            | Self::Failed { at, .. } => *at,
        }
    }

    /// True when the visitor may see it: internal notes and the desk's book-keeping are for the company's people.
    #[must_use]
    pub fn public(&self) -> bool {
        match self {
            Self::Said(said) => said.visibility == Visibility::Public,
            Self::Edited { visibility, .. }
            | Self::Recalled { visibility, .. }
            | Self::Reacted { visibility, .. } => *visibility == Visibility::Public,
            Self::Desk(event) => event.public(),
            Self::OfferRejected { .. }
            | Self::OfferVoided { .. }
            | Self::PlaceChecked { .. }
            | Self::Failed { .. }
            | Self::Forwarded(_) => false,
            Self::Opened(_)
            | Self::Queued { .. }
            | Self::Offered { .. }
            | Self::OfferEnded { .. }
            | Self::Assigned { .. }
            | Self::Closed { .. }
            | Self::Marked { .. }
            | Self::Reopened { .. } => true,
        }
    }
}
