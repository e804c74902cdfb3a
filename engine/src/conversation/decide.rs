//! Judging a command against the state: which events happen, or why none does. Changes nothing.

use super::handover::of_handover;
use super::seen::ClientKey;
use super::{
    Author, AuthorKind, Closer, Command, Conversation, Event, Held, Offer, OfferEnd, Opening, Phase,
    QueueReason, Said, Say, Visibility, Wait,
};
use crate::content::Content;
use crate::ids::{OfferId, PersonId, QueueId};
use crate::refusal::{Code, Decision, Refusal};
use crate::time::Time;
use crate::voice::Understanding;

impl Conversation {
    /// Judges `command` at `now`.
    ///
    /// # Errors
    /// A [`Refusal`] when it cannot be; nothing has changed then.
    pub fn decide(&self, now: Time, command: Command) -> Decision<Event> {
        let events = self.end_handover(now, self.judge(now, command)?);
        Ok(self.end_snooze(now, self.end_wrap(now, events)))
    }

    fn judge(&self, now: Time, command: Command) -> Decision<Event> {
        match command {
            Command::Open(opening) => self.open(now, opening),
            Command::Say(say) => self.say(now, say),
            Command::AskHuman { by, reason } => self.ask_human(now, &by, reason),
            Command::Offer { queue, offer } => Ok(self.offer(now, queue, offer)),
            Command::Overflow { from, to } => Ok(self.overflow(now, &from, to)),
            Command::Accept { agent, offer } => self.accept(now, &agent, &offer),
            Command::Decline { agent, offer } => self
                .answer_handover(now, &agent, &offer, false)
                .unwrap_or_else(|| self.end_offer(now, &offer, Some(&agent), OfferEnd::Declined)),
            Command::Expire { offer } => {
                Ok(self.end_offer(now, &offer, None, OfferEnd::TimedOut).unwrap_or_default())
            }
            Command::AgentGone { agent, offer } => Ok(self.agent_gone(now, &agent, &offer)),
            Command::CheckPlace { agent, offer } => {
                let held = self.holds(&agent, &offer);
                Ok(vec![Event::PlaceChecked { agent, offer, held, at: now }])
            }
            Command::Desk { by, command } => self.desk(now, by, command),
            Command::Handover(command) => Ok(self.hand_over(now, command)),
            Command::WrapOver { offer } => Ok(self.wrap_over(now, &offer)),
            Command::GoalsDue => Ok(self.ring_goals(now)),
            Command::IdleOver => Ok(self.idle_over(now)),
            Command::SnoozeOver => Ok(self.snooze_over(now)),
            Command::Close { by, person, reason } => self.close(now, by, person.as_ref(), reason),
            Command::Carry { said, reopen } => Ok(self.carry(now, said, reopen)),
            Command::Change { by, target, change } => self.change(now, by, &target, change),
            Command::Mark { by, reach, upto } => Ok(self.mark(now, by, reach, upto)),
            Command::Reached { reach, upto } => Ok(self.reached(now, reach, upto)),
            Command::Fail { seq, why, last } => Ok(self.fail(now, seq, why, last)),
        }
    }

    fn open(&self, now: Time, opening: Opening) -> Decision<Event> {
        if self.opening.is_some() {
            return Err(Refusal::duplicate(Some(1)));
        }
        let queue = opening.queue.clone();
        let bot = opening.bot.is_some();
        let mut events = vec![Event::Opened(opening)];
        if !bot {
            events.push(queued(now, Wait::new(queue, now, 0), QueueReason::NoBot));
        }
        Ok(events)
    }

    fn say(&self, now: Time, say: Say) -> Decision<Event> {
        let opening = self.opened()?;
        // A repeat is answered as one whatever has changed since: told "not assigned", an honest client would say it again.
        let key = say.key.as_ref().map_or(Ok(()), |key| self.seen.judge(&say.author, key, &say.content));
        match key {
            Err(refusal) if refusal.code == Code::Duplicate => return Err(refusal),
            known => self.may_say(opening, &say).and(known)?,
        }
        say.content.check()?;
        if say.reply_to.is_some_and(|seq| seq == 0 || seq > self.head) {
            return Err(Refusal::new(Code::BadRequest, "reply_to is a message of this conversation"));
        }
        let rating = match (say.author.kind, &self.phase) {
            (AuthorKind::Visitor, Phase::Closed { .. }) => self.rating_in(now, &say.content),
            (_, _) => None,
        };
        // Stars are the answer to "how did we do": they belong to the closed conversation and open nothing.
        let late = match self.phase {
            Phase::Closed { .. } => !rates(&say.content) && !self.answers(&say.content),
            // It follows those that were passed on, lest it overtake them.
            Phase::Unopened | Phase::Bot | Phase::Queued(_) | Phase::Offered(..) | Phase::Assigned { .. } => {
                self.away > 0
            }
        };
        let said = Said {
            author: say.author,
            key: say.key,
            content: say.content,
            visibility: say.visibility,
            reply_to: say.reply_to,
            at: now,
            understanding: Understanding::default(),
        };
        let said = match (late, said.author.kind) {
            (true, AuthorKind::Visitor) => Event::Forwarded(said),
            (true, AuthorKind::Agent | AuthorKind::Bot | AuthorKind::System) | (false, _) => {
                Event::Said(said)
            }
        };
        Ok([said].into_iter().chain(rating).collect())
    }

    fn ask_human(&self, now: Time, by: &Author, reason: QueueReason) -> Decision<Event> {
        let opening = self.opened()?;
        if by.kind == AuthorKind::Visitor && by.id != opening.visitor.id {
            return Err(not_a_participant());
        }
        match &self.phase {
            Phase::Bot => {
                let wait = Wait::new(opening.queue.clone(), now, 0);
                Ok(vec![queued(now, wait, reason)])
            }
            Phase::Queued(_) | Phase::Offered(..) | Phase::Assigned { .. } => Err(Refusal::duplicate(None)),
            Phase::Unopened | Phase::Closed { .. } => Err(closed()),
        }
    }

    fn offer(&self, now: Time, queue: QueueId, offer: Offer) -> Vec<Event> {
        match &self.phase {
            Phase::Queued(wait) if wait.queue == queue && !self.void.contains(&offer.id) => {
                let (agent, id) = (offer.agent.clone(), offer.id.clone());
                let taken =
                    offer.auto.then(|| Event::Assigned { agent, offer: id, queue: queue.clone(), at: now });
                [Event::Offered { queue, offer, at: now }].into_iter().chain(taken).collect()
            }
            // The very offer that stands, told again: nothing to do.
            Phase::Offered(_, standing) if standing.id == offer.id => Vec::new(),
            Phase::Assigned { offer: standing, .. } if *standing == offer.id => Vec::new(),
            Phase::Unopened
            | Phase::Bot
            | Phase::Queued(_)
            | Phase::Offered(..)
            | Phase::Assigned { .. }
            | Phase::Closed { .. } => {
                vec![Event::OfferRejected { queue, offer: offer.id, agent: offer.agent.id, at: now }]
            }
        }
    }

    /// Nothing happens where it does not wait any more, is offered just now, or has been before.
    fn overflow(&self, now: Time, from: &QueueId, to: QueueId) -> Vec<Event> {
        match &self.phase {
            Phase::Queued(wait) if wait.queue == *from && to != *from && !wait.passed.contains(&to) => {
                vec![queued(now, wait.moved(to), QueueReason::Overflow)]
            }
            Phase::Unopened
            | Phase::Bot
            | Phase::Queued(_)
            | Phase::Offered(..)
            | Phase::Assigned { .. }
            | Phase::Closed { .. } => Vec::new(),
        }
    }

    fn accept(&self, now: Time, agent: &PersonId, offer: &OfferId) -> Decision<Event> {
        if let Some(answer) = self.answer_handover(now, agent, offer, true) {
            return answer;
        }
        match &self.phase {
            Phase::Offered(wait, standing) if standing.id == *offer && standing.agent.id == *agent => {
                if now >= standing.expires {
                    return Err(Refusal::new(Code::Gone, "the offer ran out: wait for the next one"));
                }
                let (agent, queue) = (standing.agent.clone(), wait.queue.clone());
                Ok(vec![Event::Assigned { agent, offer: offer.clone(), queue, at: now }])
            }
            Phase::Assigned { offer: held, agent: holder, .. } if *held == *offer && holder.id == *agent => {
                Err(Refusal::duplicate(None))
            }
            Phase::Assigned { agent: holder, .. } if !of_handover(offer) => {
                Err(taken(format!("{} ({}) has this conversation now", holder.name, holder.id)))
            }
            Phase::Offered(_, standing) => {
                let other = &standing.agent;
                Err(taken(format!("this conversation is offered to {} ({}) now", other.name, other.id)))
            }
            Phase::Unopened
            | Phase::Bot
            | Phase::Queued(_)
            | Phase::Assigned { .. }
            | Phase::Closed { .. } => {
                Err(Refusal::new(Code::Gone, "the offer does not stand any more: wait for the next one"))
            }
        }
    }

    fn end_offer(
        &self,
        now: Time,
        offer: &OfferId,
        agent: Option<&PersonId>,
        why: OfferEnd,
    ) -> Decision<Event> {
        match &self.phase {
            Phase::Offered(wait, standing)
                if standing.id == *offer && agent.is_none_or(|agent| *agent == standing.agent.id) =>
            {
                let (queue, agent) = (wait.queue.clone(), standing.agent.id.clone());
                Ok(vec![Event::OfferEnded { queue, offer: offer.clone(), agent, why, at: now }])
            }
            Phase::Unopened
            | Phase::Bot
            | Phase::Queued(_)
            | Phase::Offered(..)
            | Phase::Assigned { .. }
            | Phase::Closed { .. } => Err(Refusal::new(Code::Gone, "the offer does not stand any more")),
        }
    }

    fn agent_gone(&self, now: Time, agent: &PersonId, offer: &OfferId) -> Vec<Event> {
        let beside = self.gone_in_handover(now, agent, offer);
        if let Some(events) = beside.or_else(|| self.gone_in_wrap(now, agent, offer)) {
            return events;
        }
        match &self.phase {
            Phase::Offered(_, standing) if standing.id == *offer => {
                self.end_offer(now, offer, Some(agent), OfferEnd::AgentGone).unwrap_or_default()
            }
            Phase::Assigned { offer: held, agent: holder, queue }
                if *held == *offer && holder.id == *agent =>
            {
                let wait = Wait::new(queue.clone(), now, 1);
                vec![queued(now, wait, QueueReason::AgentGone)]
            }
            Phase::Unopened => Vec::new(),
            // The agent went after granting a place, and was faster than the offer. Whatever the phase: the conversation may be
            // waiting again when the offer comes.
            Phase::Bot
            | Phase::Queued(_)
            | Phase::Offered(..)
            | Phase::Assigned { .. }
            | Phase::Closed { .. } => {
                let voided = || Event::OfferVoided { agent: agent.clone(), offer: offer.clone(), at: now };
                let known = self.void.contains(offer) || of_handover(offer);
                (!known).then(voided).into_iter().collect()
            }
        }
    }

    fn holds(&self, agent: &PersonId, offer: &OfferId) -> bool {
        self.handover.as_ref().is_some_and(|handover| handover.is(agent, offer))
            || self.wrap.as_ref().is_some_and(|wrap| wrap.is(agent, offer))
            || self.stands_with(agent, offer)
    }

    fn stands_with(&self, agent: &PersonId, offer: &OfferId) -> bool {
        match &self.phase {
            Phase::Offered(_, standing) => standing.id == *offer && standing.agent.id == *agent,
            Phase::Assigned { offer: held, agent: holder, .. } => held == offer && holder.id == *agent,
            Phase::Unopened | Phase::Bot | Phase::Queued(_) | Phase::Closed { .. } => false,
        }
    }

    pub(super) fn close(
        &self,
        now: Time,
        by: Closer,
        person: Option<&PersonId>,
        reason: String,
    ) -> Decision<Event> {
        let opening = self.opened()?;
        if self.away > 0 && !matches!(self.phase, Phase::Closed { .. }) {
            // Closed now, it would send them round again, behind later ones.
            let detail = "late messages are on their way back into this conversation: try again";
            return Err(Refusal::new(Code::Unavailable, detail).retry_after_ms(200));
        }
        let held = match &self.phase {
            Phase::Unopened => return Err(not_found()),
            Phase::Closed { .. } => return Err(Refusal::duplicate(None)),
            Phase::Bot => Held::default(),
            Phase::Queued(wait) => Held { queue: Some(wait.queue.clone()), place: None },
            Phase::Offered(wait, offer) => Held {
                queue: Some(wait.queue.clone()),
                place: Some((offer.agent.id.clone(), offer.id.clone())),
            },
            Phase::Assigned { agent, offer, .. } => {
                Held { queue: None, place: Some((agent.id.clone(), offer.clone())) }
            }
        };
        let entitled = match by {
            Closer::System => true,
            Closer::Visitor => person == Some(&opening.visitor.id),
            Closer::Agent => {
                matches!(&self.phase, Phase::Assigned { agent, .. } if person == Some(&agent.id))
            }
        };
        match (entitled, by) {
            (true, _) => Ok(vec![Event::Closed { by, reason, held, at: now }]),
            (false, Closer::Agent) => Err(not_assigned()),
            (false, Closer::Visitor | Closer::System) => Err(not_a_participant()),
        }
    }

    fn carry(&self, now: Time, said: Said, reopen: bool) -> Vec<Event> {
        let Some(opening) = &self.opening else { return Vec::new() };
        // The message was accepted where it came first; its key means nothing in another conversation.
        let known = |key: &ClientKey| {
            self.seen
                .judge(&said.author, key, &said.content)
                .is_err_and(|refusal| refusal.code == Code::Duplicate)
        };
        let again = Event::Said(Said { key: said.key.clone().filter(known), at: now, ..said.clone() });
        match (&self.phase, reopen) {
            (Phase::Closed { .. }, false) => vec![Event::Forwarded(said)],
            (Phase::Closed { .. }, true) => {
                let mut events = vec![Event::Reopened { bot: opening.bot.clone(), at: now }, again];
                if opening.bot.is_none() {
                    events.push(queued(now, Wait::new(opening.queue.clone(), now, 0), QueueReason::NoBot));
                }
                events
            }
            (
                Phase::Unopened | Phase::Bot | Phase::Queued(_) | Phase::Offered(..) | Phase::Assigned { .. },
                _,
            ) => vec![again],
        }
    }

    /// A supervisor who barged in, and a consultant, speak beside whoever else may.
    fn may_say(&self, opening: &Opening, say: &Say) -> Result<(), Refusal> {
        let aloud = say.visibility == Visibility::Public;
        let beside = say.author.kind == AuthorKind::Agent
            && (self.barged_in(&say.author.id) || self.consulted(&say.author.id, aloud));
        if beside { Ok(()) } else { may_say(&self.phase, opening, say) }
    }

    fn opened(&self) -> Result<&Opening, Refusal> {
        self.opening.as_ref().ok_or_else(not_found)
    }
}

/// Who may speak in which phase: the visitor always, the bot only while it controls, an agent only while holding it.
fn may_say(phase: &Phase, opening: &Opening, say: &Say) -> Result<(), Refusal> {
    let closed_now = matches!(phase, Phase::Closed { .. });
    match say.author.kind {
        AuthorKind::System => Ok(()),
        AuthorKind::Visitor if say.author.id != opening.visitor.id => Err(not_a_participant()),
        AuthorKind::Visitor if say.visibility == Visibility::Internal => {
            Err(Refusal::new(Code::Forbidden, "internal notes are for the company's people"))
        }
        AuthorKind::Visitor => Ok(()),
        AuthorKind::Bot if matches!(phase, Phase::Bot) => Ok(()),
        AuthorKind::Bot => Err(Refusal::new(Code::NotAssigned, "the bot does not control this conversation")),
        AuthorKind::Agent if closed_now => Err(closed()),
        AuthorKind::Agent => match phase {
            Phase::Assigned { agent, .. } if agent.id == say.author.id => Ok(()),
            Phase::Assigned { .. }
            | Phase::Unopened
            | Phase::Bot
            | Phase::Queued(_)
            | Phase::Offered(..)
            | Phase::Closed { .. } => Err(not_assigned()),
        },
    }
}

/// True for one to five stars and nothing else.
fn rates(content: &Content) -> bool {
    let text = content.plain().trim();
    (1..=5).contains(&text.chars().count()) && text.chars().all(|c| c == '★')
}

fn taken(detail: String) -> Refusal {
    Refusal::new(Code::AlreadyTaken, detail)
}

fn queued(at: Time, wait: Wait, reason: QueueReason) -> Event {
    Event::Queued { wait, reason, at }
}

pub(super) fn not_found() -> Refusal {
    Refusal::new(Code::NotFound, "there is no such conversation: open one first")
}

pub(super) fn not_a_participant() -> Refusal {
    Refusal::new(Code::Forbidden, "you are not a participant of this conversation")
}

pub(super) fn not_assigned() -> Refusal {
    Refusal::new(Code::NotAssigned, "this conversation is not assigned to you: accept its offer first")
}

pub(super) fn closed() -> Refusal {
    Refusal::new(Code::ConversationClosed, "the conversation is closed: open the next one")
}
