//! Faults under load, on a lab of real processes: what was acknowledged must be there, once and in order, and a fresh message must soon be
//! accepted again.

mod faults;
mod load;
mod logs;
mod nodes;
mod probe;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use conversa_gateway::client::Chance;
use serde::Serialize;
use tokio::time::Instant;

use crate::checker::Violation;
use crate::lab::cassandra::Ring;
use crate::lab::net::Net;
use crate::lab::{NODES, prepare};

pub use faults::Fault;
use load::Load;
use nodes::Nodes;
use probe::Probes;

/// Probes: conversations in which somebody speaks all the time.
const PROBES: usize = 18;
/// How long all is well before the first fault: what people wait for then is what it is compared with.
const QUIET: Duration = Duration::from_secs(20);
/// Between the end of one fault and the next.
const REST: Duration = Duration::from_secs(4);
/// How often something that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The part of an even share that each node serves before the next fault.
const SHARE: f64 = 0.6;

/// Findings that are printed.
const FINDINGS_SHOWN: usize = 10;

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program under test.
    pub program: PathBuf,
    /// Which faults, in this order.
    pub faults: Vec<Fault>,
    /// The time for all of them together.
    pub time: Duration,
    /// At most so many of each.
    pub injections: usize,
    /// Chooses the victims.
    pub seed: u64,
    /// For data and logs; emptied if a lab has made it, and left as it is at the end.
    pub folder: PathBuf,
}

/// What came of one kind of fault.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// Its name.
    pub fault: String,
    /// How often it happened.
    pub injected: usize,
    /// Messages that were acknowledged meanwhile.
    pub acknowledged: u64,
    /// Of those that are not in the log, or not as they were sent.
    pub lost: u64,
    /// That are there more than once.
    pub doubled: u64,
    /// That are out of order there, or were shown so.
    pub reordered: u64,
    /// Findings about who had which conversation in the journals of conversations, agents and queues (the checker's I6): two agents with one
    /// conversation, two places for it, a place without it.
    pub double_assigned: u64,
    /// Other findings in the same journals: gaps, and what may not follow each other.
    pub other_findings: u64,
    /// The longest time that a message waited in a conversation that the fault touched, over all times that it happened: from the fault,
    /// or from when it was sent; of a store that stood still, from when it went on.
    pub recovery_ms_p50: u64,
    /// The same.
    pub recovery_ms_p99: u64,
    /// The same.
    pub recovery_ms_max: u64,
    /// Each of them, in order.
    pub recovery_ms: Vec<u64>,
    /// The longest time that a message waited in each conversation that the fault touched, over all conversations and all times that it
    /// happened.
    pub stall_ms_p50: u64,
    /// The same.
    pub stall_ms_p99: u64,
    /// The same of each conversation before the first fault, while all was well for 20 s.
    pub quiet_ms_p50: u64,
    /// The same.
    pub quiet_ms_p99: u64,
}

impl Outcome {
    /// True when nothing was lost, doubled, out of order or assigned twice.
    #[must_use]
    pub fn clean(&self) -> bool {
        self.lost + self.doubled + self.reordered + self.double_assigned + self.other_findings == 0
    }
}

/// The parts of a run.
struct World {
    net: Net,
    ring: Ring,
    nodes: Nodes,
    chance: Chance,
}

/// Runs the plan and tells `progress` what happens.
///
/// # Errors
/// When the lab cannot be set up, or does not come back after a fault.
pub async fn run(plan: &Plan, progress: impl Fn(&str)) -> anyhow::Result<Vec<Outcome>> {
    if plan.faults.is_empty() {
        bail!("no fault is named: see --help");
    }
    let folder = prepare(&plan.folder)?;
    on_lab(plan, &folder, &progress).await
}

async fn on_lab(plan: &Plan, folder: &Path, progress: &impl Fn(&str)) -> anyhow::Result<Vec<Outcome>> {
    let net = Net::start().context("network namespaces need root, ip and iptables")?;
    progress("starting three CQL servers");
    let store = folder.join("store");
    let ring = tokio::task::block_in_place(|| Ring::start(&store, &net.servers()))?;
    progress("starting three nodes");
    let nodes = Nodes::start(&plan.program, &net, ring.contact_points(), folder).await?;
    progress("waiting until the shards are spread");
    nodes.spread(SHARE).await?;
    let mut world = World { net, ring, nodes, chance: Chance::new(plan.seed) };
    let each = plan.time / u32::try_from(plan.faults.len()).unwrap_or(u32::MAX);
    let mut outcomes = Vec::new();
    for fault in &plan.faults {
        outcomes.push(of_fault(plan, *fault, each, &mut world, folder, progress).await?);
    }
    Ok(outcomes)
}

async fn of_fault(
    plan: &Plan,
    fault: Fault,
    time: Duration,
    world: &mut World,
    folder: &Path,
    progress: &impl Fn(&str),
) -> anyhow::Result<Outcome> {
    let until = Instant::now() + time;
    let probes = Arc::new(Probes::start(&world.nodes, PROBES, fault.name()).await?);
    let load = Load::start(&plan.program, &world.nodes, folder, fault.name());
    let mut outcome = Outcome { fault: fault.name().to_owned(), ..Outcome::default() };
    tokio::time::sleep(REST).await;
    let quiet = Instant::now();
    tokio::time::sleep(QUIET).await;
    let mut quiet = probes.waits(quiet);
    let mut stalls = Vec::new();
    while outcome.injected < plan.injections && Instant::now() < until {
        let victim = usize::try_from(world.chance.below(NODES as u64)).unwrap_or_default();
        let (touched, since) = fault.inject(world, victim).await?;
        let recovery = probes.recovered(since, touched, victim).await;
        fault.heal(world, victim).await?;
        let settled = probes.recovered(Instant::now(), faults::Touched::All, victim).await;
        outcome.injected += 1;
        outcome.recovery_ms.push(recovery.ms);
        stalls.extend(recovery.each);
        progress(&format!(
            "{} {}: node {}, {} ms until all took a fresh message ({} was the last), {} ms after healing",
            fault.name(),
            outcome.injected,
            victim + 1,
            recovery.ms,
            recovery.slowest,
            settled.ms
        ));
        // A node that serves nothing would be missed by nobody.
        world.nodes.spread(SHARE).await?;
        tokio::time::sleep(REST).await;
    }
    let sums = load.stop().await?;
    let probes = Arc::into_inner(probes).context("nobody else has the probes")?;
    let seen = probes.stop(&world.nodes).await?;
    outcome.acknowledged = sums.acknowledged + seen.acknowledged;
    outcome.lost = sums.lost + seen.lost;
    outcome.doubled = sums.doubled + seen.doubled;
    outcome.reordered = sums.reordered + seen.reordered;
    let findings = logs::check(world.ring.contact_points()).await?;
    findings.iter().take(FINDINGS_SHOWN).for_each(|finding| progress(&finding.to_string()));
    let of_hands = |finding: &&Violation| finding.invariant == "I6";
    outcome.double_assigned = findings.iter().filter(of_hands).count() as u64;
    outcome.other_findings = findings.len() as u64 - outcome.double_assigned;
    let mut recoveries = outcome.recovery_ms.clone();
    [outcome.recovery_ms_p50, outcome.recovery_ms_p99, outcome.recovery_ms_max] =
        percentiles(&mut recoveries, [50, 99, 100]);
    [outcome.stall_ms_p50, outcome.stall_ms_p99] = percentiles(&mut stalls, [50, 99]);
    [outcome.quiet_ms_p50, outcome.quiet_ms_p99] = percentiles(&mut quiet, [50, 99]);
    Ok(outcome)
}

/// The values below which that many percent are; 0 of nothing.
fn percentiles<const N: usize>(values: &mut [u64], percents: [usize; N]) -> [u64; N] {
    values.sort_unstable();
    percents.map(|percent| {
        let place = (values.len() * percent).div_ceil(100).saturating_sub(1);
        values.get(place).copied().unwrap_or_default()
    })
}

/// Waits until `done` says so.
async fn until(what: &str, limit: Duration, mut done: impl AsyncFnMut() -> bool) -> anyhow::Result<()> {
    let wait = async {
        while !done().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(limit, wait).await.with_context(|| format!("{what} did not come within {limit:?}"))
}
