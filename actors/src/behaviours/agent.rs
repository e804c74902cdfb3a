//! An agent as an actor: counts its own places, and tells its queues when they change.

use conversa_engine::conversation::{self as domain, HandoverCommand};
use conversa_engine::desk::{self, AgentCommand, AgentEvent, AgentPolicy, Ask, QueueCommand, Skills};
use conversa_engine::ids::{PersonId, QueueId};
use conversa_engine::refusal::Decision;
use conversa_engine::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Conversation, Queue};
use crate::behaviour::{Behaviour, Context, Outbox};
use crate::lobby::WATCHERS;

/// The actor of one agent; its key is the agent's id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Agent(desk::Agent);

impl Behaviour for Agent {
    const KIND: &'static str = "agent";
    const VERSION: u32 = 2;
    type Command = AgentCommand;
    type Event = AgentEvent;

    fn decide(&self, cx: &Context<'_>, command: AgentCommand) -> Decision<AgentEvent> {
        let unknown = AgentPolicy::default();
        let setting = cx.tenant.agent(&PersonId::new(cx.key()));
        self.0.decide(cx.now, setting.map_or(&unknown, |setting| &setting.policy), command)
    }

    fn apply(&mut self, event: &AgentEvent) {
        self.0.apply(event);
    }

    fn react(&self, cx: &Context<'_>, event: &AgentEvent, out: &mut Outbox) {
        let me = PersonId::new(cx.key());
        if shows(event) {
            out.push(&me);
            out.push(&PersonId::new(WATCHERS));
        }
        match event {
            AgentEvent::PlaceGranted { queue, conversation, offer, ask: Ask::Queue, .. } => {
                let granted =
                    QueueCommand::Granted { conversation: *conversation, offer: offer.clone(), agent: me };
                out.tell::<Queue>(queue, granted);
                self.tell_queues(cx, out);
            }
            // The conversation has asked.
            AgentEvent::PlaceGranted { conversation, offer, .. } => {
                let granted = HandoverCommand::Granted { agent: me, offer: offer.clone() };
                out.tell::<Conversation>(conversation, domain::Command::Handover(granted));
                self.tell_queues(cx, out);
            }
            AgentEvent::PlaceDenied { conversation, offer, ask, .. } if *ask != Ask::Queue => {
                let denied = HandoverCommand::Denied { agent: me, offer: offer.clone() };
                out.tell::<Conversation>(conversation, domain::Command::Handover(denied));
            }
            AgentEvent::PlaceDenied { queue, conversation, offer, .. } => {
                let taken = self.0.places().contains_key(conversation);
                let (conversation, offer) = (*conversation, offer.clone());
                out.tell::<Queue>(queue, QueueCommand::Denied { conversation, offer, agent: me, taken });
                if taken || self.0.free() > 0 {
                    // The queue takes whoever denies for full, and this one is not.
                    self.tell_queues(cx, out);
                }
            }
            AgentEvent::Left { lost, .. } => {
                for (conversation, offer) in lost {
                    out.tell::<Conversation>(
                        conversation,
                        domain::Command::AgentGone { agent: me.clone(), offer: offer.clone() },
                    );
                }
                self.tell_queues(cx, out);
            }
            AgentEvent::Doubted { places, .. } => {
                for (conversation, offer) in places {
                    out.tell::<Conversation>(
                        conversation,
                        domain::Command::CheckPlace { agent: me.clone(), offer: offer.clone() },
                    );
                }
            }
            AgentEvent::PresenceSet { .. } | AgentEvent::PlaceReleased { .. } => self.tell_queues(cx, out),
            AgentEvent::Resettled { left, .. } => {
                self.tell_queues(cx, out);
                for queue in left {
                    let (idle_since, taken) = (self.0.idle_since(), self.0.taken());
                    let agent = me.clone();
                    let none =
                        QueueCommand::AgentSeen { agent, free: 0, idle_since, taken, skills: Skills::new() };
                    out.tell::<Queue>(queue, none);
                }
            }
            AgentEvent::Renewed { .. }
            | AgentEvent::PlaceConfirmed { .. }
            | AgentEvent::AwayAsked { .. }
            | AgentEvent::AwayAnswered { .. } => {}
        }
    }

    fn due(&self) -> Option<(Time, AgentCommand)> {
        self.0.due()
    }

    fn view(&self) -> Value {
        json!({
            "state": self.0.presence(),
            "reason": self.0.reason(),
            "asked": self.0.asked().map(|(at, reason)| json!({ "since_ts": at, "reason": reason })),
            "capacity": self.0.capacity(),
            "taken": self.0.taken(),
            "places": self.0.places().len(),
            "conversations": self.0.places().keys().collect::<Vec<_>>(),
        })
    }
}

/// True for what the agent's own sockets, and those who watch agents, are shown.
fn shows(event: &AgentEvent) -> bool {
    matches!(
        event,
        AgentEvent::PresenceSet { .. }
            | AgentEvent::Resettled { .. }
            | AgentEvent::Left { .. }
            | AgentEvent::AwayAsked { .. }
            | AgentEvent::AwayAnswered { .. }
    )
}

impl Agent {
    fn tell_queues(&self, cx: &Context<'_>, out: &mut Outbox) {
        let me = PersonId::new(cx.key());
        let setting = cx.tenant.agent(&me);
        // The events say which queues, so that a replay under other settings writes the same letters.
        let queues: &[QueueId] = match (self.0.serves(), setting) {
            (Some(queues), _) => queues,
            (None, Some(setting)) => &setting.policy.serves,
            (None, None) => return,
        };
        for queue in queues {
            let seen = QueueCommand::AgentSeen {
                agent: me.clone(),
                free: self.0.free(),
                idle_since: self.0.idle_since(),
                taken: self.0.taken(),
                skills: setting.map_or_else(Skills::new, |setting| setting.skills.clone()),
            };
            out.tell::<Queue>(queue, seen);
        }
    }
}
