//! The node that serves the conversations stands still for a minute while their people go on: what the node of the people gains in
//! memory. It takes the other out after 3 s and serves the conversations itself; until then everything waits.

use anyhow::Result;
use conversa_benches::crowd::Crowd;
use conversa_benches::end::Plan;
use conversa_benches::{clock, procstat};

use crate::link::MIB_MAX;
use crate::nodes::Pair;
use crate::{Bench, float};

const PAIRS: usize = 50;
/// More than two nodes on one core deliver.
const GAP_NS: u64 = 4_000_000;
const WARM_UP_MS: u64 = 10_000;
const LOOK_MS: u64 = 1_000;

pub(crate) async fn run(bench: &mut Bench, pair: &Pair) -> Result<()> {
    let door = pair.door(1, PAIRS, PAIRS)?;
    let mut crowd = Crowd::gather(&door, 0, PAIRS, Plan::Flood { gap_ns: GAP_NS }).await?;
    crowd.go();
    // What a busy node holds already is not what the stopped one adds.
    clock::pause_ms(bench.either(WARM_UP_MS, 2_000)).await;
    let pid = pair.nodes[0].pid;
    let (before, delivered) = (procstat::rss_bytes(pid), crowd.load.stats.received.get());
    pair.nodes[1].signal("-STOP").await?;
    let mut most = before;
    for _ in 0..bench.either(60, 8) {
        clock::pause_ms(LOOK_MS).await;
        most = most.max(procstat::rss_bytes(pid));
    }
    let delivered = crowd.load.stats.received.get() - delivered;
    pair.nodes[1].signal("-CONT").await?;
    crowd.drain().await;
    bench.judge("stopped", crowd.faults());
    let mib = |bytes: u64| float(bytes) / 1_048_576.0;
    let grown = mib(most) - mib(before);
    bench.say(&format!(
        "stopped: {:.1} MiB resident before, {:.1} at most; {delivered} messages delivered meanwhile",
        mib(before),
        mib(most)
    ));
    bench.report.row(
        "memory that a node gains, its peer stopped for 60 s, MiB",
        format!("{:.1} to {:.1}", mib(before), mib(most)),
        Some((grown, MIB_MAX)),
    );
    bench.report.figure("stopped_mib", grown);
    bench.report.figure("stopped_delivered", float(delivered));
    Ok(())
}
