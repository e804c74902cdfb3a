//! A bad line: delays, reorders, loses and paces the packets that iptables hands to a queue of the kernel (`-j NFQUEUE`). The kernels of
//! many test machines have no `netem`; this needs nothing but NFQUEUE. `gateway/web/client/weak/run.js` uses it.
//!
//! ```text
//! weakline QUEUE DELAY_MS JITTER_MS LOSS KBIT_PER_S
//! ```
//! Jitter is spread evenly, up and down; LOSS is a part from 0 to 1; a rate of 0 is no limit. At a rate, what would wait longer than
//! two seconds for its turn is lost, as at a router.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use conversa_benches::clock::now_ns;

/// The longest that a packet waits for its turn at the line's rate.
const BACKLOG_NS: u64 = 2_000_000_000;
/// Packets held at most, in the kernel and here; beyond it they are lost.
const HELD_MAX: usize = 65_536;
/// How often packets are looked for: far below the delays that are asked for.
const NAP: Duration = Duration::from_micros(200);

/// A packet and when it goes on, ns.
struct Held {
    at: u64,
    number: u64,
    packet: nfq::Message,
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    /// The earliest is the greatest: it is what a heap gives first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

/// Even numbers from 0 to 1: xorshift64 (Marsaglia, 2003), seeded with the queue's number so that a run can be repeated.
struct Chance(u64);

impl Chance {
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double")]
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Milliseconds, not negative, as nanoseconds.
fn ns(ms: f64) -> u64 {
    Duration::from_secs_f64(ms / 1_000.0).as_nanos().try_into().unwrap_or(u64::MAX)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [queue, delay, jitter, loss, rate] = &arguments[..] else {
        anyhow::bail!("usage: weakline QUEUE DELAY_MS JITTER_MS LOSS KBIT_PER_S");
    };
    let number: u16 = queue.parse().context("QUEUE is the number given to --queue-num")?;
    let parse = |text: &str, what: &str| text.parse::<f64>().with_context(|| format!("{what} is a number"));
    let (delay, jitter) = (parse(delay, "DELAY_MS")?, parse(jitter, "JITTER_MS")?);
    let (loss, rate) = (parse(loss, "LOSS")?, parse(rate, "KBIT_PER_S")?);
    ensure!((0.0..=1.0).contains(&loss), "LOSS is a part, from 0 to 1");
    ensure!(delay >= jitter && jitter >= 0.0 && rate >= 0.0, "times and rates are not negative");

    let mut queue = nfq::Queue::open().context("no queue of the kernel: this needs root and NFQUEUE")?;
    queue.bind(number).with_context(|| format!("queue {number} is taken"))?;
    queue.set_queue_max_len(number, u32::try_from(HELD_MAX)?)?;
    queue.set_nonblocking(true);
    let mut chance = Chance(88_172_645_463_325_252 ^ u64::from(number));
    let mut held = BinaryHeap::new();
    let (mut packets, mut free_at) = (0, now_ns());
    loop {
        while let Ok(mut packet) = queue.recv() {
            let now = now_ns();
            let bits = f64::from(u32::try_from(packet.get_payload().len())?) * 8.0;
            let turn = free_at.max(now);
            if chance.next() < loss || turn - now > BACKLOG_NS || held.len() >= HELD_MAX {
                packet.set_verdict(nfq::Verdict::Drop);
                queue.verdict(packet)?;
                continue;
            }
            free_at = if rate > 0.0 { turn + ns(bits / rate) } else { turn };
            let wait_ms = delay + (chance.next() * 2.0 - 1.0) * jitter;
            packets += 1;
            held.push(Held { at: free_at + ns(wait_ms), number: packets, packet });
        }
        while held.peek().is_some_and(|first| first.at <= now_ns()) {
            let Some(Held { mut packet, .. }) = held.pop() else { break };
            packet.set_verdict(nfq::Verdict::Accept);
            queue.verdict(packet)?;
        }
        std::thread::sleep(NAP);
    }
}
