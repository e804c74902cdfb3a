//! The first frame, the welcome and the snapshot: who is there, where they stood, what is open.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::{Agent, Conversation, Session};
use conversa_actors::lobby::Socket;
use conversa_engine::ids::ConversationId;
use conversa_engine::refusal::Refusal;
use conversa_engine::time::Time;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::pace::{Bucket, Refusals};
use super::{Goodbye, PING, PONG, Talk, WINDOW, Wishes, goodbye, taken};
use crate::auth::{Principal, Role};
use crate::rest::without_desk;
use crate::server::Edge;
use crate::stream::{Hold, Stream, retain};
use crate::transport::Transport;
use crate::wire::{self, Bye};

const FIRST_FRAME_BYTES_MAX: usize = 16 * 1024;
const FIRST_FRAME: Duration = Duration::from_secs(10);
/// A client further behind than this reads by `history.page`.
const RECOVER_MAX: u64 = 300;
const POSITIONS_MAX: usize = 256;
/// Kinds that a client may name in `interest`.
const INTEREST_MAX: usize = 64;
/// A client may ask for a ping after a silence between these.
const PING_MIN: Duration = Duration::from_secs(15);
const PING_MAX: Duration = Duration::from_secs(240);
const TYPING_PER_S: u32 = 1;
const TYPING_BURST: u32 = 4;
/// What this server can beside the core of the protocol.
const FEATURES: &[&str] = &[
    "resume.full",
    "receipts",
    "edit",
    "recall",
    "react",
    "typing",
    "batch",
    "interest",
    "tickets",
    "sync",
    "http",
    "topics",
];

#[derive(Debug, Deserialize)]
struct Connect {
    /// What proves who it is: a token, or a ticket that stands for one.
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    ticket: Option<String>,
    role: Role,
    device: String,
    #[serde(default)]
    caps: Vec<String>,
    #[serde(default)]
    interest: Vec<String>,
    #[serde(default)]
    hb_ms: Option<u64>,
    #[serde(default)]
    resume: Option<Resume>,
}

#[derive(Debug, Default, Deserialize)]
struct Resume {
    /// The stream that the client had, what proves that it is its own, and the last event that it has of it.
    #[serde(default)]
    session: Option<String>,
    #[serde(default)]
    resume_token: Option<String>,
    #[serde(default)]
    s: u64,
    /// Conversation -> [epoch, offset].
    #[serde(default)]
    pos: HashMap<String, (u64, u64)>,
}

/// Takes the first frame and answers it.
pub(super) async fn connect(edge: &Arc<Edge>, transport: &mut impl Transport) -> Result<Talk, Goodbye> {
    let encoding = transport.encoding();
    let late = Instant::now() + FIRST_FRAME;
    let bytes = match timeout_at(late, transport.receive()).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err((bye, reason))) => return Err(goodbye(bye, reason)),
        Err(_) => return Err(goodbye(Bye::ConnectTimeout, "connect did not come within 10 s")),
    };
    if bytes.len() > FIRST_FRAME_BYTES_MAX {
        return Err(goodbye(Bye::FrameTooLarge, "the first frame has at most 16 KiB"));
    }
    let head = wire::head(encoding, &bytes)
        .map_err(|error| goodbye(Bye::BadFrame, format!("the frame cannot be read: {error}")))?;
    if head.t != "connect" {
        return Err(goodbye(Bye::BadFrame, format!("the first frame is connect, not {:?}", head.t)));
    }
    let connect: Connect = head.params().map_err(|refusal| goodbye(Bye::BadFrame, refusal.detail))?;
    if edge.draining() {
        return Err(goodbye(Bye::Drain, "the node is going down"));
    }
    let checked = match (&connect.token, &connect.ticket) {
        (Some(token), None) => edge.check(token),
        (None, Some(ticket)) => edge.tickets.take(ticket, edge.host.now()),
        (Some(_), Some(_)) | (None, None) => {
            return Err(goodbye(Bye::BadFrame, "connect carries a token or a ticket"));
        }
    };
    let (principal, until) = checked.map_err(|refusal| goodbye(Bye::AuthFailed, refusal.detail))?;
    if principal.role != connect.role {
        return Err(goodbye(Bye::ForbiddenRole, "the token is of another role"));
    }
    let mut talk = welcome(edge, transport, principal, until, connect).await?;
    if edge.draining() {
        // It may have been too late to be told with the others.
        talk.go_away();
    }
    Ok(talk)
}

/// What `work` gives, unless the node drains before: one that is cut off may have to wait for others for long.
async fn unless_drained<T>(
    edge: &Edge,
    work: impl Future<Output = Result<T, Goodbye>>,
) -> Result<T, Goodbye> {
    tokio::select! {
        biased;
        done = work => done,
        () = edge.drains() => Err(goodbye(Bye::Drain, "the node is going down: connect again")),
    }
}

async fn welcome(
    edge: &Arc<Edge>,
    transport: &mut impl Transport,
    principal: Principal,
    until: Time,
    mut connect: Connect,
) -> Result<Talk, Goodbye> {
    connect.check()?;
    let resume = connect.resume.take().unwrap_or_default();
    if resume.pos.len() > POSITIONS_MAX {
        return Err(goodbye(Bye::BadFrame, format!("resume.pos has at most {POSITIONS_MAX} conversations")));
    }
    if let Some(talk) = go_on(edge, transport, &principal, until, &connect, &resume).await? {
        return Ok(talk);
    }
    let resume = resume.pos;
    let open = unless_drained(edge, open_conversations(edge, &principal, &resume)).await?;
    let bytes_max = edge.limits.queue_bytes(principal.role);
    let (tenant, person) = (principal.tenant.clone(), principal.id.clone());
    let socket = Socket::new(edge.next_socket(), tenant, person, connect.device.clone(), bytes_max);
    let (stream, hold) = Stream::new(principal, socket);
    let mut talk = Talk::new(edge, stream, hold, transport, &connect, until);
    let mut stale = Vec::new();
    let mut follow = Vec::new();
    for (address, view) in &open {
        let head = view["o"].as_u64().unwrap_or_default();
        let at = resume.get(&*address.key).map_or(0, |(_, o)| *o).min(head);
        if head - at > RECOVER_MAX {
            stale.push(address.key.to_string());
            follow.push((address, head));
        } else {
            follow.push((address, at));
        }
    }
    talk.push_welcome(if resume.is_empty() { "none" } else { "positions" }, 1, &stale);
    unless_drained(edge, talk.push_snapshot(open.iter().map(|(_, view)| view.clone()).collect())).await?;
    for (address, at) in follow {
        talk.stream.socket.follow(address, at);
    }
    // Before the welcome: of two sockets of a device the one that is welcomed later stays.
    edge.streams.add(&talk.stream);
    if let Err((bye, reason)) = talk.greet(transport).await {
        // The client knows nothing of this stream: there is nothing to come back to.
        talk.leave(Bye::Normal);
        return Err((bye, reason));
    }
    // What was opened or offered between the snapshot and the attachment.
    match unless_drained(edge, open_conversations(edge, &talk.principal, &HashMap::new())).await {
        Ok(open) => open.iter().for_each(|(address, view)| {
            talk.stream.socket.follow(address, 0);
            talk.keep_waiting(address, view);
        }),
        Err((bye, reason)) => {
            talk.leave(bye);
            return Err((bye, reason));
        }
    }
    Ok(talk)
}

/// Goes on with the stream that the client had, when this node still has it with all that the client misses.
async fn go_on(
    edge: &Arc<Edge>,
    transport: &mut impl Transport,
    principal: &Principal,
    until: Time,
    connect: &Connect,
    resume: &Resume,
) -> Result<Option<Talk>, Goodbye> {
    let (Some(session), Some(token)) = (&resume.session, &resume.resume_token) else { return Ok(None) };
    let Some((stream, hold, missed)) =
        edge.streams.take(session, token, resume.s, principal, &connect.device)
    else {
        return Ok(None);
    };
    edge.metrics.resumed.inc();
    let mut talk = Talk::new(edge, stream, hold, transport, connect, until);
    talk.push_welcome("full", resume.s + 1, &[]);
    talk.frames.extend(missed);
    if let Err((bye, reason)) = talk.greet(transport).await {
        // The line broke again at once: the stream waits for the next attempt.
        talk.leave(bye);
        return Err((bye, reason));
    }
    Ok(Some(talk))
}

impl Connect {
    fn check(&self) -> Result<(), Goodbye> {
        let device = &self.device;
        if !(1..=48).contains(&device.len())
            || !device.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        {
            return Err(goodbye(Bye::BadFrame, "device is 1 to 48 letters, digits, _ or -"));
        }
        if self.interest.len() > INTEREST_MAX || self.interest.iter().any(|wish| wish.len() > 64) {
            return Err(goodbye(
                Bye::BadFrame,
                format!("interest has at most {INTEREST_MAX} kinds of at most 64 bytes"),
            ));
        }
        Ok(())
    }

    fn wishes(&self) -> Wishes {
        let ping = self.hb_ms.map_or(PING, |ms| Duration::from_millis(ms).clamp(PING_MIN, PING_MAX));
        let batch = self.caps.iter().any(|cap| cap == "batch");
        Wishes { batch, interest: self.interest.clone(), ping }
    }
}

/// The conversations that the client is in, with their views: the visitor's live ones, or those that hold a place of the agent,
/// and of the ones that it asks about those it may see.
async fn open_conversations(
    edge: &Arc<Edge>,
    principal: &Principal,
    asked: &HashMap<String, (u64, u64)>,
) -> Result<Vec<(Address, Value)>, Goodbye> {
    let failed = |refusal: Refusal| goodbye(Bye::Internal, refusal.detail);
    let tenant = &principal.tenant;
    let (kind, field) = match principal.role {
        Role::Visitor => (Session::KIND, "live"),
        // A supervisor may have taken conversations over.
        Role::Agent | Role::Supervisor => (Agent::KIND, "conversations"),
    };
    let own = edge.host.view_json(&Address::new(tenant.clone(), kind, principal.id.shared())).await;
    let own = own.map_err(failed)?;
    let mut keys: Vec<String> = match &own[field] {
        Value::Object(map) => map.values().filter_map(|id| id.as_str().map(str::to_owned)).collect(),
        Value::Array(list) => list.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for cv in asked.keys() {
        if !keys.contains(cv) && cv.parse::<ConversationId>().is_ok() {
            keys.push(cv.clone());
        }
    }
    let mut open = Vec::new();
    for key in keys {
        let address = Address::new(tenant.clone(), Conversation::KIND, key);
        let mut view = edge.host.view_json(&address).await.map_err(failed)?;
        let mine = match principal.role {
            Role::Visitor => view["visitor"]["id"].as_str() == Some(principal.id.as_str()),
            Role::Agent | Role::Supervisor => !view.is_null(),
        };
        if mine && let Some(map) = view.as_object_mut() {
            map.insert("cv".into(), address.key.to_string().into());
            if principal.role == Role::Visitor {
                without_desk(map);
            }
            open.push((address, view));
        }
    }
    Ok(open)
}

impl Talk {
    fn new(
        edge: &Arc<Edge>,
        stream: Arc<Stream>,
        hold: Hold,
        transport: &impl Transport,
        connect: &Connect,
        until: Time,
    ) -> Self {
        let principal = stream.principal.clone();
        let (per_s, burst) = edge.limits.rate(principal.role);
        let now = Instant::now();
        let mut talk = Self {
            edge: Arc::clone(edge),
            stream,
            hold,
            encoding: transport.encoding(),
            wishes: connect.wishes(),
            pending: Vec::new(),
            bucket: Bucket::new(per_s, burst),
            typing: Bucket::new(TYPING_PER_S, TYPING_BURST),
            refusals: Refusals::new(per_s, burst, now),
            heard: now,
            pinged: None,
            renewed: now,
            tell_at: None,
            expires: now,
            warn_at: None,
            leave_by: None,
            frames: Vec::new(),
            reading: None,
            principal,
        };
        talk.lives_until(until);
        talk
    }

    /// Writes the first frames.
    async fn greet(&mut self, transport: &mut impl Transport) -> Result<(), Goodbye> {
        transport.send(&mut self.frames).await.map_err(|bye| goodbye(bye, "the client takes nothing"))
    }

    /// A visitor who waits already is told its place.
    fn keep_waiting(&self, conversation: &Address, view: &Value) {
        let waits = matches!(view["phase"].as_str(), Some("queued" | "offered"));
        let queue = view["queue"].as_str().filter(|_| waits && self.principal.role == Role::Visitor);
        if let Some(queue) = queue {
            let topics = self.edge.host.lobby().topics();
            topics.wait_in(&self.stream.socket, &conversation.key, Some(queue.into()));
        }
    }

    fn push_welcome(&mut self, resumed: &str, from_s: u64, stale: &[String]) {
        let (role, limits) = (self.principal.role, &self.edge.limits);
        let (per_s, burst) = limits.rate(role);
        let welcome = json!({
            "t": "welcome",
            "ts": self.edge.host.now().ms(),
            "d": {
                "session": self.stream.name(),
                "resume_token": self.hold.token,
                "resumed": resumed,
                "stale": stale,
                "topics": super::topics::names(&self.stream.socket),
                "from_s": from_s,
                "principal": { "role": role, "id": self.principal.id, "name": self.principal.name, "tenant": self.principal.tenant },
                "hb": { "interval_ms": self.wishes.ping.as_millis(), "timeout_ms": PONG.as_millis() },
                "limits": {
                    "frame": limits.frame_bytes(role), "inflight": self.inflight_max(), "window": WINDOW,
                    "rate": { "per_s": per_s, "burst": burst },
                },
                "server": { "version": env!("CARGO_PKG_VERSION"), "node": self.edge.node },
                "features": FEATURES,
                "retain_s": retain(role).as_secs(),
            },
        });
        self.say(&welcome);
    }

    async fn push_snapshot(&mut self, conversations: Vec<Value>) -> Result<(), Goodbye> {
        let mut d = json!({ "conversations": conversations });
        if self.principal.role == Role::Agent
            && let Ok(presence) = self.edge.host.view_json(&self.agent()).await
            && let Some(map) = d.as_object_mut()
        {
            // An agent who was never online has the capacity of the company's settings.
            let company = self.edge.company(&self.principal.tenant).ok();
            let setting = company.as_ref().and_then(|company| company.agent(&self.principal.id));
            let capacity = presence["capacity"]
                .as_u64()
                .filter(|capacity| *capacity > 0)
                .or(setting.map(|setting| setting.policy.capacity.into()));
            let presence =
                json!({ "state": presence["state"], "capacity": capacity, "places": presence["places"] });
            map.insert("presence".into(), presence);
        }
        let stream = Arc::clone(&self.stream);
        let mut sent = stream.lock(&self.hold).ok_or_else(taken)?;
        self.own_event(&mut sent, "snapshot", d);
        Ok(())
    }
}
