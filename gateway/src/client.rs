//! A client of protocol v1: for `conversa replay`, for tests, and as the example for authors of other clients. It reconnects and
//! resumes by itself, sends every message until it has a definite answer, and delivers each event once and in order. It keeps
//! nothing on disk.

mod chance;
mod driver;
mod error;
mod frame;
mod outbox;
mod positions;
mod socket;
mod stream;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use conversa_engine::content::Content;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

pub use crate::auth::Role;
pub use crate::wire::Encoding;
pub use chance::{Backoff, Chance};
pub use error::{ClientError, Refused};
pub use frame::{
    Author, ConversationView, Frame, Heartbeat, Limits, LogEvent, Message, OfferView, Page, Person, Presence,
    Rate, Sent, Snapshot, Welcome, Who, decode,
};
pub use socket::Socket;

use driver::{Command, Driver};
use outbox::{Ask, Asker, Key, Patience};

/// Events that may wait for the owner; more end the client with [`ClientError::Overrun`].
pub const EVENTS_MAX: usize = 16_384;
const COMMANDS_MAX: usize = 64;

/// Gives a token for each connection: tokens are short-lived, clients are not.
pub type TokenSource = Arc<dyn Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// How a client connects.
#[derive(Clone)]
pub struct Options {
    /// The node's base (`http://127.0.0.1:8080`) or a whole `ws://…/v1/ws`.
    pub url: String,
    /// Other nodes of the same cluster: tried in turn when one cannot be reached.
    pub others: Vec<String>,
    /// How frames are written.
    pub encoding: Encoding,
    /// In which part.
    pub role: Role,
    /// The stable name of this device, 1 to 48 of `A-Za-z0-9_-`. A second client with it replaces the first; one that starts anew
    /// in a conversation where its device has spoken before needs another device, because keys count from 1.
    pub device: String,
    /// Where tokens come from.
    pub token: TokenSource,
    /// Waits between attempts to come back.
    pub backoff: Backoff,
    /// How long [`Client::connect`] keeps trying to reach a node that cannot be reached; zero means one attempt.
    pub patience: Duration,
    /// Keep to the server's rate by oneself instead of being refused and told to wait.
    pub paced: bool,
    /// Seed of the jitter; also part of the keys of methods other than `message.send`.
    pub seed: u64,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("url", &self.url)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// Options with one fixed token, the protocol's back-off and no pacing.
    #[must_use]
    pub fn new(
        url: impl Into<String>,
        encoding: Encoding,
        role: Role,
        device: impl Into<String>,
        token: impl Into<String>,
    ) -> Self {
        let token = token.into();
        Self {
            url: url.into(),
            others: Vec::new(),
            encoding,
            role,
            device: device.into(),
            token: Arc::new(move || {
                let token = token.clone();
                Box::pin(async move { Ok(token) })
            }),
            backoff: Backoff::default(),
            patience: Duration::ZERO,
            paced: false,
            seed: u64::from_le_bytes(conversa_cluster::clock::random()),
        }
    }
}

/// What a client tells its owner, in order.
#[derive(Clone, Debug)]
pub enum Event {
    /// A connection begins, the first or a later one.
    Connected(Box<Welcome>),
    /// What is open, once per connection.
    Snapshot(Box<Snapshot>),
    /// An event of a conversation's log, once and in order of `o`.
    Log(LogEvent),
    /// Something that may get lost: `typing`, `queue.position`.
    Ephemeral {
        /// The kind.
        k: String,
        /// The conversation.
        cv: Option<String>,
        /// The payload.
        d: Value,
    },
    /// The connection was lost; the client is coming back.
    Disconnected(ClientError),
    /// The client has ended and is not coming back.
    Ended(ClientError),
}

/// Receives a client's events. Dropping it is fine: then nothing is kept.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event; `None` after [`Event::Ended`]. May be dropped while waiting: nothing is lost.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }

    /// The next event of a conversation's log, past everything else.
    pub async fn next_log(&mut self) -> Option<LogEvent> {
        loop {
            if let Event::Log(event) = self.next().await? {
                return Some(event);
            }
        }
    }
}

/// A connected client; clones share the connection. When the last one is dropped, the client acknowledges and closes.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    who: Arc<Who>,
    keys: Arc<Keys>,
}

/// Makes the keys of methods other than `message.send`.
#[derive(Debug)]
struct Keys {
    prefix: String,
    used: std::sync::atomic::AtomicU64,
}

impl Keys {
    fn next(&self) -> String {
        let n = self.used.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        format!("{}.{n}", self.prefix)
    }
}

impl Client {
    /// Connects; returns when the server has said welcome.
    ///
    /// # Errors
    /// Why it cannot be: at once when coming back is pointless, else when [`Options::patience`] is over.
    pub async fn connect(options: Options) -> Result<(Self, Events), ClientError> {
        let give_up = Instant::now() + options.patience;
        let mut chance = Chance::new(options.seed);
        let mut failures = 0;
        let (attempt, (socket, welcome)) = loop {
            let attempt = usize::try_from(failures).unwrap_or_default();
            match Box::pin(driver::establish(&options, attempt, None)).await {
                Ok(connection) => break (attempt, connection),
                Err(error) if !error.passes() || Instant::now() >= give_up => return Err(error),
                Err(_) => failures += 1,
            }
            tokio::time::sleep(options.backoff.wait(failures, &mut chance)).await;
        };
        let (commands, orders) = mpsc::channel(COMMANDS_MAX);
        let (told, events) = mpsc::channel(EVENTS_MAX);
        let keys =
            Keys { prefix: format!("r{:016x}", chance.bits()), used: std::sync::atomic::AtomicU64::new(0) };
        let client = Self { commands, who: Arc::new(welcome.principal.clone()), keys: Arc::new(keys) };
        tokio::spawn(Driver::new(options, attempt, orders, told).run(socket, welcome));
        Ok((client, Events(events)))
    }

    /// Whom the server takes this client for.
    #[must_use]
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// Says something, once: the message is sent under one key until there is a definite answer, over as many connections as it
    /// takes. Messages of one conversation go in the order of the calls.
    ///
    /// # Errors
    /// A refusal that repeating does not change, or the end of the client.
    pub async fn say(&self, cv: &str, content: &Content) -> Result<Sent, ClientError> {
        let d = json!({ "content": content });
        let (d, key) = self.ask("message.send", Some(cv), Key::Message, d, Patience::Endless).await?;
        let sent: Sent = frame::payload("message.send", d)?;
        Ok(Sent { key, ..sent })
    }

    /// Asks for anything else, until there is a definite answer; the same key in every repeat.
    ///
    /// # Errors
    /// As [`Client::say`].
    pub async fn request(
        &self,
        method: &'static str,
        cv: Option<&str>,
        d: Value,
    ) -> Result<Value, ClientError> {
        let key = Key::Given(self.keys.next());
        self.ask(method, cv, key, d, Patience::Endless).await.map(|(d, _)| d)
    }

    /// Asks once: every refusal, and a connection lost before the answer, is handed back. For tests and for what is not worth
    /// repeating.
    ///
    /// # Errors
    /// Any refusal, [`ClientError::Lost`] or the end of the client.
    pub async fn request_once(
        &self,
        method: &'static str,
        cv: Option<&str>,
        key: Option<&str>,
        d: Value,
    ) -> Result<Value, ClientError> {
        let key = key.map_or(Key::None, |key| Key::Given(key.to_owned()));
        self.ask(method, cv, key, d, Patience::None).await.map(|(d, _)| d)
    }

    /// Visitor: opens a conversation, or finds the live one; gives its id and view (`o`, `phase`).
    ///
    /// # Errors
    /// As [`Client::say`].
    pub async fn open(&self, channel: &str, lang: &str) -> Result<(String, Value), ClientError> {
        let d = self.request("conversation.open", None, json!({ "channel": channel, "lang": lang })).await?;
        let cv =
            d["cv"].as_str().ok_or_else(|| ClientError::Protocol("conversation.open gave no cv".into()))?;
        Ok((cv.to_owned(), d))
    }

    /// Visitor: asks for a human; gives the offset.
    ///
    /// # Errors
    /// As [`Client::say`].
    pub async fn ask_human(&self, cv: &str) -> Result<u64, ClientError> {
        let d = self.request("human.request", Some(cv), json!({})).await?;
        Ok(d["o"].as_u64().unwrap_or_default())
    }

    /// Agent: says whether conversations may be offered and how many at once.
    ///
    /// # Errors
    /// As [`Client::say`].
    pub async fn set_presence(&self, state: &str, capacity: Option<u16>) -> Result<Presence, ClientError> {
        let mut d = json!({ "state": state });
        if let Some(capacity) = capacity {
            d["capacity"] = json!(capacity);
        }
        frame::payload("presence.set", self.request("presence.set", None, d).await?)
    }

    /// Agent: takes an offered conversation.
    ///
    /// # Errors
    /// As [`Client::say`]; `gone` or `already_taken` when the offer stands no more.
    pub async fn accept(&self, cv: &str, offer: &str) -> Result<Value, ClientError> {
        self.request("offer.accept", Some(cv), json!({ "offer": offer })).await
    }

    /// Agent: lets an offer go to somebody else.
    ///
    /// # Errors
    /// As [`Client::accept`].
    pub async fn decline(&self, cv: &str, offer: &str) -> Result<Value, ClientError> {
        self.request("offer.decline", Some(cv), json!({ "offer": offer })).await
    }

    /// Closes a conversation.
    ///
    /// # Errors
    /// As [`Client::say`].
    pub async fn close_conversation(&self, cv: &str, reason: &str) -> Result<Value, ClientError> {
        self.request("conversation.close", Some(cv), json!({ "reason": reason })).await
    }

    /// One page of a conversation's history after offset `after`.
    ///
    /// # Errors
    /// As [`Client::say`].
    pub async fn history(&self, cv: &str, after: u64, limit: u64) -> Result<Page, ClientError> {
        let d = json!({ "after": after, "limit": limit });
        let (d, _) = self.ask("history.page", Some(cv), Key::None, d, Patience::Endless).await?;
        frame::payload("history.page", d)
    }

    /// Tells the others that somebody is typing; may get lost.
    pub async fn typing(&self, cv: &str) {
        // A client that has ended types no more.
        let _ = self.commands.send(Command::Ephemeral(json!({ "t": "eph", "k": "typing", "cv": cv }))).await;
    }

    /// Cuts the line without a word, as a tunnel does; the client comes back and resumes.
    pub async fn cut(&self) {
        let _ = self.commands.send(Command::Cut).await;
    }

    /// Acknowledges what has come, closes and ends; unanswered requests get [`ClientError::Stopped`].
    pub async fn close(&self) {
        let (stopped, end) = oneshot::channel();
        if self.commands.send(Command::Stop(stopped)).await.is_ok() {
            let _ = end.await;
        }
    }

    async fn ask(
        &self,
        method: &'static str,
        cv: Option<&str>,
        key: Key,
        d: Value,
        patience: Patience,
    ) -> Result<(Value, String), ClientError> {
        let (asker, answer) = oneshot::channel();
        let ask = Ask { method, cv: cv.map(str::to_owned), key, d, patience, asker: Asker::Owner(asker) };
        self.commands.send(Command::Ask(ask)).await.map_err(|_| ClientError::Stopped)?;
        answer.await.map_err(|_| ClientError::Stopped)?
    }
}

#[cfg(test)]
mod tests;
