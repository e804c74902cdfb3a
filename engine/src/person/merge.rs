//! A merge: an edge between two identities, with its reason. It stands or is undone; undone is final for this merge.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::PersonId;
use crate::time::Time;

/// Longest note of an agent, characters.
pub const NOTE_CHARS_MAX: usize = 256;

/// The name of a merge: the same at both of its ends.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MergeId(Arc<str>);

impl MergeId {
    /// The name of an agent's merge; `random` makes it another one than those before.
    #[must_use]
    pub fn word(random: u64) -> Self {
        Self(format!("mg_{random:016x}").into())
    }

    /// The name of a rule's merge of two identities: whoever of the two begins it, it is the same merge.
    #[must_use]
    pub fn rule(name: &str, one: &PersonId, other: &PersonId) -> Self {
        let (least, greatest) = if one <= other { (one, other) } else { (other, one) };
        Self(format!("mr_{name}.{least}.{greatest}").into())
    }

    /// Takes a name as a client gives it.
    #[must_use]
    pub fn given(text: &str) -> Self {
        Self(text.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MergeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why two identities are one customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Both were signed with the same value of an attribute.
    Rule {
        /// Which.
        attribute: String,
    },
    /// Somebody of the company says so.
    Word {
        /// Who.
        by: PersonId,
        /// With which words.
        note: String,
    },
}

/// One end's knowledge of a merge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merge {
    /// Its name.
    pub id: MergeId,
    /// The identity at the other end.
    pub other: PersonId,
    /// Why.
    pub why: Why,
    /// Since when.
    pub at: Time,
    /// Whether it stands.
    pub state: State,
}

/// Whether a merge stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It joins the two.
    #[default]
    Stands,
    /// It does not any more.
    Undone {
        /// Who undid it; nobody when the other end was full.
        by: Option<PersonId>,
        /// When.
        at: Time,
    },
}
