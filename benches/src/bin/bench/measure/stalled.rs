//! 1,000 visitors whose sockets nobody reads while their agents write to them, beside 100 pairs that talk at 500 messages per second;
//! and the same with visitors that read. What a stalled socket costs, and what the others notice of it.

use anyhow::Result;
use conversa_benches::crowd::Crowd;
use conversa_benches::door::Door;
use conversa_benches::end::Plan;
use conversa_benches::stats::Faults;
use conversa_benches::{clock, procstat};

use super::{float, rounded};
use crate::company::Company;
use crate::report::{Judged, Row, whole};
use crate::server::Server;
use crate::{Bench, Measure};

const PAIRS: usize = 100;
const PER_S: u64 = 500;
const STALLED: usize = 1_000;
/// What is written to each: more than the line, the kernel and the queue hold together.
const TEXT_BYTES: usize = 4_000;
const TEXTS: u64 = 200;
const BYTES_MAX: f64 = 256.0 * 1024.0;
const P99_RATIO_MAX: f64 = 2.0;

#[derive(Clone, Copy, Debug)]
struct Seen {
    p99_us: f64,
    /// Memory that came with what was written, per visitor.
    bytes: f64,
}

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    if !bench.names(Measure::Stalled) {
        return Ok(());
    }
    let sockets = bench.either(STALLED, 100);
    let read = once(bench, sockets, true).await?;
    let stalled = once(bench, sockets, false).await?;
    let ratio = stalled.p99_us / read.p99_us;
    bench.say(&format!(
        "stalled: {sockets} sockets, {:.0} bytes each ({:.0} where they read); the others' p99 {:.2} ms ({:.2} ms): {ratio:.2} x",
        stalled.bytes,
        read.bytes,
        stalled.p99_us / 1e3,
        read.p99_us / 1e3,
    ));
    bench.report.row(Row {
        what: "memory per stalled socket, bytes PSS",
        yardstick: format!("reading {}", whole(read.bytes)),
        conversa: whole(stalled.bytes),
        judged: Some(Judged { value: stalled.bytes, max: BYTES_MAX, decimals: 0 }),
    });
    bench.report.row(Row {
        what: "delivery beside 1,000 stalled sockets, p99, ms",
        yardstick: format!("reading {:.2}", read.p99_us / 1e3),
        conversa: format!("{:.2}", stalled.p99_us / 1e3),
        judged: Some(Judged { value: ratio, max: P99_RATIO_MAX, decimals: 2 }),
    });
    bench.report.figure("stalled_sockets", sockets);
    bench.report.figure("stalled_bytes", rounded(stalled.bytes));
    bench.report.figure("stalled_bytes_reading", rounded(read.bytes));
    bench.report.figure("stalled_p99_ratio", rounded(ratio));
    Ok(())
}

async fn once(bench: &mut Bench, sockets: usize, reading: bool) -> Result<Seen> {
    let people = PAIRS + sockets;
    // Each crowd's agents have room for its own visitors alone.
    let company = Company { capacity: 1, ..Company::usual(people) };
    let node = Server::conversa(bench, &company).await?;
    let door = node.door(bench, people, people).await?;
    let (seen, faults) = node.watch(measure(bench, &node, &door, sockets, reading)).await?;
    bench.judge("beside stalled sockets", faults);
    Ok(seen)
}

async fn measure(
    bench: &Bench,
    node: &Server,
    door: &Door,
    sockets: usize,
    reading: bool,
) -> Result<(Seen, Faults)> {
    let gap_ns = 2 * PAIRS as u64 * 1_000_000_000 / PER_S;
    let mut honest = Crowd::gather(door, 0, PAIRS, Plan::Open { gap_ns }).await?;
    let fill = Plan::Fill { count: TEXTS, window: 1 };
    let mut others = Crowd::gather_readers(door, PAIRS, sockets, fill, TEXT_BYTES, reading).await?;
    node.rest().await?;
    let before = procstat::sample(node.pid);
    others.go();
    let all = sockets as u64 * TEXTS;
    others.wait("messages to be taken", |load| all.saturating_sub(load.stats.acknowledged.get())).await?;
    node.rest().await?;
    let after = procstat::sample(node.pid);
    // Their agents go on, slowly: every message finds the socket as it is.
    others.load.set_plan(Plan::Open { gap_ns: sockets as u64 * 1_000_000_000 / PER_S });
    others.go();
    let p99_us = p99(&mut honest, bench.either(10_000, 2_000)).await;
    let bytes = float(after.pss_bytes.saturating_sub(before.pss_bytes)) / float(sockets as u64);
    Ok((Seen { p99_us, bytes }, honest.faults()))
}

/// The 99th percentile of a crowd's delivery, us.
async fn p99(crowd: &mut Crowd, ms: u64) -> f64 {
    crowd.load.stats.time_from(clock::now_ns());
    crowd.go();
    clock::pause_ms(ms).await;
    crowd.drain().await;
    crowd.load.stats.delivery().p99_us
}
