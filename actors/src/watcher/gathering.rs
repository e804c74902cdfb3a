//! What conversations tell their watchers, gathered for a moment: a slot then reads many events in one go, with its dictionaries and
//! code in the processor's caches, and is woken once instead of with every message.

use std::collections::HashMap;
use std::mem::replace;

use foldhash::fast::FixedState;

use crate::address::Address;
use crate::cell::machine::Heard;

/// How long is gathered, milliseconds. Nobody waits for it: whoever looks at a slot has it hear first.
pub const GATHER_MS: i64 = 200;
/// What is handed over at once, whatever the time.
const GATHER_MAX: usize = 1_024;

/// What waits for each slot. It belongs to the slot's mailbox: what was fed to a slot that failed goes with it. Entries stay, empty:
/// there are few slots, and they hear again.
#[derive(Debug, Default)]
pub struct Gathering(HashMap<Address, Vec<Heard>, FixedState>);

/// What follows from adding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The first since the last hand-over: the next is in [`GATHER_MS`].
    First,
    /// There is a hand-over to come.
    More,
    /// It is time now.
    Full,
}

impl Gathering {
    /// Adds what a conversation tells `slot`.
    pub fn add(&mut self, slot: &Address, heard: Heard) -> Added {
        let Some(waiting) = self.0.get_mut(slot) else {
            self.0.insert(slot.clone(), vec![heard]);
            return Added::First;
        };
        waiting.push(heard);
        match waiting.len() {
            1 => Added::First,
            GATHER_MAX.. => Added::Full,
            _ => Added::More,
        }
    }

    /// Takes what waits for `slot`, in the order in which it was added.
    pub fn take(&mut self, slot: &Address) -> Vec<Heard> {
        let Some(waiting) = self.0.get_mut(slot) else { return Vec::new() };
        let as_many = Vec::with_capacity(waiting.len());
        replace(waiting, as_many)
    }
}

#[cfg(test)]
mod tests {
    use conversa_engine::ids::TenantId;

    use super::*;

    #[test]
    fn what_waits_is_bounded_and_taken_once_in_order() {
        let slot = Address::new(TenantId::new("acme"), "voice", "slot-0");
        let heard = |head| Heard {
            conversation: slot.beside("conversation", "cv"),
            after: head - 1,
            first: head,
            events: [].into(),
            head,
        };
        let mut gathering = Gathering::default();
        assert!(gathering.take(&slot).is_empty());
        for _ in 0..2 {
            let added: Vec<Added> = (1..=GATHER_MAX as u64).map(|n| gathering.add(&slot, heard(n))).collect();
            assert_eq!((added[0], added[1], added[GATHER_MAX - 1]), (Added::First, Added::More, Added::Full));
            assert!(gathering.take(&slot).iter().map(|heard| heard.head).eq(1..=GATHER_MAX as u64));
            assert!(gathering.take(&slot).is_empty());
        }
    }
}
