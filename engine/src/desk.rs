//! Who serves whom. The queue is the authority on order, the agent on capacity, the conversation on phase.
//!
//! One offer goes like this: the queue asks the agent for a place (`PlaceAsked`); the agent grants it or not, and is the only one
//! who counts; the queue then offers the conversation, which confirms the place when the agent accepts or releases it when not.

mod agent;
mod hours;
mod policy;
mod queue;
mod rights;
mod teams;
#[cfg(test)]
mod tests;

pub use agent::{Agent, AgentCommand, AgentEvent, Ask, CAPACITY_MAX, DOUBT_MS, LEASE_MS, Place, Presence};
pub use hours::{Calendar, HOLIDAYS_MAX, Hours, OPENINGS_MAX};
pub use policy::{
    AgentPolicy, CODES_MAX, Choice, IdlePolicy, KEEP_MS, LEVEL_MAX, MISSES_MAX, NEVER, OVERFLOW_MAX,
    OverflowPolicy, QueuePolicy, REASONS_MAX, RINGS_MAX, Ring, Skills, SlaPolicy, TimePolicy, WARN_PERCENT,
    WhenClosed, WhenGone, WrapPolicy,
};
pub use queue::{AVOID_MS, PLACES_MAX, PlaceAsk, Queue, QueueCommand, QueueEvent, TAKEN_MS, WAITING_MAX};
pub use rights::{Op, Part, Relation, may};
pub use teams::{DEPARTMENTS_MAX, Department, TEAM_MAX, TEAMS_MAX, Team, Teams};
