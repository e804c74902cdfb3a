//! Visitors that wait for the one agent, beside 100 pairs that talk at 500 messages per second: time from the close of one conversation,
//! by its visitor, until the next one's visitor sees that the agent has it. The agent's client accepts each offer by itself.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use conversa_benches::clock::{self, now_ns};
use conversa_benches::crowd::Crowd;
use conversa_benches::door::Door;
use conversa_benches::end::{self, Plan};
use conversa_benches::protocol::{self, Side};
use futures_util::SinkExt;
use tokio::task::spawn_local;

use super::{float, percentile, rounded};
use crate::company::Company;
use crate::report::{Judged, Row};
use crate::server::Server;
use crate::{Bench, Measure};

const PAIRS: usize = 100;
const PER_S: u64 = 500;
const WAITING: usize = 1_000;
/// Those that stand in the queue at one time; each waits up to this many assignments.
const TOGETHER: usize = 200;
const P99_MAX_MS: f64 = 20.0;
const PATIENCE_MS: u64 = 60_000;

/// Pause for the first of them to stand in the queue: the agent must never wait for a visitor.
const QUEUEING_MS: u64 = 3_000;

/// What the waiting visitors share.
#[derive(Debug, Default)]
struct Line {
    /// When the agent's last conversation was closed.
    closed_ns: Cell<u64>,
    /// From one close to the next assignment.
    times_ms: RefCell<Vec<f64>>,
    done: Cell<usize>,
    /// The first that failed.
    failed: RefCell<Option<anyhow::Error>>,
}

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    if !bench.names(Measure::Assign) {
        return Ok(());
    }
    let company = Company { capacity: 1, ..Company::usual(PAIRS + 1) };
    let node = Server::conversa(bench, &company).await?;
    let waiting = bench.either(WAITING, TOGETHER);
    let door = node.door(bench, PAIRS + 1 + waiting, PAIRS + 1).await?;
    let times_ms = node.watch(measure(bench, &door, waiting)).await?;
    let (p50, p99) = (percentile(&times_ms, 0.5), percentile(&times_ms, 0.99));
    bench.say(&format!("assign: {} conversations, p50 {p50:.2} p99 {p99:.2} ms", times_ms.len()));
    bench.report.row(Row {
        what: "a place frees until the next has the agent, p99, ms",
        yardstick: format!("p50 {p50:.2}"),
        conversa: format!("{p99:.2}"),
        judged: Some(Judged { value: p99, max: P99_MAX_MS, decimals: 2 }),
    });
    bench.report.figure("assign_ms_p50", rounded(p50));
    bench.report.figure("assign_ms_p99", rounded(p99));
    Ok(())
}

async fn measure(bench: &mut Bench, door: &Door, waiting: usize) -> Result<Vec<f64>> {
    let gap_ns = 2 * PAIRS as u64 * 1_000_000_000 / PER_S;
    let mut crowd = Crowd::gather(door, 0, PAIRS, Plan::Open { gap_ns }).await?;
    crowd.go();
    let shared = Rc::new(Line::default());
    let gate = Rc::new(tokio::sync::Semaphore::new(TOGETHER));
    for pair in PAIRS + 1..PAIRS + 1 + waiting {
        let (shared, door, gate) = (Rc::clone(&shared), door.clone(), Rc::clone(&gate));
        spawn_local(async move {
            let _place = gate.acquire().await;
            if let Err(error) = wait_and_close(&door, pair, &shared).await {
                shared.failed.borrow_mut().get_or_insert(error);
            }
            shared.done.set(shared.done.get() + 1);
        });
    }
    clock::pause_ms(QUEUEING_MS).await;
    let (ws, protocol, _) = protocol::open(door.port, door.talker(Side::Agent, PAIRS)).await?;
    let agent = spawn_local(end::hold(ws, protocol));
    let began = now_ns();
    while shared.done.get() < waiting {
        clock::pause_ms(10).await;
        ensure!(
            now_ns() - began < PATIENCE_MS * 1_000_000,
            "{} of {waiting} had the agent after {PATIENCE_MS} ms",
            shared.done.get()
        );
    }
    agent.abort();
    if let Some(error) = shared.failed.take() {
        return Err(error);
    }
    crowd.drain().await;
    bench.judge("assign", crowd.faults());
    Ok(shared.times_ms.take())
}

async fn wait_and_close(door: &Door, pair: usize, shared: &Line) -> Result<()> {
    // It returns when the agent has the conversation.
    let (mut ws, mut protocol, _) = protocol::open(door.port, door.talker(Side::Visitor, pair)).await?;
    let now = now_ns();
    let closed_ns = shared.closed_ns.get();
    if closed_ns > 0 {
        shared.times_ms.borrow_mut().push(float(now - closed_ns) / 1e6);
    }
    let close = protocol.close(0).context("a conversation can be closed")?;
    shared.closed_ns.set(now_ns());
    ws.send(close).await?;
    spawn_local(end::hold(ws, protocol));
    Ok(())
}
