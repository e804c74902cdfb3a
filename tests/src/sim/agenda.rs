//! What will happen when: the virtual clock's agenda. What stands at the same time happens in the order in which it was entered.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use conversa_actors::address::Address;
use conversa_actors::cell::machine::Input;
use conversa_actors::port::Entry;
use conversa_engine::ids::PersonId;
use conversa_engine::time::Time;

use super::cluster::Event;
use super::store::Job;

/// Which life of which node something belongs to: what a life began ends with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Life {
    pub(super) node: usize,
    pub(super) number: u64,
}

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Action {
    /// The store does something.
    Store(Life, Job),
    /// The store's answer comes to the cell that asked.
    Back { life: Life, to: Address, cell: u64, input: Input },
    /// Something comes to an actor; `starts` when that starts its cell.
    Deliver { life: Life, to: Address, input: Input, starts: bool },
    /// An alarm may ring.
    Ring { life: Life, of: Address, bell: Bell },
    /// A cell that was held up goes on.
    Resume { life: Life, of: Address, cell: u64 },
    /// A page of a journal comes to the socket that catches up; `None` when it could not be read.
    Page { talk: usize, source: Address, entries: Option<Vec<Entry>> },
    /// A socket that took nothing takes something again.
    Pump(usize),
    /// A client that hears nothing any more notices that.
    Cut(usize),
    /// The grace of an agent without a socket is over.
    Grace(Life, PersonId),
    /// A node starts.
    Boot(usize),
    /// A client does something.
    Turn(usize),
    /// Something goes wrong.
    Misfortune,
    /// Idle cells go to rest.
    Sweep,
    /// Something between several nodes.
    Cluster(Event),
}

/// What rings at a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bell {
    /// Its own timer.
    Tick,
    /// It must look for what was left undone.
    Woken,
    /// What was gathered for a watcher's slot is handed over.
    Heard,
}

#[derive(Debug)]
struct Item {
    at: Time,
    order: u64,
    action: Action,
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Item {}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Item {
    /// The earliest is the largest: a heap gives its largest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// All that will happen.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Item>,
    entered: u64,
}

impl Agenda {
    /// Enters an action.
    pub(super) fn put(&mut self, at: Time, action: Action) {
        self.entered += 1;
        self.heap.push(Item { at, order: self.entered, action });
    }

    /// The next action that stands at `until` or earlier.
    pub(super) fn next(&mut self, until: Time) -> Option<(Time, Action)> {
        if self.heap.peek()?.at > until {
            return None;
        }
        self.heap.pop().map(|item| (item.at, item.action))
    }

    /// Everything, in order; nothing stays.
    pub(super) fn take_all(&mut self) -> Vec<(Time, Action)> {
        let mut items = std::mem::take(&mut self.heap).into_vec();
        items.sort_by_key(|item| (item.at, item.order));
        items.into_iter().map(|item| (item.at, item.action)).collect()
    }
}
