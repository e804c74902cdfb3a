//! What simulated people do with conversations beside holding them: give them to one another, ask each other in, and force it as
//! supervisors do.

use std::collections::BTreeMap;

use conversa_engine::conversation::{Command, DeskCommand, HandoverEvent, Person, Target};
use conversa_engine::desk::Part;
use conversa_engine::ids::ConversationId;

use super::World;
use crate::history::What;

impl World {
    /// One that the agent holds, or as a supervisor any that it has seen.
    pub(super) fn hand_over(&mut self, client: usize, held: Option<ConversationId>) {
        self.clients[client].actions_left -= 1;
        let known: Vec<ConversationId> = self.clients[client].positions.keys().copied().collect();
        let agents: Vec<Person> = self
            .tenant
            .agents
            .iter()
            .map(|agent| Person { id: agent.id.clone(), name: agent.name.clone() })
            .collect();
        let Some(to) = self.chance.pick(&agents).cloned() else { return };
        let (summary, slots) = ("so far so good".to_owned(), BTreeMap::new());
        let (conversation, part, what, command) = match (self.chance.below(20), held) {
            (0..5, Some(held)) => {
                let transfer = DeskCommand::Transfer { to: Target::Agent(to), summary, slots };
                (held, Part::Agent, What::HandOver, transfer)
            }
            (5..11, Some(held)) => {
                (held, Part::Agent, What::HandOver, DeskCommand::Consult { to, summary, slots })
            }
            (11..14, Some(held)) => (held, Part::Agent, What::Complete, DeskCommand::Complete),
            (14, Some(held)) => (held, Part::Agent, What::Withdraw, DeskCommand::Withdraw),
            (15 | 16, Some(held)) => (held, Part::Agent, What::Conference, DeskCommand::Conference(true)),
            (17, _) => {
                let Some(any) = self.chance.pick(&known).copied() else { return };
                (any, Part::Supervisor, What::HandOver, DeskCommand::TakeOver)
            }
            (18, _) => {
                let Some(any) = self.chance.pick(&known).copied() else { return };
                (any, Part::Supervisor, What::HandOver, DeskCommand::ForceAssign { to, summary })
            }
            (_, Some(_) | None) => return,
        };
        let by = self.asker(client, part);
        self.command(client, conversation, what, Command::Desk { by, command });
    }

    /// Some say how a conversation ended; with others the time runs out.
    pub(super) fn wrap_up(&mut self, client: usize) {
        let wraps = std::mem::take(&mut self.clients[client].wraps);
        for conversation in wraps {
            if self.chance.hits(5_000) {
                let by = self.asker(client, Part::Agent);
                let command = DeskCommand::Wrap { disposition: "solved".into(), tags: Vec::new() };
                self.command(client, conversation, What::Wrap, Command::Desk { by, command });
            }
        }
    }

    /// Who is asked makes up its mind as about any offer; who may speak speaks.
    pub(super) fn client_sees_handover(
        &mut self,
        client: usize,
        conversation: ConversationId,
        event: &HandoverEvent,
    ) {
        let me = self.clients[client].person.clone();
        match event {
            HandoverEvent::Offered { offer, to, .. } if to.id == me => {
                self.client_offered(client, conversation, offer);
            }
            HandoverEvent::Spoken { to, on: true, .. } if to.id == me => {
                self.clients[client].held.insert(conversation);
            }
            HandoverEvent::Spoken { to, on: false, .. } | HandoverEvent::Ended { to, .. } if to.id == me => {
                self.clients[client].held.remove(&conversation);
            }
            HandoverEvent::Asked { .. }
            | HandoverEvent::Offered { .. }
            | HandoverEvent::Joined { .. }
            | HandoverEvent::Spoken { .. }
            | HandoverEvent::Ended { .. }
            | HandoverEvent::Taken { .. } => {}
        }
    }
}
