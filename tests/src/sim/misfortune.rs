//! Misfortune: cells and the node crash, cells are sent to rest or held up, sockets are cut or take nothing for a while.

use conversa_actors::address::Address;
use conversa_actors::cell::machine::{Input, Retire};
use conversa_actors::registry;

use super::World;
use super::agenda::Action;

impl World {
    /// True when the cell dies with this input in hand; what the input said is lost with it.
    pub(super) fn crashes(&mut self, address: &Address, input: &Input) -> bool {
        let untold = matches!(input, Input::Appended(Ok(())));
        if untold && !self.calm && self.chance.hits(self.rates.node_untold) {
            // Not at once: the step in hand belongs to a node that is still there.
            self.doomed = true;
        }
        let rate = match (untold, self.node.flying.contains_key(address)) {
            (true, _) => self.rates.crash_untold,
            (false, true) => self.rates.crash_unwritten,
            (false, false) => self.rates.crash,
        };
        self.chance.hits(rate) && !self.spared(address)
    }

    /// One turn of misfortune.
    pub(super) fn misfortune(&mut self) {
        if self.calm {
            return;
        }
        let next = self.chance_ms(600);
        self.agenda.put(self.now.after_ms(next), Action::Misfortune);
        if !self.node.up {
            return;
        }
        if self.chance.hits(self.rates.node_crash) {
            return self.crash_node();
        }
        if self.chance.hits(self.rates.retire) {
            self.retire(false, |world| world.chance.hits(5_000));
        }
        if self.chance.hits(self.rates.pressure) {
            self.retire(true, |world| world.chance.hits(3_000));
        }
        if self.chance.hits(self.rates.pause)
            && let Some(address) = self.any_cell()
        {
            let ms = self.chance_ms(1_500);
            self.hold_up(&address, ms);
        }
        if self.chance.hits(self.rates.cut)
            && let Some(talk) = self.any_talk()
        {
            self.go_deaf(talk);
        }
        if self.chance.hits(self.rates.slow)
            && let Some(talk) = self.any_talk()
        {
            let ms = self.chance_ms(2_000);
            self.take_nothing(talk, ms);
        }
    }

    fn any_cell(&mut self) -> Option<Address> {
        let place = self.chance.below(self.node.cells.len());
        self.node.cells.keys().nth(place).cloned()
    }

    fn any_talk(&mut self) -> Option<usize> {
        let open: Vec<usize> = (0..self.talks.len()).filter(|talk| self.talks[*talk].open).collect();
        self.chance.pick(&open).copied()
    }

    /// Asks idle cells to go to rest.
    pub(super) fn retire(&mut self, pressure: bool, mut chosen: impl FnMut(&mut Self) -> bool) {
        let addresses: Vec<Address> = self.node.cells.keys().cloned().collect();
        for address in addresses {
            let idle = self.node.cells.get(&address).is_some_and(super::node::Cell::idle);
            if idle && chosen(self) {
                self.deliver_awake(
                    &address,
                    Input::Retire(if pressure { Retire::Pressure } else { Retire::Idle }),
                );
            }
        }
    }

    /// The sweep of `host/roster.rs`: cells without anything to do go to rest.
    pub(super) fn sweep(&mut self) {
        let every = (self.rates.idle_ms / 4).clamp(50, 5_000);
        self.agenda.put(self.now.after_ms(every), Action::Sweep);
        let limit = self.now.after_ms(-self.rates.idle_ms);
        let addresses: Vec<Address> = self
            .node
            .cells
            .iter()
            .filter(|(_, cell)| cell.idle() && cell.used <= limit)
            .map(|(address, _)| address.clone())
            .collect();
        for address in addresses {
            self.deliver_awake(&address, Input::Retire(Retire::Idle));
        }
    }

    /// Cells of behaviours that are awake; watchers never rest.
    pub(super) fn restless(&self) -> Vec<Address> {
        self.node.cells.keys().filter(|address| registry::watcher(address.kind).is_none()).cloned().collect()
    }
}
