//! Writing rows. Every write carries its stamp, so that it may be repeated and may arrive in any order.

use std::collections::BTreeMap;
use std::sync::Arc;

use conversa_actors::port::{Done, Row, StoreError};
use futures_util::future::try_join_all;
use scylla::statement::batch::{Batch, BatchType};
use scylla::value::CqlValue;

use super::Inner;
use super::again::again;

pub(super) fn put(inner: &Arc<Inner>, rows: Vec<Row>, done: Done<Result<(), StoreError>>) {
    // Stamped here, in the order of the calls.
    let rows: Vec<(Row, i64)> = rows
        .into_iter()
        .map(|row| {
            let stamp = inner.ticks.stamp(&row);
            (row, stamp)
        })
        .collect();
    let inner = Arc::clone(inner);
    tokio::spawn(async move { done(inner.put(rows).await) });
}

impl Inner {
    /// A batch for each partition, at once. Not one for all that is logged: the log of batches waits for both of the servers that it was
    /// sent to, so that one that has died stops all writes, and with them the server's threads, until it is known to be dead.
    async fn put(&self, rows: Vec<(Row, i64)>) -> Result<(), StoreError> {
        let mut partitions: BTreeMap<(&'static str, String), Vec<(Row, i64)>> = BTreeMap::new();
        for (row, stamp) in rows {
            partitions.entry((row.key.table, row.key.partition.clone())).or_default().push((row, stamp));
        }
        let writes = partitions.into_values().map(|rows| self.put_together(rows)).collect::<Vec<_>>();
        try_join_all(writes).await.map(drop)
    }

    async fn put_together(&self, rows: Vec<(Row, i64)>) -> Result<(), StoreError> {
        let mut batch = Batch::new(BatchType::Unlogged);
        batch.set_is_idempotent(true);
        let mut values: Vec<Vec<CqlValue>> = Vec::new();
        for (row, stamp) in rows {
            let place = [
                CqlValue::Text(row.key.table.to_owned()),
                CqlValue::Text(row.key.partition),
                CqlValue::Text(row.key.key),
            ];
            let stamp = CqlValue::BigInt(stamp);
            match row.value {
                Some(value) => {
                    batch.append_statement(self.statements.set_row.clone());
                    values.push(place.into_iter().chain([CqlValue::Blob(value.into()), stamp]).collect());
                }
                None => {
                    batch.append_statement(self.statements.unset_row.clone());
                    values.push([stamp].into_iter().chain(place).collect());
                }
            }
        }
        again("rows", || self.session.batch(&batch, &values))
            .await
            .map(drop)
            .map_err(|error| StoreError(error.to_string()))
    }
}
