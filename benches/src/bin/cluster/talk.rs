//! The same people at the first node; their conversations are served by it, or by the second. CPU of both nodes for a message that is
//! delivered, less what two idle nodes take.

use anyhow::{Result, ensure};
use conversa_benches::clock;
use conversa_benches::crowd::Crowd;
use conversa_benches::end::Plan;

use crate::nodes::Pair;
use crate::{Bench, float, median, since_s};

const PAIRS: usize = 50;
/// CPU of a message between nodes, in that of one within a node.
const RATIO_MAX: f64 = 2.0;
const WARM_UP_MS: u64 = 2_000;
/// What watchers still read after the load.
const REST_MS: u64 = 1_000;

#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    cpu_us: f64,
    per_s: f64,
}

/// The crowds stay: conversations whose agents have gone would wait for those of the next measure.
pub(crate) async fn run(bench: &mut Bench, pair: &Pair) -> Result<Vec<Crowd>> {
    let idle = idle(pair).await;
    let mut crowds = Vec::new();
    for node in 0..2 {
        let door = pair.door(node, PAIRS, PAIRS)?;
        let mut crowd = Crowd::gather(&door, 0, PAIRS, Plan::Closed { window: 1 }).await?;
        cost(pair, &mut crowd, idle, WARM_UP_MS).await?;
        crowds.push(crowd);
    }
    let ms = bench.either(5_000, 1_000);
    let mut rounds: Vec<[Cost; 2]> = Vec::new();
    for round in 0..bench.rounds() {
        let mut costs = [Cost::default(); 2];
        let first = usize::try_from(round % 2)?;
        for node in [first, 1 - first] {
            costs[node] = cost(pair, &mut crowds[node], idle, ms).await?;
        }
        let [same, cross] = costs;
        bench.say(&format!(
            "talk {}/{}: one node {:.0}/s {:.1} us, two {:.0}/s {:.1} us: {:.2} x",
            round + 1,
            bench.rounds(),
            same.per_s,
            same.cpu_us,
            cross.per_s,
            cross.cpu_us,
            cross.cpu_us / same.cpu_us
        ));
        rounds.push(costs);
    }
    for crowd in &crowds {
        bench.judge("talk", crowd.faults());
    }
    let of = |figure: fn(&[Cost; 2]) -> f64| median(rounds.iter().map(figure));
    let ratio = of(|[same, cross]| cross.cpu_us / same.cpu_us);
    let (same, cross) = (of(|costs| costs[0].cpu_us), of(|costs| costs[1].cpu_us));
    let report = &mut bench.report;
    let shown = format!("{same:.1} and {cross:.1}");
    report.row("CPU per message, within a node and between two, us", shown, Some((ratio, RATIO_MAX)));
    report.figure("cpu_us_same_node", same);
    report.figure("cpu_us_cross_node", cross);
    report.figure("cpu_cross_over_same", ratio);
    report.figure("messages_per_s_same_node", of(|costs| costs[0].per_s));
    report.figure("messages_per_s_cross_node", of(|costs| costs[1].per_s));
    Ok(crowds)
}

/// CPU seconds a second of two nodes with nothing to do.
async fn idle(pair: &Pair) -> f64 {
    let (before, began) = (pair.cpu_s(), clock::now_ns());
    clock::pause_ms(3_000).await;
    (pair.cpu_s() - before) / since_s(began)
}

async fn cost(pair: &Pair, crowd: &mut Crowd, idle: f64, ms: u64) -> Result<Cost> {
    let (cpu, began, received) = (pair.cpu_s(), clock::now_ns(), crowd.load.stats.received.get());
    crowd.go();
    clock::pause_ms(ms).await;
    let per_s = float(crowd.load.stats.received.get() - received) / since_s(began);
    crowd.drain().await;
    clock::pause_ms(REST_MS).await;
    let messages = crowd.load.stats.received.get() - received;
    ensure!(messages > 0, "{}", pair.said("nothing was delivered"));
    let cpu = pair.cpu_s() - cpu - idle * since_s(began);
    Ok(Cost { cpu_us: cpu * 1e6 / float(messages), per_s })
}
