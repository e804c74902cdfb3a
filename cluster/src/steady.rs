//! A journal whose outcomes are always definite: an append of unknown outcome is repeated unchanged until it is not.

use std::sync::Arc;
use std::time::Duration;

use conversa_actors::address::Address;
use conversa_actors::port::{Append, AppendError, Done, Entry, Journal, StoreError};
use futures_util::future::BoxFuture;

const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Repeats what has no known outcome. The cell that waits for it judges on but tells nobody.
#[derive(Debug)]
pub struct Steady<J> {
    journal: Arc<J>,
}

impl<J: Journal + 'static> Steady<J> {
    /// Wraps a journal.
    #[must_use]
    pub fn new(journal: Arc<J>) -> Self {
        Self { journal }
    }
}

/// True for an outcome that says what became of an append. `doubt`: an attempt before may have been written, so that a store which cannot
/// write now says nothing about it.
#[must_use]
pub fn is_definite(outcome: &Result<(), AppendError>, doubt: bool) -> bool {
    match outcome {
        Err(AppendError::Unknown(_)) => false,
        Err(AppendError::Unavailable(_)) => !doubt,
        _ => true,
    }
}

fn attempt<J: Journal + 'static>(
    journal: Arc<J>,
    append: Append,
    pause: Duration,
    doubt: bool,
    done: Done<Result<(), AppendError>>,
) {
    let (again, runtime) = ((Arc::clone(&journal), append.clone()), tokio::runtime::Handle::current());
    journal.append(
        append,
        Box::new(move |outcome| {
            if is_definite(&outcome, doubt) {
                return done(outcome);
            }
            let (journal, append) = again;
            tracing::warn!(address = %append.address, first = append.first, ?outcome, "the outcome of an append is unknown: repeating it");
            runtime.spawn(async move {
                tokio::time::sleep(pause).await;
                attempt(journal, append, (pause * 2).min(PAUSE_MAX), true, done);
            });
        }),
    );
}

impl<J: Journal + 'static> Journal for Steady<J> {
    fn append(&self, append: Append, done: Done<Result<(), AppendError>>) {
        attempt(Arc::clone(&self.journal), append, PAUSE_MIN, false, done);
    }

    fn read(
        &self,
        address: &Address,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Entry>, StoreError>> {
        self.journal.read(address, after, limit)
    }

    fn keys(&self, of: &Address, limit: usize) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        self.journal.keys(of, limit)
    }
}
