//! What a client needs before it connects, or instead: tickets, and where its conversations stand.

use std::sync::Arc;

use axum::extract::State;
use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::{Agent, Session};
use conversa_actors::cell::envelope::{Envelope, unseal};
use conversa_engine::conversation::Event;
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use serde::Deserialize;
use serde_json::{Value, json};

use super::history::event_at;
use super::{Answer, Bearer, Caller, conversation_address, visible};
use crate::asked::{Json, Query};
use crate::auth::{Principal, Role};
use crate::problem::Problem;
use crate::server::Edge;

/// Conversations of one page.
const PAGE_MAX: usize = 50;
/// Unread messages are looked for in this many events; where there may be more, `unread_more` says so.
const UNREAD_EVENTS_MAX: usize = 100;
/// An event has its time before it is durable, by this much at most: the next sync looks back so far.
const OVERLAP_MS: i64 = 30_000;

/// `POST /v1/tickets`
pub(crate) async fn ticket(State(edge): State<Arc<Edge>>, Bearer(principal, until): Bearer) -> Answer {
    let bytes = conversa_cluster::clock::random::<16>();
    let name: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("ti_{name}");
    let expires = edge.tickets.give(name.clone(), principal, until, edge.host.now())?;
    Ok(Json(json!({ "ticket": name, "expires_ts": expires })))
}

/// Since when.
#[derive(Debug, Deserialize)]
pub(crate) struct Since {
    /// The `since` of the former answer; none for everything.
    #[serde(default)]
    since: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

/// A place in the list: a time, and the conversation of it that was shown last.
fn cursor(text: &str) -> Option<(Time, &str)> {
    let (ms, cv) = text.split_once('.')?;
    Some((Time::from_ms(ms.parse().ok()?), cv))
}

/// `GET /v1/sync`: the caller's conversations that have changed, where their logs end and what is unread in them.
pub(crate) async fn sync(
    State(edge): State<Arc<Edge>>,
    Caller(principal): Caller,
    Query(query): Query<Since>,
) -> Answer {
    let since = match &query.since {
        Some(text) => cursor(text).ok_or_else(|| {
            Problem::new(
                Code::BadRequest,
                "since is the since of the former answer; leave it out for everything",
            )
        })?,
        None => (Time::from_ms(0), ""),
    };
    let limit = query.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let now = edge.host.now();
    let mut changed = Vec::new();
    for cv in own(&edge, &principal).await? {
        let address = conversation_address(&principal, &cv)?;
        let view = match visible(&edge, &principal, &address).await {
            Ok(view) => view,
            // It is known to the session before it is opened itself.
            Err(Refusal { code: Code::NotFound, .. }) => continue,
            Err(refusal) => return Err(refusal.into()),
        };
        let head = view["o"].as_u64().unwrap_or_default();
        let at = event_at(&edge, &address, head).await?.map_or(now, |event| event.at());
        if (at, cv.as_str()) > since {
            changed.push((at, cv, address, view));
        }
    }
    changed.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let more = changed.len() > limit;
    changed.truncate(limit);
    let mut items = Vec::with_capacity(changed.len());
    for (at, cv, address, view) in &changed {
        let read = mark(view, &principal);
        let (unread, unread_more) = unread(&edge, &principal, address, read).await?;
        items.push(json!({
            "cv": cv, "head": view["o"], "ep": view["ep"], "phase": view["phase"], "changed_ts": at,
            "read": read, "unread": unread, "unread_more": unread_more,
        }));
    }
    let next = match changed.last() {
        Some((at, cv, ..)) if more => format!("{}.{cv}", at.ms()),
        Some(_) | None => format!("{}.", now.ms().saturating_sub(OVERLAP_MS).max(since.0.ms())),
    };
    Ok(Json(json!({ "items": items, "since": next, "more": more })))
}

/// The conversations that are the caller's: those of a visitor's channels, live and last; those that hold a place of an agent. Both are
/// bounded where they are kept.
async fn own(edge: &Arc<Edge>, principal: &Principal) -> Result<Vec<String>, Refusal> {
    let kind = match principal.role {
        Role::Visitor => Session::KIND,
        Role::Agent | Role::Supervisor => Agent::KIND,
    };
    let view =
        edge.host.view_json(&Address::new(principal.tenant.clone(), kind, principal.id.shared())).await?;
    let mut all: Vec<String> = Vec::new();
    for list in ["live", "last", "conversations"].map(|field| &view[field]) {
        match list {
            Value::Object(map) => all.extend(map.values().filter_map(Value::as_str).map(str::to_owned)),
            Value::Array(list) => all.extend(list.iter().filter_map(Value::as_str).map(str::to_owned)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// Up to where the caller has read.
fn mark(view: &Value, principal: &Principal) -> u64 {
    let marks = view["marks"].as_array().into_iter().flatten();
    let own = marks.filter(|mark| mark["id"].as_str() == Some(principal.id.as_str()));
    own.filter_map(|mark| mark["read"].as_u64()).max().unwrap_or_default()
}

/// Messages of others after `read`, and whether there may be more than were looked at.
async fn unread(
    edge: &Arc<Edge>,
    principal: &Principal,
    address: &Address,
    read: u64,
) -> Result<(usize, bool), Refusal> {
    let entries = edge.host.read_log(address, read, UNREAD_EVENTS_MAX).await;
    let entries = entries.map_err(|error| Refusal::new(Code::Unavailable, error.to_string()))?;
    let mut count = 0;
    for entry in &entries {
        let envelope: Envelope<Event> =
            unseal(&entry.body).map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        let Event::Said(said) = &envelope.body else { continue };
        let seen = principal.role != Role::Visitor || envelope.body.public();
        if seen && said.author.id != principal.id && !said.content.hidden() {
            count += 1;
        }
    }
    Ok((count, entries.len() == UNREAD_EVENTS_MAX))
}
