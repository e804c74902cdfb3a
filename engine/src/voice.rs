//! Customer voice: what visitors talk about and how they feel about it, as counts that add up exactly.
//!
//! A conversation becomes a [`Contribution`], contributions fold into [`Totals`]. All figures are integers and all merges
//! commute, so that any order, any split over nodes and any rebuild gives the same bytes. Only visitors' messages are to
//! be heard: what agents say politely ("sorry") is about themselves. Nothing here keeps the words of a message beyond its
//! keywords; samples are sequence numbers that lead back to the messages.

mod contribution;
mod keywords;
mod lexicon;
mod phrases;
mod sentiment;
mod tally;
mod totals;
mod understanding;

pub use contribution::{Contribution, KEYWORDS_MAX, Mention, SAMPLES_MAX, Samples};
pub use keywords::keywords;
pub(crate) use phrases::Phrases;
pub use sentiment::{Clause, Polarity, Sentiment, clauses, sentiment};
pub use tally::Tally;
pub use totals::{Colour, Heat, Totals, Word};
pub(crate) use understanding::Read;
pub use understanding::Understanding;
