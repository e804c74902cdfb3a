//! The behaviours: one file each.

mod agent;
mod bot;
mod conversation;
mod queue;
mod rating;
mod session;

pub use agent::Agent;
pub use bot::{Bot, Command as BotCommand, Event as BotEvent};
pub use conversation::{Conversation, SNEAK_PEEK, TYPING};
pub use queue::Queue;
pub use rating::{Command as RatingCommand, Event as RatingEvent, Rating};
pub use session::{Command as SessionCommand, Event as SessionEvent, REOPEN_MS, Session};

use crate::behaviour::Behaviour;

/// The kind of conversations.
pub const CONVERSATION: &str = Conversation::KIND;
