//! I2 and I5 among several nodes: what was acknowledged stands, each log has one owner at a time, and a letter takes effect once.

use std::collections::BTreeMap;

use super::Findings;
use crate::history::{Commit, History};

pub(super) fn check(history: &History, findings: &mut Findings) {
    for wrong in &history.owners.wrong {
        findings.add("I5", wrong.clone());
    }
    one_at_a_time(&history.owners.commits, findings);
    for commit in &history.owners.commits {
        stands(history, commit, findings);
    }
    for (log, kept) in &history.owners.kept {
        let places = kept.keys().filter(|seq| **seq > 0);
        let hole = places.zip(1..).find(|(seq, expected)| **seq != *expected);
        findings.expect(hole.is_none(), "I1", || format!("{log}: a hole at {hole:?}"));
    }
    once(history, findings);
}

/// Epochs of a log never go back, and each has one owner.
fn one_at_a_time(commits: &[Commit], findings: &mut Findings) {
    let mut last: BTreeMap<&str, &Commit> = BTreeMap::new();
    for commit in commits {
        let Some(before) = last.insert(&commit.log, commit) else { continue };
        let right = commit.epoch > before.epoch || (commit.epoch == before.epoch && commit.by == before.by);
        findings.expect(right, "I5", || {
            format!(
                "{}: {} commits {} under epoch {} after {} under {}",
                commit.log, commit.by, commit.first, commit.epoch, before.by, before.epoch
            )
        });
    }
}

fn stands(history: &History, commit: &Commit, findings: &mut Findings) {
    let kept = history.owners.kept.get(&commit.log);
    for (digest, seq) in commit.digests.iter().zip(commit.first..) {
        let same = kept.and_then(|kept| kept.get(&seq)) == Some(digest);
        findings.expect(same, "I2", || {
            format!(
                "{} {seq} was acknowledged to {} under epoch {} and does not stand",
                commit.log, commit.by, commit.epoch
            )
        });
    }
}

/// A letter that has caused events has done so once, and those of one sender in their order.
fn once(history: &History, findings: &mut Findings) {
    for (log, marks) in &history.owners.marks {
        let mut last: BTreeMap<&str, (u64, u32)> = BTreeMap::new();
        for mark in marks {
            let before = last.insert(&mark.from, mark.letter);
            findings.expect(before.is_none_or(|before| before < mark.letter), "letters", || {
                format!(
                    "{log} {}: letter {:?} of {} takes effect after {before:?}",
                    mark.seq, mark.letter, mark.from
                )
            });
        }
    }
}
