//! Reading from the journal what a socket has not been shown: after a resume, a lost push or a slow spell. At the client's pace:
//! one page at a time, each written before the next is read. The talk goes on meanwhile: a store that does not answer must not keep the
//! client at a node that wants it to go.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::Agent;
use conversa_actors::cell::envelope::{Envelope, unseal};
use conversa_actors::port::{Entry, StoreError};
use conversa_engine::conversation::Event;
use conversa_engine::refusal::Refusal;
use serde_json::{Value, json};

use super::{Goodbye, Talk, goodbye, taken};
use crate::wire::Bye;

/// Events of one page.
const PAGE: usize = 64;
/// When a conversation without an owner is tried again.
const LATER: Duration = Duration::from_millis(100);
/// How an agent is.
const PRESENCE: &str = "agent.presence";

/// Something that is being read for the client.
pub(super) struct Reading {
    pub(super) of: Address,
    /// It has changed since: an agent is looked up once more.
    pub(super) again: bool,
    work: Pin<Box<dyn Future<Output = Read> + Send>>,
}

/// What was read.
pub(super) enum Read {
    /// A page of a log that begins behind `after`; none when another node is about to serve the conversation.
    Page { after: u64, entries: Option<Result<Vec<Entry>, StoreError>> },
    /// How an agent is.
    Agent(Result<Value, Refusal>),
}

/// What is being read, once it is there.
pub(super) async fn read(reading: &mut Option<Reading>) -> Read {
    match reading {
        Some(reading) => (&mut reading.work).await,
        None => std::future::pending().await,
    }
}

impl Talk {
    /// Begins to read one page of `source`.
    pub(super) fn catch_up(&mut self, source: Address) -> Result<(), Goodbye> {
        let host = Arc::clone(&self.edge.host);
        if source.kind == Agent::KIND {
            // Skipped first: what changes while it is looked up comes again, and sets `again`.
            self.stream.socket.skip(&source);
            let of = source.clone();
            let work = Box::pin(async move { Read::Agent(host.view_json(&of).await) });
            self.reading = Some(Reading { of: source, again: false, work });
            return Ok(());
        }
        let Some(after) = self.stream.socket.behind(&source) else { return self.caught_up(&source) };
        let of = source.clone();
        let work = Box::pin(async move {
            let entries = host.read_log_now(&of, after, PAGE).await;
            Read::Page { after, entries }
        });
        self.reading = Some(Reading { of: source, again: false, work });
        Ok(())
    }

    /// Shows what was read; the next page follows until the conversation is live.
    pub(super) fn show(&mut self, read: Read) -> Result<(), Goodbye> {
        let Some(Reading { of: source, again, .. }) = self.reading.take() else { return Ok(()) };
        match read {
            Read::Agent(view) => self.show_agent(&source, view, again),
            Read::Page { entries: None, .. } => self.later(&source),
            Read::Page { after, entries: Some(entries) } => {
                let entries = entries.map_err(|error| goodbye(Bye::Internal, error.to_string()))?;
                self.show_page(&source, after, &entries)
            }
        }
    }

    fn show_page(&mut self, source: &Address, after: u64, entries: &[Entry]) -> Result<(), Goodbye> {
        let stream = Arc::clone(&self.stream);
        // Unless the client has come back through another socket, whose task reads this page itself.
        let mut sent = stream.lock(&self.hold).ok_or_else(taken)?;
        if stream.socket.behind(source) != Some(after) {
            // What is to be shown has changed meanwhile: it is read again from there.
            return Ok(());
        }
        let mut shown = after;
        for entry in entries {
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

    /// How an agent is now.
    fn show_agent(
        &mut self,
        source: &Address,
        view: Result<Value, Refusal>,
        again: bool,
    ) -> Result<(), Goodbye> {
        let stream = Arc::clone(&self.stream);
        let mut sent = stream.lock(&self.hold).ok_or_else(taken)?;
        if !again {
            sent.behind.retain(|other| other != source);
        }
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
