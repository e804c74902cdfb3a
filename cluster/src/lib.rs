//! Nodes and disks: the node that hosts cells, the placement of shards, and the embedded store.
//!
//! This room knows no byte of a client and makes no decision of the domain.

pub mod clock;
pub mod node;
pub mod place;
pub mod sqlite;
mod steady;

pub use steady::Steady;
