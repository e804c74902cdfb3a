//! Every implementor of a port passes the one suite; the embedded store keeps what it was given and is held by one process.

use std::sync::Arc;

use conversa_actors::address::Address;
use conversa_actors::port::memory::Memory;
use conversa_actors::port::{Append, AppendError, Done, Entry, Journal, Row, RowKey, Rows, StoreError};
use conversa_cluster::Steady;
use conversa_cluster::register::MemoryRegister;
use conversa_cluster::sqlite::{OpenError, Sqlite};
use conversa_engine::ids::TenantId;
use conversa_tests::suite::{JOURNAL, REGISTER, ROWS};
use futures_util::future::BoxFuture;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("the machine has room for a temporary folder")
}

fn open(folder: &TempDir) -> Sqlite {
    Sqlite::open(folder.path()).expect("the folder is free")
}

#[tokio::test]
async fn memory_keeps_what_a_journal_promises() {
    for case in JOURNAL {
        println!("{case:?}");
        (case.check)(Arc::new(Memory::default())).await;
    }
}

#[tokio::test]
async fn memory_keeps_what_rows_promise() {
    for case in ROWS {
        println!("{case:?}");
        (case.check)(Arc::new(Memory::default())).await;
    }
}

#[tokio::test]
async fn memory_keeps_what_a_register_promises() {
    for case in REGISTER {
        println!("{case:?}");
        (case.check)(Arc::new(MemoryRegister::default())).await;
    }
}

#[tokio::test]
async fn sqlite_keeps_what_a_journal_promises() {
    for case in JOURNAL {
        println!("{case:?}");
        let folder = folder();
        (case.check)(Arc::new(open(&folder))).await;
    }
}

#[tokio::test]
async fn sqlite_behind_the_steady_journal_keeps_what_a_journal_promises() {
    for case in JOURNAL {
        println!("{case:?}");
        let folder = folder();
        (case.check)(Arc::new(Steady::new(Arc::new(open(&folder))))).await;
    }
}

#[tokio::test]
async fn sqlite_keeps_what_rows_promise() {
    for case in ROWS {
        println!("{case:?}");
        let folder = folder();
        (case.check)(Arc::new(open(&folder))).await;
    }
}

fn address() -> Address {
    Address::new(TenantId::new("acme"), "conversation", "a")
}

fn wake(key: &str) -> RowKey {
    RowKey { table: "wake", partition: "0001".into(), key: key.into() }
}

#[tokio::test]
async fn an_opened_store_has_everything_that_was_acknowledged() {
    let folder = folder();
    for round in 0..3_u64 {
        let store = open(&folder);
        let before = store.read(&address(), 0, 100).await.expect("the store answers");
        assert_eq!(before.len() as u64, 2 * round);
        let bodies = [format!("{round} one").into(), format!("{round} two").into()].into();
        let append = Append { address: address(), epoch: round + 1, first: 2 * round + 1, bodies };
        let (done, outcome) = tokio::sync::oneshot::channel();
        store.append(append, Box::new(move |result| done.send(result).expect("the test waits")));
        assert_eq!(outcome.await.expect("every append is answered"), Ok(()));
        let row = |key: &str, value| Row {
            key: wake(key),
            stamp: i64::try_from(round).expect("it is small"),
            value,
        };
        let rows = vec![row("kept", Some(format!("{round}").into())), row("deleted", None)];
        let (done, outcome) = tokio::sync::oneshot::channel();
        store.put(rows, Box::new(move |result| done.send(result).expect("the test waits")));
        assert_eq!(outcome.await.expect("every put is answered"), Ok(()));
        store.close();
    }
    let store = open(&folder);
    let entries = store.read(&address(), 0, 100).await.expect("the store answers");
    let bodies: Vec<String> =
        entries.iter().map(|entry| String::from_utf8_lossy(&entry.body).into_owned()).collect();
    assert_eq!(bodies, ["0 one", "0 two", "1 one", "1 two", "2 one", "2 two"]);
    assert_eq!(store.get(&wake("kept")).await.expect("the store answers").as_deref(), Some(&b"2"[..]));
    assert_eq!(store.get(&wake("deleted")).await.expect("the store answers"), None);
}

/// Places of events are entered into the index every 16,384 events: what is read across that bound, before and after a restart, has no
/// hole and no double.
#[tokio::test]
async fn events_are_found_before_and_after_their_places_are_entered() {
    const LOGS: u64 = 300;
    const APPENDS: u64 = 64;
    const ROUNDS: u64 = 3;
    let folder = folder();
    let log = |number: u64| Address::new(TenantId::new("acme"), "conversation", format!("log {number}"));
    for round in 0..ROUNDS {
        let store = open(&folder);
        let first = round * APPENDS + 1;
        let (done, mut outcomes) = tokio::sync::mpsc::unbounded_channel();
        for number in 0..LOGS {
            let bodies = (first..first + APPENDS).map(|seq| format!("{number} {seq}").into()).collect();
            let append = Append { address: log(number), epoch: 1, first, bodies };
            let done = done.clone();
            store.append(append, Box::new(move |result| done.send(result).expect("the test waits")));
        }
        for _ in 0..LOGS {
            assert_eq!(outcomes.recv().await, Some(Ok(())));
        }
        for number in 0..LOGS {
            let after = first - 1;
            let entries = store.read(&log(number), after.saturating_sub(3), 100).await.expect("it answers");
            let wanted = after.saturating_sub(3) + 1..first + APPENDS;
            assert!(entries.iter().map(|entry| entry.seq).eq(wanted), "log {number}, round {round}");
        }
        store.close();
    }
    let store = open(&folder);
    for number in 0..LOGS {
        let entries = store.read(&log(number), 0, 1_000).await.expect("it answers");
        let wanted = (1..=ROUNDS * APPENDS).map(|seq| (seq, format!("{number} {seq}")));
        let found =
            entries.iter().map(|entry| (entry.seq, String::from_utf8_lossy(&entry.body).into_owned()));
        assert!(found.eq(wanted), "log {number}");
    }
}

#[tokio::test]
async fn a_closed_store_says_that_it_cannot_write() {
    let folder = folder();
    let store = open(&folder);
    store.close();
    let (done, outcome) = tokio::sync::oneshot::channel();
    let append = Append { address: address(), epoch: 1, first: 1, bodies: ["late".into()].into() };
    store.append(append, Box::new(move |result| done.send(result).expect("the test waits")));
    let refused = outcome.await.expect("every append is answered").expect_err("it is closed");
    assert!(matches!(refused, AppendError::Unavailable(_)), "{refused}");
}

#[tokio::test]
async fn a_folder_is_held_by_one_store_at_a_time() {
    let folder = folder();
    let first = open(&folder);
    let error = Sqlite::open(folder.path()).expect_err("the folder is held");
    assert!(matches!(&error, OpenError::InUse(path) if path == folder.path()));
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(first);
    open(&folder).close();
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_says_what_to_do() {
    let folder = folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").expect("the folder may be written");
    let error = Sqlite::open(&file.join("data")).expect_err("a file is no folder");
    assert!(matches!(error, OpenError::Folder { .. }));
    assert!(error.to_string().contains("check that it exists and may be written"), "{error}");
    std::fs::create_dir(folder.path().join("broken")).expect("the folder may be written");
    std::fs::write(
        folder.path().join("broken/conversa.db"),
        "this is no database, however long the text in it may be",
    )
    .expect("the folder may be written");
    let error = Sqlite::open(&folder.path().join("broken")).expect_err("the file is no database");
    assert!(matches!(error, OpenError::Sqlite { .. }), "{error}");
}

/// A store that answers the first attempts as told; what it does not say, it has done.
struct Unsure {
    store: Memory,
    answers: parking_lot::Mutex<Vec<AppendError>>,
}

impl Journal for Unsure {
    fn append(&self, append: Append, done: Done<Result<(), AppendError>>) {
        let answer = self.answers.lock().pop();
        let written = match answer {
            Some(AppendError::Unavailable(_)) => Ok(()),
            Some(_) | None => self.store.append_now(&append),
        };
        done(answer.map_or(written, Err));
    }

    fn read(
        &self,
        address: &Address,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Entry>, StoreError>> {
        self.store.read(address, after, limit)
    }

    fn keys(&self, of: &Address, limit: usize) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        self.store.keys(of, limit)
    }
}

async fn steadily(mut answers: Vec<AppendError>) -> (Result<(), AppendError>, usize) {
    answers.reverse();
    let store = Arc::new(Unsure { store: Memory::default(), answers: answers.into() });
    let (done, outcome) = tokio::sync::oneshot::channel();
    let append = Append { address: address(), epoch: 1, first: 1, bodies: ["once".into()].into() };
    Steady::new(Arc::clone(&store))
        .append(append, Box::new(move |result| done.send(result).expect("the test waits")));
    let outcome = outcome.await.expect("every append is answered");
    (outcome, store.store.read_now(&address(), 0, 10).len())
}

#[tokio::test]
async fn an_unknown_outcome_is_never_reported_as_failure_or_success() {
    let unknown = || AppendError::Unknown("the disk said nothing".into());
    let unavailable = || AppendError::Unavailable("the disk is full".into());
    assert_eq!(steadily(vec![]).await, (Ok(()), 1));
    assert_eq!(
        steadily(vec![unavailable()]).await,
        (Err(unavailable()), 0),
        "nothing was written: it may be told"
    );
    assert_eq!(steadily(vec![unknown()]).await, (Ok(()), 1));
    // The first attempt was written: a store that cannot write now does not undo that.
    assert_eq!(steadily(vec![unknown(), unavailable()]).await, (Ok(()), 1));
}
