//! Inputs for actors that nobody serves just now: a shard is on its way from one node to another, or a link is being made. They wait in
//! order, for a short while.

use std::sync::Arc;

use conversa_engine::time::Time;

use super::{Far, Home, refuse};
use crate::address::Address;
use crate::cell::machine::Input;
use crate::host::far::pending::unreachable_owner;

/// Inputs that wait on one node.
const PARKED_MAX: usize = 4_096;
/// The longest wait, milliseconds.
const WAIT_MS: i64 = 5_000;

/// Inputs that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Parked {
    waiting: Vec<(Time, Address, Input)>,
}

impl Parked {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl Far {
    /// Keeps an input until somebody serves the actor.
    ///
    /// # Errors
    /// The input, when too many wait.
    pub(super) fn park(&self, since: Time, to: &Address, input: Input) -> Result<(), Box<Input>> {
        match input {
            // Of cells that have moved away: their next owner has looked through the wake rows.
            Input::Tick | Input::Woken => return Ok(()),
            Input::Letter(_) | Input::Request(_) => {}
            // Fleeting, or read from the journal.
            _ => return Err(Box::new(input)),
        }
        let mut parked = self.parked.lock();
        if parked.waiting.len() >= PARKED_MAX {
            return Err(Box::new(input));
        }
        parked.waiting.push((since, to.clone(), input));
        Ok(())
    }

    /// Tries all again that waits.
    pub(super) fn unpark(self: &Arc<Self>, home: &impl Home) {
        let waiting = std::mem::take(&mut self.parked.lock().waiting);
        let limit = home.now().after_ms(-WAIT_MS);
        for (since, to, input) in waiting {
            if since < limit {
                // A letter comes again.
                if let Input::Request(request) = input {
                    request.asker.answer(Err(unreachable_owner()));
                }
                continue;
            }
            if let Err(refused) = self.deliver(home, &to, input, since) {
                refuse(home, *refused);
            }
        }
    }
}
