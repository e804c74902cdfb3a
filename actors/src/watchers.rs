//! The watchers: one file each.

mod quality;
mod summary;
mod voice;

pub use quality::{Inspected, Quality, QualityTotals};
pub use summary::{Line as SummaryLine, Summary, SummaryTotals};
pub use voice::Voice;
