//! The protocol of membership, hand-over and fencing, explored: every interleaving within the bounds, of the protocol as it is and of
//! mutants that lack one rule each, which must be found out.
//!
//! `CONVERSA_MODEL=large` explores more (minutes, some GiB).

mod check;
mod protocol;
mod rules;
mod state;
mod store;

use protocol::Model;
use rules::Rule;
use stateright::{Checker, HasDiscoveries, Model as _};

/// Three members, of which any may stand still or die at any point.
fn three() -> Model {
    Model {
        members: vec![0, 1, 2],
        later: Vec::new(),
        ticks: 4,
        events: 2,
        delays: 1,
        lost_answers: 0,
        drops: 0,
        views: 3,
        leaves: false,
        half_seen: false,
        without: None,
    }
}

/// The first owner's node starts again, while its earlier life may go on.
fn restart() -> Model {
    Model { members: vec![0, 1], later: vec![0], ticks: 3, ..three() }
}

/// A leaver, and somebody who joins.
fn planned() -> Model {
    Model { members: vec![1], later: vec![0], ticks: 1, views: 4, leaves: true, ..three() }
}

/// The owner leaves.
fn leave() -> Model {
    Model { members: vec![0, 1], ticks: 2, leaves: true, ..three() }
}

/// Answers of renewals are lost, cells fail, reads see half-written batches.
fn faults() -> Model {
    Model {
        members: vec![0, 1],
        ticks: 3,
        lost_answers: 1,
        drops: 1,
        delays: 2,
        half_seen: true,
        views: 2,
        ..three()
    }
}

/// Explores everything; says how much that was.
fn holds(name: &str, model: Model) {
    let checker = model.checker().threads(2).spawn_bfs().join();
    println!(
        "{name}: {} states, depth {}, in all {}",
        checker.unique_state_count(),
        checker.max_depth(),
        checker.state_count()
    );
    checker.assert_properties();
}

/// Fails unless the protocol without that rule goes wrong.
fn finds(rule: Rule, model: Model) {
    let model = Model { without: Some(rule), ..model };
    let checker = model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found: Vec<_> = checker
        .discoveries()
        .into_iter()
        .filter(|(name, _)| *name != "a second owner continues the log")
        .map(|(name, path)| format!("{name}: {:?}", path.into_actions()))
        .collect();
    println!("without {rule:?}: {} states, {found:?}", checker.unique_state_count());
    assert!(
        !found.is_empty(),
        "nothing goes wrong without {rule:?}: the rule is needless, or the model blind"
    );
}

#[test]
fn three_members() {
    holds("three members", three());
}

#[test]
fn a_restart() {
    holds("restart", restart());
}

#[test]
fn joining_and_leaving() {
    holds("joining and leaving", planned());
}

#[test]
fn an_owner_leaves() {
    holds("an owner leaves", leave());
}

#[test]
fn lost_answers_failed_cells_and_half_written_batches() {
    holds("faults", faults());
}

#[test]
fn mutants() {
    for (rule, model) in [
        (Rule::EpochInStamp, restart()),
        (Rule::StopBeforeAdopt, leave()),
        (Rule::Barrier, leave()),
        (Rule::BarrierOfLeavers, leave()),
        (Rule::BarrierIsExact, planned()),
        (Rule::OverIsAdopted, leave()),
        (Rule::AckWithinLease, faults()),
        (Rule::TakeoverCuts, faults()),
        (Rule::TakeoverWritesAgain, faults()),
        (Rule::DoubtOutlivesCell, faults()),
        (Rule::CompareBeat, faults()),
        (Rule::CompareRenewal, restart()),
        (Rule::RestartWaits, restart()),
        (Rule::CountFromFirst, faults()),
        (Rule::CompareView, three()),
        (Rule::LeaverAdopts, leave()),
        (Rule::RevokeFirst, faults()),
    ] {
        finds(rule, model);
    }
}
