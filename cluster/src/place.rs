//! Which node owns which shard: weighted rendezvous hashing, a pure function of the members. A member that leaves moves only its
//! own shards, one that joins takes only its share.
//!
//! Source of the formula: Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005: score = −weight / ln(hash).

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A member of the cluster as placement sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its name, unique in the cluster.
    pub node: String,
    /// Its share relative to others; not above 0 means that it owns nothing.
    pub weight: f64,
}

/// The owner of `shard` among `members`; `None` when nobody can own anything.
#[must_use]
pub fn owner(members: &[Member], shard: u16) -> Option<&Member> {
    let able = members.iter().filter(|member| member.weight > 0.0);
    able.max_by(|a, b| score(a, shard).total_cmp(&score(b, shard)).then_with(|| a.node.cmp(&b.node)))
}

fn score(member: &Member, shard: u16) -> f64 {
    let hash = xxh3_64_with_seed(member.node.as_bytes(), u64::from(shard));
    // 53 bits, so that the fraction is exact; plus a half, so that it is never 0 or 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double's mantissa")]
    let fraction = ((hash >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    -member.weight / fraction.ln()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use conversa_engine::ids::SHARDS;

    use super::*;

    fn members(count: usize) -> Vec<Member> {
        (0..count).map(|n| Member { node: format!("n{n}"), weight: 1.0 }).collect()
    }

    fn shares(members: &[Member]) -> HashMap<&str, usize> {
        let mut shares = HashMap::new();
        for shard in 0..SHARDS {
            let owner = owner(members, shard).expect("somebody owns it");
            *shares.entry(owner.node.as_str()).or_default() += 1;
        }
        shares
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
        let after: Vec<_> = before.iter().filter(|member| member.node != "n2").cloned().collect();
        for shard in 0..SHARDS {
            let old = owner(&before, shard).expect("owned");
            if old.node != "n2" {
                assert_eq!(owner(&after, shard), Some(old));
            }
        }
    }

    #[test]
    fn a_heavier_member_takes_its_share_and_one_without_weight_nothing() {
        let mut members = members(3);
        members[0].weight = 2.0;
        members[2].weight = 0.0;
        let shares = shares(&members);
        assert!(
            (2550..=2910).contains(&shares["n0"]),
            "two thirds of 4096 are 2731, it has {}",
            shares["n0"]
        );
        assert_eq!(shares.get("n2"), None);
        assert_eq!(owner(&[], 7), None);
    }
}
