//! A lease is held by one at a time, and whoever has lost it acknowledges nothing more.

use std::sync::Arc;

use conversa_actors::address::Address;
use conversa_actors::port::memory::Memory;
use conversa_actors::port::{Append, AppendError, Journal, Row, RowKey, Rows, StoreError};
use conversa_cluster::lease::Lease;
use conversa_cluster::register::{MemoryRegister, Register};
use conversa_engine::ids::TenantId;

async fn append(journal: &dyn Journal, first: u64) -> Result<(), AppendError> {
    let address = Address::new(TenantId::new("acme"), "conversation", "a");
    let append = Append { address, epoch: 1, first, bodies: ["one".into()].into() };
    let (done, outcome) = tokio::sync::oneshot::channel();
    journal.append(append, Box::new(move |result| done.send(result).expect("the test waits")));
    outcome.await.expect("every append is answered")
}

fn key() -> RowKey {
    RowKey { table: "wake", partition: "0001".into(), key: "a".into() }
}

async fn put(rows: &dyn Rows, stamp: i64, value: &'static str) -> Result<(), StoreError> {
    let row = Row { key: key(), stamp, value: Some(value.into()) };
    let (done, outcome) = tokio::sync::oneshot::channel();
    rows.put(vec![row], Box::new(move |result| done.send(result).expect("the test waits")));
    outcome.await.expect("every write is answered")
}

fn register() -> Arc<dyn Register> {
    Arc::new(MemoryRegister::default())
}

#[tokio::test]
async fn a_lease_that_was_given_back_is_had_at_once_with_a_later_epoch() {
    let register = register();
    for epoch in 1..=3 {
        let lease = Lease::acquire(Arc::clone(&register), "node", "n 1").await.expect("it is free");
        assert_eq!(lease.epoch(), epoch);
        assert!(lease.holds());
        lease.release().await;
    }
}

#[tokio::test]
async fn whoever_lost_its_lease_acknowledges_nothing_more() {
    let register = register();
    let lease = Lease::acquire(Arc::clone(&register), "node", "n1").await.expect("it is free");
    let journal = lease.guard(Arc::new(Memory::default()));
    assert_eq!(append(&journal, 1).await, Ok(()));
    let held = register.read("node").await.expect("it answers").expect("it is held");
    let taken = register.change("node", held.version, "2 n2:0 0".into()).await;
    assert!(taken.is_ok(), "{taken:?}");
    lease.lost().await;
    assert!(!lease.holds());
    let refused = append(&journal, 2).await.expect_err("it has no lease");
    assert!(matches!(refused, AppendError::Unavailable(_)), "{refused}");
}

#[tokio::test]
async fn whoever_lost_its_lease_writes_no_rows_over_its_successors() {
    let register = register();
    let lease = Lease::acquire(Arc::clone(&register), "node", "n1").await.expect("it is free");
    let memory = Arc::new(Memory::default());
    let rows = lease.guard(Arc::clone(&memory));
    assert_eq!(put(&rows, 1, "own").await, Ok(()));
    let held = register.read("node").await.expect("it answers").expect("it is held");
    register.change("node", held.version, "2 n2:0 0".into()).await.expect("it stood still");
    lease.lost().await;
    assert_eq!(put(&*memory, 2, "the successor's").await, Ok(()));
    assert!(put(&rows, 3, "late").await.is_err());
    assert_eq!(memory.get_now(&key()), Some("the successor's".into()));
}

#[tokio::test]
async fn something_else_under_the_name_of_a_lease_is_said() {
    let register = register();
    register.change("node", 0, "not a lease".into()).await.expect("it is free");
    let refused = Lease::acquire(register, "node", "n1").await.expect_err("it is no lease");
    assert!(refused.to_string().contains("something else"), "{refused}");
}
