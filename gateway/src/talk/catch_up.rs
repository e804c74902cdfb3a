//! Reading from the journal what a socket has not been shown: after a resume, a lost push or a slow spell. At the client's pace:
//! one page at a time, each written before the next is read.

use std::sync::Arc;
use std::time::Duration;

use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::Agent;
use conversa_actors::cell::envelope::{Envelope, unseal};
use conversa_engine::conversation::Event;
use serde_json::json;

use super::{Goodbye, Talk, goodbye, taken};
use crate::wire::Bye;

/// Events of one page.
const PAGE: usize = 64;
/// When a conversation without an owner is tried again.
const LATER: Duration = Duration::from_millis(100);
/// How an agent is.
const PRESENCE: &str = "agent.presence";

impl Talk {
    /// Reads one page of `source`; comes again until the conversation is live.
    pub(super) async fn catch_up(&mut self, source: &Address) -> Result<(), Goodbye> {
        if source.kind == Agent::KIND {
            return self.show_agent(source).await;
        }
        let stream = Arc::clone(&self.stream);
        let Some(after) = stream.socket.behind(source) else { return self.caught_up(source) };
        let entries = match self.edge.host.read_log_now(source, after, PAGE).await {
            Some(entries) => entries.map_err(|error| goodbye(Bye::Internal, error.to_string()))?,
            None => return self.later(source),
        };
        // Nobody else has sent meanwhile, or the client has come back through another socket, whose task reads this page itself.
        let mut sent = stream.lock(&self.hold).ok_or_else(taken)?;
        let mut shown = after;
        for entry in &entries {
            let envelope: Envelope<Event> = unseal(&entry.body).map_err(|_| {
                goodbye(Bye::Internal, format!("a stored event of {} cannot be read", source.key))
            })?;
            let held = stream.socket.held(source, entry.seq);
            // Only the client's own message is shown by its answer alone, as it is on a socket that is not behind.
            let own = matches!(&envelope.body, Event::Said(said) if said.author.id == self.principal.id);
            if held.is_none() || !own {
                self.event(&mut sent, source, entry.seq, &envelope.body);
            }
            if let Some((request, accepted)) = held {
                self.answered(request, source, Ok(accepted));
            }
            shown = entry.seq;
        }
        let end = entries.len() < PAGE;
        if stream.socket.caught_up(source, shown, end) {
            sent.behind.retain(|other| other != source);
        }
        Ok(())
    }

    /// How an agent is now. Skipped first: what changes while it is looked up comes again.
    async fn show_agent(&mut self, source: &Address) -> Result<(), Goodbye> {
        self.stream.socket.skip(source);
        let view = self.edge.host.view_json(source).await;
        let stream = Arc::clone(&self.stream);
        let mut sent = stream.lock(&self.hold).ok_or_else(taken)?;
        sent.behind.retain(|other| other != source);
        // An actor that cannot be asked now tells of its next change.
        if let Ok(view) = view
            && self.wishes.wants(PRESENCE)
        {
            let d = json!({
                "agent": source.key, "state": view["state"], "reason": view["reason"], "asked": view["asked"],
                "capacity": view["capacity"], "taken": view["taken"], "places": view["places"],
            });
            self.own_event(&mut sent, PRESENCE, d);
        }
        Ok(())
    }

    /// Another node is about to serve the conversation: it is read on in a moment, and what else waits goes on.
    fn later(&self, source: &Address) -> Result<(), Goodbye> {
        let (socket, of) = (Arc::clone(&self.stream.socket), source.clone());
        tokio::spawn(async move {
            tokio::time::sleep(LATER).await;
            socket.read_on(&of);
        });
        self.caught_up(source)
    }

    fn caught_up(&self, source: &Address) -> Result<(), Goodbye> {
        let mut sent = self.stream.lock(&self.hold).ok_or_else(taken)?;
        sent.behind.retain(|other| other != source);
        Ok(())
    }
}
