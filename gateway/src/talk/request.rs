//! Requests: each method asks one actor, or looks something up.

use std::sync::Arc;

use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::{Conversation, Session, SessionCommand};
use conversa_actors::letter::Payload;
use conversa_engine::content::Content;
use conversa_engine::conversation::{
    Author, AuthorKind, Closer, Command, DeskCommand, QueueReason, Say, Visibility,
};
use conversa_engine::desk::{AgentCommand, Presence};
use conversa_engine::ids::{ConversationId, OfferId, is_id};
use conversa_engine::refusal::{Code, Refusal};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{DEADLINE, Goodbye, Pending, Talk, goodbye};
use crate::auth::{Principal, Role};
use crate::rest::history;
use crate::schema::methods;
use crate::server::Edge;
use crate::wire::{Bye, Head};

#[derive(Deserialize)]
struct Send {
    content: Content,
    #[serde(default)]
    visibility: Visibility,
    #[serde(default)]
    reply_to: Option<String>,
}

#[derive(Deserialize)]
struct Open {
    #[serde(default = "web")]
    channel: String,
    #[serde(default = "zh")]
    lang: String,
    #[serde(default)]
    name: Option<String>,
}

fn web() -> String {
    "web".into()
}

fn zh() -> String {
    "zh".into()
}

#[derive(Deserialize)]
struct Close {
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize)]
struct TheOffer {
    offer: OfferId,
}

#[derive(Deserialize)]
struct Refresh {
    token: String,
}

#[derive(Deserialize)]
struct SetPresence {
    state: Presence,
    #[serde(default)]
    capacity: Option<u16>,
    #[serde(default)]
    reason: Option<String>,
}

impl Talk {
    /// Takes a request; what it asks for is answered through the socket's queue.
    pub(super) fn request(&mut self, head: &Head<'_>) -> Result<(), Goodbye> {
        let Some(id) = head.id else { return Err(goodbye(Bye::BadFrame, "a req carries an id")) };
        if self.pending.iter().any(|pending| pending.id == id) {
            return Err(goodbye(Bye::BadFrame, format!("request {id} has no answer yet: use another id")));
        }
        self.edge.metrics.requests.inc();
        let sends = head.m.as_deref() == Some("message.send");
        self.pending.push(Pending { id, until: self.heard + DEADLINE, sends });
        let refused = self.dispatch(head, id);
        if let Err(refusal) = refused {
            self.pending.retain(|pending| pending.id != id);
            self.edge.metrics.refused(refusal.code);
            self.refuse(id, &refusal);
            if refusal.code == Code::RateLimited && self.refusals.one_more(Instant::now()) {
                return Err(goodbye(
                    Bye::RateLimited,
                    "too many requests were refused in a minute: wait for retry_after_ms before the next",
                ));
            }
        }
        Ok(())
    }

    fn dispatch(&mut self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        self.bucket.take(self.heard).map_err(|ms| {
            Refusal::new(Code::RateLimited, "too many requests: wait and repeat it with the same key")
                .retry_after_ms(ms)
        })?;
        if self.edge.failing() {
            return Err(Refusal::new(Code::Unavailable, "the node's store cannot write now: try again")
                .retry_after_ms(2_000));
        }
        let name = head.m.as_deref().unwrap_or_default();
        let role = self.principal.role;
        let Some(method) = methods::method(name) else {
            let known = methods::names(role);
            return Err(match name {
                "" => Refusal::new(Code::BadRequest, "a req names its method in m"),
                _ => Refusal::new(Code::BadRequest, format!("unknown method {name:?}; there are: {known}")),
            });
        };
        if !method.roles.contains(&role) {
            return Err(Refusal::new(Code::Forbidden, format!("{name} is not for your role")));
        }
        match name {
            "message.send" => self.send(head, id),
            "conversation.open" => self.open(head, id),
            "human.request" => {
                let by = self.author();
                self.command(head, id, Command::AskHuman { by, reason: QueueReason::Asked })
            }
            "conversation.close" => self.close(head, id),
            "offer.accept" => {
                let TheOffer { offer } = head.params()?;
                let agent = self.principal.id.clone();
                self.command(head, id, Command::Accept { agent, offer })
            }
            "offer.decline" => {
                let TheOffer { offer } = head.params()?;
                let agent = self.principal.id.clone();
                self.command(head, id, Command::Decline { agent, offer })
            }
            "presence.set" => self.set_presence(head, id),
            "message.edit" => self.edit(head, id),
            "message.recall" => self.recall(head, id),
            "message.react" => self.react(head, id),
            "receipt.read" => self.read_upto(head, id),
            "history.page" => self.history(head, id),
            "auth.refresh" => self.refresh(head, id),
            "sub" => self.sub(head, id),
            "unsub" => self.unsub(head, id),
            "identify" => self.identify(head, id),
            "csat.submit" => {
                let rated = head.params()?;
                self.ask_desk(head, id, DeskCommand::Rate(rated))
            }
            "queue.leave" => self.ask_desk(head, id, DeskCommand::LeaveQueue),
            "conversation.transfer" => self.transfer(head, id),
            "consult.start" => self.consult(head, id),
            "consult.complete" => self.ask_desk(head, id, DeskCommand::Complete),
            "consult.drop" | "transfer.withdraw" => self.ask_desk(head, id, DeskCommand::Withdraw),
            "consult.conference" => self.conference(head, id),
            "conversation.wrap" => self.wrap(head, id),
            "conversation.snooze" => self.snooze(head, id),
            "conversation.unsnooze" => self.ask_desk(head, id, DeskCommand::Unsnooze),
            "takeover" => self.ask_desk(head, id, DeskCommand::TakeOver),
            "force.assign" => self.force_assign(head, id),
            "monitor.start" => self.monitor(head, id),
            "whisper.send" => self.whisper(head, id),
            "barge.in" => self.barge_in(head, id),
            "queue.pause" => self.pause_queue(head, id),
            "agents.watch" => self.watch_agents(head, id),
            "presence.approve" => self.answer_away(head, id),
            // A test asks for every method of the list.
            _ => Err(Refusal::new(Code::Internal, format!("{name} is listed and not written"))),
        }
    }

    pub(super) fn author(&self) -> Author {
        let kind = match self.principal.role {
            Role::Visitor => AuthorKind::Visitor,
            Role::Agent | Role::Supervisor => AuthorKind::Agent,
        };
        Author { kind, id: self.principal.id.clone(), name: self.principal.name.clone() }
    }

    /// Asks the conversation that the request names.
    pub(super) fn command(&self, head: &Head<'_>, id: u64, command: Command) -> Result<(), Refusal> {
        let address = self.conversation(head)?;
        self.edge.host.request(&address, Payload::of(command), &self.stream.socket, id);
        Ok(())
    }

    pub(super) fn conversation(&self, head: &Head<'_>) -> Result<Address, Refusal> {
        Self::named(head)?;
        // An id has one text form.
        let cv = head.cv.as_deref().unwrap_or_default();
        Ok(Address::new(self.principal.tenant.clone(), Conversation::KIND, cv))
    }

    pub(super) fn named(head: &Head<'_>) -> Result<ConversationId, Refusal> {
        let cv = head
            .cv
            .as_deref()
            .ok_or_else(|| Refusal::new(Code::BadRequest, "the request names its conversation in cv"))?;
        cv.parse().map_err(|_| Refusal::new(Code::NotFound, "there is no such conversation: open one first"))
    }

    fn send(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Send { content, visibility, reply_to } = head.params()?;
        self.edge.attachments.check(&self.principal, &content)?;
        let key = head
            .key
            .as_deref()
            .ok_or_else(|| Refusal::new(Code::BadRequest, "message.send carries a key: <device>.<n>"))?;
        let key = key.parse().map_err(|error| Refusal::new(Code::BadRequest, format!("{error}")))?;
        let reply_to = match reply_to {
            Some(ms) => Some(history::offset(Self::named(head)?, &ms)?),
            None => None,
        };
        let say = Say { author: self.author(), key: Some(key), content, visibility, reply_to };
        self.edge.metrics.messages.inc();
        self.command(head, id, Command::Say(say))
    }

    fn close(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Close { reason } = head.params()?;
        let by = if self.principal.role == Role::Visitor { Closer::Visitor } else { Closer::Agent };
        let reason: String = reason.unwrap_or_default().chars().take(256).collect();
        self.command(head, id, Command::Close { by, person: Some(self.principal.id.clone()), reason })
    }

    fn open(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Open { channel, lang, name } = head.params()?;
        if !is_id(&channel) || !is_id(&lang) {
            return Err(Refusal::new(
                Code::BadRequest,
                "channel and lang are short words, for instance web and zh",
            ));
        }
        let name = name.unwrap_or_else(|| self.principal.name.clone()).chars().take(64).collect();
        let command = SessionCommand::Open { channel: channel.clone(), language: lang, name };
        self.spawn(id, |edge, principal| async move { open(&edge, &principal, &channel, command).await });
        Ok(())
    }

    fn set_presence(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let SetPresence { state, capacity, reason } = head.params()?;
        let agent = self.agent();
        self.spawn(id, move |edge, _| async move {
            let command = AgentCommand::SetPresence { presence: state, capacity, reason };
            edge.host.ask(&agent, Payload::of(command)).await?;
            let view = edge.host.view_json(&agent).await?;
            let mut d =
                json!({ "state": view["state"], "capacity": view["capacity"], "places": view["places"] });
            if let (Some(map), false) = (d.as_object_mut(), view["asked"].is_null()) {
                map.insert("asked".into(), view["asked"].clone());
            }
            Ok(d)
        });
        Ok(())
    }

    /// A new token of the same person: the socket lives as long as it does.
    fn refresh(&mut self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Refresh { token } = head.params()?;
        let (principal, until) = self.edge.check(&token)?;
        if (&principal.tenant, &principal.id, principal.role)
            != (&self.principal.tenant, &self.principal.id, self.principal.role)
        {
            return Err(Refusal::new(Code::Forbidden, "the token is of somebody else: connect anew with it"));
        }
        self.lives_until(until);
        self.stream.socket.reply(id, Ok(json!({ "expires_ts": until })));
        Ok(())
    }

    fn history(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let page: history::Page = head.params()?;
        let address = self.conversation(head)?;
        self.spawn(id, move |edge, principal| async move {
            history::page(&edge, &principal, &address, page).await
        });
        Ok(())
    }

    /// Deals with a request beside the socket's own task; the answer comes through the socket's queue.
    pub(super) fn spawn<F>(&self, id: u64, work: impl FnOnce(Arc<Edge>, Principal) -> F)
    where
        F: Future<Output = Result<Value, Refusal>> + std::marker::Send + 'static,
    {
        let (work, socket) =
            (work(Arc::clone(&self.edge), self.principal.clone()), Arc::clone(&self.stream.socket));
        tokio::spawn(async move { socket.reply(id, work.await) });
    }
}

/// Opens a conversation, or finds the live one; it can be spoken to when this returns.
async fn open(
    edge: &Arc<Edge>,
    principal: &Principal,
    channel: &str,
    command: SessionCommand,
) -> Result<Value, Refusal> {
    let session = Address::new(principal.tenant.clone(), Session::KIND, principal.id.shared());
    match edge.host.ask(&session, Payload::of(command)).await {
        Ok(_) | Err(Refusal { code: Code::Duplicate, .. }) => {}
        Err(refusal) => return Err(refusal),
    }
    let view = edge.host.view_json(&session).await?;
    let unavailable =
        || Refusal::new(Code::Unavailable, "the conversation is not open yet: try again").retry_after_ms(200);
    let cv = view["live"][channel].as_str().ok_or_else(unavailable)?.to_owned();
    let conversation =
        edge.host.view_json(&Address::new(principal.tenant.clone(), Conversation::KIND, cv.as_str())).await?;
    if conversation.is_null() {
        return Err(unavailable());
    }
    Ok(
        json!({ "cv": cv, "o": conversation["o"], "ep": 1, "phase": conversation["phase"], "controller": conversation["controller"] }),
    )
}
