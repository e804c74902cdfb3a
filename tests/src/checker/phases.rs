//! I6 and I7 as each conversation's journal shows them: which event may follow which, who may speak when, and one live conversation per
//! visitor and channel.

use std::collections::BTreeMap;

use conversa_engine::conversation::{
    Author, AuthorKind, Closer, DeskEvent, Event, Held, IdleEvent, QueueReason, Said, SurveyEvent,
};
use conversa_engine::ids::{ConversationId, OfferId, PersonId, QueueId};
use conversa_engine::time::Time;

use super::Findings;
use super::handover::Hand;
use super::wrap::Wrap;
use crate::history::{History, Log};

/// Where a conversation stands, worked out anew and not by the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Stand {
    #[default]
    Unopened,
    Bot,
    Queued(QueueId),
    Offered(QueueId, OfferId, PersonId),
    Assigned(OfferId, PersonId),
    Closed,
}

impl Stand {
    /// Where a conversation stands at the end of its journal.
    pub(super) fn of(log: &Log<Event>) -> Self {
        log.iter().fold(Self::default(), |stand, entry| stand.after(&entry.event))
    }

    /// The agent who holds it or to whom it is offered.
    pub(super) fn agent(&self) -> Option<&PersonId> {
        match self {
            Self::Offered(_, _, agent) | Self::Assigned(_, agent) => Some(agent),
            Self::Unopened | Self::Bot | Self::Queued(_) | Self::Closed => None,
        }
    }

    pub(super) fn after(self, event: &Event) -> Self {
        match event {
            Event::Opened(_) | Event::Reopened { .. } => Self::Bot,
            Event::Queued { wait, .. } => Self::Queued(wait.queue.clone()),
            Event::Offered { queue, offer, .. } => {
                Self::Offered(queue.clone(), offer.id.clone(), offer.agent.id.clone())
            }
            Event::OfferEnded { queue, .. } => Self::Queued(queue.clone()),
            Event::Assigned { agent, offer, .. } => Self::Assigned(offer.clone(), agent.id.clone()),
            Event::Closed { .. } => Self::Closed,
            Event::Desk(DeskEvent::BotTook { .. }) => Self::Bot,
            Event::Desk(_)
            | Event::Said(_)
            | Event::OfferRejected { .. }
            | Event::OfferVoided { .. }
            | Event::PlaceChecked { .. }
            | Event::Edited { .. }
            | Event::Recalled { .. }
            | Event::Reacted { .. }
            | Event::Marked { .. }
            | Event::Failed { .. }
            | Event::Forwarded(_) => self,
        }
    }

    /// True when the event may happen here.
    fn allows(&self, event: &Event) -> bool {
        match event {
            Event::Opened(_) => *self == Self::Unopened,
            Event::Said(said) => self.allows_words(said),
            Event::Queued { reason: QueueReason::Overflow, wait, .. } => {
                matches!(self, Self::Queued(queue) if wait.passed.last() == Some(queue))
            }
            Event::Queued { .. } => matches!(self, Self::Bot | Self::Assigned(..)),
            Event::Offered { queue, .. } => matches!(self, Self::Queued(own) if own == queue),
            Event::OfferEnded { queue, offer, agent, .. } => {
                *self == Self::Offered(queue.clone(), offer.clone(), agent.clone())
            }
            Event::Assigned { agent, offer, queue, .. } => {
                *self == Self::Offered(queue.clone(), offer.clone(), agent.id.clone())
            }
            Event::Closed { by, held, .. } => {
                self.allows_close(*by) && held.place == self.place() && held.queue == self.queue()
            }
            // Also while earlier ones are on their way back: their order stays.
            Event::Forwarded(said) => *self != Self::Unopened && said.author.kind == AuthorKind::Visitor,
            Event::Reopened { .. } => *self == Self::Closed,
            Event::Desk(event) => self.allows_desk(event),
            Event::OfferRejected { .. } | Event::OfferVoided { .. } | Event::PlaceChecked { .. } => true,
            Event::Edited { by, .. } | Event::Recalled { by, .. } | Event::Reacted { by, .. } => {
                *self != Self::Closed && self.hears(by)
            }
            Event::Marked { by, .. } => self.hears(by),
            Event::Failed { .. } => *self != Self::Unopened,
        }
    }

    /// True for the visitor, and for the agent who holds it or is offered it.
    fn hears(&self, by: &Author) -> bool {
        match (by.kind, self) {
            (_, Self::Unopened) | (AuthorKind::Bot | AuthorKind::System, _) => false,
            (AuthorKind::Visitor, _) => true,
            (AuthorKind::Agent, Self::Offered(_, _, agent) | Self::Assigned(_, agent)) => *agent == by.id,
            (AuthorKind::Agent, Self::Bot | Self::Queued(_) | Self::Closed) => false,
        }
    }

    fn allows_desk(&self, event: &DeskEvent) -> bool {
        match event {
            DeskEvent::Transferred { released, .. } => self.place().as_ref() == Some(released),
            DeskEvent::BotTook { held, .. } => match self {
                Self::Queued(_) | Self::Offered(..) => {
                    held.place == self.place() && held.queue == self.queue()
                }
                Self::Assigned(..) => *held == Held::default(),
                Self::Unopened | Self::Bot | Self::Closed => false,
            },
            DeskEvent::Watched { .. } | DeskEvent::BargedIn { .. } => *self != Self::Unopened,
            // Judged beside this.
            DeskEvent::Handover(_) | DeskEvent::Wrap(_) => false,
            DeskEvent::Sla(_) => *self != Self::Unopened,
            DeskEvent::Survey(SurveyEvent::Asked(_)) => !matches!(self, Self::Unopened | Self::Closed),
            DeskEvent::Survey(SurveyEvent::Received { .. }) => *self != Self::Unopened,
            DeskEvent::Idle(IdleEvent::Set { .. }) => !matches!(self, Self::Unopened | Self::Closed),
            DeskEvent::Idle(IdleEvent::TakenBack { agent, released, .. }) => {
                *self == Self::Assigned(released.clone(), agent.clone())
            }
            DeskEvent::Idle(IdleEvent::Warned { .. }) | DeskEvent::Snooze(_) => {
                matches!(self, Self::Assigned(..))
            }
        }
    }

    fn allows_words(&self, said: &Said) -> bool {
        match said.author.kind {
            AuthorKind::System => *self != Self::Unopened,
            AuthorKind::Visitor => !matches!(self, Self::Unopened | Self::Closed),
            AuthorKind::Bot => *self == Self::Bot,
            AuthorKind::Agent => matches!(self, Self::Assigned(_, agent) if *agent == said.author.id),
        }
    }

    fn allows_close(&self, by: Closer) -> bool {
        match by {
            Closer::Visitor | Closer::System => !matches!(self, Self::Unopened | Self::Closed),
            Closer::Agent => matches!(self, Self::Assigned(..)),
        }
    }

    fn place(&self) -> Option<(PersonId, OfferId)> {
        match self {
            Self::Offered(_, offer, agent) | Self::Assigned(offer, agent) => {
                Some((agent.clone(), offer.clone()))
            }
            Self::Unopened | Self::Bot | Self::Queued(_) | Self::Closed => None,
        }
    }

    fn queue(&self) -> Option<QueueId> {
        match self {
            Self::Queued(queue) | Self::Offered(queue, ..) => Some(queue.clone()),
            Self::Unopened | Self::Bot | Self::Assigned(..) | Self::Closed => None,
        }
    }
}

pub(super) fn check(history: &History, findings: &mut Findings) {
    for (id, log) in &history.conversations {
        transitions(*id, log, findings);
    }
    one_live(history, findings);
    opened_by_sessions(history, findings);
}

fn transitions(id: ConversationId, log: &Log<Event>, findings: &mut Findings) {
    let (mut stand, mut hand, mut wrap) = (Stand::default(), Hand::default(), Wrap::default());
    for entry in log {
        let words =
            || format!("{id}: event {} ({:?}) cannot follow {stand:?} with {hand:?}", entry.seq, entry.event);
        let beside = hand.allows(&stand, &entry.event).or_else(|| wrap.allows(&stand, &entry.event));
        let allowed = beside.unwrap_or_else(|| stand.allows(&entry.event));
        findings.expect(allowed, "I6", words);
        stand = stand.after(&entry.event);
        hand = hand.after(&entry.event);
        wrap = wrap.after(&entry.event);
    }
}

/// Since when, until when, which conversation.
type Life = (Time, Time, ConversationId);

/// I7: the times in which conversations of one visitor and channel live do not overlap.
fn one_live(history: &History, findings: &mut Findings) {
    let mut lives: BTreeMap<(PersonId, String), Vec<Life>> = BTreeMap::new();
    for (id, log) in &history.conversations {
        let Some(Event::Opened(opening)) = log.first().map(|entry| &entry.event) else {
            findings.add("I6", format!("{id} does not begin with its opening"));
            continue;
        };
        let of = lives.entry((opening.visitor.id.clone(), opening.channel.clone())).or_default();
        let mut since = None;
        for entry in log {
            if matches!(entry.event, Event::Opened(_) | Event::Reopened { .. }) {
                since = Some(entry.at);
            }
            if matches!(entry.event, Event::Closed { .. }) {
                of.extend(since.take().map(|since| (since, entry.at, *id)));
            }
        }
        of.extend(since.map(|since| (since, Time::from_ms(i64::MAX), *id)));
    }
    for ((visitor, channel), mut lives) in lives {
        lives.sort();
        for pair in lives.windows(2) {
            let ((_, until, one), (since, _, other)) = (pair[0], pair[1]);
            findings.expect(until <= since, "I7", || {
                format!("{one} and {other} of {visitor} on {channel} are live at once")
            });
        }
    }
}

/// Every conversation was opened by its visitor's session, and the session has none that is not there.
fn opened_by_sessions(history: &History, findings: &mut Findings) {
    use conversa_actors::behaviours::SessionEvent;
    let mut opened: BTreeMap<ConversationId, &PersonId> = BTreeMap::new();
    for (visitor, log) in &history.sessions {
        for entry in log {
            if let SessionEvent::Opened { conversation, .. } = &entry.event {
                findings.expect(opened.insert(*conversation, visitor).is_none(), "I7", || {
                    format!("{conversation} was opened twice")
                });
                let there = history.conversations.contains_key(conversation);
                findings.expect(there, "letters", || {
                    format!("{conversation} was opened by {visitor} and never began")
                });
            }
        }
    }
    for id in history.conversations.keys() {
        findings.expect(opened.contains_key(id), "I7", || format!("{id} began and no session opened it"));
    }
}
