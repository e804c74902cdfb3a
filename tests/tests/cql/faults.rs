//! A proxy between the store and its server: what it does to requests and answers must not lose, double or reorder anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use conversa_actors::address::Address;
use conversa_actors::port::{Append, AppendError, Done, Entry, Journal, Row, RowKey, Rows, StoreError};
use conversa_cluster::Steady;
use conversa_cluster::cql::Settings;
use conversa_cluster::register::{ChangeError, Held, Register};
use conversa_engine::ids::TenantId;
use conversa_tests::suite::{JOURNAL, REGISTER, ROWS};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use scylla_proxy::{
    Condition, Node, Proxy, Reaction, RequestOpcode, RequestReaction, RequestRule, ResponseFrame,
    ResponseOpcode, ResponseReaction, ResponseRule, RunningProxy, ShardAwareness, example_db_errors,
};

use super::{append, fresh, open, read, server, submit};

/// A proxy before the server. The driver finds no other address: the server has one node, whose port is the contact point's.
async fn proxy(server: &str) -> (RunningProxy, Settings) {
    let real: SocketAddr = server.parse().expect("CONVERSA_CQL is an address and a port");
    // Free now; nobody else on this machine is given it soon.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let own = free.local_addr().expect("it is bound");
    drop(free);
    let node = Node::builder()
        .real_address(real)
        .proxy_address(own)
        .shard_awareness(ShardAwareness::Unaware)
        .build();
    let proxy = Proxy::builder().with_node(node).build().run().await.expect("the proxy starts");
    (proxy, fresh(&own.to_string()))
}

/// Statements, but not those by which the driver watches the cluster.
fn statement() -> Condition {
    let control = Condition::ConnectionRegisteredAnyEvent;
    Condition::any([
        Condition::RequestOpcode(RequestOpcode::Execute),
        Condition::RequestOpcode(RequestOpcode::Batch),
    ])
    .and(Condition::not(control))
}

/// Results, but not those of the driver's own questions.
fn result() -> Condition {
    Condition::ResponseOpcode(ResponseOpcode::Result)
        .and(Condition::not(Condition::ConnectionRegisteredAnyEvent))
}

fn sometimes(condition: Condition, chance: f64) -> Condition {
    condition.and(Condition::RandomWithProbability(chance))
}

/// An acknowledged write becomes a time-out: it was written, and the answer says that nobody knows.
fn doubtful() -> ResponseReaction {
    ResponseReaction::transform_frame(Arc::new(|frame: ResponseFrame| {
        const VOID: &[u8] = &[0, 0, 0, 1];
        if &frame.body[..] != VOID {
            return frame;
        }
        ResponseFrame::forged_error(frame.params, example_db_errors::write_timeout(), None)
            .expect("the frame is short")
    }))
}

/// One in twenty requests fails in one of seven ways, some before they reach the server and some after.
fn rules(proxy: &mut RunningProxy) {
    let forged =
        |error, chance| RequestRule(sometimes(statement(), chance), RequestReaction::forge_with_error(error));
    let requests = vec![
        forged(example_db_errors::write_timeout(), 0.01),
        forged(example_db_errors::overloaded(), 0.01),
        forged(example_db_errors::unprepared(), 0.005),
        forged(example_db_errors::unavailable(), 0.005),
        RequestRule(sometimes(statement(), 0.005), RequestReaction::drop_connection()),
    ];
    let answers = vec![
        ResponseRule(sometimes(result(), 0.01), doubtful()),
        ResponseRule(sometimes(result(), 0.005), ResponseReaction::drop_connection()),
    ];
    let node = &mut proxy.running_nodes[0];
    node.change_request_rules(Some(requests));
    node.change_response_rules(Some(answers));
}

/// A caller that comes again, unchanged, while the store cannot say.
struct Patient<S>(Arc<S>);

const PATIENCE: Duration = Duration::from_millis(20);

/// The first success; asking a thousand times is long enough for every connection that broke.
async fn patiently<T, E: std::fmt::Display, F>(
    mut ask: impl FnMut() -> F,
    passes: impl Fn(&E) -> bool,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    for _ in 0..1_000 {
        match ask().await {
            Err(error) if passes(&error) => tokio::time::sleep(PATIENCE).await,
            outcome => return outcome,
        }
    }
    ask().await
}

impl<J: Journal + 'static> Journal for Patient<J> {
    fn append(&self, append: Append, done: Done<Result<(), AppendError>>) {
        let journal = Arc::clone(&self.0);
        tokio::spawn(async move {
            let attempt = || submit(&*journal, append.clone());
            done(patiently(attempt, |error| matches!(error, AppendError::Unavailable(_))).await);
        });
    }

    fn read(
        &self,
        address: &Address,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Entry>, StoreError>> {
        let address = address.clone();
        async move { patiently(|| self.0.read(&address, after, limit), |_| true).await }.boxed()
    }

    fn keys(&self, of: &Address, limit: usize) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        let of = of.clone();
        async move { patiently(|| self.0.keys(&of, limit), |_| true).await }.boxed()
    }
}

impl<S: Rows + 'static> Rows for Patient<S> {
    fn put(&self, rows: Vec<Row>, done: Done<Result<(), StoreError>>) {
        let store = Arc::clone(&self.0);
        tokio::spawn(async move {
            let attempt = || async {
                let (told, outcome) = tokio::sync::oneshot::channel();
                store.put(rows.clone(), Box::new(move |result| told.send(result).expect("it is awaited")));
                outcome.await.expect("every put is answered")
            };
            done(patiently(attempt, |_| true).await);
        });
    }

    fn get(&self, key: &RowKey) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        let key = key.clone();
        async move { patiently(|| self.0.get(&key), |_| true).await }.boxed()
    }

    fn scan(
        &self,
        table: &'static str,
        partition: &str,
        after: &str,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(String, Bytes)>, StoreError>> {
        let (partition, after) = (partition.to_owned(), after.to_owned());
        async move { patiently(|| self.0.scan(table, &partition, &after, limit), |_| true).await }.boxed()
    }
}

impl<S: Register + 'static> Register for Patient<S> {
    fn read(&self, key: &str) -> BoxFuture<'_, Result<Option<Held>, StoreError>> {
        let key = key.to_owned();
        async move { patiently(|| Register::read(&*self.0, &key), |_| true).await }.boxed()
    }

    fn change(&self, key: &str, expected: u64, value: Bytes) -> BoxFuture<'_, Result<u64, ChangeError>> {
        let key = key.to_owned();
        let passes =
            |error: &ChangeError| matches!(error, ChangeError::Unavailable(_) | ChangeError::Unknown(_));
        async move { patiently(|| self.0.change(&key, expected, value.clone()), passes).await }.boxed()
    }
}

#[tokio::test]
async fn a_journal_keeps_its_promises_while_requests_fail() {
    let Some(server) = server() else { return };
    let (mut proxy, mut settings) = proxy(&server).await;
    for case in JOURNAL {
        println!("{case:?}");
        proxy.turn_off_rules();
        settings.keyspace = fresh(&server).keyspace;
        let store = open(&settings).await;
        rules(&mut proxy);
        (case.check)(Arc::new(Patient(Arc::new(Steady::new(store))))).await;
    }
    drop(proxy.finish().await);
}

#[tokio::test]
async fn rows_and_register_keep_their_promises_while_requests_fail() {
    let Some(server) = server() else { return };
    let (mut proxy, mut settings) = proxy(&server).await;
    for case in ROWS {
        println!("{case:?}");
        proxy.turn_off_rules();
        settings.keyspace = fresh(&server).keyspace;
        let store = open(&settings).await;
        rules(&mut proxy);
        (case.check)(Arc::new(Patient(store))).await;
    }
    for case in REGISTER {
        println!("{case:?}");
        proxy.turn_off_rules();
        settings.keyspace = fresh(&server).keyspace;
        let store = open(&settings).await;
        // Conditional writes lose their answers.
        let lost = ResponseRule(sometimes(result(), 0.05), ResponseReaction::drop_connection());
        proxy.running_nodes[0].change_response_rules(Some(vec![lost]));
        (case.check)(Arc::new(Patient(store))).await;
    }
    drop(proxy.finish().await);
}

#[tokio::test]
async fn a_write_that_times_out_after_it_was_applied_is_written_once() {
    let Some(server) = server() else { return };
    let (mut proxy, settings) = proxy(&server).await;
    let store = open(&settings).await;
    assert_eq!(append(&*store, 1, 1, &["one"]).await, Ok(()));
    let once = || result().and(Condition::TrueForLimitedTimes(1));
    proxy.running_nodes[0].change_response_rules(Some(vec![ResponseRule(once(), doubtful())]));
    let unknown = append(&*store, 1, 2, &["two"]).await.expect_err("the answer says that it timed out");
    assert!(matches!(unknown, AppendError::Unknown(_)), "{unknown}");
    assert_eq!(append(&*store, 1, 2, &["two"]).await, Ok(()), "the same again is what is there");
    proxy.running_nodes[0].change_response_rules(Some(vec![ResponseRule(once(), doubtful())]));
    let unknown = append(&*store, 1, 3, &["three"]).await.expect_err("the answer says that it timed out");
    assert!(matches!(unknown, AppendError::Unknown(_)), "{unknown}");
    let conflict = append(&*store, 1, 3, &["something else"]).await;
    assert_eq!(conflict, Err(AppendError::Conflict { next: 4 }), "what is in doubt comes first");
    assert_eq!(read(&*store).await, ["one", "two", "three"]);
    drop(proxy.finish().await);
}

#[tokio::test]
async fn a_history_under_faults_has_what_was_acknowledged_once_and_in_order() {
    const LOGS: usize = 12;
    const APPENDS: usize = 120;
    let Some(server) = server() else { return };
    let (mut proxy, settings) = proxy(&server).await;
    let journal = Arc::new(Steady::new(open(&settings).await));
    rules(&mut proxy);
    let refused = Arc::new(AtomicUsize::new(0));
    let writers = (0..LOGS).map(|log| {
        let (journal, refused) = (Arc::clone(&journal), Arc::clone(&refused));
        async move {
            let address = Address::new(TenantId::new("acme"), "conversation", format!("log-{log}"));
            let mut written: Vec<Bytes> = Vec::new();
            for number in 0..APPENDS {
                let size = 1 + (log * 7 + number * 13) % 9;
                // A refused append is made anew with other bodies: nothing of it may ever appear.
                for attempt in 0.. {
                    let body = |place| Bytes::from(format!("{log} {number} {attempt} {place}"));
                    let bodies: Vec<Bytes> = (0..size).map(body).collect();
                    let first = written.len() as u64 + 1;
                    let one =
                        Append { address: address.clone(), epoch: 1, first, bodies: bodies.clone().into() };
                    match submit(&*journal, one).await {
                        Ok(()) => {
                            written.extend(bodies);
                            break;
                        }
                        Err(AppendError::Unavailable(_)) => {
                            refused.fetch_add(1, Ordering::Relaxed);
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                        Err(error) => panic!("{address} {number}: {error}"),
                    }
                }
            }
            (address, written)
        }
    });
    let logs = join_all(writers).await;
    proxy.turn_off_rules();
    for (address, written) in logs {
        let stored = journal.read(&address, 0, 10_000).await.expect("the store answers");
        let stored: Vec<Bytes> = stored.into_iter().map(|entry| entry.body).collect();
        assert_eq!(stored, written, "{address}");
    }
    println!("{} appends were refused", refused.load(Ordering::Relaxed));
    drop(proxy.finish().await);
}
