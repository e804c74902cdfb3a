//! The takeover of a log by an owner, before it writes: the end is found, what an earlier owner may still write behind it is hidden in
//! advance, and what was seen is written again under the own epoch, as a new leader proposes again what it saw.

use bytes::Bytes;
use conversa_actors::address::Address;
use conversa_actors::port::{APPEND_EVENTS_MAX, AppendError, StoreError};

use super::{APPEND_BYTES_MAX, Claim, Head, Logs, Stored, Table, bucket_of};

impl<T: Table> Logs<T> {
    /// Makes `epoch` the log's; returns where it ends.
    pub(super) async fn take_over(&self, address: &Address, epoch: u64) -> Result<Head, AppendError> {
        let unavailable = |StoreError(why): StoreError| AppendError::Unavailable(why);
        let bucket = self.last_bucket(address).await.map_err(unavailable)?;
        let newest = self.newest(address, bucket).await.map_err(unavailable)?;
        if newest.first().is_some_and(|found| found.epoch > epoch) {
            return Err(AppendError::Fenced);
        }
        if newest.is_empty() {
            self.table.enter_key(address, epoch).await.map_err(unavailable)?;
        }
        let seq = newest.first().map_or(0, |found| found.seq);
        self.propose_again(address, epoch, bucket, seq, newest).await.map_err(unavailable)?;
        Ok(Head { epoch, seq })
    }

    /// The last bucket that holds anything, 0 if none does. Every bucket before one that holds something does.
    async fn last_bucket(&self, address: &Address) -> Result<i32, StoreError> {
        let mut full = 0;
        let mut empty = 1;
        while self.table.holds(address, empty).await? {
            full = empty;
            empty = empty.saturating_mul(2);
        }
        while empty - full > 1 {
            let middle = full + (empty - full) / 2;
            if self.table.holds(address, middle).await? {
                full = middle;
            } else {
                empty = middle;
            }
        }
        Ok(full)
    }

    /// As many of the newest rows of a bucket as one append can have written.
    async fn newest(&self, address: &Address, bucket: i32) -> Result<Vec<Stored>, StoreError> {
        let mut bytes = 0;
        let mut newest = self.table.newest(address, bucket, APPEND_EVENTS_MAX).await?;
        let more = newest.iter().position(|row| {
            bytes += row.body.len();
            bytes > APPEND_BYTES_MAX
        });
        newest.truncate(more.map_or(usize::MAX, |last| last + 1));
        Ok(newest)
    }

    async fn propose_again(
        &self,
        address: &Address,
        epoch: u64,
        bucket: i32,
        seq: u64,
        mut rows: Vec<Stored>,
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            // No event: it only tells the epoch.
            rows.push(Stored { seq: 0, epoch, body: Bytes::new() });
        }
        let behind = bucket_of(seq + 1);
        // A batch never spans two partitions: what was seen first, so that it is safe before anything is hidden.
        if behind == bucket {
            return self.table.claim(address, Claim { epoch, bucket, rows, cut: Some(seq) }).await;
        }
        self.table.claim(address, Claim { epoch, bucket, rows, cut: None }).await?;
        self.table.claim(address, Claim { epoch, bucket: behind, rows: Vec::new(), cut: Some(seq) }).await
    }
}
