//! Actors that remember: the [`behaviour::Behaviour`] trait, the cell that runs any behaviour, the behaviours themselves, the
//! watchers that read conversations, and the ports with their versions in memory.
//!
//! This room knows no node, no disk and no byte of a client.

pub mod address;
pub mod behaviour;
pub mod behaviours;
pub mod cell;
pub mod host;
pub mod letter;
pub mod lobby;
pub mod port;
pub mod registry;
pub mod scratch;
pub mod tenant;
pub mod watcher;
pub mod watchers;
