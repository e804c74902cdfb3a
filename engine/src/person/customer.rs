//! A customer: the identities that standing merges connect. Gathered when somebody asks, from one identity after the other.
//!
//! A merge counts when both of its ends know it: while it is on its way nobody sees half of it, whichever end is asked.

use std::collections::{BTreeMap, BTreeSet};

use super::identity::Identity;
use super::merge::{Merge, MergeId};
use crate::ids::PersonId;

/// Identities of one customer that are gathered; beyond it there are `more`.
pub const IDENTITIES_MAX: usize = 32;
const PREFIX: &str = "cu_";

/// The name of the customer that `identity` belongs to: every identity of a customer gives a name of it, the least gives the one
/// that is shown. So a name that somebody noted down stays a name, through every merge and undo.
#[must_use]
pub fn customer_id(identity: &PersonId) -> String {
    format!("{PREFIX}{identity}")
}

/// The identity in the name of a customer.
#[must_use]
pub fn identity_of(customer: &str) -> Option<PersonId> {
    customer.strip_prefix(PREFIX).filter(|identity| crate::ids::is_id(identity)).map(PersonId::new)
}

/// A customer that is being gathered: ask for [`Gathering::next`], give it to [`Gathering::take`], until there is no next.
#[derive(Debug)]
pub struct Gathering {
    found: BTreeMap<PersonId, Identity>,
    /// Read, but connected by nothing that both ends know.
    strangers: BTreeMap<PersonId, Identity>,
    waiting: BTreeSet<PersonId>,
}

/// Who somebody is across channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// Its identities; at least one.
    pub identities: BTreeMap<PersonId, Identity>,
    /// There are more identities than are gathered.
    pub more: bool,
}

impl Gathering {
    /// Begins with one identity.
    #[must_use]
    pub fn new(first: PersonId) -> Self {
        Self { found: BTreeMap::new(), strangers: BTreeMap::new(), waiting: BTreeSet::from([first]) }
    }

    /// The identity that is needed next.
    #[must_use]
    pub fn next(&self) -> Option<PersonId> {
        if self.found.len() >= IDENTITIES_MAX || self.strangers.len() >= IDENTITIES_MAX {
            return None;
        }
        self.waiting.first().cloned()
    }

    /// Takes one in.
    pub fn take(&mut self, id: PersonId, identity: Identity) {
        self.waiting.remove(&id);
        if !self.found.is_empty()
            && !self.found.iter().any(|(other, theirs)| both(&id, &identity, other, theirs))
        {
            self.strangers.insert(id, identity);
            return;
        }
        self.find(id, identity);
    }

    /// The customer.
    #[must_use]
    pub fn done(self) -> Customer {
        Customer { identities: self.found, more: !self.waiting.is_empty() }
    }

    fn find(&mut self, id: PersonId, identity: Identity) {
        let mut coming = vec![(id, identity)];
        while let Some((id, identity)) = coming.pop() {
            // One that was a stranger before may be connected through this one.
            let met: Vec<PersonId> = self
                .strangers
                .iter()
                .filter(|(other, theirs)| both(&id, &identity, other, theirs))
                .map(|(other, _)| other.clone())
                .collect();
            coming.extend(met.into_iter().filter_map(|other| self.strangers.remove_entry(&other)));
            for merge in identity.merges().filter(|merge| merge.stands()) {
                if !self.found.contains_key(&merge.other) && !self.strangers.contains_key(&merge.other) {
                    self.waiting.insert(merge.other.clone());
                }
            }
            for (other, _) in &coming {
                self.waiting.remove(other);
            }
            self.waiting.remove(&id);
            self.found.insert(id, identity);
        }
    }
}

/// True when a merge of the two stands at both ends.
fn both(one: &PersonId, of_one: &Identity, other: &PersonId, of_other: &Identity) -> bool {
    of_one
        .merges()
        .filter(|merge| merge.stands() && merge.other == *other)
        .any(|merge| of_other.standing(&merge.id).is_some_and(|theirs| theirs.other == *one))
}

impl Customer {
    /// The name that is shown.
    ///
    /// # Panics
    /// Never: a customer that was gathered has an identity.
    #[must_use]
    pub fn id(&self) -> String {
        customer_id(self.identities.keys().next().expect("a customer has an identity"))
    }

    /// Its merges, undone ones too, each once with both of its ends: the lesser identity first.
    #[must_use]
    pub fn merges(&self) -> Vec<(&PersonId, &Merge)> {
        let mut merges: BTreeMap<&MergeId, (&PersonId, &Merge)> = BTreeMap::new();
        for (id, identity) in &self.identities {
            for merge in identity.merges() {
                merges.entry(&merge.id).or_insert((id, merge));
            }
        }
        let mut merges: Vec<_> = merges.into_values().collect();
        merges.sort_by(|(_, one), (_, other)| (one.at, &one.id).cmp(&(other.at, &other.id)));
        merges
    }

    /// One end of the merge `id`.
    #[must_use]
    pub fn end_of(&self, id: &MergeId) -> Option<&PersonId> {
        self.merges().into_iter().find(|(_, merge)| merge.id == *id).map(|(end, _)| end)
    }
}
