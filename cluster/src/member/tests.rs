//! Seeded clusters of real machines: whatever fails, at no moment do two that hold their leases run cells of one shard, epochs of a shard
//! only grow, and when the faults end all is served.

mod world;

use std::ops::Range;
use std::sync::Arc;

use crate::place::WEIGHT_ONE;
use world::{SHARDS, Tally, World};

/// `CONVERSA_SEEDS=0..100000` plays more than every run of the tests does, `720..721` one of them.
fn seeds() -> Range<u64> {
    let asked = std::env::var("CONVERSA_SEEDS").unwrap_or_else(|_| "0..3000".into());
    let (first, end) = asked.split_once("..").expect("seeds from..to");
    first.parse().expect("a seed")..end.parse().expect("a seed")
}

/// Each seed by one of two threads.
fn each_seed(play: impl Fn(u64) -> Tally + Sync) -> Tally {
    let part = |skip: usize| seeds().skip(skip).step_by(2).map(&play).fold(Tally::default(), Tally::and);
    std::thread::scope(|scope| {
        let odd = scope.spawn(|| part(1));
        let even = part(0);
        even.and(odd.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

#[test]
fn whatever_fails_two_never_serve_one_shard_and_all_is_served_in_the_end() {
    let tally = each_seed(|seed| {
        let mut world = World::new(seed);
        world.pass(20_000);
        world.end_faults();
        // A planned move may be under way at any moment, so it is waited for one at which all is served.
        let served = (0..60).any(|_| {
            world.pass(500);
            world.served() == usize::from(SHARDS)
        });
        assert!(served, "seed {seed}: {} of {SHARDS}; {}", world.served(), world.describe());
        if seed.is_multiple_of(16) {
            let balanced = (0..1_000).any(|_| {
                world.pass(1_000);
                world.is_balanced()
            });
            assert!(balanced, "seed {seed}: shares never become equal; {}", world.describe());
        }
        world.tally
    });
    println!("seeds {:?}: {tally:?}", seeds());
    // Worlds in which little happens prove little.
    let worlds = seeds().end - seeds().start;
    assert!(worlds < 100 || [tally.left, tally.revoked, tally.occupied].iter().all(|of| of * 10 > worlds));
}

#[test]
fn a_row_and_a_view_are_read_as_they_were_written() {
    let row = super::row::Row {
        generation: 3,
        alive: false,
        beat: 9,
        adopted: 4,
        weight: 5,
        nonce: 0xfe,
        addr: "h:1".into(),
        zone: "z".into(),
    };
    assert_eq!(super::row::Row::parse(&row.bytes()), Some(row.clone()));
    assert_eq!(super::row::Row::parse(b"2 of a later program"), None);
    let life = |node: &str| super::Life { node: Arc::from(node), generation: 1 };
    let view = super::view::View::default().with(&life("b")).and_then(|view| view.with(&life("a")));
    let view = view.and_then(|view| view.nearer(&life("a"), WEIGHT_ONE)).expect("it grows");
    let view = view.weighed(&life("b"), 0).expect("it leaves");
    assert_eq!(super::view::View::parse(view.version, &view.bytes()), Some(view));
}

#[test]
fn a_planned_change_moves_few_shards_and_ends_where_it_should() {
    let life = |node: &str| super::Life { node: Arc::from(node), generation: 1 };
    let mut view = super::view::View::default();
    for node in ["a", "b", "c"] {
        view = view.with(&life(node)).expect("there is room");
        for want in [WEIGHT_ONE, 0, WEIGHT_ONE] {
            if want == 0 && node != "b" {
                continue;
            }
            while let Some(next) = view.nearer(&life(node), want) {
                let owner = |view: &super::view::View, shard| view.owner(shard).cloned();
                let moved = (0..conversa_engine::ids::SHARDS).filter(|shard| {
                    owner(&view, *shard).is_some() && owner(&view, *shard) != owner(&next, *shard)
                });
                assert!(moved.count() <= super::view::MOVES_MAX, "view {}", next.version);
                view = next;
            }
            if want == 0 {
                view = view.without(&life(node)).and_then(|view| view.with(&life(node))).expect("it left");
            }
        }
        assert_eq!(view.life(&life(node)).map(|member| member.weight), Some(WEIGHT_ONE));
    }
}

#[test]
fn what_operators_ask_is_read_as_it_was_written() {
    use super::asked::Asked;
    assert_eq!(Asked::parse(&Asked { leave: 7 }.bytes()), Some(Asked { leave: 7 }));
    assert_eq!(Asked::parse(b"1 dance 7"), None);
    assert_eq!(Asked::parse(b"2 leave 7"), None);
    assert_eq!(Asked::parse(b""), None);
}

#[test]
fn cells_that_stopped_long_ago_say_nothing_of_later_ones() {
    let life = |node: &str| super::Life { node: Arc::from(node), generation: 1 };
    let mut owned = super::ownership::Ownership::new(life("a"), 1);
    let with = |view: super::view::View, weight| view.weighed(&life("a"), weight).expect("it is active");
    let view = super::view::View::default().with(&life("a")).and_then(|view| view.with(&life("b")));
    let mut view = view.and_then(|view| view.weighed(&life("b"), 1)).expect("both are there");
    let mut epochs = Vec::new();
    for _ in 0..2 {
        view = with(view, WEIGHT_ONE);
        owned.see(&view);
        assert_eq!(owned.start(), [0]);
        view = with(view, 1);
        view = view.weighed(&life("b"), WEIGHT_ONE).expect("it is active");
        let stop = owned.see(&view).stop;
        assert_eq!(stop.len(), 1, "b takes it");
        epochs.push(stop[0].1);
        for past in epochs.iter().rev().skip(1) {
            assert!(!owned.stopped(0, *past));
            assert_eq!(owned.adopted(), None, "the cells of epoch {} still run", epochs.len());
        }
        assert!(owned.stopped(0, stop[0].1));
        assert_eq!(owned.adopted(), Some(view.version));
        view = view.weighed(&life("b"), 1).expect("it is active");
    }
    assert!(epochs[0] < epochs[1]);
}
