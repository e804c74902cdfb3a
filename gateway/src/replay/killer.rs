//! Kills nodes at random moments: the replay's own, over which it watches, or others by a command.

use std::convert::Infallible;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::timeout;

use super::node::OwnNode;
use super::progress::{Done, Progress};
use crate::client::Chance;

/// A kill comes up to this long after its turn, so that it hits any point of a message's way, milliseconds.
const AFTER_MS_MAX: u64 = 40;
/// A command that kills a node has this long.
const COMMAND: Duration = Duration::from_secs(60);

/// The turns after which to kill: one in each of `kills` equal parts of the run, in rising order.
fn moments(kills: usize, turns: usize, chance: &mut Chance) -> Vec<usize> {
    let part = |index: usize| turns * index / kills;
    (0..kills)
        .map(|index| {
            let width = (part(index + 1) - part(index)) as u64;
            part(index) + usize::try_from(chance.below(width)).expect("less than the turns")
        })
        .collect()
}

/// What is killed.
pub(super) enum Victim<'a> {
    /// The replay's own node, which is started again; that it ends by itself ends the replay.
    Own(&'a mut OwnNode),
    /// One of the nodes that the replay was given, by a command of a shell; whatever runs it starts it again.
    Given(&'a str),
}

impl Victim<'_> {
    async fn kill(&mut self, number: usize) -> anyhow::Result<()> {
        let command = match self {
            Self::Own(node) => return node.kill_and_restart().await,
            Self::Given(command) => command,
        };
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(command).env("CONVERSA_KILL", number.to_string()).stdin(Stdio::null());
        let ended = timeout(COMMAND, shell.kill_on_drop(true).status()).await;
        let ended =
            ended.with_context(|| format!("the command of --kill-with took longer than {COMMAND:?}"))?;
        let status = ended.context("no shell runs the command of --kill-with")?;
        ensure!(status.success(), "the command of --kill-with ended with {status}");
        Ok(())
    }

    /// Waits until it ends by itself, as far as the replay can tell.
    async fn ended(&mut self) -> anyhow::Result<Infallible> {
        match self {
            Self::Own(node) => {
                let status = node.ended().await?;
                bail!("the node ended by itself ({status}); its log: {}", node.log().display())
            }
            Self::Given(_) => std::future::pending().await,
        }
    }
}

/// Kills the victim `kills` times over `turns` turns, until the replay is over; gives how often it did.
pub(super) async fn watch_over(
    mut victim: Victim<'_>,
    kills: usize,
    turns: usize,
    seed: u64,
    progress: &Progress,
) -> anyhow::Result<usize> {
    let mut chance = Chance::new(seed);
    let mut done = progress.watch();
    for (index, moment) in moments(kills, turns, &mut chance).into_iter().enumerate() {
        if !reached(&mut victim, &mut done, moment).await? {
            return Ok(index);
        }
        tokio::time::sleep(Duration::from_millis(chance.below(AFTER_MS_MAX))).await;
        victim.kill(index + 1).await?;
        progress.kill();
    }
    reached(&mut victim, &mut done, usize::MAX).await?;
    Ok(kills)
}

/// Waits for a number of turns; false when the replay is over before.
async fn reached(
    victim: &mut Victim<'_>,
    done: &mut watch::Receiver<Done>,
    turns: usize,
) -> anyhow::Result<bool> {
    tokio::select! {
        ended = victim.ended() => match ended? {},
        done = done.wait_for(|done| done.turns >= turns || done.over) => Ok(done.is_ok_and(|done| !done.over)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_spread_over_the_turns_and_a_seed_repeats_them() {
        for seed in 0..50 {
            let of_seed = |seed| moments(10, 6_021, &mut Chance::new(seed));
            let moments = of_seed(seed);
            assert_eq!(moments, of_seed(seed));
            assert!(
                moments
                    .iter()
                    .enumerate()
                    .all(|(index, moment)| (602 * index..602 * (index + 1) + 10).contains(moment)),
                "{moments:?}"
            );
        }
        assert_eq!(moments(3, 2, &mut Chance::new(1)).len(), 3, "more kills than turns");
        assert!(moments(0, 9, &mut Chance::new(1)).is_empty());
    }
}
