//! The desk as a whole: a queue, its agents and conversations, whose letters come in any order that keeps each pair's own.

mod chance;
mod histories;
mod misses;
mod order;
mod overflow;
mod presence;
mod resettle;
mod world;

pub(super) use chance::Chance;
