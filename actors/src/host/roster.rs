//! Which actors are awake, and where their mailboxes are. Mailboxes are bounded by counting what is in them.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use conversa_engine::ids::SHARDS;
use conversa_engine::time::Time;
use foldhash::quality::RandomState;
use parking_lot::Mutex;

use super::{Host, MAILBOX_MAX};
use crate::address::Address;
use crate::cell::Inbox;
use crate::cell::machine::{Input, Retire};

const STRIPES: usize = 64;
const PAUSE_MS_MIN: i64 = 100;
const PAUSE_MS_MAX: i64 = 30_000;
/// Pause after a failure of the store, milliseconds.
const STORE_PAUSE_MS: i64 = 500;
/// Panics in a row after which a key is stopped.
const POISONED: u32 = 6;
/// For how long, milliseconds.
const STOPPED_MS: i64 = 600_000;
/// A key that has not failed for this time starts afresh, milliseconds.
const FORGIVEN_MS: i64 = 120_000;

/// The place of one living cell: how much waits in its mailbox, and when it last had something to do.
#[derive(Clone, Debug)]
pub struct Seat(Arc<Place>);

#[derive(Debug, Default)]
struct Place {
    waiting: AtomicUsize,
    used_ms: AtomicI64,
    flying: AtomicBool,
}

impl Seat {
    fn new(now: Time) -> Self {
        Self(Arc::new(Place { used_ms: AtomicI64::new(now.ms()), ..Place::default() }))
    }

    /// An input has been dealt with.
    pub fn free(&self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }

    /// An input was sent past the roster, by an effect of the cell itself.
    pub(super) fn take(&self) {
        self.0.waiting.fetch_add(1, Ordering::AcqRel);
    }

    /// An append of the cell is under way, or has its outcome.
    pub(super) fn flies(&self, flying: bool) {
        self.0.flying.store(flying, Ordering::Release);
    }

    fn flying(&self) -> bool {
        self.0.flying.load(Ordering::Acquire)
    }

    fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Acquire)
    }

    fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

#[derive(Debug)]
struct Awake {
    inbox: Inbox,
    seat: Seat,
}

#[derive(Clone, Debug)]
struct Failures {
    count: u32,
    last: Time,
    until: Time,
    /// The failed cell's append is still under way: a successor would not see what it writes.
    waits_for: Option<Seat>,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Again {
    /// Pause before it starts again.
    pub(super) pause_ms: i64,
    /// It failed too often.
    pub(super) poisoned: bool,
}

#[derive(Debug, Default)]
struct Stripe {
    awake: HashMap<Address, Awake, RandomState>,
    failures: HashMap<Address, Failures>,
}

/// All cells that are awake.
#[derive(Debug)]
pub(super) struct Roster {
    stripes: Vec<Mutex<Stripe>>,
    hasher: RandomState,
    count: AtomicUsize,
}

impl Default for Roster {
    fn default() -> Self {
        Self {
            stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
            hasher: RandomState::default(),
            count: AtomicUsize::new(0),
        }
    }
}

/// True for what counts against the bound of a mailbox: what others cause without having been asked to.
fn bounded(input: &Input) -> bool {
    matches!(
        input,
        Input::Letter(_) | Input::Request(_) | Input::Heard(_) | Input::View(_) | Input::Murmur { .. }
    )
}

impl Roster {
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn stripe(&self, address: &Address) -> &Mutex<Stripe> {
        let hash = self.hasher.hash_one(&address.key);
        &self.stripes[usize::try_from(hash % STRIPES as u64).expect("below 64")]
    }

    /// Puts an input into a mailbox; `spawn` starts the cell when it is not awake.
    pub(super) fn deliver(
        &self,
        to: &Address,
        input: Input,
        now: Time,
        spawn: impl Fn(Seat) -> Option<Inbox>,
    ) -> Result<(), Box<Input>> {
        let mut stripe = self.stripe(to).lock();
        if !stripe.failures.is_empty()
            && let Some(failures) = stripe.failures.get(to)
        {
            if now < failures.until || failures.waits_for.as_ref().is_some_and(Seat::flying) {
                return Err(Box::new(input));
            }
            if now.ms_since(failures.last) > FORGIVEN_MS {
                stripe.failures.remove(to);
            }
        }
        let Some(awake) = stripe.awake.get_mut(to) else {
            let seat = Seat::new(now);
            let Some(inbox) = spawn(seat.clone()) else { return Err(Box::new(input)) };
            self.count.fetch_add(1, Ordering::Relaxed);
            let awake = Awake { inbox, seat };
            let put = awake.put(input, now);
            stripe.awake.insert(to.clone(), awake);
            return put;
        };
        if bounded(&input) && awake.seat.waiting() >= MAILBOX_MAX {
            return Err(Box::new(input));
        }
        awake.put(input, now).or_else(|input| {
            // It ended without a word: a new one takes its place.
            let seat = Seat::new(now);
            let Some(inbox) = spawn(seat.clone()) else { return Err(input) };
            *awake = Awake { inbox, seat };
            awake.put(*input, now)
        })
    }

    /// Puts an input into the mailbox of a cell that is awake; nothing happens when it is not.
    pub(super) fn deliver_awake(&self, to: &Address, input: Input, now: Time) {
        if let Some(awake) = self.stripe(to).lock().awake.get(to) {
            // What is lost with an ended cell, its successor does without.
            let _ = awake.put(input, now);
        }
    }

    /// Takes a resting cell off the roster, unless something waits in its mailbox beside the input in hand.
    pub(super) fn leave(&self, address: &Address, seat: &Seat) -> bool {
        let mut stripe = self.stripe(address).lock();
        if seat.waiting() > 1 {
            return false;
        }
        if stripe.awake.get(address).is_some_and(|awake| awake.seat.same(seat)) {
            stripe.awake.remove(address);
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        true
    }

    /// Takes a failed cell off the roster. Only panics count towards stopping the key: a store that fails is not the key's fault.
    pub(super) fn failed(&self, address: &Address, seat: &Seat, now: Time, panicked: bool) -> Again {
        let mut stripe = self.stripe(address).lock();
        if stripe.awake.get(address).is_some_and(|awake| awake.seat.same(seat)) {
            stripe.awake.remove(address);
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        let first = Failures { count: 0, last: now, until: now, waits_for: None };
        let failures = stripe.failures.entry(address.clone()).or_insert(first);
        if now.ms_since(failures.last) > FORGIVEN_MS && failures.count < POISONED {
            failures.count = 0;
        }
        failures.count += u32::from(panicked);
        let poisoned = panicked && failures.count >= POISONED;
        let pause_ms = match (panicked, poisoned) {
            (_, true) => STOPPED_MS,
            (true, false) => (PAUSE_MS_MIN << failures.count.min(10)).min(PAUSE_MS_MAX),
            (false, false) => STORE_PAUSE_MS,
        };
        (failures.last, failures.until) = (now, now.after_ms(pause_ms));
        failures.waits_for = seat.flying().then(|| seat.clone());
        Again { pause_ms, poisoned }
    }

    /// Asks the cells of these shards to stop; gives how many have not, and how many appends of cells that failed are under way.
    pub(super) fn retire_shards(&self, shards: &[u16]) -> usize {
        let mut moves = vec![false; usize::from(SHARDS)];
        for shard in shards {
            moves[usize::from(*shard)] = true;
        }
        let mut left = 0;
        for stripe in &self.stripes {
            let stripe = stripe.lock();
            for (_, awake) in stripe.awake.iter().filter(|(address, _)| moves[usize::from(address.shard())]) {
                left += 1;
                if awake.seat.waiting() == 0 {
                    awake.seat.take();
                    let _ = awake.inbox.send(Input::Retire(Retire::Moving));
                }
            }
            let failed = stripe.failures.iter().filter(|(address, _)| moves[usize::from(address.shard())]);
            left +=
                failed.filter(|(_, failures)| failures.waits_for.as_ref().is_some_and(Seat::flying)).count();
        }
        left
    }

    /// Asks every cell to go to rest; gives how many are awake.
    pub(super) fn retire_all(&self, pressure: bool) -> usize {
        self.retire(|_| true, pressure);
        self.stripes
            .iter()
            .map(|stripe| {
                stripe
                    .lock()
                    .awake
                    .keys()
                    .filter(|address| crate::registry::watcher(address.kind).is_none())
                    .count()
            })
            .sum()
    }

    /// Asks those cells to go to rest that `chosen` picks by when they last had something to do.
    fn retire(&self, chosen: impl Fn(i64) -> bool, pressure: bool) {
        let why = if pressure { Retire::Pressure } else { Retire::Idle };
        for stripe in &self.stripes {
            for awake in stripe.lock().awake.values() {
                if awake.seat.waiting() == 0 && chosen(awake.seat.0.used_ms.load(Ordering::Relaxed)) {
                    awake.seat.take();
                    let _ = awake.inbox.send(Input::Retire(why));
                }
            }
        }
    }

    fn used_ms(&self) -> Vec<i64> {
        let stripes = self.stripes.iter();
        stripes
            .flat_map(|stripe| {
                stripe
                    .lock()
                    .awake
                    .values()
                    .map(|awake| awake.seat.0.used_ms.load(Ordering::Relaxed))
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

impl Awake {
    fn put(&self, input: Input, now: Time) -> Result<(), Box<Input>> {
        // A watcher's word is no use of the conversation.
        if !matches!(input, Input::Watched { .. } | Input::Taken { .. }) {
            self.seat.0.used_ms.store(now.ms(), Ordering::Relaxed);
        }
        self.seat.take();
        self.inbox.send(input)
    }
}

/// Sends idle cells to rest until the host is gone.
pub(super) async fn sweep(host: Weak<Host>) {
    loop {
        let Some(strong) = host.upgrade() else { return };
        let every = (strong.bounds.idle_ms / 4).clamp(50, 5_000);
        let limit = strong.now().ms() - strong.bounds.idle_ms;
        strong.roster.retire(|used_ms| used_ms <= limit, false);
        let surplus = strong.roster.len().saturating_sub(strong.bounds.cells_max);
        if surplus > 0 {
            let mut used = strong.roster.used_ms();
            used.sort_unstable();
            let limit = used[surplus.min(used.len() - 1)];
            strong.roster.retire(|used_ms| used_ms <= limit, true);
        }
        drop(strong);
        tokio::time::sleep(Duration::from_millis(every.unsigned_abs())).await;
    }
}
