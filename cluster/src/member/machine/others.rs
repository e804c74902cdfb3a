//! The other members: whose rows are looked at, what they say, and who is revoked.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Effect, Key, Machine};
use crate::member::ownership::{Adoption, Known, Ownership, adoption, is_adopted};
use crate::member::row::Row;
use crate::member::sight::Sight;
use crate::member::told::Told;
use crate::member::view::Member;
use crate::member::{Life, Moment};
use crate::register::Held;

/// What is known of another member.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    sight: Sight,
    pub(super) row: Option<Row>,
    /// It had not changed when it was looked at last.
    still: bool,
}

impl Machine {
    pub(super) fn peer(&mut self, now: Moment, node: Arc<str>, held: Option<Held>) {
        let Some(held) = held else { return };
        let row = Row::parse(&held.value);
        self.behind |= row.as_ref().is_some_and(|row| row.adopted > self.view.version);
        let (sight, still) = match self.peers.remove(&node) {
            Some(Peer { mut sight, .. }) => {
                let still = sight.version == held.version;
                sight.look(held.version, now, &self.timing);
                (sight, still)
            }
            None => (Sight::first(held.version, now), false),
        };
        self.peers.insert(node, Peer { sight, row, still });
    }

    /// Looks at those it watches, and at everybody while something depends on them.
    pub(super) fn look(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let Some(life) = self.own.life() else { return };
        if now.boot_ms < self.look_due_ms || self.view.members.is_empty() {
            return;
        }
        self.look_due_ms = now.boot_ms + self.timing.look_ms;
        let round = now.boot_ms >= self.round_due_ms;
        if round {
            self.round_due_ms = now.boot_ms + self.timing.round_ms;
        }
        let moves = |member: &Member| self.leaving || member.weight != self.wants();
        let moving = self.view.life(&life).is_some_and(moves);
        let all = round || moving || self.owned.as_ref().is_some_and(Ownership::awaits);
        let others = self.view.members.iter().map(|member| &member.life.node);
        let keys: Vec<Key> = others
            .filter(|of| **of != life.node && (all || self.watched.contains(*of) || self.stands_still(of)))
            .map(|of| Key::Row(Arc::clone(of)))
            .collect();
        for key in keys {
            self.request(Some(Effect::Read(key)), effects);
        }
    }

    /// A row that had not changed is looked at until it has, or is over: those who watch it may be dead themselves.
    fn stands_still(&self, node: &str) -> bool {
        self.peers.get(node).is_some_and(|peer| peer.still && peer.row.as_ref().is_some_and(|row| row.alive))
    }

    pub(super) fn revoke(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let over = |peer: &Peer| {
            peer.row.as_ref().is_some_and(|row| row.alive) && peer.sight.is_over(now, &self.timing)
        };
        let found = self.peers.iter().filter(|(_, peer)| over(peer)).filter_map(|(node, peer)| {
            Some(Effect::Change {
                key: Key::Row(Arc::clone(node)),
                expected: peer.sight.version,
                value: peer.row.as_ref()?.revoked().bytes(),
            })
        });
        for effect in found.collect::<Vec<_>>() {
            self.request(Some(effect), effects);
        }
    }

    /// The row of a member, this node's own among them.
    pub(super) fn row(&self, life: &Life) -> Option<&Row> {
        if life.node == self.own.me.node {
            self.own.row()
        } else {
            self.peers.get(&life.node).and_then(|peer| peer.row.as_ref())
        }
    }

    /// What is told of somebody who is no member here counts only for the view: who that is will be seen there.
    pub(super) fn hear(&mut self, from: &Life, told: Told) {
        self.behind |= told.view > self.view.version;
        if self.view.life(from).is_none() || from.node == self.own.me.node {
            return;
        }
        let known = self.told.entry(Arc::clone(&from.node)).or_default();
        let earlier = if known.0 == from.generation { known.1 } else { Told::default() };
        *known = (from.generation, earlier.and(told));
    }

    /// What this node tells of itself.
    #[must_use]
    pub fn tells(&self) -> Told {
        let view = self.view.version;
        let Some(owned) = self.owned.as_ref().filter(|_| self.over.is_none()) else {
            return Told { view, ..Told::default() };
        };
        let adopted = owned.adopted().unwrap_or_default();
        Told { view, adopted, served: if owned.awaits() { 0 } else { adopted } }
    }

    /// What a life has told, this node's own among them.
    fn told(&self, life: &Life) -> Told {
        if life.node == self.own.me.node {
            return self.tells();
        }
        let told = self.told.get(&life.node).filter(|(generation, _)| *generation == life.generation);
        told.map_or_else(Told::default, |(_, told)| *told)
    }

    fn known(&self, life: &Life) -> Known<'_> {
        Known { row: self.row(life), told: self.told(life).adopted }
    }

    /// True when everybody has adopted the view that is known.
    pub(super) fn is_settled(&self) -> bool {
        !self.behind && is_adopted(&self.view, |life| self.known(life))
    }

    /// True when the rows say that everybody has.
    pub(super) fn is_written(&self) -> bool {
        !self.behind && is_adopted(&self.view, |life| Known { row: self.row(life), told: 0 })
    }

    /// True when everybody has said that it serves what the view places on it, or is over.
    pub(super) fn all_serve(&self) -> bool {
        let mut lives = self.view.members.iter().map(|member| &member.life);
        lives.all(|life| {
            self.told(life).served >= self.view.version || self.row(life).is_some_and(|row| row.ends(life))
        })
    }

    /// Where the links of the members of the view are, as far as that is known.
    #[must_use]
    pub fn addresses(&self) -> BTreeMap<Life, String> {
        let lives = self.view.members.iter().map(|member| &member.life);
        let known = lives.filter_map(|life| {
            let row = self.row(life).filter(|row| row.generation == life.generation && row.alive)?;
            Some((life.clone(), row.addr.clone()))
        });
        known.collect()
    }

    /// Members whose adoption of the view is missing, for people who wonder why nothing moves.
    #[must_use]
    pub fn missing(&self) -> Vec<Life> {
        let lives = self.view.members.iter().map(|member| &member.life);
        lives
            .filter(|life| adoption(life, self.known(life), self.view.version) != Adoption::Done)
            .cloned()
            .collect()
    }
}
