//! What logs are written with: the mutations of [`crate::log`] as statements.

use std::sync::atomic::Ordering;

use conversa_actors::address::Address;
use conversa_actors::port::{Append, AppendError, Entry, StoreError};
use scylla::statement::batch::{Batch, BatchType};
use scylla::value::CqlValue;

use super::again::again;
use super::error::never_written;
use super::read::slot_of;
use super::{Inner, signed};
use crate::log::{Claim, Stored, Table, bucket_of, event_stamp};

/// A row of the log, newest first.
type Newest = (i64, i64, Option<Vec<u8>>);

impl Table for Inner {
    async fn holds(&self, of: &Address, bucket: i32) -> Result<bool, StoreError> {
        let place = (of.tenant.as_str(), of.kind, &*of.key, bucket);
        let found = again("head", || self.session.execute_unpaged(&self.statements.head, place))
            .await
            .map_err(|error| StoreError(error.to_string()))?;
        let rows = found.into_rows_result().map_err(|error| StoreError(error.to_string()))?;
        Ok(rows.rows_num() > 0)
    }

    async fn newest(&self, of: &Address, bucket: i32, most: usize) -> Result<Vec<Stored>, StoreError> {
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        let place = (of.tenant.as_str(), of.kind, &*of.key, bucket, most);
        let found = again("newest", || self.session.execute_unpaged(&self.statements.newest, place))
            .await
            .map_err(|error| StoreError(error.to_string()))?;
        let rows = found.into_rows_result().map_err(|error| StoreError(error.to_string()))?;
        let rows = rows.rows::<Newest>().map_err(|error| StoreError(error.to_string()))?;
        rows.map(|row| {
            let (seq, epoch, body) = row.map_err(|error| StoreError(error.to_string()))?;
            let body = body.unwrap_or_default().into();
            Ok(Stored { seq: seq.unsigned_abs(), epoch: epoch.unsigned_abs(), body })
        })
        .collect()
    }

    async fn events(&self, of: &Address, after: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        Self::events(self, of, after, limit).await
    }

    async fn enter_key(&self, of: &Address, epoch: u64) -> Result<(), StoreError> {
        let values = (of.tenant.as_str(), of.kind, slot_of(&of.key), &*of.key, event_stamp(epoch));
        again("key", || self.session.execute_unpaged(&self.statements.enter_key, values))
            .await
            .map(drop)
            .map_err(|error| StoreError(error.to_string()))
    }

    async fn write(&self, append: &Append) -> Result<(), AppendError> {
        let _permit = self.requests.acquire().await;
        let Append { address, epoch, first, bodies } = append;
        let (tenant, stamp) = (address.tenant.as_str(), event_stamp(*epoch));
        let (bucket, epoch) = (bucket_of(*first), signed(*epoch));
        let row = |(body, seq): (_, u64)| {
            let body: &bytes::Bytes = body;
            (tenant, address.kind, &*address.key, bucket, signed(seq), epoch, &**body, stamp)
        };
        let mut rows: Vec<_> = bodies.iter().zip(*first..).map(row).collect();
        let written = match rows.len() {
            1 => self.session.execute_unpaged(&self.statements.event, rows.remove(0)).await.map(drop),
            events => self.session.batch(self.statements.appends(events), rows).await.map(drop),
        };
        self.state.commits.fetch_add(1, Ordering::Relaxed);
        self.state.writes.fetch_add(bodies.len() as u64, Ordering::Relaxed);
        self.state.append_events.count(bodies.len() as u64);
        if self.state.failing.swap(written.is_err(), Ordering::Relaxed) != written.is_err() {
            match &written {
                Ok(()) => tracing::info!("the store can write again"),
                Err(error) => tracing::error!(%error, "the store does not acknowledge writes"),
            }
        }
        written.map_err(|error| match never_written(&error) {
            true => AppendError::Unavailable(error.to_string()),
            false => AppendError::Unknown(error.to_string()),
        })
    }

    async fn claim(&self, of: &Address, claim: Claim) -> Result<(), StoreError> {
        let Claim { epoch, bucket, rows, cut } = claim;
        let place = || {
            [
                CqlValue::Text(of.tenant.as_str().to_owned()),
                CqlValue::Text(of.kind.to_owned()),
                CqlValue::Text(of.key.to_string()),
                CqlValue::Int(bucket),
            ]
        };
        let mut batch = Batch::new(BatchType::Unlogged);
        batch.set_is_idempotent(true);
        let mut values = Vec::new();
        for Stored { seq, body, .. } in rows {
            let mut row: Vec<CqlValue> = place().into();
            row.extend([CqlValue::BigInt(signed(seq)), CqlValue::BigInt(signed(epoch))]);
            row.extend([CqlValue::Blob(body.into()), CqlValue::BigInt(event_stamp(epoch))]);
            batch.append_statement(self.statements.event.clone());
            values.push(row);
        }
        if let Some(seq) = cut {
            let mut cut = vec![CqlValue::BigInt(event_stamp(epoch) - 1)];
            cut.extend(place());
            cut.push(CqlValue::BigInt(signed(seq)));
            batch.append_statement(self.statements.cut.clone());
            values.push(cut);
        }
        again("takeover", || self.session.batch(&batch, &values))
            .await
            .map(drop)
            .map_err(|error| StoreError(error.to_string()))
    }
}
