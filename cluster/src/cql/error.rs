//! Which errors of the driver are definite: the request cannot have been carried out, now or later.

use scylla::errors::{DbError, ExecutionError, RequestAttemptError};

/// True when nothing was written and nothing will be. What is not known to be definite is not.
pub(super) fn never_written(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::BadQuery(_)
        | ExecutionError::EmptyPlan
        | ExecutionError::PrepareError(_)
        | ExecutionError::ConnectionPoolError(_) => true,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, _)) => refused(error),
        ExecutionError::LastAttemptError(
            RequestAttemptError::SerializationError(_)
            | RequestAttemptError::CqlRequestSerialization(_)
            | RequestAttemptError::UnableToAllocStreamId,
        ) => true,
        // Broken connections, time-outs, answers that cannot be read, and errors of later versions of the driver.
        _ => false,
    }
}

/// The coordinator refused before it asked any replica. An overloaded one may have asked some.
fn refused(error: &DbError) -> bool {
    matches!(
        error,
        DbError::SyntaxError
            | DbError::Invalid
            | DbError::Unauthorized
            | DbError::ConfigError
            | DbError::AuthenticationError
            | DbError::Unavailable { .. }
            | DbError::IsBootstrapping
            | DbError::RateLimitReached { .. }
    )
}
