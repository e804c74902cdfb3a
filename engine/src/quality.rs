//! Automatic quality inspection: every conversation, while it happens and again from its journal, every verdict with the
//! messages it rests on.
//!
//! A conversation is heard as a stream of [`Moment`]s. [`Features`] measure it, a [`ScoreCard`] judges it, an [`Inspection`]
//! is the bounded state of both and [`Score`] their outcome. Nothing here keeps whole texts, asks what time it is, or
//! depends on anything but the moments in their order and the card: replaying gives the same score to the byte.

mod card;
mod contribution;
mod features;
mod inspection;
mod moment;
mod reading;
mod rule;
mod score;
mod totals;

pub use card::{CardError, RULES_MAX, ScoreCard};
pub use contribution::Contribution;
pub use features::{FEATURES, Family, Feature, Features, Unit};
pub use inspection::{EVIDENCE_MAX, EXCERPT_CHARS_MAX, Inspection};
pub use moment::{Medium, Moment, Role, What};
pub use score::{Bilingual, Evidence, Item, Score, SectionScore, Verdict};
pub use totals::{BINS, RuleCount, Totals};

#[cfg(test)]
mod tests;
