//! The end of a run of several nodes: what the shared store holds, and what was acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;

use conversa_actors::cell::core::WAKES;
use conversa_actors::cell::envelope::unseal;
use conversa_actors::letter::decode;
use conversa_actors::port::memory::Memory;
use conversa_actors::port::{Append, Row};
use conversa_cluster::member::view::MOVES_MAX;
use conversa_engine::ids::SHARDS;
use conversa_engine::time::Time;
use xxhash_rust::xxh3::xxh3_64;

use super::NODES;
use super::porch::name;
use crate::history::{Mark, Owners};
use crate::sim::World;

/// A row that is due for so long should have been read, milliseconds.
const UNREAD_MS: i64 = 60_000;

impl World {
    /// What the shared store holds becomes the store of the end; gives what only a history of several nodes has.
    pub(super) fn gather(&mut self) -> Owners {
        let mut owners = Owners {
            commits: std::mem::take(&mut self.all().commits),
            wrong: std::mem::take(&mut self.all().wrong),
            ..Owners::default()
        };
        let memory = Memory::default();
        let now = self.now;
        for address in self.all().shared.addresses() {
            let entries = self.all().shared.events(&address, 0, usize::MAX);
            let (mut kept, mut marks) = (BTreeMap::new(), Vec::new());
            for entry in &entries {
                kept.insert(entry.seq, xxh3_64(&entry.body));
                let envelope = unseal::<serde_json::Value>(&entry.body);
                let mark = envelope.ok().and_then(|envelope| envelope.mark);
                marks.extend(mark.map(|mark| Mark {
                    from: format!("{}/{}", mark.kind, mark.key),
                    letter: (mark.id.seq, mark.id.index),
                    seq: entry.seq,
                }));
                // Behind a hole nothing is read.
                let bodies = [entry.body.clone()].into();
                let append = Append { address: address.clone(), epoch: 1, first: entry.seq, bodies };
                let _ = memory.append_now(&append);
            }
            owners.kept.insert(address.to_string(), kept);
            owners.marks.insert(address.to_string(), marks);
        }
        for (key, stamp, value) in self.all().shared.rows() {
            if key.table == WAKES
                && let Ok(Some(due)) = decode::<Option<Time>>(value)
                && due.after_ms(UNREAD_MS) < now
            {
                owners
                    .wrong
                    .push(format!("the wake row of {} was due at {due:?}, and nobody has read it", key.key));
            }
            memory.put_now(vec![Row { key: key.clone(), stamp, value: Some(value.clone()) }]);
        }
        self.store = Arc::new(memory);
        let (served, view) = (self.served(), self.latest_view());
        // While a share is not yet what its node wants, those shards that the last step moved may be on their way.
        let wanted: BTreeMap<String, u32> =
            (0..NODES).map(|n| (name(n).to_string(), self.all().weights[n])).collect();
        let members = view.iter().flat_map(|view| &view.members);
        let grows = members.clone().count() < NODES
            || members.clone().any(|member| wanted.get(&*member.life.node) != Some(&member.weight));
        let moving = if grows { MOVES_MAX } else { 0 };
        if served + moving < usize::from(SHARDS) {
            owners.wrong.push(format!("{served} of {SHARDS} shards are served at the end, under {view:?}"));
        }
        owners
    }
}
