//! The behaviours: one file each.

mod agent;
mod bot;
pub mod channel;
pub mod claim;
mod conversation;
pub mod courier;
pub mod dead_letters;
mod identity;
pub mod intake;
mod queue;
mod rating;
pub mod reach;
mod session;

pub use agent::Agent;
pub use bot::{Bot, Command as BotCommand, Event as BotEvent};
pub use claim::Claim;
pub use conversation::{Conversation, SNEAK_PEEK, TYPING, clock_view};
pub use courier::Courier;
pub use dead_letters::DeadLetters;
pub use identity::Identity;
pub use intake::Intake;
pub use queue::Queue;
pub use rating::{Command as RatingCommand, Event as RatingEvent, Rating};
pub use reach::Reach;
pub use session::{Command as SessionCommand, Event as SessionEvent, REOPEN_MS, Session};

use conversa_engine::ids::PersonId;

use crate::behaviour::Behaviour;

pub(crate) use conversation::alert_of;

/// True for those who ask; everybody else works here.
#[must_use]
pub fn is_visitor(person: &PersonId) -> bool {
    person.as_str().starts_with("vi_")
}

/// The kind of conversations.
pub const CONVERSATION: &str = Conversation::KIND;
