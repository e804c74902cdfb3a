//! REST: what is looked up rather than streamed. Errors are problem details; every list is paged.

mod attachments;
pub(crate) mod boards;
mod customers;
mod development;
pub(crate) mod history;
mod lists;
mod settings;
mod sync;
pub(crate) mod teams;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::Conversation;
use conversa_engine::ids::ConversationId;
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;

use crate::auth::{Principal, Role};
use crate::line;
use crate::pages;
use crate::problem::Problem;
use crate::push;
use crate::server::Edge;
use crate::socket;
use crate::wall;

/// A JSON answer or a problem.
pub(crate) type Answer = Result<axum::Json<serde_json::Value>, Problem>;

/// Every path of the node.
pub(crate) fn router(edge: &Arc<Edge>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/v1/schema.json", get(schema))
        .route("/v1/ws", get(socket::upgrade))
        .route("/v1/dev/tokens", post(development::token))
        .route("/v1/dev/people", get(development::people))
        .route("/v1/send", post(line::send).layer(DefaultBodyLimit::max(line::BODY_BYTES_MAX)))
        .route("/v1/events", get(line::events))
        .route("/v1/tickets", post(sync::ticket))
        .route("/v1/sync", get(sync::sync))
        .route("/v1/conversations", get(lists::conversations))
        .route("/v1/conversations/{cv}", get(lists::conversation))
        .route("/v1/conversations/{cv}/messages", get(history::messages).post(history::say))
        .route("/v1/conversations/{cv}/transcript", get(history::transcript))
        .route("/v1/knowledge", get(lists::knowledge))
        .route("/v1/knowledge/search", get(lists::search))
        .route("/v1/queues", get(lists::queues))
        .route("/v1/agents", get(lists::agents))
        .route("/v1/wall", get(wall::wall))
        .route("/v1/departments", get(teams::departments))
        .route("/v1/teams", get(teams::teams))
        .route("/v1/customers", get(customers::search))
        .route("/v1/customers/{id}", get(customers::customer))
        .route("/v1/customers/{id}/timeline", get(customers::timeline))
        .route("/v1/customers/{id}/merge", post(customers::merge))
        .route("/v1/customers/{id}/undo", post(customers::undo))
        .route("/v1/boards/summary", get(boards::summary))
        .route("/v1/qa/scores", get(boards::scores))
        .route("/v1/qa/scores/{cv}", get(boards::score))
        .route("/v1/voc/keywords", get(boards::keywords))
        .route("/v1/voc/sentiment", get(boards::sentiment))
        .route("/v1/voc/drilldown", get(boards::drill_down))
        .merge(settings::routes())
        .merge(attachments::routes())
        .merge(push::routes())
        .fallback(pages::page)
        .with_state(Arc::clone(edge))
}

/// `GET /v1/schema.json`: the frames of the socket, for authors of clients.
async fn schema() -> Response {
    ([(header::CONTENT_TYPE, "application/schema+json")], crate::schema::text()).into_response()
}

async fn ready(State(edge): State<Arc<Edge>>) -> Response {
    if let Some(why) = edge.outside() {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response();
    }
    if edge.draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "going down\n").into_response();
    }
    if edge.failing() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the store cannot write\n").into_response();
    }
    "ok\n".into_response()
}

async fn metrics(State(edge): State<Arc<Edge>>) -> Response {
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], edge.metrics_page()).into_response()
}

/// Whoever shows a valid token, and when it ends.
pub(crate) struct Bearer(pub(crate) Principal, pub(crate) Time);

impl FromRequestParts<Arc<Edge>> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Problem> {
        let given = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = given.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(|| {
            Problem::new(
                Code::Unauthorized,
                "send Authorization: Bearer <token>; see `conversa token --help`",
            )
        })?;
        let (principal, until) = edge.check(token)?;
        Ok(Self(principal, until))
    }
}

/// Whoever shows a valid token.
pub(crate) struct Caller(pub(crate) Principal);

impl FromRequestParts<Arc<Edge>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Problem> {
        Bearer::from_request_parts(parts, edge).await.map(|Bearer(principal, _)| Self(principal))
    }
}

/// One of the company's people.
pub(crate) struct Staff(pub(crate) Principal);

impl FromRequestParts<Arc<Edge>> for Staff {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Problem> {
        let Caller(principal) = Caller::from_request_parts(parts, edge).await?;
        match principal.role {
            Role::Agent | Role::Supervisor => Ok(Self(principal)),
            Role::Visitor => Err(Problem::new(Code::Forbidden, "this is for agents and supervisors")),
        }
    }
}

/// The address of a conversation that `principal` may see, and its view.
pub(crate) async fn visible(
    edge: &Arc<Edge>,
    principal: &Principal,
    address: &Address,
) -> Result<serde_json::Value, Refusal> {
    let not_found = || Refusal::new(Code::NotFound, "there is no such conversation");
    let mut view = edge.host.view_json(address).await?;
    let mine =
        principal.role != Role::Visitor || view["visitor"]["id"].as_str() == Some(principal.id.as_str());
    if teams::hidden(edge, principal, address, &view).await? {
        return Err(Refusal::new(Code::Forbidden, "this conversation belongs to another department"));
    }
    match view.as_object_mut() {
        Some(map) if mine => {
            map.insert("cv".into(), address.key.to_string().into());
            if principal.role == Role::Visitor {
                without_desk(map);
            }
            Ok(view)
        }
        Some(_) | None => Err(not_found()),
    }
}

/// Leaves out of a conversation's view what is for the company's people.
pub(crate) fn without_desk(view: &mut serde_json::Map<String, serde_json::Value>) {
    view.remove("handover");
    for key in ["wrap", "goals", "snoozed", "turn"] {
        view.remove(key);
    }
}

pub(crate) fn conversation_address(principal: &Principal, cv: &str) -> Result<Address, Refusal> {
    let known: ConversationId =
        cv.parse().map_err(|_| Refusal::new(Code::NotFound, "there is no such conversation"))?;
    Ok(Address::new(principal.tenant.clone(), Conversation::KIND, known.to_string()))
}

/// A conversation in the path.
pub(crate) type Cv = Path<String>;
