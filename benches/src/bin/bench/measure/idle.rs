//! 10,000 visitors that are logged in and do nothing: memory per socket, once their actors are at rest.

use anyhow::{Result, ensure};
use conversa_benches::crowd::Idlers;
use conversa_benches::door::Door;
use conversa_benches::stats::Faults;
use conversa_benches::{clock, procstat};

use super::{float, since_s};
use crate::company::Company;
use crate::report::{Judged, Row, whole};
use crate::server::Server;
use crate::{Bench, Measure};

const SOCKETS: usize = 10_000;
const IDLE_MS: u64 = 2_000;
/// Longest wait for actors to go to rest.
const PATIENCE_MS: u64 = 20_000;
/// Aim: an idle logged-in visitor costs at most 25 KB.
const BYTES_MAX: f64 = 25.0 * 1024.0;
/// Files that a process needs beside its sockets.
const OTHER_FILES: u64 = 200;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    if !bench.wants(Measure::Idle) {
        return Ok(());
    }
    let wanted = bench.either(SOCKETS, 1_000);
    let sockets = wanted.min(usize::try_from(procstat::open_files_max().saturating_sub(OTHER_FILES))?);
    if sockets < wanted {
        bench.say(&format!("idle: only {sockets} sockets, a process here may not open more files"));
    }
    let floor = Server::floor(bench).await?;
    let floor_bytes = floor.watch(hold(bench, &floor, &floor.relay_door(), sockets)).await?;
    drop(floor);
    let node = Server::conversa(bench, &Company { idle_ms: IDLE_MS, ..Company::usual(1) }).await?;
    let door = node.door(bench, sockets, 0).await?;
    let bytes = node.watch(hold(bench, &node, &door, sockets)).await?;
    bench.say(&format!(
        "idle: floor {} bytes, conversa {} bytes per socket at {sockets}",
        whole(floor_bytes),
        whole(bytes)
    ));
    let report = &mut bench.report;
    report.row(Row {
        what: "memory per idle logged-in visitor, bytes PSS",
        yardstick: whole(floor_bytes),
        conversa: whole(bytes),
        judged: Some(Judged { value: bytes, max: BYTES_MAX, decimals: 0 }),
    });
    report.figure("idle_pss_bytes", bytes.round());
    report.figure("idle_pss_bytes_floor", floor_bytes.round());
    report.figure("idle_sockets", sockets);
    Ok(())
}

/// Bytes per socket.
async fn hold(bench: &mut Bench, server: &Server, door: &Door, sockets: usize) -> Result<f64> {
    server.rest().await?;
    let before = procstat::sample(server.pid);
    let cells = server.gauge("conversa_cells").await.ok().flatten();
    let began = clock::now_ns();
    let idlers = Idlers::gather(door, sockets).await?;
    let seconds = since_s(began);
    if let Some(cells) = cells {
        fall_asleep(server, cells + float(sockets as u64) / 100.0).await?;
    }
    clock::pause_ms(1_000).await;
    server.rest().await?;
    let after = procstat::sample(server.pid);
    let gone = (sockets - idlers.alive()) as u64;
    bench.judge("idle sockets that did not stay", Faults { errors: gone, ..Faults::default() });
    bench.say(&format!(
        "idle: {sockets} sockets in {seconds:.1} s, {} to {} MB",
        before.pss_bytes >> 20,
        after.pss_bytes >> 20
    ));
    Ok(float(after.pss_bytes.saturating_sub(before.pss_bytes)) / float(sockets as u64))
}

/// Waits until at most `cells` actors are awake.
async fn fall_asleep(server: &Server, cells: f64) -> Result<()> {
    let began = clock::now_ns();
    loop {
        let awake = server.gauge("conversa_cells").await?.unwrap_or_default();
        if awake <= cells {
            return Ok(());
        }
        ensure!(
            clock::now_ns() - began < PATIENCE_MS * 1_000_000,
            "{awake} actors are still awake {PATIENCE_MS} ms after the last login"
        );
        clock::pause_ms(500).await;
    }
}
