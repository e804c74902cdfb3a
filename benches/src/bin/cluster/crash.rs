//! A node with many actors awake is killed: how long until the other serves all shards, and how quickly it activates what was undone.

use anyhow::{Result, ensure};
use conversa_benches::clock;
use conversa_benches::crowd::Crowd;
use conversa_benches::end::Plan;
use conversa_engine::ids::SHARDS;

use crate::nodes::Pair;
use crate::{Bench, float, since_s};

/// Visitors who are at the bot when the node dies; a session, a conversation and a bot's dialogue each.
const VISITORS: usize = 1_000;
const LOOK_MS: u64 = 50;
/// Nothing has been activated for so long: it is over.
const QUIET_S: f64 = 3.0;
const PATIENCE_S: f64 = 60.0;

pub(crate) async fn run(bench: &mut Bench, pair: &mut Pair) -> Result<()> {
    let visitors = bench.either(VISITORS, 100);
    let door = pair.door(1, visitors, 0)?;
    let crowd = Crowd::gather_openers(&door, 0, visitors, Plan::Poked).await?;
    let before = pair.nodes[0].gauge("conversa_activations").await?;
    let of_dead = pair.nodes[1].gauge("conversa_cells").await?;
    pair.kill_second().await?;
    let began = clock::now_ns();
    let (mut served_s, mut first_s, mut last_s, mut activated) = (None, None, 0.0_f64, 0.0_f64);
    loop {
        let node = &pair.nodes[0];
        let shards = node.gauge("conversa_cluster_shards").await?;
        let now = node.gauge("conversa_activations").await? - before;
        let at_s = since_s(began);
        if served_s.is_none() && shards >= f64::from(SHARDS) {
            served_s = Some(at_s);
        }
        if now > activated {
            first_s.get_or_insert(at_s);
            (activated, last_s) = (now, at_s);
        }
        if served_s.is_some() && at_s - last_s.max(served_s.unwrap_or(at_s)) > QUIET_S {
            break;
        }
        ensure!(at_s < PATIENCE_S, "{}", pair.said("the other node does not take over"));
        clock::pause_ms(LOOK_MS).await;
    }
    let (served_s, first_s) = (served_s.unwrap_or_default(), first_s.unwrap_or_default());
    // One look at least: all may have come between two.
    let rate = activated / (last_s - first_s).max(float(LOOK_MS) / 1e3);
    bench.say(&format!(
        "crash: {of_dead:.0} actors were awake; all shards served after {served_s:.2} s; {activated:.0} activated in {:.2} s",
        last_s - first_s
    ));
    crowd.drain().await;
    let report = &mut bench.report;
    report.row("a node killed: all shards served by the other after, s", format!("{served_s:.2}"), None);
    report.row("actors activated then, and per second", format!("{activated:.0} and {rate:.0}"), None);
    report.figure("crash_served_s", served_s);
    report.figure("crash_activated", activated);
    report.figure("crash_activated_per_s", rate);
    drop(crowd);
    pair.start_second(bench).await
}
