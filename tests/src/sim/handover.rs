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
        let me = self.clients[client].person.clone();
        let agents = self.tenant.agents.iter().filter(|agent| agent.id != me);
        let others: Vec<Person> =
            agents.map(|agent| Person { id: agent.id.clone(), name: agent.name.clone() }).collect();
        let Some(to) = self.chance.pick(&others).cloned() else { return };
        let (summary, slots) = ("so far so good".to_owned(), BTreeMap::new());
        let consults = held.is_some_and(|held| self.clients[client].consults.contains(&held));
        let (conversation, part, what, command) = match (self.chance.below(20), held) {
            (0..8, Some(held)) if consults => (held, Part::Agent, What::Complete, DeskCommand::Complete),
            (8..12, Some(held)) if consults => (held, Part::Agent, What::Withdraw, DeskCommand::Withdraw),
            (12..16, Some(held)) if consults => {
                (held, Part::Agent, What::Conference, DeskCommand::Conference(true))
            }
            (0..8, Some(held)) => {
                let transfer = DeskCommand::Transfer { to: Target::Agent(to), summary, slots };
                (held, Part::Agent, What::HandOver, transfer)
            }
            (8..16, Some(held)) => {
                (held, Part::Agent, What::HandOver, DeskCommand::Consult { to, summary, slots })
            }
            (16 | 17, Some(held)) => (held, Part::Agent, What::Withdraw, DeskCommand::Withdraw),
            (18, _) => {
                let Some(any) = self.chance.pick(&known).copied() else { return };
                (any, Part::Supervisor, What::HandOver, DeskCommand::TakeOver)
            }
            (19, _) => {
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
        if matches!(event, HandoverEvent::Ended { .. } | HandoverEvent::Taken { .. }) {
            self.clients[client].consults.remove(&conversation);
        }
        match event {
            HandoverEvent::Joined { to, .. } if to.id != me => {
                self.clients[client].consults.insert(conversation);
            }
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
