//! Changing what was said: `message.edit`, `message.recall`, `message.react`; and saying how far one has read: `receipt.read`.

use std::sync::Arc;

use conversa_actors::address::Address;
use conversa_actors::letter::Payload;
use conversa_engine::content::Content;
use conversa_engine::conversation::{Author, Change, Command, Event, Reach, Subject};
use conversa_engine::refusal::{Code, Refusal};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Talk;
use crate::rest::history;
use crate::server::Edge;
use crate::wire::Head;

#[derive(Deserialize)]
struct Edit {
    id: String,
    content: Content,
}

#[derive(Deserialize)]
struct Recall {
    id: String,
}

#[derive(Deserialize)]
struct React {
    id: String,
    emoji: String,
    #[serde(default = "yes")]
    on: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Read {
    upto: u64,
}

impl Talk {
    pub(super) fn edit(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Edit { id: ms, content } = head.params()?;
        self.edge.attachments.check(&self.principal, &content)?;
        self.change(head, id, &ms, Change::Edit(content))
    }

    pub(super) fn recall(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Recall { id: ms } = head.params()?;
        self.change(head, id, &ms, Change::Recall)
    }

    pub(super) fn react(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let React { id: ms, emoji, on } = head.params()?;
        self.change(head, id, &ms, Change::React { emoji, on })
    }

    pub(super) fn read_upto(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Read { upto } = head.params()?;
        self.command(head, id, Command::Mark { by: self.author(), reach: Reach::Read, upto })
    }

    fn change(&self, head: &Head<'_>, id: u64, ms: &str, change: Change) -> Result<(), Refusal> {
        let (address, by) = (self.conversation(head)?, self.author());
        let seq = history::offset(Self::named(head)?, ms)?;
        self.spawn(id, move |edge, _| async move { ask(&edge, &address, by, seq, change).await });
        Ok(())
    }
}

/// Asks for a change of the message at offset `seq`.
///
/// # Errors
/// The conversation's refusal; `not_found` when there is no message at that offset.
pub(crate) async fn ask(
    edge: &Arc<Edge>,
    conversation: &Address,
    by: Author,
    seq: u64,
    change: Change,
) -> Result<Value, Refusal> {
    let target = target(edge, conversation, seq).await?;
    let command = Command::Change { by, target, change };
    match edge.host.ask(conversation, Payload::of(command)).await {
        Ok(accepted) => Ok(json!({ "o": accepted.last, "ts": accepted.at })),
        Err(Refusal { code: Code::Duplicate, seq, .. }) => Ok(json!({ "o": seq, "dup": true })),
        Err(refusal) => Err(refusal),
    }
}

async fn target(edge: &Arc<Edge>, conversation: &Address, seq: u64) -> Result<Subject, Refusal> {
    let Some(Event::Said(said)) = history::event_at(edge, conversation, seq).await? else {
        return Err(Refusal::new(Code::NotFound, "there is no such message in this conversation"));
    };
    Ok(Subject {
        seq,
        kind: said.author.kind,
        author: said.author.id,
        visibility: said.visibility,
        at: said.at,
    })
}
