//! Puts the two streams of one attempt together, at the end that is dialled.

use super::Class;

#[derive(Debug)]
pub(super) struct Pairing<T> {
    attempt: u64,
    interactive: Option<T>,
    bulk: Option<T>,
}

/// Both streams of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pair<T> {
    pub(super) attempt: u64,
    pub(super) interactive: T,
    pub(super) bulk: T,
}

impl<T> Pairing<T> {
    pub(super) fn new() -> Self {
        Self { attempt: 0, interactive: None, bulk: None }
    }

    /// The attempt of which one stream has come and the other is awaited.
    pub(super) fn awaited(&self) -> Option<u64> {
        (self.interactive.is_some() || self.bulk.is_some()).then_some(self.attempt)
    }

    /// Takes a stream in; gives the pair that it completes. Streams of earlier attempts are dropped: whoever dialled has given them up.
    pub(super) fn offer(&mut self, attempt: u64, class: Class, stream: T) -> Option<Pair<T>> {
        if attempt < self.attempt {
            return None;
        }
        if attempt > self.attempt {
            *self = Self { attempt, interactive: None, bulk: None };
        }
        match class {
            Class::Interactive => self.interactive = Some(stream),
            Class::Bulk => self.bulk = Some(stream),
        }
        match (self.interactive.take(), self.bulk.take()) {
            (Some(interactive), Some(bulk)) => Some(Pair { attempt, interactive, bulk }),
            (interactive, bulk) => {
                (self.interactive, self.bulk) = (interactive, bulk);
                None
            }
        }
    }

    /// Forgets the stream that waits for its other.
    pub(super) fn give_up(&mut self) {
        (self.interactive, self.bulk) = (None, None);
    }
}
