//! The prepared statements. All name their keyspace, so that none depends on what a connection was told before.

use scylla::client::session::Session;
use scylla::errors::PrepareError;
use scylla::statement::Consistency;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;

use super::control;
use conversa_actors::port::APPEND_EVENTS_MAX;

/// Rows that the driver takes at a time where many may come.
const PAGE: i32 = 256;

pub(super) struct Statements {
    /// Batches of 1, 2, 3 ... events of one log.
    appends: Vec<Batch>,
    pub(super) event: PreparedStatement,
    pub(super) cut: PreparedStatement,
    pub(super) head: PreparedStatement,
    pub(super) newest: PreparedStatement,
    pub(super) events: PreparedStatement,
    pub(super) enter_key: PreparedStatement,
    pub(super) keys: PreparedStatement,
    pub(super) set_row: PreparedStatement,
    pub(super) unset_row: PreparedStatement,
    pub(super) row: PreparedStatement,
    pub(super) rows: PreparedStatement,
    pub(super) register: RegisterStatements,
}

#[derive(Debug)]
pub(super) struct RegisterStatements {
    pub(super) read: PreparedStatement,
    /// A serial read: it sees every change, and finishes one that was left half done.
    pub(super) settle: PreparedStatement,
    pub(super) create: PreparedStatement,
    pub(super) change: PreparedStatement,
}

impl std::fmt::Debug for Statements {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Statements")
    }
}

impl Statements {
    pub(super) async fn prepare(session: &Session, ks: &str) -> Result<Self, PrepareError> {
        let log = "tenant = ? AND kind = ? AND key = ? AND bucket = ?";
        // Reads, and writes that carry their timestamp: each may be carried out twice.
        let prepare = async |statement: String| {
            let mut statement = session.prepare(statement).await?;
            statement.set_is_idempotent(true);
            Ok::<_, PrepareError>(statement)
        };
        let event = prepare(format!(
            "INSERT INTO {ks}.log (tenant, kind, key, bucket, seq, epoch, body) VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
        ));
        let event = event.await?;
        Ok(Self {
            appends: (0..=APPEND_EVENTS_MAX).map(|events| batch(&event, events)).collect(),
            cut: prepare(format!("DELETE FROM {ks}.log USING TIMESTAMP ? WHERE {log} AND seq > ?")).await?,
            head: prepare(format!("SELECT seq, epoch FROM {ks}.log WHERE {log} ORDER BY seq DESC LIMIT 1"))
                .await?,
            newest: prepare(format!("SELECT seq, epoch, body FROM {ks}.log WHERE {log} ORDER BY seq DESC LIMIT ?"))
                .await?,
            events: paged(
                prepare(format!("SELECT seq, body FROM {ks}.log WHERE {log} AND seq > ? LIMIT ?")).await?,
            ),
            enter_key: prepare(format!(
                    "INSERT INTO {ks}.log_key (tenant, kind, slot, key) VALUES (?, ?, ?, ?) USING TIMESTAMP ?"
                ))
                .await?,
            keys: paged(
                prepare(format!(
                        "SELECT key FROM {ks}.log_key WHERE tenant = ? AND kind = ? AND slot = ? AND key > ? LIMIT ?"
                    ))
                    .await?,
            ),
            set_row: prepare(format!(
                    "INSERT INTO {ks}.stored_row (tab, part, key, value) VALUES (?, ?, ?, ?) USING TIMESTAMP ?"
                ))
                .await?,
            unset_row: prepare(format!(
                    "DELETE FROM {ks}.stored_row USING TIMESTAMP ? WHERE tab = ? AND part = ? AND key = ?"
                ))
                .await?,
            row: prepare(format!("SELECT value FROM {ks}.stored_row WHERE tab = ? AND part = ? AND key = ?"))
                .await?,
            rows: paged(
                prepare(format!(
                        "SELECT key, value FROM {ks}.stored_row WHERE tab = ? AND part = ? AND key > ? LIMIT ?"
                    ))
                    .await?,
            ),
            register: RegisterStatements::prepare(session, ks).await?,
            event,
        })
    }

    /// The batch for so many events.
    pub(super) fn appends(&self, events: usize) -> &Batch {
        &self.appends[events]
    }
}

impl RegisterStatements {
    pub(super) async fn prepare(session: &Session, ks: &str) -> Result<Self, PrepareError> {
        let ctl = control(ks);
        let mut read =
            session.prepare(format!("SELECT version, value FROM {ctl}.register WHERE key = ?")).await?;
        let mut settle = read.clone();
        settle.set_consistency(Consistency::LocalSerial);
        read.set_is_idempotent(true);
        Ok(Self {
            read,
            settle,
            create: session
                .prepare(format!(
                    "INSERT INTO {ctl}.register (key, version, value) VALUES (?, 1, ?) IF NOT EXISTS"
                ))
                .await?,
            change: session
                .prepare(format!(
                    "UPDATE {ctl}.register SET version = ?, value = ? WHERE key = ? IF version = ?"
                ))
                .await?,
        })
    }
}

fn batch(statement: &PreparedStatement, times: usize) -> Batch {
    let mut batch = Batch::new(BatchType::Unlogged);
    batch.set_is_idempotent(true);
    for _ in 0..times {
        batch.append_statement(statement.clone());
    }
    batch
}

fn paged(mut statement: PreparedStatement) -> PreparedStatement {
    statement.set_page_size(PAGE);
    statement
}
