//! Who waits for an answer on another node.

use std::sync::Arc;

use super::Far;
use super::frame::Frame;
use crate::cell::machine::{Answer, unknown_outcome};

/// A request that came from another node. Dropped unanswered (its cell died) it answers by itself that the outcome is unknown.
#[derive(Debug)]
pub struct FarAsker {
    far: Arc<Far>,
    node: Arc<str>,
    n: u64,
    origin: Option<u64>,
    request: Option<u64>,
    answered: bool,
}

impl FarAsker {
    pub(super) fn new(
        far: &Arc<Far>,
        node: &Arc<str>,
        n: u64,
        origin: Option<u64>,
        request: Option<u64>,
    ) -> Self {
        Self { far: Arc::clone(far), node: Arc::clone(node), n, origin, request, answered: false }
    }

    /// Gives the answer.
    pub(crate) fn answer(mut self, answer: Answer) {
        self.send(answer);
    }

    /// The socket that asks, if it is one.
    pub(crate) fn socket(&self) -> Option<u64> {
        self.origin
    }

    /// The number that the socket gave its request.
    pub(crate) fn request(&self) -> Option<u64> {
        self.request
    }

    fn send(&mut self, answer: Answer) {
        self.answered = true;
        // Lost with the link: whoever asked is told that the outcome is unknown.
        let _ = self.far.send(&self.node, &Frame::Answer { n: self.n, answer });
    }
}

impl Drop for FarAsker {
    fn drop(&mut self) {
        if !self.answered {
            self.send(Err(unknown_outcome()));
        }
    }
}
