//! Topics: what a client follows beside its own conversations. `cv:<id>`, a conversation that it may read; `queue:<id>`, how a queue
//! stands; `wall:<id>` or `wall:*`, what supervisors see of a queue or of all. They live as long as the stream: a client that resumes it follows them still, and every welcome names those that stand.

use std::sync::Arc;

use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::Queue;
use conversa_actors::letter::Payload;
use conversa_actors::lobby::{Socket, TOPICS_MAX, TooMany, Topic};
use conversa_engine::conversation::{Command, DeskCommand, DeskEvent, Event};
use conversa_engine::desk::{Op, Relation, may};
use conversa_engine::ids::QueueId;
use conversa_engine::refusal::{Code, Refusal};
use serde::Deserialize;
use serde_json::json;

use super::Talk;
use super::outgoing::EPOCH;
use crate::auth::Role;
use crate::gauges;
use crate::rest::{conversation_address, visible};
use crate::wall::Scope;
use crate::wire::Head;

#[derive(Deserialize)]
struct Sub {
    topic: String,
    /// The last event of the conversation that the client has; without it, it is shown what comes from now on.
    #[serde(default)]
    pos: Option<u64>,
}

#[derive(Deserialize)]
struct Unsub {
    topic: String,
}

/// What a topic names.
enum Named {
    Conversation(Address),
    Queue(Arc<str>),
    Wall(Scope),
}

/// The topics of a socket, as clients write them.
pub(super) fn names(socket: &Socket) -> Vec<String> {
    let name = |topic: &Topic| match topic {
        Topic::Conversation(key) => Some(format!("cv:{key}")),
        Topic::Queue(key) => Some(format!("queue:{key}")),
        Topic::Wall { queue, .. } => Some(format!("wall:{queue}")),
        // Nobody has asked for it.
        Topic::Place { .. } => None,
    };
    socket.topics().iter().filter_map(name).collect()
}

fn wall(Scope { queue, within }: &Scope) -> Topic {
    Topic::Wall { queue: Arc::clone(queue), within: Arc::clone(within) }
}

fn too_many(_: TooMany) -> Refusal {
    let detail = format!("a socket follows at most {TOPICS_MAX} topics: unsub one first");
    Refusal::new(Code::QuotaExceeded, detail)
}

impl Talk {
    /// Follows a topic from now on. Again is no error.
    pub(super) fn sub(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Sub { topic, pos } = head.params()?;
        match self.topic(&topic)? {
            Named::Conversation(address) => self.follow_conversation(address, pos, id),
            Named::Queue(queue) => self.follow_queue(queue, id)?,
            Named::Wall(scope) => self.follow_wall(scope, id)?,
        }
        Ok(())
    }

    fn follow_conversation(&self, address: Address, pos: Option<u64>, id: u64) {
        let (by, socket) = (self.asker(), Arc::clone(&self.stream.socket));
        self.spawn(id, move |edge, principal| async move {
            let view = visible(&edge, &principal, &address).await?;
            if principal.role == Role::Supervisor {
                let watch = Command::Desk { by, command: DeskCommand::Watch(true) };
                match edge.host.ask(&address, Payload::of(watch)).await {
                    Ok(_) | Err(Refusal { code: Code::Duplicate | Code::ConversationClosed, .. }) => {}
                    Err(refusal) => return Err(refusal),
                }
            }
            let head = view["o"].as_u64().unwrap_or_default();
            let from = pos.unwrap_or(head).min(head);
            edge.host.lobby().topics().follow_conversation(&socket, &address, from).map_err(too_many)?;
            Ok(json!({ "ep": EPOCH, "o": head, "snapshot": view }))
        });
    }

    fn follow_queue(&self, queue: Arc<str>, id: u64) -> Result<(), Refusal> {
        let socket = Arc::clone(&self.stream.socket);
        let topic = Topic::Queue(Arc::clone(&queue));
        self.edge.host.lobby().topics().follow(&socket, &topic).map_err(too_many)?;
        self.spawn(id, move |edge, principal| async move {
            let view = edge.host.view_json(&Address::new(principal.tenant, Queue::KIND, queue)).await?;
            Ok(json!({ "ep": EPOCH, "o": 0, "snapshot": gauges::updated(&view) }))
        });
        Ok(())
    }

    fn follow_wall(&self, scope: Scope, id: u64) -> Result<(), Refusal> {
        let socket = Arc::clone(&self.stream.socket);
        let topic = wall(&scope);
        self.edge.host.lobby().topics().follow(&socket, &topic).map_err(too_many)?;
        self.spawn(id, move |edge, principal| async move {
            Ok(json!({ "ep": EPOCH, "o": 0, "snapshot": scope.read(&edge, &principal.tenant).await? }))
        });
        Ok(())
    }

    /// No longer follows a topic; one that it does not follow is no error.
    pub(super) fn unsub(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Unsub { topic } = head.params()?;
        let topics = self.edge.host.lobby().topics();
        let socket = &self.stream.socket;
        match self.topic(&topic)? {
            Named::Conversation(address) => {
                let topic = Topic::Conversation(Arc::clone(&address.key));
                let followed = socket.topics().contains(&topic);
                let last = topics.unfollow(socket, &topic);
                if followed && last && self.principal.role == Role::Supervisor {
                    let watch = Command::Desk { by: self.asker(), command: DeskCommand::Watch(false) };
                    self.edge.host.hint(&address, Payload::of(watch));
                }
            }
            Named::Queue(queue) => {
                topics.unfollow(socket, &Topic::Queue(queue));
            }
            Named::Wall(scope) => {
                topics.unfollow(socket, &wall(&scope));
            }
        }
        socket.reply(id, Ok(json!({ "topic": topic })));
        Ok(())
    }

    /// A visitor who waits is told the place, until it does not wait any more.
    pub(super) fn keep_place(&self, conversation: &Arc<str>, event: &Event) {
        let queue = match event {
            Event::Queued { wait, .. } => Some(wait.queue.shared()),
            Event::Assigned { .. } | Event::Closed { .. } | Event::Desk(DeskEvent::BotTook { .. }) => None,
            _ => return,
        };
        self.edge.host.lobby().topics().wait_in(&self.stream.socket, conversation, queue);
    }

    /// What `topic` names, where the client may follow it; whose a conversation is its view tells.
    fn topic(&self, topic: &str) -> Result<Named, Refusal> {
        let part = self.asker().part;
        match topic.split_once(':') {
            Some(("cv", cv)) => Ok(Named::Conversation(conversation_address(&self.principal, cv)?)),
            Some(("queue", queue)) => {
                let id = QueueId::new(queue);
                let teams = &self.edge.company(&self.principal.tenant)?.teams;
                let elsewhere = self.principal.role == Role::Supervisor
                    && !teams.reaches(&self.principal.id, Some(&id), None);
                let relation = if elsewhere { Relation::Elsewhere } else { Relation::Other };
                if !may(Op::SeeQueue, part, relation) {
                    let detail = if elsewhere {
                        "this queue belongs to another department"
                    } else {
                        "how queues stand is for agents and supervisors"
                    };
                    return Err(Refusal::new(Code::Forbidden, detail));
                }
                Ok(Named::Queue(self.known_queue(queue)?.shared()))
            }
            Some(("wall", queue)) => Ok(Named::Wall(Scope::of(&self.edge, &self.principal, queue)?)),
            Some(_) | None => {
                let detail = format!(
                    "there is no topic {topic:?}: topics are cv:<conversation>, queue:<queue> and wall:<queue or *>"
                );
                Err(Refusal::new(Code::NotFound, detail))
            }
        }
    }
}
