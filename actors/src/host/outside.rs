//! Calls to the outside: a bounded number at once, each bounded in time; the outcome goes back to the actor that made it.

use std::sync::Arc;
use std::time::Duration;

use super::Host;
use crate::address::Address;
use crate::behaviour::Calling;
use crate::port::outside::{Call, CallError, Outcome, Taken};

/// Attempts at once; more wait for their turn.
pub(super) const CALLS_MAX: usize = 256;
/// The longest wait for a turn. With [`CALL`] it ends before the lease of an attempt does.
const TURN: Duration = Duration::from_secs(8);
/// The longest attempt.
const CALL: Duration = Duration::from_secs(15);
/// Pauses between tries to tell the actor; after the last its lease ends and it makes the call again.
const PAUSES_MS: [u64; 3] = [100, 1_000, 3_000];

impl Host {
    /// Makes one attempt and tells the actor what came of it.
    pub(super) fn call(self: &Arc<Self>, from: &Address, calling: Calling) {
        let (host, from) = (Arc::clone(self), from.clone());
        tokio::spawn(async move {
            let Calling { call, answer } = calling;
            let outcome = host.attempt(&from, &call).await;
            for pause in PAUSES_MS {
                let told = host.ask(&from, answer(&call, outcome.clone())).await;
                if !told.is_err_and(|refusal| refusal.code.retry()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
        });
    }

    async fn attempt(&self, from: &Address, call: &Call) -> Outcome {
        let later = |why: &str| Err(CallError::Retry { why: why.to_owned(), after_ms: None });
        let Ok(Ok(_turn)) = tokio::time::timeout(TURN, Arc::clone(&self.calls).acquire_owned()).await else {
            return later("this node makes too many calls at once");
        };
        if let Some(seen) = &call.unless {
            let key = seen.conversation.to_string();
            if self.acknowledged(&from.tenant, &seen.person, &key, seen.o).await {
                return Ok(Taken::Needless);
            }
        }
        match tokio::time::timeout(CALL, self.ports.outside.call(&from.tenant, call)).await {
            Ok(outcome) => outcome,
            Err(_) => later("no answer within 15 s"),
        }
    }
}
