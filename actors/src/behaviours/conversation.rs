//! A conversation as an actor: the engine judges, this says whom to tell.

mod handover;
mod time;

use conversa_engine::conversation::{
    self as domain, AuthorKind, Command, DeskEvent, Event, HandoverEvent, IdleEvent, OfferEnd, Phase,
    QueueReason, Survey, WrapEvent,
};
use conversa_engine::desk::{AgentCommand, Part, QueueCommand, Relation, may};
use conversa_engine::ids::{ConversationId, OfferId, PersonId, QueueId};
use conversa_engine::refusal::{Code, Decision, Refusal};
use conversa_engine::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bot::{self, Bot};
use super::session::{self, Session};
use super::{Agent, Queue, channel, reach};
use crate::behaviour::{Behaviour, Context, Outbox};

pub(crate) use time::alert_of;
pub use time::clock_view;

/// Somebody is writing.
pub const TYPING: &str = "typing";
/// What a visitor has written and not sent.
pub const SNEAK_PEEK: &str = "sneak_peek";

/// The actor of one conversation; its key is the conversation's id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Conversation(domain::Conversation);

impl Behaviour for Conversation {
    const KIND: &'static str = "conversation";
    type Command = Command;
    type Event = Event;

    fn decide(&self, cx: &Context<'_>, command: Command) -> Decision<Event> {
        self.within_reach(cx, &command)?;
        // It may have closed since it said that it has room.
        if matches!(&command, Command::Overflow { to, .. } if !cx.tenant.is_open(to, cx.now)) {
            return Ok(Vec::new());
        }
        let mut events = self.0.decide(cx.now, command)?;
        self.route(cx, &mut events);
        time::keep(&self.0, cx, &mut events);
        let survey = self.0.served_by().and_then(|queue| cx.tenant.queue(queue));
        let survey = survey.map_or(Some(Survey::default()), |queue| queue.policy.survey);
        self.0.ask_survey(cx.now, survey, &mut events);
        if let Phase::Assigned { queue, .. } = self.0.phase()
            && let Some(setting) = cx.tenant.queue(queue)
        {
            self.0.begin_wrap(cx.now, &setting.policy.wrap, &mut events);
        }
        Ok(events)
    }

    fn apply(&mut self, event: &Event) {
        self.0.apply(event);
    }

    fn react(&self, cx: &Context<'_>, event: &Event, out: &mut Outbox) {
        self.show(out);
        let Ok(id) = cx.key().parse::<ConversationId>() else { return };
        match event {
            Event::Said(said) => {
                self.tell_bot(id, cx.seq, said, out);
                self.reach(cx, id, said, out);
            }
            Event::Queued { wait, reason, .. } => {
                if let (QueueReason::Overflow, Some(left)) = (reason, wait.passed.last()) {
                    out.tell::<Queue>(left, QueueCommand::Leave { conversation: id, served: false });
                }
                out.tell::<Queue>(&wait.queue, QueueCommand::Enqueue { conversation: id, wait: wait.clone() })
            }
            Event::OfferEnded { queue, offer, agent, why, .. } => {
                let returned = QueueCommand::Returned {
                    conversation: id,
                    offer: offer.clone(),
                    agent: agent.clone(),
                    why: *why,
                };
                out.tell::<Queue>(queue, returned);
                out.tell::<Agent>(agent, release(id, offer, *why == OfferEnd::TimedOut));
            }
            Event::OfferRejected { queue, offer, agent, .. } => {
                self.tell_rejected(id, queue, offer, agent, out);
                out.tell::<Agent>(agent, release(id, offer, false));
            }
            Event::Assigned { agent, offer, queue, .. } => {
                out.tell::<Queue>(queue, QueueCommand::Leave { conversation: id, served: true });
                out.tell::<Agent>(
                    &agent.id,
                    AgentCommand::Confirm { conversation: id, offer: offer.clone() },
                );
            }
            Event::PlaceChecked { agent, offer, held, .. } => {
                let (conversation, offer) = (id, offer.clone());
                // A place is confirmed by its acceptance only: one that is still offered stays in doubt.
                match (held, self.0.accepted(agent, &offer)) {
                    (true, true) => out.tell::<Agent>(agent, AgentCommand::Confirm { conversation, offer }),
                    (true, false) => {}
                    (false, _) => out.tell::<Agent>(agent, release(conversation, &offer, false)),
                }
            }
            Event::Desk(DeskEvent::Transferred { released: (agent, offer), .. }) => {
                out.tell::<Agent>(agent, release(id, offer, false));
            }
            Event::Desk(DeskEvent::BotTook { held, .. }) => tell_released(id, held, out),
            Event::Desk(DeskEvent::Watched { .. } | DeskEvent::BargedIn { .. }) => {}
            Event::Desk(DeskEvent::Handover(event)) => handover::tell(&self.0, id, event, out),
            Event::Desk(DeskEvent::Wrap(WrapEvent::Ended { agent, offer, .. })) => {
                out.push(agent);
                out.tell::<Agent>(agent, release(id, offer, false));
            }
            Event::Desk(DeskEvent::Wrap(WrapEvent::Begun { .. })) => {}
            Event::Desk(DeskEvent::Idle(IdleEvent::TakenBack { agent, released, .. })) => {
                out.tell::<Agent>(agent, release(id, released, false));
            }
            Event::Desk(DeskEvent::Sla(_) | DeskEvent::Idle(_)) => time::alert(event, out),
            Event::Desk(DeskEvent::Snooze(_) | DeskEvent::Survey(_)) => {}
            Event::Closed { held, at, .. } => self.tell_closed(id, held, *at, out),
            Event::Forwarded(said) => {
                if let Some(opening) = self.0.opening() {
                    let carry = session::Command::Carry {
                        channel: opening.channel.clone(),
                        conversation: id,
                        said: said.clone(),
                    };
                    out.tell::<Session>(&opening.visitor.id, carry);
                }
            }
            Event::Opened(_)
            | Event::Offered { .. }
            | Event::OfferVoided { .. }
            | Event::Edited { .. }
            | Event::Recalled { .. }
            | Event::Reacted { .. }
            | Event::Marked { .. }
            | Event::Failed { .. }
            | Event::Reopened { .. } => {}
        }
    }

    fn due(&self) -> Option<(Time, Command)> {
        self.0.due()
    }

    /// The visitor and the agent who holds it see each other type; what a visitor is about to send, the agent only.
    fn hears(&self, from: &PersonId, kind: &str) -> Vec<PersonId> {
        let (Some(opening), Phase::Assigned { agent, .. }) = (self.0.opening(), self.0.phase()) else {
            return Vec::new();
        };
        if *from == opening.visitor.id {
            vec![agent.id.clone()]
        } else if *from == agent.id && kind == TYPING {
            vec![opening.visitor.id.clone()]
        } else {
            Vec::new()
        }
    }

    fn audience(&self) -> Vec<PersonId> {
        let visitor = self.0.opening().map(|opening| opening.visitor.id.clone());
        let parted = self.0.parted().map(|(agent, _)| agent.clone());
        visitor
            .into_iter()
            .chain(self.0.agent().map(|agent| agent.id.clone()))
            .chain(parted)
            .chain(self.0.second().map(|second| second.id.clone()))
            .chain(self.0.left().cloned())
            .chain(self.0.watching().iter().map(|one| one.id.clone()))
            .collect()
    }

    fn view(&self) -> Value {
        let Some(opening) = self.0.opening() else { return Value::Null };
        let person = |person: &domain::Person| json!({ "id": person.id, "name": person.name });
        let (queue, offer, closed) = match self.0.phase() {
            Phase::Unopened | Phase::Bot => (None, Value::Null, None),
            Phase::Queued(wait) => (Some(&wait.queue), Value::Null, None),
            Phase::Offered(wait, offer) => (
                Some(&wait.queue),
                json!({ "offer": offer.id, "agent": offer.agent.id, "expires_ts": offer.expires }),
                None,
            ),
            Phase::Assigned { queue, .. } => (Some(queue), Value::Null, None),
            Phase::Closed { at } => (None, Value::Null, Some(at)),
        };
        let mut view = json!({
            "ep": 1,
            "o": self.0.head(),
            "phase": self.0.phase().as_str(),
            "controller": self.0.controller(),
            "channel": opening.channel,
            "lang": opening.language,
            "visitor": person(&opening.visitor),
            "agent": self.0.agent().map(person),
            "queue": queue,
            "offer": offer,
            "opened_ts": opening.at,
            "closed_ts": closed,
            "waiting_since_ts": self.0.unanswered_since(),
            "messages": self.0.messages(),
            "marks": self.0.changes().marks().iter().map(mark).collect::<Vec<_>>(),
        });
        if let (Some(handover), Some(map)) = (self.0.handover(), view.as_object_mut()) {
            map.insert("handover".into(), pending(handover));
        }
        if let (Some(wrap), Some(map)) = (self.0.wrap(), view.as_object_mut()) {
            let wrap = json!({ "agent": wrap.agent, "until_ts": wrap.until, "codes": wrap.codes });
            map.insert("wrap".into(), wrap);
        }
        time::view(&self.0, &mut view);
        if let (false, Some(map)) = (self.0.changes().is_empty(), view.as_object_mut()) {
            map.insert("changes".into(), changes(self.0.changes()));
        }
        view
    }
}

/// Who is asked or consulted; a visitor is not shown it.
fn pending(handover: &domain::Handover) -> Value {
    let domain::HandoverAsk { kind, by, to, offer, summary, slots, expires, .. } = &handover.ask;
    let (stage, speaks) = match handover.stage {
        domain::Stage::Asked => ("asked", false),
        domain::Stage::Offered => ("offered", false),
        domain::Stage::Joined { speaks } => ("joined", speaks),
    };
    json!({
        "kind": kind, "state": stage, "speaks": speaks, "by": by, "to": to, "offer": offer,
        "summary": summary, "slots": slots, "expires_ts": expires,
    })
}

/// How far everything has come to one person.
fn mark(mark: &domain::Mark) -> Value {
    let [sent, delivered, read] = mark.upto;
    json!({ "kind": mark.kind, "id": mark.person, "sent": sent, "delivered": delivered, "read": read })
}

/// Offset of each changed message -> offset of its last change, and its reactions.
fn changes(changes: &domain::Changes) -> Value {
    let changed: serde_json::Map<_, _> = changes
        .changed()
        .iter()
        .map(|(seq, changed)| (seq.to_string(), json!({ "by": changed.by, "recalled": changed.recalled })))
        .collect();
    let reactions: serde_json::Map<_, _> = changes
        .reactions()
        .iter()
        .map(|(seq, all)| {
            (seq.to_string(), all.iter().map(|(by, emoji)| json!({ "by": by, "emoji": emoji })).collect())
        })
        .collect();
    json!({ "changed": changed, "reactions": reactions })
}

fn release(conversation: ConversationId, offer: &OfferId, missed: bool) -> AgentCommand {
    AgentCommand::Release { conversation, offer: offer.clone(), missed }
}

fn tell_released(id: ConversationId, held: &domain::Held, out: &mut Outbox) {
    if let Some(queue) = &held.queue {
        out.tell::<Queue>(queue, QueueCommand::Leave { conversation: id, served: false });
    }
    if let Some((agent, offer)) = &held.place {
        out.tell::<Agent>(agent, release(id, offer, false));
    }
}

impl Conversation {
    /// A supervisor of some departments only does nothing in conversations of the others.
    fn within_reach(&self, cx: &Context<'_>, command: &Command) -> Result<(), Refusal> {
        let Command::Desk { by, command } = command else { return Ok(()) };
        let (queue, agent) = match self.0.phase() {
            Phase::Queued(wait) => (Some(&wait.queue), None),
            Phase::Offered(wait, offer) => (Some(&wait.queue), Some(&offer.agent.id)),
            Phase::Assigned { queue, agent, .. } => (Some(queue), Some(&agent.id)),
            Phase::Unopened | Phase::Bot | Phase::Closed { .. } => {
                (self.0.opening().map(|opening| &opening.queue), None)
            }
        };
        let elsewhere = by.part == Part::Supervisor && !cx.tenant.teams.reaches(&by.person.id, queue, agent);
        if elsewhere && !may(command.op(), by.part, Relation::Elsewhere) {
            return Err(Refusal::new(Code::Forbidden, "this conversation belongs to another department"));
        }
        Ok(())
    }

    /// Waits are what the company's settings make of them: the event carries it.
    fn route(&self, cx: &Context<'_>, events: &mut [Event]) {
        let opened = events
            .iter()
            .find_map(|event| if let Event::Opened(opening) = event { Some(opening.clone()) } else { None });
        let Some(opening) = self.0.opening().or(opened.as_ref()) else { return };
        let last = self.0.agent().map(|agent| &agent.id).or(self.0.parted().map(|(agent, _)| agent));
        for event in events {
            if let Event::Queued { wait, reason, .. } = event {
                match reason {
                    QueueReason::Overflow => cx.tenant.route_on(opening, last, wait),
                    _ => cx.tenant.route(opening, last, wait),
                }
            } else if let Event::Desk(DeskEvent::Handover(HandoverEvent::Asked { ask, .. })) = event {
                ask.weight = cx.tenant.weight(opening);
            }
        }
    }

    /// The visitor sees what is public; the agent who holds it, and one who just lost it, see everything.
    fn show(&self, out: &mut Outbox) {
        if let Some(opening) = self.0.opening() {
            out.push(&opening.visitor.id);
        }
        if let Some(agent) = self.0.agent() {
            out.push(&agent.id);
        }
        if let Some(second) = self.0.second() {
            out.push(&second.id);
        }
        if let Some((agent, seq)) = self.0.parted()
            && seq == self.0.head()
        {
            out.push(agent);
        }
        self.0.watching().iter().for_each(|supervisor| out.push(&supervisor.id));
    }

    /// A conversation that still waits is to be offered again; one that does not is to leave the queue.
    fn tell_rejected(
        &self,
        id: ConversationId,
        queue: &QueueId,
        offer: &OfferId,
        agent: &PersonId,
        out: &mut Outbox,
    ) {
        let why = OfferEnd::AgentGone;
        match self.0.phase() {
            // Also while another offer of that queue stands: one made before a close can come after the reopening, and the
            // queue, which knows the later one only, would wait for it for ever.
            Phase::Queued(wait) | Phase::Offered(wait, _) if wait.queue == *queue => {
                out.tell::<Queue>(
                    queue,
                    QueueCommand::Returned {
                        conversation: id,
                        offer: offer.clone(),
                        agent: agent.clone(),
                        why,
                    },
                );
            }
            Phase::Unopened
            | Phase::Bot
            | Phase::Queued(_)
            | Phase::Offered(..)
            | Phase::Assigned { .. }
            | Phase::Closed { .. } => {
                out.tell::<Queue>(queue, QueueCommand::Leave { conversation: id, served: false });
            }
        }
    }

    fn tell_bot(&self, id: ConversationId, seq: u64, said: &domain::Said, out: &mut Outbox) {
        let bot_answers = matches!(self.0.phase(), Phase::Bot) && said.author.kind == AuthorKind::Visitor;
        if bot_answers {
            let text = said.content.plain().to_owned();
            out.tell::<Bot>(&id, bot::Command::Hear { seq, text });
        }
    }

    /// Those who hold no socket: the user of a channel by its adapter, everybody else by their devices.
    fn reach(&self, cx: &Context<'_>, id: ConversationId, said: &domain::Said, out: &mut Outbox) {
        let Some(opening) = self.0.opening() else { return };
        let outside = cx.tenant.channels.contains(&opening.channel);
        if outside {
            channel::tell(cx, id, opening, said, out);
        }
        let visitor = (!outside).then_some(&opening.visitor);
        reach::tell(cx, id, said, visitor.into_iter().chain(self.0.agent()), out);
    }

    fn tell_closed(&self, id: ConversationId, held: &domain::Held, at: Time, out: &mut Outbox) {
        // Who wraps it up keeps the place.
        let place = held.place.clone().filter(|_| self.0.wrap().is_none());
        tell_released(id, &domain::Held { place, ..held.clone() }, out);
        if let Some(opening) = self.0.opening() {
            let ended = session::Command::End { channel: opening.channel.clone(), conversation: id, at };
            out.tell::<Session>(&opening.visitor.id, ended);
        }
    }
}
