//! What the desk does with a conversation beside offering it: transfers, a visitor who no longer waits, supervisors who watch, whisper and
//! barge in.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::wrap;
use super::{
    Author, AuthorKind, Closer, Conversation, Event, HandoverEvent, HandoverKind, Held, IdleEvent, Person,
    Phase, QueueReason, Rated, Said, SlaEvent, SnoozeEvent, SurveyEvent, Visibility, Wait, WrapEvent,
};
use crate::content::Content;
use crate::desk::{Op, Part, Relation, may};
use crate::ids::{BotId, OfferId, PersonId, QueueId};
use crate::refusal::{Code, Decision, Refusal};
use crate::time::Time;
use crate::voice::Understanding;

/// Supervisors who watch one conversation at once.
const WATCHING_MAX: usize = 8;
/// Longest summary of a transfer, characters.
pub const SUMMARY_CHARS_MAX: usize = 4_000;
/// Slots that a transfer hands over.
pub const SLOTS_MAX: usize = 64;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// The person.
    pub person: Person,
    /// In which part.
    pub part: Part,
}

/// Where a conversation is transferred to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Another queue, or the same once more.
    Queue(QueueId),
    /// The bot that answered first.
    Bot,
    /// One agent, who is asked first.
    Agent(Person),
}

/// A request of the desk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeskCommand {
    /// Give it away, with what the next one should know.
    Transfer {
        /// Where to.
        to: Target,
        /// What has happened so far, for the company's people.
        summary: String,
        /// What is known: order number, e-mail address, …
        slots: BTreeMap<String, String>,
    },
    /// The visitor does not wait any more: back to the bot, or to an end.
    LeaveQueue,
    /// See everything from now on, or no longer. Nobody in the conversation is told.
    Watch(bool),
    /// Say something that only the company's people see.
    Whisper(Content),
    /// Speak in the conversation beside the agent, or no longer.
    BargeIn(bool),
    /// Ask a second agent in.
    Consult {
        /// Whom.
        to: Person,
        /// What has happened so far.
        summary: String,
        /// What is known.
        slots: BTreeMap<String, String>,
    },
    /// Give it to the consultant.
    Complete,
    /// Take a transfer back, let the consultant go; or go, as the consultant.
    Withdraw,
    /// Let the consultant write to the visitor, or no longer.
    Conference(bool),
    /// Say how it ended, after it has.
    Wrap {
        /// In a word of the queue.
        disposition: String,
        /// In other words.
        tags: Vec<String>,
    },
    /// Let it rest until a time, or until the visitor writes.
    Snooze {
        /// Until when, if not only that.
        until: Option<Time>,
    },
    /// Wake it.
    Unsnooze,
    /// Answer the survey.
    Rate(Rated),
    /// Take it, whoever has it.
    TakeOver,
    /// Give it to an agent, full or not.
    ForceAssign {
        /// To whom.
        to: Person,
        /// What the agent should know.
        summary: String,
    },
}

impl DeskCommand {
    /// The operation that it is.
    #[must_use]
    pub fn op(&self) -> Op {
        match self {
            Self::Transfer { .. } => Op::Transfer,
            Self::LeaveQueue => Op::LeaveQueue,
            Self::Watch(_) => Op::Watch,
            Self::Whisper(_) => Op::Whisper,
            Self::BargeIn(_) => Op::BargeIn,
            Self::Consult { .. } => Op::Consult,
            Self::Complete => Op::Complete,
            Self::Withdraw => Op::Withdraw,
            Self::Conference(_) => Op::Conference,
            Self::Wrap { .. } => Op::Wrap,
            Self::Snooze { .. } | Self::Unsnooze => Op::Snooze,
            Self::Rate(_) => Op::Rate,
            Self::TakeOver => Op::TakeOver,
            Self::ForceAssign { .. } => Op::ForceAssign,
        }
    }
}

/// What the desk has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the commands")]
pub enum DeskEvent {
    /// An agent gave it away; what follows says where it is now.
    Transferred {
        by: Person,
        to: Target,
        summary: String,
        slots: BTreeMap<String, String>,
        /// The place that is free again.
        released: (PersonId, OfferId),
        at: Time,
    },
    /// The bot controls it again.
    BotTook {
        bot: BotId,
        /// What was held and is to be released.
        held: Held,
        at: Time,
    },
    /// A supervisor watches, or no longer.
    Watched { by: Person, on: bool, at: Time },
    /// A supervisor speaks in it, or no longer.
    BargedIn { by: Person, on: bool, at: Time },
    /// Something of handing it to a person.
    Handover(HandoverEvent),
    /// Something of saying how it ended.
    Wrap(WrapEvent),
    /// Something of goals of service.
    Sla(SlaEvent),
    /// Something of silence.
    Idle(IdleEvent),
    /// Something of letting it rest.
    Snooze(SnoozeEvent),
    /// Something of the survey after the end.
    Survey(SurveyEvent),
}

impl DeskEvent {
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Time {
        match self {
            Self::Transferred { at, .. }
            | Self::BotTook { at, .. }
            | Self::Watched { at, .. }
            | Self::BargedIn { at, .. } => *at,
            Self::Handover(event) => event.at(),
            Self::Wrap(event) => event.at(),
            Self::Sla(event) => event.at(),
            Self::Idle(event) => event.at(),
            Self::Snooze(event) => event.at(),
            Self::Survey(event) => event.at(),
        }
    }

    /// True when the visitor may see it.
    #[must_use]
    pub fn public(&self) -> bool {
        match self {
            Self::BotTook { .. }
            | Self::BargedIn { .. }
            | Self::Survey(_)
            | Self::Handover(HandoverEvent::Spoken { .. }) => true,
            Self::Transferred { .. }
            | Self::Watched { .. }
            | Self::Handover(_)
            | Self::Wrap(_)
            | Self::Sla(_)
            | Self::Idle(_)
            | Self::Snooze(_) => false,
        }
    }
}

impl Conversation {
    /// Supervisors who see everything.
    #[must_use]
    pub fn watching(&self) -> &[Person] {
        &self.watching
    }

    /// True for a supervisor who speaks in it.
    #[must_use]
    pub fn barged_in(&self, person: &PersonId) -> bool {
        self.barged_in.iter().any(|known| known.id == *person)
    }

    pub(super) fn desk(&self, now: Time, by: Asker, command: DeskCommand) -> Decision<Event> {
        let Some(opening) = &self.opening else {
            return Err(Refusal::new(Code::NotFound, "there is no such conversation: open one first"));
        };
        let holder = matches!(&self.phase, Phase::Assigned { agent, .. } if agent.id == by.person.id);
        let wraps = self.wrap().is_some_and(|wrap| wrap.agent == by.person.id);
        let own = holder || wraps || opening.visitor.id == by.person.id;
        let asked = self.second().is_some_and(|second| second.id == by.person.id);
        let relation = match (own, asked) {
            (true, _) => Relation::Own,
            (false, true) => Relation::Asked,
            (false, false) => Relation::Other,
        };
        if !may(command.op(), by.part, relation) {
            return Err(match (command.op(), by.part) {
                (
                    Op::Transfer | Op::Consult | Op::Complete | Op::Withdraw | Op::Conference | Op::Snooze,
                    Part::Agent,
                ) => Refusal::new(Code::NotAssigned, "this conversation is not assigned to you"),
                (Op::Wrap, Part::Agent | Part::Supervisor) => wrap::none(),
                (op, _) => Refusal::new(Code::Forbidden, format!("you may not do this here: {op:?}")),
            });
        }
        if matches!(self.phase, Phase::Closed { .. }) && !matches!(command.op(), Op::Wrap | Op::Rate) {
            return Err(Refusal::new(Code::ConversationClosed, "the conversation is closed"));
        }
        match command {
            DeskCommand::Transfer { to, summary, slots } => self.transfer(now, by.person, to, summary, slots),
            DeskCommand::Consult { to, summary, slots } => {
                self.ask_handover(now, by.person, HandoverKind::Consult, to, summary, slots)
            }
            DeskCommand::Wrap { disposition, tags } => self.wrap_up(now, disposition, tags),
            DeskCommand::Snooze { until } => self.snooze(now, by.person.id, until),
            DeskCommand::Unsnooze => self.unsnooze(now),
            DeskCommand::Rate(rated) => self.rate(now, rated),
            DeskCommand::Complete => self.complete(now),
            DeskCommand::Withdraw => self.withdraw(now, &by.person.id),
            DeskCommand::Conference(on) => self.conference(now, on),
            DeskCommand::TakeOver => {
                let (to, nothing) = (by.person.clone(), BTreeMap::new());
                self.ask_handover(now, by.person, HandoverKind::TakeOver, to, String::new(), nothing)
            }
            DeskCommand::ForceAssign { to, summary } => {
                let nothing = BTreeMap::new();
                self.ask_handover(now, by.person, HandoverKind::ForceAssign, to, summary, nothing)
            }
            DeskCommand::LeaveQueue => self.leave_queue(now, by.person.id),
            DeskCommand::Watch(on) => self.watch(now, by.person, on),
            DeskCommand::Whisper(content) => {
                content.check()?;
                let author = Author::person(AuthorKind::Agent, &by.person);
                let (key, visibility) = (None, Visibility::Internal);
                let understanding = Understanding::default();
                Ok(vec![Event::Said(Said {
                    author,
                    key,
                    content,
                    visibility,
                    reply_to: None,
                    at: now,
                    understanding,
                })])
            }
            DeskCommand::BargeIn(on) if on == self.barged_in(&by.person.id) => Err(Refusal::duplicate(None)),
            DeskCommand::BargeIn(true) if self.barged_in.len() >= WATCHING_MAX => Err(too_many()),
            DeskCommand::BargeIn(on) => {
                Ok(vec![Event::Desk(DeskEvent::BargedIn { by: by.person, on, at: now })])
            }
        }
    }

    fn transfer(
        &self,
        now: Time,
        by: Person,
        to: Target,
        summary: String,
        slots: BTreeMap<String, String>,
    ) -> Decision<Event> {
        let Phase::Assigned { agent, offer, .. } = &self.phase else { return Ok(Vec::new()) };
        check_notes(&summary, &slots)?;
        let released = (agent.id.clone(), offer.clone());
        let bot = self.opening.as_ref().and_then(|opening| opening.bot.clone());
        let next = match (&to, bot) {
            // It goes before others: the visitor has waited once already.
            (Target::Queue(queue), _) => Event::Queued {
                wait: Wait::new(queue.clone(), now, 1),
                reason: QueueReason::Transferred,
                at: now,
            },
            (Target::Bot, Some(bot)) => {
                Event::Desk(DeskEvent::BotTook { bot, held: Held::default(), at: now })
            }
            (Target::Agent(agent), _) => {
                let (kind, agent) = (HandoverKind::Transfer, agent.clone());
                return self.ask_handover(now, by, kind, agent, summary, slots);
            }
            (Target::Bot, None) => {
                return Err(Refusal::new(Code::BadRequest, "no bot answers in this conversation"));
            }
        };
        Ok(vec![Event::Desk(DeskEvent::Transferred { by, to, summary, slots, released, at: now }), next])
    }

    fn leave_queue(&self, now: Time, visitor: PersonId) -> Decision<Event> {
        let held = match &self.phase {
            Phase::Queued(wait) => Held { queue: Some(wait.queue.clone()), place: None },
            Phase::Offered(wait, offer) => Held {
                queue: Some(wait.queue.clone()),
                place: Some((offer.agent.id.clone(), offer.id.clone())),
            },
            Phase::Unopened | Phase::Bot | Phase::Assigned { .. } | Phase::Closed { .. } => {
                return Err(Refusal::new(Code::Gone, "the conversation does not wait any more"));
            }
        };
        match self.opening.as_ref().and_then(|opening| opening.bot.clone()) {
            Some(bot) => Ok(vec![Event::Desk(DeskEvent::BotTook { bot, held, at: now })]),
            None => self.close(now, Closer::Visitor, Some(&visitor), "left_queue".to_owned()),
        }
    }

    fn watch(&self, now: Time, by: Person, on: bool) -> Decision<Event> {
        let watches = self.watching.iter().any(|known| known.id == by.id);
        if watches == on {
            return Err(Refusal::duplicate(None));
        }
        if on && self.watching.len() >= WATCHING_MAX {
            return Err(too_many());
        }
        Ok(vec![Event::Desk(DeskEvent::Watched { by, on, at: now })])
    }

    pub(super) fn take_in_desk(&mut self, event: &DeskEvent) {
        match event {
            DeskEvent::Transferred { .. } => {}
            DeskEvent::BotTook { .. } => self.phase = Phase::Bot,
            DeskEvent::Watched { by, on, .. } => set(&mut self.watching, by, *on),
            DeskEvent::BargedIn { by, on, .. } => set(&mut self.barged_in, by, *on),
            DeskEvent::Handover(event) => self.take_in_handover(event),
            DeskEvent::Wrap(event) => self.take_in_wrap(event),
            DeskEvent::Sla(event) => self.take_in_sla(event),
            DeskEvent::Idle(event) => self.take_in_idle(event),
            DeskEvent::Snooze(event) => self.take_in_snooze(event),
            DeskEvent::Survey(event) => self.take_in_survey(event),
        }
    }
}

/// What is handed over beside the conversation has its bounds.
pub(super) fn check_notes(summary: &str, slots: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if summary.chars().count() <= SUMMARY_CHARS_MAX && slots.len() <= SLOTS_MAX {
        return Ok(());
    }
    let detail =
        format!("a summary has at most {SUMMARY_CHARS_MAX} characters, and there are {SLOTS_MAX} slots");
    Err(Refusal::new(Code::BadRequest, detail))
}

fn set(people: &mut Vec<Person>, person: &Person, on: bool) {
    people.retain(|known| known.id != person.id);
    if on {
        people.push(person.clone());
    }
}

fn too_many() -> Refusal {
    Refusal::new(Code::Conflict, format!("{WATCHING_MAX} supervisors are here already"))
}
