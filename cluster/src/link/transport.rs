//! The streams of a link over tonic: HTTP/2 with flow control for each stream and a keep-alive. It decides nothing, and alone names
//! tonic.

use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::future::BoxFuture;
use futures_util::stream::poll_fn;
use futures_util::{FutureExt, Stream, StreamExt};
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::body::Body;
use tonic::client::Grpc as Asking;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder, Streaming};
use tonic::server::Grpc as Answering;
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};
use tower_service::Service;

use super::Shared;
use super::message::{MESSAGE_MAX, Message};
use super::peer::Outbound;
use super::session::{ATTEMPT, Broken, Inbound, greet};
use super::tls::{Proof, Wire, welcome};

/// What a receiver has not taken of one stream, bytes; its sender waits.
const STREAM_WINDOW: u32 = 1024 * 1024;
/// Room for both streams: a full one does not stop the other.
const CONNECTION_WINDOW: u32 = 2 * STREAM_WINDOW + 64 * 1024;
/// A connection that is silent for so long is asked for a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// It is broken when none comes within this time.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Streams that a peer may have on one connection: two, and two that are just ending.
const STREAMS_MAX: u32 = 4;
/// Connections whose ends do not yet know each other. Who comes beyond it is dropped and comes again.
const HANDSHAKES_MAX: usize = 64;
const PATH: &str = "/conversa.Link/Stream";

/// Messages as they are, without a schema language.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Message;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Message;
    type Error = Status;

    fn encode(&mut self, message: Message, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.reserve(message.len());
        message.encode(to);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

fn inbound(streaming: Streaming<Bytes>) -> Inbound {
    let read = |message: Result<Bytes, Status>| match message {
        Ok(bytes) => Message::decode(bytes).map_err(Broken::from),
        Err(status) => Err(broken(&status)),
    };
    Box::pin(streaming.map(read))
}

/// With what lies beneath: a status alone says only that something failed.
fn broken(status: &Status) -> Broken {
    let mut words = status.message().to_owned();
    let mut beneath = std::error::Error::source(status);
    while let Some(error) = beneath {
        words = format!("{words}: {error}");
        beneath = error.source();
    }
    Broken::Stream(words)
}

/// The dialling end of a connection. It ends when it is dropped and its streams have ended.
pub(super) struct Connection(Asking<Channel>);

impl Connection {
    pub(super) async fn over(wire: Wire) -> Result<Self, Broken> {
        // Given once: tonic would connect again by itself, and nobody would know that frames were lost.
        let wire = Arc::new(Mutex::new(Some(wire)));
        let given = tower::service_fn(move |_| {
            let given = wire.lock().take().map(TokioIo::new);
            ready(given.ok_or_else(|| std::io::Error::other("the connection has ended")))
        });
        let channel = Endpoint::from_static("http://link")
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .connect_with_connector(given)
            .await;
        let channel = channel.map_err(|error| Broken::Stream(format!("{error:?}")))?;
        Ok(Self(Asking::new(channel).max_decoding_message_size(MESSAGE_MAX)))
    }

    /// Opens a stream. Its other end answers when it has read the hello.
    pub(super) async fn stream(&self, outbound: Outbound) -> Result<Inbound, Broken> {
        let mut asking = self.0.clone();
        asking.ready().await.map_err(|error| Broken::Stream(format!("{error:?}")))?;
        let answer = asking.streaming(Request::new(outbound), PathAndQuery::from_static(PATH), Raw).await;
        answer.map(|answer| inbound(answer.into_inner())).map_err(|status| broken(&status))
    }
}

/// Serves the streams that peers open, until `ended`, and until theirs have ended.
pub(super) async fn serve(shared: Arc<Shared>, listener: TcpListener, ended: impl Future<Output = ()>) {
    let (welcomed, mut wires) = mpsc::channel(1);
    let mut accepting = JoinSet::new();
    accepting.spawn(accept(Arc::clone(&shared), listener, welcomed));
    let wires = poll_fn(move |context| wires.poll_recv(context).map(|wire| wire.map(Ok::<_, Infallible>)));
    let ended = async move {
        ended.await;
        drop(accepting);
    };
    let served = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .max_concurrent_streams(STREAMS_MAX)
        .serve_with_incoming_shutdown(Door(shared), wires, ended)
        .await;
    if let Err(error) = served {
        tracing::error!(?error, "peers can no longer connect to this node");
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, welcomed: mpsc::Sender<Wire>) {
    let room = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    loop {
        let tcp = match listener.accept().await {
            Ok((tcp, _)) => tcp,
            Err(error) => {
                tracing::warn!(%error, "a connection was not taken");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
        let (shared, welcomed) = (Arc::clone(&shared), welcomed.clone());
        tokio::spawn(async move {
            match timeout(ATTEMPT, welcome(&shared.tls, tcp)).await {
                // It is not taken when the links stop: then it ends with them.
                Ok(Ok(wire)) => drop(welcomed.send(wire).await),
                Ok(Err(error)) => shared.not_welcome(&error.to_string()),
                Err(_) => shared.not_welcome("it was silent"),
            }
            drop(permit);
        });
    }
}

impl Connected for Wire {
    type ConnectInfo = Proof;

    fn connect_info(&self) -> Proof {
        self.proof()
    }
}

/// Where peers come in.
#[derive(Clone)]
struct Door(Arc<Shared>);

type Outgoing = Pin<Box<dyn Stream<Item = Result<Message, Status>> + Send>>;

impl Service<http::Request<Body>> for Door {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let door = self.clone();
        async move {
            if request.uri().path() != PATH {
                return Ok(Status::unimplemented("this is a link between nodes of Conversa").into_http());
            }
            let mut answering = Answering::new(Raw).max_decoding_message_size(MESSAGE_MAX);
            Ok(answering.streaming(door, request).await)
        }
        .boxed()
    }
}

impl Service<Request<Streaming<Bytes>>> for Door {
    type Response = Response<Outgoing>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        async move {
            let proof = request.extensions().get::<Proof>().cloned();
            let is_certified = |node: &str| proof.as_ref().is_some_and(|proof| proof.is_for(node));
            match greet(&shared, is_certified, inbound(request.into_inner())).await {
                Ok(outbound) => Ok(Response::new(Box::pin(outbound.map(Ok)) as Outgoing)),
                Err(refusal) => Err(Status::failed_precondition(refusal.to_string())),
            }
        }
        .boxed()
    }
}
