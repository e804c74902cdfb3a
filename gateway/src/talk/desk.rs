//! Methods of the desk beside offers: transfers, consultation, and a visitor who does not wait any more.

use std::collections::BTreeMap;

use conversa_engine::conversation::{Asker, Command, DeskCommand, Person, Target};
use conversa_engine::desk::Part;
use conversa_engine::ids::{PersonId, QueueId};
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use serde::Deserialize;

use super::Talk;
use crate::auth::Role;
use crate::wire::Head;

#[derive(Deserialize)]
struct Transfer {
    to: To,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    slots: BTreeMap<String, String>,
}

/// `{"queue": "billing"}`, `{"agent": "ag_2"}` or `{"bot": true}`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum To {
    Queue(String),
    Agent(String),
    Bot(bool),
}

#[derive(Deserialize)]
struct Second {
    agent: String,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    slots: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Wrap {
    disposition: String,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct Snooze {
    #[serde(default)]
    until_ms: Option<i64>,
}

#[derive(Deserialize)]
struct Switch {
    #[serde(default = "yes")]
    on: bool,
}

fn yes() -> bool {
    true
}

impl Talk {
    /// Asks the conversation for something of the desk; it judges who may.
    pub(super) fn ask_desk(&self, head: &Head<'_>, id: u64, command: DeskCommand) -> Result<(), Refusal> {
        let by = self.asker();
        self.command(head, id, Command::Desk { by, command })
    }

    pub(super) fn asker(&self) -> Asker {
        let part = match self.principal.role {
            Role::Visitor => Part::Visitor,
            Role::Agent => Part::Agent,
            Role::Supervisor => Part::Supervisor,
        };
        let person = Person { id: self.principal.id.clone(), name: self.principal.name.clone() };
        Asker { person, part }
    }

    pub(super) fn transfer(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Transfer { to, summary, slots } = head.params()?;
        let to = match to {
            To::Queue(queue) => Target::Queue(self.known_queue(&queue)?),
            To::Agent(agent) => Target::Agent(self.known_agent(&agent)?),
            To::Bot(true) => Target::Bot,
            To::Bot(false) => {
                let detail = "to is {\"agent\": id}, {\"queue\": id} or {\"bot\": true}";
                return Err(Refusal::new(Code::BadRequest, detail));
            }
        };
        self.ask_desk(head, id, DeskCommand::Transfer { to, summary, slots })
    }

    /// Asks a second agent in.
    pub(super) fn consult(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Second { agent, summary, slots } = head.params()?;
        let to = self.known_agent(&agent)?;
        self.ask_desk(head, id, DeskCommand::Consult { to, summary, slots })
    }

    /// Lets the consultant write to the visitor, or no longer.
    pub(super) fn conference(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Switch { on } = head.params()?;
        self.ask_desk(head, id, DeskCommand::Conference(on))
    }

    /// Says how a conversation ended.
    pub(super) fn wrap(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Wrap { disposition, tags } = head.params()?;
        self.ask_desk(head, id, DeskCommand::Wrap { disposition, tags })
    }

    /// Lets a conversation rest until a time, or until the visitor writes.
    pub(super) fn snooze(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Snooze { until_ms } = head.params()?;
        self.ask_desk(head, id, DeskCommand::Snooze { until: until_ms.map(Time::from_ms) })
    }

    /// Gives a conversation to an agent who is not asked.
    pub(super) fn force_assign(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Second { agent, summary, .. } = head.params()?;
        let to = self.known_agent(&agent)?;
        self.ask_desk(head, id, DeskCommand::ForceAssign { to, summary })
    }

    /// An agent of the company, by its name there.
    pub(super) fn known_agent(&self, agent: &str) -> Result<Person, Refusal> {
        let id = PersonId::new(agent);
        let company = self.edge.company(&self.principal.tenant)?;
        match company.agent(&id) {
            Some(setting) => Ok(Person { id, name: setting.name.clone() }),
            None => Err(Refusal::new(
                Code::NotFound,
                format!("there is no agent {agent:?}: name one of the company's settings"),
            )),
        }
    }

    /// A queue of the company: in one that is not, a conversation would wait for ever.
    pub(super) fn known_queue(&self, queue: &str) -> Result<QueueId, Refusal> {
        let id = QueueId::new(queue);
        let company = self.edge.company(&self.principal.tenant)?;
        if company.queue(&id).is_some() {
            return Ok(id);
        }
        let known: Vec<&str> = company.queues.iter().map(|queue| queue.id.as_str()).collect();
        Err(Refusal::new(
            Code::NotFound,
            format!("there is no queue {queue:?}; there are: {}", known.join(", ")),
        ))
    }
}
