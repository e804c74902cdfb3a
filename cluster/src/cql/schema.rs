//! Keyspaces and tables: numbered migrations, compiled in, each additive and safe to repeat. Nodes that start at once take turns by a
//! lease; only the register itself is made without one.

use std::sync::Arc;

use bytes::Bytes;
use conversa_actors::port::StoreError;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use scylla::client::session::Session;
use scylla::errors::ExecutionError;
use xxhash_rust::xxh3::xxh3_128;

use super::statements::RegisterStatements;
use super::{Settings, control, register};
use crate::lease::{Lease, LeaseError};
use crate::register::{ChangeError, Held, Register};

/// The migrations, from version 1.
const MIGRATIONS: &[&str] = &[include_str!("migrations/1.cql"), include_str!("migrations/2.cql")];
const VERSION: &str = "schema";
const TURN: &str = "migrate";
/// Nodes that start together wait so long for the one that migrates, seconds: servers take a while to agree on tables.
const TURN_BEATS: u32 = 300;

impl From<ExecutionError> for SchemaError {
    fn from(error: ExecutionError) -> Self {
        Self::Refused(Box::new(error))
    }
}

/// Why the tables are not ready.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A later program was here.
    #[error(
        "the tables in keyspace {keyspace} have version {found}, this program knows up to {known}: use the program that wrote them, or a later one"
    )]
    Later {
        /// Which keyspace.
        keyspace: String,
        /// Its version.
        found: u64,
        /// What this program knows.
        known: u64,
    },
    /// A statement is refused.
    #[error(
        "the tables cannot be made: {0}; may this user create keyspaces and tables, and is store.datacenter the name that `nodetool status` shows?"
    )]
    Refused(Box<ExecutionError>),
    /// The register does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The register's statements are refused.
    #[error("the register cannot be used: {0}")]
    Register(String),
    /// Nobody gives way.
    #[error("another node changes the tables: {0}")]
    Turn(#[from] LeaseError),
}

/// The register before the rest of the store is there, or without it.
pub(super) struct Early {
    session: Arc<Session>,
    statements: RegisterStatements,
}

impl Register for Early {
    fn read(&self, key: &str) -> BoxFuture<'_, Result<Option<Held>, StoreError>> {
        let key = key.to_owned();
        async move { register::read(&self.session, &self.statements, &key).await }.boxed()
    }

    fn change(&self, key: &str, expected: u64, value: Bytes) -> BoxFuture<'_, Result<u64, ChangeError>> {
        let key = key.to_owned();
        async move { register::change(&self.session, &self.statements, &key, expected, &value).await }.boxed()
    }
}

/// The register alone, if it is there: nothing is made.
pub(super) async fn register(
    session: &Arc<Session>,
    settings: &Settings,
) -> Result<Option<Early>, SchemaError> {
    if !has_table(session, &control(&settings.keyspace), "register").await? {
        return Ok(None);
    }
    let statements = RegisterStatements::prepare(session, &settings.keyspace)
        .await
        .map_err(|error| SchemaError::Register(error.to_string()))?;
    Ok(Some(Early { session: Arc::clone(session), statements }))
}

/// Makes what is missing. Returns when all tables are there, for this node and all others of the store.
pub(super) async fn migrate(session: &Arc<Session>, settings: &Settings) -> Result<(), SchemaError> {
    make_register(session, settings).await?;
    let statements = RegisterStatements::prepare(session, &settings.keyspace)
        .await
        .map_err(|error| SchemaError::Register(error.to_string()))?;
    let register: Arc<dyn Register> = Arc::new(Early { session: Arc::clone(session), statements });
    if version(&register, settings).await?.1 == MIGRATIONS.len() {
        return Ok(());
    }
    let lease = Lease::acquire_after(Arc::clone(&register), TURN, "migration", TURN_BEATS).await?;
    let outcome = make_tables(session, &register, settings).await;
    lease.release().await;
    outcome
}

async fn make_tables(
    session: &Session,
    register: &Arc<dyn Register>,
    settings: &Settings,
) -> Result<(), SchemaError> {
    // Read again: another node may have had its turn.
    let (mut held, done) = version(register, settings).await?;
    make_keyspace(session, &settings.keyspace, settings, "").await?;
    for (migration, number) in MIGRATIONS.iter().zip(1_u64..).skip(done) {
        for statement in statements(migration) {
            session.query_unpaged(statement.replace("{ks}", &settings.keyspace), ()).await?;
        }
        let changed = register.change(VERSION, held, Bytes::from(number.to_string())).await;
        held = changed.map_err(|error| SchemaError::Register(error.to_string()))?;
        tracing::info!(keyspace = settings.keyspace, number, "migrated the tables");
    }
    Ok(())
}

/// Version of the register's value, and of the tables.
async fn version(register: &Arc<dyn Register>, settings: &Settings) -> Result<(u64, usize), SchemaError> {
    let Some(held) = register.read(VERSION).await? else { return Ok((0, 0)) };
    let found: u64 = std::str::from_utf8(&held.value)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| SchemaError::Register("the version of the tables is not a number".into()))?;
    let known = MIGRATIONS.len();
    match usize::try_from(found) {
        Ok(done) if done <= known => Ok((held.version, done)),
        Ok(_) | Err(_) => {
            Err(SchemaError::Later { keyspace: settings.keyspace.clone(), found, known: known as u64 })
        }
    }
}

/// The register's table, unless it is there.
async fn make_register(session: &Session, settings: &Settings) -> Result<(), SchemaError> {
    let ctl = control(&settings.keyspace);
    if has_table(session, &ctl, "register").await? {
        return Ok(());
    }
    let scylla = has_table(session, "system", "scylla_local").await?;
    // Some releases of ScyllaDB run conditional writes only where there are no tablets.
    let extra = if scylla { " AND tablets = {'enabled': false}" } else { "" };
    make_keyspace(session, &ctl, settings, extra).await?;
    // Cassandra gives a table a random identity: two nodes that make it at once would make two of one name. ScyllaDB orders them.
    let same = if scylla { String::new() } else { format!(" WITH id = {}", identity(&ctl)) };
    let table = format!(
        "CREATE TABLE IF NOT EXISTS {ctl}.register (key text PRIMARY KEY, version bigint, value blob){same}"
    );
    session.query_unpaged(table, ()).await?;
    Ok(())
}

async fn has_table(session: &Session, keyspace: &str, table: &str) -> Result<bool, SchemaError> {
    let ask = format!(
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{keyspace}' AND table_name = '{table}'"
    );
    let found = session.query_unpaged(ask, ()).await?;
    Ok(found.into_rows_result().is_ok_and(|rows| rows.rows_num() > 0))
}

async fn make_keyspace(
    session: &Session,
    name: &str,
    settings: &Settings,
    extra: &str,
) -> Result<(), SchemaError> {
    let Settings { datacenter, replication, .. } = settings;
    let make = format!(
        "CREATE KEYSPACE IF NOT EXISTS {name} WITH replication = {{'class': 'NetworkTopologyStrategy', '{datacenter}': {replication}}}{extra}"
    );
    session.query_unpaged(make, ()).await?;
    Ok(())
}

/// A UUID made from the keyspace's name.
fn identity(keyspace: &str) -> String {
    let bits = xxh3_128(keyspace.as_bytes());
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// The statements of a migration, without comments.
fn statements(migration: &str) -> Vec<String> {
    let code: Vec<&str> = migration.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let code = code.join("\n");
    code.split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}
