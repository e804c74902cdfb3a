//! 10,000 visitors with a conversation each; the node is killed while half of them write, and starts again on what it left. All come
//! back at once and resume by position; what was not acknowledged is said again, then everybody says one message more. In the end each
//! log must hold both messages of its visitor once, in order.

use std::cell::Cell;
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use conversa_benches::clock::{self, now_ns};
use conversa_benches::door::Door;
use conversa_benches::procstat;
use conversa_benches::protocol::conversa::Conversa;
use conversa_benches::protocol::{Event, Protocol, Ws, enter};
use conversa_benches::stats::{Faults, bump};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::spawn_local;

use super::{float, rounded, since_s};
use crate::company::Company;
use crate::report::{Judged, Row};
use crate::server::Server;
use crate::{Bench, Measure};

const VISITORS: usize = 10_000;
const RESUMED_MAX_S: f64 = 30.0;
const PATIENCE_MS: u64 = 120_000;
/// Longest pause before the first try to come back, and of any later one.
const BACK_OFF_MS: u64 = 500;
const BACK_OFF_MAX_MS: u64 = 8_000;
/// Tries of one visitor; the node is down for a second or two.
const TRIES_MAX: u64 = 60;

/// What the visitors share.
#[derive(Debug, Default)]
struct Shared {
    port: Cell<u16>,
    /// Comings, failed tries, acknowledged messages; when the latest came.
    welcomed: Cell<u64>,
    refused: Cell<u64>,
    accepted: Cell<u64>,
    latest_ns: Cell<u64>,
    given_up: Cell<u64>,
}

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    if !bench.names(Measure::Reconnect) {
        return Ok(());
    }
    let visitors = bench.either(VISITORS, 500);
    let node = Server::conversa(bench, &Company::usual(1)).await?;
    let door = node.door(bench, visitors, 0).await?;
    let shared = Rc::new(Shared::default());
    shared.port.set(node.port);
    let (wanted, wants) = watch::channel(0_u64);
    for number in 0..visitors {
        let client = door.returner(number).context("the door is a node's")?;
        spawn_local(stay(client, number as u64, Rc::clone(&shared), wants.clone()));
    }
    let all = visitors as u64;
    until(&shared, "had come", |shared| shared.welcomed.get() >= all).await?;
    let before = procstat::sample(node.pid);
    // Half of them have an answer when the node dies, about.
    wanted.send_replace(1);
    until(&shared, "were acknowledged", |shared| shared.accepted.get() >= all / 2).await?;
    let acknowledged = shared.accepted.get();
    let node = node.killed_and_started(bench).await?;
    shared.port.set(node.port);
    let began = now_ns();
    node.watch(until(&shared, "had resumed", |shared| shared.welcomed.get() >= 2 * all)).await?;
    let resumed_s = float(shared.latest_ns.get().saturating_sub(began)) / 1e9;
    let after = procstat::sample(node.pid);
    wanted.send_replace(2);
    node.watch(until(&shared, "were acknowledged", |shared| shared.accepted.get() >= 2 * all)).await?;
    let all_said_s = since_s(began);
    let faults = check(&node, &door, visitors).await?;
    bench.judge("reconnect", faults);
    bench.say(&format!(
        "reconnect: {visitors} resumed in {resumed_s:.1} s after the start ({} failed tries), everybody had said the second message after {all_said_s:.1} s; {acknowledged} messages were acknowledged at the kill; memory {} MB before it, {} MB after, at most {} MB",
        shared.refused.get(),
        before.pss_bytes >> 20,
        after.pss_bytes >> 20,
        after.peak_bytes >> 20,
    ));
    bench.report.row(Row {
        what: "10,000 visitors resume after a kill, s",
        yardstick: format!("at most {} MB", after.peak_bytes >> 20),
        conversa: format!("{resumed_s:.1}"),
        judged: Some(Judged { value: resumed_s, max: RESUMED_MAX_S, decimals: 1 }),
    });
    bench.report.figure("reconnect_visitors", visitors);
    bench.report.figure("reconnect_resumed_s", rounded(resumed_s));
    bench.report.figure("reconnect_peak_bytes", after.peak_bytes);
    Ok(())
}

async fn until(shared: &Shared, what: &str, done: impl Fn(&Shared) -> bool) -> Result<()> {
    let began = now_ns();
    while !done(shared) {
        clock::pause_ms(5).await;
        ensure!(
            now_ns() - began < PATIENCE_MS * 1_000_000 && shared.given_up.get() == 0,
            "not all {what} in time: {shared:?}"
        );
    }
    Ok(())
}

/// One visitor, through all losses.
async fn stay(mut client: Conversa, number: u64, shared: Rc<Shared>, mut wants: watch::Receiver<u64>) {
    let mut accepted = 0;
    let mut tries = 0;
    while tries < TRIES_MAX {
        if let Ok(ws) = come(&mut client, &shared).await {
            tries = 0;
            bump(&shared.welcomed, 1);
            shared.latest_ns.set(now_ns());
            // It ends when the line is lost.
            let _ = talk(&mut client, ws, &shared, &mut accepted, &mut wants).await;
        } else {
            bump(&shared.refused, 1);
        }
        tries += 1;
        let most = (BACK_OFF_MS << tries.min(6)).min(BACK_OFF_MAX_MS);
        // Spread over the pause by the golden ratio: the same each time, and nobody together.
        clock::pause_ms((number * 6_180_339 + tries * 7_919) % most + 1).await;
    }
    bump(&shared.given_up, 1);
}

async fn come(client: &mut Conversa, shared: &Shared) -> Result<Ws> {
    let port = shared.port.get();
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    Ok(enter(port, tcp, client).await?.0)
}

async fn talk(
    client: &mut Conversa,
    mut ws: Ws,
    shared: &Shared,
    accepted: &mut u64,
    wants: &mut watch::Receiver<u64>,
) -> Result<()> {
    let mut said = *accepted;
    let mut events = Vec::new();
    loop {
        let wanted = *wants.borrow_and_update();
        while said < wanted {
            ws.feed(client.say(0, said, &text(said))).await?;
            said += 1;
        }
        ws.flush().await?;
        tokio::select! {
            frame = ws.next() => {
                client.decode(frame.context("closed")??, now_ns(), &mut events)?;
                for event in events.drain(..) {
                    match event {
                        Event::Accepted { n, .. } if n == *accepted => {
                            *accepted += 1;
                            bump(&shared.accepted, 1);
                        }
                        Event::Reply(frame) => ws.feed(frame).await?,
                        _ => {}
                    }
                }
            }
            changed = wants.changed() => changed?,
        }
    }
}

fn text(n: u64) -> String {
    format!("message {n} of a visitor who stays")
}

/// Reads every log.
async fn check(node: &Server, door: &Door, visitors: usize) -> Result<Faults> {
    let mut faults = Faults::default();
    for (cv, number) in door.conversations() {
        ensure!(number < visitors, "{cv} is nobody's");
        let page = node
            .get_as(&format!("/v1/conversations/{cv}/messages?limit=100"), &door.visitor_token(number))
            .await?;
        let places: Vec<Vec<usize>> =
            (0..2).map(|n| page.match_indices(&text(n)).map(|(place, _)| place).collect()).collect();
        for of in &places {
            match of.len() {
                0 => faults.lost += 1,
                1 => {}
                more => faults.dups += more as u64 - 1,
            }
        }
        if let ([first], [second]) = (&places[0][..], &places[1][..])
            && first > second
        {
            faults.gaps += 1;
        }
    }
    Ok(faults)
}
