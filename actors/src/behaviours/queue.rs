//! A waiting queue as an actor: asks agents for places and offers conversations.

use conversa_engine::conversation::{self as domain, Offer, Person};
use conversa_engine::desk::{self, AgentCommand, Ask, PlaceAsk, QueueCommand, QueueEvent, QueuePolicy};
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
    const VERSION: u32 = 3;
    type Command = QueueCommand;
    type Event = QueueEvent;

    fn decide(&self, cx: &Context<'_>, command: QueueCommand) -> Decision<QueueEvent> {
        let unknown = QueuePolicy::default();
        let setting = cx.tenant.queue(&QueueId::new(cx.key()));
        self.0.decide(cx.now, setting.map_or(&unknown, |setting| &setting.policy), command)
    }

    fn apply(&mut self, event: &QueueEvent) {
        self.0.apply(event);
    }

    fn react(&self, cx: &Context<'_>, event: &QueueEvent, out: &mut Outbox) {
        let queue = QueueId::new(cx.key());
        match event {
            QueueEvent::PlaceAsked(PlaceAsk { conversation, agent, offer, weight }) => {
                let (conversation, offer, weight) = (*conversation, offer.clone(), *weight);
                out.tell::<Agent>(
                    agent,
                    AgentCommand::AskPlace { queue, conversation, offer, weight, ask: Ask::Queue },
                );
            }
            QueueEvent::OfferMade { conversation, offer, agent, expires, auto } => {
                let name =
                    cx.tenant.agent(agent).map_or_else(|| agent.to_string(), |setting| setting.name.clone());
                let agent = Person { id: agent.clone(), name };
                let offer = Offer { id: offer.clone(), agent, expires: *expires, auto: *auto };
                out.tell::<Conversation>(conversation, domain::Command::Offer { queue, offer });
            }
            QueueEvent::PlaceUnused { conversation, offer, agent } => {
                out.tell::<Agent>(
                    agent,
                    AgentCommand::Release {
                        conversation: *conversation,
                        offer: offer.clone(),
                        missed: false,
                    },
                );
            }
            QueueEvent::RoomAsked { conversation, queue: other, .. } => {
                let (conversation, from) = (*conversation, queue);
                out.tell::<Self>(other, QueueCommand::AskRoom { conversation, from });
            }
            QueueEvent::RoomAnswered { conversation, to, free } => {
                let (conversation, free) = (*conversation, *free);
                out.tell::<Self>(to, QueueCommand::Room { conversation, queue, free });
            }
            QueueEvent::Overflowing { conversation, to, .. } => {
                let (from, to) = (queue, to.clone());
                out.tell::<Conversation>(conversation, domain::Command::Overflow { from, to });
            }
            QueueEvent::RoomLost { .. }
            | QueueEvent::OverflowPut { .. }
            | QueueEvent::Enqueued { .. }
            | QueueEvent::LeftQueue { .. }
            | QueueEvent::AgentNoted { .. }
            | QueueEvent::OfferFailed { .. }
            | QueueEvent::AvoidsOver { .. }
            | QueueEvent::Unkept { .. }
            | QueueEvent::Relaxed { .. }
            | QueueEvent::PauseSet { .. }
            | QueueEvent::Swept => {}
        }
    }

    fn due(&self) -> Option<(Time, QueueCommand)> {
        self.0.due()
    }

    fn view(&self) -> Value {
        // Who is expected to wait how long follows from the time of one place: places stand in their order.
        let line: Vec<String> = self.0.line().map(|conversation| conversation.to_string()).collect();
        json!({
            "line": line,
            "place_ms": self.0.expected_ms(1),
            "waiting": self.0.waiting(),
            "kept": self.0.kept(),
            "offers": self.0.offers(),
            "longest_wait_since_ts": self.0.longest_wait_since(),
            "agents_free": self.0.agents_free(),
            "paused": self.0.paused(),
        })
    }
}
