//! Sockets are anywhere, conversations are anywhere: owners are told which nodes hold sockets of whom. A visitor's actors share one
//! shard, so its owner is told; everybody else is known to all nodes.

use std::sync::Arc;

use conversa_engine::ids::{ConversationId, SHARDS, shard_of};

use super::Far;
use super::frame::{Ear, Frame};
use crate::behaviours::is_visitor;
use crate::lobby::Lobby;

/// Ears in one frame.
const TOGETHER_MAX: usize = 256;

impl Ear {
    /// The shard whose owner must know; `None` when all nodes must.
    fn shard(&self) -> Option<u16> {
        match self {
            Self::Person(tenant, person) => is_visitor(person).then(|| shard_of(tenant, person.as_str())),
            Self::Watchers(_) | Self::Connected(..) => None,
            Self::Follower(tenant, key) => Some(match key.parse::<ConversationId>() {
                Ok(conversation) => conversation.shard(),
                Err(_) => shard_of(tenant, key),
            }),
        }
    }
}

impl Far {
    /// The first socket of these has come to this node.
    pub(crate) fn here(&self, ear: Ear) {
        self.tell(&ear, Frame::Here);
    }

    /// The last has gone.
    pub(crate) fn gone(&self, ear: Ear) {
        self.tell(&ear, Frame::Gone);
    }

    fn tell(&self, ear: &Ear, frame: impl Fn(Vec<Ear>) -> Frame) {
        let nodes = match ear.shard() {
            Some(shard) => self.mesh.owner(shard).into_iter().filter(|node| node != self.mesh.me()).collect(),
            None => self.mesh.linked(),
        };
        if !nodes.is_empty() {
            let frame = frame(vec![ear.clone()]);
            // Whoever has no link hears it when there is one.
            self.send_all(&nodes, &frame);
        }
    }

    fn tell_many(&self, node: &str, ears: &[Ear], frame: impl Fn(Vec<Ear>) -> Frame) {
        for together in ears.chunks(TOGETHER_MAX) {
            let _ = self.send(node, &frame(together.to_vec()));
        }
    }

    /// Tells a node that has a link again which sockets are here. What they have missed meanwhile is looked for: conversations that are
    /// served there are read on, and people who serve look up what they have.
    pub(super) fn introduce(&self, lobby: &Lobby, node: &Arc<str>) {
        let owns = |shard| self.mesh().owner(shard).is_some_and(|owner| owner == *node);
        let concerns = |ear: &Ear| ear.shard().is_none_or(owns);
        let ears: Vec<_> = lobby.ears().into_iter().filter(concerns).collect();
        self.tell_many(node, &ears, Frame::Here);
        lobby.read_on(owns);
        lobby.look_up();
    }

    /// Shards may have other owners now: these are told of the sockets here, and what their conversations have said meanwhile is read.
    pub(super) fn follow_shards(&self, lobby: &Lobby) {
        let mut owners = self.owners.lock();
        let mut moved = vec![false; usize::from(SHARDS)];
        let mut lost: Vec<Arc<str>> = Vec::new();
        for (shard, known) in (0..SHARDS).zip(owners.iter_mut()) {
            let now = self.mesh().owner(shard);
            if now != *known {
                moved[usize::from(shard)] = true;
                if let Some(before) = std::mem::replace(known, now)
                    && !lost.contains(&before)
                {
                    lost.push(before);
                }
            }
        }
        if !moved.contains(&true) {
            return;
        }
        let has_moved = |shard: u16| moved.get(usize::from(shard)).copied().unwrap_or_default();
        let ears: Vec<_> =
            lobby.ears().into_iter().filter(|ear| ear.shard().is_some_and(has_moved)).collect();
        for node in self.mesh().linked() {
            let new = |ear: &Ear| {
                ear.shard()
                    .and_then(|shard| owners[usize::from(shard)].as_ref())
                    .is_some_and(|owner| *owner == node)
            };
            let mine: Vec<_> = ears.iter().filter(|ear| new(ear)).cloned().collect();
            self.tell_many(&node, &mine, Frame::Here);
            if lost.contains(&node) {
                let others: Vec<_> = ears.iter().filter(|ear| !new(ear)).cloned().collect();
                self.tell_many(&node, &others, Frame::Gone);
            }
        }
        lobby.read_on(has_moved);
    }
}
