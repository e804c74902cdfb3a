//! Nodes and disks: the node that hosts cells, the placement of shards, and the stores: embedded, and on CQL.
//!
//! This room knows no byte of a client and makes no decision of the domain.

pub mod clock;
pub mod cql;
pub mod fabric;
pub mod formats;
pub mod histogram;
pub mod lease;
pub mod link;
pub mod log;
pub mod member;
pub mod membership;
pub mod node;
pub mod operator;
pub mod place;
pub mod register;
pub mod sqlite;
mod state;
mod steady;
pub mod ticks;

pub use state::State;
pub use steady::{Steady, is_definite};
