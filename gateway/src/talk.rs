//! The talk of one socket: connect and welcome, requests and answers, events in order, pings, goodbye. One task holds it all.

mod catch_up;
mod change;
mod connect;
mod desk;
mod identify;
mod murmur;
mod outgoing;
mod pace;
mod request;
mod supervise;
mod topics;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::Agent;
use conversa_actors::cell::machine::unknown_outcome;
use conversa_actors::letter::Payload;
use conversa_engine::conversation::{Command, Reach};
use conversa_engine::desk::AgentCommand;
use conversa_engine::time::Time;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::auth::{Principal, Role};
use crate::server::Edge;
use crate::stream::{Hold, Sent, Stream};
use crate::transport::Transport;
use crate::wire::{self, Bye, Head, encode};
use catch_up::{Reading, read};
use pace::{Bucket, Refusals};

/// Silence after which the server pings.
pub(crate) const PING: Duration = Duration::from_secs(25);
/// Time to answer a ping.
pub(crate) const PONG: Duration = Duration::from_secs(10);
/// A request without an answer for this time is told so; its outcome is unknown.
const DEADLINE: Duration = Duration::from_secs(30);
/// How often a connected agent's presence is renewed.
const RENEW: Duration = Duration::from_secs(30);
/// Receipts of delivery are told together, at most this often.
const RECEIPTS: Duration = Duration::from_secs(1);
/// A client is told this long before its token ends.
const EXPIRING: Duration = Duration::from_secs(60);
/// Frames written together at most.
const TOGETHER_MAX: usize = 64;
/// Events that a client may leave unacknowledged; beyond it the server waits for its `ack`.
pub(crate) const WINDOW: u64 = 1_024;

/// Holds a client's talk from the first frame to the end.
pub(crate) async fn hold(edge: Arc<Edge>, mut transport: impl Transport) {
    edge.metrics.sockets_opened.inc();
    match connect::connect(&edge, &mut transport).await {
        Ok(talk) => {
            let mut talk = Box::new(talk);
            let (bye, reason) = talk.run(&mut transport).await;
            talk.leave(bye);
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
    stream: Arc<Stream>,
    hold: Hold,
    encoding: wire::Encoding,
    /// What the client said that it can and wants.
    wishes: Wishes,
    /// Requests without an answer.
    pending: Vec<Pending>,
    bucket: Bucket,
    typing: Bucket,
    refusals: Refusals,
    heard: Instant,
    pinged: Option<Instant>,
    renewed: Instant,
    /// When conversations are told what was delivered.
    tell_at: Option<Instant>,
    /// When the token ends, and when the client is to be told that it does; `None` once it was.
    expires: Instant,
    warn_at: Option<Instant>,
    /// The node wants the client to go: when it must have gone.
    leave_by: Option<Instant>,
    frames: Vec<Bytes>,
    /// What is being read for the client: one page at a time.
    reading: Option<Reading>,
}

/// What a client said in its first frame beside who it is.
#[derive(Debug)]
pub(crate) struct Wishes {
    /// It takes several frames in one.
    batch: bool,
    /// The kinds of events that it wants, as words or as beginnings with a `*`; empty for all.
    interest: Vec<String>,
    /// Silence after which the server pings.
    ping: Duration,
}

impl Wishes {
    /// True for a kind of event that the client wants.
    fn wants(&self, kind: &str) -> bool {
        self.interest.is_empty()
            || self.interest.iter().any(|wish| match wish.strip_suffix('*') {
                Some(beginning) => kind.starts_with(beginning),
                None => wish == kind,
            })
    }
}

/// Another task holds the stream: the client has come back through another socket.
fn taken() -> Goodbye {
    goodbye(Bye::Replaced, "the session goes on through another socket")
}

/// A request without an answer.
struct Pending {
    id: u64,
    until: Instant,
    /// It is a `message.send`, whose result names the message.
    sends: bool,
}

impl Talk {
    async fn run(&mut self, transport: &mut impl Transport) -> Goodbye {
        let mut alarm = pin!(sleep_until(self.next_alarm()));
        let evicted = Arc::clone(&self.hold.evicted);
        let mut evicted = pin!(evicted.notified());
        let stream = Arc::clone(&self.stream);
        let mut rung = pin!(stream.socket.rung());
        let mut quiet = false;
        loop {
            // What waits on the socket rings for itself.
            if !quiet {
                // Not while it writes: if the line is dead, the bell is for whoever takes the stream.
                rung.set(stream.socket.rung());
                if let Err(goodbye) = self.write(transport).await {
                    return goodbye;
                }
            }
            let open = self.pending.len() < self.inflight_max();
            tokio::select! {
                biased;
                read = read(&mut self.reading) => {
                    quiet = false;
                    if let Err(goodbye) = self.show(read) {
                        return goodbye;
                    }
                }
                received = transport.receive(), if open => match received {
                    Err((bye, reason)) => return goodbye(bye, reason),
                    Ok(bytes) => match self.take(&bytes) {
                        Err(goodbye) => return goodbye,
                        Ok(silent) => quiet = silent && self.frames.is_empty(),
                    },
                },
                () = &mut evicted => return taken(),
                () = &mut rung => quiet = false,
                () = &mut alarm => {
                    quiet = false;
                    if let Err(goodbye) = self.alarm() {
                        return goodbye;
                    }
                    let next = self.next_alarm();
                    alarm.as_mut().reset(next);
                }
            }
            // Deadlines move away, so the alarm rings early at most; these are set in between and may come before it.
            if let Some(soon) = [self.tell_at, self.leave_by].into_iter().flatten().min()
                && soon < alarm.deadline()
            {
                alarm.as_mut().reset(soon);
            }
        }
    }

    /// Writes all that waits, and begins to read from the journal what the socket missed.
    async fn write(&mut self, transport: &mut impl Transport) -> Result<(), Goodbye> {
        loop {
            let more = self.collect()?;
            if !self.frames.is_empty() {
                if self.wishes.batch && self.frames.len() > 1 {
                    let together = wire::batch(self.encoding, &self.frames);
                    self.frames.clear();
                    self.frames.push(together);
                }
                transport
                    .send(&mut self.frames)
                    .await
                    .map_err(|bye| goodbye(bye, "the client takes nothing"))?;
            }
            if more {
                continue;
            }
            let behind = {
                let sent = self.stream.lock(&self.hold).ok_or_else(taken)?;
                let may_read = self.reading.is_none() && !window_full(&sent);
                if may_read { sent.behind.last().cloned() } else { None }
            };
            match behind {
                Some(source) => self.catch_up(source)?,
                None => return Ok(()),
            }
        }
    }

    fn inflight_max(&self) -> usize {
        match self.principal.role {
            Role::Visitor => 32,
            Role::Agent | Role::Supervisor => 128,
        }
    }

    /// Takes one frame of the client. True for a request: whatever it brings comes through the socket's queue.
    fn take(&mut self, bytes: &Bytes) -> Result<bool, Goodbye> {
        self.take_one(bytes, false)
    }

    /// Takes the frames of a batch, in order.
    fn unpack(&mut self, head: &Head<'_>) -> Result<(), Goodbye> {
        let frames: Vec<serde_json::Value> =
            head.params().map_err(|refusal| goodbye(Bye::BadFrame, refusal.detail))?;
        if frames.len() > TOGETHER_MAX {
            return Err(goodbye(Bye::BadFrame, format!("a batch has at most {TOGETHER_MAX} frames")));
        }
        frames
            .iter()
            .try_for_each(|frame| self.take_one(&encode(self.encoding, frame).into(), true).map(|_| ()))
    }

    /// Queues a frame that is no event.
    fn say(&mut self, frame: &serde_json::Value) {
        self.frames.push(encode(self.encoding, frame).into());
    }

    fn take_one(&mut self, bytes: &Bytes, inside: bool) -> Result<bool, Goodbye> {
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
        let taken = match &*head.t {
            "req" => return self.request(&head).map(|()| true),
            "ack" | "pong" => self.acknowledged(&head),
            "ping" => {
                self.say(&json!({ "t": "pong", "n": head.n }));
                Ok(())
            }
            "eph" => {
                self.murmur(&head);
                Ok(())
            }
            "batch" if self.wishes.batch && !inside => self.unpack(&head),
            "bye" => Err(goodbye(Bye::Normal, "the client says goodbye")),
            "connect" => Err(goodbye(Bye::BadFrame, "connect comes once, as the first frame")),
            other => Err(goodbye(
                Bye::BadFrame,
                format!(
                    "unknown frame class {other:?}: a client sends connect, req, ack, ping, pong, eph, bye, and batch when it said so"
                ),
            )),
        };
        taken.map(|()| false)
    }

    fn acknowledged(&mut self, head: &Head<'_>) -> Result<(), Goodbye> {
        #[derive(serde::Deserialize, Default)]
        struct Ack {
            #[serde(default)]
            s: u64,
        }
        // `s` stands beside `t` in a pong and inside `d` in an ack: both are taken.
        let inner = head.params::<Ack>().unwrap_or_default().s;
        let mut sent = self.stream.lock(&self.hold).ok_or_else(taken)?;
        if sent.acknowledge(&self.stream.socket, head.s.unwrap_or_default().max(inner))
            && self.tell_at.is_none()
        {
            self.tell_at = Some(Instant::now() + RECEIPTS);
        }
        Ok(())
    }

    fn next_alarm(&self) -> Instant {
        let ping = match self.pinged {
            Some(at) => at + PONG,
            None => self.heard + self.wishes.ping,
        };
        let deadline = self.pending.first().map(|pending| pending.until);
        let renew = (self.principal.role != Role::Visitor).then(|| self.renewed + RENEW);
        let others = [deadline, renew, self.tell_at, self.leave_by, self.warn_at, Some(self.expires)];
        others.into_iter().flatten().fold(ping, Instant::min)
    }

    /// Pings, gives up on requests, says that an agent is still there, says what was delivered.
    fn alarm(&mut self) -> Result<(), Goodbye> {
        let now = Instant::now();
        match self.pinged {
            Some(at) if now >= at + PONG => {
                return Err(goodbye(Bye::HeartbeatTimeout, "no answer to a ping"));
            }
            None if now >= self.heard + self.wishes.ping => {
                self.pinged = Some(now);
                let n = self.stream.lock(&self.hold).ok_or_else(taken)?.s;
                self.say(&json!({ "t": "ping", "n": n }));
            }
            Some(_) | None => {}
        }
        while self.pending.first().is_some_and(|pending| now >= pending.until) {
            let id = self.pending.remove(0).id;
            self.refuse(id, &unknown_outcome());
        }
        // A supervisor may have taken conversations over.
        if self.principal.role != Role::Visitor && now >= self.renewed + RENEW {
            self.renewed = now;
            self.edge.host.hint(&self.agent(), Payload::of(AgentCommand::Renew));
        }
        if self.tell_at.is_some_and(|at| now >= at) {
            self.tell_delivered();
        }
        if self.leave_by.is_some_and(|at| now >= at) {
            return Err(goodbye(Bye::Drain, "the node is going down: connect again"));
        }
        self.token_ends(now)
    }

    /// The client is told before its token ends, and asked to leave when it has.
    fn token_ends(&mut self, now: Instant) -> Result<(), Goodbye> {
        if now >= self.expires {
            return Err(goodbye(Bye::SessionExpired, "the token has ended: connect with a new one"));
        }
        if self.warn_at.is_some_and(|at| now >= at) {
            self.warn_at = None;
            let left_ms = i64::try_from((self.expires - now).as_millis()).unwrap_or_default();
            let d = json!({ "expires_ts": self.edge.host.now().after_ms(left_ms) });
            let stream = Arc::clone(&self.stream);
            let mut sent = stream.lock(&self.hold).ok_or_else(taken)?;
            self.own_event(&mut sent, "auth.expiring", d);
        }
        Ok(())
    }

    /// Tells the conversations up to where the client has taken responsibility.
    fn tell_delivered(&mut self) {
        self.tell_at = None;
        let Some(mut sent) = self.stream.lock(&self.hold) else { return };
        let delivered = std::mem::take(&mut sent.delivered);
        drop(sent);
        if self.principal.role == Role::Supervisor {
            return;
        }
        let by = self.author();
        for (conversation, upto) in delivered {
            let mark = Command::Mark { by: by.clone(), reach: Reach::Delivered, upto };
            self.edge.host.hint(&conversation, Payload::of(mark));
        }
    }

    /// The token ends at `until`.
    fn lives_until(&mut self, until: Time) {
        let left = Duration::from_millis(until.ms_since(self.edge.host.now()).max(0).unsigned_abs());
        let now = Instant::now();
        self.expires = now + left;
        self.warn_at = Some(now + left.saturating_sub(EXPIRING));
    }

    fn agent(&self) -> Address {
        Address::new(self.principal.tenant.clone(), Agent::KIND, self.principal.id.shared())
    }

    /// The socket goes. Its stream stays for a while, unless the client has said goodbye or is not to come back. An agent whose last
    /// socket it was is gone after the grace time.
    fn leave(&mut self, bye: Bye) {
        self.tell_delivered();
        let last = self.edge.streams.lose(&self.stream, &self.hold, bye.comes_back(), Instant::now());
        if !last || self.principal.role == Role::Visitor {
            return;
        }
        let (host, agent) = (Arc::clone(&self.edge.host), self.agent());
        let (tenant, person) = (self.principal.tenant.clone(), self.principal.id.clone());
        let Ok(company) = self.edge.company(&tenant) else { return };
        let grace = Duration::from_millis(company.grace_ms.max(0).unsigned_abs());
        tokio::spawn(async move {
            tokio::time::sleep(grace).await;
            if !host.is_connected(&tenant, &person) {
                host.hint(&agent, Payload::of(AgentCommand::Gone));
            }
        });
    }
}

/// True when the client has to acknowledge before it is sent more.
fn window_full(sent: &Sent) -> bool {
    sent.s - sent.acked >= WINDOW
}
