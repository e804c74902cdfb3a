//! The faults.

use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;

use super::World;
use crate::lab::NODES;
use crate::lab::process::Process;

/// How long a short and a long stand-still last.
const PAUSE: Duration = Duration::from_secs(10);
const LONG_PAUSE: Duration = Duration::from_secs(60);
/// How long a line is cut.
const CUT: Duration = Duration::from_secs(10);
/// How long the store stands still.
const STORE_STOPPED: Duration = Duration::from_secs(30);

/// Something bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A node is killed; seen by those who are connected to others.
    KillOwner,
    /// A node is killed; seen by those who were connected to it.
    KillGateway,
    /// A node stands still for 10 s.
    PauseNode,
    /// A node stands still for 60 s.
    PauseNodeLong,
    /// A node is cut off from the others and from the store; its clients still reach it.
    Partition,
    /// A node hears nothing of the others and of the store; what it says arrives.
    PartitionOneway,
    /// A CQL server is killed.
    KillStore,
    /// All CQL servers stand still for 30 s.
    StopStore,
    /// Each node in turn stops as one should, and starts again.
    RollingRestart,
    /// A node stops as one should.
    Drain,
}

/// Which probes a fault touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touched {
    All,
    /// Those that are connected to the victim.
    AtVictim,
    /// Those that are not.
    Elsewhere,
}

/// Names and faults.
const ALL: &[(&str, Fault)] = &[
    ("kill-owner", Fault::KillOwner),
    ("kill-gateway", Fault::KillGateway),
    ("pause-node", Fault::PauseNode),
    ("pause-node-60", Fault::PauseNodeLong),
    ("partition", Fault::Partition),
    ("partition-oneway", Fault::PartitionOneway),
    ("kill-store", Fault::KillStore),
    ("stop-store", Fault::StopStore),
    ("rolling-restart", Fault::RollingRestart),
    ("drain", Fault::Drain),
];

impl Fault {
    /// The faults of a list with commas; `all` for all.
    ///
    /// # Errors
    /// When one is not known, with those that are.
    pub fn list(text: &str) -> anyhow::Result<Vec<Self>> {
        if text == "all" {
            return Ok(ALL.iter().map(|(_, fault)| *fault).collect());
        }
        let one = |name: &str| match ALL.iter().find(|(known, _)| *known == name) {
            Some((_, fault)) => Ok(*fault),
            None => {
                let known: Vec<_> = ALL.iter().map(|(name, _)| *name).collect();
                bail!("{name:?} is no fault: all, or some of {}", known.join(","))
            }
        };
        text.split(',').map(one).collect()
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(_, fault)| *fault == self).map_or("?", |(name, _)| name)
    }

    /// Makes it happen; what of it lasts for a while goes on when this returns, unless it is a whole course of things. Whom it touches, and
    /// from when on.
    pub(super) async fn inject(self, world: &mut World, victim: usize) -> anyhow::Result<(Touched, Instant)> {
        let began = Instant::now();
        let touched = self.happen(world, victim).await?;
        Ok((touched, if self == Self::StopStore { Instant::now() } else { began }))
    }

    async fn happen(self, world: &mut World, victim: usize) -> anyhow::Result<Touched> {
        match self {
            Self::KillOwner => {
                world.nodes.kill(victim);
                Ok(Touched::Elsewhere)
            }
            Self::KillGateway => {
                world.nodes.kill(victim);
                Ok(Touched::AtVictim)
            }
            // Whoever is connected to it finds out with the next ping; what is measured is the others.
            Self::PauseNode | Self::PauseNodeLong => world.nodes.pause(victim).map(|()| Touched::Elsewhere),
            Self::Partition => world.net.cut(victim, false).map(|()| Touched::Elsewhere),
            Self::PartitionOneway => world.net.cut(victim, true).map(|()| Touched::Elsewhere),
            Self::KillStore => {
                world.ring.kill(victim);
                Ok(Touched::All)
            }
            Self::StopStore => {
                each_server(world, Process::pause)?;
                tokio::time::sleep(STORE_STOPPED).await;
                each_server(world, Process::resume).map(|()| Touched::All)
            }
            Self::RollingRestart => {
                for node in 0..NODES {
                    world.nodes.restart(node).await?;
                }
                Ok(Touched::All)
            }
            Self::Drain => world.nodes.restart(victim).await.map(|()| Touched::All),
        }
    }

    /// Ends what lasts.
    pub(super) async fn heal(self, world: &mut World, victim: usize) -> anyhow::Result<()> {
        match self {
            Self::PauseNode => {
                tokio::time::sleep(PAUSE).await;
                world.nodes.resume(victim)
            }
            Self::PauseNodeLong => {
                tokio::time::sleep(LONG_PAUSE).await;
                world.nodes.resume(victim)
            }
            Self::Partition | Self::PartitionOneway => {
                tokio::time::sleep(CUT).await;
                world.net.join(victim)
            }
            Self::KillStore => tokio::task::block_in_place(|| world.ring.start_again(victim)),
            Self::KillOwner | Self::KillGateway | Self::StopStore | Self::RollingRestart | Self::Drain => {
                Ok(())
            }
        }
    }
}

fn each_server(world: &mut World, act: fn(&mut Process) -> anyhow::Result<()>) -> anyhow::Result<()> {
    (0..NODES).filter_map(|server| world.ring.server(server).map(act)).collect()
}
