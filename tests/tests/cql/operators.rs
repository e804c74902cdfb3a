//! Members over a register on a CQL server, and the commands by which operators look at them and change them.

use std::sync::Arc;
use std::time::Duration;

use conversa_cluster::clock;
use conversa_cluster::cql::{OpenError, Settings, open_register};
use conversa_cluster::member::Timing;
use conversa_cluster::member::machine::{Me, Over};
use conversa_cluster::membership::Membership;
use conversa_cluster::operator::{Drained, Operator};
use conversa_cluster::place::WEIGHT_ONE;
use conversa_cluster::register::Register;

use super::{fresh, open, server};

fn start(register: &Arc<dyn Register>, node: &str, nonce: u64) -> Membership {
    let (addr, zone) = ("127.0.0.1:7000".to_owned(), "a".to_owned());
    let me = Me { node: node.into(), addr, zone, weight: WEIGHT_ONE, nonce };
    Membership::start(Arc::clone(register), me, 64, Timing::default(), Arc::new(clock::moment))
}

/// Runs while the cells of a node, which has none, stop as soon as they are told to.
async fn until(membership: &Membership, is_so: impl Fn(&Membership) -> bool) {
    let mut owned = membership.owned();
    let wait = async {
        while !is_so(membership) {
            let stopping = Arc::clone(&owned.borrow_and_update().stopping);
            if !stopping.is_empty() {
                membership.stopped(stopping.iter().map(|(shard, epoch)| (*shard, *epoch))).await;
            }
            if owned.changed().await.is_err() {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("within a minute");
}

#[tokio::test]
async fn operators_see_drain_and_remove_members_on_a_cql_store() {
    let Some(server) = server() else { return };
    let settings: Settings = fresh(&server);
    let none = open_register(&settings).await.expect_err("nobody has started on it");
    assert!(matches!(none, OpenError::Nothing(_)), "{none}");
    let store: Arc<dyn Register> = open(&settings).await;
    let register = open_register(&settings).await.expect("the store has made it");
    let mut operator = Operator::new(register, Timing::default(), Arc::new(clock::moment));
    operator.look().await.expect_err("nobody has founded a cluster");

    let alone = start(&store, "n0", 1);
    until(&alone, |of| of.owned().borrow().served.len() == 64).await;
    let overview = operator.look().await.expect("there is a cluster");
    assert_eq!(overview.members.len(), 1);
    assert_eq!(overview.members[0].row.as_ref().map(|row| &*row.addr), Some("127.0.0.1:7000"));
    operator.remove("n0").await.expect_err("it lives");
    operator.drain("n0", false).await.expect_err("it is the last");
    let drained = operator.drain("n0", true).await.expect("it lives");
    assert!(matches!(drained, Drained::Asked(_)), "{drained:?}");
    until(&alone, |of| of.owned().borrow().over.is_some()).await;
    assert_eq!(alone.owned().borrow().over, Some(Over::Left));

    // Killed, and nobody else is there.
    let dies = start(&store, "n1", 2);
    until(&dies, |of| of.owned().borrow().served.len() == 64).await;
    drop(dies);
    let removed = operator.remove("n1").await.expect("it is dead");
    let after = operator.look().await.expect("there is a cluster");
    assert_eq!(removed.version, Some(after.version));
    assert_eq!(after.members, []);
}
