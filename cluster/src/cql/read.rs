//! Reading logs, keys and rows. Every read may be repeated.

use bytes::Bytes;
use conversa_actors::address::Address;
use conversa_actors::port::{APPEND_EVENTS_MAX, Entry, RowKey, StoreError};
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use scylla::deserialize::row::DeserializeRow;
use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;
use xxhash_rust::xxh3::xxh3_64;

use super::again::again;
use super::{Inner, signed};
use crate::log::bucket_of;

/// Partitions that the keys of one kind are spread over.
const KEY_SLOTS: i32 = 16;

/// The partition of a key among those of its kind.
pub(super) fn slot_of(key: &str) -> i32 {
    i32::try_from(xxh3_64(key.as_bytes()) % KEY_SLOTS.unsigned_abs() as u64).unwrap_or_default()
}

fn most(limit: usize) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}

impl Inner {
    pub(super) async fn events(
        &self,
        address: &Address,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut entries: Vec<Entry> = Vec::new();
        if limit == 0 || i64::try_from(after).is_err() {
            return Ok(entries);
        }
        // The next event may belong to an append that began up to 63 events before it, in the bucket before.
        let mut bucket = bucket_of((after + 1).saturating_sub(APPEND_EVENTS_MAX as u64 - 1));
        let mut last = after;
        loop {
            let place = (
                address.tenant.as_str(),
                address.kind,
                &*address.key,
                bucket,
                signed(last),
                most(limit - entries.len()),
            );
            let found: Vec<(i64, Vec<u8>)> = self.all(&self.statements.events, place).await?;
            entries.extend(
                found.into_iter().map(|(seq, body)| Entry { seq: seq.unsigned_abs(), body: body.into() }),
            );
            last = entries.last().map_or(after, |entry| entry.seq);
            if entries.len() >= limit || bucket >= bucket_of(last + 1) {
                return Ok(entries);
            }
            bucket += 1;
        }
    }

    pub(super) async fn keys(&self, of: &Address, limit: usize) -> Result<Vec<String>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let slots = (0..KEY_SLOTS).map(|slot| {
            self.all::<(String,)>(
                &self.statements.keys,
                (of.tenant.as_str(), of.kind, slot, &*of.key, most(limit)),
            )
        });
        let mut keys: Vec<String> =
            try_join_all(slots).await?.into_iter().flatten().map(|(key,)| key).collect();
        keys.sort_unstable();
        keys.truncate(limit);
        Ok(keys)
    }

    pub(super) async fn row(&self, key: &RowKey) -> Result<Option<Bytes>, StoreError> {
        let place = (key.table, key.partition.as_str(), key.key.as_str());
        let found: Vec<(Option<Vec<u8>>,)> = self.all(&self.statements.row, place).await?;
        Ok(found.into_iter().next().map(|(value,)| value.unwrap_or_default().into()))
    }

    pub(super) async fn rows(
        &self,
        table: &str,
        partition: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, Bytes)>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let place = (table, partition, after, most(limit));
        let found: Vec<(String, Option<Vec<u8>>)> = self.all(&self.statements.rows, place).await?;
        Ok(found.into_iter().map(|(key, value)| (key, value.unwrap_or_default().into())).collect())
    }

    /// All rows of a statement, page by page.
    async fn all<R>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow + Clone,
    ) -> Result<Vec<R>, StoreError>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata> + 'static,
    {
        again("read", || async {
            let pages = self.session.execute_iter(statement.clone(), values.clone()).await;
            let rows = pages.map_err(|error| StoreError(error.to_string()))?.rows_stream::<R>();
            let rows = rows.map_err(|error| StoreError(error.to_string()))?;
            rows.try_collect().await.map_err(|error| StoreError(error.to_string()))
        })
        .await
    }
}
