//! Channels: what comes in from a foreign system, and the adapters that read it. A message is taken in by the user's `Intake` and
//! answered once that is durable; what became of our messages goes to the conversation's courier.

mod http;

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::Conversation;
use conversa_actors::behaviours::channel::visitor;
use conversa_actors::behaviours::courier::{self, Courier, Receipt, lane};
use conversa_actors::behaviours::intake::{self, Intake};
use conversa_actors::letter::Payload;
use conversa_actors::port::outside::Outcome;
use conversa_engine::content::Content;
use conversa_engine::ids::{ConversationId, TenantId};
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::asked::{Json, Path};
use crate::config::{ChannelConfig, Config};
use crate::problem::Problem;
use crate::push::net::Net;
use crate::rest::{Answer, Staff, conversation_address};
use crate::server::Edge;

/// Largest body that a channel may send, bytes.
pub(crate) const INBOUND_BYTES_MAX: usize = 64 * 1024;
/// Longest name of a user and longest id of a message of a channel, bytes.
const NAME_BYTES_MAX: usize = 128;

/// The kinds of channels. Adding one is its adapter's file and a line here and in `adapter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Signed JSON both ways, for the company's own adapters.
    Http,
}

fn adapter(config: &ChannelConfig) -> Arc<dyn Adapter> {
    match config.kind {
        Kind::Http => Arc::new(http::Http::new(config)),
    }
}

/// What knows the language of a foreign system. Every adapter passes the suite in `gateway/tests/channels`.
pub(crate) trait Adapter: Send + Sync {
    /// Reads what came, once its signature and its age are proved.
    ///
    /// # Errors
    /// `unauthorized` for a signature or age that is not right, `bad_request` for what cannot be read.
    fn read(&self, now: Time, headers: &HeaderMap, body: &[u8]) -> Result<Inbound, Refusal>;

    /// Makes one attempt to send a message; `id` is the same in every attempt.
    fn send<'a>(&'a self, net: &'a Net, now: Time, id: &'a str, body: &'a str) -> BoxFuture<'a, Outcome>;
}

/// What a channel says.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// A user has written.
    Message {
        /// The channel's id of the message.
        id: String,
        /// The channel's id of the user.
        user: String,
        name: String,
        language: String,
        content: Content,
    },
    /// What became of a message of ours.
    Status { message: String, state: Receipt, why: String },
}

/// The channels of a node by name.
pub(crate) struct Channels(HashMap<String, (TenantId, Arc<dyn Adapter>)>);

impl Channels {
    pub(crate) fn new(config: &Config) -> Self {
        let one = |channel: &ChannelConfig| {
            (channel.name.clone(), (TenantId::new(channel.tenant.as_str()), adapter(channel)))
        };
        Self(config.channels.iter().map(one).collect())
    }

    /// The adapter of a company's channel.
    pub(crate) fn of(&self, tenant: &TenantId, name: &str) -> Option<&Arc<dyn Adapter>> {
        self.0.get(name).filter(|(of, _)| of == tenant).map(|(_, adapter)| adapter)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// `POST /v1/channels/{channel}/inbound`: answered with 2xx only after what was said is durable.
pub(crate) async fn inbound(
    State(edge): State<Arc<Edge>>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let body = body.map_err(|_| {
        let detail = format!("a body has at most {INBOUND_BYTES_MAX} bytes: send files by their URL");
        Problem::new(Code::PayloadTooLarge, detail)
    })?;
    let known = edge.reachable.channels().0.get(&channel);
    let (tenant, adapter) = known.ok_or_else(|| Problem::new(Code::NotFound, "there is no such channel"))?;
    match adapter.read(edge.host.now(), &headers, &body)? {
        Inbound::Message { id, user, name, language, content } => {
            let message = intake::Command { channel, id, name, language, content };
            take(&edge, tenant, &user, message).await
        }
        Inbound::Status { message, state, why } => {
            report(&edge, tenant, &channel, &message, state, why).await
        }
    }
}

async fn take(edge: &Arc<Edge>, tenant: &TenantId, user: &str, message: intake::Command) -> Answer {
    for (field, text) in [("id", &message.id), ("user.name", &message.name), ("lang", &message.language)] {
        if text.len() > NAME_BYTES_MAX {
            let detail = format!("{field} has at most {NAME_BYTES_MAX} bytes");
            return Err(Problem::new(Code::BadRequest, detail));
        }
    }
    if message.id.is_empty() {
        return Err(Problem::new(Code::BadRequest, "id is the channel's own id of the message"));
    }
    let visitor = visitor(&message.channel, user).ok_or_else(|| {
        Problem::new(
            Code::BadRequest,
            "user.id is empty or too long: with the channel's name it has at most 60 letters, digits, _ and -, \
             and every other byte counts for three",
        )
    })?;
    let intake = Address::new(tenant.clone(), Intake::KIND, visitor.shared());
    match edge.host.ask(&intake, Payload::of(message)).await {
        Ok(_) => Ok(Json(json!({ "accepted": true, "visitor": visitor }))),
        Err(Refusal { code: Code::Duplicate, .. }) => {
            Ok(Json(json!({ "accepted": true, "visitor": visitor, "dup": true })))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

async fn report(
    edge: &Arc<Edge>,
    tenant: &TenantId,
    channel: &str,
    message: &str,
    state: Receipt,
    why: String,
) -> Answer {
    let unknown = || Problem::new(Code::NotFound, "this channel was sent no such message");
    let (conversation, o) = message_id(message).ok_or_else(unknown)?;
    let address = Address::new(tenant.clone(), Conversation::KIND, conversation.to_string());
    let view = edge.host.view_json(&address).await?;
    // One channel says nothing of another's messages.
    if view["channel"].as_str() != Some(channel) || view["o"].as_u64().is_none_or(|head| o > head) {
        return Err(unknown());
    }
    let courier = Address::new(tenant.clone(), Courier::KIND, lane(conversation));
    edge.host.ask(&courier, Payload::of(courier::Command::Report { o, state, why })).await?;
    Ok(Json(json!({ "accepted": true })))
}

/// The conversation and the offset that a message's id is made of.
fn message_id(id: &str) -> Option<(ConversationId, u64)> {
    let (conversation, o) = id.strip_prefix("ms_")?.rsplit_once('.')?;
    let o = o.parse().ok().filter(|o| *o > 0)?;
    Some((format!("cv_{conversation}").parse().ok()?, o))
}

/// `GET /v1/conversations/{cv}/delivery`: what waits for the conversation's channel, and how far its messages have come.
pub(crate) async fn delivery(
    State(edge): State<Arc<Edge>>,
    Staff(principal): Staff,
    Path(cv): Path<String>,
) -> Answer {
    let conversation = conversation_address(&principal, &cv)?;
    let courier = conversation.beside(Courier::KIND, Arc::clone(&conversation.key));
    let view: Value = edge.host.view_json(&courier).await?;
    Ok(Json(view))
}
