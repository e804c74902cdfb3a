//! The first frame, the welcome and the snapshot: who is there, where they stood, what is open.

use std::collections::HashMap;
use std::sync::Arc;

use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::{Agent, Conversation, Session};
use conversa_actors::lobby::Socket;
use conversa_engine::ids::ConversationId;
use conversa_engine::refusal::Refusal;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::pace::Bucket;
use super::{Goodbye, PING, PONG, Talk, WINDOW, goodbye};
use crate::auth::{Principal, Role};
use crate::server::Edge;
use crate::socket::Transport;
use crate::wire::{self, Bye, Ev, encode};

const FIRST_FRAME_BYTES_MAX: usize = 16 * 1024;
const FIRST_FRAME: std::time::Duration = std::time::Duration::from_secs(10);
/// A client further behind than this reads by `history.page`.
const RECOVER_MAX: u64 = 300;
const POSITIONS_MAX: usize = 256;

#[derive(Debug, Deserialize)]
struct Connect {
    token: String,
    role: Role,
    device: String,
    #[serde(default)]
    resume: Option<Resume>,
}

#[derive(Debug, Default, Deserialize)]
struct Resume {
    /// Conversation -> [epoch, offset].
    #[serde(default)]
    pos: HashMap<String, (u64, u64)>,
}

/// Takes the first frame and answers it.
pub(super) async fn connect(edge: &Arc<Edge>, transport: &mut Transport) -> Result<Talk, Goodbye> {
    let encoding = transport.encoding();
    let late = Instant::now() + FIRST_FRAME;
    let bytes = match timeout_at(late, transport.receive()).await {
        Ok(Some(Ok(bytes))) => bytes,
        Ok(Some(Err((bye, reason)))) => return Err(goodbye(bye, reason)),
        Ok(None) => return Err(goodbye(Bye::Normal, "the client has gone")),
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
    let connect: Connect =
        wire::params(encoding, &bytes).map_err(|refusal| goodbye(Bye::BadFrame, refusal.detail))?;
    if edge.draining() {
        return Err(goodbye(Bye::Drain, "the node is going down"));
    }
    let principal = edge.check(&connect.token).map_err(|refusal| goodbye(Bye::AuthFailed, refusal.detail))?;
    if principal.role != connect.role {
        return Err(goodbye(Bye::ForbiddenRole, "the token is of another role"));
    }
    welcome(edge, transport, principal, connect).await
}

async fn welcome(
    edge: &Arc<Edge>,
    transport: &mut Transport,
    principal: Principal,
    connect: Connect,
) -> Result<Talk, Goodbye> {
    let device = connect.device;
    if !(1..=48).contains(&device.len())
        || !device.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    {
        return Err(goodbye(Bye::BadFrame, "device is 1 to 48 letters, digits, _ or -"));
    }
    let failed = |refusal: Refusal| goodbye(Bye::Internal, refusal.detail);
    let resume = connect.resume.unwrap_or_default().pos;
    if resume.len() > POSITIONS_MAX {
        return Err(goodbye(Bye::BadFrame, format!("resume.pos has at most {POSITIONS_MAX} conversations")));
    }
    let open = open_conversations(edge, &principal, &resume).await.map_err(failed)?;
    let limits = &edge.limits;
    let (per_s, burst) = limits.rate(principal.role);
    let socket = Socket::new(
        edge.next_socket(),
        principal.tenant.clone(),
        principal.id.clone(),
        device,
        limits.queue_bytes(principal.role),
    );
    let mut talk = Talk {
        edge: Arc::clone(edge),
        socket,
        encoding: transport.encoding(),
        s: 0,
        acked: 0,
        pending: Vec::new(),
        behind: Vec::new(),
        bucket: Bucket::new(per_s, burst),
        heard: Instant::now(),
        pinged: None,
        renewed: Instant::now(),
        frames: Vec::new(),
        principal,
    };
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
    talk.push_welcome(!resume.is_empty(), &stale);
    talk.push_snapshot(open.iter().map(|(_, view)| view.clone()).collect()).await;
    let mut frames = std::mem::take(&mut talk.frames);
    transport.send(&mut frames).await.map_err(|bye| goodbye(bye, "the client takes nothing"))?;
    for (address, at) in follow {
        talk.socket.follow(address, at);
    }
    edge.host.lobby().attach(&talk.socket);
    // What was opened or offered between the snapshot and the attachment.
    for (address, _) in open_conversations(edge, &talk.principal, &HashMap::new()).await.map_err(failed)? {
        talk.socket.follow(&address, 0);
    }
    Ok(talk)
}

/// The conversations that the client is in, with their views: the visitor's live ones, or those that hold a place of the agent,
/// and of the ones that it asks about those it may see.
async fn open_conversations(
    edge: &Arc<Edge>,
    principal: &Principal,
    asked: &HashMap<String, (u64, u64)>,
) -> Result<Vec<(Address, Value)>, Refusal> {
    let tenant = &principal.tenant;
    let (kind, field) = match principal.role {
        Role::Visitor => (Session::KIND, "live"),
        Role::Agent => (Agent::KIND, "conversations"),
        Role::Supervisor => return Ok(Vec::new()),
    };
    let own = edge.host.view_json(&Address::new(tenant.clone(), kind, principal.id.shared())).await?;
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
        let mut view = edge.host.view_json(&address).await?;
        let mine = match principal.role {
            Role::Visitor => view["visitor"]["id"].as_str() == Some(principal.id.as_str()),
            Role::Agent | Role::Supervisor => !view.is_null(),
        };
        if mine && let Some(map) = view.as_object_mut() {
            map.insert("cv".into(), address.key.to_string().into());
            open.push((address, view));
        }
    }
    Ok(open)
}

impl Talk {
    fn push_welcome(&mut self, resumed: bool, stale: &[String]) {
        let (role, limits) = (self.principal.role, &self.edge.limits);
        let (per_s, burst) = limits.rate(role);
        let welcome = json!({
            "t": "welcome",
            "ts": self.edge.host.now().ms(),
            "d": {
                "session": format!("se_{:x}", self.socket.id()),
                "resumed": if resumed { "positions" } else { "none" },
                "stale": stale,
                "from_s": 1,
                "principal": { "role": role, "id": self.principal.id, "name": self.principal.name, "tenant": self.principal.tenant },
                "hb": { "interval_ms": PING.as_millis(), "timeout_ms": PONG.as_millis() },
                "limits": {
                    "frame": limits.frame_bytes(role), "inflight": self.inflight_max(), "window": WINDOW,
                    "rate": { "per_s": per_s, "burst": burst },
                },
                "server": { "version": env!("CARGO_PKG_VERSION"), "node": self.edge.node },
                "features": [],
                "retain_s": 0,
            },
        });
        self.frames.push(encode(self.encoding, &welcome));
    }

    async fn push_snapshot(&mut self, conversations: Vec<Value>) {
        let mut d = json!({ "conversations": conversations });
        if self.principal.role == Role::Agent
            && let Ok(presence) = self.edge.host.view_json(&self.agent()).await
            && let Some(map) = d.as_object_mut()
        {
            // An agent who was never online has the capacity of the company's settings.
            let setting = self
                .edge
                .company(&self.principal.tenant)
                .ok()
                .and_then(|company| company.agent(&self.principal.id));
            let capacity = presence["capacity"]
                .as_u64()
                .filter(|capacity| *capacity > 0)
                .or(setting.map(|setting| setting.policy.capacity.into()));
            let presence =
                json!({ "state": presence["state"], "capacity": capacity, "places": presence["places"] });
            map.insert("presence".into(), presence);
        }
        self.s += 1;
        let ts = self.edge.host.now().ms();
        self.frames.push(encode(
            self.encoding,
            &Ev { t: "ev", s: self.s, k: "snapshot", cv: None, ep: None, o: None, ts, d },
        ));
    }
}
