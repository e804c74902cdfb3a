//! Several hosts in one process over one store in memory: links without a network, and a view that the test sets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use conversa_actors::host::{Bounds, Host, Ports};
use conversa_actors::port::later::Later;
use conversa_actors::port::memory::Memory;
use conversa_actors::port::mesh::{Class, Mesh, NotSent};
use conversa_actors::port::recorder::Recorder;
use conversa_actors::tenant::Tenant;
use conversa_cluster::clock::WallClock;
use conversa_engine::ids::SHARDS;
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Frames on their way over one link, in one direction.
type Wire = mpsc::UnboundedSender<(u64, Bytes)>;

/// The nodes, their links and their view.
pub struct Hub {
    hosts: Mutex<BTreeMap<Arc<str>, Arc<Host>>>,
    state: Mutex<State>,
    store: Arc<Memory>,
}

#[derive(Default)]
struct State {
    view: u64,
    owners: BTreeMap<u16, Arc<str>>,
    wires: BTreeMap<(Arc<str>, Arc<str>), Wire>,
    /// How often each link has been cut: what was on its way before is lost.
    cuts: BTreeMap<(Arc<str>, Arc<str>), u64>,
    down: BTreeSet<(Arc<str>, Arc<str>)>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}

fn pair(a: &Arc<str>, b: &Arc<str>) -> (Arc<str>, Arc<str>) {
    let (a, b) = (a.min(b), a.max(b));
    (Arc::clone(a), Arc::clone(b))
}

/// One node's end.
struct End {
    hub: Arc<Hub>,
    me: Arc<str>,
}

impl Mesh for End {
    fn me(&self) -> &Arc<str> {
        &self.me
    }

    fn life(&self) -> u64 {
        1
    }

    fn owner(&self, shard: u16) -> Option<Arc<str>> {
        self.hub.state.lock().owners.get(&shard).cloned()
    }

    fn linked(&self) -> Vec<Arc<str>> {
        let names: Vec<_> = self.hub.hosts.lock().keys().filter(|name| **name != self.me).cloned().collect();
        let state = self.hub.state.lock();
        names.into_iter().filter(|name| !state.down.contains(&pair(&self.me, name))).collect()
    }

    fn send(&self, to: &str, _: Class, frame: Bytes) -> Result<(), NotSent> {
        let state = self.hub.state.lock();
        let to: Arc<str> = to.into();
        let link = pair(&self.me, &to);
        if state.down.contains(&link) {
            return Err(NotSent::Down);
        }
        let cut = state.cuts.get(&link).copied().unwrap_or_default();
        let wire = state.wires.get(&(Arc::clone(&self.me), to)).ok_or(NotSent::Down)?;
        wire.send((cut, frame)).map_err(|_| NotSent::Down)
    }
}

impl Hub {
    /// Nodes of these names; the shards are dealt out to them in turn.
    pub async fn start(names: &[&str], tenant: &Arc<Tenant>) -> Arc<Self> {
        Self::mixed(names, &[], tenant).await
    }

    /// The same; those of `later` write as the next version may.
    pub async fn mixed(names: &[&str], later: &[&str], tenant: &Arc<Tenant>) -> Arc<Self> {
        let hub = Arc::new(Self {
            hosts: Mutex::default(),
            state: Mutex::default(),
            store: Arc::new(Memory::default()),
        });
        let names: Vec<Arc<str>> = names.iter().map(|name| Arc::from(*name)).collect();
        for name in &names {
            let end = Arc::new(End { hub: Arc::clone(&hub), me: Arc::clone(name) });
            let mut ports = Ports {
                journal: Arc::clone(&hub.store) as _,
                rows: Arc::clone(&hub.store) as _,
                clock: Arc::new(WallClock::default()),
                outside: Recorder::answering([]),
                mesh: Some(Arc::clone(&end) as _),
            };
            if later.contains(&&**name) {
                ports.journal = Arc::new(Later::new(Arc::clone(&hub.store)));
                ports.rows = Arc::new(Later::new(Arc::clone(&hub.store)));
                ports.mesh = Some(Arc::new(Later::new(end)));
            }
            let host = Host::start(ports, Bounds::default(), 1, vec![Arc::clone(tenant)]).await;
            hub.hosts.lock().insert(Arc::clone(name), host.expect("the runtime can start actors"));
        }
        for (from, to) in names.iter().flat_map(|from| names.iter().map(move |to| (from, to))) {
            let (wire, frames) = mpsc::unbounded_channel();
            hub.state.lock().wires.insert((Arc::clone(from), Arc::clone(to)), wire);
            tokio::spawn(carry(Arc::clone(&hub), Arc::clone(from), Arc::clone(to), frames));
        }
        for (shard, name) in (0..SHARDS).zip(names.iter().cycle()) {
            hub.give(&[shard], name);
        }
        hub
    }

    /// The node of this name.
    #[must_use]
    pub fn host(&self, name: &str) -> Arc<Host> {
        Arc::clone(&self.hosts.lock()[name])
    }

    /// The node that has a shard.
    #[must_use]
    pub fn owner(&self, shard: u16) -> Arc<str> {
        Arc::clone(&self.state.lock().owners[&shard])
    }

    /// A new view gives these shards to `to`, which serves them at once.
    fn give(&self, shards: &[u16], to: &Arc<str>) {
        let epoch = self.announce(shards, to);
        let gained: Vec<_> = shards.iter().map(|shard| (*shard, epoch)).collect();
        self.host(to).gain(&gained);
    }

    /// A new view gives these shards to `to`.
    fn announce(&self, shards: &[u16], to: &str) -> u64 {
        let mut state = self.state.lock();
        state.view += 1;
        state.owners.extend(shards.iter().map(|shard| (*shard, Arc::from(to))));
        state.view
    }

    /// Moves these shards as a change of the view does: their owners stop, then the new one starts.
    pub async fn hand_over(&self, shards: &[u16], to: &str) {
        let before: Vec<_> = shards.iter().map(|shard| self.owner(*shard)).collect();
        let epoch = self.announce(shards, to);
        let hosts: Vec<_> = self.hosts.lock().values().cloned().collect();
        hosts.iter().for_each(Host::moved);
        for (shard, owner) in shards.iter().zip(before) {
            if *owner != *to {
                self.host(&owner).let_go(&[*shard]).await;
            }
        }
        let gained: Vec<_> = shards.iter().map(|shard| (*shard, epoch)).collect();
        self.host(to).gain(&gained);
    }

    /// Cuts the link between two nodes: what is on its way is lost.
    pub fn cut(&self, a: &str, b: &str) {
        let (a, b): (Arc<str>, Arc<str>) = (a.into(), b.into());
        {
            let mut state = self.state.lock();
            *state.cuts.entry(pair(&a, &b)).or_default() += 1;
            state.down.insert(pair(&a, &b));
        }
        self.host(&a).down(&b);
        self.host(&b).down(&a);
    }

    /// Joins them again.
    pub fn join(&self, a: &str, b: &str) {
        let (a, b): (Arc<str>, Arc<str>) = (a.into(), b.into());
        self.state.lock().down.remove(&pair(&a, &b));
        self.host(&a).up(&b);
        self.host(&b).up(&a);
    }
}

async fn carry(
    hub: Arc<Hub>,
    from: Arc<str>,
    to: Arc<str>,
    mut frames: mpsc::UnboundedReceiver<(u64, Bytes)>,
) {
    while let Some((cut, frame)) = frames.recv().await {
        let cuts = hub.state.lock().cuts.get(&pair(&from, &to)).copied().unwrap_or_default();
        if cut == cuts {
            hub.host(&to).received(&from, frame);
        }
    }
}
