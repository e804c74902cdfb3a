//! A conversation of 100,000 messages against new ones on the same node: a message must cost the same.

use anyhow::Result;
use conversa_benches::crowd::Crowd;
use conversa_benches::door::Door;
use conversa_benches::end::Plan;

use super::{Cost, float, in_turn, median, rounded, run_for, run_until, since_s};
use crate::company::Company;
use crate::report::{Judged, Row, whole};
use crate::server::Server;
use crate::{Bench, Measure};

const MESSAGES: u64 = 100_000;
/// Unacknowledged messages while the history is written; the gateway takes 128 of an agent.
const FILL_WINDOW: u64 = 100;
/// Messages in flight while it is measured.
const WINDOW: usize = 8;
/// Aim: the same within 15 %.
const RATIO_MAX: f64 = 1.15;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    if !bench.wants(Measure::History) {
        return Ok(());
    }
    let pairs = usize::try_from(bench.rounds())? + 1;
    let node = Server::conversa(bench, &Company { capacity: 1, ..Company::usual(pairs) }).await?;
    let door = node.door(bench, pairs, pairs).await?;
    let messages = bench.either(MESSAGES, 5_000);
    let rounds = node.watch(compare(bench, &node, &door, messages)).await?;
    let of = |get: fn(&(Cost, Cost)) -> f64| median(rounds.iter().map(get));
    let ratio = of(|(new, old)| old.cpu_us / new.cpu_us);
    let report = &mut bench.report;
    report.row(Row {
        what: "CPU per message after 100,000 messages, us",
        yardstick: format!("new {:.1}", of(|costs| costs.0.cpu_us)),
        conversa: format!("{:.1}", of(|costs| costs.1.cpu_us)),
        judged: Some(Judged { value: ratio, max: RATIO_MAX, decimals: 2 }),
    });
    report.figure("history_cpu_ratio", rounded(ratio));
    report.figure("history_messages", messages);
    report.figure("history_rounds", serde_json::to_value(&rounds)?);
    Ok(())
}

/// (new, old) of each round.
async fn compare(bench: &mut Bench, node: &Server, door: &Door, messages: u64) -> Result<Vec<(Cost, Cost)>> {
    let mut old = Crowd::gather(door, 0, 1, Plan::Fill { count: messages, window: FILL_WINDOW }).await?;
    let began = conversa_benches::clock::now_ns();
    run_until(node, &mut old, async |crowd| {
        crowd.wait("messages of history", |load| messages.saturating_sub(load.stats.received.get())).await
    })
    .await?;
    let seconds = since_s(began);
    bench.say(&format!(
        "history: {} messages in {seconds:.1} s, {}/s",
        whole(float(messages)),
        whole(float(messages) / seconds)
    ));
    old.load.set_plan(Plan::Closed { window: WINDOW });
    let ms = bench.either(2_000, 800);
    run_for(node, &mut old, ms / 2).await?;
    // Nobody leaves before the end: the conversations of agents that leave would go to the agents of later rounds.
    let mut gathered = Vec::new();
    let mut rounds = Vec::new();
    for round in 0..bench.rounds() {
        let mut new =
            Crowd::gather(door, usize::try_from(round)? + 1, 1, Plan::Closed { window: WINDOW }).await?;
        run_for(node, &mut new, ms / 4).await?;
        let mut costs = (Cost::default(), Cost::default());
        for is_old in in_turn(round, false, true) {
            if is_old {
                costs.1 = run_for(node, &mut old, ms).await?;
            } else {
                costs.0 = run_for(node, &mut new, ms).await?;
            }
        }
        let (fresh, long) = costs;
        bench.say(&format!(
            "history {}/{}: new {:.1} us at {}/s, old {:.1} us at {}/s: {:.2} x",
            round + 1,
            bench.rounds(),
            fresh.cpu_us,
            whole(fresh.delivered_per_s),
            long.cpu_us,
            whole(long.delivered_per_s),
            long.cpu_us / fresh.cpu_us,
        ));
        bench.judge("history, new", new.faults());
        gathered.push(new);
        rounds.push(costs);
    }
    bench.judge("history, old", old.faults());
    Ok(rounds)
}
