//! The store on CQL, against a real server: `tests/cassandra/with.sh cargo test`. Without one these tests say so and pass.

mod faults;
mod operators;
mod together;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use conversa_actors::address::Address;
use conversa_actors::port::{APPEND_EVENTS_MAX, Append, AppendError, Journal};
use conversa_cluster::Steady;
use conversa_cluster::cql::{Cql, OpenError, Settings};
use conversa_cluster::lease::{Lease, LeaseError};
use conversa_cluster::register::Register;
use conversa_engine::ids::TenantId;
use conversa_gateway::config::{Config, StoreKind};
use conversa_gateway::serve;
use conversa_tests::suite::{JOURNAL, REGISTER, ROWS};
use futures_util::future::join_all;

/// The server that `with.sh` started.
fn server() -> Option<String> {
    let server = std::env::var("CONVERSA_CQL").ok().filter(|server| !server.is_empty());
    if server.is_none() {
        println!("skipped: CONVERSA_CQL names no CQL server; run it under tests/cassandra/with.sh");
    }
    server
}

/// Settings with a keyspace of their own.
fn fresh(server: &str) -> Settings {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (process, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    Settings {
        contact_points: vec![server.to_owned()],
        keyspace: format!("t{process}_{next}"),
        datacenter: "datacenter1".into(),
        replication: 1,
        user: None,
    }
}

async fn open(settings: &Settings) -> Arc<Cql> {
    Arc::new(Cql::open(settings).await.expect("the server is up"))
}

fn address() -> Address {
    Address::new(TenantId::new("acme"), "conversation", "a")
}

async fn append(journal: &dyn Journal, epoch: u64, first: u64, of: &[&str]) -> Result<(), AppendError> {
    let bodies = of.iter().map(|body| Bytes::copy_from_slice(body.as_bytes())).collect();
    submit(journal, Append { address: address(), epoch, first, bodies }).await
}

async fn submit(journal: &dyn Journal, append: Append) -> Result<(), AppendError> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    journal.append(append, Box::new(move |result| done.send(result).expect("the test waits")));
    outcome.await.expect("every append is answered")
}

async fn read(journal: &dyn Journal) -> Vec<String> {
    let entries = journal.read(&address(), 0, 10_000).await.expect("the store answers");
    for (entry, seq) in entries.iter().zip(1..) {
        assert_eq!(entry.seq, seq, "the log has a gap");
    }
    entries.iter().map(|entry| String::from_utf8_lossy(&entry.body).into_owned()).collect()
}

#[tokio::test]
async fn cql_keeps_what_a_journal_promises() {
    let Some(server) = server() else { return };
    for case in JOURNAL {
        println!("{case:?}");
        (case.check)(open(&fresh(&server)).await).await;
    }
}

#[tokio::test]
async fn cql_behind_the_steady_journal_keeps_what_a_journal_promises() {
    let Some(server) = server() else { return };
    for case in JOURNAL {
        println!("{case:?}");
        (case.check)(Arc::new(Steady::new(open(&fresh(&server)).await))).await;
    }
}

#[tokio::test]
async fn cql_keeps_what_rows_promise() {
    let Some(server) = server() else { return };
    for case in ROWS {
        println!("{case:?}");
        (case.check)(open(&fresh(&server)).await).await;
    }
}

#[tokio::test]
async fn cql_keeps_what_a_register_promises() {
    let Some(server) = server() else { return };
    for case in REGISTER {
        println!("{case:?}");
        (case.check)(open(&fresh(&server)).await).await;
    }
}

#[tokio::test]
async fn nodes_that_start_at_once_make_the_tables_once() {
    let Some(server) = server() else { return };
    let settings = fresh(&server);
    let stores = join_all((0..4).map(|_| open(&settings))).await;
    for (store, epoch) in stores.iter().zip(1..) {
        assert_eq!(append(&**store, epoch, epoch, &["x"]).await, Ok(()));
    }
    assert_eq!(read(&*stores[0]).await.len(), 4, "all use the same tables");
}

#[tokio::test]
async fn tables_of_a_later_program_are_left_alone() {
    let Some(server) = server() else { return };
    let settings = fresh(&server);
    let store = open(&settings).await;
    let held = store.as_ref();
    let held = Register::read(held, "schema").await.expect("it answers").expect("there is a version");
    store.change("schema", held.version, "99".into()).await.expect("nobody else changes it");
    let refused = Cql::open(&settings).await.expect_err("it is later");
    assert!(matches!(refused, OpenError::Schema(_)), "{refused}");
    assert!(refused.to_string().contains("version 99"), "{refused}");
}

#[tokio::test]
async fn what_cannot_be_opened_says_what_to_do() {
    let settings = |change: fn(&mut Settings)| {
        let mut settings = fresh("127.0.0.1:1");
        change(&mut settings);
        settings
    };
    for (settings, says) in [
        (settings(|_| {}), "cannot be reached"),
        (settings(|settings| settings.keyspace = "Big-Name".into()), "store.keyspace"),
        (settings(|settings| settings.datacenter = "'x".into()), "store.datacenter"),
        (settings(|settings| settings.replication = 0), "store.replication"),
        (settings(|settings| settings.contact_points.clear()), "store.contact_points"),
    ] {
        let refused = Cql::open(&settings).await.expect_err("it cannot be opened").to_string();
        assert!(refused.contains(says), "{refused}");
    }
}

#[tokio::test]
async fn what_a_dead_owner_writes_too_late_is_never_seen() {
    let Some(server) = server() else { return };
    let settings = fresh(&server);
    let (dead, next) = (open(&settings).await, open(&settings).await);
    assert_eq!(append(&*dead, 1, 1, &["one", "two"]).await, Ok(()));
    assert_eq!(append(&*next, 2, 3, &["three"]).await, Ok(()));
    // The store takes it: that is why an owner needs a lease.
    assert_eq!(append(&*dead, 1, 3, &["late", "later", "latest"]).await, Ok(()));
    assert_eq!(read(&*next).await, ["one", "two", "three"]);
    assert_eq!(append(&*next, 2, 4, &["four"]).await, Ok(()));
    assert_eq!(read(&*next).await, ["one", "two", "three", "four"]);
    let third = open(&settings).await;
    assert_eq!(append(&*third, 1, 5, &["five"]).await, Err(AppendError::Fenced));
    assert_eq!(append(&*third, 3, 5, &["five"]).await, Ok(()));
    assert_eq!(read(&*third).await, ["one", "two", "three", "four", "five"]);
}

#[tokio::test]
async fn an_owner_that_has_not_written_yet_fences_as_well() {
    let Some(server) = server() else { return };
    let settings = fresh(&server);
    let (dead, next) = (open(&settings).await, open(&settings).await);
    // It takes over, finds that the append leaves a gap, and writes nothing.
    assert_eq!(append(&*next, 2, 7, &["gap"]).await, Err(AppendError::Conflict { next: 1 }));
    assert_eq!(append(&*dead, 1, 1, &["late"]).await, Err(AppendError::Fenced));
    assert_eq!(read(&*next).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_log_goes_on_from_bucket_to_bucket() {
    let Some(server) = server() else { return };
    let settings = fresh(&server);
    let store = open(&settings).await;
    let mut first = 1;
    // 8,193 events in appends of every size: some begin just before a bucket's end and are kept whole in it.
    for size in (1..=APPEND_EVENTS_MAX).cycle() {
        let bodies: Vec<Bytes> = (first..).take(size).map(|seq| Bytes::from(seq.to_string())).collect();
        let next = first + bodies.len() as u64;
        assert_eq!(
            submit(&*store, Append { address: address(), epoch: 1, first, bodies: bodies.into() }).await,
            Ok(())
        );
        first = next;
        if first > 8_300 {
            break;
        }
    }
    let all: Vec<String> = (1..first).map(|seq| seq.to_string()).collect();
    assert_eq!(read(&*store).await, all);
    for after in (0..first).step_by(97).chain(4_030..4_160) {
        let page = Journal::read(&*store, &address(), after, 100).await.expect("the store answers");
        let page: Vec<u64> = page.iter().map(|entry| entry.seq).collect();
        let expected: Vec<u64> = (after + 1..first).take(100).collect();
        assert_eq!(page, expected, "after {after}");
    }
    let next = open(&settings).await;
    assert_eq!(append(&*next, 2, first, &["last"]).await, Ok(()), "the takeover finds the end");
    assert_eq!(append(&*next, 2, first, &["other"]).await, Err(AppendError::Conflict { next: first + 1 }));
}

#[tokio::test]
async fn appends_of_one_log_that_come_at_once_are_written_together() {
    let Some(server) = server() else { return };
    let store = open(&fresh(&server)).await;
    assert_eq!(append(&*store, 1, 1, &["0"]).await, Ok(()));
    let before = store.state().commits();
    let names: Vec<String> = (1..=40).map(|seq| seq.to_string()).collect();
    let outcomes = names.iter().zip(2..).map(|(name, first)| {
        let store = Arc::clone(&store);
        async move { append(&*store, 1, first, &[name]).await }
    });
    assert!(join_all(outcomes).await.iter().all(Result::is_ok));
    assert_eq!(read(&*store).await.len(), 41);
    let writes = store.state().commits() - before;
    assert!(writes <= 10, "40 appends took {writes} writes");
}

#[tokio::test]
async fn a_node_serves_on_cql_alone_and_finds_again_what_it_had() {
    let Some(server) = server() else { return };
    let settings = fresh(&server);
    let mut config = Config::default();
    config.node.listen = "127.0.0.1:0".into();
    config.node.development = true;
    let folder = tempfile::tempdir().expect("the machine has room for a temporary folder");
    config.node.data = folder.path().to_owned();
    config.store.kind = StoreKind::Cql;
    config.store.contact_points = settings.contact_points.clone();
    config.store.keyspace.clone_from(&settings.keyspace);
    config.store.replication = 1;
    for round in 1..=2_u64 {
        let running = serve(config.clone(), Path::new(".")).await.expect("it starts");
        let journal = Arc::clone(running.host().journal());
        assert_eq!(read(&*journal).await.len() as u64, round - 1);
        assert_eq!(append(&*journal, round, round, &["one"]).await, Ok(()));
        if round == 1 {
            let store: Arc<dyn Register> = open(&settings).await;
            let refused = Lease::acquire(store, "node", "n2").await.expect_err("it is served");
            let held = LeaseError::Held { key: "node".into(), holder: "n1".into() };
            assert_eq!(refused, held);
        }
        running.stop.stop();
        running.ended().await.expect("it stops");
    }
}
