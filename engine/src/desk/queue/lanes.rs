//! Conversations without an offer in flight, by what they need: whoever is free looks at the heads of the lanes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::conversation::Wait;
use crate::desk::policy::Skills;
use crate::ids::ConversationId;
use crate::time::Time;

/// Different needs that are told apart in one queue. A conversation that would need one lane more waits where no skill is needed: it
/// is served by whoever is free, rather than not at all.
pub(super) const LANES_MAX: usize = 256;
/// Conversations without a goal of their own are due after this wait, milliseconds: so they are not overtaken for ever.
const GOAL_MS: i64 = 300_000;

/// (255 − priority, due, since, conversation): the smallest goes first.
pub(super) type Rank = (u8, Time, Time, ConversationId);

pub(super) fn rank(conversation: ConversationId, wait: &Wait) -> Rank {
    let due = wait.due.unwrap_or(wait.since.after_ms(GOAL_MS));
    (u8::MAX - wait.priority, due, wait.since, conversation)
}

/// What all in a lane need.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Needs {
    pub(super) weight: u16,
    pub(super) skills: Skills,
}

/// The lanes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lanes {
    lanes: BTreeMap<Needs, BTreeSet<Rank>>,
    /// Where each is: it may be elsewhere than its needs say when there were too many lanes.
    places: BTreeMap<ConversationId, (Needs, Rank)>,
}

impl Lanes {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn put(&mut self, conversation: ConversationId, wait: &Wait, skills: &Skills) {
        self.take(conversation);
        let mut needs = Needs { weight: wait.weight, skills: skills.clone() };
        if !self.lanes.contains_key(&needs) && self.lanes.len() >= LANES_MAX {
            needs.skills.clear();
        }
        let rank = rank(conversation, wait);
        self.lanes.entry(needs.clone()).or_default().insert(rank);
        self.places.insert(conversation, (needs, rank));
    }

    pub(super) fn take(&mut self, conversation: ConversationId) {
        let Some((needs, rank)) = self.places.remove(&conversation) else { return };
        if let Some(lane) = self.lanes.get_mut(&needs) {
            lane.remove(&rank);
            if lane.is_empty() {
                self.lanes.remove(&needs);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Needs, &BTreeSet<Rank>)> {
        self.lanes.iter()
    }
}
