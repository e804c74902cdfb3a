//! Where files and their records lie. Nothing is kept between two calls, so every node that reaches the store may take the next step:
//! each sending of the bytes has a name of its own, and the one record that says which of them was checked is made once.
//!
//! `files/<company>/<place>/` holds `prepared` (what was declared), `sent` (the last sending that came whole), the bytes of each sending,
//! and `record`, which is there as soon as the upload is complete. `pending/<minute of its end>/<company>/<place>` marks an upload until the
//! sweep has looked at it after its end.

mod open;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use conversa_cluster::clock;
use conversa_engine::ids::TenantId;
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;

/// Bytes that one upload has in memory at most twice: the least part that object stores take.
const PART_BYTES: usize = 5 * 1024 * 1024;
/// Uploads that one sweep looks at.
const SWEEP_MAX: usize = 1_000;
/// Sendings of one upload that are kept: beyond it the upload is prepared anew.
const SENDINGS_MAX: usize = 3;
/// Whatever was begun before an upload's end is over so long after it.
const GRACE_MS: i64 = 60_000;
const MINUTE_MS: i64 = 60_000;

const PREPARED: &str = "prepared";
const SENT: &str = "sent";
const RECORD: &str = "record";

/// What is known of an upload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) mime: String,
    pub(super) bytes: u64,
    /// When it ends, unless it is completed.
    pub(super) until: Time,
    /// Of what was sent.
    pub(super) sha256: Option<String>,
    pub(super) complete: bool,
    /// The sending that has the bytes; records of the first version have one only, `bytes`.
    #[serde(default = "first_version")]
    pub(super) sending: String,
}

fn first_version() -> String {
    "bytes".into()
}

/// A place for files.
pub(super) struct Shelf {
    store: Arc<dyn ObjectStore>,
    /// Where it is a folder.
    folder: Option<PathBuf>,
}

impl Shelf {
    fn place(tenant: &TenantId, place: &str) -> Path {
        ["files", tenant.as_str(), place].into_iter().collect()
    }

    fn file(tenant: &TenantId, place: &str, part: &str) -> Path {
        ["files", tenant.as_str(), place, part].into_iter().collect()
    }

    fn mark(until: Time, tenant: &TenantId, place: &str) -> Path {
        let minute = (until.ms() / MINUTE_MS).to_string();
        ["pending", &minute, tenant.as_str(), place].into_iter().collect()
    }

    /// Takes an upload in. The mark comes first: without it nobody would ever remove the rest.
    pub(super) async fn begin(&self, tenant: &TenantId, place: &str, record: &Record) -> Result<(), Refusal> {
        let mark = Self::mark(record.until, tenant, place);
        self.store.put(&mark, Bytes::new().into()).await.map_err(unavailable)?;
        self.put(tenant, place, PREPARED, record).await
    }

    /// What was declared of an upload.
    pub(super) async fn prepared(&self, tenant: &TenantId, place: &str) -> Result<Option<Record>, Refusal> {
        self.get(tenant, place, PREPARED).await
    }

    /// The last sending of an upload that came whole.
    pub(super) async fn sent(&self, tenant: &TenantId, place: &str) -> Result<Option<Record>, Refusal> {
        self.get(tenant, place, SENT).await
    }

    /// The record of a file that was checked.
    pub(super) async fn record(&self, tenant: &TenantId, place: &str) -> Result<Option<Record>, Refusal> {
        Ok(self.get(tenant, place, RECORD).await?.filter(|record| record.complete))
    }

    /// From now on the file is what `record` says; the record that is in force, which another request may have made first.
    pub(super) async fn settle(
        &self,
        tenant: &TenantId,
        place: &str,
        record: Record,
    ) -> Result<Record, Refusal> {
        let record = Record { complete: true, ..record };
        let body = encode(&record)?;
        let at = Self::file(tenant, place, RECORD);
        match self.store.put_opts(&at, body.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(record),
            Err(Error::AlreadyExists { .. }) => Ok(self.record(tenant, place).await?.unwrap_or(record)),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn put(&self, tenant: &TenantId, place: &str, part: &str, record: &Record) -> Result<(), Refusal> {
        let at = Self::file(tenant, place, part);
        self.store.put(&at, encode(record)?.into()).await.map_err(unavailable).map(drop)
    }

    async fn get(&self, tenant: &TenantId, place: &str, part: &str) -> Result<Option<Record>, Refusal> {
        let body = match self.store.get(&Self::file(tenant, place, part)).await {
            Ok(found) => found.bytes().await.map_err(unavailable)?,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(unavailable(error)),
        };
        serde_json::from_slice(&body)
            .map(Some)
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))
    }

    /// Takes the bytes of an upload; what is dropped before its end leaves nothing.
    pub(super) async fn write(&self, tenant: &TenantId, place: &str) -> Result<Writing, Refusal> {
        let folder = Self::place(tenant, place);
        let there = self.objects(&folder).await?;
        let records = [PREPARED, SENT, RECORD];
        let sendings = there.iter().filter(|at| at.filename().is_some_and(|name| !records.contains(&name)));
        if sendings.count() >= SENDINGS_MAX {
            return Err(Refusal::new(
                Code::Conflict,
                format!("this upload was sent {SENDINGS_MAX} times: complete it, or prepare another"),
            ));
        }
        let sending: String = clock::random::<8>().iter().map(|byte| format!("{byte:02x}")).collect();
        let store = Arc::clone(&self.store);
        let to = BufWriter::with_capacity(store, folder.join(sending.as_str()), PART_BYTES);
        Ok(Writing { to: Some(to.with_max_concurrency(1)), sending })
    }

    /// A sending is here with all its bytes: it is the one that would be checked.
    pub(super) async fn arrived(
        &self,
        tenant: &TenantId,
        place: &str,
        record: &Record,
    ) -> Result<(), Refusal> {
        self.put(tenant, place, SENT, record).await
    }

    /// The bytes of a file from `start` to before `end`.
    pub(super) async fn read(
        &self,
        tenant: &TenantId,
        (place, sending): (&str, &str),
        (start, end): (u64, u64),
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Refusal> {
        let options = GetOptions { range: Some(GetRange::Bounded(start..end)), ..GetOptions::default() };
        let found = self.store.get_opts(&Self::file(tenant, place, sending), options).await;
        Ok(found.map_err(unavailable)?.into_stream())
    }

    /// The first bytes of a sending.
    pub(super) async fn head(
        &self,
        tenant: &TenantId,
        (place, sending): (&str, &str),
        bytes: u64,
    ) -> Result<Bytes, Refusal> {
        self.store.get_range(&Self::file(tenant, place, sending), 0..bytes).await.map_err(unavailable)
    }

    /// Removes an upload that was not completed.
    pub(super) async fn remove(&self, tenant: &TenantId, place: &str) -> Result<(), Refusal> {
        let folder = Self::place(tenant, place);
        for at in self.objects(&folder).await? {
            gone_is_fine(self.store.delete(&at).await)?;
        }
        if let Some(root) = &self.folder {
            // What a killed process had begun to write; most often there is nothing.
            let _ = tokio::fs::remove_dir_all(root.join(folder.as_ref())).await;
        }
        Ok(())
    }

    /// Removes of a completed upload what is not the file: other sendings, and what was declared.
    async fn tidy(&self, tenant: &TenantId, place: &str, record: &Record) -> Result<(), Refusal> {
        let folder = Self::place(tenant, place);
        let kept = [RECORD, record.sending.as_str()];
        for at in self.objects(&folder).await? {
            if at.filename().is_some_and(|name| !kept.contains(&name)) {
                gone_is_fine(self.store.delete(&at).await)?;
            }
        }
        Ok(())
    }

    async fn objects(&self, folder: &Path) -> Result<Vec<Path>, Refusal> {
        self.store.list(Some(folder)).map_ok(|found| found.location).try_collect().await.map_err(unavailable)
    }

    /// Looks at the uploads whose time is over, at most so many, the next sweep goes on: those that were not completed are removed, of
    /// the others what is no longer needed. How many were removed. Nodes that share a store may do it at the same time.
    pub(super) async fn sweep(&self, now: Time) -> Result<usize, Refusal> {
        let minutes = self.store.list_with_delimiter(Some(&Path::from("pending"))).await;
        let over = |minute: &Path| {
            let minute: i64 = minute.filename().and_then(|minute| minute.parse().ok())?;
            Some((minute + 1) * MINUTE_MS + GRACE_MS <= now.ms())
        };
        let (mut looked, mut removed) = (0, 0);
        for minute in minutes.map_err(unavailable)?.common_prefixes {
            if over(&minute) != Some(true) {
                continue;
            }
            for mark in self.objects(&minute).await? {
                if looked == SWEEP_MAX {
                    return Ok(removed);
                }
                looked += 1;
                let parts: Vec<_> = mark.parts().map(|part| part.as_ref().to_owned()).collect();
                let [_, _, tenant, place] = parts.as_slice() else { continue };
                let tenant = TenantId::new(tenant.as_str());
                match self.record(&tenant, place).await? {
                    Some(record) => self.tidy(&tenant, place, &record).await?,
                    None => {
                        self.remove(&tenant, place).await?;
                        removed += 1;
                    }
                }
                // The mark goes last: what a crash leaves is found again.
                gone_is_fine(self.store.delete(&mark).await)?;
            }
        }
        Ok(removed)
    }
}

/// A sending that is being written.
pub(super) struct Writing {
    /// There until it ended.
    to: Option<BufWriter>,
    pub(super) sending: String,
}

impl Writing {
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), Refusal> {
        match &mut self.to {
            Some(to) => to.put(bytes).await.map_err(unavailable),
            None => Ok(()),
        }
    }

    /// The bytes are durable. Its name.
    pub(super) async fn finish(mut self) -> Result<String, Refusal> {
        if let Some(mut to) = self.to.take() {
            to.shutdown().await.map_err(unavailable)?;
        }
        Ok(std::mem::take(&mut self.sending))
    }

    pub(super) async fn abort(mut self) {
        if let Some(mut to) = self.to.take() {
            // Nothing more can be done; the sweep removes what is left.
            let _ = to.abort().await;
        }
    }
}

/// The client went away: stores that take parts are told to forget those that came.
impl Drop for Writing {
    fn drop(&mut self) {
        if let (Some(mut to), Ok(runtime)) = (self.to.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { to.abort().await });
        }
    }
}

fn encode(record: &Record) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(record).map_err(|error| Refusal::new(Code::Internal, error.to_string()))
}

fn unavailable(error: impl std::fmt::Display) -> Refusal {
    tracing::warn!(%error, "the attachments' store failed");
    Refusal::new(Code::Unavailable, "files cannot be stored or read now: try again").retry_after_ms(2_000)
}

fn gone_is_fine(result: Result<(), Error>) -> Result<(), Refusal> {
    match result {
        Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(unavailable(error)),
    }
}
