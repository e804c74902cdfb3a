//! One alarm clock for all cells of a node: a heap of times, one task.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Weak;
use std::time::Duration;

use conversa_engine::time::Time;
use foldhash::quality::RandomState;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Host;
use crate::address::Address;
use crate::cell::machine::Input;

/// The longest sleep: a lost wake-up costs at most this.
const NAP_MS: i64 = 1_000;

/// What rings at a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Bell {
    /// Its own timer.
    Tick,
    /// It must look for what was left undone.
    Woken,
    /// What was gathered for a watcher's slot is handed over.
    Heard,
}

/// The times at which cells want to be woken.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    times: Mutex<Times>,
    earlier: Notify,
}

#[derive(Debug, Default)]
struct Times {
    heap: BinaryHeap<Reverse<(Time, Address, Bell)>>,
    /// The time that stands for each; others in the heap are stale.
    standing: HashMap<(Address, Bell), Time, RandomState>,
}

impl Alarm {
    /// Sets, moves or cancels an alarm.
    pub(super) fn set(&self, address: &Address, at: Option<Time>, bell: Bell) {
        let mut times = self.times.lock();
        let key = (address.clone(), bell);
        let Some(at) = at else {
            times.standing.remove(&key);
            return;
        };
        let first = times.heap.peek().is_none_or(|Reverse((first, ..))| at < *first);
        times.standing.insert(key, at);
        times.heap.push(Reverse((at, address.clone(), bell)));
        drop(times);
        if first {
            self.earlier.notify_one();
        }
    }

    /// The alarms that ring now, and the time until the next.
    fn ringing(&self, now: Time) -> (Vec<(Address, Bell)>, Option<Time>) {
        let mut times = self.times.lock();
        let mut ringing = Vec::new();
        while let Some(Reverse((at, ..))) = times.heap.peek() {
            if *at > now {
                break;
            }
            let Some(Reverse((at, address, bell))) = times.heap.pop() else { break };
            let key = (address, bell);
            if times.standing.get(&key) == Some(&at) {
                times.standing.remove(&key);
                ringing.push((key.0, bell));
            }
        }
        let next = times.heap.peek().map(|Reverse((at, ..))| *at);
        (ringing, next)
    }
}

/// Rings until the host is gone.
pub(super) async fn ring(host: Weak<Host>) {
    loop {
        let Some(host) = host.upgrade() else { return };
        let now = host.now();
        let (ringing, next) = host.alarm.ringing(now);
        for (address, bell) in ringing {
            let input = match bell {
                Bell::Tick => Input::Tick,
                Bell::Woken => Input::Woken,
                Bell::Heard => {
                    host.hear(&address);
                    continue;
                }
            };
            if host.deliver(&address, input).is_err() {
                // Full or stopped: once more, a little later.
                host.alarm.set(&address, Some(now.after_ms(NAP_MS)), bell);
            }
        }
        let nap = next.map_or(NAP_MS, |at| at.ms_since(host.now()).clamp(1, NAP_MS));
        let nap = Duration::from_millis(nap.unsigned_abs());
        tokio::select! {
            () = host.alarm.earlier.notified() => {}
            () = tokio::time::sleep(nap) => {}
        }
    }
}
