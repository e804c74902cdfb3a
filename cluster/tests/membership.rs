//! Three nodes in one process, over a register in memory and under virtual time: they join, die and stand still,
//! and at no moment two of them own a shard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use conversa_actors::port::StoreError;
use conversa_cluster::member::machine::{Me, Over};
use conversa_cluster::member::{Moment, Timing};
use conversa_cluster::membership::{LeaseClock, Membership};
use conversa_cluster::place::WEIGHT_ONE;
use conversa_cluster::register::{ChangeError, Held, MemoryRegister, Register};
use conversa_engine::ids::SHARDS;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};

const WELL: u8 = 0;
/// Nothing is answered.
const SILENT: u8 = 1;

/// A node's way to the register.
struct Line {
    register: Arc<MemoryRegister>,
    state: AtomicU8,
}

impl Line {
    async fn stands(&self) {
        while self.state.load(Ordering::Relaxed) == SILENT {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Register for Line {
    fn read(&self, key: &str) -> BoxFuture<'_, Result<Option<Held>, StoreError>> {
        let key = key.to_owned();
        async move {
            self.stands().await;
            self.register.read(&key).await
        }
        .boxed()
    }

    fn change(&self, key: &str, expected: u64, value: Bytes) -> BoxFuture<'_, Result<u64, ChangeError>> {
        let key = key.to_owned();
        async move {
            self.stands().await;
            self.register.change(&key, expected, value).await
        }
        .boxed()
    }
}

struct Node {
    membership: Membership,
    line: Arc<Line>,
}

struct Cluster {
    register: Arc<MemoryRegister>,
    clock: LeaseClock,
    nodes: BTreeMap<&'static str, Node>,
    started: u64,
}

impl Cluster {
    fn new() -> Self {
        let start = Instant::now();
        let clock = move || {
            let ms = u64::try_from(start.elapsed().as_millis()).expect("a short test") + 1_000_000;
            Moment { boot_ms: ms, wall_ms: ms }
        };
        Self { register: Arc::default(), clock: Arc::new(clock), nodes: BTreeMap::new(), started: 0 }
    }

    fn start(&mut self, node: &'static str) {
        self.started += 1;
        let me = Me {
            node: node.into(),
            addr: "127.0.0.1:1".into(),
            zone: "a".into(),
            weight: WEIGHT_ONE,
            nonce: self.started,
        };
        let line = Arc::new(Line { register: Arc::clone(&self.register), state: AtomicU8::new(WELL) });
        let register = Arc::clone(&line) as Arc<dyn Register>;
        let membership = Membership::start(register, me, SHARDS, Timing::default(), Arc::clone(&self.clock));
        self.nodes.insert(node, Node { membership, line });
    }

    fn kill(&mut self, node: &str) {
        self.nodes.remove(node);
    }

    fn set(&self, node: &str, state: u8) {
        self.nodes[node].line.state.store(state, Ordering::Relaxed);
    }

    /// Shards that `node` may serve now.
    fn serves(&self, node: &str) -> usize {
        let membership = &self.nodes[node].membership;
        if membership.holds() { membership.owned().borrow().served.len() } else { 0 }
    }

    /// Lets time pass. Cells stop as soon as they are told to; nobody may serve what somebody else serves.
    async fn pass(&self, ms: u64) {
        for _ in 0..ms / 10 {
            sleep(Duration::from_millis(10)).await;
            let mut owners = BTreeMap::new();
            for (name, node) in &self.nodes {
                let owned = node.membership.owned().borrow().clone();
                if !node.membership.holds() {
                    continue;
                }
                for shard in owned.served.keys().chain(owned.stopping.iter()) {
                    let other = owners.insert(*shard, *name);
                    assert_eq!(other, None, "shard {shard} is also {name}'s");
                }
                if !owned.stopping.is_empty() {
                    node.membership.stopped(owned.stopping.iter().copied()).await;
                }
            }
        }
    }

    fn all_served(&self) -> bool {
        self.nodes.keys().map(|node| self.serves(node)).sum::<usize>() == usize::from(SHARDS)
    }

    /// How long it takes until every shard is served; fails after `most_ms`.
    async fn until_served(&self, most_ms: u64) -> u64 {
        let mut waited = 0;
        while !self.all_served() {
            assert!(waited < most_ms, "not all is served after {waited} ms: {:?}", self.shares());
            self.pass(50).await;
            waited += 50;
        }
        waited
    }

    fn shares(&self) -> BTreeMap<&str, usize> {
        self.nodes.keys().map(|node| (*node, self.serves(node))).collect()
    }

    /// Three nodes with about a third each.
    async fn three() -> Self {
        let mut cluster = Self::new();
        for node in ["n0", "n1", "n2"] {
            cluster.start(node);
            cluster.pass(500).await;
        }
        let mut waited = 0;
        while !(cluster.all_served() && cluster.shares().values().all(|share| (1_200..1_550).contains(share)))
        {
            assert!(waited < 180_000, "{:?}", cluster.shares());
            cluster.pass(500).await;
            waited += 500;
        }
        cluster
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_dies_is_replaced_within_its_lease_and_a_look() {
    let mut cluster = Cluster::three().await;
    cluster.kill("n1");
    let waited = cluster.until_served(6_000).await;
    println!("replaced after {waited} ms");
    assert!((2_000..=4_500).contains(&waited), "{waited} ms");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stands_still_for_ten_seconds_serves_nothing_more() {
    let cluster = Cluster::three().await;
    cluster.set("n2", SILENT);
    cluster.pass(2_700).await;
    assert_eq!(cluster.serves("n2"), 0, "its lease is over");
    cluster.pass(7_300).await;
    assert!(cluster.all_served(), "{:?}", cluster.shares());
    cluster.set("n2", WELL);
    cluster.pass(3_000).await;
    assert_eq!(cluster.nodes["n2"].membership.owned().borrow().over, Some(Over::Revoked));
    assert_eq!(cluster.serves("n2"), 0);
}
