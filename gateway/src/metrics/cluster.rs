//! What a node's part in a cluster counts.

use conversa_actors::host::Host;
use conversa_cluster::fabric::Fabric;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Labels;

/// (name, help, reading).
type Reading = (&'static str, &'static str, fn(&Fabric, &Host) -> u64);

const READINGS: &[Reading] = &[
    ("conversa_cluster_view", "Version of the view of the cluster", |fabric, _| {
        fabric.owned().borrow().view.version
    }),
    ("conversa_cluster_members", "Members in that view", |fabric, _| {
        fabric.owned().borrow().view.members.len() as u64
    }),
    ("conversa_cluster_member", "1 while this node is in the view", |fabric, _| fabric.is_member().into()),
    ("conversa_cluster_lease", "1 while this node may acknowledge", |fabric, _| (fabric.holds())().into()),
    ("conversa_cluster_shards", "Shards that this node serves", |_, host| host.shards() as u64),
    (
        "conversa_cluster_shards_stopping",
        "Shards whose actors stop, so that another node can have them",
        |fabric, _| fabric.owned().borrow().stopping.len() as u64,
    ),
    ("conversa_cluster_renewals", "Renewals of this node's lease", |fabric, _| fabric.counts().renewals),
    (
        "conversa_cluster_register_failures",
        "Requests at the register that failed or had no answer",
        |fabric, _| fabric.counts().failures,
    ),
    ("conversa_cluster_revocations", "Dead nodes that this one has taken out", |fabric, _| {
        fabric.counts().revocations
    }),
    ("conversa_cluster_views", "Views that this node has written", |fabric, _| fabric.counts().views),
    ("conversa_cluster_questions", "Requests to other nodes without an answer", |_, host| {
        host.far_counts()[0] as u64
    }),
    ("conversa_cluster_waiting", "Letters and requests that wait for a shard to be served", |_, host| {
        host.far_counts()[1] as u64
    }),
    ("conversa_cluster_directory", "People and topics with sockets on other nodes", |_, host| {
        host.far_counts()[2] as u64
    }),
];

/// Gauges of a node in a cluster.
#[derive(Debug)]
pub(super) struct ClusterGauges {
    readings: Vec<Gauge>,
    /// Of each link.
    links: Family<Labels, Gauge>,
    refusals: Family<Labels, Gauge>,
}

impl ClusterGauges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let mut gauge = |name: &str, help: &str| {
            let gauge: Gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let readings = READINGS.iter().map(|(name, help, _)| gauge(name, help)).collect();
        let (links, refusals) = (Family::default(), Family::default());
        registry.register(
            "conversa_cluster_link",
            "Links by peer: up, frames and bytes that wait, frames sent, received and not taken, round trip in microseconds",
            Family::clone(&links),
        );
        registry.register(
            "conversa_cluster_link_refusals",
            "Ends of links that were refused, by reason",
            Family::clone(&refusals),
        );
        Self { readings, links, refusals }
    }

    /// Makes a sample of each family: one without is not shown.
    #[cfg(test)]
    pub(super) fn touch(&self) {
        self.links.get_or_create(&vec![("peer", "n2".to_owned()), ("what", "up".to_owned())]).set(1);
        self.refusals.get_or_create(&vec![("reason", "late".to_owned())]).set(1);
    }

    pub(super) fn read(&self, fabric: &Fabric, host: &Host) {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for (gauge, (.., reading)) in self.readings.iter().zip(READINGS) {
            gauge.set(signed(reading(fabric, host)));
        }
        let counts = fabric.link_counts();
        // Nodes that are no peers any more are not shown for ever.
        self.links.clear();
        for peer in &counts.peers {
            let set = |what: &str, value: u64| {
                let labels = vec![("peer", peer.peer.node.to_string()), ("what", what.to_owned())];
                self.links.get_or_create(&labels).set(signed(value));
            };
            set("up", peer.up.into());
            set("ups", peer.ups);
            set("waiting_frames", peer.waiting_frames.iter().sum::<usize>() as u64);
            set("waiting_bytes", peer.waiting_bytes.iter().sum::<usize>() as u64);
            set("sent", peer.sent);
            set("received", peer.received);
            set("not_taken", peer.refused);
            set("rtt_us", peer.rtt_us.unwrap_or_default());
        }
        for (reason, count) in &counts.refusals {
            self.refusals.get_or_create(&vec![("reason", (*reason).to_owned())]).set(signed(*count));
        }
    }
}
