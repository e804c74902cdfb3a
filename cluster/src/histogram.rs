//! A histogram with fixed buckets: to count costs one addition in its bucket and one to the sum, both relaxed. It is read as a whole
//! when somebody asks, so counts of one reading may be of slightly different moments.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets of the largest set.
const BUCKETS_MAX: usize = 16;

/// Counts of values below fixed bounds.
#[derive(Debug)]
pub struct Histogram {
    /// In order; at most [`BUCKETS_MAX`] less one, for what is above them all.
    bounds: &'static [u64],
    counts: [AtomicU64; BUCKETS_MAX],
    sum: AtomicU64,
}

/// A histogram as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// (largest value of the bucket, values in it alone); the last bucket has no bound.
    pub buckets: Vec<(Option<u64>, u64)>,
    /// The sum of all values.
    pub sum: u64,
}

impl Reading {
    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

/// Microseconds, half a millisecond to twenty seconds: a commit on a good disk, a request at the store that runs out of time.
const MICROSECONDS: &[u64] = &[
    500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000,
    5_000_000, 10_000_000, 20_000_000,
];

/// Events written together.
const EVENTS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096, 16_384];

impl Histogram {
    /// Of times, kept in microseconds.
    #[must_use]
    pub fn of_times() -> Self {
        Self::with(MICROSECONDS)
    }

    /// Of numbers of events.
    #[must_use]
    pub fn of_events() -> Self {
        Self::with(EVENTS)
    }

    fn with(bounds: &'static [u64]) -> Self {
        debug_assert!(bounds.len() < BUCKETS_MAX, "the last bucket is for what is above all bounds");
        Self { bounds, counts: Default::default(), sum: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub fn count(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts a time.
    pub fn count_time(&self, time: Duration) {
        self.count(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// All of it.
    #[must_use]
    pub fn read(&self) -> Reading {
        let bounds = self.bounds.iter().map(|bound| Some(*bound)).chain([None]);
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        Reading { buckets: bounds.zip(counts).collect(), sum: self.sum.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_bucket_whose_bound_it_does_not_exceed() {
        let events = Histogram::of_events();
        for value in [0, 1, 2, 3, 16_384, 16_385] {
            events.count(value);
        }
        let reading = events.read();
        let filled: Vec<_> = reading.buckets.iter().copied().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(Some(1), 2), (Some(2), 1), (Some(4), 1), (Some(16_384), 1), (None, 1)]);
        assert_eq!((reading.count(), reading.sum), (6, 32_775));
    }

    #[test]
    fn every_bucket_is_read() {
        for histogram in [Histogram::of_times(), Histogram::of_events()] {
            let reading = histogram.read();
            assert_eq!(reading.buckets.len(), histogram.bounds.len() + 1);
            assert!(histogram.bounds.is_sorted());
            assert_eq!(reading.buckets.last(), Some(&(None, 0)));
        }
    }
}
