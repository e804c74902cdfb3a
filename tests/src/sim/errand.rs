//! What a socket's task does beside the message path and waits for: connecting, opening a conversation, setting presence. As
//! `gateway/src/talk/connect.rs` and `request.rs` do it, step by step.

use std::collections::VecDeque;

use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::{Agent, Conversation, Session, SessionCommand};
use conversa_actors::cell::machine::{Answer, Asker, Input, Reply, Request, View};
use conversa_actors::letter::Payload;
use conversa_engine::desk::{AgentCommand, Presence};
use conversa_engine::ids::ConversationId;
use conversa_engine::refusal::Code;
use serde_json::Value;
use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::TryRecvError;

use super::World;
use super::client::Part;
use super::talk::Talk;

/// The channel that simulated visitors use.
const CHANNEL: &str = "web";

/// Something under way.
#[derive(Debug)]
pub(super) enum Errand {
    /// Looking for the open conversations before the socket is attached.
    Connect(Lookup),
    /// And once more after it was.
    Attach(Lookup),
    /// Asking the session to open a conversation.
    Open(Receiver<Answer>),
    /// Asking the session which one it is.
    WhichOne(Receiver<View>),
    /// Looking whether that one can be spoken to.
    IsOpen(ConversationId, Receiver<View>),
    /// Setting presence.
    Presence(Presence, Receiver<Answer>),
}

/// The conversations that a client is in: the visitor's live ones or the agent's places, and those it asks about.
#[derive(Debug)]
pub(super) struct Lookup {
    own: Option<Receiver<View>>,
    asked: Vec<ConversationId>,
    todo: VecDeque<ConversationId>,
    view: Option<(ConversationId, Receiver<View>)>,
    found: Vec<(ConversationId, Value)>,
}

/// What became of a step.
enum Step<T> {
    Waits,
    Done(T),
    Failed,
}

fn look<T>(receiver: &mut Receiver<T>) -> Step<T> {
    match receiver.try_recv() {
        Ok(value) => Step::Done(value),
        Err(TryRecvError::Empty) => Step::Waits,
        Err(TryRecvError::Closed) => Step::Failed,
    }
}

fn json(view: View) -> Value {
    match view {
        View::Json(value) => value,
        View::Totals(_) => Value::Null,
    }
}

impl World {
    fn lookup(&mut self, client: usize, asked: Vec<ConversationId>) -> Option<Lookup> {
        let own = self.own_address(client);
        let n = self.clients[client].node;
        let own = Some(self.look(n, &own)?);
        Some(Lookup { own, asked, todo: VecDeque::new(), view: None, found: Vec::new() })
    }

    fn own_address(&self, client: usize) -> Address {
        let client = &self.clients[client];
        let kind = if client.part == Part::Visitor { Session::KIND } else { Agent::KIND };
        Address::new(self.tenant.id.clone(), kind, client.person.shared())
    }

    pub(super) fn conversation(&self, id: ConversationId) -> Address {
        Address::new(self.tenant.id.clone(), Conversation::KIND, id.to_string())
    }

    /// The client connects.
    pub(super) fn connect(&mut self, client: usize) {
        let asked = self.clients[client].positions.keys().copied().collect();
        self.clients[client].errand = self.lookup(client, asked).map(Errand::Connect);
    }

    /// The visitor asks for a conversation.
    pub(super) fn open(&mut self, client: usize) {
        let name = self.clients[client].person.to_string();
        let command = SessionCommand::Open { channel: CHANNEL.into(), language: "en".into(), name };
        self.clients[client].errand = self.ask(client, Payload::of(command)).map(Errand::Open);
    }

    /// The agent says how it is.
    pub(super) fn set_presence(&mut self, client: usize, presence: Presence) {
        let command = AgentCommand::SetPresence { presence, capacity: None, reason: None };
        self.clients[client].errand =
            self.ask(client, Payload::of(command)).map(|answer| Errand::Presence(presence, answer));
    }

    fn ask(&mut self, client: usize, payload: Payload) -> Option<Receiver<Answer>> {
        let (reply, answer): (Reply<Answer>, _) = tokio::sync::oneshot::channel();
        let to = self.own_address(client);
        let request = Request { payload, asker: Asker::Task(reply) };
        self.deliver(self.clients[client].node, &to, Input::Request(request)).ok().map(|()| answer)
    }

    /// Goes on with whatever clients wait for.
    pub(super) fn go_on(&mut self) {
        for client in 0..self.clients.len() {
            while let Some(errand) = self.clients[client].errand.take() {
                let (next, goes_on) = self.step_errand(client, errand);
                self.clients[client].errand = next;
                if !goes_on {
                    break;
                }
            }
        }
    }

    /// The errand as it stands now, and whether it has come on.
    fn step_errand(&mut self, client: usize, errand: Errand) -> (Option<Errand>, bool) {
        match errand {
            Errand::Connect(mut lookup) => match self.step_lookup(client, &mut lookup) {
                Step::Waits => (Some(Errand::Connect(lookup)), false),
                Step::Done(found) => (self.attach(client, &found), true),
                Step::Failed => (None, true),
            },
            Errand::Attach(mut lookup) => match self.step_lookup(client, &mut lookup) {
                Step::Waits => (Some(Errand::Attach(lookup)), false),
                Step::Done(found) => {
                    self.follow_new(client, &found);
                    (None, true)
                }
                Step::Failed => {
                    self.hang_up(client);
                    (None, true)
                }
            },
            Errand::Open(mut answer) => match look(&mut answer) {
                Step::Waits => (Some(Errand::Open(answer)), false),
                Step::Done(Ok(_)) => (self.which_one(client), true),
                Step::Done(Err(refusal)) if refusal.code == Code::Duplicate => (self.which_one(client), true),
                Step::Done(Err(_)) | Step::Failed => (None, true),
            },
            Errand::WhichOne(mut view) => match look(&mut view) {
                Step::Waits => (Some(Errand::WhichOne(view)), false),
                Step::Done(view) => (self.is_open(client, &json(view)), true),
                Step::Failed => (None, true),
            },
            Errand::IsOpen(conversation, mut view) => match look(&mut view) {
                Step::Waits => (Some(Errand::IsOpen(conversation, view)), false),
                Step::Done(view) => {
                    if !json(view).is_null() {
                        self.client_opened(client, conversation);
                    }
                    (None, true)
                }
                Step::Failed => (None, true),
            },
            Errand::Presence(presence, mut answer) => match look(&mut answer) {
                Step::Waits => (Some(Errand::Presence(presence, answer)), false),
                Step::Done(Ok(_)) => {
                    self.clients[client].presence = Some(presence);
                    (None, true)
                }
                Step::Done(Err(_)) | Step::Failed => (None, true),
            },
        }
    }

    fn which_one(&mut self, client: usize) -> Option<Errand> {
        let session = self.own_address(client);
        self.look(self.clients[client].node, &session).map(Errand::WhichOne)
    }

    fn is_open(&mut self, client: usize, session: &Value) -> Option<Errand> {
        let conversation: ConversationId = session["live"][CHANNEL].as_str()?.parse().ok()?;
        let address = self.conversation(conversation);
        self.look(self.clients[client].node, &address).map(|view| Errand::IsOpen(conversation, view))
    }

    fn step_lookup(&mut self, client: usize, lookup: &mut Lookup) -> Step<Vec<(ConversationId, Value)>> {
        if let Some(own) = &mut lookup.own {
            let view = match look(own) {
                Step::Waits => return Step::Waits,
                Step::Failed => return Step::Failed,
                Step::Done(view) => json(view),
            };
            lookup.own = None;
            lookup.todo = own_conversations(self.clients[client].part, &view).into();
            for asked in &lookup.asked {
                if !lookup.todo.contains(asked) {
                    lookup.todo.push_back(*asked);
                }
            }
        }
        loop {
            if let Some((conversation, view)) = &mut lookup.view {
                match look(view) {
                    Step::Waits => return Step::Waits,
                    Step::Failed => return Step::Failed,
                    Step::Done(view) => {
                        let view = json(view);
                        if self.may_see(client, &view) {
                            lookup.found.push((*conversation, view));
                        }
                    }
                }
            }
            let Some(next) = lookup.todo.pop_front() else {
                return Step::Done(std::mem::take(&mut lookup.found));
            };
            let address = self.conversation(next);
            let n = self.clients[client].node;
            let Some(view) = self.look(n, &address) else { return Step::Failed };
            lookup.view = Some((next, view));
        }
    }

    fn may_see(&self, client: usize, view: &Value) -> bool {
        let client = &self.clients[client];
        match client.part {
            Part::Visitor => view["visitor"]["id"].as_str() == Some(client.person.as_str()),
            Part::Agent => !view.is_null(),
        }
    }

    /// The socket: follows what is open from where the client stood, then is attached.
    fn attach(&mut self, client: usize, found: &[(ConversationId, Value)]) -> Option<Errand> {
        let (person, device, part) = {
            let client = &self.clients[client];
            (client.person.clone(), client.device.clone(), client.part)
        };
        let socket = self.new_socket(&person, &device);
        let (n, since) = (self.clients[client].node, self.since());
        if !self.lets_in(n) {
            return None;
        }
        let mut talk = Talk::new(socket, client, n, since, part == Part::Agent);
        for (conversation, view) in found {
            let head = view["o"].as_u64().unwrap_or_default();
            let at = self.clients[client].positions.get(conversation).copied().unwrap_or_default().min(head);
            talk.stream.positions.insert(*conversation, at);
            self.client_snapshot(client, *conversation, view);
        }
        for (conversation, at) in &talk.stream.positions {
            talk.socket.follow(&self.conversation(*conversation), *at);
        }
        self.nodes[n].porch.lobby.attach(&talk.socket);
        self.clients[client].talk = Some(self.talks.len());
        self.talks.push(talk);
        self.pump_all();
        let Some(lookup) = self.lookup(client, Vec::new()) else {
            self.hang_up(client);
            return None;
        };
        Some(Errand::Attach(lookup))
    }

    /// What was opened or offered between the snapshot and the attachment.
    fn follow_new(&mut self, client: usize, found: &[(ConversationId, Value)]) {
        let Some(talk) = self.clients[client].talk else { return };
        for (conversation, _) in found {
            let address = self.conversation(*conversation);
            self.talks[talk].socket.follow(&address, 0);
        }
        self.pump(talk);
    }

    /// An agent may have been given conversations that no event has told of, as `gateway/src/talk/outgoing.rs`.
    pub(super) fn look_up(&mut self, place: usize) {
        let client = self.talks[place].client;
        if self.clients[client].errand.is_none() {
            self.clients[client].errand = self.lookup(client, Vec::new()).map(Errand::Attach);
        } else {
            self.clients[client].looks_up = true;
        }
    }

    fn hang_up(&mut self, client: usize) {
        if let Some(talk) = self.clients[client].talk {
            self.close_talk(talk);
        }
    }
}

fn own_conversations(part: Part, view: &Value) -> Vec<ConversationId> {
    let ids: Vec<&Value> = match part {
        Part::Visitor => view["live"].as_object().into_iter().flat_map(|live| live.values()).collect(),
        Part::Agent => view["conversations"].as_array().into_iter().flatten().collect(),
    };
    ids.into_iter().filter_map(|id| id.as_str()?.parse().ok()).collect()
}
