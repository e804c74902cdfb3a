//! 100 pairs that answer each other at once: the server's core is busy all the time. CPU per delivered message against the floor.

use anyhow::Result;
use conversa_benches::end::Plan;

use super::{Cost, Who, in_turn, median, once, rounded};
use crate::report::{Judged, Row, whole};
use crate::{Bench, Measure};

const PAIRS: usize = 100;
/// Aim: CPU per delivered message at most this many times the floor's.
const RATIO_MAX: f64 = 2.5;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    if !bench.wants(Measure::Saturated) {
        return Ok(());
    }
    let ms = bench.either(4_000, 1_000);
    let mut rounds: Vec<(Cost, Cost)> = Vec::new();
    for round in 0..bench.rounds() {
        let mut costs = (Cost::default(), Cost::default());
        for who in in_turn(round, Who::Floor, Who::Conversa) {
            let cost = once(bench, who, PAIRS, Plan::Closed { window: 1 }, ms).await?;
            match who {
                Who::Floor => costs.0 = cost,
                Who::Conversa => costs.1 = cost,
            }
        }
        let (floor, conversa) = costs;
        bench.say(&format!(
            "saturated {}/{}: floor {}/s {:.1} us, conversa {}/s {:.1} us: {:.2} x (load {:.0} % busy, {} ms to rest)",
            round + 1,
            bench.rounds(),
            whole(floor.delivered_per_s),
            floor.cpu_us,
            whole(conversa.delivered_per_s),
            conversa.cpu_us,
            conversa.cpu_us / floor.cpu_us,
            conversa.load_cpu_percent,
            conversa.rest_ms,
        ));
        rounds.push(costs);
    }
    let of = |get: fn(&(Cost, Cost)) -> f64| median(rounds.iter().map(get));
    let ratio = of(|(floor, conversa)| conversa.cpu_us / floor.cpu_us);
    let report = &mut bench.report;
    report.row(Row {
        what: "CPU per delivered message, 100 pairs, us",
        yardstick: format!("{:.1}", of(|costs| costs.0.cpu_us)),
        conversa: format!("{:.1}", of(|costs| costs.1.cpu_us)),
        judged: Some(Judged { value: ratio, max: RATIO_MAX, decimals: 2 }),
    });
    report.row(Row {
        what: "delivered per second, 100 pairs",
        yardstick: whole(of(|costs| costs.0.delivered_per_s)),
        conversa: whole(of(|costs| costs.1.delivered_per_s)),
        judged: None,
    });
    report.figure("cpu_ratio_floor", rounded(ratio));
    report.figure("delivered_per_s", of(|costs| costs.1.delivered_per_s).round());
    report.figure("delivered_per_s_floor", of(|costs| costs.0.delivered_per_s).round());
    report.figure("cpu_us_per_message", rounded(of(|costs| costs.1.cpu_us)));
    report.figure("cpu_us_per_message_floor", rounded(of(|costs| costs.0.cpu_us)));
    report.figure("saturated_rounds", serde_json::to_value(&rounds)?);
    Ok(())
}
