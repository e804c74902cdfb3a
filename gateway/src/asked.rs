//! What a request carries: its path, its query, its body. What does not fit is refused as all else is, with problem details that say where.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use conversa_engine::refusal::Code;
use serde::Serialize;

use crate::problem::Problem;

/// A body of JSON, and an answer of it.
#[derive(Debug, FromRequest)]
#[from_request(via(axum::Json), rejection(Problem))]
pub(crate) struct Json<T>(pub(crate) T);

/// The query of the address.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(crate) struct Query<T>(pub(crate) T);

/// The names in the path.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(crate) struct Path<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl From<JsonRejection> for Problem {
    fn from(why: JsonRejection) -> Self {
        refused(why.status(), why.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(why: QueryRejection) -> Self {
        refused(why.status(), why.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(why: PathRejection) -> Self {
        refused(why.status(), why.body_text())
    }
}

fn refused(status: StatusCode, why: String) -> Problem {
    let code = match status {
        StatusCode::PAYLOAD_TOO_LARGE => Code::PayloadTooLarge,
        status if status.is_server_error() => Code::Internal,
        _ => Code::BadRequest,
    };
    Problem::new(code, why)
}

/// An address that exists, asked in another way.
pub(crate) async fn no_such_method() -> Response {
    Problem::new(Code::BadRequest, "this address is not asked in this way: see /v1/openapi.json")
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
}

/// An address below `/v1` that does not exist.
pub(crate) fn no_such_address() -> Response {
    Problem::new(Code::NotFound, "there is no such address: see /v1/openapi.json").into_response()
}
