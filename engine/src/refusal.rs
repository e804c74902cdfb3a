//! Refusals: the asker wanted what cannot be. A refusal is an answer, not a fault.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Why something was refused: the same stable words on the socket and in REST.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request is malformed or breaks a limit of its fields.
    BadRequest,
    /// The content type, or a field of it, is not supported.
    UnsupportedContent,
    /// No valid token.
    Unauthorized,
    /// The token was valid once.
    TokenExpired,
    /// The asker may not do this.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// It contradicts what is already there, for instance the same key with another body.
    Conflict,
    /// Somebody else was first.
    AlreadyTaken,
    /// It was there and is no more, for instance an offer that ran out.
    Gone,
    /// More bytes than the limit.
    PayloadTooLarge,
    /// Too many in too short a time.
    RateLimited,
    /// The asker has used up a quota: less must be kept, or more granted.
    QuotaExceeded,
    /// The agent does not hold this conversation.
    NotAssigned,
    /// The conversation is closed.
    ConversationClosed,
    /// The queue is at its bound.
    QueueFull,
    /// No outcome in time: it may still have happened; ask again with the same key.
    Deadline,
    /// A bound of the node is reached; nothing was taken on.
    Overloaded,
    /// The store or the owner cannot be reached; nothing was taken on.
    Unavailable,
    /// A fault of ours.
    Internal,
    /// Not a failure: it had been done before, at the offset in [`Refusal::seq`].
    Duplicate,
}

impl Code {
    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::UnsupportedContent => "unsupported_content",
            Self::Unauthorized => "unauthorized",
            Self::TokenExpired => "token_expired",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::AlreadyTaken => "already_taken",
            Self::Gone => "gone",
            Self::PayloadTooLarge => "payload_too_large",
            Self::RateLimited => "rate_limited",
            Self::QuotaExceeded => "quota_exceeded",
            Self::NotAssigned => "not_assigned",
            Self::ConversationClosed => "conversation_closed",
            Self::QueueFull => "queue_full",
            Self::Deadline => "deadline",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
            Self::Duplicate => "duplicate",
        }
    }

    /// True when the same request may succeed later, unchanged.
    #[must_use]
    pub fn retry(self) -> bool {
        matches!(
            self,
            Self::RateLimited | Self::QueueFull | Self::Deadline | Self::Overloaded | Self::Unavailable
        )
    }
}

/// What was refused and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The stable word for programs.
    pub code: Code,
    /// One sentence for people: what is wrong and what to do.
    pub detail: Cow<'static, str>,
    /// When to try again, milliseconds from now.
    pub retry_after_ms: Option<u32>,
    /// For [`Code::Duplicate`]: the offset of the first one, when it is still remembered.
    pub seq: Option<u64>,
    /// The field that is wrong, as `content.actions[2].value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<Box<str>>,
}

impl Refusal {
    /// A refusal with its reason.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), retry_after_ms: None, seq: None, field: None }
    }

    /// "It was done before, at `seq`" (`None`: so long ago that the offset must be looked up).
    #[must_use]
    pub fn duplicate(seq: Option<u64>) -> Self {
        Self { seq, ..Self::new(Code::Duplicate, "it was done before") }
    }

    /// The same refusal with a time to wait.
    #[must_use]
    pub fn retry_after_ms(mut self, ms: u32) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// The same refusal with the field that is wrong.
    #[must_use]
    pub fn field(mut self, field: impl Into<Box<str>>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl std::error::Error for Refusal {}

/// What a decision gives: the events that happen, or why nothing does.
pub type Decision<Event> = Result<Vec<Event>, Refusal>;
