//! The way out: one attempt of one call to people who hold no socket. Whoever implements it makes the attempt and says what came of
//! it; when to try, how often and in which order is decided by the [`Courier`](crate::behaviours::Courier), which remembers.

use conversa_engine::ids::{ConversationId, PersonId, TenantId};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// Longest body of a call, bytes.
pub const CALL_BYTES_MAX: usize = 64 * 1024;

/// A call to the outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The same in every attempt: a receiver drops what it knows.
    pub id: String,
    /// To whom, and what.
    pub to: To,
    /// Which attempt this is, from 1; 0 before the first.
    #[serde(default)]
    pub attempt: u32,
    /// A later call of the same name replaces this one while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collapse: Option<String>,
    /// Not made when this has been seen meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless: Option<Seen>,
}

/// The receiver of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum To {
    /// The company's own adapter of a channel.
    Channel {
        /// Which channel.
        channel: String,
        /// JSON.
        body: String,
    },
    /// A person's device.
    Device {
        /// Whose.
        person: PersonId,
        /// Which.
        device: String,
        /// Through which service.
        platform: Platform,
        /// The service's name for it; for a webhook its URL.
        token: String,
        /// What it shows.
        notification: Notification,
    },
}

/// A push service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// Apple's.
    Apns,
    /// Google's Firebase Cloud Messaging.
    Fcm,
    /// A server of the company, called with a signature.
    Webhook,
}

/// What a device shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Who wrote.
    pub title: String,
    /// The words that stand for the last message, short.
    pub body: String,
    /// Where.
    pub conversation: ConversationId,
    /// Messages that the person has not seen, over all conversations.
    pub badge: u32,
}

/// A message on a person's sockets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Whose sockets.
    pub person: PersonId,
    /// Whose message.
    pub conversation: ConversationId,
    /// Its offset.
    pub o: u64,
}

/// How a call ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Taken {
    /// The receiver has it.
    Delivered,
    /// It was not needed any more.
    Needless,
}

/// How an attempt ended otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum CallError {
    /// It may succeed later: nobody answered, or the receiver has too much to do.
    #[error("{why}")]
    Retry {
        /// What happened.
        why: String,
        /// The receiver asks for this pause, milliseconds.
        after_ms: Option<i64>,
    },
    /// It will never succeed as it is.
    #[error("{why}")]
    Refused {
        /// What the receiver says.
        why: String,
    },
    /// The receiver is no more.
    #[error("{why}")]
    Gone {
        /// What the service says.
        why: String,
    },
}

/// What came of an attempt.
pub type Outcome = Result<Taken, CallError>;

/// Makes attempts. Bounded in time and size by the implementor; a call that comes again with the same id is the same call.
pub trait Outside: Send + Sync {
    /// Makes one attempt.
    fn call<'a>(&'a self, tenant: &'a TenantId, call: &'a Call) -> BoxFuture<'a, Outcome>;
}

/// An outside that is not configured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Outside for Nowhere {
    fn call<'a>(&'a self, _tenant: &'a TenantId, _call: &'a Call) -> BoxFuture<'a, Outcome> {
        let why = "this node reaches nobody outside".into();
        Box::pin(std::future::ready(Err(CallError::Refused { why })))
    }
}
