//! Counts and times of one crowd, shared by all its connections (one thread: plain cells).

use std::cell::{Cell, RefCell};

use hdrhistogram::Histogram;
use serde::Serialize;

/// Everything that is counted.
#[derive(Debug)]
pub struct Stats {
    /// Messages sent.
    pub sent: Cell<u64>,
    /// Messages that reached the other side.
    pub received: Cell<u64>,
    /// Messages that the server acknowledged.
    pub acknowledged: Cell<u64>,
    /// Messages that came twice.
    pub dups: Cell<u64>,
    /// Messages that were jumped over.
    pub gaps: Cell<u64>,
    /// Frames or connections that failed.
    pub errors: Cell<u64>,
    /// Messages that the server has put off.
    pub put_off: Cell<u64>,
    /// Messages that came due while the one before was not accepted yet.
    pub left_out: Cell<u64>,
    /// How long the latest acknowledgement took, ns.
    pub latest_acknowledgement_ns: Cell<u64>,
    /// Conversations that an agent has taken.
    pub joined: Cell<usize>,
    /// Scripts that were played to their end.
    pub finished: Cell<usize>,
    /// Only messages sent inside [from, to) are timed, ns.
    pub from_ns: Cell<u64>,
    /// See `from_ns`.
    pub to_ns: Cell<u64>,
    delivery: RefCell<Histogram<u64>>,
    from_due: RefCell<Histogram<u64>>,
    acknowledgement: RefCell<Histogram<u64>>,
}

/// What voids a run when it is not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// Sent and not delivered when the run had drained.
    pub lost: u64,
    /// Delivered twice.
    pub dups: u64,
    /// Jumped over.
    pub gaps: u64,
    /// Failed frames or connections.
    pub errors: u64,
}

impl Faults {
    /// True when the run counts.
    #[must_use]
    pub fn none(&self) -> bool {
        *self == Self::default()
    }

    /// Adds another run's.
    pub fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.dups += other.dups;
        self.gaps += other.gaps;
        self.errors += other.errors;
    }
}

/// Percentiles of a time, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many were timed.
    pub count: u64,
    /// Half are below it.
    pub p50_us: f64,
    /// 90 of 100 are below it.
    pub p90_us: f64,
    /// 99 of 100 are below it.
    pub p99_us: f64,
    /// The longest.
    pub max_us: f64,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            sent: Cell::default(),
            received: Cell::default(),
            acknowledged: Cell::default(),
            dups: Cell::default(),
            gaps: Cell::default(),
            errors: Cell::default(),
            put_off: Cell::default(),
            left_out: Cell::default(),
            latest_acknowledgement_ns: Cell::default(),
            joined: Cell::default(),
            finished: Cell::default(),
            from_ns: Cell::new(u64::MAX),
            to_ns: Cell::new(u64::MAX),
            delivery: histogram(),
            from_due: histogram(),
            acknowledgement: histogram(),
        }
    }
}

impl Stats {
    /// A message has arrived. `sent_ns`: just before its write; `due_ns`: when the schedule wanted it sent, 0 without a schedule.
    pub fn delivered(&self, sent_ns: u64, due_ns: u64, now_ns: u64) {
        bump(&self.received, 1);
        if !self.times(sent_ns) {
            return;
        }
        record(&self.delivery, now_ns, sent_ns);
        if due_ns > 0 {
            record(&self.from_due, now_ns, due_ns);
        }
    }

    /// The server has acknowledged a message.
    pub fn acknowledged(&self, sent_ns: u64, now_ns: u64) {
        bump(&self.acknowledged, 1);
        self.latest_acknowledgement_ns.set(now_ns.saturating_sub(sent_ns));
        if self.times(sent_ns) {
            record(&self.acknowledgement, now_ns, sent_ns);
        }
    }

    /// Sender's write to receiver's read.
    #[must_use]
    pub fn delivery(&self) -> Percentiles {
        percentiles(&self.delivery.borrow())
    }

    /// When the schedule wanted it sent to receiver's read.
    #[must_use]
    pub fn from_due(&self) -> Percentiles {
        percentiles(&self.from_due.borrow())
    }

    /// Sender's write to the server's acknowledgement.
    #[must_use]
    pub fn acknowledgement(&self) -> Percentiles {
        percentiles(&self.acknowledgement.borrow())
    }

    /// Times messages that are sent from now on, and forgets earlier times.
    pub fn time_from(&self, now_ns: u64) {
        for times in [&self.delivery, &self.from_due, &self.acknowledgement] {
            times.borrow_mut().reset();
        }
        self.from_ns.set(now_ns);
        self.to_ns.set(u64::MAX);
    }

    /// What went wrong until now; call it when the run has drained.
    #[must_use]
    pub fn faults(&self) -> Faults {
        let undelivered = self.sent.get().saturating_sub(self.received.get());
        // What is jumped over is not delivered either: it is told once.
        let lost = undelivered.saturating_sub(self.gaps.get());
        Faults { lost, dups: self.dups.get(), gaps: self.gaps.get(), errors: self.errors.get() }
    }

    fn times(&self, sent_ns: u64) -> bool {
        (self.from_ns.get()..self.to_ns.get()).contains(&sent_ns)
    }
}

/// Adds to a count.
pub fn bump(count: &Cell<u64>, by: u64) {
    count.set(count.get() + by);
}

fn histogram() -> RefCell<Histogram<u64>> {
    RefCell::new(Histogram::new_with_bounds(1, 120_000_000_000, 3).expect("the bounds are in order"))
}

fn record(times: &RefCell<Histogram<u64>>, now_ns: u64, then_ns: u64) {
    times.borrow_mut().saturating_record(now_ns.saturating_sub(then_ns).max(1));
}

#[expect(clippy::cast_precision_loss, reason = "times below 104 days are exact in an f64")]
fn percentiles(times: &Histogram<u64>) -> Percentiles {
    if times.is_empty() {
        return Percentiles::default();
    }
    let us = |quantile: f64| (times.value_at_quantile(quantile) as f64 / 100.0).round() / 10.0;
    Percentiles { count: times.len(), p50_us: us(0.5), p90_us: us(0.9), p99_us: us(0.99), max_us: us(1.0) }
}
