//! Writing rows. Every write carries its stamp, so that it may be repeated and may arrive in any order.

use std::collections::BTreeMap;
use std::sync::Arc;

use conversa_actors::port::{Done, Row, StoreError};
use scylla::statement::batch::{Batch, BatchType};
use scylla::value::CqlValue;

use super::Inner;
use super::again::again;

/// A batch of several partitions is written all or none up to this sum of values: servers refuse larger ones.
const TOGETHER_BYTES: usize = 32 * 1024;

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
    async fn put(&self, rows: Vec<(Row, i64)>) -> Result<(), StoreError> {
        let bytes: usize = rows.iter().map(|(row, _)| row.value.as_ref().map_or(0, bytes::Bytes::len)).sum();
        let mut partitions: BTreeMap<(&'static str, String), Vec<(Row, i64)>> = BTreeMap::new();
        for (row, stamp) in rows {
            partitions.entry((row.key.table, row.key.partition.clone())).or_default().push((row, stamp));
        }
        let several = partitions.len() > 1;
        let batches: Vec<(BatchType, Vec<(Row, i64)>)> = if several && bytes <= TOGETHER_BYTES {
            vec![(BatchType::Logged, partitions.into_values().flatten().collect())]
        } else {
            partitions.into_values().map(|rows| (BatchType::Unlogged, rows)).collect()
        };
        for (kind, rows) in batches {
            self.put_together(kind, rows).await?;
        }
        Ok(())
    }

    async fn put_together(&self, kind: BatchType, rows: Vec<(Row, i64)>) -> Result<(), StoreError> {
        let mut batch = Batch::new(kind);
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
