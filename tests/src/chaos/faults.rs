//! The faults.

use std::time::Duration;

use anyhow::bail;

use super::World;
use crate::ground::COUNT;

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

    /// Makes it happen; what of it lasts for a while goes on when this returns, unless it is a whole course of things.
    pub(super) async fn inject(self, world: &mut World, victim: usize) -> anyhow::Result<Touched> {
        match self {
            Self::KillOwner => world.nodes.signal(victim, "KILL").await.map(|()| Touched::Elsewhere),
            Self::KillGateway => world.nodes.signal(victim, "KILL").await.map(|()| Touched::AtVictim),
            Self::PauseNode | Self::PauseNodeLong => {
                // Whoever is connected to it finds out with the next ping; what is measured is the others.
                world.nodes.signal(victim, "STOP").await.map(|()| Touched::Elsewhere)
            }
            Self::Partition => world.net.cut(victim, false).await.map(|()| Touched::Elsewhere),
            Self::PartitionOneway => world.net.cut(victim, true).await.map(|()| Touched::Elsewhere),
            Self::KillStore => world.ring.kill(victim).await.map(|()| Touched::All),
            Self::StopStore => {
                world.ring.pause(true).await?;
                tokio::time::sleep(STORE_STOPPED).await;
                world.ring.pause(false).await.map(|()| Touched::All)
            }
            Self::RollingRestart => {
                for node in 0..COUNT {
                    restart(world, node).await?;
                }
                Ok(Touched::All)
            }
            Self::Drain => {
                restart(world, victim).await?;
                Ok(Touched::All)
            }
        }
    }

    /// Ends what lasts.
    pub(super) async fn heal(self, world: &mut World, victim: usize) -> anyhow::Result<()> {
        match self {
            Self::PauseNode => {
                tokio::time::sleep(PAUSE).await;
                world.nodes.signal(victim, "CONT").await
            }
            Self::PauseNodeLong => {
                tokio::time::sleep(LONG_PAUSE).await;
                world.nodes.signal(victim, "CONT").await
            }
            Self::Partition | Self::PartitionOneway => {
                tokio::time::sleep(CUT).await;
                world.net.join(victim).await
            }
            Self::KillStore => world.ring.revive(victim).await,
            Self::KillOwner | Self::KillGateway | Self::StopStore | Self::RollingRestart | Self::Drain => {
                Ok(())
            }
        }
    }
}

/// Stops a node as a service manager does, and waits until it is there again.
async fn restart(world: &World, node: usize) -> anyhow::Result<()> {
    let before = world.nodes.starts(node).await;
    world.nodes.signal(node, "TERM").await?;
    let again = async || world.nodes.starts(node).await > before;
    crate::ground::until("the end of a node", Duration::from_secs(120), again).await?;
    world.nodes.ready(node).await
}
