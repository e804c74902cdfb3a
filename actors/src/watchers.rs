//! The watchers: one file each.

mod quality;
mod ratings;
mod summary;
mod voice;

pub use quality::{Inspected, Quality, QualityTotals};
pub use ratings::{Rating as Answered, Ratings, Tally};
pub use summary::{Line as SummaryLine, Summary, SummaryTotals};
pub use voice::Voice;
