//! Operators look at a cluster, ask a node to leave, and take out one that is dead, over the register of shells that run.

use std::sync::Arc;

use conversa_cluster::member::Timing;
use conversa_cluster::member::machine::Over;
use conversa_cluster::operator::{Drained, Operator, OperatorError, changes};
use conversa_engine::ids::SHARDS;

use crate::cluster::{Cluster, State};
use crate::{MOVED_MS, THREE};

fn operator(cluster: &Cluster) -> Operator {
    let register = Arc::clone(&cluster.register) as Arc<dyn conversa_cluster::register::Register>;
    Operator::new(register, Timing::default(), cluster.own_clock())
}

#[tokio::test(start_paused = true)]
async fn an_overview_shows_what_everybody_serves_and_how_old_a_beat_is() {
    let mut cluster = Cluster::of(THREE).await;
    let mut operator = operator(&cluster);
    let first = operator.look().await.expect("the register answers");
    assert!(first.members.iter().all(|seen| !seen.beat.seen), "one look tells no age");
    cluster.pass(2_000).await;
    let overview = operator.look().await.expect("the register answers");
    assert_eq!((overview.version, overview.at_ms), (cluster.version(), 2_000));
    assert!(overview.is_settled());
    assert_eq!(changes(&first, &overview), Vec::<String>::new());
    for seen in &overview.members {
        assert_eq!(seen.shards, cluster.serves(&seen.life.node));
        assert_eq!(seen.life, cluster.life(&seen.life.node));
        assert!(seen.beat.seen && seen.beat.age_ms == 0, "{seen:?}");
    }
    cluster.set("n1", State::Silent);
    cluster.pass(2_000).await;
    let later = operator.look().await.expect("the register answers");
    assert_eq!(changes(&overview, &later), ["n1 does not renew its row: at 3 s the others take it out"]);
    cluster.pass(3_000).await;
    let out = operator.look().await.expect("the register answers");
    let lines = changes(&later, &out).join("\n");
    assert!(lines.contains("n1 is no member any more"), "{lines}");
    assert_eq!(out.members.iter().map(|seen| seen.shards).sum::<usize>(), usize::from(SHARDS));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_drained_leaves_and_comes_back_when_it_is_started() {
    let mut cluster = Cluster::of(THREE).await;
    let mut operator = operator(&cluster);
    let before = operator.look().await.expect("the register answers");
    let life = cluster.life("n2");
    assert_eq!(operator.drain("n2", false).await.expect("it lives"), Drained::Asked(life.clone()));
    assert_eq!(operator.drain("n2", false).await.expect("it lives"), Drained::AskedBefore(life));
    let asked = operator.look().await.expect("the register answers");
    assert_eq!(changes(&before, &asked), ["n2 is asked to leave"]);
    cluster.until("it has left", 2 * MOVED_MS, |cluster| cluster.over("n2").is_some()).await;
    assert_eq!(cluster.over("n2"), Some(Over::Left));
    assert_eq!(cluster.revocations(), 0);
    let gone = operator.drain("n2", false).await.expect_err("it is gone").to_string();
    assert_eq!(gone, "there is no member \"n2\"; there are: n0, n1");
    cluster.start("n2");
    cluster.until_balanced(2 * MOVED_MS).await;
}

#[tokio::test(start_paused = true)]
async fn the_last_that_serves_is_drained_only_if_that_is_meant() {
    let mut cluster = Cluster::of(&["n0"]).await;
    let operator = operator(&cluster);
    let refused = operator.drain("n0", false).await.expect_err("nobody else serves");
    assert!(matches!(refused, OperatorError::Last(_)), "{refused}");
    operator.drain("n0", true).await.expect("it is meant");
    cluster.until("it has left", 5_000, |cluster| cluster.over("n0").is_some()).await;
    assert_eq!(cluster.over("n0"), Some(Over::Left));
}

#[tokio::test(start_paused = true)]
async fn who_lives_is_not_taken_out_and_who_is_dead_is() {
    let mut cluster = Cluster::of(THREE).await;
    let operator = operator(&cluster);
    let version = cluster.version();
    let refused = operator.remove("n1").await.expect_err("it lives");
    assert!(matches!(refused, OperatorError::Alive { .. }), "{refused}");
    assert_eq!(cluster.version(), version);
    assert!(cluster.all_served());
    let refused = operator.remove("n7").await.expect_err("nobody knows it");
    assert!(matches!(refused, OperatorError::NoMember { .. }), "{refused}");
    // Nobody is left who could take anybody out.
    THREE.iter().for_each(|node| cluster.kill(node));
    for (node, past) in THREE.iter().zip(1..) {
        let life = {
            let removed = operator.remove(node).await.expect("it is dead");
            assert_eq!(removed.version, Some(version + past));
            removed.life
        };
        assert_eq!((&*life.node, life.generation), (*node, 1));
    }
    let again = operator.remove("n0").await.expect_err("it is out");
    assert!(matches!(again, OperatorError::NoMember { .. }), "{again}");
}

#[tokio::test(start_paused = true)]
async fn without_a_cluster_that_is_said() {
    let cluster = Cluster::new();
    let refused = operator(&cluster).look().await.expect_err("nobody has founded it");
    assert!(matches!(refused, OperatorError::NoCluster), "{refused}");
}
