//! Conversations in, scores out.

mod broken_cards;
mod scores;
mod script;
mod sums;
