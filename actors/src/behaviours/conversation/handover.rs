//! Whom a handover concerns: the other agent's actor, which counts its places, and the other agent, who is shown how it goes.

use conversa_engine::conversation::{self as domain, HandoverEnd, HandoverEvent, Phase};
use conversa_engine::desk::{AgentCommand, Ask};
use conversa_engine::ids::{ConversationId, QueueId};

use super::super::Agent;
use super::release;
use crate::behaviour::Outbox;

pub(super) fn tell(
    conversation: &domain::Conversation,
    id: ConversationId,
    event: &HandoverEvent,
    out: &mut Outbox,
) {
    match event {
        HandoverEvent::Asked { ask, .. } => {
            let Some(queue) = queue(conversation) else { return };
            let (offer, weight, to) = (ask.offer.clone(), ask.weight, &ask.to.id);
            let ask = match ask.kind {
                domain::HandoverKind::Transfer | domain::HandoverKind::Consult => Ask::Handover,
                domain::HandoverKind::ForceAssign => Ask::Force,
                domain::HandoverKind::TakeOver => Ask::TakeOver,
            };
            out.tell::<Agent>(to, AgentCommand::AskPlace { queue, conversation: id, offer, weight, ask });
        }
        // A consultant's place stays, as a holder's does.
        HandoverEvent::Joined { offer, to, .. } => {
            out.tell::<Agent>(&to.id, AgentCommand::Confirm { conversation: id, offer: offer.clone() });
        }
        // Also when the place was never granted: the letter follows the one that asked for it.
        HandoverEvent::Ended { offer, to, why, .. } => {
            out.push(&to.id);
            out.tell::<Agent>(&to.id, release(id, offer, *why == HandoverEnd::TimedOut));
        }
        HandoverEvent::Taken { to, released, .. } => {
            out.push(&to.id);
            if let Some((agent, offer)) = released {
                out.tell::<Agent>(agent, release(id, offer, false));
            }
        }
        HandoverEvent::Offered { .. } | HandoverEvent::Spoken { .. } => {}
    }
}

/// The queue through which it came, or would have.
fn queue(conversation: &domain::Conversation) -> Option<QueueId> {
    match conversation.phase() {
        Phase::Queued(wait) | Phase::Offered(wait, _) => Some(wait.queue.clone()),
        Phase::Assigned { queue, .. } => Some(queue.clone()),
        Phase::Unopened | Phase::Bot | Phase::Closed { .. } => {
            conversation.opening().map(|opening| opening.queue.clone())
        }
    }
}
