//! What can go wrong for a client: a refusal of the server, or a connection that ends. Each says whether coming back helps.

use serde::Deserialize;

/// The first close code that means "do not come back".
const TERMINAL: u16 = 4_500;

/// The server's error object.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{code}: {msg}")]
pub struct Refused {
    /// The stable word, for instance `rate_limited`.
    pub code: String,
    /// One sentence for people.
    #[serde(default)]
    pub msg: String,
    /// True when the same request may succeed later.
    #[serde(default)]
    pub retry: bool,
    /// When to repeat it, milliseconds from now.
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
    /// The field that is wrong.
    #[serde(default)]
    pub field: Option<String>,
}

/// Why a request, or a connection, failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The server understood and said no.
    #[error("the server refused: {0}")]
    Refused(Box<Refused>),
    /// Nobody listens there, or the line broke while connecting.
    #[error("cannot reach {url}: {why}")]
    Unreachable {
        /// Where.
        url: String,
        /// What the system said.
        why: String,
    },
    /// The server answered, but not with a WebSocket.
    #[error("{url} does not take the WebSocket: HTTP {status} {body}")]
    NotTaken {
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of the answer.
        body: String,
    },
    /// The server ended the connection with a reason.
    #[error("the server closed the connection: {code} {reason}")]
    Closed {
        /// The close code of the protocol.
        code: u16,
        /// Its words.
        reason: String,
    },
    /// The line broke, or a request's answer was lost with it: its outcome is unknown.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// The server broke the protocol: an unreadable frame or a gap in `s`.
    #[error("the server broke the protocol: {0}")]
    Protocol(String),
    /// No token could be had.
    #[error("no token: {0}")]
    Token(String),
    /// Nobody takes the client's events.
    #[error("{0} events wait and nobody takes them: read them or drop the receiver")]
    Overrun(usize),
    /// The client was closed by its owner.
    #[error("the client is closed")]
    Stopped,
}

impl ClientError {
    /// True when connecting again may help.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Lost(_) | Self::Protocol(_) | Self::Token(_) => true,
            Self::NotTaken { status, .. } => *status == 429 || *status >= 500,
            Self::Closed { code, .. } => *code < TERMINAL,
            Self::Refused(_) | Self::Overrun(_) | Self::Stopped => false,
        }
    }

    /// The stable word of a refusal; `None` for everything else.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(refused) => Some(&refused.code),
            Self::Unreachable { .. }
            | Self::NotTaken { .. }
            | Self::Closed { .. }
            | Self::Lost(_)
            | Self::Protocol(_)
            | Self::Token(_)
            | Self::Overrun(_)
            | Self::Stopped => None,
        }
    }
}
