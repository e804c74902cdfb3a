//! The seeded simulator of several nodes: no seed may break an invariant, the same seed is the same run, and every planted fault is found.
//!
//! `CONVERSA_CLUSTER_SEEDS` says how many seeds, `CONVERSA_SEED` which first; `CONVERSA_CLUSTER_ALOUD` prints the story of one, and with
//! `CONVERSA_FAULT` what a planted fault makes of it. Alone, `CONVERSA_FAULT` has only that fault looked for, from `CONVERSA_SEED` on.

use conversa_tests::checker::{Violation, check};
use conversa_tests::sim::cluster::{Fault, Tally, run, run_aloud};

/// Seeds of an ordinary run of the tests.
const SEEDS: u64 = 60;
/// Seeds within which every planted fault must be found.
const PLANTED_SEEDS_MAX: u64 = 1_500;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

/// The fault that `CONVERSA_FAULT` names.
fn fault() -> Option<Fault> {
    let name = std::env::var("CONVERSA_FAULT").ok()?;
    let known = Fault::ALL.iter().find(|fault| format!("{fault:?}") == name);
    Some(*known.unwrap_or_else(|| panic!("CONVERSA_FAULT is one of {:?}", Fault::ALL)))
}

/// What is wrong with a seed, and how to hear its story.
fn report(seed: u64, violations: &[Violation]) -> String {
    let listed: Vec<String> = violations.iter().take(10).map(|violation| format!("  {violation}")).collect();
    format!(
        "seed {seed} breaks {} invariants:\n{}\nits story: CONVERSA_CLUSTER_ALOUD={seed} cargo test --package conversa-tests --test main cluster::aloud -- --nocapture",
        violations.len(),
        listed.join("\n")
    )
}

#[derive(Debug, Default)]
struct Sum {
    steps: u64,
    cell_crashes: u64,
    node_crashes: u64,
    messages: usize,
    commits: usize,
    sockets: usize,
    tallies: Tally,
}

impl Sum {
    fn and(self, of: Self) -> Self {
        Self {
            steps: self.steps + of.steps,
            cell_crashes: self.cell_crashes + of.cell_crashes,
            node_crashes: self.node_crashes + of.node_crashes,
            messages: self.messages + of.messages,
            commits: self.commits + of.commits,
            sockets: self.sockets + of.sockets,
            tallies: self.tallies.and(of.tallies),
        }
    }
}

fn play(seed: u64) -> (Sum, Vec<Violation>) {
    let (run, tallies) = run(seed, None);
    let sum = Sum {
        steps: run.steps,
        cell_crashes: run.crashes,
        node_crashes: run.node_crashes,
        messages: run.history.messages.len(),
        commits: run.history.owners.commits.len(),
        sockets: run.history.streams.len(),
        tallies,
    };
    (sum, check(&run.history))
}

/// Every second seed from this one on.
fn half(first: u64, end: u64) -> (Sum, Vec<String>) {
    let (mut sum, mut broken) = (Sum::default(), Vec::new());
    for seed in (first..end).step_by(2) {
        let (one, violations) = play(seed);
        sum = sum.and(one);
        if !violations.is_empty() {
            let report = report(seed, &violations);
            println!("{report}");
            broken.push(report);
        }
    }
    (sum, broken)
}

#[test]
fn no_seed_of_a_cluster_breaks_an_invariant() {
    let (first, seeds) =
        (number("CONVERSA_SEED").unwrap_or(0), number("CONVERSA_CLUSTER_SEEDS").unwrap_or(SEEDS));
    let end = first + seeds;
    let ((even, mut broken), (odd, others)) = std::thread::scope(|scope| {
        let odd = scope.spawn(|| half(first + 1, end));
        (half(first, end), odd.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    broken.extend(others);
    let sum = even.and(odd);
    println!("{seeds} seeds of {} nodes, {} with violations: {sum:?}", 3, broken.len());
    assert!(
        broken.is_empty(),
        "{} of {seeds} seeds:\n{}",
        broken.len(),
        broken[..broken.len().min(5)].join("\n")
    );
    // Runs in which nothing happens prove nothing.
    let Tally { revoked, left, broken, frames, takeovers, late, pauses, jumps, views: _ } = sum.tallies;
    let often = [revoked, left, broken, takeovers, late, pauses, jumps, sum.node_crashes];
    assert!(seeds < 50 || often.iter().all(|count| *count * 10 > seeds), "{sum:?}");
    assert!(
        frames > 100 * seeds && sum.messages as u64 > 10 * seeds && sum.commits as u64 > 50 * seeds,
        "{sum:?}"
    );
}

#[test]
fn the_same_seed_of_a_cluster_is_the_same_run() {
    let traces = || (0..4).map(|seed| run(seed, None).0.trace).collect::<Vec<_>>();
    assert_eq!(traces(), traces());
}

/// The faults that no seed shows.
fn not_found<'a>(faults: impl Iterator<Item = &'a Fault>) -> Vec<String> {
    let mut missed = Vec::new();
    for fault in faults {
        let first = number("CONVERSA_SEED").unwrap_or(0);
        let found = (first..first + PLANTED_SEEDS_MAX).find_map(|seed| {
            let violations = check(&run(seed, Some(*fault)).0.history);
            violations.into_iter().next().map(|violation| (seed, violation))
        });
        match found {
            Some((seed, violation)) => println!("{fault:?}: {} seeds; {violation}", seed - first + 1),
            None => missed.push(format!("{fault:?}")),
        }
    }
    missed
}

#[test]
fn every_planted_fault_of_a_cluster_is_found() {
    let asked = fault();
    let faults = asked.as_ref().map_or(Fault::ALL, std::slice::from_ref);
    // Every second one: those that take longest stand together.
    let (first, others) = (faults.iter().step_by(2), faults.iter().skip(1).step_by(2));
    let mut missed = std::thread::scope(|scope| {
        let others = scope.spawn(|| not_found(others));
        let mut missed = not_found(first);
        missed.extend(others.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        missed
    });
    missed.sort_unstable();
    assert!(missed.is_empty(), "not found within {PLANTED_SEEDS_MAX} seeds: {missed:?}");
}

/// Not a test: prints the story of the seed that `CONVERSA_CLUSTER_ALOUD` names.
#[test]
fn aloud() {
    let Some(seed) = number("CONVERSA_CLUSTER_ALOUD") else { return };
    for violation in check(&run_aloud(seed, fault()).0.history) {
        println!("{violation}");
    }
}
