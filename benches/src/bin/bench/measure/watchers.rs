//! Recorded customer-service sessions, played through nodes with and without the quality and voice watchers: what reading along costs.

use std::cell::Cell;

use anyhow::Result;
use conversa_benches::crowd::Crowd;
use conversa_benches::end::Plan;
use conversa_benches::script::{self, Script};

use super::{Cost, in_turn, median, rounded, run_until};
use crate::company::Company;
use crate::report::{Judged, Row};
use crate::server::Server;
use crate::{Bench, Measure};

/// Conversations at a time, and turns of each: about five recorded sessions one after the other.
const PAIRS: usize = 400;
const TURNS: usize = 60;
/// Turns that are played before it counts, so that dictionaries are loaded and caches warm.
const WARM_UP_TURNS: usize = 8;
const WITH: &[&str] = &["summary", "quality", "voice"];
const WITHOUT: &[&str] = &["summary"];
/// A round takes little more than a second, and they differ more than others: so many for each that others have.
const ROUNDS_TIMES: u32 = 3;
/// Aim: both watchers cost at most 30 %.
const RATIO_MAX: f64 = 1.3;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    if !bench.wants(Measure::Watchers) {
        return Ok(());
    }
    let Some(file) = script::recordings() else {
        bench.report.skip("watchers: there is no $CONVERSA_DATA/jddc/sessions.tsv.gz".into());
        return Ok(());
    };
    let pairs = bench.either(PAIRS, 50);
    let scripts = script::read(&file, pairs, TURNS)?;
    let mut rounds: Vec<(Cost, Cost)> = Vec::new();
    let count = bench.either(ROUNDS_TIMES, 1) * bench.rounds();
    for round in 0..count {
        let mut costs = (Cost::default(), Cost::default());
        for watchers in in_turn(round, WITHOUT, WITH) {
            let cost = play(bench, watchers, &scripts).await?;
            if watchers == WITH { costs.1 = cost } else { costs.0 = cost }
        }
        let (without, with) = costs;
        bench.say(&format!(
            "watchers {}/{}: {:.1} us without, {:.1} us with: {:.2} x ({} messages, {} ms to rest)",
            round + 1,
            count,
            without.cpu_us,
            with.cpu_us,
            with.cpu_us / without.cpu_us,
            with.messages,
            with.rest_ms,
        ));
        rounds.push(costs);
    }
    let of = |get: fn(&(Cost, Cost)) -> f64| median(rounds.iter().map(get));
    let ratio = of(|(without, with)| with.cpu_us / without.cpu_us);
    let report = &mut bench.report;
    report.row(Row {
        what: "CPU per message with quality and voice, us",
        yardstick: format!("without {:.1}", of(|costs| costs.0.cpu_us)),
        conversa: format!("{:.1}", of(|costs| costs.1.cpu_us)),
        judged: Some(Judged { value: ratio, max: RATIO_MAX, decimals: 2 }),
    });
    report.figure("watchers_cpu_ratio", rounded(ratio));
    report.figure("watchers_cpu_us", rounded(of(|costs| costs.1.cpu_us)));
    report.figure("watchers_cpu_us_without", rounded(of(|costs| costs.0.cpu_us)));
    report.figure("watchers_rounds", serde_json::to_value(&rounds)?);
    Ok(())
}

/// Plays all scripts to their ends, closings included, once.
async fn play(bench: &mut Bench, watchers: &'static [&'static str], scripts: &[Script]) -> Result<Cost> {
    let pairs = scripts.len();
    let node = Server::conversa(bench, &Company { watchers, ..Company::usual(pairs) }).await?;
    let door = node.door(bench, pairs, pairs).await?;
    let measuring = async {
        let plan = |limit| Plan::Script { scripts: scripts.to_vec(), limit: Cell::new(limit) };
        let mut crowd = Crowd::gather(&door, 0, pairs, plan(WARM_UP_TURNS)).await?;
        run_until(&node, &mut crowd, async |crowd| played(crowd, scripts, WARM_UP_TURNS).await).await?;
        crowd.load.set_plan(plan(usize::MAX));
        let cost =
            run_until(&node, &mut crowd, async |crowd| played(crowd, scripts, usize::MAX).await).await?;
        Ok((cost, crowd.faults()))
    };
    let (cost, faults) = node.watch(measuring).await?;
    bench.judge("watchers", faults);
    Ok(cost)
}

/// Waits until every script was played up to `limit` turns.
async fn played(crowd: &Crowd, scripts: &[Script], limit: usize) -> Result<()> {
    let turns = scripts.iter().map(|script| script.len().min(limit) as u64).sum::<u64>();
    crowd.wait("turns to be played", |load| turns.saturating_sub(load.stats.received.get())).await
}
