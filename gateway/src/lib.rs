//! The edge of Conversa: WebSocket protocol v1, REST, the pages and the command line. It decides nothing.

mod attachment;
pub mod auth;
mod channel;
pub mod cli;
pub mod client;
pub mod config;
mod metrics;
mod pages;
mod problem;
mod push;
pub mod replay;
mod rest;
mod server;
mod socket;
mod stream;
mod talk;
pub mod wire;

pub use channel::Kind as ChannelKind;
pub use push::Reachable;
pub use server::{Running, Stop, serve};
