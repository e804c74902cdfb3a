//! High-water marks: the last letter taken in from each sender. A letter at or below its sender's mark is a repeat.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::letter::LetterId;

/// Senders remembered; beyond it the one heard longest ago is forgotten. A repeat of its last letter, which its own stop-and-wait
/// makes possible only while that letter is in flight, would then be judged anew: behaviours name what they do by conversation and offer.
const SENDERS_MAX: usize = 4096;

/// A mark as it is stored; the tenant is the receiver's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMark {
    /// The sender's kind.
    pub kind: String,
    /// The sender's key.
    pub key: String,
    /// Its last letter.
    pub id: LetterId,
}

impl StoredMark {
    /// The mark of a letter.
    pub(crate) fn of(sender: &Address, id: LetterId) -> Self {
        Self { kind: sender.kind.to_owned(), key: sender.key.to_string(), id }
    }
}

/// The marks of one receiver.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    of: HashMap<(Arc<str>, Arc<str>), (LetterId, u64)>,
    heard: u64,
}

impl Marks {
    /// True when the letter was taken in before.
    pub(crate) fn knows(&self, sender: &Address, id: LetterId) -> bool {
        self.of.get(&(Arc::from(sender.kind), Arc::clone(&sender.key))).is_some_and(|(mark, _)| *mark >= id)
    }

    /// Takes in a stored mark.
    pub(crate) fn note(&mut self, mark: &StoredMark) {
        self.raise((mark.kind.as_str().into(), mark.key.as_str().into()), mark.id);
    }

    fn raise(&mut self, sender: (Arc<str>, Arc<str>), id: LetterId) {
        self.heard += 1;
        let heard = self.heard;
        let (mark, last) = self.of.entry(sender).or_default();
        *mark = (*mark).max(id);
        *last = heard;
        if self.of.len() > SENDERS_MAX {
            self.forget_oldest();
        }
    }

    /// Forgets the quarter heard longest ago, so that the search for them is rare.
    fn forget_oldest(&mut self) {
        let mut ages: Vec<u64> = self.of.values().map(|(_, last)| *last).collect();
        ages.sort_unstable();
        let limit = ages[ages.len() / 4];
        self.of.retain(|_, (_, last)| *last > limit);
    }

    /// All marks, in order of sender.
    pub(crate) fn stored(&self) -> Vec<StoredMark> {
        let mut marks: Vec<_> = self
            .of
            .iter()
            .map(|((kind, key), (id, last))| {
                (*last, StoredMark { kind: kind.to_string(), key: key.to_string(), id: *id })
            })
            .collect();
        marks.sort_by_key(|(last, _)| *last);
        marks.into_iter().map(|(_, mark)| mark).collect()
    }
}
