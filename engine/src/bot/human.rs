//! Recognising that a visitor asks for a human, in Chinese and English.
//!
//! Asked once is asked: a bot that argues is what visitors hate most. Yet naming an agent is not asking for one ("what is
//! a travel agent", "不用人工了"), so each clause has to ask by its form.

mod chinese;
mod english;

use crate::text::{clauses, normalise};

/// Whether a message asks to talk to a human rather than to the bot.
#[must_use]
pub fn asks_for_human(text: &str) -> bool {
    let normal = normalise(text);
    clauses(&normal).into_iter().any(|clause| chinese::asks(clause) || english::asks(clause))
}
