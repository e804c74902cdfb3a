//! I8: what watchers have stored is what folding the journals again gives, byte for byte.

use super::Findings;
use crate::history::History;

pub(super) fn check(history: &History, findings: &mut Findings) {
    for slot in &history.wrong_totals {
        findings.add("I8", format!("the totals of {slot} are not the sum of its contributions"));
    }
    for (watcher, refolded) in &history.refolded {
        let all = refolded.conversations == history.conversations.len() as u64;
        findings.expect(all, "I8", || {
            format!(
                "{watcher} folds {} of {} conversations",
                refolded.conversations,
                history.conversations.len()
            )
        });
        let equal =
            refolded.equal == refolded.conversations && refolded.stored_digest == refolded.folded_digest;
        findings.expect(equal, "I8", || {
            format!(
                "{watcher}: of {} contributions {} are behind and {} differ",
                refolded.conversations, refolded.behind, refolded.different
            )
        });
    }
}
