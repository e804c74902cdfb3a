//! The view: who takes part, and with which share. One value of the register; a change of it is a new view, conditional on the version
//! before. Everything here is a pure function, so that whoever writes the next view writes the same.

use bytes::Bytes;
use conversa_engine::ids::SHARDS;

use super::Life;
use crate::place::{self, Member as Placed, owner, weight_to_win};

/// Members of a cluster.
pub const MEMBERS_MAX: usize = 128;
/// Shards that a planned change moves at most: what moves stands still for a moment.
pub const MOVES_MAX: usize = 64;
/// Bytes of a name, an address or a zone.
pub const NAME_BYTES_MAX: usize = 128;

/// What a member does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// It owns shards by its weight.
    Active,
    /// It owns nothing since this version of the view, and goes once it has adopted that.
    Leaving {
        /// Since which version.
        since: u64,
    },
}

/// One member of a view.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Member {
    /// Who, in which life.
    pub life: Life,
    /// What it does.
    pub standing: Standing,
    /// Its share now, in millionths: it grows and shrinks in steps.
    pub weight: u32,
}

/// Who takes part. Version 0 has nobody: the cluster is not founded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct View {
    /// Grows by one with every change; the epoch of whatever is acquired under it.
    pub version: u64,
    /// By name; a name once.
    pub members: Vec<Member>,
}

/// True for a word that can be written: not empty, printable ASCII without spaces, bounded.
#[must_use]
pub fn is_name(word: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_graphic())
}

impl View {
    /// The member of that name.
    #[must_use]
    pub fn member(&self, node: &str) -> Option<&Member> {
        self.members.iter().find(|member| &*member.life.node == node)
    }

    /// The member that is this very life.
    #[must_use]
    pub fn life(&self, life: &Life) -> Option<&Member> {
        self.members.iter().find(|member| member.life == *life)
    }

    /// Those who own something, as placement sees them.
    #[must_use]
    pub fn placed(&self) -> Vec<Placed> {
        let active = self.members.iter().filter(|member| member.standing == Standing::Active);
        active.map(|member| Placed { node: member.life.node.clone(), weight: member.weight }).collect()
    }

    /// Who owns `shard`.
    #[must_use]
    pub fn owner(&self, shard: u16) -> Option<&Life> {
        let placed = self.placed();
        let node = &owner(&placed, shard)?.node;
        self.member(node).map(|member| &member.life)
    }

    fn next(&self, members: Vec<Member>) -> Self {
        Self { version: self.version + 1, members }
    }

    /// The view with `life` in it, which takes the place of an earlier life of its name, and of its share. Whoever asks has made
    /// sure that the earlier life is over. None if it or a later one is there, or there is no room.
    #[must_use]
    pub fn with(&self, life: &Life) -> Option<Self> {
        if self.member(&life.node).is_some_and(|member| member.life.generation >= life.generation) {
            return None;
        }
        let mut members = self.members.clone();
        let before = members.iter().position(|member| member.life.node == life.node);
        let weight = before.map_or(0, |place| members.remove(place).weight);
        if members.len() >= MEMBERS_MAX {
            return None;
        }
        members.push(Member { life: life.clone(), standing: Standing::Active, weight });
        members.sort();
        Some(self.next(members))
    }

    /// The view without a life that is over. None if it is not there.
    #[must_use]
    pub fn without(&self, life: &Life) -> Option<Self> {
        self.life(life)?;
        let rest = self.members.iter().filter(|member| member.life != *life).cloned().collect();
        Some(self.next(rest))
    }

    /// True for a leaver that has adopted the view in which it owns nothing: it may be taken out.
    #[must_use]
    pub fn is_empty_leaver(&self, life: &Life, adopted: u64) -> bool {
        self.life(life).is_some_and(|member| match member.standing {
            Standing::Active => false,
            Standing::Leaving { since } => adopted >= since,
        })
    }

    /// The view in which the share of `life` is a step nearer to `want`, so that at most [`MOVES_MAX`] shards move; 0 is the share
    /// of whoever leaves. None when nothing is left to do.
    #[must_use]
    pub fn nearer(&self, life: &Life, want: u32) -> Option<Self> {
        let member = self.life(life)?;
        if matches!(member.standing, Standing::Leaving { .. }) || (member.weight == want && want != 0) {
            return None;
        }
        let rivals: Vec<Placed> = self
            .placed()
            .into_iter()
            .filter(|placed| placed.node != life.node && placed.weight > 0)
            .collect();
        let weight = step(&life.node, member.weight, want, &rivals);
        if weight == member.weight && weight != 0 {
            return None;
        }
        self.weighed(life, weight)
    }

    /// The view in which `life` has this share; without one it leaves. None if it leaves already, or is not there.
    #[must_use]
    pub fn weighed(&self, life: &Life, weight: u32) -> Option<Self> {
        if matches!(self.life(life)?.standing, Standing::Leaving { .. }) {
            return None;
        }
        let standing = match weight {
            0 => Standing::Leaving { since: self.version + 1 },
            _ => Standing::Active,
        };
        let mut members = self.members.clone();
        for member in members.iter_mut().filter(|member| member.life == *life) {
            (member.weight, member.standing) = (weight, standing);
        }
        Some(self.next(members))
    }

    /// As it is written: a member a line.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        let mut text = String::from("1");
        for Member { life, standing, weight } in &self.members {
            let leaving = match standing {
                Standing::Active => 0,
                Standing::Leaving { since } => *since,
            };
            text.push_str(&format!("\n{} {} {leaving} {weight}", life.node, life.generation));
        }
        text.into()
    }

    /// Reads what [`View::bytes`] wrote; its version is the register's.
    #[must_use]
    pub fn parse(version: u64, value: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(value).ok()?.lines();
        if lines.next()? != "1" {
            return None;
        }
        let members: Option<Vec<Member>> = lines.map(parse_member).collect();
        Some(Self { version, members: members? })
    }
}

fn parse_member(line: &str) -> Option<Member> {
    let mut words = line.split(' ');
    let node = words.next()?.into();
    let life = Life { node, generation: words.next()?.parse().ok()? };
    let standing = match words.next()?.parse().ok()? {
        0 => Standing::Active,
        since => Standing::Leaving { since },
    };
    Some(Member { life, standing, weight: words.next()?.parse().ok()? })
}

/// The weight nearest to `want` with which at most [`MOVES_MAX`] shards change hands between `node` and its rivals.
fn step(node: &str, have: u32, want: u32, rivals: &[Placed]) -> u32 {
    if rivals.is_empty() {
        return want;
    }
    // The weights at which a shard changes hands, nearest to what it has first.
    let mut changes: Vec<u32> = (0..SHARDS)
        .filter_map(|shard| weight_to_win(node, owner(rivals, shard)?, shard))
        .filter(|least| {
            if want > have { (have + 1..=want).contains(least) } else { (want + 1..=have).contains(least) }
        })
        .collect();
    if changes.len() <= MOVES_MAX {
        return want;
    }
    if want > have {
        changes.sort_unstable();
        // One below the first that is too much; if all that many change at once, they must.
        (changes[MOVES_MAX] - 1).max(changes[0])
    } else {
        changes.sort_unstable_by(|a, b| b.cmp(a));
        changes[MOVES_MAX].min(changes[0] - 1)
    }
}

/// The others whom `life` watches: three, chosen by rendezvous, so that everybody is watched by three on average and by one at least.
#[must_use]
pub fn watched<'a>(view: &'a View, life: &Life) -> Vec<&'a Life> {
    const WATCHERS: usize = 3;
    let chosen = |of: &Life| {
        let mut others: Vec<&Life> =
            view.members.iter().map(|member| &member.life).filter(|other| other.node != of.node).collect();
        others.sort_by_key(|other| place::affinity(&of.node, &other.node));
        others.truncate(WATCHERS);
        others
    };
    let members = view.members.iter().map(|member| &member.life);
    members.filter(|of| of.node != life.node && chosen(of).contains(&life)).collect()
}
