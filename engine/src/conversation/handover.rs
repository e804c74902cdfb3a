//! Handing a conversation to a person: to one agent, to a consultant, and what supervisors force.
//!
//! A place is asked for first, then the other agent is asked; until that one has it, the one who had it keeps it, so that it is never
//! without a controller. There is one handover at a time, and whatever takes the conversation away from where it stands ends it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::desk::check_notes;
use super::{Conversation, DeskEvent, Event, OFFER_MS, OfferEnd, Person, Phase};
use crate::ids::{OfferId, PersonId};
use crate::refusal::{Code, Decision, Refusal};
use crate::time::Time;

/// How long the other agent's actor may take to answer, milliseconds.
const PLACE_MS: i64 = 10_000;
/// Offers of handovers begin so: they are no queue's.
const NAMED: &str = "dx_";

/// What kind of handover it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandoverKind {
    /// The holder gives it to one agent, who may refuse.
    Transfer,
    /// The holder asks a second agent in, who may refuse; it may become a transfer.
    Consult,
    /// A supervisor gives it to one agent, who is not asked and may be full.
    ForceAssign,
    /// A supervisor takes it.
    TakeOver,
}

impl HandoverKind {
    /// Nobody is asked.
    #[must_use]
    pub fn forced(self) -> bool {
        matches!(self, Self::ForceAssign | Self::TakeOver)
    }

    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Consult => "consult",
            Self::ForceAssign => "force_assign",
            Self::TakeOver => "take_over",
        }
    }
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandoverAsk {
    /// Of what kind it is.
    pub kind: HandoverKind,
    /// Who wants it.
    pub by: Person,
    /// To whom.
    pub to: Person,
    /// The offer under which that one's place is held.
    pub offer: OfferId,
    /// Points of the place.
    pub weight: u16,
    /// What has happened so far, for the company's people.
    pub summary: String,
    /// What is known.
    pub slots: BTreeMap<String, String>,
    /// Until when the step in hand may take.
    pub expires: Time,
}

/// How far a handover has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// A place is asked for.
    Asked,
    /// The place is there, and the agent is asked.
    Offered,
    /// The consultant is in.
    Joined {
        /// It may write to the visitor.
        speaks: bool,
    },
}

/// A handover under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// What was asked for.
    pub ask: HandoverAsk,
    /// How far it has come.
    pub stage: Stage,
}

/// What agents' actors and the timer say of a handover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub enum HandoverCommand {
    /// The agent has granted a place.
    Granted { agent: PersonId, offer: OfferId },
    /// The agent has no place.
    Denied { agent: PersonId, offer: OfferId },
    /// The time of the step in hand is over.
    Expire { offer: OfferId },
}

/// What has happened to a handover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of what was asked for")]
pub enum HandoverEvent {
    /// It was asked for.
    Asked { ask: HandoverAsk, at: Time },
    /// The other agent has a place and is asked.
    Offered { kind: HandoverKind, offer: OfferId, to: Person, expires: Time, at: Time },
    /// The consultant is in.
    Joined { offer: OfferId, to: Person, at: Time },
    /// The consultant may write to the visitor, or no longer.
    Spoken { to: Person, on: bool, at: Time },
    /// It came to nothing, or the consultant is not needed any more; whoever held the conversation still does.
    Ended { kind: HandoverKind, offer: OfferId, to: Person, why: HandoverEnd, at: Time },
    /// It is done: the assignment follows.
    Taken {
        kind: HandoverKind,
        by: Person,
        to: Person,
        offer: OfferId,
        summary: String,
        slots: BTreeMap<String, String>,
        /// The place that is free again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        released: Option<(PersonId, OfferId)>,
        at: Time,
    },
}

/// Why a handover ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandoverEnd {
    /// The other agent is full, away or not there.
    Denied,
    /// The other agent's actor did not answer.
    Unanswered,
    /// The other agent turned it down.
    Declined,
    /// The other agent did not answer.
    TimedOut,
    /// The other agent is gone.
    AgentGone,
    /// It was taken back.
    Withdrawn,
    /// The consultant has left.
    Left,
    /// The conversation ended or went elsewhere.
    Overtaken,
}

impl HandoverEnd {
    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Unanswered => "unanswered",
            Self::Declined => "declined",
            Self::TimedOut => "timed_out",
            Self::AgentGone => "agent_gone",
            Self::Withdrawn => "withdrawn",
            Self::Left => "left",
            Self::Overtaken => "overtaken",
        }
    }
}

impl HandoverEvent {
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Time {
        match self {
            Self::Asked { at, .. }
            | Self::Offered { at, .. }
            | Self::Joined { at, .. }
            | Self::Spoken { at, .. }
            | Self::Ended { at, .. }
            | Self::Taken { at, .. } => *at,
        }
    }
}

impl Handover {
    pub(super) fn is(&self, agent: &PersonId, offer: &OfferId) -> bool {
        self.ask.offer == *offer && self.ask.to.id == *agent
    }

    pub(super) fn due(&self) -> Option<(Time, HandoverCommand)> {
        match self.stage {
            Stage::Asked | Stage::Offered => {
                Some((self.ask.expires, HandoverCommand::Expire { offer: self.ask.offer.clone() }))
            }
            Stage::Joined { .. } => None,
        }
    }

    fn ended(&self, now: Time, why: HandoverEnd) -> Event {
        let HandoverAsk { kind, offer, to, .. } = self.ask.clone();
        event(HandoverEvent::Ended { kind, offer, to, why, at: now })
    }
}

/// True for an offer that no queue has made.
pub(super) fn of_handover(offer: &OfferId) -> bool {
    offer.as_str().starts_with(NAMED)
}

fn event(event: HandoverEvent) -> Event {
    Event::Desk(DeskEvent::Handover(event))
}

impl Conversation {
    /// The handover under way.
    #[must_use]
    pub fn handover(&self) -> Option<&Handover> {
        self.handover.as_deref()
    }

    /// The agent who is asked to take it over, or in it as a consultant: sees it as the holder does.
    #[must_use]
    pub fn second(&self) -> Option<&Person> {
        self.handover.as_ref().filter(|handover| handover.stage != Stage::Asked).map(|one| &one.ask.to)
    }

    /// Who was asked or consulted last and is not any more.
    #[must_use]
    pub fn left(&self) -> Option<&PersonId> {
        self.left.as_ref()
    }

    /// True when the agent has accepted the offer and it stands: holds the conversation, is in it as a consultant, or wraps it up.
    #[must_use]
    pub fn accepted(&self, agent: &PersonId, offer: &OfferId) -> bool {
        let consultant = self.handover.as_ref().is_some_and(|handover| {
            handover.is(agent, offer) && matches!(handover.stage, Stage::Joined { .. })
        });
        consultant
            || self.wrap().is_some_and(|wrap| wrap.is(agent, offer))
            || matches!(&self.phase, Phase::Assigned { agent: holder, offer: held, .. }
                if holder.id == *agent && held == offer)
    }

    /// True when `person` is in it as a consultant; `speaking` asks also whether it may write to the visitor.
    #[must_use]
    pub fn consulted(&self, person: &PersonId, speaking: bool) -> bool {
        self.handover.as_ref().is_some_and(|handover| match handover.stage {
            Stage::Joined { speaks } => handover.ask.to.id == *person && (speaks || !speaking),
            Stage::Asked | Stage::Offered => false,
        })
    }

    pub(super) fn ask_handover(
        &self,
        now: Time,
        by: Person,
        kind: HandoverKind,
        to: Person,
        summary: String,
        slots: BTreeMap<String, String>,
    ) -> Decision<Event> {
        check_notes(&summary, &slots)?;
        if let Some(there) = self.agent().filter(|agent| agent.id == to.id) {
            let detail =
                format!("{} ({}) has this conversation, or its offer, already", there.name, there.id);
            return Err(Refusal::new(Code::Conflict, detail));
        }
        let mut events = Vec::new();
        if let Some(pending) = &self.handover {
            let ask = &pending.ask;
            if (ask.kind, &ask.by.id, &ask.to.id) == (kind, &by.id, &to.id) {
                return Err(Refusal::duplicate(None));
            }
            if !kind.forced() || ask.kind.forced() {
                let detail = format!("{} ({}) is asked already: withdraw that first", ask.to.name, ask.to.id);
                return Err(Refusal::new(Code::Conflict, detail));
            }
            events.push(pending.ended(now, HandoverEnd::Overtaken));
        }
        let (offer, expires) = (self.name_offer(), now.after_ms(PLACE_MS));
        let ask = HandoverAsk { kind, by, to, offer, weight: 1, summary, slots, expires };
        events.push(event(HandoverEvent::Asked { ask, at: now }));
        Ok(events)
    }

    /// Unlike every other offer's name: the visitor and the beginning name the conversation, the offset the handover.
    fn name_offer(&self) -> OfferId {
        let whose = self.opening.as_ref().map(|opening| (&opening.visitor.id, &opening.channel, opening.at));
        OfferId::new(format!("{NAMED}{:x}_{}", xxh3_64(format!("{whose:?}").as_bytes()), self.head + 1))
    }

    /// What an agent's actor or the timer says; of a handover that is over it changes nothing: its place was released when it ended.
    pub(super) fn hand_over(&self, now: Time, command: HandoverCommand) -> Vec<Event> {
        let Some(handover) = &self.handover else { return Vec::new() };
        match (command, handover.stage) {
            (HandoverCommand::Granted { agent, offer }, Stage::Asked) if handover.is(&agent, &offer) => {
                if handover.ask.kind.forced() {
                    return self.take(now, handover);
                }
                let HandoverAsk { kind, offer, to, .. } = handover.ask.clone();
                let expires = now.after_ms(OFFER_MS);
                vec![event(HandoverEvent::Offered { kind, offer, to, expires, at: now })]
            }
            (HandoverCommand::Denied { agent, offer }, Stage::Asked) if handover.is(&agent, &offer) => {
                vec![handover.ended(now, HandoverEnd::Denied)]
            }
            (HandoverCommand::Expire { offer }, Stage::Asked) if handover.ask.offer == offer => {
                vec![handover.ended(now, HandoverEnd::Unanswered)]
            }
            (HandoverCommand::Expire { offer }, Stage::Offered) if handover.ask.offer == offer => {
                vec![handover.ended(now, HandoverEnd::TimedOut)]
            }
            (
                HandoverCommand::Granted { .. }
                | HandoverCommand::Denied { .. }
                | HandoverCommand::Expire { .. },
                Stage::Asked | Stage::Offered | Stage::Joined { .. },
            ) => Vec::new(),
        }
    }

    /// The conversation changes hands, in one step.
    fn take(&self, now: Time, handover: &Handover) -> Vec<Event> {
        let HandoverAsk { kind, by, to, offer, summary, slots, .. } = handover.ask.clone();
        let taken = |released| {
            let (by, to, offer) = (by.clone(), to.clone(), offer.clone());
            event(HandoverEvent::Taken { kind, by, to, offer, summary, slots, released, at: now })
        };
        let mut events = Vec::new();
        let queue = match &self.phase {
            Phase::Assigned { agent, offer, queue } => {
                events.push(taken(Some((agent.id.clone(), offer.clone()))));
                queue.clone()
            }
            Phase::Offered(wait, standing) => {
                let (queue, offer) = (wait.queue.clone(), standing.id.clone());
                let (agent, why) = (standing.agent.id.clone(), OfferEnd::Withdrawn);
                events.push(Event::OfferEnded { queue, offer, agent, why, at: now });
                events.push(taken(None));
                wait.queue.clone()
            }
            Phase::Queued(wait) => {
                events.push(taken(None));
                wait.queue.clone()
            }
            Phase::Unopened | Phase::Bot | Phase::Closed { .. } => {
                let Some(opening) = &self.opening else { return Vec::new() };
                events.push(taken(None));
                opening.queue.clone()
            }
        };
        events.push(Event::Assigned { agent: to, offer, queue, at: now });
        events
    }

    /// The answer of the agent who is asked; `None` when the offer is not that of the handover under way.
    pub(super) fn answer_handover(
        &self,
        now: Time,
        agent: &PersonId,
        offer: &OfferId,
        accept: bool,
    ) -> Option<Decision<Event>> {
        let handover = self.handover.as_ref().filter(|handover| handover.is(agent, offer))?;
        let to = handover.ask.to.clone();
        Some(match (handover.stage, accept) {
            (Stage::Offered, true) if now >= handover.ask.expires => {
                Err(Refusal::new(Code::Gone, "the offer ran out: it stays with the agent who has it"))
            }
            (Stage::Offered, true) if handover.ask.kind == HandoverKind::Consult => {
                Ok(vec![event(HandoverEvent::Joined { offer: offer.clone(), to, at: now })])
            }
            (Stage::Offered, true) => Ok(self.take(now, handover)),
            (Stage::Joined { .. }, true) => Err(Refusal::duplicate(None)),
            (Stage::Joined { .. }, false) => Ok(vec![handover.ended(now, HandoverEnd::Left)]),
            (Stage::Asked | Stage::Offered, false) => Ok(vec![handover.ended(now, HandoverEnd::Declined)]),
            (Stage::Asked, true) => Err(Refusal::new(Code::Gone, "the offer does not stand yet")),
        })
    }

    /// The other agent is gone; or the holder is, and the consultant goes on. `None` when neither is.
    pub(super) fn gone_in_handover(
        &self,
        now: Time,
        agent: &PersonId,
        offer: &OfferId,
    ) -> Option<Vec<Event>> {
        let handover = self.handover.as_ref()?;
        if handover.is(agent, offer) {
            return Some(vec![handover.ended(now, HandoverEnd::AgentGone)]);
        }
        let holder = self.accepted(agent, offer);
        (holder && matches!(handover.stage, Stage::Joined { .. })).then(|| self.take(now, handover))
    }

    /// The holder gives the conversation to the consultant.
    pub(super) fn complete(&self, now: Time) -> Decision<Event> {
        match self.handover.as_ref().map(|handover| (handover, handover.stage)) {
            Some((handover, Stage::Joined { .. })) => Ok(self.take(now, handover)),
            Some((_, Stage::Asked | Stage::Offered)) | None => Err(nobody()),
        }
    }

    /// It is taken back, or the one who is asked or consulted wants no more of it.
    pub(super) fn withdraw(&self, now: Time, by: &PersonId) -> Decision<Event> {
        let Some(handover) = self.handover.as_ref().filter(|handover| !handover.ask.kind.forced()) else {
            return Err(nobody());
        };
        let why = match (handover.ask.to.id == *by, handover.stage) {
            (true, Stage::Joined { .. }) => HandoverEnd::Left,
            (true, Stage::Asked | Stage::Offered) => HandoverEnd::Declined,
            (false, _) => HandoverEnd::Withdrawn,
        };
        Ok(vec![handover.ended(now, why)])
    }

    /// The consultant may write to the visitor, or no longer.
    pub(super) fn conference(&self, now: Time, on: bool) -> Decision<Event> {
        match self.handover.as_ref().map(|handover| (&handover.ask.to, handover.stage)) {
            Some((_, Stage::Joined { speaks })) if speaks == on => Err(Refusal::duplicate(None)),
            Some((to, Stage::Joined { .. })) => {
                Ok(vec![event(HandoverEvent::Spoken { to: to.clone(), on, at: now })])
            }
            Some((_, Stage::Asked | Stage::Offered)) | None => Err(nobody()),
        }
    }

    /// A conversation that ends, or is not with the one who wanted to hand it over any more, is not handed over.
    pub(super) fn end_handover(&self, now: Time, events: Vec<Event>) -> Vec<Event> {
        let Some(handover) = &self.handover else { return events };
        let elsewhere =
            |event: &Event| matches!(event, Event::Queued { .. } | Event::Desk(DeskEvent::BotTook { .. }));
        // What a supervisor forces is forced wherever the conversation is.
        let over = |event: &Event| {
            matches!(event, Event::Closed { .. }) || (elsewhere(event) && !handover.ask.kind.forced())
        };
        let ended = events.iter().any(over).then(|| handover.ended(now, HandoverEnd::Overtaken));
        ended.into_iter().chain(events).collect()
    }

    pub(super) fn take_in_handover(&mut self, event: &HandoverEvent) {
        match event {
            HandoverEvent::Asked { ask, .. } => {
                self.handover = Some(Box::new(Handover { ask: ask.clone(), stage: Stage::Asked }));
            }
            HandoverEvent::Offered { expires, .. } => {
                if let Some(handover) = &mut self.handover {
                    (handover.stage, handover.ask.expires) = (Stage::Offered, *expires);
                }
            }
            HandoverEvent::Joined { .. } => self.set_stage(Stage::Joined { speaks: false }),
            HandoverEvent::Spoken { on, .. } => self.set_stage(Stage::Joined { speaks: *on }),
            HandoverEvent::Ended { to, .. } | HandoverEvent::Taken { to, .. } => {
                (self.handover, self.left) = (None, Some(to.id.clone()));
            }
        }
    }

    fn set_stage(&mut self, stage: Stage) {
        if let Some(handover) = &mut self.handover {
            handover.stage = stage;
        }
    }
}

fn nobody() -> Refusal {
    Refusal::new(Code::Gone, "nobody is asked or consulted now")
}
