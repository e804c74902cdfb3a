//! The protocol of membership, hand-over and fencing, explored: every interleaving within the bounds, of the protocol as it is and of
//! mutants that lack one rule each, which must be found out.
//!
//! `CONVERSA_MODEL=ticks=5,delays=2` explores the protocol within other bounds: more of them take minutes, and some GiB.

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

/// The model within the bounds that the environment asks for.
fn bounded(mut model: Model) -> Model {
    let asked = std::env::var("CONVERSA_MODEL").unwrap_or_default();
    for (bound, value) in asked.split(',').filter_map(|pair| pair.split_once('=')) {
        let value: u8 = value.parse().expect("a bound is a number");
        match bound {
            "ticks" => model.ticks = value,
            "events" => model.events = value,
            "delays" => model.delays = value,
            "lost_answers" => model.lost_answers = value,
            "drops" => model.drops = value,
            "views" => model.views = u64::from(value),
            "half_seen" => model.half_seen = value > 0,
            unknown => panic!("there is no bound {unknown}"),
        }
    }
    model
}

/// Explores everything; says how much that was.
fn holds(name: &str, model: Model) {
    let model = bounded(model);
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
    let model = Model { without: Some(rule), ..bounded(model) };
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
    holds("three members", Model { ticks: 2, delays: 0, ..three() });
}

#[test]
fn a_restart() {
    holds("restart", Model { ticks: 2, delays: 0, ..restart() });
}

#[test]
fn joining_and_leaving() {
    holds("joining and leaving", Model { ticks: 0, delays: 0, ..planned() });
}

#[test]
fn an_owner_leaves() {
    holds("an owner leaves", leave());
}

#[test]
fn lost_answers_failed_cells_and_half_written_batches() {
    holds("faults", Model { ticks: 2, delays: 1, ..faults() });
}

macro_rules! mutants {
    ($($name:ident: $rule:ident in $model:ident,)*) => { $(
        #[test]
        fn $name() {
            finds(Rule::$rule, $model());
        }
    )* };
}

mutants! {
    without_epoch_in_stamp: EpochInStamp in restart,
    without_stop_before_adopt: StopBeforeAdopt in leave,
    without_barrier: Barrier in leave,
    without_barrier_of_leavers: BarrierOfLeavers in leave,
    without_barrier_is_exact: BarrierIsExact in planned,
    without_over_is_adopted: OverIsAdopted in leave,
    without_ack_within_lease: AckWithinLease in faults,
    without_takeover_cuts: TakeoverCuts in faults,
    without_takeover_writes_again: TakeoverWritesAgain in faults,
    without_doubt_outlives_cell: DoubtOutlivesCell in faults,
    without_compare_beat: CompareBeat in faults,
    without_compare_renewal: CompareRenewal in restart,
    without_restart_waits: RestartWaits in restart,
    without_count_from_first: CountFromFirst in faults,
    without_compare_view: CompareView in leave,
    without_leaver_adopts: LeaverAdopts in leave,
    without_revoke_first: RevokeFirst in faults,
}
