//! Methods of the desk beside offers: transfers, and a visitor who does not wait any more.

use std::collections::BTreeMap;

use axum::body::Bytes;
use conversa_engine::conversation::{Asker, Command, DeskCommand, Person, Target};
use conversa_engine::desk::Part;
use conversa_engine::ids::QueueId;
use conversa_engine::refusal::{Code, Refusal};
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

/// `{"queue": "billing"}` or `{"bot": true}`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum To {
    Queue(String),
    Bot(bool),
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

    pub(super) fn transfer(&self, head: &Head<'_>, bytes: &Bytes, id: u64) -> Result<(), Refusal> {
        let Transfer { to, summary, slots } = self.params(bytes)?;
        let to = match to {
            To::Queue(queue) => Target::Queue(self.known_queue(&queue)?),
            To::Bot(true) => Target::Bot,
            To::Bot(false) => {
                return Err(Refusal::new(Code::BadRequest, "to is {\"queue\": id} or {\"bot\": true}"));
            }
        };
        self.ask_desk(head, id, DeskCommand::Transfer { to, summary, slots })
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
