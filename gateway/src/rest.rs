//! REST: what is looked up rather than streamed. Errors are problem details; every list is paged.

mod attachments;
pub(crate) mod boards;
mod customers;
mod development;
pub(crate) mod history;
mod lists;
mod routes;
mod settings;
mod sync;
pub(crate) mod teams;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::Conversation;
use conversa_engine::ids::ConversationId;
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;

use crate::asked::{self, Json, Path};
use crate::auth::{Principal, Role};
use crate::line;
use crate::pages;
use crate::problem::Problem;
use crate::push;
use crate::schema;
use crate::server::Edge;
use crate::socket;
use crate::wall;

pub(crate) use routes::Routes;

/// A JSON answer or a problem.
pub(crate) type Answer = Result<Json<serde_json::Value>, Problem>;

/// Every path of the node.
pub(crate) fn routes() -> Routes {
    Routes::default()
        .get("/livez", || async { "ok\n" })
        .get("/readyz", ready)
        .get("/metrics", metrics)
        .get("/v1/schema.json", || async { document("application/schema+json", &FRAMES) })
        .get("/v1/openapi.json", || async { document("application/json", &REST) })
        .get("/v1/asyncapi.json", || async { document("application/json", &SOCKET) })
        .get("/v1/ws", socket::upgrade)
        .post("/v1/dev/tokens", development::token)
        .get("/v1/dev/people", development::people)
        .post_up_to("/v1/send", line::BODY_BYTES_MAX, line::send)
        .get("/v1/events", line::events)
        .post("/v1/tickets", sync::ticket)
        .get("/v1/sync", sync::sync)
        .get("/v1/conversations", lists::conversations)
        .get("/v1/conversations/{cv}", lists::conversation)
        .get("/v1/conversations/{cv}/messages", history::messages)
        .post("/v1/conversations/{cv}/messages", history::say)
        .get("/v1/conversations/{cv}/transcript", history::transcript)
        .get("/v1/knowledge", lists::knowledge)
        .get("/v1/knowledge/search", lists::search)
        .get("/v1/queues", lists::queues)
        .get("/v1/agents", lists::agents)
        .get("/v1/wall", wall::wall)
        .get("/v1/departments", teams::departments)
        .get("/v1/teams", teams::teams)
        .get("/v1/customers", customers::search)
        .get("/v1/customers/{id}", customers::customer)
        .get("/v1/customers/{id}/timeline", customers::timeline)
        .post("/v1/customers/{id}/merge", customers::merge)
        .post("/v1/customers/{id}/undo", customers::undo)
        .get("/v1/boards/summary", boards::summary)
        .get("/v1/qa/scores", boards::scores)
        .get("/v1/qa/scores/{cv}", boards::score)
        .get("/v1/voc/keywords", boards::keywords)
        .get("/v1/voc/sentiment", boards::sentiment)
        .get("/v1/voc/drilldown", boards::drill_down)
        .merge(settings::routes())
        .merge(attachments::routes())
        .merge(push::routes())
}

/// All that the node answers.
pub(crate) fn router(edge: &Arc<Edge>) -> Router {
    let router = routes().router().method_not_allowed_fallback(asked::no_such_method);
    router.fallback(pages::page).with_state(Arc::clone(edge))
}

/// The protocol as documents, for authors of clients; each is made once.
static FRAMES: LazyLock<String> = LazyLock::new(schema::text);
static REST: LazyLock<String> = LazyLock::new(schema::rest::text);
static SOCKET: LazyLock<String> = LazyLock::new(schema::socket::text);

fn document(kind: &'static str, text: &'static LazyLock<String>) -> Response {
    ([(header::CONTENT_TYPE, kind)], text.as_str()).into_response()
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
