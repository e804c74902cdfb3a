//! Misfortune: cells and the node crash, cells are sent to rest or held up, sockets are cut or take nothing for a while.

use conversa_actors::address::Address;
use conversa_actors::cell::machine::{Input, Retire};
use conversa_actors::registry;

use super::World;
use super::agenda::Action;

impl World {
    /// True when the cell dies with this input in hand; what the input said is lost with it.
    pub(super) fn crashes(&mut self, n: usize, address: &Address, input: &Input) -> bool {
        let untold = matches!(input, Input::Appended(Ok(())));
        if untold && !self.calm && self.chance.hits(self.rates.node_untold) {
            // Not at once: the step in hand belongs to a node that is still there.
            self.doomed = Some(n);
        }
        let rate = match (untold, self.nodes[n].flying.contains_key(address)) {
            (true, _) => self.rates.crash_untold,
            (false, true) => self.rates.crash_unwritten,
            (false, false) => self.rates.crash,
        };
        self.chance.hits(rate) && !self.spared(n, address)
    }

    /// One turn of misfortune.
    pub(super) fn misfortune(&mut self) {
        if self.calm {
            return;
        }
        let next = self.chance_ms(600);
        self.agenda.put(self.now.after_ms(next), Action::Misfortune);
        let n = self.any_node();
        if self.cluster.is_some() {
            self.nemesis();
        }
        if !self.nodes[n].up || !self.moves(n) {
            return;
        }
        if self.chance.hits(self.rates.node_crash) {
            return self.crash_node(n);
        }
        if self.chance.hits(self.rates.retire) {
            self.retire(n, false, |world| world.chance.hits(5_000));
        }
        if self.chance.hits(self.rates.pressure) {
            self.retire(n, true, |world| world.chance.hits(3_000));
        }
        if self.chance.hits(self.rates.pause)
            && let Some(address) = self.any_cell(n)
        {
            let ms = self.chance_ms(1_500);
            self.hold_up(n, &address, ms);
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

    /// True unless the node stands still.
    pub(super) fn moves(&self, n: usize) -> bool {
        self.nodes[n].still_until <= self.now
    }

    /// One of the nodes; of one it is not asked, so that its runs stay what they are.
    pub(super) fn any_node(&mut self) -> usize {
        if self.nodes.len() > 1 { self.chance.below(self.nodes.len()) } else { 0 }
    }

    fn any_cell(&mut self, n: usize) -> Option<Address> {
        let place = self.chance.below(self.nodes[n].cells.len());
        self.nodes[n].cells.keys().nth(place).cloned()
    }

    fn any_talk(&mut self) -> Option<usize> {
        let open: Vec<usize> = (0..self.talks.len()).filter(|talk| self.talks[*talk].open).collect();
        self.chance.pick(&open).copied()
    }

    /// Asks idle cells to go to rest.
    pub(super) fn retire(&mut self, n: usize, pressure: bool, mut chosen: impl FnMut(&mut Self) -> bool) {
        let addresses: Vec<Address> = self.nodes[n].cells.keys().cloned().collect();
        for address in addresses {
            let idle = self.nodes[n].cells.get(&address).is_some_and(super::node::Cell::idle);
            if idle && chosen(self) {
                let why = if pressure { Retire::Pressure } else { Retire::Idle };
                self.deliver_awake(n, &address, Input::Retire(why));
            }
        }
    }

    /// The sweep of `host/roster.rs`: cells without anything to do go to rest.
    pub(super) fn sweep(&mut self) {
        let every = (self.rates.idle_ms / 4).clamp(50, 5_000);
        self.agenda.put(self.now.after_ms(every), Action::Sweep);
        for n in (0..self.nodes.len()).filter(|n| self.moves(*n)).collect::<Vec<_>>() {
            let limit = self.clock(n).after_ms(-self.rates.idle_ms);
            let cells = self.nodes[n].cells.iter().filter(|(_, cell)| cell.idle() && cell.used <= limit);
            let addresses: Vec<Address> = cells.map(|(address, _)| address.clone()).collect();
            for address in addresses {
                self.deliver_awake(n, &address, Input::Retire(Retire::Idle));
            }
        }
    }

    /// Cells of behaviours that are awake; watchers never rest.
    pub(super) fn restless(&self) -> Vec<Address> {
        let cells = self.nodes.iter().flat_map(|node| node.cells.keys());
        cells.filter(|address| registry::watcher(address.kind).is_none()).cloned().collect()
    }
}
