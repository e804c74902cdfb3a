//! The register by light-weight transactions, in a keyspace of its own.
//!
//! Reads are quorum reads: every acknowledged change is committed at a quorum, and what one reader has seen later ones see too (read repair
//! comes before the answer). A change of unknown outcome may take effect after a read that did not show it, as the port allows. Serial reads
//! would rule that out, but each is a proposal that contends with the changes; and with a replica that is dead and not yet known to be, a
//! proposal that one of the other two turns down waits for the dead one, for the whole write time-out of the server.

use std::time::Duration;

use bytes::Bytes;
use conversa_actors::port::StoreError;
use scylla::client::session::Session;
use scylla::errors::ExecutionError;
use scylla::response::query_result::QueryResult;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::{CqlValue, Row};

use super::again::again;
use super::error::never_written;
use super::statements::RegisterStatements;
use super::{REQUEST, signed};
use crate::register::{ChangeError, Held, VALUE_BYTES_MAX};

/// A change of unknown outcome is tried so often before the caller hears that it is unknown.
const ATTEMPTS: u32 = 5;
/// The first attempt waits so long for its answer, each later one twice as long: a lease has no time to wait for a coordinator that does not
/// know yet that a replica is dead, and another one may know it.
const FIRST_ATTEMPT: Duration = Duration::from_secs(1);

/// The statement, for the attempt of this number from 0.
fn patient(statement: &PreparedStatement, attempt: u32) -> PreparedStatement {
    let mut statement = statement.clone();
    statement.set_request_timeout(Some(REQUEST.min(FIRST_ATTEMPT * 2_u32.saturating_pow(attempt))));
    statement
}

pub(super) async fn read(
    session: &Session,
    statements: &RegisterStatements,
    key: &str,
) -> Result<Option<Held>, StoreError> {
    held(session, &statements.read, key).await
}

/// What stands, by either read.
async fn held(
    session: &Session,
    statement: &PreparedStatement,
    key: &str,
) -> Result<Option<Held>, StoreError> {
    let mut attempt = 0;
    let ask = || {
        let statement = patient(statement, attempt);
        attempt += 1;
        async move { session.execute_unpaged(&statement, (key,)).await }
    };
    let result = again("register", ask).await.map_err(|error| StoreError(error.to_string()))?;
    let broken = |error: &dyn std::fmt::Display| StoreError(format!("the register cannot be read: {error}"));
    let rows = result.into_rows_result().map_err(|error| broken(&error))?;
    let row = rows.maybe_first_row::<(i64, Option<Vec<u8>>)>().map_err(|error| broken(&error))?;
    Ok(row.map(|(version, value)| Held {
        version: version.unsigned_abs(),
        value: value.unwrap_or_default().into(),
    }))
}

/// Repeating the same change is safe: it is conditional on the version before it.
pub(super) async fn change(
    session: &Session,
    statements: &RegisterStatements,
    key: &str,
    expected: u64,
    value: &Bytes,
) -> Result<u64, ChangeError> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(ChangeError::TooLarge);
    }
    let mut doubt: Option<String> = None;
    for number in 0..ATTEMPTS {
        match attempt(session, statements, number, key, expected, value).await {
            Ok(true) => return Ok(expected + 1),
            Ok(false) => return stands(session, statements, key, expected, value, doubt).await,
            Err(error) if never_written(&error) && doubt.is_none() => {
                return Err(ChangeError::Unavailable(error.to_string()));
            }
            Err(error) => doubt = Some(error.to_string()),
        }
    }
    Err(ChangeError::Unknown(doubt.unwrap_or_default()))
}

async fn attempt(
    session: &Session,
    statements: &RegisterStatements,
    number: u32,
    key: &str,
    expected: u64,
    value: &Bytes,
) -> Result<bool, ExecutionError> {
    let result = if expected == 0 {
        session.execute_unpaged(&patient(&statements.create, number), (key, &**value)).await?
    } else {
        let values = (signed(expected + 1), &**value, key, signed(expected));
        session.execute_unpaged(&patient(&statements.change, number), values).await?
    };
    Ok(applied(result))
}

/// What comes beside `[applied]` differs between servers; only this column counts.
fn applied(result: QueryResult) -> bool {
    let Ok(rows) = result.into_rows_result() else { return false };
    let Some((place, _)) = rows.column_specs().get_by_name("[applied]") else { return false };
    let row = rows.first_row::<Row>().ok();
    row.and_then(|row| row.columns.into_iter().nth(place).flatten()) == Some(CqlValue::Boolean(true))
}

/// It was not applied: because somebody else was first, or because an earlier attempt was.
async fn stands(
    session: &Session,
    statements: &RegisterStatements,
    key: &str,
    expected: u64,
    value: &Bytes,
    doubt: Option<String>,
) -> Result<u64, ChangeError> {
    // This one finishes what was left half done.
    let held = match held(session, &statements.settle, key).await {
        Ok(held) => held,
        Err(StoreError(why)) => return Err(ChangeError::Unknown(why)),
    };
    let found = held.as_ref().map_or(0, |held| held.version);
    if found == expected + 1 && held.is_some_and(|held| held.value == *value) {
        return Ok(found);
    }
    // An earlier attempt may have been applied, and changed again by somebody else.
    match doubt {
        Some(why) if found > expected + 1 => Err(ChangeError::Unknown(why)),
        Some(_) | None => Err(ChangeError::Lost { found }),
    }
}
