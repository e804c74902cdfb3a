//! Metrics in the OpenMetrics text format. No label names a tenant's people or conversations.

mod cluster;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use cluster::ClusterGauges;
use conversa_actors::host::Host;
use conversa_cluster::State;
use conversa_cluster::fabric::Fabric;
use conversa_engine::refusal::Code;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::wire::Bye;
use store::StoreHistograms;

type Labels = Vec<(&'static str, String)>;

/// What the edge counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) sockets_opened: Counter,
    pub(crate) requests: Counter,
    pub(crate) messages: Counter,
    pub(crate) events_sent: Counter,
    pub(crate) lags: Counter,
    pub(crate) resumed: Counter,
    pub(crate) uploads_prepared: Counter,
    pub(crate) uploads_completed: Counter,
    pub(crate) upload_bytes: Counter,
    pub(crate) uploads_expired: Counter,
    refusals: Family<Labels, Counter>,
    closes: Family<Labels, Counter>,
    sockets: Gauge,
    parked: Gauge,
    host: Vec<Gauge>,
    store_commits: Gauge,
    store_writes: Gauge,
    store_failing: Gauge,
    cluster: Option<ClusterGauges>,
}

/// (name, help, reading) of what the host counts.
type Reading = (&'static str, &'static str, fn(&Host) -> u64);

const HOST: &[Reading] = &[
    ("conversa_cells", "Actors that are awake", |host| host.cells() as u64),
    ("conversa_activations", "Actors that were activated", |host| host.meters().activations.get()),
    ("conversa_rests", "Actors that went to rest", |host| host.meters().rests.get()),
    ("conversa_actor_failures", "Actors that failed and were started again", |host| {
        host.meters().failures.get()
    }),
    ("conversa_appends", "Appends to the journal", |host| host.meters().appends.get()),
    ("conversa_events", "Events written to the journal", |host| host.meters().events.get()),
    ("conversa_letters", "Letters between actors, repeats included", |host| host.meters().letters.get()),
    ("conversa_pushes", "Events pushed to people", |host| host.meters().pushes.get()),
    ("conversa_desk_alerts", "Goals that were nearly or quite missed, and silent agents", |host| {
        host.lobby().alerts()
    }),
    (
        "conversa_topics_followed",
        "Different conversations, queues, places and walls that sockets follow",
        |host| host.lobby().topics().len() as u64,
    ),
    ("conversa_overloaded", "Requests refused because a mailbox was full", |host| {
        host.meters().overloaded.get()
    }),
    (
        "conversa_unheard",
        "Events that a watcher reads from the journal because its mailbox was full",
        |host| host.meters().unheard.get(),
    ),
];

impl Metrics {
    /// `cluster`: the node has a part in one.
    pub(crate) fn new(store: &Arc<State>, cluster: bool) -> Self {
        let mut registry = Registry::default();
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let sockets_opened = counter("conversa_sockets_opened", "WebSockets that were opened");
        let requests = counter("conversa_requests", "Requests on sockets");
        let messages = counter("conversa_messages", "Messages that clients sent");
        let events_sent = counter("conversa_events_sent", "Events written to sockets");
        let lags = counter(
            "conversa_lags",
            "Times that a client was too slow and its events were left to the journal",
        );
        let resumed = counter("conversa_resumed_full", "Streams that went on through another socket");
        let uploads_prepared = counter("conversa_uploads_prepared", "Uploads of files that began");
        let uploads_completed = counter("conversa_uploads_completed", "Files that were checked and sealed");
        let upload_bytes = counter("conversa_upload_bytes", "Bytes of files that were uploaded");
        let uploads_expired =
            counter("conversa_uploads_expired", "Uploads removed because nobody completed them");
        let (refusals, closes) = (Family::<Labels, Counter>::default(), Family::<Labels, Counter>::default());
        registry.register("conversa_refusals", "Requests refused, by code", refusals.clone());
        registry.register("conversa_closes", "Sockets closed, by close code", closes.clone());
        let mut gauge = |name: &str, help: &str| {
            let gauge: Gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let sockets = gauge("conversa_sockets", "WebSockets that are connected");
        let parked = gauge("conversa_streams_parked", "Streams whose client may come back");
        let host = HOST.iter().map(|(name, help, _)| gauge(name, help)).collect();
        let store_commits = gauge("conversa_store_commits", "Commits of the embedded store");
        let store_writes = gauge("conversa_store_writes", "Writes in these commits");
        let store_failing = gauge("conversa_store_failing", "1 while the store cannot write");
        registry.register_collector(Box::new(StoreHistograms(Arc::clone(store))));
        let cluster = cluster.then(|| ClusterGauges::register(&mut registry));
        Self {
            registry,
            sockets_opened,
            requests,
            messages,
            events_sent,
            lags,
            resumed,
            uploads_prepared,
            uploads_completed,
            upload_bytes,
            uploads_expired,
            refusals,
            closes,
            sockets,
            parked,
            host,
            store_commits,
            store_writes,
            store_failing,
            cluster,
        }
    }

    pub(crate) fn refused(&self, code: Code) {
        self.refusals.get_or_create(&vec![("code", code.as_str().to_owned())]).inc();
    }

    pub(crate) fn closed(&self, bye: Bye) {
        self.closes.get_or_create(&vec![("code", bye.code().to_string())]).inc();
    }

    /// The page.
    pub(crate) fn page(
        &self,
        host: &Arc<Host>,
        store: &State,
        fabric: Option<&Fabric>,
        parked: usize,
    ) -> String {
        if let (Some(gauges), Some(fabric)) = (&self.cluster, fabric) {
            gauges.read(fabric, host);
        }
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.sockets.set(signed(host.lobby().len() as u64));
        for (gauge, (.., reading)) in self.host.iter().zip(HOST) {
            gauge.set(signed(reading(host)));
        }
        self.parked.set(signed(parked as u64));
        self.store_commits.set(signed(store.commits()));
        self.store_writes.set(signed(store.writes()));
        self.store_failing.set(i64::from(store.failing()));
        self.text()
    }

    fn text(&self) -> String {
        let mut page = String::new();
        encode(&mut page, &self.registry).expect("a string takes text");
        page
    }
}
