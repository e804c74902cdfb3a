//! Settings: read, checked and put in force. Versions are ETags, so that nobody undoes what somebody else has just set.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use conversa_engine::refusal::Code;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Routes, Staff};
use crate::asked::{Json, Query};
use crate::auth::{Principal, Role};
use crate::config::Flaw;
use crate::problem::Problem;
use crate::server::Edge;
use crate::settings::{Untaken, Version};

/// Largest settings that are taken, bytes.
const SETTINGS_BYTES_MAX: usize = 1024 * 1024;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/settings", read)
        .put("/v1/settings", put)
        .post("/v1/settings/check", check)
        .get("/v1/settings/history", history)
        .up_to(SETTINGS_BYTES_MAX)
}

#[derive(Debug, Deserialize)]
struct Which {
    #[serde(default)]
    version: Option<u64>,
}

/// `GET /v1/settings`: those in force, or a former version that is kept.
async fn read(
    State(edge): State<Arc<Edge>>,
    Staff(principal): Staff,
    Query(Which { version }): Query<Which>,
) -> Result<Response, Problem> {
    let Some(wanted) = version else {
        return Ok(shown(&edge.settings.latest(&principal.tenant).await?));
    };
    let versions = edge.settings.versions(&principal.tenant).await?;
    let found = versions.iter().find(|version| version.version == wanted);
    found.map(shown).ok_or_else(|| {
        Problem::new(Code::NotFound, format!("version {wanted} is not kept: see /v1/settings/history"))
    })
}

/// `GET /v1/settings/history`: who set what, newest first.
async fn history(State(edge): State<Arc<Edge>>, Staff(principal): Staff) -> Answer {
    let versions = edge.settings.versions(&principal.tenant).await?;
    let item =
        |version: &Version| json!({ "version": version.version, "at_ts": version.at_ts, "by": version.by });
    Ok(Json(json!({ "items": versions.iter().map(item).collect::<Vec<_>>() })))
}

/// `PUT /v1/settings` with `If-Match`: in force when it is answered.
async fn put(
    State(edge): State<Arc<Edge>>,
    Staff(principal): Staff,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    supervises(&principal)?;
    let Some(given) = headers.get(header::IF_MATCH).map(|value| value.to_str().unwrap_or_default().trim())
    else {
        let detail = "send If-Match with the ETag of the settings that you have changed, or * for any";
        return Ok(problem(StatusCode::PRECONDITION_REQUIRED, Code::BadRequest, detail, &[]));
    };
    let expected = match given {
        "*" => None,
        tag => match tag
            .strip_prefix('"')
            .and_then(|tag| tag.strip_suffix('"'))
            .and_then(|tag| tag.parse().ok())
        {
            Some(version) => Some(version),
            None => return Err(Problem::new(Code::BadRequest, "If-Match is an ETag of /v1/settings, or *")),
        },
    };
    let value = match parse(&body) {
        Ok(value) => value,
        Err(flaw) => return untaken(Untaken::Flawed(vec![flaw])),
    };
    match edge.settings.set(&principal.tenant, expected, &principal.id, value).await {
        Ok(version) => Ok(shown(&version)),
        Err(why) => untaken(why),
    }
}

/// `POST /v1/settings/check`: what would be wrong with them; puts nothing in force.
async fn check(
    State(edge): State<Arc<Edge>>,
    Staff(principal): Staff,
    body: Bytes,
) -> Result<Response, Problem> {
    supervises(&principal)?;
    let checked = match parse(&body) {
        Ok(value) => edge.settings.check(&principal.tenant, value).await,
        Err(flaw) => Err(Untaken::Flawed(vec![flaw])),
    };
    match checked {
        Ok(()) => Ok(Json(json!({ "ok": true })).into_response()),
        Err(why) => untaken(why),
    }
}

fn supervises(principal: &Principal) -> Result<(), Problem> {
    match principal.role {
        Role::Supervisor => Ok(()),
        Role::Agent | Role::Visitor => Err(Problem::new(Code::Forbidden, "settings are for supervisors")),
    }
}

fn parse(body: &[u8]) -> Result<Value, Flaw> {
    serde_json::from_slice(body).map_err(|error| Flaw { at: String::new(), what: error.to_string() })
}

fn shown(version: &Version) -> Response {
    let tag = HeaderValue::from_str(&format!("\"{}\"", version.version)).expect("digits are a header");
    ([(header::ETAG, tag)], Json(json!(version))).into_response()
}

fn untaken(why: Untaken) -> Result<Response, Problem> {
    match why {
        Untaken::Refused(refusal) => Err(refusal.into()),
        Untaken::Stale(version) => {
            let detail = format!("version {version} is in force now: read the settings again");
            Ok(problem(StatusCode::PRECONDITION_FAILED, Code::Conflict, &detail, &[]))
        }
        Untaken::Flawed(flaws) => {
            let detail = "the settings are wrong: errors lists every flaw with its place";
            Ok(problem(StatusCode::UNPROCESSABLE_ENTITY, Code::BadRequest, detail, &flaws))
        }
    }
}

fn problem(status: StatusCode, code: Code, detail: &str, flaws: &[Flaw]) -> Response {
    let body = json!({
        "type": "about:blank", "title": status.canonical_reason(), "status": status.as_u16(),
        "code": code.as_str(), "detail": detail, "retry": false, "errors": flaws,
    });
    let kind = HeaderValue::from_static("application/problem+json");
    (status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response()
}
