//! Nodes join, leave, die, stand still, start again and lose their register, as real shells over a register in memory and under virtual
//! time. At no moment two of them own a shard.

mod cluster;
mod operators;

use cluster::{Cluster, State};
use conversa_cluster::member::Life;
use conversa_cluster::member::asked::Asked;
use conversa_cluster::member::machine::{Key, Over};
use conversa_cluster::member::view::{MOVES_MAX, View, watched};
use conversa_cluster::register::Register;
use conversa_engine::ids::SHARDS;

const THREE: &[&str] = &["n0", "n1", "n2"];

/// A planned change is done within this time: 22 steps move a third of the shards, and none takes longer than 2 s.
const MOVED_MS: u64 = 60_000;

#[tokio::test(start_paused = true)]
async fn nodes_that_join_one_after_another_take_their_shares_in_small_steps() {
    let mut cluster = Cluster::new();
    cluster.start("n0");
    let waited = cluster.until_served(3_000).await;
    println!("a first node serves everything after {waited} ms");
    for (place, node) in ["n1", "n2"].into_iter().enumerate() {
        cluster.start(node);
        let waited = cluster.until_balanced(2 * MOVED_MS).await;
        println!("{node} has its share after {waited} ms: {:?}", cluster.shares());
        assert_eq!(cluster.owned(node).view.members.len(), place + 2);
    }
    let (most, views) = cluster.moves(1);
    println!("{views} views, which move at most {most} shards");
    assert!(most <= MOVES_MAX, "{most}");
    assert_eq!(cluster.revocations(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_leaves_hands_everything_over_in_small_steps_and_is_gone() {
    let mut cluster = Cluster::of(THREE).await;
    let first = cluster.version();
    cluster.leave("n1").await;
    let waited = cluster.until("it has left", 2 * MOVED_MS, |cluster| cluster.over("n1").is_some()).await;
    let (most, views) = cluster.moves(first);
    println!("left after {waited} ms, in {views} views, which move at most {most} shards");
    assert_eq!(cluster.over("n1"), Some(Over::Left));
    assert_eq!(cluster.serves("n1"), 0);
    assert!(most <= MOVES_MAX, "{most}");
    assert_eq!(cluster.serves("n0") + cluster.serves("n2"), usize::from(SHARDS), "nothing is left undone");
    cluster.kill("n1");
    cluster.pass(20_000).await;
    assert!(cluster.all_served());
    assert_eq!(cluster.revocations(), 0, "nobody had to be taken out");
}

#[tokio::test(start_paused = true)]
async fn what_is_told_over_links_makes_a_planned_change_quick() {
    let mut cluster = Cluster::of_linked(THREE).await;
    let first = cluster.version();
    cluster.leave("n1").await;
    let waited = cluster.until("it has left", 2 * MOVED_MS, |cluster| cluster.over("n1").is_some()).await;
    let (most, views) = cluster.moves(first);
    println!("with links: left after {waited} ms, in {views} views, which move at most {most} shards");
    // Without them each view waits for rows that are looked at now and then, and for others to look too: about 900 ms.
    assert!(waited < views as u64 * 500, "{waited} ms");
    assert!(most <= MOVES_MAX && cluster.all_served());
    assert_eq!(cluster.revocations(), 0);
}

#[tokio::test(start_paused = true)]
async fn two_leave_at_once_and_the_last_one_leaves_too() {
    let mut cluster = Cluster::of(THREE).await;
    cluster.leave("n1").await;
    cluster.leave("n2").await;
    let both = |cluster: &Cluster| ["n1", "n2"].iter().all(|node| cluster.over(node).is_some());
    let waited = cluster.until("both have left", 4 * MOVED_MS, both).await;
    println!("both left after {waited} ms");
    assert_eq!([cluster.over("n1"), cluster.over("n2")], [Some(Over::Left); 2]);
    cluster.until_served(1_000).await;
    assert_eq!(cluster.serves("n0"), usize::from(SHARDS));
    cluster.leave("n0").await;
    cluster.until("the last has left", 5_000, |cluster| cluster.over("n0").is_some()).await;
    assert_eq!(cluster.over("n0"), Some(Over::Left));
    assert_eq!(cluster.views.lock().last().map(|view| view.members.len()), Some(0));
    // Whoever comes next founds the cluster again.
    cluster.start("n2");
    cluster.until("it serves alone", 5_000, |cluster| cluster.serves("n2") == usize::from(SHARDS)).await;
    assert_eq!(cluster.life("n2").generation, 2);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_dies_is_replaced_within_its_lease_and_a_look() {
    let mut cluster = Cluster::of(THREE).await;
    cluster.kill("n1");
    let waited = cluster.until_served(6_000).await;
    println!("replaced after {waited} ms");
    assert!((2_000..=4_500).contains(&waited), "{waited} ms");
}

#[tokio::test(start_paused = true)]
async fn two_that_die_at_once_are_replaced_as_soon_as_one() {
    let mut cluster = Cluster::of(THREE).await;
    cluster.kill("n0");
    cluster.kill("n2");
    let waited = cluster.until_served(8_000).await;
    println!("replaced after {waited} ms");
    assert!((2_000..=4_500).contains(&waited), "{waited} ms");
    assert_eq!(cluster.serves("n1"), usize::from(SHARDS));
}

/// Five names of which the last watches none of the others.
fn unwatchful() -> [&'static str; 5] {
    const NAMES: [&str; 16] =
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"];
    let life = |node: &str| Life { node: node.into(), generation: 1 };
    let sets = (0_u32..1 << NAMES.len()).filter(|set| set.count_ones() == 5).flat_map(|set| {
        let names: Vec<_> = (0..NAMES.len()).filter(|n| set >> n & 1 == 1).map(|n| NAMES[n]).collect();
        (0..5).map(move |turn| {
            let mut of: [&str; 5] = names.clone().try_into().expect("five");
            of.rotate_left(turn);
            of
        })
    });
    let is_unwatchful = |names: &[&str; 5]| {
        let view = names.iter().try_fold(View::default(), |view, node| view.with(&life(node)));
        view.is_some_and(|view| watched(&view, &life(names[4])).is_empty())
    };
    sets.into_iter().find(is_unwatchful).expect("one set in fifty is like that")
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_nobody_sees_in_time_that_all_others_are_dead() {
    let names = unwatchful();
    let mut cluster = Cluster::of(&names).await;
    cluster.pass(5_000).await;
    names[..4].iter().for_each(|node| cluster.kill(node));
    let waited = cluster.until_served(30_000).await;
    println!("{names:?}: replaced after {waited} ms");
    assert_eq!(cluster.serves(names[4]), usize::from(SHARDS));
}

#[tokio::test(start_paused = true)]
async fn a_node_leaves_when_an_operator_asks_this_life_of_it() {
    let mut cluster = Cluster::of(THREE).await;
    let key = Key::Asked("n1".into()).name();
    let ask = |generation| Asked { leave: generation }.bytes();
    cluster.register.change(&key, 0, ask(7)).await.expect("nobody has asked before");
    cluster.pass(5_000).await;
    assert!(cluster.all_served(), "that life is not there");
    let generation = cluster.life("n1").generation;
    cluster.register.change(&key, 1, ask(generation)).await.expect("as it was left");
    cluster.until("it has left", 2 * MOVED_MS, |cluster| cluster.over("n1").is_some()).await;
    assert_eq!(cluster.over("n1"), Some(Over::Left));
    cluster.start("n1");
    cluster.until_balanced(2 * MOVED_MS).await;
    assert_eq!(cluster.life("n1").generation, generation + 1, "its next life stays");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stands_still_for_ten_seconds_serves_nothing_more() {
    let mut cluster = Cluster::of(THREE).await;
    cluster.set("n2", State::Silent);
    cluster.pass(2_700).await;
    assert_eq!(cluster.serves("n2"), 0, "its lease is over");
    cluster.pass(7_300).await;
    assert!(cluster.all_served(), "{:?}", cluster.shares());
    cluster.set("n2", State::Well);
    cluster.pass(3_000).await;
    assert_eq!(cluster.over("n2"), Some(Over::Revoked));
    assert_eq!(cluster.serves("n2"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_register_that_is_gone_for_longer_than_the_lease_ends_nobody() {
    for state in [State::Silent, State::Refuses] {
        for ms in [2_000, 3_000, 4_000, 5_500, 30_000] {
            let mut cluster = Cluster::of(THREE).await;
            let (before, shares) = (cluster.version(), cluster.shares());
            cluster.set_all(state);
            cluster.pass(ms).await;
            if ms > 3_000 {
                assert!(cluster.shares().values().all(|share| *share == 0), "nobody may acknowledge");
            }
            cluster.set_all(State::Well);
            let waited = cluster.until_served(3_000).await;
            cluster.pass(15_000).await;
            println!("{state:?} for {ms} ms: all is served again after {waited} ms");
            assert_eq!(cluster.version(), before, "nobody is taken out");
            assert_eq!(cluster.shares(), shares);
            assert_eq!(cluster.revocations(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_again_is_a_new_life_and_takes_its_share_back() {
    let mut cluster = Cluster::of(THREE).await;
    let before = cluster.life("n1");
    cluster.kill("n1");
    cluster.start("n1");
    let waited = cluster.until_served(8_000).await;
    println!("served again after {waited} ms");
    let waited = cluster.until_balanced(2 * MOVED_MS).await;
    println!("has its share again after {waited} ms more");
    assert_eq!(cluster.life("n1").generation, before.generation + 1);
}

#[tokio::test(start_paused = true)]
async fn two_processes_of_one_name_do_not_both_live() {
    let mut cluster = Cluster::of(THREE).await;
    let shares = cluster.shares();
    let (_process, second) = cluster.second("n1");
    cluster.pass(10_000).await;
    assert_eq!(second.borrow().over, Some(Over::Occupied));
    assert_eq!(cluster.shares(), shares, "the first goes on");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_costs_a_moment_and_ends_nobody() {
    const HOUR_MS: i64 = 3_600_000;
    let mut cluster = Cluster::of(THREE).await;
    let version = cluster.version();
    cluster.set_wall("n1", HOUR_MS);
    assert_eq!(cluster.serves("n1"), 0, "as far as it knows an hour has passed");
    let waited = cluster.until_served(1_500).await;
    println!("set forward: serves again after {waited} ms");
    cluster.set_wall("n1", -2 * HOUR_MS);
    cluster.pass(10).await;
    assert!(cluster.all_served(), "set back: the other clock goes on");
    cluster.pass(15_000).await;
    assert_eq!(cluster.version(), version);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_a_hypervisor_stopped_knows_it_by_its_wall_clock() {
    let mut cluster = Cluster::of(THREE).await;
    // Its processes do not run and its boot clock stands still; the others see a row that stands still.
    cluster.set("n2", State::Silent);
    for _ in 0..1_000 {
        cluster.hold_boot_back("n2", 10);
        cluster.pass(10).await;
    }
    assert!(cluster.all_served(), "the others have taken over: {:?}", cluster.shares());
    assert_eq!(cluster.serves("n2"), 0);
    cluster.set("n2", State::Well);
    cluster.pass(3_000).await;
    assert_eq!(cluster.over("n2"), Some(Over::Revoked));
}
