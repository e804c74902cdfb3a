//! A node's end of what is between nodes: which shards it serves, its sockets, and what comes for it; and the other nodes as it sees them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use conversa_actors::address::Address;
use conversa_actors::cell::machine::Input;
use conversa_actors::host::{Far, Home};
use conversa_actors::lobby::Lobby;
use conversa_actors::port::mesh::{Class, Mesh, NotSent};
use conversa_cluster::fabric::Placed;
use conversa_engine::time::Time;
use parking_lot::Mutex;

/// Something for this node that is done as soon as what is in hand is done.
#[derive(Debug)]
pub(super) enum Came {
    Take(Address, Input),
    Awake(Address, Input),
    Look(Arc<str>, u64, Address),
    Read(Arc<str>, u64, Address, u64, usize),
}

/// The node's end.
#[derive(Debug, Default)]
pub(in crate::sim) struct Porch {
    pub(in crate::sim) lobby: Lobby,
    pub(super) now: Time,
    /// The epoch of each shard, 0 of those that are not served.
    epochs: Vec<u64>,
    came: Mutex<Vec<Came>>,
}

impl Porch {
    pub(super) fn among(far: &Arc<Far>) -> Self {
        let epochs = vec![0; usize::from(conversa_engine::ids::SHARDS)];
        Self { lobby: Lobby::among(Some(Arc::clone(far))), epochs, ..Self::default() }
    }

    pub(super) fn epoch(&self, shard: u16) -> Option<u64> {
        self.epochs.get(usize::from(shard)).copied().filter(|epoch| *epoch > 0)
    }

    pub(super) fn serve(&mut self, shard: u16, epoch: u64) {
        self.epochs[usize::from(shard)] = epoch;
    }

    pub(super) fn served(&self) -> usize {
        self.epochs.iter().filter(|epoch| **epoch > 0).count()
    }

    pub(super) fn came(&self) -> Vec<Came> {
        std::mem::take(&mut self.came.lock())
    }
}

impl Home for Porch {
    fn now(&self) -> Time {
        self.now
    }

    fn serves(&self, shard: u16) -> bool {
        self.epoch(shard).is_some()
    }

    fn lobby(&self) -> &Lobby {
        &self.lobby
    }

    fn take(&self, to: &Address, input: Input) -> Result<(), Box<Input>> {
        self.came.lock().push(Came::Take(to.clone(), input));
        Ok(())
    }

    fn take_awake(&self, to: &Address, input: Input) {
        self.came.lock().push(Came::Awake(to.clone(), input));
    }

    fn look_for(&self, from: &Arc<str>, n: u64, of: Address) {
        self.came.lock().push(Came::Look(Arc::clone(from), n, of));
    }

    fn read_for(&self, from: &Arc<str>, n: u64, of: Address, after: u64, limit: usize) {
        self.came.lock().push(Came::Read(Arc::clone(from), n, of, after, limit));
    }
}

/// The name of a node.
pub(super) fn name(n: usize) -> Arc<str> {
    format!("n{n}").into()
}

/// The node of that name.
pub(super) fn place(name: &str) -> usize {
    name.trim_start_matches('n').parse().expect("nodes are named above")
}

/// The other nodes, as one life of a node sees them.
#[derive(Debug)]
pub(super) struct Others {
    me: Arc<str>,
    generation: u64,
    pub(super) placed: Mutex<Placed>,
    pub(super) linked: Mutex<BTreeSet<Arc<str>>>,
    out: Mutex<Vec<(usize, Class, Bytes)>>,
    dead: AtomicBool,
}

impl Others {
    pub(super) fn new(me: Arc<str>, generation: u64) -> Self {
        Self {
            me,
            generation,
            placed: Mutex::default(),
            linked: Mutex::default(),
            out: Mutex::default(),
            dead: AtomicBool::new(false),
        }
    }

    /// Nothing is sent any more.
    pub(super) fn die(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    pub(super) fn take_out(&self) -> Vec<(usize, Class, Bytes)> {
        std::mem::take(&mut self.out.lock())
    }
}

impl Mesh for Others {
    fn me(&self) -> &Arc<str> {
        &self.me
    }

    fn life(&self) -> u64 {
        self.generation
    }

    fn owner(&self, shard: u16) -> Option<Arc<str>> {
        self.placed.lock().owner(shard)
    }

    fn linked(&self) -> Vec<Arc<str>> {
        self.linked.lock().iter().cloned().collect()
    }

    fn send(&self, to: &str, class: Class, frame: Bytes) -> Result<(), NotSent> {
        if self.dead.load(Ordering::Relaxed) || !self.linked.lock().contains(to) {
            return Err(NotSent::Down);
        }
        self.out.lock().push((place(to), class, frame));
        Ok(())
    }
}
