//! Files of messages: prepare, PUT, complete, and reading them back.

use std::fmt::Write;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use conversa_engine::conversation::Event;
use conversa_engine::refusal::{Code, Refusal};
use serde::Deserialize;
use serde_json::json;

use super::history::{event_at, offset};
use super::{Answer, Caller, Routes, conversation_address, visible};
use crate::asked::{Json, Path, Query};
use crate::attachment::Found;
use crate::auth::{Principal, Role};
use crate::problem::Problem;
use crate::server::Edge;

/// A file runs nothing, whatever it holds.
const CSP: &str = "default-src 'none'; sandbox";

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/v1/attachments", prepare)
        .get("/v1/attachments/{id}", read)
        .put("/v1/attachments/{id}", upload)
        .post("/v1/attachments/{id}/complete", complete)
}

#[derive(Deserialize)]
struct Prepare {
    name: String,
    mime: String,
    bytes: u64,
}

/// Counts what is refused.
fn counted<T>(edge: &Edge, result: Result<T, Refusal>) -> Result<T, Problem> {
    result.map_err(|refusal| {
        edge.metrics.refused(refusal.code);
        refusal.into()
    })
}

/// `POST /v1/attachments`
async fn prepare(State(edge): State<Arc<Edge>>, Caller(who): Caller, Json(ask): Json<Prepare>) -> Answer {
    let asked = (ask.name, ask.mime, ask.bytes);
    let prepared = counted(&edge, edge.attachments.prepare(&who, asked, edge.host.now()).await)?;
    edge.metrics.uploads_prepared.inc();
    Ok(Json(json!({
        "id": prepared.id,
        "upload_url": prepared.url,
        "limits": { "bytes": prepared.bytes_max },
        "expires_ts": prepared.until,
    })))
}

/// `PUT /v1/attachments/{id}`
async fn upload(
    State(edge): State<Arc<Edge>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    body: Body,
) -> Answer {
    let uploaded = counted(&edge, edge.attachments.upload(&who, &id, body, edge.host.now()).await)?;
    edge.metrics.upload_bytes.inc_by(uploaded.bytes);
    Ok(Json(json!({ "id": id, "bytes": uploaded.bytes, "sha256": uploaded.sha256 })))
}

/// `POST /v1/attachments/{id}/complete`
async fn complete(State(edge): State<Arc<Edge>>, Caller(who): Caller, Path(id): Path<String>) -> Answer {
    let att = counted(&edge, edge.attachments.complete(&who, &id, edge.host.now()).await)?;
    edge.metrics.uploads_completed.inc();
    Ok(Json(json!({ "att": att })))
}

/// Where a visitor got the file of somebody else.
#[derive(Deserialize)]
struct From {
    #[serde(default)]
    cv: Option<String>,
    #[serde(default)]
    ms: Option<String>,
}

/// `GET /v1/attachments/{id}`
async fn read(
    State(edge): State<Arc<Edge>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (found, own) = edge.attachments.find(&who, &id).await?;
    if !own && !shown(&edge, &who, &id, &from).await? {
        return Err(Problem::new(
            Code::NotFound,
            "there is no such file, or it is not yours: name the message that shows it in cv and ms",
        ));
    }
    let size = found.att.bytes;
    let asked = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let part = match asked.map(|range| range_of(range, size)) {
        None | Some(Ok(None)) => None,
        Some(Ok(Some(part))) => Some(part),
        Some(Err(())) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            put(&mut response, header::CONTENT_RANGE, &format!("bytes */{size}"));
            return Ok(response);
        }
    };
    let (start, end) = part.unwrap_or((0, size));
    let mut response = Response::new(edge.attachments.read(&who, &found, (start, end)).await?);
    if part.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        put(&mut response, header::CONTENT_RANGE, &format!("bytes {start}-{}/{size}", end - 1));
    }
    put(&mut response, header::CONTENT_LENGTH, &(end - start).to_string());
    put(&mut response, header::CONTENT_TYPE, &found.att.mime);
    put(&mut response, header::CONTENT_DISPOSITION, &disposition(&found));
    put(&mut response, header::ACCEPT_RANGES, "bytes");
    put(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(&mut response, header::CONTENT_SECURITY_POLICY, CSP);
    put(&mut response, header::CACHE_CONTROL, "private, no-store");
    Ok(response)
}

fn put(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The one part that is asked for; of several, or of what is no range, the whole file is given.
fn range_of(range: &str, size: u64) -> Result<Option<(u64, u64)>, ()> {
    let Ok(parsed) = http_range_header::parse_range_header(range) else { return Ok(None) };
    if parsed.len() != 1 {
        return Ok(None);
    }
    let parts = parsed.validate(size).map_err(drop)?;
    Ok(parts.first().map(|part| (*part.start(), *part.end() + 1)))
}

/// True when the message that is named shows the file to this person.
async fn shown(edge: &Arc<Edge>, who: &Principal, id: &str, from: &From) -> Result<bool, Refusal> {
    let (Some(cv), Some(ms)) = (&from.cv, &from.ms) else { return Ok(false) };
    let address = conversation_address(who, cv)?;
    let view = visible(edge, who, &address).await?;
    let conversation =
        cv.parse().map_err(|_| Refusal::new(Code::NotFound, "there is no such conversation"))?;
    let at = offset(conversation, ms)?;
    let changed = &view["changes"]["changed"][at.to_string()];
    if changed["recalled"] == true {
        return Ok(false);
    }
    // An edited message shows what it was changed to.
    let at = changed["by"].as_u64().unwrap_or(at);
    let event = event_at(edge, &address, at).await?;
    let Some(event) = event.filter(|event| who.role != Role::Visitor || event.public()) else {
        return Ok(false);
    };
    let content = match &event {
        Event::Said(said) => &said.content,
        Event::Edited { content, .. } => content,
        _ => return Ok(false),
    };
    Ok(content.attachments().iter().any(|(_, att)| att.id.as_deref() == Some(id)))
}

/// In place or to be saved, with its name for old and new programs (RFC 6266, RFC 8187).
fn disposition(found: &Found) -> String {
    let name = &found.att.name;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ');
    let ascii: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    let mut text = format!(
        "{}; filename=\"{ascii}\"; filename*=UTF-8''",
        if found.inline { "inline" } else { "attachment" }
    );
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => text.push(char::from(byte)),
            _ => write!(text, "%{byte:02X}").expect("a string takes text"),
        }
    }
    text
}
