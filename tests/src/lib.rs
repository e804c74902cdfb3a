//! What proves Conversa: the seeded simulator over the real cores, the checker of histories, the suites that every implementor of a
//! port passes.

pub mod chaos;
pub mod checker;
pub mod foreign;
pub mod history;
pub mod hub;
pub mod lab;
pub mod sim;
pub mod solo;
pub mod suite;
