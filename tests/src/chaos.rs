//! Faults under load, on a lab of real processes: what was acknowledged must be there, once and in order, and a fresh message must soon be
//! accepted again.

mod faults;
mod load;
mod probe;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use conversa_gateway::client::Chance;
use serde::Serialize;
use tokio::time::Instant;

use crate::ground::{COUNT, Net, Nodes, Ring};

pub use faults::Fault;
use load::Load;
use probe::Probes;

/// Probes: conversations in which somebody speaks all the time.
const PROBES: usize = 18;
/// Between the end of one fault and the next.
const REST: Duration = Duration::from_secs(4);

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
    /// Chooses victims and moments.
    pub seed: u64,
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
    /// Of those that are not in the log.
    pub lost: u64,
    /// That are there more than once.
    pub doubled: u64,
    /// That are out of order there, or were shown so.
    pub reordered: u64,
    /// Conversations that two agents had.
    pub double_assigned: u64,
    /// From the fault until every conversation that it touched took a fresh message, over all times that it happened.
    pub recovery_ms_p50: u64,
    /// The same.
    pub recovery_ms_p99: u64,
    /// The same.
    pub recovery_ms_max: u64,
    /// Each of them, in order.
    pub recovery_ms: Vec<u64>,
}

impl Outcome {
    /// True when nothing was lost, doubled, out of order or assigned twice.
    #[must_use]
    pub fn clean(&self) -> bool {
        self.lost + self.doubled + self.reordered + self.double_assigned == 0
    }
}

/// The parts of a run.
pub(crate) struct World {
    pub(crate) net: Net,
    pub(crate) ring: Ring,
    pub(crate) nodes: Nodes,
    pub(crate) chance: Chance,
}

/// Runs the plan and tells `progress` what happens.
///
/// # Errors
/// When the lab cannot be set up, or does not come back after a fault.
pub async fn run(plan: &Plan, progress: impl Fn(&str)) -> anyhow::Result<Vec<Outcome>> {
    if plan.faults.is_empty() {
        bail!("no fault is named: see --help");
    }
    let folder = tempfile::Builder::new().prefix("conversa-chaos").tempdir()?;
    let outcome = on_lab(plan, folder.path(), &progress).await;
    if !outcome.as_ref().is_ok_and(|outcomes| outcomes.iter().all(Outcome::clean)) {
        let kept = folder.keep();
        progress(&format!("the lab's logs are kept in {}", kept.display()));
    }
    outcome
}

async fn on_lab(plan: &Plan, folder: &Path, progress: &impl Fn(&str)) -> anyhow::Result<Vec<Outcome>> {
    let net = Net::start().await.context("network namespaces need root, ip and iptables")?;
    let places = net.places();
    progress("starting three CQL servers");
    let ring = Ring::start(places.servers.clone(), folder).await?;
    progress("starting three nodes");
    let nodes =
        Nodes::start(&plan.program, Some(&net), places.nodes.clone(), ring.contact_points(), folder).await?;
    progress("waiting until the shards are spread");
    nodes.spread(0.6).await?;
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
    while outcome.injected < plan.injections && Instant::now() < until {
        let victim = usize::try_from(world.chance.below(COUNT as u64)).unwrap_or_default();
        let began = Instant::now();
        let touched = fault.inject(world, victim).await?;
        let recovered = probes.recovered(began, touched, victim).await;
        fault.heal(world, victim).await?;
        let settled = probes.recovered(Instant::now(), faults::Touched::All, victim).await;
        outcome.injected += 1;
        outcome.recovery_ms.push(recovered);
        progress(&format!(
            "{} {}: node {}, {recovered} ms until all took a fresh message, {settled} ms more after healing",
            fault.name(),
            outcome.injected,
            victim + 1
        ));
        for node in 0..COUNT {
            world.nodes.ready(node).await?;
        }
        tokio::time::sleep(REST).await;
    }
    let sums = load.stop().await?;
    let probes = Arc::into_inner(probes).context("nobody else has the probes")?;
    let seen = probes.stop(&world.nodes).await?;
    outcome.acknowledged = sums.acknowledged + seen.acknowledged;
    outcome.lost = sums.lost + seen.lost;
    outcome.doubled = sums.doubled + seen.doubled;
    outcome.reordered = sums.reordered + seen.reordered;
    outcome.double_assigned = load::double_assigned(&world.nodes).await?;
    let mut sorted = outcome.recovery_ms.clone();
    sorted.sort_unstable();
    let at = |percent: usize| {
        let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(place).copied().unwrap_or_default()
    };
    (outcome.recovery_ms_p50, outcome.recovery_ms_p99, outcome.recovery_ms_max) = (at(50), at(99), at(100));
    Ok(outcome)
}
