//! The watchers: one file each.

mod quality;
mod ratings;
mod service;
mod summary;
mod voice;

pub use quality::{Inspected, Quality, QualityTotals};
pub use ratings::{Rating as Answered, Ratings, Tally};
pub use service::{HOUR_MS, Served, Service, ServiceLine, ServiceTotals};
pub use summary::{Line as SummaryLine, Summary, SummaryTotals};
pub use voice::Voice;
