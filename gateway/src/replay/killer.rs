//! Kills nodes at random moments: the replay's own, over which it watches, or others by a command.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::process::Command;
use tokio::sync::watch;

use super::node::OwnNode;
use super::progress::{Done, Progress};
use crate::client::Chance;

/// A kill comes up to this long after its turn, so that it hits any point of a message's way, milliseconds.
const AFTER_MS_MAX: u64 = 40;

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

/// Kills the node `kills` times over `turns` turns, until the replay is over; gives how often it did.
pub(super) async fn watch_over(
    node: &mut OwnNode,
    kills: usize,
    turns: usize,
    seed: u64,
    progress: &Progress,
) -> anyhow::Result<usize> {
    let mut chance = Chance::new(seed);
    let mut done = progress.watch();
    for (index, moment) in moments(kills, turns, &mut chance).into_iter().enumerate() {
        if !reached(node, &mut done, moment).await? {
            return Ok(index);
        }
        tokio::time::sleep(Duration::from_millis(chance.below(AFTER_MS_MAX))).await;
        node.kill_and_restart().await?;
        progress.kill();
    }
    reached(node, &mut done, usize::MAX).await?;
    Ok(kills)
}

/// Runs a command of a shell `kills` times over `turns` turns, until the replay is over; gives how often it did.
pub(super) async fn kill_with(
    command: &str,
    kills: usize,
    turns: usize,
    seed: u64,
    progress: &Progress,
) -> anyhow::Result<usize> {
    let mut chance = Chance::new(seed);
    let mut done = progress.watch();
    for (index, moment) in moments(kills, turns, &mut chance).into_iter().enumerate() {
        let reached = done.wait_for(|done| done.turns >= moment || done.over).await;
        if !reached.is_ok_and(|done| !done.over) {
            return Ok(index);
        }
        tokio::time::sleep(Duration::from_millis(chance.below(AFTER_MS_MAX))).await;
        let number = (index + 1).to_string();
        let status = Command::new("sh").arg("-c").arg(command).env("CONVERSA_KILL", number).status().await;
        let status = status.context("no shell runs the command of --kill-with")?;
        ensure!(status.success(), "the command of --kill-with ended with {status}");
        progress.kill();
    }
    Ok(kills)
}

/// Waits for a number of turns; false when the replay is over before.
async fn reached(node: &mut OwnNode, done: &mut watch::Receiver<Done>, turns: usize) -> anyhow::Result<bool> {
    tokio::select! {
        status = node.ended() => bail!("the node ended by itself ({}); its log: {}", status?, node.log().display()),
        done = done.wait_for(|done| done.turns >= turns || done.over) => Ok(done.is_ok_and(|done| done.turns >= turns)),
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
