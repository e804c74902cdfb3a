//! Refusals over HTTP: problem details of RFC 9457 with the same stable codes as on the socket.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use conversa_engine::refusal::{Code, Refusal};
use serde_json::json;

/// A refusal as an HTTP response.
#[derive(Debug)]
pub(crate) struct Problem(pub(crate) Refusal);

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self(Refusal::new(code, detail))
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

pub(crate) fn status(code: Code) -> StatusCode {
    match code {
        Code::BadRequest | Code::UnsupportedContent => StatusCode::BAD_REQUEST,
        Code::Unauthorized | Code::TokenExpired => StatusCode::UNAUTHORIZED,
        Code::Forbidden | Code::QuotaExceeded => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::Conflict | Code::AlreadyTaken | Code::NotAssigned | Code::ConversationClosed => {
            StatusCode::CONFLICT
        }
        Code::Gone => StatusCode::GONE,
        Code::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::QueueFull | Code::Overloaded | Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Deadline => StatusCode::GATEWAY_TIMEOUT,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Code::Duplicate => StatusCode::OK,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = status(self.0.code);
        self.with_status(status)
    }
}

impl Problem {
    /// The response, where HTTP has a status of its own for what happened.
    pub(crate) fn with_status(self, status: StatusCode) -> Response {
        let Self(refusal) = self;
        let mut body = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "code": refusal.code.as_str(),
            "detail": refusal.detail,
            "retry": refusal.code.retry(),
            "retry_after_ms": refusal.retry_after_ms,
        });
        if let (Some(field), Some(map)) = (refusal.field, body.as_object_mut()) {
            map.insert("field".into(), String::from(field).into());
        }
        let mut response = (status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(ms) = refusal.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
        }
        response
    }
}
