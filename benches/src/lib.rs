//! The load generator of Conversa's benches: many clients on one thread, against the floor relay or a Conversa node.
//!
//! Both ends of every pair live in one process, so the time from a sender's write to the receiver's read needs no clock
//! synchronisation. It must never be the limit of what is measured: `load_cpu_percent` in the reports says how near it came.

pub mod clock;
pub mod crowd;
pub mod door;
pub mod end;
pub mod http;
pub mod procstat;
pub mod protocol;
pub mod script;
pub mod stats;
