//! Which nodes hold sockets of whom: what other nodes have said. It is forgotten with the link to the node, and said again with the next.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::quality::RandomState;
use parking_lot::RwLock;

use super::frame::Ear;

/// Who is where.
#[derive(Debug, Default)]
pub(super) struct Directory {
    nodes: RwLock<HashMap<Ear, Vec<Arc<str>>, RandomState>>,
}

impl Directory {
    /// A node holds sockets of these.
    pub(super) fn here(&self, node: &Arc<str>, ears: Vec<Ear>) {
        let mut nodes = self.nodes.write();
        for ear in ears {
            let there = nodes.entry(ear).or_default();
            if !there.contains(node) {
                there.push(Arc::clone(node));
            }
        }
    }

    /// It does no longer.
    pub(super) fn gone(&self, node: &str, ears: &[Ear]) {
        let mut nodes = self.nodes.write();
        for ear in ears {
            if let Some(there) = nodes.get_mut(ear) {
                there.retain(|other| **other != *node);
                if there.is_empty() {
                    nodes.remove(ear);
                }
            }
        }
    }

    /// The link to a node is down.
    pub(super) fn forget(&self, node: &str) {
        self.nodes.write().retain(|_, there| {
            there.retain(|other| **other != *node);
            !there.is_empty()
        });
    }

    /// The nodes that hold sockets of any of these, each once.
    pub(super) fn of(&self, ears: &[Ear]) -> Vec<Arc<str>> {
        let nodes = self.nodes.read();
        let mut found: Vec<Arc<str>> = Vec::new();
        for node in ears.iter().filter_map(|ear| nodes.get(ear)).flatten() {
            if !found.contains(node) {
                found.push(Arc::clone(node));
            }
        }
        found
    }

    /// Entries, for metrics.
    pub(super) fn len(&self) -> usize {
        self.nodes.read().len()
    }
}
