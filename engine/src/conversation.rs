//! One conversation: its phase, its one controller, and what may be said in it by whom.
//!
//! The conversation is the authority on phase and controller. Capacity belongs to the agent, order to the queue.

mod apply;
mod change;
mod command;
mod decide;
mod desk;
mod event;
mod goals;
mod handover;
mod idle;
mod notice;
mod seen;
mod snooze;
mod survey;
#[cfg(test)]
mod tests;
mod wrap;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

pub use change::{CHANGE_MS, Change, Changed, Changes, Mark, Reach, Subject};
pub use command::{Command, Say};
pub use desk::{Asker, DeskCommand, DeskEvent, SLOTS_MAX, SUMMARY_CHARS_MAX, Target};
pub use event::{Closer, Event, Held, OfferEnd, OverflowWhy, QueueReason, Said};
pub use goals::{Clock, Goal, SlaEvent};
pub use handover::{Handover, HandoverAsk, HandoverCommand, HandoverEnd, HandoverEvent, HandoverKind, Stage};
pub use idle::{IdleEvent, Side, Turn};
pub use notice::Notice;
pub use seen::ClientKey;
pub use snooze::{SNOOZE_MS_MAX, Snooze, SnoozeEnd, SnoozeEvent};
pub use survey::{
    ANSWER_MS, Asked, COMMENT_CHARS_MAX, RATE_REASONS_MAX, Rated, SURVEY_MS, Survey, SurveyEvent,
};
pub use wrap::{TAG_CHARS_MAX, TAGS_MAX, WrapEnd, WrapEvent, WrapUp};

use crate::desk::{IdlePolicy, Skills};
use crate::ids::{BotId, OfferId, PersonId, QueueId};
use crate::time::Time;
use seen::Seen;
use survey::Surveyed;

/// How long an offer stands before it goes to somebody else, milliseconds.
pub const OFFER_MS: i64 = 20_000;
/// Message bodies that the state keeps.
pub const RECENT_MAX: usize = 20;

/// Offers that are remembered as void; there is at most one on its way per queue.
const VOID_MAX: usize = 8;

/// A person as others see them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Person {
    /// Who.
    pub id: PersonId,
    /// The name to show.
    pub name: String,
}

/// Who wrote a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Author {
    /// In which part.
    pub kind: AuthorKind,
    /// Id of the visitor, agent or bot; `system` for the system.
    pub id: PersonId,
    /// The name to show.
    pub name: String,
}

impl Author {
    /// A person writing as `kind`.
    #[must_use]
    pub fn person(kind: AuthorKind, person: &Person) -> Self {
        Self { kind, id: person.id.clone(), name: person.name.clone() }
    }

    /// The system itself.
    #[must_use]
    pub fn system() -> Self {
        Self { kind: AuthorKind::System, id: PersonId::new("system"), name: String::new() }
    }
}

/// The part that an author plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum AuthorKind {
    Visitor,
    Agent,
    Bot,
    System,
}

/// Who may read a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Everybody in the conversation.
    #[default]
    Public,
    /// The company's people only.
    Internal,
}

/// How the conversation began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// Whose conversation it is.
    pub visitor: Person,
    /// Through which channel.
    pub channel: String,
    /// The visitor's language as the client said it: `zh`, `en`, …
    pub language: String,
    /// The queue that asks for a human go to.
    pub queue: QueueId,
    /// The bot that answers first, if any.
    pub bot: Option<BotId>,
    /// When.
    pub at: Time,
}

/// Waiting in a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Where.
    pub queue: QueueId,
    /// Since when the visitor waits for a human; kept over offers that fail.
    pub since: Time,
    /// Larger goes first: 0 for all, 1 for conversations that lost their agent.
    pub priority: u8,
    /// What the agent must be able to do, and how well; relaxes as the wait grows.
    #[serde(default, skip_serializing_if = "Skills::is_empty")]
    pub needs: Skills,
    /// Until when it should be answered: within a priority the one with the least time left goes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
    /// Points of an agent's capacity that it takes.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u16,
    /// The agent who is asked first if free: the last one, or the owner of the contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefers: Option<PersonId>,
    /// The queue was closed when the wait began, and opens then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens: Option<Time>,
    /// It is offered to nobody before that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    /// The queues that it left because it waited there too long, or too many did: it does not come back to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<QueueId>,
}

impl Wait {
    /// Before when it is offered to nobody.
    #[must_use]
    pub fn kept_until(&self) -> Option<Time> {
        self.opens.filter(|_| self.kept)
    }

    /// A wait that any agent may end.
    #[must_use]
    pub fn new(queue: QueueId, since: Time, priority: u8) -> Self {
        let (needs, due, prefers) = (Skills::new(), None, None);
        let (opens, kept, passed) = (None, false, Vec::new());
        Self { queue, since, priority, needs, due, weight: 1, prefers, opens, kept, passed }
    }

    /// The same wait, in a queue that helps.
    fn moved(&self, to: QueueId) -> Self {
        let passed = self.passed.iter().chain([&self.queue]).cloned().collect();
        Self { queue: to, opens: None, kept: false, passed, ..self.clone() }
    }
}

fn one() -> u16 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_one(weight: &u16) -> bool {
    *weight == 1
}

/// An offer to one agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The offer.
    pub id: OfferId,
    /// To whom.
    pub agent: Person,
    /// Until when it stands.
    pub expires: Time,
    /// The queue's agents take what they are offered without being asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto: bool,
}

/// Where a conversation stands: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Nobody has opened it yet.
    #[default]
    Unopened,
    /// The bot answers.
    Bot,
    /// It waits for a human.
    Queued(Wait),
    /// It waits for one agent to take it.
    Offered(Wait, Offer),
    /// An agent holds it.
    Assigned {
        /// Through which queue it came.
        queue: QueueId,
        /// The offer under which the agent's place is held.
        offer: OfferId,
        /// Who.
        agent: Person,
    },
    /// It is over; a late message may still reopen it.
    Closed {
        /// Since when.
        at: Time,
    },
}

impl Phase {
    /// The stable word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unopened => "unopened",
            Self::Bot => "bot",
            Self::Queued(_) => "queued",
            Self::Offered(..) => "offered",
            Self::Assigned { .. } => "assigned",
            Self::Closed { .. } => "closed",
        }
    }
}

/// A message as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    /// Its offset.
    pub seq: u64,
    /// When it was accepted.
    pub at: Time,
    /// In which part its author spoke.
    pub author: AuthorKind,
    /// Its plain words.
    pub text: String,
}

/// The state of one conversation: a fold of its events, of bounded size however long it lasts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    phase: Phase,
    opening: Option<Opening>,
    /// Offset of the last event taken in.
    head: u64,
    messages: u64,
    recent: VecDeque<Recent>,
    seen: Seen,
    /// The oldest visitor message that nobody has answered.
    unanswered_since: Option<Time>,
    /// Messages that were passed on and have not come back: later ones follow them, so that their order stays.
    #[serde(default)]
    away: u32,
    /// The agent who lost it last, and by which event.
    #[serde(default)]
    parted: Option<(PersonId, u64)>,
    /// Offers to be rejected when they come.
    #[serde(default)]
    void: VecDeque<OfferId>,
    #[serde(default)]
    changes: Changes,
    /// Supervisors who see everything, and those who speak.
    #[serde(default)]
    watching: Vec<Person>,
    #[serde(default)]
    barged_in: Vec<Person>,
    /// It is about to change hands, or a consultant is in it.
    #[serde(default)]
    handover: Option<Box<Handover>>,
    /// Who was asked or consulted last and is not any more.
    #[serde(default)]
    left: Option<PersonId>,
    /// It has ended, and its agent still says how.
    #[serde(default)]
    wrap: Option<Box<WrapUp>>,
    /// A human has answered the visitor.
    #[serde(default)]
    answered: bool,
    /// Goals that are not reached yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    clocks: Vec<Clock>,
    /// How much silence is borne, and whose turn it is.
    #[serde(default)]
    idle: IdlePolicy,
    #[serde(default)]
    turn: Option<Turn>,
    #[serde(default)]
    snooze: Option<Box<Snooze>>,
    /// What was asked after the end.
    #[serde(default)]
    survey: Option<Box<Surveyed>>,
}

impl Conversation {
    /// Where it stands.
    #[must_use]
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// How it began; `None` until it is opened.
    #[must_use]
    pub fn opening(&self) -> Option<&Opening> {
        self.opening.as_ref()
    }

    /// Offset of the last event.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Messages said so far.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// The last messages, at most [`RECENT_MAX`], oldest first.
    #[must_use]
    pub fn recent(&self) -> &VecDeque<Recent> {
        &self.recent
    }

    /// Since when the visitor waits for an answer of any kind.
    #[must_use]
    pub fn unanswered_since(&self) -> Option<Time> {
        self.unanswered_since
    }

    /// The agent who holds it or to whom it is offered.
    #[must_use]
    pub fn agent(&self) -> Option<&Person> {
        match &self.phase {
            Phase::Offered(_, offer) => Some(&offer.agent),
            Phase::Assigned { agent, .. } => Some(agent),
            Phase::Unopened | Phase::Bot | Phase::Queued(_) | Phase::Closed { .. } => None,
        }
    }

    /// The agent who held it, or was offered it, and lost it last, and the offset of the event by which it was lost.
    #[must_use]
    pub fn parted(&self) -> Option<(&PersonId, u64)> {
        self.parted.as_ref().map(|(agent, seq)| (agent, *seq))
    }

    /// The one who controls it, as `bot:…`, `queue:…` or `agent:…`; `None` when nobody does.
    #[must_use]
    pub fn controller(&self) -> Option<String> {
        match &self.phase {
            Phase::Unopened | Phase::Closed { .. } => None,
            Phase::Bot => {
                self.opening.as_ref().and_then(|opening| opening.bot.as_ref()).map(|bot| format!("bot:{bot}"))
            }
            Phase::Queued(wait) | Phase::Offered(wait, _) => Some(format!("queue:{}", wait.queue)),
            Phase::Assigned { agent, .. } => Some(format!("agent:{}", agent.id)),
        }
    }

    /// The next timer: an offer, a step of a handover, a wrap-up, a snooze or a silence that runs out, or a goal.
    #[must_use]
    pub fn due(&self) -> Option<(Time, Command)> {
        // Asked after every message, and nearly always but one or two of them have none: commands are large to hand on.
        let mut first: Option<(Time, Command)> = None;
        for due in [
            Self::offer_due,
            Self::handover_due,
            Self::wrap_due,
            Self::goals_due,
            Self::idle_due,
            Self::snooze_due,
        ] {
            if let Some(due) = due(self)
                && first.as_ref().is_none_or(|(at, _)| due.0 < *at)
            {
                first = Some(due);
            }
        }
        first
    }

    fn offer_due(&self) -> Option<(Time, Command)> {
        match &self.phase {
            Phase::Offered(_, offer) => Some((offer.expires, Command::Expire { offer: offer.id.clone() })),
            Phase::Unopened
            | Phase::Bot
            | Phase::Queued(_)
            | Phase::Assigned { .. }
            | Phase::Closed { .. } => None,
        }
    }

    fn handover_due(&self) -> Option<(Time, Command)> {
        let (at, command) = self.handover.as_ref()?.due()?;
        Some((at, Command::Handover(command)))
    }

    fn wrap_due(&self) -> Option<(Time, Command)> {
        self.wrap.as_ref().map(|wrap| wrap.due())
    }
}
