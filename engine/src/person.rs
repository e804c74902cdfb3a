//! Who somebody is across channels. A visitor is an *identity*; identities that *merges* join are one *customer*.
//!
//! A merge is an edge between two identities, known to both. A customer is never stored: it is what the merges that stand
//! connect, so it depends neither on the order of merges nor on those that were undone.

mod customer;
mod fact;
mod identity;
mod merge;
#[cfg(test)]
mod tests;

pub use customer::{Customer, Gathering, IDENTITIES_MAX, customer_id, identity_of};
pub use fact::{
    ATTRIBUTE_BYTES_MAX, ATTRIBUTES_MAX, Fact, Facts, Known, RULES, RuleKey, Source, keys, normal,
};
pub use identity::{Command, Event, Identity, MERGES_MAX, UNDONE_MAX};
pub use merge::{Merge, MergeId, NOTE_CHARS_MAX, State, Why};
