//! The requests that carry a line.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use conversa_engine::refusal::{Code, Refusal};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Line, Reader};
use crate::asked::{Json, Query};
use crate::problem::Problem;
use crate::server::Edge;
use crate::talk;

/// Frames of one request.
const FRAMES_MAX: usize = 64;
/// How long a poll waits for a frame, and a request for its answers.
const POLL: Duration = Duration::from_secs(25);
const ANSWERS: Duration = Duration::from_secs(30);
/// A stream says something at least so often, so that nobody between takes it for dead.
const COMMENT: Duration = Duration::from_secs(15);
/// How long a request waits until the talk takes its frames.
const TAKE: Duration = Duration::from_secs(10);

/// Which line, and from where on.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    line: Option<String>,
    /// The number of the last frame that the client has.
    #[serde(default)]
    since: Option<u64>,
}

fn gone() -> Problem {
    Problem::new(Code::Gone, "the line has ended: open another with connect, and resume in it")
}

/// `POST /v1/send`: frames of the client, as a list. Without a line the first is `connect`, and opens one. When nobody else fetches from the line,
/// the answer brings the frames up to the answers of all that was asked.
pub(crate) async fn send(
    State(edge): State<Arc<Edge>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Query(which): Query<Which>,
    Json(frames): Json<Vec<Value>>,
) -> Result<Response, Problem> {
    edge.admit(&headers)?;
    if frames.is_empty() || frames.len() > FRAMES_MAX {
        return Err(Problem::new(Code::BadRequest, format!("send a list of 1 to {FRAMES_MAX} frames")));
    }
    let (name, line) = match which.line {
        Some(name) => {
            let line = edge.lines.find(&name).ok_or_else(gone)?;
            (name, line)
        }
        None => open(&edge, peer)?,
    };
    let mut asked: Vec<u64> =
        frames.iter().filter(|frame| frame["t"] == "req").filter_map(|frame| frame["id"].as_u64()).collect();
    let opens = frames[0]["t"] == "connect";
    let free = line.outgoing.lock().reader.is_none();
    let mut reader =
        free.then(|| Reader::new(&line, which.since.unwrap_or_else(|| line.outgoing.lock().handed)));
    let taking = async {
        for frame in frames {
            line.to_talk.send(frame.to_string().into()).await.map_err(|_| gone())?;
        }
        Ok::<_, Problem>(())
    };
    timeout(TAKE, taking).await.map_err(|_| {
        let refusal =
            Refusal::new(Code::Overloaded, "more requests wait than may: wait for answers, then send again");
        Problem::from(refusal.retry_after_ms(1_000))
    })??;
    let mut fetched = Vec::new();
    if let Some(reader) = &mut reader {
        let answers = async {
            while opens && fetched.is_empty() || !asked.is_empty() {
                let Some(frames) = reader.next().await else { return };
                for frame in &frames {
                    asked.retain(|id| !answers(frame, *id));
                }
                fetched.extend(frames);
            }
        };
        // What did not come by then is fetched later.
        let _ = timeout(ANSWERS, answers).await;
    }
    let since = reader.as_ref().map(|reader| reader.after);
    Ok(page(Some(&name), &fetched, since))
}

/// True when a frame is the answer to request `id`.
fn answers(frame: &Bytes, id: u64) -> bool {
    #[derive(Deserialize)]
    struct Answer<'a> {
        t: &'a str,
        #[serde(default)]
        id: Option<u64>,
    }
    #[derive(Deserialize)]
    struct Batch<'a> {
        #[serde(borrow)]
        d: Vec<Answer<'a>>,
    }
    let this = |answer: &Answer<'_>| answer.t == "res" && answer.id == Some(id);
    match serde_json::from_slice::<Answer<'_>>(frame) {
        Ok(Answer { t: "batch", .. }) => {
            serde_json::from_slice::<Batch<'_>>(frame).is_ok_and(|batch| batch.d.iter().any(this))
        }
        Ok(answer) => this(&answer),
        Err(_) => false,
    }
}

fn open(edge: &Arc<Edge>, peer: SocketAddr) -> Result<(String, Arc<Line>), Problem> {
    let slot = edge.take_slot(peer.ip()).ok_or_else(|| {
        Problem::new(
            Code::RateLimited,
            "too many connections from this address: close some, or ask the operator to raise the limit",
        )
    })?;
    let bytes = conversa_cluster::clock::random::<16>();
    let name: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("ln_{name}");
    let (line, end) = edge.lines.open(&name).ok_or_else(|| {
        Problem::from(
            Refusal::new(Code::Overloaded, "the node has too many lines: try again later")
                .retry_after_ms(5_000),
        )
    })?;
    let (edge, known) = (Arc::clone(edge), name.clone());
    tokio::spawn(async move {
        talk::hold(Arc::clone(&edge), end).await;
        edge.lines.remove(&known);
        drop(slot);
    });
    Ok((name, line))
}

/// `GET /v1/events`: what comes after `since`, or after `Last-Event-ID` on a stream that begins again.
pub(crate) async fn events(
    State(edge): State<Arc<Edge>>,
    headers: HeaderMap,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    edge.admit(&headers)?;
    let name = which.line.as_deref().ok_or_else(|| {
        Problem::new(Code::BadRequest, "name the line: the answer of POST /v1/send with connect does")
    })?;
    let line = edge.lines.find(name).ok_or_else(gone)?;
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let last = text(header::HeaderName::from_static("last-event-id")).and_then(|id| id.parse().ok());
    let mut reader = Reader::new(&line, last.or(which.since).unwrap_or_default());
    if text(header::ACCEPT).is_some_and(|accept| accept.contains("text/event-stream")) {
        return Ok(stream_of(reader));
    }
    match timeout(POLL, reader.next()).await {
        Ok(Some(frames)) => Ok(page(None, &frames, Some(reader.after))),
        Ok(None) => Err(gone()),
        Err(_) => Ok(page(None, &[], Some(reader.after))),
    }
}

/// Frames in one answer, and the `since` of the next request.
fn page(line: Option<&str>, frames: &[Bytes], since: Option<u64>) -> Response {
    let mut body = Vec::with_capacity(frames.iter().map(|frame| frame.len() + 1).sum::<usize>() + 96);
    body.extend_from_slice(br#"{"frames":["#);
    for (place, frame) in frames.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        body.extend_from_slice(frame);
    }
    body.extend_from_slice(format!(r#"],"line":{},"since":{}}}"#, json!(line), json!(since)).as_bytes());
    respond("application/json", Body::from(body))
}

fn stream_of(reader: Reader) -> Response {
    let pieces = stream::unfold(reader, |mut reader| async move {
        let before = reader.after;
        let piece = match timeout(COMMENT, reader.next()).await {
            Ok(None) => return None,
            Err(_) => Bytes::from_static(b":\n\n"),
            Ok(Some(frames)) => {
                let first = reader.after + 1 - frames.len() as u64;
                debug_assert!(first > before, "frames come in order");
                let mut piece = Vec::new();
                for (n, frame) in (first..).zip(&frames) {
                    piece.extend_from_slice(format!("id: {n}\ndata: ").as_bytes());
                    piece.extend_from_slice(frame);
                    piece.extend_from_slice(b"\n\n");
                }
                Bytes::from(piece)
            }
        };
        Some((Ok::<_, Infallible>(piece), reader))
    });
    respond("text/event-stream", Body::from_stream(pieces))
}

fn respond(kind: &'static str, body: Body) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
