//! The talk of one socket: connect and welcome, requests and answers, events in order, pings, goodbye. One task holds it all.

mod catch_up;
mod connect;
mod desk;
mod outgoing;
mod pace;
mod request;
mod supervise;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::Agent;
use conversa_actors::cell::machine::unknown_outcome;
use conversa_actors::letter::Payload;
use conversa_actors::lobby::Socket;
use conversa_engine::desk::AgentCommand;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::auth::{Principal, Role};
use crate::server::Edge;
use crate::socket::Transport;
use crate::wire::{self, Bye, encode};
use pace::Bucket;

/// Silence after which the server pings.
pub(crate) const PING: Duration = Duration::from_secs(25);
/// Time to answer a ping.
pub(crate) const PONG: Duration = Duration::from_secs(10);
/// A request without an answer for this time is told so; its outcome is unknown.
const DEADLINE: Duration = Duration::from_secs(30);
/// Frames written together at most.
const TOGETHER_MAX: usize = 64;
/// Events that a client may leave unacknowledged; beyond it the server waits for its `ack`.
pub(crate) const WINDOW: u64 = 1_024;

/// Holds a socket from its upgrade to its end.
pub(crate) async fn hold(edge: Arc<Edge>, mut transport: Transport) {
    edge.metrics.sockets_opened.inc();
    match connect::connect(&edge, &mut transport).await {
        Ok(talk) => {
            let mut talk = Box::new(talk);
            let (bye, reason) = talk.run(&mut transport).await;
            talk.leave();
            edge.metrics.closed(bye);
            transport.close(bye, &reason).await;
        }
        Err((bye, reason)) => {
            edge.metrics.closed(bye);
            transport.close(bye, &reason).await;
        }
    }
}

/// Why a talk ends.
type Goodbye = (Bye, String);

fn goodbye(bye: Bye, reason: impl Into<String>) -> Goodbye {
    (bye, reason.into())
}

/// A connected client.
pub(crate) struct Talk {
    edge: Arc<Edge>,
    principal: Principal,
    socket: Arc<Socket>,
    encoding: wire::Encoding,
    /// Number of the last event of this stream, and the last that the client acknowledged.
    s: u64,
    acked: u64,
    /// Requests without an answer.
    pending: Vec<Pending>,
    /// Conversations to be read from the journal.
    behind: Vec<Address>,
    bucket: Bucket,
    heard: Instant,
    pinged: Option<Instant>,
    renewed: Instant,
    frames: Vec<Vec<u8>>,
}

/// A request without an answer.
struct Pending {
    id: u64,
    until: Instant,
    /// It is a `message.send`, whose result names the message.
    sends: bool,
}

impl Talk {
    async fn run(&mut self, transport: &mut Transport) -> Goodbye {
        // Set anew only when it rings: deadlines move away, so it rings early at most.
        let mut alarm = pin!(sleep_until(self.next_alarm()));
        loop {
            if let Err(goodbye) = self.write(transport).await {
                return goodbye;
            }
            let open = self.pending.len() < self.inflight_max();
            tokio::select! {
                biased;
                received = transport.receive(), if open => match received {
                    None => return goodbye(Bye::Normal, "the client has gone"),
                    Some(Err((bye, reason))) => return goodbye(bye, reason),
                    Some(Ok(bytes)) => if let Err(goodbye) = self.take(&bytes) { return goodbye },
                },
                () = self.socket.rung() => {}
                () = &mut alarm => {
                    if let Err(goodbye) = self.alarm() {
                        return goodbye;
                    }
                    let next = self.next_alarm();
                    alarm.as_mut().reset(next);
                }
            }
        }
    }

    /// Writes all that waits, reading from the journal what the socket missed.
    async fn write(&mut self, transport: &mut Transport) -> Result<(), Goodbye> {
        loop {
            let more = self.collect()?;
            if !self.frames.is_empty() {
                transport
                    .send(&mut self.frames)
                    .await
                    .map_err(|bye| goodbye(bye, "the client takes nothing"))?;
                continue;
            }
            if more || self.window_full() {
                return Ok(());
            }
            match self.behind.pop() {
                Some(source) => self.catch_up(&source).await?,
                None => return Ok(()),
            }
        }
    }

    fn window_full(&self) -> bool {
        self.s - self.acked >= WINDOW
    }

    fn inflight_max(&self) -> usize {
        match self.principal.role {
            Role::Visitor => 32,
            Role::Agent | Role::Supervisor => 128,
        }
    }

    /// Takes one frame of the client.
    fn take(&mut self, bytes: &Bytes) -> Result<(), Goodbye> {
        let limit = self.edge.limits.frame_bytes(self.principal.role);
        if bytes.len() > limit {
            return Err(goodbye(
                Bye::FrameTooLarge,
                format!("the frame has {} bytes, the limit is {limit}", bytes.len()),
            ));
        }
        (self.heard, self.pinged) = (Instant::now(), None);
        let head = wire::head(self.encoding, bytes)
            .map_err(|error| goodbye(Bye::BadFrame, format!("the frame cannot be read: {error}")))?;
        match &*head.t {
            "req" => self.request(&head, bytes),
            "ack" | "pong" => {
                self.acknowledged(bytes);
                Ok(())
            }
            "ping" => {
                self.frames.push(encode(self.encoding, &json!({ "t": "pong", "n": head.n })));
                Ok(())
            }
            "eph" => Ok(()),
            "bye" => Err(goodbye(Bye::Normal, "the client says goodbye")),
            "connect" => Err(goodbye(Bye::BadFrame, "connect comes once, as the first frame")),
            other => Err(goodbye(
                Bye::BadFrame,
                format!(
                    "unknown frame class {other:?}: a client sends connect, req, ack, ping, pong, eph, bye"
                ),
            )),
        }
    }

    fn acknowledged(&mut self, bytes: &Bytes) {
        #[derive(serde::Deserialize, Default)]
        struct Ack {
            #[serde(default)]
            s: u64,
        }
        // `s` stands beside `t` in a pong and inside `d` in an ack: both are taken.
        let outer = wire::ack(self.encoding, bytes);
        let inner = wire::params::<Ack>(self.encoding, bytes).unwrap_or_default().s;
        self.acked = self.acked.max(outer.max(inner).min(self.s));
    }

    fn next_alarm(&self) -> Instant {
        let ping = match self.pinged {
            Some(at) => at + PONG,
            None => self.heard + PING,
        };
        let deadline = self.pending.first().map(|pending| pending.until);
        let renew = (self.principal.role == Role::Agent).then(|| self.renewed + Duration::from_secs(30));
        [Some(ping), deadline, renew].into_iter().flatten().min().unwrap_or(ping)
    }

    /// Pings, gives up on requests, says that an agent is still there.
    fn alarm(&mut self) -> Result<(), Goodbye> {
        let now = Instant::now();
        match self.pinged {
            Some(at) if now >= at + PONG => {
                return Err(goodbye(Bye::HeartbeatTimeout, "no answer to a ping"));
            }
            None if now >= self.heard + PING => {
                self.pinged = Some(now);
                self.frames.push(encode(self.encoding, &json!({ "t": "ping", "n": self.s })));
            }
            Some(_) | None => {}
        }
        while self.pending.first().is_some_and(|pending| now >= pending.until) {
            let id = self.pending.remove(0).id;
            self.frames.push(wire::refused(self.encoding, id, &unknown_outcome()));
        }
        if self.principal.role == Role::Agent && now >= self.renewed + Duration::from_secs(30) {
            self.renewed = now;
            self.edge.host.hint(&self.agent(), Payload::of(AgentCommand::Renew));
        }
        Ok(())
    }

    fn agent(&self) -> Address {
        Address::new(self.principal.tenant.clone(), Agent::KIND, self.principal.id.shared())
    }

    /// The socket goes; an agent whose last socket it was is gone after the grace time.
    fn leave(&self) {
        let last = self.edge.host.lobby().detach(&self.socket);
        if !last || self.principal.role != Role::Agent {
            return;
        }
        let (host, agent) = (Arc::clone(&self.edge.host), self.agent());
        let (tenant, person) = (self.principal.tenant.clone(), self.principal.id.clone());
        let Ok(company) = self.edge.company(&tenant) else { return };
        let grace = Duration::from_millis(company.grace_ms.max(0).unsigned_abs());
        tokio::spawn(async move {
            tokio::time::sleep(grace).await;
            if !host.lobby().holds(&tenant, &person) {
                host.hint(&agent, Payload::of(AgentCommand::Gone));
            }
        });
    }
}
