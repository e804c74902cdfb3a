//! Opens the store that is configured and tries it out: what a node could not do later it says when it starts.

use std::path::{Path as File, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use conversa_cluster::clock;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, Error, ObjectStore, ObjectStoreExt, PutMode, RetryConfig};

use super::Shelf;
use crate::config::{AttachmentsConfig, AttachmentsKind, S3Config};

/// How long a request to a store is repeated while the store does not answer well.
const RETRY: Duration = Duration::from_secs(10);
/// A store that says nothing for this time has failed.
const SILENCE: Duration = Duration::from_secs(20);

impl Shelf {
    /// As `limits` say; `data` is where a folder without an absolute path lies.
    ///
    /// # Errors
    /// What is wrong with the store and what to do.
    pub(in crate::attachment) async fn open(limits: &AttachmentsConfig, data: &File) -> anyhow::Result<Self> {
        match limits.kind {
            AttachmentsKind::Folder => Self::in_folder(data.join(&limits.folder)).await,
            AttachmentsKind::S3 => Self::in_bucket(&limits.s3).await,
        }
    }

    /// In a folder, which is made.
    async fn in_folder(folder: PathBuf) -> anyhow::Result<Self> {
        let refuse = |error: &dyn std::fmt::Display| {
            anyhow::anyhow!(
                "cannot use {} for attachments: {error}; set attachments.folder",
                folder.display()
            )
        };
        std::fs::create_dir_all(&folder).map_err(|error| refuse(&error))?;
        let store = LocalFileSystem::new_with_prefix(&folder).map_err(|error| refuse(&error))?;
        let store: Arc<dyn ObjectStore> = Arc::new(store.with_fsync(true).with_automatic_cleanup(true));
        match tried(&store).await {
            Ok(()) => Ok(Self { store, folder: Some(folder) }),
            Err(error) => Err(refuse(&error)),
        }
    }

    async fn in_bucket(config: &S3Config) -> anyhow::Result<Self> {
        let (key_id, secret) = config.credentials()?;
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&config.bucket)
            .with_region(&config.region)
            .with_access_key_id(key_id)
            .with_secret_access_key(secret)
            // Not every server of this kind knows tags, or several objects in one request.
            .with_disable_tagging(true)
            .with_disable_bulk_delete(true)
            .with_retry(RetryConfig { max_retries: 3, retry_timeout: RETRY, ..RetryConfig::default() })
            // A large file is read as fast as its reader can, however long that takes.
            .with_client_options(ClientOptions::new().with_timeout_disabled().with_read_timeout(SILENCE));
        if let Some(endpoint) = &config.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        let at = config.endpoint.as_deref().unwrap_or("AWS");
        let S3Config { bucket, region, .. } = config;
        let refuse = |error: &Error| {
            let said = error.to_string();
            let what = match error {
                // Of a list only the words are told.
                _ if said.contains("404 Not Found") => {
                    "there is no such bucket: make it, or set attachments.s3.bucket".to_owned()
                }
                _ if said.contains("403 Forbidden") || said.contains("401 Unauthorized") => format!(
                    "the key may not: check CONVERSA_S3_KEY_ID and CONVERSA_S3_SECRET (or attachments.s3.key_id and .secret) and the \
                     region {region:?}, and let the key s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and s3:ListBucket"
                ),
                Error::AlreadyExists { .. } => {
                    "it overwrites what is there although If-None-Match forbids it: a newer version of the server may not, or set \
                     attachments.kind = \"folder\"".to_owned()
                }
                _ => "it does not answer as it should: set attachments.s3.endpoint".to_owned(),
            };
            anyhow::anyhow!("cannot use the bucket {bucket:?} at {at} for attachments: {what} ({said})")
        };
        let store: Arc<dyn ObjectStore> = Arc::new(builder.build().map_err(|error| refuse(&error))?);
        tried(&store).await.map_err(|error| refuse(&error))?;
        Ok(Self { store, folder: None })
    }

    #[cfg(test)]
    pub(super) fn in_memory() -> Self {
        Self { store: Arc::new(object_store::memory::InMemory::new()), folder: None }
    }
}

/// Whether the store does what files need: list, make once, read, remove.
async fn tried(store: &Arc<dyn ObjectStore>) -> Result<(), Error> {
    let name: String = clock::random::<8>().iter().map(|byte| format!("{byte:02x}")).collect();
    let (folder, at) = (Path::from("trial"), Path::from("trial").join(name));
    store.list_with_delimiter(Some(&folder)).await?;
    let once = || store.put_opts(&at, Bytes::from_static(b"trial").into(), PutMode::Create.into());
    once().await?;
    let again = once().await;
    let read = store.get(&at).await;
    store.delete(&at).await?;
    read?;
    match again {
        Err(Error::AlreadyExists { .. }) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(Error::AlreadyExists { path: at.to_string(), source: "it was made twice".into() }),
    }
}
