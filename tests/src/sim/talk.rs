//! The server's end of a socket, as `gateway/src/talk.rs` and `catch_up.rs` do it: writes what the real socket queues, reads from the
//! journal what it missed, one page at a time.

use std::sync::Arc;

use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::Agent;
use conversa_actors::cell::envelope::{Envelope, unseal};
use conversa_actors::cell::machine::{Answer, Asker, Request, SocketAsker, unknown_outcome};
use conversa_actors::letter::Payload;
use conversa_actors::lobby::{Out, Socket};
use conversa_actors::port::Entry;
use conversa_engine::conversation::{self, Command};
use conversa_engine::desk::AgentCommand;
use conversa_engine::ids::ConversationId;
use conversa_engine::time::Time;

use super::agenda::Action;
use super::client::Part;
use super::cluster::Event;
use super::{Plant, World};
use crate::history::{Shown, Stream};

/// A request without an answer for this time is told so.
const DEADLINE_MS: i64 = 30_000;
/// How often a connected agent's presence is renewed.
const RENEW_MS: i64 = 30_000;

/// One socket.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) socket: Arc<Socket>,
    pub(super) client: usize,
    pub(super) node: usize,
    pub(super) open: bool,
    /// What is written gets lost: the line is dead and nobody has noticed yet.
    deaf: bool,
    /// It takes nothing before this time.
    takes_from: Time,
    reading: bool,
    behind: Vec<Address>,
    /// (request, until when) without an answer.
    pending: Vec<(u64, Time)>,
    renewed: Time,
    pub(super) stream: Stream,
}

impl Talk {
    pub(super) fn new(socket: Arc<Socket>, client: usize, node: usize, now: Time, agent: bool) -> Self {
        let stream = Stream {
            person: socket.person().clone(),
            agent,
            since: now,
            positions: std::collections::BTreeMap::new(),
            shown: Vec::new(),
            live: false,
        };
        let (behind, pending) = (Vec::new(), Vec::new());
        Self {
            socket,
            client,
            node,
            open: true,
            deaf: false,
            takes_from: now,
            reading: false,
            behind,
            pending,
            renewed: now,
            stream,
        }
    }
}

impl World {
    /// Writes what waits on all sockets.
    pub(super) fn pump_all(&mut self) {
        for talk in 0..self.talks.len() {
            self.pump(talk);
        }
    }

    pub(super) fn pump(&mut self, place: usize) {
        loop {
            let talk = &mut self.talks[place];
            let still = self.nodes[talk.node].still_until > self.now;
            if !talk.open || talk.reading || still || talk.takes_from > self.now {
                return;
            }
            let Some(out) = talk.socket.next() else { break };
            match out {
                Out::Event { source, seq, event } => {
                    if let Some(event) = event.downcast_ref::<conversation::Event>() {
                        self.show(place, &source, seq, event);
                    }
                }
                Out::Answer { request, answer, .. } => self.answered(place, request, answer),
                // An agent is shown as it stands, not event by event.
                Out::Behind { source, .. } if source.kind == Agent::KIND => talk.socket.skip(&source),
                Out::Behind { source, .. } => talk.behind.push(source),
                Out::Reply { .. } | Out::Murmur(_) => {}
                Out::LookUp => self.look_up(place),
                Out::Replaced | Out::Drain => return self.close_talk(place),
            }
        }
        let talk = &mut self.talks[place];
        if let Some(source) = talk.behind.pop()
            && let Some(after) = talk.socket.behind(&source)
        {
            talk.reading = true;
            let n = talk.node;
            self.read_for_talk(n, place, source, after);
        }
    }

    /// A page has come: shown, and the next is read unless the conversation is live again.
    pub(super) fn page(&mut self, place: usize, source: &Address, entries: Option<Vec<Entry>>) {
        let talk = &mut self.talks[place];
        talk.reading = false;
        if !talk.open {
            return;
        }
        let Some(mut entries) = entries else { return self.close_talk(place) };
        if self.plant == Some(Plant::ResumeReordered) && entries.len() > 1 {
            entries.swap(0, 1);
        }
        let left_out = (self.plant == Some(Plant::ResumeSkips) && entries.len() > 1).then_some(0);
        let socket = Arc::clone(&talk.socket);
        let mut shown = socket.behind(source).unwrap_or_default();
        let end = entries.len() < self.rates.page;
        for (place_in_page, entry) in entries.into_iter().enumerate() {
            if left_out == Some(place_in_page) {
                continue;
            }
            let envelope: Envelope<conversation::Event> =
                unseal(&entry.body).expect("a simulated store holds what was put into it");
            let held = socket.held(source, entry.seq);
            if held.is_none() || !matches!(envelope.body, conversation::Event::Said(_)) {
                self.show(place, source, entry.seq, &envelope.body);
            }
            if let Some((request, accepted)) = held {
                self.answered(place, request, Ok(accepted));
            }
            shown = shown.max(entry.seq);
        }
        if !socket.caught_up(source, shown, end) {
            self.talks[place].behind.push(source.clone());
        }
        self.pump(place);
    }

    /// The conversation has no owner that can be asked: it is read on in a moment, and what else waits goes on.
    pub(super) fn read_later(&mut self, place: usize, source: Address) {
        self.talks[place].reading = false;
        self.agenda.put(self.now.after_ms(100), Action::Cluster(Event::ReadOn(place, source)));
        self.pump(place);
    }

    fn show(&mut self, place: usize, source: &Address, seq: u64, event: &conversation::Event) {
        let talk = &mut self.talks[place];
        let Ok(conversation) = source.key.parse::<ConversationId>() else { return };
        if talk.deaf || (!talk.stream.agent && !event.public()) {
            return;
        }
        talk.stream.shown.push(Shown::Event(conversation, seq, Box::new(event.clone())));
        let client = talk.client;
        self.client_sees(client, conversation, seq, event);
    }

    fn answered(&mut self, place: usize, request: u64, answer: Answer) {
        let talk = &mut self.talks[place];
        let Some(pending) = talk.pending.iter().position(|(id, _)| *id == request) else { return };
        talk.pending.remove(pending);
        if talk.deaf {
            return;
        }
        let client = talk.client;
        self.client_hears(client, request, answer);
    }

    /// A client's own message was accepted: the answer stands for the event on its socket.
    pub(super) fn note_own(&mut self, client: usize, conversation: ConversationId, seq: u64) {
        if let Some(talk) = self.clients[client].talk {
            self.talks[talk].stream.shown.push(Shown::Own(conversation, seq));
        }
    }

    /// A request of the client to a conversation; its answer comes through the socket's queue.
    pub(super) fn ask_conversation(
        &mut self,
        place: usize,
        conversation: ConversationId,
        request: u64,
        command: Command,
    ) {
        let talk = &mut self.talks[place];
        talk.pending.push((request, self.now.after_ms(DEADLINE_MS)));
        let to = self.conversation(conversation);
        let asker =
            Asker::Socket(SocketAsker::new(Arc::clone(&self.talks[place].socket), request, to.clone()));
        self.request(self.talks[place].node, &to, Request { payload: Payload::of(command), asker });
        self.pump_all();
    }

    /// Gives up on requests without an answer, renews an agent's presence.
    pub(super) fn talk_alarm(&mut self, place: usize) {
        let now = self.now;
        while let Some((request, _)) =
            self.talks[place].pending.first().copied().filter(|(_, until)| *until <= now)
        {
            self.answered(place, request, Err(unknown_outcome()));
        }
        let talk = &mut self.talks[place];
        if talk.stream.agent && now.ms_since(talk.renewed) >= RENEW_MS {
            talk.renewed = now;
            let (n, agent) = (talk.node, talk.socket.person().clone());
            self.hint(n, &agent, AgentCommand::Renew);
        }
    }

    /// The line dies; both ends notice later.
    pub(super) fn go_deaf(&mut self, place: usize) {
        self.talks[place].deaf = true;
        let ms = self.chance.between(0, 2_000);
        self.agenda.put(self.now.after_ms(ms), Action::Cut(place));
    }

    /// The socket takes nothing for a while.
    pub(super) fn take_nothing(&mut self, place: usize, ms: i64) {
        self.talks[place].takes_from = self.now.after_ms(ms);
        self.agenda.put(self.now.after_ms(ms), Action::Pump(place));
    }

    /// The socket ends; an agent whose last it was is gone after the grace time.
    pub(super) fn close_talk(&mut self, place: usize) {
        let talk = &mut self.talks[place];
        if !talk.open {
            return;
        }
        talk.open = false;
        let (client, n, socket) = (talk.client, talk.node, Arc::clone(&talk.socket));
        let last = self.nodes[n].porch.lobby.detach(&socket);
        if last && self.clients[client].part == Part::Agent {
            let action = Action::Grace(self.nodes[n].life, socket.person().clone());
            self.agenda.put(self.now.after_ms(self.tenant.grace_ms), action);
        }
        self.client_cut(client, place);
    }

    pub(super) fn close_all_talks(&mut self, n: usize) {
        for place in 0..self.talks.len() {
            if self.talks[place].node == n {
                self.close_talk(place);
            }
        }
    }
}
