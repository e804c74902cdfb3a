//! The edge of Conversa: WebSocket protocol v1, REST, the pages and the command line. It decides nothing.

mod asked;
mod attachment;
pub mod auth;
mod channel;
pub mod cli;
pub mod client;
pub mod config;
mod gauges;
mod line;
mod metrics;
mod pages;
mod problem;
mod push;
pub mod replay;
mod rest;
pub mod schema;
mod server;
mod settings;
mod socket;
mod stream;
mod talk;
mod ticket;
mod transport;
mod wall;
pub mod wire;

pub use channel::Kind as ChannelKind;
pub use push::Reachable;
pub use server::{Reload, Running, Stop, serve};
pub use socket::echo;
