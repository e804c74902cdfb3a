//! Appends to a CQL store as a node makes them, one event at a time and 16 together: CPU of the store's server for each event.

use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use conversa_actors::address::Address;
use conversa_actors::port::{Append, Journal};
use conversa_benches::{clock, procstat};
use conversa_cluster::cql::{Cql, Settings};
use conversa_engine::ids::TenantId;
use tokio::sync::oneshot;
use tokio::task::spawn_local;

use crate::{Bench, float, median, since_s};

/// Conversations that append at a time.
const LOGS: u64 = 64;
const TOGETHER: u64 = 16;
/// What a message of people takes.
const EVENT_BYTES: usize = 400;
/// CPU of an event in batches, in that of a lonely one.
const RATIO_MAX: f64 = 1.0 / 3.0;

#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    cpu_us: f64,
    per_s: f64,
}

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let settings = Settings {
        contact_points: vec![bench.cql.clone()],
        keyspace: format!("appends_{}", std::process::id()),
        datacenter: "datacenter1".into(),
        replication: 1,
        user: None,
    };
    let store = Arc::new(Cql::open(&settings).await?);
    let events = bench.either(40_000, 4_000);
    // The server compiles what it runs often.
    for _ in 0..bench.either(2, 1) {
        for together in [1, TOGETHER] {
            cost(bench, &store, events, together, "warm").await?;
        }
    }
    let mut rounds: Vec<[Cost; 2]> = Vec::new();
    for round in 0..bench.rounds() {
        let mut costs = [Cost::default(); 2];
        let first = usize::try_from(round % 2)?;
        for which in [first, 1 - first] {
            let together = if which == 0 { 1 } else { TOGETHER };
            costs[which] = cost(bench, &store, events, together, &round.to_string()).await?;
        }
        let [one, many] = costs;
        bench.say(&format!(
            "store {}/{}: one by one {:.0}/s {:.1} us, {TOGETHER} together {:.0}/s {:.1} us: {:.2} x",
            round + 1,
            bench.rounds(),
            one.per_s,
            one.cpu_us,
            many.per_s,
            many.cpu_us,
            many.cpu_us / one.cpu_us
        ));
        rounds.push(costs);
    }
    let of = |figure: fn(&[Cost; 2]) -> f64| median(rounds.iter().map(figure));
    let ratio = of(|[one, many]| many.cpu_us / one.cpu_us);
    let (one, many) = (of(|costs| costs[0].cpu_us), of(|costs| costs[1].cpu_us));
    let report = &mut bench.report;
    let shown = format!("{one:.1} and {many:.1}");
    report.row("CPU of the CQL server per event, one and 16 an append, us", shown, Some((ratio, RATIO_MAX)));
    report.figure("cql_cpu_us_one", one);
    report.figure("cql_cpu_us_16", many);
    report.figure("cql_cpu_16_over_one", ratio);
    report.figure("cql_events_per_s_one", of(|costs| costs[0].per_s));
    report.figure("cql_events_per_s_16", of(|costs| costs[1].per_s));
    Ok(())
}

async fn cost(bench: &Bench, store: &Arc<Cql>, events: u64, together: u64, round: &str) -> Result<Cost> {
    let (cpu, began) = (procstat::cpu_s(bench.cql_pid), clock::now_ns());
    let body = Bytes::from(vec![b'x'; EVENT_BYTES]);
    let each = events / LOGS / together;
    let round: Rc<str> = format!("{round}.{together}").into();
    let logs = (0..LOGS).map(|log| {
        let address = Address::new(TenantId::new("bench"), "conversation", format!("{round}.{log}"));
        spawn_local(fill(Arc::clone(store), address, each, together, body.clone()))
    });
    let logs: Vec<_> = logs.collect();
    for log in logs {
        log.await??;
    }
    let seconds = since_s(began);
    let written = float(each * together * LOGS);
    let cpu = procstat::cpu_s(bench.cql_pid) - cpu;
    Ok(Cost { cpu_us: cpu * 1e6 / written, per_s: written / seconds })
}

/// Appends to one log, one append at a time, as a cell does.
async fn fill(store: Arc<Cql>, address: Address, appends: u64, together: u64, body: Bytes) -> Result<()> {
    let bodies: Arc<[Bytes]> = (0..together).map(|_| body.clone()).collect();
    for number in 0..appends {
        let append = Append {
            address: address.clone(),
            epoch: 1,
            first: number * together + 1,
            bodies: Arc::clone(&bodies),
        };
        let (done, outcome) = oneshot::channel();
        store.append(
            append,
            Box::new(move |result| {
                // Whoever waits may have gone with a failed run.
                let _ = done.send(result);
            }),
        );
        outcome.await?.map_err(|error| anyhow!("an append failed: {error}"))?;
    }
    Ok(())
}
