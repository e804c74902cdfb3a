//! Histograms of the store, read when the page is asked for.

use std::fmt;
use std::sync::Arc;

use conversa_cluster::State;
use conversa_cluster::histogram::Reading;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

const MICROSECOND: f64 = 1e-6;

/// What the store's state holds, as the page shows it.
#[derive(Debug)]
pub(super) struct StoreHistograms(pub(super) Arc<State>);

impl Collector for StoreHistograms {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        write(
            &mut encoder,
            "conversa_store_append_seconds",
            "From when an append is given to the store until its outcome is known",
            &self.0.append_times().read(),
            MICROSECOND,
        )?;
        write(
            &mut encoder,
            "conversa_store_append_events",
            "Events written together: by a commit of the embedded store, by a write to one log on CQL",
            &self.0.append_events().read(),
            1.0,
        )
    }
}

fn write(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    reading: &Reading,
    unit: f64,
) -> fmt::Result {
    #[expect(clippy::cast_precision_loss, reason = "times and counts far below 2^53")]
    let scaled = |value: u64| value as f64 * unit;
    let bucket = |(bound, count): &(Option<u64>, u64)| (bound.map_or(f64::INFINITY, scaled), *count);
    let buckets: Vec<(f64, u64)> = reading.buckets.iter().map(bucket).collect();
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    metric.encode_histogram::<NoLabelSet>(scaled(reading.sum), reading.count(), &buckets, None)
}
