//! Random numbers from a seed, and waits that grow with jitter. The same seed gives the same run.

use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, good enough for jitter and for choosing moments; never for secrets.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// A stream of numbers that `seed` determines.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.bits()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("the high half of a product of two 64-bit numbers fits 64 bits")
    }
}

/// How waits grow: doubling from `first_ms` to at most `longest_ms`, with full jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The bound of the first wait, milliseconds.
    pub first_ms: u64,
    /// The bound of the longest wait, milliseconds.
    pub longest_ms: u64,
}

impl Default for Backoff {
    /// The protocol's own: 0.5 s to 30 s.
    fn default() -> Self {
        Self { first_ms: 500, longest_ms: 30_000 }
    }
}

impl Backoff {
    /// The wait after `failures` failures in a row.
    #[must_use]
    pub fn wait(&self, failures: u32, chance: &mut Chance) -> Duration {
        let factor = 1_u64 << failures.saturating_sub(1).min(16);
        let bound_ms = self.first_ms.saturating_mul(factor).min(self.longest_ms);
        Duration::from_millis(1 + chance.below(bound_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_its_known_numbers_and_waits_stay_in_bounds() {
        let mut chance = Chance::new(1_234_567);
        // The reference values of SplitMix64 for this seed.
        assert_eq!([chance.bits(), chance.bits()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        let backoff = Backoff { first_ms: 100, longest_ms: 1_000 };
        for failures in 0..80 {
            let wait_ms = backoff.wait(failures, &mut chance).as_millis();
            assert!((1..=1_000).contains(&wait_ms), "{failures} failures: {wait_ms} ms");
        }
        assert!((0..100).all(|_| backoff.wait(1, &mut chance).as_millis() <= 100));
    }
}
