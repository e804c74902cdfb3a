//! The takeover of a log by an owner, before it writes: the end is found, what an earlier owner may still write behind it is hidden in
//! advance, and what was seen is written again under the own epoch, as a new leader proposes again what it saw.

use conversa_actors::address::Address;
use conversa_actors::port::{APPEND_EVENTS_MAX, AppendError, StoreError};
use scylla::errors::ExecutionError;
use scylla::statement::batch::{Batch, BatchType};
use scylla::value::CqlValue;

use super::again::again;
use super::log::{APPEND_BYTES_MAX, Head, event_stamp};
use super::read::{bucket_of, slot_of};
use super::{Inner, signed};

/// A row of the log, newest first.
type Newest = (i64, i64, Option<Vec<u8>>);

impl Inner {
    /// Makes `epoch` the log's; returns where it ends.
    pub(super) async fn take_over(&self, address: &Address, epoch: u64) -> Result<Head, AppendError> {
        let unavailable = |error: &dyn std::fmt::Display| AppendError::Unavailable(error.to_string());
        let bucket = self.last_bucket(address).await.map_err(|error| unavailable(&error))?;
        let newest = self.newest(address, bucket).await.map_err(|error| unavailable(&error))?;
        if newest.first().is_some_and(|(_, found, _)| *found > signed(epoch)) {
            return Err(AppendError::Fenced);
        }
        if newest.is_empty() {
            self.enter_key(address, epoch).await.map_err(|error| unavailable(&error))?;
        }
        let seq = newest.first().map_or(0, |(seq, ..)| seq.unsigned_abs());
        self.propose_again(address, epoch, bucket, seq, newest).await.map_err(|error| unavailable(&error))?;
        Ok(Head { epoch, seq })
    }

    /// The last bucket that holds anything, 0 if none does. Every bucket before one that holds something does.
    async fn last_bucket(&self, address: &Address) -> Result<i32, StoreError> {
        let mut full = 0;
        let mut empty = 1;
        while self.holds(address, empty).await? {
            full = empty;
            empty = empty.saturating_mul(2);
        }
        while empty - full > 1 {
            let middle = full + (empty - full) / 2;
            if self.holds(address, middle).await? {
                full = middle;
            } else {
                empty = middle;
            }
        }
        Ok(full)
    }

    async fn holds(&self, address: &Address, bucket: i32) -> Result<bool, StoreError> {
        let place = (address.tenant.as_str(), address.kind, &*address.key, bucket);
        let found = again("head", || self.session.execute_unpaged(&self.statements.head, place))
            .await
            .map_err(|error| StoreError(error.to_string()))?;
        let rows = found.into_rows_result().map_err(|error| StoreError(error.to_string()))?;
        Ok(rows.rows_num() > 0)
    }

    /// As many of the newest rows of a bucket as one append can have written.
    async fn newest(&self, address: &Address, bucket: i32) -> Result<Vec<Newest>, StoreError> {
        let most = i32::try_from(APPEND_EVENTS_MAX).unwrap_or(i32::MAX);
        let place = (address.tenant.as_str(), address.kind, &*address.key, bucket, most);
        let found = again("newest", || self.session.execute_unpaged(&self.statements.newest, place))
            .await
            .map_err(|error| StoreError(error.to_string()))?;
        let rows = found.into_rows_result().map_err(|error| StoreError(error.to_string()))?;
        let mut bytes = 0;
        let mut newest = Vec::new();
        for row in rows.rows::<Newest>().map_err(|error| StoreError(error.to_string()))? {
            let row = row.map_err(|error| StoreError(error.to_string()))?;
            bytes += row.2.as_ref().map_or(0, Vec::len);
            newest.push(row);
            if bytes > APPEND_BYTES_MAX {
                break;
            }
        }
        Ok(newest)
    }

    async fn enter_key(&self, address: &Address, epoch: u64) -> Result<(), ExecutionError> {
        let slot = slot_of(&address.key);
        let values = (address.tenant.as_str(), address.kind, slot, &*address.key, event_stamp(epoch));
        again("key", || self.session.execute_unpaged(&self.statements.enter_key, values)).await.map(drop)
    }

    async fn propose_again(
        &self,
        address: &Address,
        epoch: u64,
        bucket: i32,
        seq: u64,
        mut newest: Vec<Newest>,
    ) -> Result<(), ExecutionError> {
        if newest.is_empty() {
            // No event: it only tells the epoch.
            newest.push((0, 0, None));
        }
        let place = |bucket: i32| {
            [
                CqlValue::Text(address.tenant.as_str().to_owned()),
                CqlValue::Text(address.kind.to_owned()),
                CqlValue::Text(address.key.to_string()),
                CqlValue::Int(bucket),
            ]
        };
        let behind = bucket_of(seq + 1);
        let mut cut = vec![CqlValue::BigInt(event_stamp(epoch) - 1)];
        cut.extend(place(behind));
        cut.push(CqlValue::BigInt(signed(seq)));
        let mut batch = Batch::new(BatchType::Unlogged);
        batch.set_is_idempotent(true);
        let mut values = Vec::new();
        for (seq, _, body) in newest {
            let mut row: Vec<CqlValue> = place(bucket).into();
            row.extend([CqlValue::BigInt(seq), CqlValue::BigInt(signed(epoch))]);
            row.extend([CqlValue::Blob(body.unwrap_or_default()), CqlValue::BigInt(event_stamp(epoch))]);
            batch.append_statement(self.statements.event.clone());
            values.push(row);
        }
        // A batch never spans two partitions: what was seen first, so that it is safe before anything is hidden.
        if behind == bucket {
            batch.append_statement(self.statements.cut.clone());
            values.push(cut);
            again("takeover", || self.session.batch(&batch, &values)).await.map(drop)
        } else {
            again("takeover", || self.session.batch(&batch, &values)).await?;
            again("takeover", || self.session.execute_unpaged(&self.statements.cut, &cut)).await.map(drop)
        }
    }
}
