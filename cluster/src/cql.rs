//! The store on CQL: Apache Cassandra or `ScyllaDB`. Appends are plain writes that carry their owner's epoch as timestamp, so that a later
//! owner's takeover hides what an earlier one writes too late; only the register is written conditionally.
//!
//! Whoever appends must hold a lease: the store itself acknowledges a write that a later owner has already hidden.

mod again;
mod error;
mod log;
mod read;
mod register;
mod rows;
mod schema;
mod statements;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use conversa_actors::address::Address;
use conversa_actors::port::{Append, AppendError, Done, Entry, Journal, Row, RowKey, Rows, StoreError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::policies::speculative_execution::SimpleSpeculativeExecutionPolicy;
use scylla::statement::{Consistency, SerialConsistency};
use tokio::sync::Semaphore;

use crate::clock::Began;
use crate::log::Logs;
use crate::register::{ChangeError, Held, Register};
use crate::state::State;
use crate::ticks::Ticks;
use statements::Statements;

pub use schema::SchemaError;

/// A request that has no answer after this time has an unknown outcome.
const REQUEST: Duration = Duration::from_secs(10);
/// What may be repeated is asked of a second server as well when the first has not answered for this time: it may stand still, or wait for a
/// replica of which it does not know yet that it is dead. Long enough that a store that is merely busy is not asked everything twice.
const SECOND: Duration = Duration::from_secs(1);
/// A connection on which nothing comes is tried so often, and given up when the answer takes so long.
const KEEPALIVE: Duration = Duration::from_secs(2);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// A contact point that does not connect within this time is passed over.
const CONNECT: Duration = Duration::from_secs(5);

/// Where the store is, and how it keeps data.
#[derive(Clone)]
pub struct Settings {
    /// Some nodes of the store, as host:port.
    pub contact_points: Vec<String>,
    /// The keyspace of logs and rows; the register is in one with `_ctl` added. Both are created if they are not there.
    pub keyspace: String,
    /// The data centre of this node's quorums.
    pub datacenter: String,
    /// Copies of everything in that data centre, for keyspaces that are created.
    pub replication: u32,
    /// User and password.
    pub user: Option<(String, String)>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { contact_points, keyspace, datacenter, replication, .. } = self;
        write!(f, "{keyspace} at {contact_points:?}, {replication} copies in {datacenter}")
    }
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A setting is out of its bounds.
    #[error("{0}")]
    Setting(String),
    /// Nobody answers.
    #[error(
        "the CQL store at {at} cannot be reached: {why}; check store.contact_points, and that the server is up"
    )]
    Connect {
        /// The contact points.
        at: String,
        /// What the driver says.
        why: String,
    },
    /// Its tables are not as they should be.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Nobody has started on it.
    #[error(
        "there is no keyspace {0} with a register: no node has started on it; check store.keyspace and store.contact_points"
    )]
    Nothing(String),
    /// A statement is refused.
    #[error("the CQL store refuses a statement: {0}; may this user read and write the keyspace?")]
    Prepare(String),
}

/// Requests at the store at a time; the others wait, one for each log at most.
const REQUESTS_MAX: usize = 1024;

/// A store on CQL.
#[derive(Debug)]
pub struct Cql {
    inner: Arc<Inner>,
    logs: Arc<Logs<Inner>>,
}

/// What tasks of the store share.
#[derive(Debug)]
pub(crate) struct Inner {
    session: Arc<Session>,
    statements: Statements,
    requests: Semaphore,
    ticks: Ticks,
    state: Arc<State>,
}

impl Cql {
    /// Connects, creates or migrates the tables, and prepares the statements.
    ///
    /// # Errors
    /// See [`OpenError`]: each says what to do.
    pub async fn open(settings: &Settings) -> Result<Self, OpenError> {
        check(settings)?;
        let session = Arc::new(connect(settings).await?);
        schema::migrate(&session, settings).await?;
        let refused = |error: scylla::errors::PrepareError| OpenError::Prepare(error.to_string());
        let statements = Statements::prepare(&session, &settings.keyspace).await.map_err(refused)?;
        let inner = Inner {
            session,
            statements,
            requests: Semaphore::new(REQUESTS_MAX),
            ticks: Ticks::default(),
            state: Arc::default(),
        };
        let inner = Arc::new(inner);
        Ok(Self { logs: Arc::new(Logs::new(Arc::clone(&inner))), inner })
    }

    /// How the store fares.
    #[must_use]
    pub fn state(&self) -> &Arc<State> {
        &self.inner.state
    }
}

/// The register of a store whose nodes have made it: for whoever looks at a cluster from outside. Makes and migrates nothing.
///
/// # Errors
/// See [`OpenError`].
pub async fn open_register(settings: &Settings) -> Result<Arc<dyn Register>, OpenError> {
    check(settings)?;
    let session = Arc::new(connect(settings).await?);
    let register = schema::register(&session, settings).await?;
    let register = register.ok_or_else(|| OpenError::Nothing(control(&settings.keyspace)))?;
    Ok(Arc::new(register))
}

fn check(settings: &Settings) -> Result<(), OpenError> {
    let refused = |what: &str| Err(OpenError::Setting(what.to_owned()));
    if settings.contact_points.is_empty() {
        return refused("store.contact_points: at least one host:port of the CQL store");
    }
    if !is_name(&settings.keyspace) {
        return refused("store.keyspace: 1 to 40 small letters, digits and _, a letter first");
    }
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if settings.datacenter.is_empty() || !settings.datacenter.chars().all(in_name) {
        return refused("store.datacenter: letters, digits, _ - and .; `nodetool status` shows its name");
    }
    if !(1..=9).contains(&settings.replication) {
        return refused("store.replication: between 1 and 9");
    }
    Ok(())
}

/// True for the name of a keyspace that needs no quotes.
fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_ascii_lowercase())
        && name.len() <= 40
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

async fn connect(settings: &Settings) -> Result<Session, OpenError> {
    let nearest = DefaultPolicy::builder().prefer_datacenter(settings.datacenter.clone()).build();
    // The driver repeats nothing: only this module knows what may be repeated.
    let profile = ExecutionProfile::builder()
        .consistency(Consistency::LocalQuorum)
        .serial_consistency(Some(SerialConsistency::LocalSerial))
        .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
        .load_balancing_policy(nearest)
        .speculative_execution_policy(Some(Arc::new(SimpleSpeculativeExecutionPolicy {
            max_retry_count: 1,
            retry_interval: SECOND,
        })))
        .request_timeout(Some(REQUEST))
        .build();
    let mut builder = SessionBuilder::new()
        .known_nodes(&settings.contact_points)
        .default_execution_profile_handle(profile.into_handle())
        .keyspaces_to_fetch([settings.keyspace.clone(), control(&settings.keyspace)])
        .connection_timeout(CONNECT)
        .keepalive_interval(KEEPALIVE)
        .keepalive_timeout(KEEPALIVE_TIMEOUT)
        .schema_agreement_interval(Duration::from_millis(50))
        .tcp_nodelay(true);
    if let Some((user, password)) = &settings.user {
        builder = builder.user(user, password);
    }
    builder.build().await.map_err(|error| OpenError::Connect {
        at: settings.contact_points.join(", "),
        why: error.to_string(),
    })
}

/// The keyspace of the register.
fn control(keyspace: &str) -> String {
    format!("{keyspace}_ctl")
}

/// The store's integers are signed; ours stay far below 2^63.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Journal for Cql {
    fn append(&self, append: Append, done: Done<Result<(), AppendError>>) {
        let (state, since) = (Arc::clone(&self.inner.state), Began::now());
        let done = move |outcome| {
            state.append_times.count_time(since.until(Began::now()));
            done(outcome);
        };
        if let Some(writing) = self.logs.append(append, Box::new(done)) {
            tokio::spawn(writing);
        }
    }

    fn read(
        &self,
        address: &Address,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Entry>, StoreError>> {
        let address = address.clone();
        async move { self.inner.events(&address, after, limit).await }.boxed()
    }

    fn keys(&self, of: &Address, limit: usize) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        let of = of.clone();
        async move { self.inner.keys(&of, limit).await }.boxed()
    }
}

impl Rows for Cql {
    fn put(&self, rows: Vec<Row>, done: Done<Result<(), StoreError>>) {
        rows::put(&self.inner, rows, done);
    }

    fn get(&self, key: &RowKey) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        let key = key.clone();
        async move { self.inner.row(&key).await }.boxed()
    }

    fn scan(
        &self,
        table: &'static str,
        partition: &str,
        after: &str,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(String, Bytes)>, StoreError>> {
        let (partition, after) = (partition.to_owned(), after.to_owned());
        async move { self.inner.rows(table, &partition, &after, limit).await }.boxed()
    }
}

impl Register for Cql {
    fn read(&self, key: &str) -> BoxFuture<'_, Result<Option<Held>, StoreError>> {
        let key = key.to_owned();
        async move { register::read(&self.inner.session, &self.inner.statements.register, &key).await }
            .boxed()
    }

    fn change(&self, key: &str, expected: u64, value: Bytes) -> BoxFuture<'_, Result<u64, ChangeError>> {
        let key = key.to_owned();
        async move {
            register::change(&self.inner.session, &self.inner.statements.register, &key, expected, &value)
                .await
        }
        .boxed()
    }
}
