//! Which node owns which shard: weighted rendezvous hashing, a pure function of the members. A member that leaves moves only its
//! own shards, one that joins takes only its share.
//!
//! Source of the formula: Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005: score = −weight / ln(hash). It is
//! computed in integers: two nodes whose libraries round a logarithm differently would each take themselves for the owner.

use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The weight of an ordinary node, in millionths.
pub const WEIGHT_ONE: u32 = 1_000_000;

/// A member of the cluster as placement sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, unique in the cluster.
    pub node: Arc<str>,
    /// Its share relative to others, in millionths; 0 means that it owns nothing.
    pub weight: u32,
}

/// The owner of `shard` among `members`; `None` when nobody can own anything.
#[must_use]
pub fn owner(members: &[Member], shard: u16) -> Option<&Member> {
    let able = members.iter().filter(|member| member.weight > 0);
    let ranked = able.map(|member| (member, cost(&member.node, shard)));
    ranked.max_by(|a, b| rank(*a, *b)).map(|(member, _)| member)
}

/// The least weight with which `node` would take `shard` from `rival`; none if no weight would do.
#[must_use]
pub fn weight_to_win(node: &str, rival: &Member, shard: u16) -> Option<u32> {
    let (own, other) = (cost(node, shard), cost(&rival.node, shard));
    let even = u128::from(rival.weight) * u128::from(own);
    let least =
        if *node > *rival.node { even.div_ceil(u128::from(other)) } else { even / u128::from(other) + 1 };
    u32::try_from(least.max(1)).ok()
}

/// An order of nodes that differs for each `of`: who is first watches it.
#[must_use]
pub fn affinity(of: &str, node: &str) -> u64 {
    xxh3_64_with_seed(node.as_bytes(), xxh3_64_with_seed(of.as_bytes(), 0))
}

/// Orders by weight / cost, without dividing; equals by name.
fn rank((a, cost_a): (&Member, u64), (b, cost_b): (&Member, u64)) -> Ordering {
    let of_a = u128::from(a.weight) * u128::from(cost_b);
    let of_b = u128::from(b.weight) * u128::from(cost_a);
    of_a.cmp(&of_b).then_with(|| a.node.cmp(&b.node))
}

/// −log2 of the hash as a fraction of 1, with 32 binary places; above 0.
fn cost(node: &str, shard: u16) -> u64 {
    minus_log2(xxh3_64_with_seed(node.as_bytes(), u64::from(shard)))
}

/// The logarithm is looked up for so many leading digits; between these places it is taken to be straight, wrong by 2 in 10 million.
const DIGITS: u32 = 10;

/// log2(1 + n / 2^[`DIGITS`]) with 32 binary places.
static LOGARITHMS: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let places = (1_u64 << DIGITS)..(2 << DIGITS);
    places.map(|place| exact_log2(place << (63 - DIGITS))).chain([1 << 32]).collect()
});

/// −log2(x / 2^64) with 32 binary places. A later x has no higher one.
fn minus_log2(x: u64) -> u64 {
    let x = x.max(1);
    // Without its leading digit, which is 1.
    let rest = x << x.leading_zeros() << 1;
    let place = usize::try_from(rest >> (64 - DIGITS)).unwrap_or(0);
    let (below, above) = (LOGARITHMS[place], LOGARITHMS[place + 1]);
    let way = rest << DIGITS >> 32;
    (u64::from(x.leading_zeros() + 1) << 32) - (below + (((above - below) * way) >> 32))
}

/// log2(mantissa / 2^63) of a number with its highest digit set, by squaring: each squaring gives the next digit of the logarithm.
fn exact_log2(mut mantissa: u64) -> u64 {
    let mut digits = 0_u64;
    for _ in 0..32 {
        let square = u128::from(mantissa) * u128::from(mantissa);
        // 1 <= mantissa / 2^63 < 2, so its square is below 4: at most one bit more.
        let carry = u64::try_from(square >> 127).unwrap_or(1);
        mantissa = u64::try_from(square >> (63 + carry)).unwrap_or(u64::MAX);
        digits = digits << 1 | carry;
    }
    digits
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use conversa_engine::ids::SHARDS;

    use super::*;

    fn members(count: usize) -> Vec<Member> {
        (0..count).map(|n| Member { node: format!("n{n}").into(), weight: WEIGHT_ONE }).collect()
    }

    fn shares(members: &[Member]) -> HashMap<&str, usize> {
        let mut shares = HashMap::new();
        for shard in 0..SHARDS {
            let owner = owner(members, shard).expect("somebody owns it");
            *shares.entry(&*owner.node).or_default() += 1;
        }
        shares
    }

    #[test]
    fn the_logarithm_is_right_to_six_digits_and_never_grows() {
        let ends = [1, 2, 3, 1 << 32, u64::MAX / 3, (1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX];
        let between = (1..100_000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut all: Vec<u64> = ends.into_iter().chain(between).collect();
        all.sort_unstable();
        for x in all.iter().copied() {
            #[expect(clippy::cast_precision_loss, reason = "compared to six digits")]
            let (exact, ours) = (64.0 - (x as f64).log2(), minus_log2(x) as f64 / 2_f64.powi(32));
            assert!((exact - ours).abs() < 2e-7, "{x}: {ours}, not {exact}");
        }
        assert!(all.windows(2).all(|pair| minus_log2(pair[0]) >= minus_log2(pair[1])));
        assert!(minus_log2(u64::MAX) > 0);
    }

    #[test]
    fn a_placement_stays_what_it_was() {
        // Nodes of two versions of the program must agree: what changes this breaks clusters that are being upgraded.
        let mut members = members(5);
        members[3].weight = WEIGHT_ONE / 3;
        let placed: Vec<u8> =
            (0..SHARDS).map(|shard| owner(&members, shard).expect("owned").node.as_bytes()[1]).collect();
        assert_eq!(xxh3_64_with_seed(&placed, 0), 6_142_963_552_211_288_197);
    }

    #[test]
    fn shards_are_spread_evenly() {
        let members = members(10);
        let most = shares(&members).into_values().max().expect("ten members");
        assert!(most * 10 <= usize::from(SHARDS) * 12 / 10, "the largest share of ten is {most} of {SHARDS}");
    }

    #[test]
    fn a_leaving_member_moves_only_its_own_shards() {
        let before = members(5);
        let after: Vec<_> = before.iter().filter(|member| &*member.node != "n2").cloned().collect();
        for shard in 0..SHARDS {
            let old = owner(&before, shard).expect("owned");
            if &*old.node != "n2" {
                assert_eq!(owner(&after, shard), Some(old));
            }
        }
    }

    #[test]
    fn a_heavier_member_takes_its_share_and_one_without_weight_nothing() {
        let mut members = members(3);
        members[0].weight = 2 * WEIGHT_ONE;
        members[2].weight = 0;
        let shares = shares(&members);
        assert!(
            (2550..=2910).contains(&shares["n0"]),
            "two thirds of 4096 are 2731, it has {}",
            shares["n0"]
        );
        assert_eq!(shares.get("n2"), None);
        assert_eq!(owner(&[], 7), None);
    }

    #[test]
    fn the_weight_to_win_is_the_least_that_wins() {
        let rival = Member { node: "n0".into(), weight: WEIGHT_ONE };
        for (node, shard) in (0..200).map(|shard| (if shard % 2 == 0 { "m" } else { "z" }, shard)) {
            let Some(weight) = weight_to_win(node, &rival, shard) else { continue };
            let with = |weight| {
                let members = [rival.clone(), Member { node: node.into(), weight }];
                owner(&members, shard).is_some_and(|owner| &*owner.node == node)
            };
            assert!(with(weight) && !with(weight - 1), "shard {shard}: {weight}");
        }
    }
}
