//! What Conversa judges: messages, conversations, who serves whom, text, bots, customer voice and quality.
//!
//! This room is pure. Values go in, values come out: no async, clock, randomness, input or output, log or global state.
//! Time and randomness are arguments.

pub mod bot;
pub mod channel;
pub mod content;
pub mod conversation;
pub mod desk;
pub mod ids;
pub mod person;
pub mod quality;
pub mod refusal;
pub mod text;
pub mod time;
pub mod voice;
