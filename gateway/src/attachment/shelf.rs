//! Where files and their records lie. Nothing else names the object store.

use std::path::{Path as File, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use conversa_engine::ids::TenantId;
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, WriteMultipart};
use serde::{Deserialize, Serialize};

/// Bytes that one upload has in memory at most twice: the least part that object stores take.
const PART_BYTES: usize = 5 * 1024 * 1024;
/// Expired uploads that one sweep removes.
const SWEEP_MAX: usize = 1_000;

/// What is known of an upload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) mime: String,
    pub(super) bytes: u64,
    /// When it ends, unless it is completed.
    pub(super) until: Time,
    /// Of what was uploaded.
    pub(super) sha256: Option<String>,
    pub(super) complete: bool,
}

/// A place for files.
pub(super) struct Shelf {
    store: Arc<dyn ObjectStore>,
    folder: PathBuf,
}

impl Shelf {
    /// In a folder, which is made.
    pub(super) fn open(folder: &File) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true).with_automatic_cleanup(true);
        Ok(Self { store: Arc::new(store), folder: folder.to_owned() })
    }

    fn file(tenant: &TenantId, place: &str, part: &str) -> Path {
        ["files", tenant.as_str(), place, part].into_iter().collect()
    }

    fn mark(tenant: &TenantId, place: &str) -> Path {
        ["pending", tenant.as_str(), place].into_iter().collect()
    }

    /// Takes an upload in. The mark comes first: without it nobody would ever remove the rest.
    pub(super) async fn begin(&self, tenant: &TenantId, place: &str, record: &Record) -> Result<(), Refusal> {
        self.store.put(&Self::mark(tenant, place), Bytes::new().into()).await.map_err(unavailable)?;
        self.keep(tenant, place, record).await
    }

    pub(super) async fn keep(&self, tenant: &TenantId, place: &str, record: &Record) -> Result<(), Refusal> {
        let body =
            serde_json::to_vec(record).map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        self.store.put(&Self::file(tenant, place, "record"), body.into()).await.map_err(unavailable)?;
        Ok(())
    }

    /// The record is complete: the mark goes.
    pub(super) async fn settle(&self, tenant: &TenantId, place: &str) -> Result<(), Refusal> {
        gone_is_fine(self.store.delete(&Self::mark(tenant, place)).await)
    }

    pub(super) async fn record(&self, tenant: &TenantId, place: &str) -> Result<Option<Record>, Refusal> {
        let body = match self.store.get(&Self::file(tenant, place, "record")).await {
            Ok(found) => found.bytes().await.map_err(unavailable)?,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(unavailable(error)),
        };
        serde_json::from_slice(&body)
            .map(Some)
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))
    }

    /// A file that is written; dropped before its end it leaves nothing.
    pub(super) async fn write(&self, tenant: &TenantId, place: &str) -> Result<Writing, Refusal> {
        let upload =
            self.store.put_multipart(&Self::file(tenant, place, "bytes")).await.map_err(unavailable)?;
        Ok(Writing(WriteMultipart::new_with_chunk_size(upload, PART_BYTES)))
    }

    /// The bytes from `start` to before `end`.
    pub(super) async fn read(
        &self,
        tenant: &TenantId,
        place: &str,
        (start, end): (u64, u64),
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Refusal> {
        let options = GetOptions { range: Some(GetRange::Bounded(start..end)), ..GetOptions::default() };
        let found = self.store.get_opts(&Self::file(tenant, place, "bytes"), options).await;
        Ok(found.map_err(unavailable)?.into_stream())
    }

    pub(super) async fn head(&self, tenant: &TenantId, place: &str, bytes: u64) -> Result<Bytes, Refusal> {
        self.store.get_range(&Self::file(tenant, place, "bytes"), 0..bytes).await.map_err(unavailable)
    }

    /// Removes an upload with all that belongs to it; the mark goes last.
    pub(super) async fn remove(&self, tenant: &TenantId, place: &str) -> Result<(), Refusal> {
        gone_is_fine(self.store.delete(&Self::file(tenant, place, "bytes")).await)?;
        gone_is_fine(self.store.delete(&Self::file(tenant, place, "record")).await)?;
        // What a killed process had begun to write; most often there is nothing.
        let _ = tokio::fs::remove_dir_all(self.folder.join("files").join(tenant.as_str()).join(place)).await;
        self.settle(tenant, place).await
    }

    /// Removes uploads that were not completed in time: at most so many, the next sweep goes on. How many went.
    pub(super) async fn sweep(&self, now: Time) -> Result<usize, Refusal> {
        let marks: Vec<_> = self
            .store
            .list(Some(&Path::from("pending")))
            .take(SWEEP_MAX * 10)
            .try_collect()
            .await
            .map_err(unavailable)?;
        let mut removed = 0;
        for mark in marks {
            let parts: Vec<_> = mark.location.parts().map(|part| part.as_ref().to_owned()).collect();
            let [_, tenant, place] = parts.as_slice() else { continue };
            let tenant = TenantId::new(tenant.as_str());
            match self.record(&tenant, place).await? {
                Some(record) if record.complete => self.settle(&tenant, place).await?,
                Some(record) if record.until > now => {}
                // Its mark is there and its record is not yet.
                None if mark.last_modified.timestamp_millis() + 60_000 > now.ms() => {}
                Some(_) | None => {
                    self.remove(&tenant, place).await?;
                    removed += 1;
                }
            }
            if removed == SWEEP_MAX {
                break;
            }
        }
        Ok(removed)
    }
}

/// A file that is being written.
pub(super) struct Writing(WriteMultipart);

impl Writing {
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), Refusal> {
        self.0.wait_for_capacity(1).await.map_err(unavailable)?;
        self.0.put(bytes);
        Ok(())
    }

    pub(super) async fn finish(self) -> Result<(), Refusal> {
        self.0.finish().await.map_err(unavailable).map(drop)
    }

    pub(super) async fn abort(self) {
        // Nothing more can be done; the sweep removes what is left.
        let _ = self.0.abort().await;
    }
}

fn unavailable(error: Error) -> Refusal {
    tracing::warn!(%error, "the attachments' store failed");
    Refusal::new(Code::Unavailable, "files cannot be stored or read now: try again").retry_after_ms(2_000)
}

fn gone_is_fine(result: Result<(), Error>) -> Result<(), Refusal> {
    match result {
        Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(unavailable(error)),
    }
}
