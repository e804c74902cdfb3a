//! A cluster in one process, over a register in memory and under virtual time: each node has its own line to the register and its own
//! clocks. Whatever happens, no shard is served by two, and every view is kept, so that what moved can be counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use conversa_actors::port::StoreError;
use conversa_cluster::member::machine::{Key, Me, Over};
use conversa_cluster::member::told::Told;
use conversa_cluster::member::view::View;
use conversa_cluster::member::{Life, Moment, Timing};
use conversa_cluster::membership::{LeaseClock, Membership, Owned};
use conversa_cluster::place::WEIGHT_ONE;
use conversa_cluster::register::{ChangeError, Held, MemoryRegister, Register};
use conversa_engine::ids::SHARDS;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// How a node's line to the register is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    Well,
    /// Nothing is answered.
    Silent,
    /// Everything is refused at once.
    Refuses,
}

/// A node's line to the register.
struct Line {
    register: Arc<MemoryRegister>,
    state: AtomicU8,
    views: Arc<Mutex<Vec<View>>>,
}

impl Line {
    /// True when the register answers; then it takes a moment.
    async fn answers(&self) -> bool {
        while self.state.load(Ordering::Relaxed) == State::Silent as u8 {
            sleep(Duration::from_millis(10)).await;
        }
        sleep(Duration::from_millis(2)).await;
        self.state.load(Ordering::Relaxed) == State::Well as u8
    }
}

impl Register for Line {
    fn read(&self, key: &str) -> BoxFuture<'_, Result<Option<Held>, StoreError>> {
        let key = key.to_owned();
        async move {
            if !self.answers().await {
                return Err(StoreError("it is down".into()));
            }
            self.register.read(&key).await
        }
        .boxed()
    }

    fn change(&self, key: &str, expected: u64, value: Bytes) -> BoxFuture<'_, Result<u64, ChangeError>> {
        let key = key.to_owned();
        async move {
            if !self.answers().await {
                return Err(ChangeError::Unavailable("it is down".into()));
            }
            let version = self.register.change(&key, expected, value.clone()).await?;
            if key == Key::View.name() {
                self.views.lock().push(View::parse(version, &value).expect("a node wrote it"));
            }
            Ok(version)
        }
        .boxed()
    }
}

/// By how much a node's clocks differ from the others', ms.
#[derive(Default)]
struct Skew {
    boot: AtomicI64,
    wall: AtomicI64,
}

struct Node {
    membership: Membership,
    owned: watch::Receiver<Owned>,
    line: Arc<Line>,
    skew: Arc<Skew>,
    held: bool,
    /// What it has told the others.
    told: Told,
}

/// The cluster.
pub(crate) struct Cluster {
    pub(crate) register: Arc<MemoryRegister>,
    pub(crate) views: Arc<Mutex<Vec<View>>>,
    begun: Instant,
    nodes: BTreeMap<&'static str, Node>,
    started: u64,
    /// Nodes have links, over which they tell each other of themselves.
    pub(crate) linked: bool,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self {
            register: Arc::default(),
            views: Arc::default(),
            begun: Instant::now(),
            nodes: BTreeMap::new(),
            started: 0,
            linked: false,
        }
    }

    pub(crate) fn start(&mut self, node: &'static str) {
        let process = self.process(node);
        self.nodes.insert(node, process);
    }

    /// Starts another process of that name; what it owns ends with what is returned.
    pub(crate) fn second(&mut self, node: &'static str) -> (Membership, watch::Receiver<Owned>) {
        let Node { membership, owned, .. } = self.process(node);
        (membership, owned)
    }

    fn process(&mut self, node: &'static str) -> Node {
        self.started += 1;
        let me = Me {
            node: node.into(),
            addr: "127.0.0.1:1".into(),
            zone: "a".into(),
            weight: WEIGHT_ONE,
            nonce: self.started,
        };
        let line = Arc::new(Line {
            register: Arc::clone(&self.register),
            state: AtomicU8::new(State::Well as u8),
            views: Arc::clone(&self.views),
        });
        let skew = Arc::new(Skew::default());
        let register = Arc::clone(&line) as Arc<dyn Register>;
        let clock = self.clock(Arc::clone(&skew));
        let membership = Membership::start(register, me, SHARDS, Timing::default(), clock);
        let owned = membership.owned();
        Node { membership, owned, line, skew, held: false, told: Told::default() }
    }

    /// The clock of a machine without a node.
    pub(crate) fn own_clock(&self) -> LeaseClock {
        self.clock(Arc::default())
    }

    fn clock(&self, skew: Arc<Skew>) -> LeaseClock {
        const START: i64 = 100_000_000;
        let begun = self.begun;
        Arc::new(move || {
            let ms = START + i64::try_from(begun.elapsed().as_millis()).expect("a short test");
            let at = |skew: &AtomicI64| {
                u64::try_from(ms + skew.load(Ordering::Relaxed)).expect("skewed by less than a day")
            };
            Moment { boot_ms: at(&skew.boot), wall_ms: at(&skew.wall) }
        })
    }

    /// It is gone in this instant.
    pub(crate) fn kill(&mut self, node: &str) {
        self.nodes.remove(node);
    }

    pub(crate) fn set(&self, node: &str, state: State) {
        self.nodes[node].line.state.store(state as u8, Ordering::Relaxed);
    }

    pub(crate) fn set_all(&self, state: State) {
        self.nodes.keys().for_each(|node| self.set(node, state));
    }

    /// Somebody sets the clock of a node's machine.
    pub(crate) fn set_wall(&self, node: &str, by_ms: i64) {
        self.nodes[node].skew.wall.fetch_add(by_ms, Ordering::Relaxed);
    }

    /// A hypervisor has stopped the machine: its boot clock has not seen the time that passed.
    pub(crate) fn hold_boot_back(&self, node: &str, by_ms: i64) {
        self.nodes[node].skew.boot.fetch_sub(by_ms, Ordering::Relaxed);
    }

    pub(crate) async fn leave(&self, node: &str) {
        self.nodes[node].membership.leave().await;
    }

    pub(crate) fn owned(&self, node: &str) -> Owned {
        self.nodes[node].owned.borrow().clone()
    }

    pub(crate) fn over(&self, node: &str) -> Option<Over> {
        self.nodes[node].owned.borrow().over
    }

    pub(crate) fn life(&self, node: &str) -> Life {
        self.owned(node).life.expect("it has begun")
    }

    pub(crate) fn revocations(&self) -> u64 {
        self.nodes.values().map(|node| node.membership.counts().revocations).sum()
    }

    /// Shards that `node` may serve now.
    pub(crate) fn serves(&self, node: &str) -> usize {
        let node = &self.nodes[node];
        if node.membership.holds() { node.owned.borrow().served.len() } else { 0 }
    }

    /// Lets time pass. Cells stop as soon as they are told to; nobody may serve what somebody else serves.
    pub(crate) async fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            sleep(Duration::from_millis(10)).await;
            let mut news = false;
            for node in self.nodes.values_mut() {
                let holds = node.membership.holds();
                news |= holds != node.held || node.owned.has_changed().unwrap_or(false);
                node.held = holds;
            }
            if news {
                self.check();
                self.stop_cells().await;
                self.tell();
            }
        }
    }

    fn check(&mut self) {
        let mut owners = vec![None; usize::from(SHARDS)];
        for (name, node) in &mut self.nodes {
            let owned = node.owned.borrow_and_update();
            let at_work = owned.served.keys().chain(owned.stopping.keys()).filter(|_| node.held);
            for shard in at_work {
                let other = owners[usize::from(*shard)].replace(*name);
                assert_eq!(other, None, "shard {shard} is also {name}'s");
            }
        }
    }

    /// Each node tells the others what is new of it.
    fn tell(&mut self) {
        if !self.linked {
            return;
        }
        let mut news = Vec::new();
        for node in self.nodes.values_mut() {
            let owned = node.owned.borrow();
            let before = std::mem::replace(&mut node.told, owned.tells);
            news.extend(owned.life.clone().filter(|_| before != owned.tells).map(|life| (life, owned.tells)));
        }
        for (from, told) in news {
            for node in self.nodes.values() {
                node.membership.hear(&from, told);
            }
        }
    }

    async fn stop_cells(&self) {
        for node in self.nodes.values() {
            let stopping = Arc::clone(&node.owned.borrow().stopping);
            if !stopping.is_empty() {
                node.membership.stopped(stopping.iter().map(|(shard, epoch)| (*shard, *epoch))).await;
            }
        }
    }

    pub(crate) fn all_served(&self) -> bool {
        self.nodes.keys().map(|node| self.serves(node)).sum::<usize>() == usize::from(SHARDS)
    }

    /// How long it takes until that is so, ms; fails after `most_ms`.
    pub(crate) async fn until(&mut self, what: &str, most_ms: u64, is_so: impl Fn(&Self) -> bool) -> u64 {
        let mut waited = 0;
        while !is_so(self) {
            assert!(waited < most_ms, "{what}: not after {waited} ms; they serve {:?}", self.shares());
            self.pass(50).await;
            waited += 50;
        }
        waited
    }

    pub(crate) async fn until_served(&mut self, most_ms: u64) -> u64 {
        self.until("everything is served", most_ms, Self::all_served).await
    }

    /// Until everything is served, by all of them, in about equal shares, and nothing moves.
    pub(crate) async fn until_balanced(&mut self, most_ms: u64) -> u64 {
        self.until("the shares are equal", most_ms, |cluster| {
            let view = cluster.views.lock().last().cloned().unwrap_or_default();
            let mean = usize::from(SHARDS) / cluster.nodes.len();
            let seen = |node: &Node| node.owned.borrow().view.version == view.version;
            cluster.all_served()
                && cluster.nodes.values().all(seen)
                && view.members.len() == cluster.nodes.len()
                && view.members.iter().all(|member| member.weight == WEIGHT_ONE)
                && cluster.shares().values().all(|share| share.abs_diff(mean) * 10 < mean)
        })
        .await
    }

    pub(crate) fn shares(&self) -> BTreeMap<&'static str, usize> {
        self.nodes.keys().map(|node| (*node, self.serves(node))).collect()
    }

    /// That many nodes, each with its share.
    pub(crate) async fn of(names: &[&'static str]) -> Self {
        Self::new().with(names).await
    }

    /// The same, with links.
    pub(crate) async fn of_linked(names: &[&'static str]) -> Self {
        Self { linked: true, ..Self::new() }.with(names).await
    }

    async fn with(self, names: &[&'static str]) -> Self {
        let mut cluster = self;
        for node in names {
            cluster.start(node);
            cluster.pass(500).await;
        }
        cluster.until_balanced(200_000).await;
        cluster
    }

    /// The most shards that changed hands between two views from `first` on, in version order; and how many such views there are.
    pub(crate) fn moves(&self, first: u64) -> (usize, usize) {
        let views = self.views.lock();
        let from: Vec<&View> = views.iter().filter(|view| view.version >= first).collect();
        let owners = |view: &View| -> Vec<Option<Arc<str>>> {
            let placed = view.placed();
            let owner = |shard| Some(conversa_cluster::place::owner(&placed, shard)?.node.clone());
            (0..SHARDS).map(owner).collect()
        };
        let owners: Vec<_> = from.iter().map(|view| owners(view)).collect();
        let moved = owners.windows(2).map(|pair| {
            let both = pair[0].iter().zip(&pair[1]);
            both.filter(|(before, after)| before.is_some() && before != after).count()
        });
        (moved.max().unwrap_or(0), from.len())
    }

    /// The version of the latest view.
    pub(crate) fn version(&self) -> u64 {
        self.views.lock().last().map_or(0, |view| view.version)
    }
}
