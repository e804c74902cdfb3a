//! Chance: the one source of everything random in a simulation. The same seed gives the same numbers for ever.

/// A stream of numbers that look random: splitmix64.
///
/// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

/// The finalizer of splitmix64: every bit of the input changes half of the output's.
pub(super) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl Chance {
    /// The stream of `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(0x5eed)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `limit`; 0 when that is 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("a machine has at most 64 bits");
        usize::try_from(self.next() % limit.max(1)).expect("it is below a usize")
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = high.saturating_sub(low).max(0).unsigned_abs() + 1;
        low + i64::try_from(self.next() % span).expect("it is below the span")
    }

    /// True in so many of 10,000 cases.
    pub(super) fn hits(&mut self, per_10_000: u32) -> bool {
        per_10_000 > 0 && self.next() % 10_000 < u64::from(per_10_000)
    }

    /// One of several.
    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        let mut chance = Chance::new(1);
        let numbers: Vec<usize> = (0..5).map(|_| chance.below(100)).collect();
        let mut again = Chance::new(1);
        assert_eq!(numbers, (0..5).map(|_| again.below(100)).collect::<Vec<_>>());
        assert!((0..1_000).map(|_| chance.between(-3, 3)).all(|n| (-3..=3).contains(&n)));
        assert!(!chance.hits(0) && chance.hits(10_000));
    }
}
