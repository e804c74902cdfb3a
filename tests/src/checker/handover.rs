//! Handovers to a person, worked out anew: one at a time, the conversation is with the one who had it until the other has it, and none
//! is left behind by what ends it.

use std::collections::BTreeMap;

use conversa_engine::conversation::{
    AuthorKind, DeskEvent, Event, HandoverEvent, HandoverKind, Said, Visibility,
};
use conversa_engine::desk::{AgentEvent, Ask};
use conversa_engine::ids::{ConversationId, OfferId, PersonId};

use super::Findings;
use super::phases::Stand;
use crate::history::{History, Log};

/// The handover of one conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hand(Option<Pending>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pending {
    kind: HandoverKind,
    offer: OfferId,
    to: PersonId,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Asked,
    Offered,
    Joined {
        speaks: bool,
    },
    /// The assignment follows at once.
    Taken,
}

impl Hand {
    /// What is pending at the end of a journal.
    pub(super) fn of(log: &Log<Event>) -> Self {
        log.iter().fold(Self::default(), |hand, entry| hand.after(&entry.event))
    }

    /// The agent who is asked or consulted.
    pub(super) fn second(&self) -> Option<&PersonId> {
        self.0.as_ref().filter(|one| one.step != Step::Asked).map(|one| &one.to)
    }

    /// True when the agent's place under `offer` is needed.
    pub(super) fn needs(&self, agent: &PersonId, offer: &OfferId) -> bool {
        self.0.as_ref().is_some_and(|one| one.to == *agent && one.offer == *offer)
    }

    pub(super) fn after(self, event: &Event) -> Self {
        let step = |hand: Self, step| Self(hand.0.map(|one| Pending { step, ..one }));
        match event {
            Event::Desk(DeskEvent::Handover(event)) => match event {
                HandoverEvent::Asked { ask, .. } => {
                    let (kind, offer, to) = (ask.kind, ask.offer.clone(), ask.to.id.clone());
                    Self(Some(Pending { kind, offer, to, step: Step::Asked }))
                }
                HandoverEvent::Offered { .. } => step(self, Step::Offered),
                HandoverEvent::Joined { .. } => step(self, Step::Joined { speaks: false }),
                HandoverEvent::Spoken { on, .. } => step(self, Step::Joined { speaks: *on }),
                HandoverEvent::Taken { .. } => step(self, Step::Taken),
                HandoverEvent::Ended { .. } => Self(None),
            },
            Event::Assigned { .. } if self.0.as_ref().is_some_and(|one| one.step == Step::Taken) => {
                Self(None)
            }
            _ => self,
        }
    }

    /// Whether the event may happen here; `None` when the handover has no say in it.
    pub(super) fn allows(&self, stand: &Stand, event: &Event) -> Option<bool> {
        if let Some(Pending { step: Step::Taken, offer, to, .. }) = &self.0 {
            return Some(matches!(event, Event::Assigned { agent, offer: under, .. }
                if agent.id == *to && under == offer));
        }
        match (event, &self.0) {
            (Event::Desk(DeskEvent::Handover(event)), pending) => {
                Some(allowed(stand, pending.as_ref(), event))
            }
            (Event::Closed { .. }, Some(_)) => Some(false),
            (Event::Queued { .. } | Event::Desk(DeskEvent::BotTook { .. }), Some(one))
                if !one.kind.forced() =>
            {
                Some(false)
            }
            (Event::Said(said), Some(one)) if said.author.kind == AuthorKind::Agent => beside(one, said),
            (
                Event::Edited { by, .. } | Event::Recalled { by, .. } | Event::Reacted { by, .. },
                Some(one),
            ) if by.id == one.to && matches!(one.step, Step::Joined { .. }) => Some(true),
            _ => None,
        }
    }
}

/// What a consultant may say.
fn beside(one: &Pending, said: &Said) -> Option<bool> {
    match one.step {
        Step::Joined { speaks } if said.author.id == one.to => {
            Some(speaks || said.visibility == Visibility::Internal)
        }
        Step::Asked | Step::Offered | Step::Joined { .. } | Step::Taken => None,
    }
}

fn allowed(stand: &Stand, pending: Option<&Pending>, event: &HandoverEvent) -> bool {
    let is = |offer: &OfferId, to: &PersonId| pending.is_some_and(|one| one.offer == *offer && one.to == *to);
    let step = pending.map(|one| one.step);
    match event {
        HandoverEvent::Asked { ask, .. } => {
            let held = matches!(stand, Stand::Assigned(..));
            let open = !matches!(stand, Stand::Unopened | Stand::Closed);
            pending.is_none() && stand.agent() != Some(&ask.to.id) && open && (held || ask.kind.forced())
        }
        HandoverEvent::Offered { kind, offer, to, .. } => {
            is(offer, &to.id) && step == Some(Step::Asked) && !kind.forced()
        }
        HandoverEvent::Joined { offer, to, .. } => {
            let consults = pending.is_some_and(|one| one.kind == HandoverKind::Consult);
            is(offer, &to.id) && step == Some(Step::Offered) && consults
        }
        HandoverEvent::Spoken { to, on, .. } => {
            pending.is_some_and(|one| one.to == to.id) && step == Some(Step::Joined { speaks: !on })
        }
        HandoverEvent::Ended { offer, to, .. } => is(offer, &to.id),
        // Nobody gets it who has not accepted, unless it is forced.
        HandoverEvent::Taken { kind, to, offer, released, .. } => {
            let accepted = match kind {
                HandoverKind::Transfer => step == Some(Step::Offered),
                HandoverKind::Consult => matches!(step, Some(Step::Joined { .. })),
                HandoverKind::ForceAssign | HandoverKind::TakeOver => step == Some(Step::Asked),
            };
            let from = match stand {
                Stand::Assigned(offer, agent) => Some((agent.clone(), offer.clone())),
                Stand::Unopened | Stand::Bot | Stand::Queued(_) | Stand::Offered(..) | Stand::Closed => None,
            };
            is(offer, &to.id) && accepted && *released == from
        }
    }
}

/// Places are granted on the wish of a queue, of a handover that asks, or of one that forces, as the conversation has it.
pub(super) fn asked(history: &History, findings: &mut Findings) {
    let mut kinds: BTreeMap<&OfferId, HandoverKind> = BTreeMap::new();
    for entry in history.conversations.values().flatten() {
        if let Event::Desk(DeskEvent::Handover(HandoverEvent::Asked { ask, .. })) = &entry.event {
            kinds.insert(&ask.offer, ask.kind);
        }
    }
    for (agent, log) in &history.agents {
        for entry in log {
            let AgentEvent::PlaceGranted { offer, ask, .. } = &entry.event else { continue };
            let wished = match kinds.get(offer) {
                None => Ask::Queue,
                Some(HandoverKind::Transfer | HandoverKind::Consult) => Ask::Handover,
                Some(HandoverKind::ForceAssign) => Ask::Force,
                Some(HandoverKind::TakeOver) => Ask::TakeOver,
            };
            findings.expect(*ask == wished, "I6", || {
                format!(
                    "{agent} {}: a place under {offer} was asked for as {wished:?} and granted as {ask:?}",
                    entry.seq
                )
            });
        }
    }
}

/// When everything has settled, whoever was asked has answered or the time was over.
pub(super) fn hands(history: &History, findings: &mut Findings) -> BTreeMap<ConversationId, Hand> {
    let hands: BTreeMap<ConversationId, Hand> =
        history.conversations.iter().map(|(id, log)| (*id, Hand::of(log))).collect();
    for (id, hand) in &hands {
        let over = hand.0.as_ref().is_none_or(|one| matches!(one.step, Step::Joined { .. }));
        findings.expect(over, "desk", || format!("{id} is being handed over for ever: {hand:?}"));
    }
    hands
}
