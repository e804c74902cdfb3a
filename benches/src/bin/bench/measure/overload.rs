//! 1,000 pairs that want to write twice what 100 pairs can, for two minutes: what is delivered meanwhile, against what a saturated node
//! delivers. What is put off is sent again when the node says; what was acknowledged must have arrived in the end. To tell what overload
//! costs from what ten times as many people cost, it says too what the 1,000 pairs get through when each waits for its answers.

use anyhow::Result;
use conversa_benches::crowd::Crowd;
use conversa_benches::end::Plan;

use super::{Who, float, once, rounded, run_for};
use crate::company::Company;
use crate::report::{Judged, Row, whole};
use crate::server::Server;
use crate::{Bench, Measure};

const PAIRS: usize = 1_000;
const SATURATED_PAIRS: usize = 100;
/// Goodput at least this share of the peak: judged the other way round.
const PEAK_SHARE: f64 = 0.85;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    if !bench.names(Measure::Overload) {
        return Ok(());
    }
    let saturated = || Plan::Closed { window: 1 };
    let peak = once(bench, Who::Conversa, SATURATED_PAIRS, saturated(), 4_000).await?.delivered_per_s;
    let pairs = bench.either(PAIRS, 200);
    let same_crowd =
        once(bench, Who::Conversa, pairs, saturated(), bench.either(20_000, 4_000)).await?.delivered_per_s;
    let node = Server::conversa(bench, &Company::usual(pairs)).await?;
    let door = node.door(bench, pairs, pairs).await?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time of milliseconds")]
    let gap_ns = (2.0 * float(pairs as u64) * 1e9 / (2.0 * peak)) as u64;
    let ms = bench.either(120_000, 5_000);
    let measuring = async {
        let mut crowd = Crowd::gather(&door, 0, pairs, Plan::Flood { gap_ns }).await?;
        let cost = run_for(&node, &mut crowd, ms).await?;
        let stats = &crowd.load.stats;
        Ok((cost, crowd.faults(), stats.put_off.get(), stats.left_out.get(), stats.sent.get()))
    };
    let (cost, faults, put_off, left_out, sent) = node.watch(measuring).await?;
    bench.judge("overload", faults);
    let share = cost.delivered_per_s / peak;
    bench.say(&format!(
        "overload: {SATURATED_PAIRS} pairs get {}/s through, {pairs} get {}/s; wanted twice the first for {} s: {sent} sent, {left_out} left out by clients that waited, {put_off} put off by the node; delivered {}/s: {:.0} % of the peak, {:.0} % of what the same pairs got through, p99 {:.0} ms",
        whole(peak),
        whole(same_crowd),
        ms / 1_000,
        whole(cost.delivered_per_s),
        share * 100.0,
        cost.delivered_per_s / same_crowd * 100.0,
        cost.delivery.p99_us / 1e3,
    ));
    bench.report.row(Row {
        what: "peak over what is delivered at twice the load",
        yardstick: format!("peak {}", whole(peak)),
        conversa: whole(cost.delivered_per_s),
        judged: Some(Judged { value: 1.0 / share, max: 1.0 / PEAK_SHARE, decimals: 2 }),
    });
    bench.report.figure("overload_goodput_share", rounded(share));
    bench.report.figure("overload_share_of_same_crowd", rounded(cost.delivered_per_s / same_crowd));
    bench.report.figure("overload_put_off", put_off);
    Ok(())
}
