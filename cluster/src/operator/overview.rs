//! How a cluster stands at one moment, and what has changed between two of them.

use std::collections::HashMap;
use std::sync::Arc;

use conversa_engine::ids::SHARDS;

use crate::member::Life;
use crate::member::asked::Asked;
use crate::member::ownership::{Adoption, Known, adoption};
use crate::member::row::Row;
use crate::member::view::{Member, Standing, View};
use crate::place::owner;

/// A row that has not changed for so long is told of: its node has missed a beat.
const MISSED_MS: u64 = 1_750;

/// How old a beat is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Since it was seen, or since the row was seen first.
    pub age_ms: u64,
    /// False when the row has not been seen to change: then it is at least so old.
    pub seen: bool,
}

/// A member as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who, in which life.
    pub life: Life,
    /// What the view says of it.
    pub standing: Standing,
    /// Its share in the view, in millionths.
    pub weight: u32,
    /// The shards that the view places there.
    pub shards: usize,
    /// Its row, unless it is of a later program.
    pub row: Option<Row>,
    /// Its beat.
    pub beat: Beat,
    /// It was asked to leave.
    pub asked: bool,
    /// Its adoption of the view is missing: what the view moves waits for it.
    pub missing: bool,
}

impl Seen {
    pub(super) fn new(member: &Member, row: Option<Row>, beat: Beat, asked: Option<Asked>) -> Self {
        Self {
            life: member.life.clone(),
            standing: member.standing,
            weight: member.weight,
            shards: 0,
            row,
            beat,
            asked: asked.is_some_and(|asked| asked.leave == member.life.generation),
            missing: false,
        }
    }

    /// True when its row says that it can do nothing more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.ends(&self.life))
    }

    /// True when it has missed a beat, as far as was seen.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        !self.is_over() && self.beat.age_ms >= MISSED_MS
    }
}

/// How a cluster stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// When it was looked at, since looking began.
    pub at_ms: u64,
    /// The version of the view.
    pub version: u64,
    /// By name.
    pub members: Vec<Seen>,
}

impl Overview {
    pub(super) fn new(at_ms: u64, view: &View, mut members: Vec<Seen>) -> Self {
        let placed = view.placed();
        let mut shares: HashMap<&Arc<str>, usize> = HashMap::new();
        for member in (0..SHARDS).filter_map(|shard| owner(&placed, shard)) {
            *shares.entry(&member.node).or_default() += 1;
        }
        for seen in &mut members {
            seen.shards = shares.get(&seen.life.node).copied().unwrap_or(0);
            seen.missing = adoption(&seen.life, Known { row: seen.row.as_ref(), told: 0 }, view.version)
                != Adoption::Done;
        }
        Self { at_ms, version: view.version, members }
    }

    /// True when everybody has adopted the view, so that everything that it places is served.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.members.iter().all(|seen| !seen.missing)
    }

    /// The member of that name.
    #[must_use]
    pub fn member(&self, node: &str) -> Option<&Seen> {
        self.members.iter().find(|seen| &*seen.life.node == node)
    }
}

/// What has changed, for people, a line each; beats that come as they should are not told.
#[must_use]
pub fn changes(before: &Overview, now: &Overview) -> Vec<String> {
    let mut lines = Vec::new();
    if before.version != now.version {
        lines.push(format!("view {} -> {}", before.version, now.version));
    }
    for was in &before.members {
        if now.member(&was.life.node).is_none() {
            lines.push(format!("{} is no member any more", was.life.node));
        }
    }
    for is in &now.members {
        let node = &is.life.node;
        match before.member(node) {
            None => lines.push(format!("{node} (generation {}) is a member", is.life.generation)),
            Some(was) if was.life != is.life => lines.push(format!(
                "{node} has started again: generation {} -> {}",
                was.life.generation, is.life.generation
            )),
            Some(was) => member_changes(was, is, &mut lines),
        }
    }
    match (before.is_settled(), now.is_settled()) {
        (false, true) => lines.push(format!("everybody has adopted view {}", now.version)),
        (true, false) if before.version == now.version => lines.push("an adoption is missing".to_owned()),
        (true, _) | (false, false) => {}
    }
    lines
}

fn member_changes(was: &Seen, is: &Seen, lines: &mut Vec<String>) {
    let node = &is.life.node;
    if was.shards != is.shards {
        lines.push(format!("{node}: {} -> {} shards", was.shards, is.shards));
    }
    if !was.asked && is.asked {
        lines.push(format!("{node} is asked to leave"));
    }
    if was.standing == Standing::Active && is.standing != Standing::Active {
        lines.push(format!("{node} leaves: it owns nothing any more"));
    }
    if !was.is_over() && is.is_over() {
        lines.push(format!("{node} (generation {}) is over", is.life.generation));
    }
    match (was.is_silent(), is.is_silent()) {
        (false, true) => lines.push(format!("{node} does not renew its row: at 3 s the others take it out")),
        (true, false) if !is.is_over() => lines.push(format!("{node} renews its row again")),
        (true, _) | (false, false) => {}
    }
}
