//! What other nodes were asked and have not answered.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use parking_lot::Mutex;

use crate::address::Address;
use crate::cell::machine::{Asker, Reply, View, unknown_outcome};
use crate::host::far::frame::Page;
use crate::port::StoreError;

/// Questions without an answer; beyond it requests are refused.
const PENDING_MAX: usize = 65_536;

/// Who waits for what.
#[derive(Debug)]
pub(super) enum Waits {
    /// A request's asker.
    Answer(Asker),
    /// Somebody who looks at an actor.
    View(Address, Reply<Result<View, Refusal>>),
    /// A reader of a log.
    Entries(Reply<Result<Page, StoreError>>),
    /// Somebody who wants to know whether an event was acknowledged.
    Told(Reply<bool>),
}

#[derive(Debug)]
struct Question {
    node: Arc<str>,
    since: Time,
    waits: Waits,
}

/// Numbers of one life: an answer to a question of an earlier life of this node must find no question.
const LIFE: u64 = 1 << 40;

/// All questions.
#[derive(Debug)]
pub(super) struct Pending {
    next: AtomicU64,
    questions: Mutex<HashMap<u64, Question>>,
}

impl Pending {
    /// None, of the life `life` of this node.
    pub(super) fn of(life: u64) -> Self {
        Self { next: AtomicU64::new(life.wrapping_mul(LIFE)), questions: Mutex::default() }
    }

    /// Enters a question to `node`: its number, or whoever waits when there are too many.
    pub(super) fn enter(&self, node: &Arc<str>, now: Time, waits: Waits) -> Result<u64, Waits> {
        let mut questions = self.questions.lock();
        if questions.len() >= PENDING_MAX {
            return Err(waits);
        }
        let n = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        questions.insert(n, Question { node: Arc::clone(node), since: now, waits });
        Ok(n)
    }

    /// The question `n` is answered, or was not asked after all.
    pub(super) fn take(&self, n: u64) -> Option<Waits> {
        self.questions.lock().remove(&n).map(|question| question.waits)
    }

    /// Nothing that this node was asked will be answered.
    pub(super) fn down(&self, node: &str) {
        self.end(|question| *question.node == *node);
    }

    /// Nor what was asked before `then`.
    pub(super) fn expire(&self, then: Time) {
        self.end(|question| question.since < then);
    }

    /// In the order in which they were asked: so are they heard of.
    fn end(&self, over: impl Fn(&Question) -> bool) {
        let mut gone: Vec<_> = self.questions.lock().extract_if(|_, question| over(question)).collect();
        gone.sort_unstable_by_key(|(n, _)| *n);
        gone.into_iter().for_each(|(_, question)| question.waits.unanswered());
    }

    /// Questions without an answer.
    pub(super) fn len(&self) -> usize {
        self.questions.lock().len()
    }
}

impl Waits {
    /// There will be no answer.
    pub(super) fn unanswered(self) {
        match self {
            Self::Answer(asker) => asker.answer(Err(unknown_outcome())),
            // Whoever waited may have gone.
            Self::View(_, reply) => drop(reply.send(Err(unreachable_owner()))),
            Self::Entries(reply) => drop(reply.send(Err(StoreError("its owner does not answer".into())))),
            Self::Told(reply) => drop(reply.send(false)),
        }
    }
}

/// Nothing happened: whoever serves the actor cannot be asked now.
pub(super) fn unreachable_owner() -> Refusal {
    Refusal::new(Code::Unavailable, "the node that serves this cannot be reached now: try again")
        .retry_after_ms(250)
}
