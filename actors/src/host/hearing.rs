//! Feeding watchers: what conversations tell a slot is gathered, and handed over in one input.

use std::sync::Arc;

use super::{Bell, Host};
use crate::address::Address;
use crate::cell::machine::{Heard, Input};
use crate::watcher::{Added, GATHER_MS, Gathering};

impl Host {
    /// Gives events to a watcher, soon.
    pub(super) fn feed(self: &Arc<Self>, slot: &Address, heard: Heard) {
        let mut gathering = self.gathering.lock();
        match gathering.add(slot, heard) {
            Added::First => {
                drop(gathering);
                self.alarm.set(slot, Some(self.now().after_ms(GATHER_MS)), Bell::Heard);
            }
            Added::More => {}
            Added::Full => self.hand_over(&mut gathering, slot),
        }
    }

    /// Hands over what was gathered for a slot.
    pub(super) fn hear(self: &Arc<Self>, slot: &Address) {
        self.hand_over(&mut self.gathering.lock(), slot);
    }

    /// Under the lock, so that what one conversation tells comes in its order. A slot that cannot take it reads it from the journals:
    /// each conversation says where its log ends before it rests.
    fn hand_over(self: &Arc<Self>, gathering: &mut Gathering, slot: &Address) {
        let heard = gathering.take(slot);
        let count = heard.len() as u64;
        if count > 0 && self.deliver(slot, Input::Heard(heard)).is_err() {
            self.meters.unheard.add_many(count);
        }
    }
}
