//! The WebSocket: the only file that names it. It takes the upgrade, chooses the encoding, moves bytes, and closes with a reason.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use conversa_engine::refusal::Code;
use futures_util::task::AtomicWaker;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::time::timeout;

use crate::problem::Problem;
use crate::server::Edge;
use crate::talk;
use crate::transport::{Ended, Transport};
use crate::wire::{Bye, Encoding, SUBPROTOCOLS, encode};

/// tungstenite's own defaults cost 134 KiB per idle socket; with these an idle visitor costs 12 KB in all (`bench --only idle`). It also fills
/// this with zeros before each look for a frame. Nearly every frame of a client is smaller; room for a larger one is made when its
/// length is known.
const READ_BUFFER_BYTES: usize = 1024;
/// Frames of one burst go out in one write.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;
const WRITE_BUFFER_BYTES_MAX: usize = 256 * 1024;
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// A client that takes nothing for this time is let go; it resumes when it can.
const WRITE: Duration = Duration::from_secs(30);
const GONE: &str = "the client has gone";
const CLOSE: Duration = Duration::from_secs(2);

/// `GET /v1/ws`
pub(crate) async fn upgrade(
    State(edge): State<Arc<Edge>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            return Problem::new(Code::BadRequest, format!("this is a WebSocket endpoint: {rejection}"))
                .into_response();
        }
    };
    if let Err(problem) = edge.admit(&headers) {
        return problem.into_response();
    }
    let upgrade = tuned(upgrade, MESSAGE_BYTES_MAX).protocols(SUBPROTOCOLS.map(|(name, _)| name));
    let chosen = upgrade.selected_protocol().and_then(|name| name.to_str().ok());
    let Some(encoding) =
        SUBPROTOCOLS.iter().find(|(name, _)| Some(*name) == chosen).map(|(_, encoding)| *encoding)
    else {
        let names = SUBPROTOCOLS.map(|(name, _)| name).join(", ");
        return Problem::new(Code::BadRequest, format!("ask for one of the subprotocols {names}"))
            .into_response();
    };
    let Some(slot) = edge.take_slot(peer.ip()) else {
        let problem = Problem::new(
            Code::RateLimited,
            "too many connections from this address: close some, or ask the operator to raise the limit",
        );
        return problem.into_response();
    };
    upgrade.on_upgrade(move |web_socket| async move {
        talk::hold(edge, Wire::new(web_socket, encoding)).await;
        drop(slot);
    })
}

/// A WebSocket as nodes have it, for messages of up to so many bytes.
fn tuned(upgrade: WebSocketUpgrade, bytes_max: usize) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max)
}

/// For suites that test WebSockets themselves (RFC 6455): a node's WebSocket that sends back what it gets, at `/`, with room for messages
/// of up to `bytes_max`.
pub fn echo(bytes_max: usize) -> Router {
    let echo = |mut web_socket: WebSocket| async move {
        while let Some(Ok(message)) = web_socket.recv().await {
            let sent = match message {
                Message::Text(_) | Message::Binary(_) => web_socket.send(message).await,
                // The library answers these.
                Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(()),
            };
            if sent.is_err() {
                return;
            }
        }
    };
    let upgrade = move |upgrade: WebSocketUpgrade| async move {
        tuned(upgrade, bytes_max).max_write_buffer_size(2 * bytes_max).on_upgrade(echo)
    };
    Router::new().route("/", get(upgrade))
}

/// A WebSocket that carries frames of one encoding.
struct Wire {
    web_socket: WebSocket,
    encoding: Encoding,
    line: Arc<Line>,
    /// That of `line`, for who reads it.
    waker: Waker,
}

/// Whether something may have come on a line. The task of a socket is woken for many things, three times per message, and to look
/// for a frame goes through six libraries: so it looks only when the line itself has woken it.
struct Line {
    rung: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Line {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl Wire {
    fn new(web_socket: WebSocket, encoding: Encoding) -> Self {
        let line = Arc::new(Line { rung: AtomicBool::new(true), task: AtomicWaker::new() });
        Self { web_socket, encoding, waker: Arc::clone(&line).into(), line }
    }

    fn poll_next(&mut self, context: &Context<'_>) -> Poll<Option<Result<Message, axum::Error>>> {
        // In this order: what rings in between wakes the task.
        self.line.task.register(context.waker());
        if !self.line.rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let next = self.web_socket.poll_next_unpin(&mut Context::from_waker(&self.waker));
        if next.is_ready() {
            // More may have come with it.
            self.line.rung.store(true, Ordering::Release);
        }
        next
    }
}

impl Transport for Wire {
    fn encoding(&self) -> Encoding {
        self.encoding
    }

    async fn receive(&mut self) -> Result<Bytes, Ended> {
        loop {
            let next = poll_fn(|context| self.poll_next(context)).await;
            let Some(received) = next else { return Err((Bye::Broken, GONE)) };
            return match (received, self.encoding) {
                (Ok(Message::Text(text)), Encoding::Json) => Ok(text.into()),
                (Ok(Message::Binary(bytes)), Encoding::MessagePack) => Ok(bytes),
                (Ok(Message::Text(_)), Encoding::MessagePack) => {
                    Err((Bye::BadFrame, "conversa.v1.msgpack takes binary frames"))
                }
                (Ok(Message::Binary(_)), Encoding::Json) => {
                    Err((Bye::BadFrame, "conversa.v1.json takes text frames"))
                }
                (Ok(Message::Ping(_) | Message::Pong(_)), _) => continue,
                // 1000 is a goodbye; a page that was left says 1001, and may be opened again.
                (Ok(Message::Close(Some(frame))), _) if frame.code == 1000 => Err((Bye::Normal, GONE)),
                (Ok(Message::Close(_)), _) => Err((Bye::Broken, GONE)),
                (Err(error), _) if error.to_string().contains("too long") => {
                    Err((Bye::FrameTooLarge, "the frame is larger than 256 KiB"))
                }
                (Err(_), _) => Err((Bye::Broken, GONE)),
            };
        }
    }

    async fn send(&mut self, frames: &mut Vec<Bytes>) -> Result<(), Bye> {
        let sending = async {
            for frame in frames.drain(..) {
                self.web_socket.feed(message(self.encoding, frame)).await?;
            }
            self.web_socket.flush().await
        };
        let mut sending = pin!(sending);
        // Nearly every line takes it at once, and needs no clock.
        let first = poll_fn(|context| Poll::Ready(sending.as_mut().poll(context))).await;
        let sent = match first {
            Poll::Ready(sent) => Ok(sent),
            Poll::Pending => timeout(WRITE, sending).await,
        };
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Bye::Broken),
            Err(_) => Err(Bye::SlowConsumer),
        }
    }

    async fn close(mut self, bye: Bye, reason: &str) {
        let closing = async {
            if !matches!(bye, Bye::Normal | Bye::Broken) {
                let frame =
                    encode(self.encoding, &json!({ "t": "bye", "code": bye.code(), "reason": reason }));
                self.web_socket.send(message(self.encoding, frame.into())).await?;
            }
            let code = if bye == Bye::Broken { Bye::Normal.code() } else { bye.code() };
            let frame = CloseFrame { code, reason: reason.into() };
            self.web_socket.send(Message::Close(Some(frame))).await?;
            // The client answers with its own close frame.
            while let Some(Ok(_)) = self.web_socket.recv().await {}
            Ok::<_, axum::Error>(())
        };
        // A client that is gone needs no goodbye.
        let _ = timeout(CLOSE, closing).await;
    }
}

fn message(encoding: Encoding, frame: Bytes) -> Message {
    match encoding {
        Encoding::Json => Message::Text(Utf8Bytes::try_from(frame).expect("JSON is UTF-8")),
        Encoding::MessagePack => Message::Binary(frame),
    }
}
