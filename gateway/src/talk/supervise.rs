//! Methods of supervisors: watch, whisper, barge in, pause a queue, see agents and let them be away.

use std::sync::Arc;

use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::{Agent, Queue};
use conversa_actors::letter::Payload;
use conversa_engine::content::Content;
use conversa_engine::conversation::{Command, DeskCommand};
use conversa_engine::desk::{AgentCommand, QueueCommand};
use conversa_engine::refusal::{Code, Refusal};
use serde::Deserialize;
use serde_json::json;

use super::Talk;
use crate::wire::Head;

#[derive(Deserialize)]
struct Switch {
    #[serde(default = "yes")]
    on: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Whisper {
    content: Content,
}

#[derive(Deserialize)]
struct Answer {
    agent: String,
    #[serde(default = "yes")]
    approved: bool,
}

#[derive(Deserialize)]
struct Pause {
    queue: String,
    #[serde(default = "yes")]
    paused: bool,
}

impl Talk {
    /// Watches a conversation: everything from its beginning is shown on this socket. The company's journal knows, nobody in the
    /// conversation does.
    pub(super) fn monitor(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Switch { on } = head.params()?;
        let (address, by, socket) = (self.conversation(head)?, self.asker(), Arc::clone(&self.stream.socket));
        self.spawn(id, move |edge, _| async move {
            let watch = Command::Desk { by, command: DeskCommand::Watch(on) };
            match edge.host.ask(&address, Payload::of(watch)).await {
                // Asked again after a new connection: it is to be shown again.
                Ok(_) | Err(Refusal { code: Code::Duplicate, .. }) => {}
                Err(refusal) => return Err(refusal),
            }
            if on {
                socket.follow(&address, 0);
            }
            Ok(json!({ "on": on }))
        });
        Ok(())
    }

    pub(super) fn whisper(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Whisper { content } = head.params()?;
        self.edge.attachments.check(&self.principal, &content)?;
        self.ask_desk(head, id, DeskCommand::Whisper(content))
    }

    pub(super) fn barge_in(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Switch { on } = head.params()?;
        self.ask_desk(head, id, DeskCommand::BargeIn(on))
    }

    /// Is shown how the company's agents are from now on, or no longer; how they are now says `GET /v1/agents`.
    pub(super) fn watch_agents(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Switch { on } = head.params()?;
        let (lobby, socket) = (self.edge.host.lobby(), &self.stream.socket);
        if on {
            lobby.watch(socket)
        } else {
            lobby.unwatch(socket)
        }
        socket.reply(id, Ok(json!({ "on": on })));
        Ok(())
    }

    /// Answers an agent who asks to be away.
    pub(super) fn answer_away(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Answer { agent, approved } = head.params()?;
        let agent = self.known_agent(&agent)?;
        self.spawn(id, move |edge, principal| async move {
            let address = Address::new(principal.tenant, Agent::KIND, agent.id.shared());
            let answer = AgentCommand::AnswerAway { approved, by: principal.id };
            edge.host.ask(&address, Payload::of(answer)).await?;
            Ok(json!({ "approved": approved }))
        });
        Ok(())
    }

    /// Stops assignment of a queue, or lets it go on.
    pub(super) fn pause_queue(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Pause { queue, paused } = head.params()?;
        let queue = self.known_queue(&queue)?;
        let teams = &self.edge.company(&self.principal.tenant)?.teams;
        if !teams.reaches(&self.principal.id, Some(&queue), None) {
            return Err(Refusal::new(Code::Forbidden, "this queue belongs to another department"));
        }
        self.spawn(id, move |edge, principal| async move {
            let address = Address::new(principal.tenant, Queue::KIND, queue.shared());
            let pause = QueueCommand::Pause { paused, by: principal.id };
            match edge.host.ask(&address, Payload::of(pause)).await {
                Ok(_) | Err(Refusal { code: Code::Duplicate, .. }) => Ok(json!({ "paused": paused })),
                Err(refusal) => Err(refusal),
            }
        });
        Ok(())
    }
}
