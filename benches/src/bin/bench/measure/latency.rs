//! 200 pairs that write 500 messages per second in all, by the clock: delivery times against the floor's.

use anyhow::Result;
use conversa_benches::end::Plan;

use super::{Cost, Who, in_turn, median, once, rounded};
use crate::report::{Judged, Row};
use crate::{Bench, Measure};

const PAIRS: u64 = 200;
const PER_S: u64 = 500;
/// Aim: the 99th percentile at most this many times the floor's.
const RATIO_MAX: f64 = 3.0;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    if !bench.wants(Measure::Latency) {
        return Ok(());
    }
    let ms = bench.either(7_000, 2_000);
    let gap_ns = 2 * PAIRS * 1_000_000_000 / PER_S;
    let mut rounds: Vec<(Cost, Cost)> = Vec::new();
    for round in 0..bench.rounds() {
        let mut costs = (Cost::default(), Cost::default());
        for who in in_turn(round, Who::Floor, Who::Conversa) {
            let cost = once(bench, who, usize::try_from(PAIRS)?, Plan::Open { gap_ns }, ms).await?;
            match who {
                Who::Floor => costs.0 = cost,
                Who::Conversa => costs.1 = cost,
            }
        }
        let (floor, conversa) = costs;
        bench.say(&format!(
            "latency {}/{}: floor p50 {:.2} p99 {:.2} ms, conversa p50 {:.2} p99 {:.2} ms: {:.2} x",
            round + 1,
            bench.rounds(),
            floor.delivery.p50_us / 1e3,
            floor.delivery.p99_us / 1e3,
            conversa.delivery.p50_us / 1e3,
            conversa.delivery.p99_us / 1e3,
            conversa.delivery.p99_us / floor.delivery.p99_us,
        ));
        rounds.push(costs);
    }
    let of = |get: fn(&(Cost, Cost)) -> f64| median(rounds.iter().map(get));
    let ratio = of(|(floor, conversa)| conversa.delivery.p99_us / floor.delivery.p99_us);
    let report = &mut bench.report;
    report.row(Row {
        what: "delivery at 500 messages/s, p99, ms",
        yardstick: format!("{:.2}", of(|costs| costs.0.delivery.p99_us / 1e3)),
        conversa: format!("{:.2}", of(|costs| costs.1.delivery.p99_us / 1e3)),
        judged: Some(Judged { value: ratio, max: RATIO_MAX, decimals: 2 }),
    });
    report.row(Row {
        what: "delivery at 500 messages/s, p50, ms",
        yardstick: format!("{:.2}", of(|costs| costs.0.delivery.p50_us / 1e3)),
        conversa: format!("{:.2}", of(|costs| costs.1.delivery.p50_us / 1e3)),
        judged: None,
    });
    report.figure("p99_ratio_floor_500", rounded(ratio));
    report.figure("p50_us_500", of(|costs| costs.1.delivery.p50_us));
    report.figure("p99_us_500", of(|costs| costs.1.delivery.p99_us));
    report.figure("p50_us_500_floor", of(|costs| costs.0.delivery.p50_us));
    report.figure("p99_us_500_floor", of(|costs| costs.0.delivery.p99_us));
    report.figure("latency_rounds", serde_json::to_value(&rounds)?);
    Ok(())
}
