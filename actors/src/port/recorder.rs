//! An outside in memory that notes what it is given and answers as told: for tests.

use std::collections::VecDeque;
use std::sync::Arc;

use conversa_engine::ids::TenantId;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::outside::{Call, CallError, Outcome, Outside, Taken};

/// What it was given, in order, and what it answers next; without an answer it takes the call.
#[derive(Debug, Default)]
pub struct Recorder {
    calls: Mutex<Vec<Call>>,
    answers: Mutex<VecDeque<Outcome>>,
    rung: Notify,
}

impl Recorder {
    /// One that answers as told, then takes everything.
    #[must_use]
    pub fn answering(answers: impl IntoIterator<Item = Outcome>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() })
    }

    /// What it answers next.
    pub fn answer(&self, error: CallError) {
        self.answers.lock().push_back(Err(error));
    }

    /// The calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().clone()
    }

    /// Waits until there were `count` calls.
    pub async fn have(&self, count: usize) -> Vec<Call> {
        loop {
            let rung = self.rung.notified();
            let calls = self.calls();
            if calls.len() >= count {
                return calls;
            }
            rung.await;
        }
    }
}

impl Outside for Recorder {
    fn call<'a>(&'a self, _tenant: &'a TenantId, call: &'a Call) -> BoxFuture<'a, Outcome> {
        self.calls.lock().push(call.clone());
        self.rung.notify_one();
        let answer = self.answers.lock().pop_front().unwrap_or(Ok(Taken::Delivered));
        Box::pin(std::future::ready(answer))
    }
}
