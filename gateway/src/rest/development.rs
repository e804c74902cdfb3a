//! Tokens for trying things out: in development mode, on loopback, for pages of the node itself. Anybody else is told that there
//! is no such thing.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::header;
use axum::http::request::Parts;
use conversa_engine::ids::PersonId;
use conversa_engine::refusal::Code;
use serde::Deserialize;
use serde_json::json;

use super::Answer;
use crate::asked::Json;
use crate::auth::{Principal, Role};
use crate::problem::Problem;
use crate::server::Edge;

/// A request from this machine to this machine, by a name of this machine (a rebound DNS name is not).
pub(crate) struct Local;

impl FromRequestParts<Arc<Edge>> for Local {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Problem> {
        let peer =
            ConnectInfo::<SocketAddr>::from_request_parts(parts, edge).await.map(|ConnectInfo(peer)| peer);
        let near = peer.is_ok_and(|peer| peer.ip().is_loopback());
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let called = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
        let own_page = edge.admit(&parts.headers).is_ok();
        if edge.development && near && called && own_page {
            return Ok(Self);
        }
        Err(Problem::new(Code::NotFound, "there is no such path"))
    }
}

#[derive(Deserialize)]
pub(crate) struct Ask {
    role: Role,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

/// `POST /v1/dev/tokens`
pub(crate) async fn token(_: Local, State(edge): State<Arc<Edge>>, Json(ask): Json<Ask>) -> Answer {
    let first = edge.companies.first().ok_or_else(|| Problem::new(Code::NotFound, "there is no company"))?;
    let company = edge.company(first)?;
    let id = ask.id.unwrap_or_else(|| {
        let bytes = conversa_cluster::clock::random::<8>();
        format!("{}{:016x}", ask.role.prefix(), u64::from_be_bytes(bytes))
    });
    let known = company.agent(&PersonId::new(id.as_str())).map(|agent| agent.name.clone());
    let name = ask.name.or(known).unwrap_or_else(|| id.clone());
    let principal = Principal {
        tenant: company.id.clone(),
        role: ask.role,
        id: PersonId::new(id.as_str()),
        name: name.clone(),
    };
    let (token, expires) = edge.sign(&principal)?;
    Ok(Json(json!({ "token": token, "expires_ts": expires, "id": id, "name": name })))
}

/// `GET /v1/dev/people`
pub(crate) async fn people(_: Local, State(edge): State<Arc<Edge>>) -> Answer {
    let first = edge.companies.first().ok_or_else(|| Problem::new(Code::NotFound, "there is no company"))?;
    let company = edge.company(first)?;
    let agents: Vec<_> =
        company.agents.iter().map(|agent| json!({ "id": agent.id, "name": agent.name })).collect();
    let queues: Vec<_> = company
        .queues
        .iter()
        .map(|queue| json!({ "id": queue.id, "name": { "zh": queue.name_zh, "en": queue.name_en } }))
        .collect();
    Ok(Json(json!({ "tenant": company.id, "agents": agents, "queues": queues })))
}
