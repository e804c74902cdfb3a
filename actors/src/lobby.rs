//! The live sockets of people, and what each has been shown. Volatile: a socket that misses something reads it from the journal.
//!
//! One mechanism serves resume, slow readers, lost pushes and restarted cells alike: a conversation is *live* on a socket while its
//! events come one after the other, and *behind* as soon as one is missing. Behind, the socket's own task reads the journal at the
//! client's pace until it has caught up. So a socket never has a silent hole.

mod socket;
mod topics;

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use conversa_engine::conversation::Event;
use conversa_engine::ids::{PersonId, TenantId};
use foldhash::quality::RandomState;
use parking_lot::Mutex;

use crate::behaviours::{CONVERSATION, alert_of, is_visitor};
use crate::cell::machine::Push;
use crate::host::{Ear, Far};

pub use socket::{Murmur, Out, Socket};
pub use topics::{TOPICS_MAX, TooMany, Topic, Topics};

const STRIPES: usize = 64;
/// Stands for everybody who watches a company's agents: no person has this name.
pub const WATCHERS: &str = "watchers";

/// The kind of what alarms supervisors who watch the desk.
pub const ALERT: &str = "desk.alert";

type Person = (TenantId, PersonId);

/// All sockets of a node, by person.
#[derive(Debug)]
pub struct Lobby {
    stripes: Vec<Mutex<People>>,
    watchers: Mutex<HashMap<TenantId, Vec<Arc<Socket>>>>,
    alerts: AtomicU64,
    topics: Topics,
    hasher: RandomState,
    /// The other nodes, which are told whose sockets are here.
    far: Option<Arc<Far>>,
}

type People = HashMap<Person, Vec<Arc<Socket>>, RandomState>;

impl Default for Lobby {
    fn default() -> Self {
        Self {
            stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
            watchers: Mutex::default(),
            alerts: AtomicU64::new(0),
            topics: Topics::default(),
            hasher: RandomState::default(),
            far: None,
        }
    }
}

impl Lobby {
    /// The sockets of one node among others.
    #[must_use]
    pub fn among(far: Option<Arc<Far>>) -> Self {
        Self { topics: Topics::among(far.clone()), far, ..Self::default() }
    }

    fn here(&self, ear: impl FnOnce() -> Ear) {
        if let Some(far) = &self.far {
            far.here(ear());
        }
    }

    fn gone(&self, ear: impl FnOnce() -> Ear) {
        if let Some(far) = &self.far {
            far.gone(ear());
        }
    }

    fn stripe(&self, person: &Person) -> &Mutex<People> {
        let hash = self.hasher.hash_one(&person.1);
        &self.stripes[usize::try_from(hash % STRIPES as u64).expect("below 64")]
    }

    /// Adds a socket; one of the same device is told that it is replaced, and its number given.
    pub fn attach(&self, socket: &Arc<Socket>) -> Option<u64> {
        let person = (socket.tenant().clone(), socket.person().clone());
        let mut people = self.stripe(&person).lock();
        let sockets = people.entry(person).or_default();
        if sockets.is_empty() {
            self.here(|| Ear::Person(socket.tenant().clone(), socket.person().clone()));
        }
        if sockets.iter().all(|other| other.parked()) {
            self.connected(socket, true);
        }
        let same = sockets.iter().position(|old| old.device() == socket.device());
        let replaced = same.map(|place| sockets.swap_remove(place));
        if let Some(old) = &replaced {
            old.push_out(Out::Replaced);
            self.topics.leave(old);
        }
        sockets.push(Arc::clone(socket));
        replaced.map(|old| old.id())
    }

    /// Removes a socket; true when it was the person's last connected one.
    pub fn detach(&self, socket: &Socket) -> bool {
        if socket.set_watching(false) {
            self.unwatch(socket);
        }
        self.topics.leave(socket);
        let person = (socket.tenant().clone(), socket.person().clone());
        let mut people = self.stripe(&person).lock();
        let Some(sockets) = people.get_mut(&person) else { return false };
        let there = sockets.iter().any(|other| other.id() == socket.id() && !other.parked());
        sockets.retain(|other| other.id() != socket.id());
        let last = there && sockets.iter().all(|other| other.parked());
        if last {
            self.connected(socket, false);
        }
        if sockets.is_empty() {
            people.remove(&person);
            self.gone(|| Ear::Person(person.0, person.1));
        }
        last
    }

    /// The socket's client has gone and may come back: what is shown is kept, within a smaller bound. True when it was the person's last
    /// connected one.
    pub fn park(&self, socket: &Socket) -> bool {
        let person = (socket.tenant().clone(), socket.person().clone());
        let people = self.stripe(&person).lock();
        let Some(sockets) = people.get(&person) else { return false };
        let there = sockets.iter().any(|other| other.id() == socket.id());
        let before = socket.set_parked(true);
        let last = there && !before && sockets.iter().all(|other| other.parked());
        if last {
            self.connected(socket, false);
        }
        last
    }

    /// The client of a parked socket has come back.
    pub fn unpark(&self, socket: &Socket) {
        let person = (socket.tenant().clone(), socket.person().clone());
        let people = self.stripe(&person).lock();
        let first = people.get(&person).into_iter().flatten().all(|other| other.parked());
        socket.set_parked(false);
        if first {
            self.connected(socket, true);
        }
    }

    /// Other nodes know who of those who work here is connected.
    fn connected(&self, socket: &Socket, connected: bool) {
        let Some(far) = self.far.as_ref().filter(|_| !is_visitor(socket.person())) else { return };
        let ear = Ear::Connected(socket.tenant().clone(), socket.person().clone());
        if connected { far.here(ear) } else { far.gone(ear) }
    }

    /// True while the person has a connected socket.
    #[must_use]
    pub fn holds(&self, tenant: &TenantId, person: &PersonId) -> bool {
        let person = (tenant.clone(), person.clone());
        self.stripe(&person).lock().get(&person).is_some_and(|all| all.iter().any(|one| !one.parked()))
    }

    /// Shows something fleeting on the connected sockets of a person.
    pub fn murmur(&self, tenant: &TenantId, person: &PersonId, murmur: &Arc<Murmur>) {
        let person = (tenant.clone(), person.clone());
        let people = self.stripe(&person).lock();
        for socket in people.get(&person).into_iter().flatten() {
            socket.murmur(murmur);
        }
    }

    /// Shows something fleeting on the connected sockets of all people of a company who are meant.
    pub fn murmur_to(&self, tenant: &TenantId, meant: impl Fn(&PersonId) -> bool, murmur: &Arc<Murmur>) {
        for stripe in &self.stripes {
            let people = stripe.lock();
            let sockets = people.iter().filter(|((of, person), _)| of == tenant && meant(person));
            for socket in sockets.flat_map(|(_, sockets)| sockets) {
                socket.murmur(murmur);
            }
        }
    }

    /// What sockets follow beside their own conversations.
    #[must_use]
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// From now on the socket is shown how the company's agents are, until it is detached.
    pub fn watch(&self, socket: &Arc<Socket>) {
        if !socket.set_watching(true) {
            let mut watchers = self.watchers.lock();
            let sockets = watchers.entry(socket.tenant().clone()).or_default();
            if sockets.is_empty() {
                self.here(|| Ear::Watchers(socket.tenant().clone()));
            }
            sockets.push(Arc::clone(socket));
        }
    }

    /// No longer.
    pub fn unwatch(&self, socket: &Socket) {
        socket.set_watching(false);
        let mut watchers = self.watchers.lock();
        if let Some(sockets) = watchers.get_mut(socket.tenant()) {
            sockets.retain(|other| other.id() != socket.id());
            if sockets.is_empty() {
                watchers.remove(socket.tenant());
                self.gone(|| Ear::Watchers(socket.tenant().clone()));
            }
        }
    }

    /// Shows an event on all sockets of a person, or of those who watch, and on those that follow the conversation. What alarms is counted.
    pub fn push(&self, push: &Push) {
        let event = push.event.as_ref().filter(|_| push.person.as_str() == WATCHERS);
        if event.and_then(|event| event.downcast_ref::<Event>()).and_then(alert_of).is_some() {
            self.alerts.fetch_add(1, Ordering::Relaxed);
        }
        self.show(push);
    }

    /// The same, without counting: the node that it comes from has counted it.
    pub(crate) fn show(&self, push: &Push) {
        if push.person.as_str() == WATCHERS {
            let watchers = self.watchers.lock();
            let sockets = watchers.get(&push.source.tenant).into_iter().flatten();
            // Of conversations they are told what alarms, and do not follow them.
            let event = push.event.as_ref().and_then(|event| event.downcast_ref::<Event>());
            match event.and_then(alert_of) {
                Some(d) => {
                    let murmur = Arc::new(Murmur { source: push.source.clone(), kind: ALERT.into(), d });
                    sockets.for_each(|socket| socket.murmur(&murmur));
                }
                None if push.source.kind == CONVERSATION => {}
                None => sockets.for_each(|socket| socket.show(push)),
            }
            return;
        }
        let person = (push.source.tenant.clone(), push.person.clone());
        let people = self.stripe(&person).lock();
        for socket in people.get(&person).into_iter().flatten() {
            socket.show(push);
        }
        drop(people);
        self.topics.push(push);
    }

    /// Whose sockets are here.
    pub(crate) fn ears(&self) -> Vec<Ear> {
        let mut ears = Vec::new();
        for stripe in &self.stripes {
            for ((tenant, person), sockets) in &*stripe.lock() {
                ears.push(Ear::Person(tenant.clone(), person.clone()));
                if !is_visitor(person) && sockets.iter().any(|socket| !socket.parked()) {
                    ears.push(Ear::Connected(tenant.clone(), person.clone()));
                }
            }
        }
        ears.extend(self.watchers.lock().keys().cloned().map(Ear::Watchers));
        ears.extend(self.topics.followed());
        ears
    }

    fn each(&self, mut what: impl FnMut(&Socket)) {
        for stripe in &self.stripes {
            stripe.lock().values().flatten().for_each(|socket| what(socket));
        }
    }

    /// Events of actors in these shards may have passed by: the journals are read on from what was shown.
    pub(crate) fn read_on(&self, moved: impl Fn(u16) -> bool) {
        self.each(|socket| socket.doubt(&moved));
    }

    /// People who serve may have been given conversations that no event has told of: they look.
    pub(crate) fn look_up(&self) {
        self.each(|socket| {
            if !is_visitor(socket.person()) {
                socket.push_out(Out::LookUp);
            }
        });
    }

    /// True when a socket of the person has acknowledged event `o` of a conversation.
    #[must_use]
    pub fn acknowledged(&self, tenant: &TenantId, person: &PersonId, conversation: &str, o: u64) -> bool {
        let person = (tenant.clone(), person.clone());
        let people = self.stripe(&person).lock();
        people.get(&person).into_iter().flatten().any(|socket| socket.acknowledged(conversation) >= o)
    }

    /// What alarmed the desk, whether or not anybody watched.
    #[must_use]
    pub fn alerts(&self) -> u64 {
        self.alerts.load(Ordering::Relaxed)
    }

    /// Tells every socket to say goodbye.
    pub fn drain(&self) {
        for stripe in &self.stripes {
            for socket in stripe.lock().values().flatten() {
                socket.push_out(Out::Drain);
            }
        }
    }

    /// Sockets that are connected.
    #[must_use]
    pub fn len(&self) -> usize {
        let connected = |all: &Vec<Arc<Socket>>| all.iter().filter(|socket| !socket.parked()).count();
        self.stripes.iter().map(|stripe| stripe.lock().values().map(connected).sum::<usize>()).sum()
    }

    /// True when no socket is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
