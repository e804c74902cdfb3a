//! Conversations whose actors have gone to rest: time from sending the first message to its acknowledgement, and the same for the
//! next message, which finds them awake. One at a time on an otherwise idle node.

use anyhow::{Context, Result, ensure};
use conversa_benches::clock;
use conversa_benches::crowd::Crowd;
use conversa_benches::door::Door;
use conversa_benches::end::Plan;

use super::{float, median, percentile, rounded};
use crate::company::Company;
use crate::report::Row;
use crate::server::Server;
use crate::{Bench, Measure};

const PAIRS: usize = 200;
const IDLE_MS: u64 = 2_000;
/// Longest wait for actors to go to rest.
const PATIENCE_MS: u64 = 20_000;
/// Pause after each message: what it set going (watchers, other actors) must not stand in the next one's way.
const GAP_MS: u64 = 10;

/// Times of one round, ms.
#[derive(Debug, Default)]
struct Round {
    asleep: Vec<f64>,
    awake: Vec<f64>,
}

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    if !bench.wants(Measure::Wake) {
        return Ok(());
    }
    let node = Server::conversa(bench, &Company { idle_ms: IDLE_MS, ..Company::usual(PAIRS) }).await?;
    let door = node.door(bench, PAIRS, PAIRS).await?;
    let rounds = node.watch(rounds(bench, &node, &door)).await?;
    let asleep = |quantile| median(rounds.iter().map(|round| percentile(&round.asleep, quantile)));
    let awake = |quantile| median(rounds.iter().map(|round| percentile(&round.awake, quantile)));
    let report = &mut bench.report;
    let row = |what, awake: f64, asleep: f64| Row {
        what,
        yardstick: format!("awake {awake:.2}"),
        conversa: format!("{asleep:.2}"),
        judged: None,
    };
    report.row(row("first message to a conversation at rest, p99, ms", awake(0.99), asleep(0.99)));
    report.row(row("first message to a conversation at rest, p50, ms", awake(0.5), asleep(0.5)));
    report.figure("wake_ms_p99", rounded(asleep(0.99)));
    report.figure("wake_ms_p50", rounded(asleep(0.5)));
    report.figure("awake_ms_p99", rounded(awake(0.99)));
    report.figure("awake_ms_p50", rounded(awake(0.5)));
    Ok(())
}

async fn rounds(bench: &mut Bench, node: &Server, door: &Door) -> Result<Vec<Round>> {
    let crowd = Crowd::gather(door, 0, PAIRS, Plan::Poked).await?;
    // Everybody has spoken once before anything is timed.
    let mut rests = gauge(node, "conversa_rests").await?;
    pass(&crowd).await?;
    let mut rounds = Vec::new();
    for number in 1..=bench.rounds() {
        let cells = fall_asleep(node, rests).await?;
        rests = gauge(node, "conversa_rests").await?;
        let round = pass(&crowd).await?;
        bench.say(&format!(
            "wake {number}/{}: p50 {:.2} p99 {:.2} ms; awake p50 {:.2} p99 {:.2} ms ({cells} actors were awake before)",
            bench.rounds(),
            percentile(&round.asleep, 0.5),
            percentile(&round.asleep, 0.99),
            percentile(&round.awake, 0.5),
            percentile(&round.awake, 0.99),
        ));
        rounds.push(round);
    }
    crowd.drain().await;
    bench.judge("wake", crowd.faults());
    Ok(rounds)
}

/// Each visitor sends two messages, one after the other.
async fn pass(crowd: &Crowd) -> Result<Round> {
    let mut round = Round::default();
    for pair in 0..PAIRS {
        round.asleep.push(send(crowd, pair).await?);
        round.awake.push(send(crowd, pair).await?);
    }
    crowd.settle().await;
    Ok(round)
}

/// Sends one message and waits for its acknowledgement; how long that took, ms.
async fn send(crowd: &Crowd, pair: usize) -> Result<f64> {
    let stats = &crowd.load.stats;
    let accepted = stats.acknowledged.get();
    crowd.poke(pair)?;
    crowd
        .wait("messages to be acknowledged", |load| u64::from(load.stats.acknowledged.get() == accepted))
        .await?;
    let took_ns = stats.latest_acknowledgement_ns.get();
    clock::pause_ms(GAP_MS).await;
    Ok(float(took_ns) / 1e6)
}

/// Waits until as many actors have gone to rest as there are conversations, and no more go; returns how many are still awake.
async fn fall_asleep(node: &Server, rests_before: f64) -> Result<f64> {
    let began = clock::now_ns();
    let mut before = f64::INFINITY;
    loop {
        clock::pause_ms(IDLE_MS / 2).await;
        let awake = gauge(node, "conversa_cells").await?;
        let rests = gauge(node, "conversa_rests").await? - rests_before;
        let waited = clock::now_ns() - began;
        if rests >= float(PAIRS as u64) && awake >= before && waited > 2 * IDLE_MS * 1_000_000 {
            return Ok(awake);
        }
        ensure!(
            waited < PATIENCE_MS * 1_000_000,
            "{awake} actors are awake {PATIENCE_MS} ms after the last message, {rests} have gone to rest"
        );
        before = awake;
    }
}

async fn gauge(node: &Server, name: &str) -> Result<f64> {
    node.gauge(name).await?.with_context(|| format!("the node's /metrics has no gauge {name}"))
}
