//! How a queue and its agents are run: what the company sets. The desk's decisions get it as an argument and write what they used of it
//! into their events, so that a replay under other settings gives the same state.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::hours::Hours;
use crate::conversation::{OFFER_MS, Survey};
use crate::ids::{QueueId, SkillId};
use crate::time::Time;

/// What somebody can do or needs, with the proficiency, 1 to [`LEVEL_MAX`].
pub type Skills = BTreeMap<SkillId, u8>;

/// The highest proficiency.
pub const LEVEL_MAX: u8 = 10;
/// Rings of one queue.
pub const RINGS_MAX: usize = 8;

/// Who of several free agents is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Who has had nothing new for the longest time.
    #[default]
    LongestIdle,
    /// Who has the fewest points taken.
    LeastLoaded,
    /// One after the other.
    RoundRobin,
}

/// After this wait less proficiency will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// Since the conversation waits, milliseconds.
    pub after_ms: i64,
    /// Every needed level is so much lower than at first; a skill of which nothing is left is not needed.
    pub relax: u8,
}

impl Ring {
    /// What is still needed.
    #[must_use]
    pub fn relaxed(&self, needs: &Skills) -> Skills {
        let left = |level: &u8| level.checked_sub(self.relax).filter(|left| *left > 0);
        needs.iter().filter_map(|(skill, level)| Some((skill.clone(), left(level)?))).collect()
    }
}

/// What happens after the end of a conversation that came through a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrapPolicy {
    /// How long the agent may keep the place to say how it ended, milliseconds; 0: not at all.
    pub wrap_ms: i64,
    /// The words for it, at most [`CODES_MAX`]; without any the agent uses its own.
    pub codes: Vec<String>,
}

/// Words for how a conversation ended.
pub const CODES_MAX: usize = 64;

/// What becomes of a conversation that is to wait in a queue while it is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WhenClosed {
    /// It waits; whoever is there all the same may take it.
    #[default]
    Wait,
    /// It is kept as a message: offered to nobody before the queue opens.
    Message,
    /// It goes to another queue.
    Queue(QueueId),
}

/// In which business time what should be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlaPolicy {
    /// The first answer of a human, milliseconds.
    pub first_response_ms: Option<i64>,
    /// Every later one.
    pub next_response_ms: Option<i64>,
    /// The end.
    pub resolution_ms: Option<i64>,
    /// After this part of a goal's time a warning is given, percent.
    pub warn_percent: u8,
}

/// After this part of a goal's time a warning is given unless the company says otherwise, percent.
pub const WARN_PERCENT: u8 = 80;

impl Default for SlaPolicy {
    fn default() -> Self {
        let (first_response_ms, next_response_ms, resolution_ms) = (None, None, None);
        Self { first_response_ms, next_response_ms, resolution_ms, warn_percent: WARN_PERCENT }
    }
}

/// How much silence is borne in a conversation that an agent holds, milliseconds; for ever where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdlePolicy {
    /// The visitor's, until it is reminded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visitor_warn_ms: Option<i64>,
    /// The visitor's, until the conversation ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visitor_close_ms: Option<i64>,
    /// The agent's, until it is reminded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_warn_ms: Option<i64>,
    /// The agent's, until the conversation goes back to its queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_requeue_ms: Option<i64>,
}

/// A time that does not come.
pub const NEVER: Time = Time::from_ms(i64::MAX);

/// When a queue is open, and what goes by its clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimePolicy {
    /// Without any it is always open.
    pub hours: Option<Arc<Hours>>,
    /// What becomes of conversations meanwhile.
    pub when_closed: WhenClosed,
    /// Its goals of service.
    pub sla: SlaPolicy,
    /// How much silence is borne.
    pub idle: IdlePolicy,
}

impl TimePolicy {
    /// When it opens next; `None` when it is open at `at`, or will not be within ten years.
    #[must_use]
    pub fn closed_until(&self, at: Time) -> Option<Time> {
        self.hours.as_ref()?.opens(at).filter(|opens| *opens > at)
    }

    /// The instant at which `ms` of business time have passed since `from`; all time is where there are no hours.
    #[must_use]
    pub fn after(&self, from: Time, ms: i64) -> Time {
        let always = from.after_ms(ms);
        self.hours.as_ref().map_or(always, |hours| hours.after(from, ms).unwrap_or(NEVER))
    }

    /// Business time between two instants, milliseconds; 0 when `to` is not later.
    #[must_use]
    pub fn ms_between(&self, from: Time, to: Time) -> i64 {
        let always = to.ms_since(from).max(0);
        self.hours.as_ref().map_or(always, |hours| hours.ms_between(from, to))
    }
}

/// When conversations go to another queue, and to which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OverflowPolicy {
    /// Those that have waited so long here, milliseconds.
    pub after_ms: Option<i64>,
    /// Those that come when so many wait already.
    pub longer_than: Option<usize>,
    /// The queues that are asked, in this order; at most [`OVERFLOW_MAX`].
    pub to: Vec<QueueId>,
}

/// Queues that help one.
pub const OVERFLOW_MAX: usize = 8;

/// How one queue works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuePolicy {
    /// How long an offer stands, milliseconds.
    pub offer_ms: i64,
    /// Who is asked.
    pub choice: Choice,
    /// Offers are taken without asking the agent.
    pub auto_accept: bool,
    /// How needs relax, by growing wait; at most [`RINGS_MAX`].
    pub rings: Vec<Ring>,
    /// What happens after the end.
    pub wrap: WrapPolicy,
    /// When it is open.
    pub time: TimePolicy,
    /// What visitors are asked after the end.
    pub survey: Option<Survey>,
    /// When others help.
    pub overflow: OverflowPolicy,
}

impl Default for QueuePolicy {
    fn default() -> Self {
        Self {
            offer_ms: OFFER_MS,
            choice: Choice::default(),
            auto_accept: false,
            rings: Vec::new(),
            wrap: WrapPolicy::default(),
            time: TimePolicy::default(),
            survey: Some(Survey::default()),
            overflow: OverflowPolicy::default(),
        }
    }
}

/// What becomes of an agent's conversations when the agent is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenGone {
    /// They wait again at once, before others.
    #[default]
    Requeue,
    /// They stay for [`AgentPolicy::keep_ms`], in case the agent comes back; then they wait again.
    Keep,
}

/// How one agent works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPolicy {
    /// Points at once, unless the agent says otherwise.
    pub capacity: u16,
    /// The queues that the agent serves.
    pub serves: Vec<QueueId>,
    /// Offers that run out in a row before the agent is set away; 0 never does.
    pub misses_max: u8,
    /// What becomes of conversations when the agent is gone.
    pub when_gone: WhenGone,
    /// How long they are kept, milliseconds.
    pub keep_ms: i64,
    /// What an agent may say for being away; without any it may say anything.
    pub reasons: Vec<String>,
    /// An agent is away only when a supervisor says yes.
    pub away_asks: bool,
}

/// Reasons for being away.
pub const REASONS_MAX: usize = 32;

/// Offers in a row that an agent may let run out.
pub const MISSES_MAX: u8 = 3;
/// How long the conversations of an agent who is gone are kept where they are kept, milliseconds.
pub const KEEP_MS: i64 = 300_000;

impl Default for AgentPolicy {
    fn default() -> Self {
        Self {
            capacity: 5,
            serves: Vec::new(),
            misses_max: MISSES_MAX,
            when_gone: WhenGone::default(),
            keep_ms: KEEP_MS,
            reasons: Vec::new(),
            away_asks: false,
        }
    }
}
