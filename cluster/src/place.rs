//! Which node owns which shard: weighted rendezvous hashing, a pure function of the members. A member that leaves moves only its
//! own shards, one that joins takes only its share.
//!
//! Source of the formula: Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005: score = −weight / ln(hash). It is
//! computed in integers: two nodes whose libraries round a logarithm differently would each take themselves for the owner.

use std::cmp::Ordering;
use std::sync::Arc;

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
    able.max_by(|a, b| rank(a, b, shard))
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
fn rank(a: &Member, b: &Member, shard: u16) -> Ordering {
    let of_a = u128::from(a.weight) * u128::from(cost(&b.node, shard));
    let of_b = u128::from(b.weight) * u128::from(cost(&a.node, shard));
    of_a.cmp(&of_b).then_with(|| a.node.cmp(&b.node))
}

/// −log2 of the hash as a fraction of 1, with 32 binary places; above 0.
fn cost(node: &str, shard: u16) -> u64 {
    minus_log2(xxh3_64_with_seed(node.as_bytes(), u64::from(shard)))
}

/// −log2(x / 2^64) with 32 binary places, by squaring: each squaring gives the next digit of the logarithm.
fn minus_log2(x: u64) -> u64 {
    let x = x.max(1);
    let mut mantissa = x << x.leading_zeros();
    let mut digits = 0_u64;
    for _ in 0..32 {
        let square = u128::from(mantissa) * u128::from(mantissa);
        // 1 <= mantissa / 2^63 < 2, so its square is below 4: at most one bit more.
        let carry = u64::try_from(square >> 127).unwrap_or(1);
        mantissa = u64::try_from(square >> (63 + carry)).unwrap_or(u64::MAX);
        digits = digits << 1 | carry;
    }
    (u64::from(x.leading_zeros() + 1) << 32) - digits
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
    fn the_logarithm_is_right_to_the_last_places() {
        for x in [1, 2, 3, 1 << 32, u64::MAX / 3, 1 << 63, u64::MAX - 1, u64::MAX] {
            #[expect(clippy::cast_precision_loss, reason = "compared to nine digits")]
            let (exact, ours) = (64.0 - (x as f64).log2(), minus_log2(x) as f64 / 2_f64.powi(32));
            assert!((exact - ours).abs() < 1e-8, "{x}: {ours}, not {exact}");
        }
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
