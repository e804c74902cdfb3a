//! A waiting queue as an actor: asks agents for places and offers conversations.

use conversa_engine::conversation::{self as domain, Offer, Person};
use conversa_engine::desk::{self, AgentCommand, PlaceAsk, QueueCommand, QueueEvent};
use conversa_engine::ids::QueueId;
use conversa_engine::refusal::Decision;
use conversa_engine::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Agent, Conversation};
use crate::behaviour::{Behaviour, Context, Outbox};

/// The actor of one queue; its key is the queue's id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Queue(desk::Queue);

impl Behaviour for Queue {
    const KIND: &'static str = "queue";
    type Command = QueueCommand;
    type Event = QueueEvent;

    fn decide(&self, cx: &Context<'_>, command: QueueCommand) -> Decision<QueueEvent> {
        self.0.decide(cx.now, cx.tenant.offer_ms, command)
    }

    fn apply(&mut self, event: &QueueEvent) {
        self.0.apply(event);
    }

    fn react(&self, cx: &Context<'_>, event: &QueueEvent, out: &mut Outbox) {
        let queue = QueueId::new(cx.key());
        match event {
            QueueEvent::PlaceAsked(PlaceAsk { conversation, agent, offer }) => {
                out.tell::<Agent>(
                    agent,
                    AgentCommand::AskPlace { queue, conversation: *conversation, offer: offer.clone() },
                );
            }
            QueueEvent::OfferMade { conversation, offer, agent, expires } => {
                let name =
                    cx.tenant.agent(agent).map_or_else(|| agent.to_string(), |setting| setting.name.clone());
                let agent = Person { id: agent.clone(), name };
                let offer = Offer { id: offer.clone(), agent, expires: *expires };
                out.tell::<Conversation>(conversation, domain::Command::Offer { queue, offer });
            }
            QueueEvent::PlaceUnused { conversation, offer, agent } => {
                out.tell::<Agent>(
                    agent,
                    AgentCommand::Release { conversation: *conversation, offer: offer.clone() },
                );
            }
            QueueEvent::Enqueued { .. }
            | QueueEvent::LeftQueue { .. }
            | QueueEvent::AgentNoted { .. }
            | QueueEvent::OfferFailed { .. } => {}
        }
    }

    fn due(&self) -> Option<(Time, QueueCommand)> {
        self.0.due()
    }

    fn view(&self) -> Value {
        json!({
            "waiting": self.0.waiting(),
            "offers": self.0.offers(),
            "longest_wait_since_ts": self.0.longest_wait_since(),
            "agents_free": self.0.agents_free(),
        })
    }
}
