//! The measures, one file each, and what they share.

pub(crate) mod assign;
pub(crate) mod history;
pub(crate) mod idle;
pub(crate) mod latency;
pub(crate) mod overload;
pub(crate) mod reconnect;
pub(crate) mod saturated;
pub(crate) mod stalled;
pub(crate) mod wake;
pub(crate) mod watchers;

use anyhow::{Result, ensure};
use conversa_benches::crowd::Crowd;
use conversa_benches::end::Plan;
use conversa_benches::stats::Percentiles;
use conversa_benches::{clock, procstat};
use serde::Serialize;

use crate::Bench;
use crate::company::Company;
use crate::server::Server;

/// The floor, or a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Floor,
    Conversa,
}

/// What a run cost.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Cost {
    /// Messages delivered.
    messages: u64,
    /// Per second of the run, until the load stopped.
    delivered_per_s: f64,
    /// The server's CPU time from the first message until it had come to rest, per delivered message.
    cpu_us: f64,
    /// Near 100 the load was the limit of `delivered_per_s`.
    load_cpu_percent: f64,
    /// How long the server went on after the load, ms.
    rest_ms: u64,
    delivery: Percentiles,
    from_due: Percentiles,
    acknowledgement: Percentiles,
}

/// Lets a crowd talk for a time.
async fn run_for(server: &Server, crowd: &mut Crowd, ms: u64) -> Result<Cost> {
    run_until(server, crowd, async |_| {
        clock::pause_ms(ms).await;
        Ok(())
    })
    .await
}

/// Lets a crowd talk until `done`, and says what it cost.
async fn run_until(
    server: &Server,
    crowd: &mut Crowd,
    done: impl AsyncFnOnce(&Crowd) -> Result<()>,
) -> Result<Cost> {
    server.rest().await?;
    let own = std::process::id();
    let (cpu, own_cpu, received, began) =
        (procstat::cpu_s(server.pid), procstat::cpu_s(own), crowd.load.stats.received.get(), clock::now_ns());
    crowd.load.stats.time_from(began);
    crowd.go();
    done(crowd).await?;
    let seconds = since_s(began);
    let own_cpu = procstat::cpu_s(own) - own_cpu;
    let delivered_per_s = float(crowd.load.stats.received.get() - received) / seconds;
    crowd.drain().await;
    let rest_ms = server.rest().await?;
    let stats = &crowd.load.stats;
    let messages = stats.received.get() - received;
    ensure!(messages > 0, "nothing was delivered");
    Ok(Cost {
        messages,
        delivered_per_s,
        cpu_us: (procstat::cpu_s(server.pid) - cpu) * 1e6 / float(messages),
        load_cpu_percent: own_cpu / seconds * 100.0,
        rest_ms,
        delivery: stats.delivery(),
        from_due: stats.from_due(),
        acknowledgement: stats.acknowledgement(),
    })
}

/// Starts the server, brings a crowd together, warms both up, measures once.
async fn once(bench: &mut Bench, who: Who, pairs: usize, plan: Plan, ms: u64) -> Result<Cost> {
    const WARM_UP_MS: u64 = 1_000;
    let (server, door) = match who {
        Who::Floor => {
            let server = Server::floor(bench).await?;
            let door = server.relay_door();
            (server, door)
        }
        Who::Conversa => {
            let server = Server::conversa(bench, &Company::usual(pairs)).await?;
            let door = server.door(bench, pairs, pairs).await?;
            (server, door)
        }
    };
    let measuring = async {
        let mut crowd = Crowd::gather(&door, 0, pairs, plan).await?;
        run_for(&server, &mut crowd, WARM_UP_MS).await?;
        let cost = run_for(&server, &mut crowd, ms).await?;
        Ok((cost, crowd.faults()))
    };
    let (cost, faults) = server.watch(measuring).await?;
    bench.judge(&format!("{who:?}"), faults);
    Ok(cost)
}

/// Who goes first changes every round, so that a machine that drifts favours nobody.
fn in_turn<T>(round: u32, first: T, second: T) -> [T; 2] {
    if round.is_multiple_of(2) { [first, second] } else { [second, first] }
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match (values.len(), values.len() / 2) {
        (0, _) => 0.0,
        (count, middle) if count % 2 == 1 => values[middle],
        (_, middle) => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// The smallest value that so large a share does not exceed; 0 of nothing.
fn percentile(times: &[f64], quantile: f64) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a short list"
    )]
    let place = (times.len() as f64 * quantile).ceil() as usize;
    times.get(place.saturating_sub(1)).copied().unwrap_or_default()
}

/// Two decimals more than anybody needs, instead of all sixteen.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[expect(clippy::cast_precision_loss, reason = "counts here are below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

fn since_s(began_ns: u64) -> f64 {
    float(clock::now_ns() - began_ns) / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median([]).abs() < 1e-9);
    }
}
