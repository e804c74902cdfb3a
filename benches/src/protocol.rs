//! What a client speaks. To measure another server: implement [`Protocol`], and hand it out in `door.rs`.

pub mod conversa;
mod frame;
pub mod relay;

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::LocalBoxFuture;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// A client's socket.
pub type Ws = WebSocketStream<TcpStream>;

/// tungstenite's default of 128 KiB per connection would make the load generator's memory the limit.
const READ_BUFFER_BYTES: usize = 4_096;
/// Patience with a whole login, a visitor's wait for an agent included.
const LOGIN: Duration = Duration::from_secs(30);

/// Which end of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Begins.
    Visitor,
    /// Answers.
    Agent,
}

/// What an incoming frame meant. A leg is one conversation of a connection: visitors have one, agents one or more.
#[derive(Debug)]
pub enum Event {
    /// A message of the other side.
    Message {
        /// Where.
        leg: usize,
        /// Its number in its direction, from 0, when the protocol carries one.
        n: Option<u64>,
        /// What it says.
        text: String,
    },
    /// The server has accepted the message that was given to [`Protocol::say`] as `n`.
    Accepted {
        /// Where.
        leg: usize,
        /// Which.
        n: u64,
    },
    /// The server has not taken message `n`, and says when it may be sent again.
    PutOff {
        /// Where.
        leg: usize,
        /// Which.
        n: u64,
        /// When, milliseconds from now.
        after_ms: u64,
    },
    /// There is a new leg, the next in number.
    Joined {
        /// Which pair of the crowd it belongs to.
        pair: usize,
    },
    /// The protocol wants this sent back.
    Reply(Message),
}

/// How to ask for the upgrade.
#[derive(Debug)]
pub struct Upgrade {
    /// The path and query.
    pub path: String,
    /// The subprotocol, where the server wants one.
    pub subprotocol: Option<&'static str>,
}

/// One connection's protocol.
pub trait Protocol {
    /// How to ask for the upgrade.
    fn upgrade(&self) -> Upgrade;

    /// Logs in; a visitor that wants to talk returns when somebody listens. Returns the pairs of the legs that are there.
    fn login<'a>(&'a mut self, ws: &'a mut Ws) -> LocalBoxFuture<'a, Result<Vec<usize>>>;

    /// The frame of message `n` (from 0, dense per leg).
    fn say(&mut self, leg: usize, n: u64, text: &str) -> Message;

    /// The frame that ends a conversation, where the protocol has one.
    fn close(&mut self, leg: usize) -> Option<Message>;

    /// What a frame means.
    ///
    /// # Errors
    /// When the server refuses something or breaks the protocol; the error shows the frame.
    fn decode(&mut self, frame: Message, now_ns: u64, out: &mut Vec<Event>) -> Result<()>;
}

/// Connects, upgrades and logs in; returns the pairs of the legs that are there.
///
/// # Errors
/// Whatever keeps it from being ready to talk.
pub async fn open(port: u16, mut protocol: Box<dyn Protocol>) -> Result<(Ws, Box<dyn Protocol>, Vec<usize>)> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.context("cannot connect")?;
    enter(port, tcp, &mut *protocol).await.map(|(ws, legs)| (ws, protocol, legs))
}

/// Upgrades a connection and logs in; returns the pairs of the legs that are there.
///
/// # Errors
/// Whatever keeps it from being ready to talk.
pub async fn enter(port: u16, tcp: TcpStream, protocol: &mut dyn Protocol) -> Result<(Ws, Vec<usize>)> {
    tcp.set_nodelay(true)?;
    let upgrade = protocol.upgrade();
    let mut request = format!("ws://127.0.0.1:{port}{}", upgrade.path).into_client_request()?;
    if let Some(name) = upgrade.subprotocol {
        request.headers_mut().insert("Sec-WebSocket-Protocol", name.parse()?);
    }
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
    let (mut ws, _) =
        client_async_with_config(request, tcp, Some(config)).await.context("the upgrade was refused")?;
    let login = tokio::time::timeout(LOGIN, protocol.login(&mut ws)).await;
    let legs = login
        .with_context(|| format!("not ready to talk after {LOGIN:?}: is there an agent with a place?"))?;
    let legs = legs.context("cannot log in")?;
    Ok((ws, legs))
}
