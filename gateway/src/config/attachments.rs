//! Configuration of the files of messages.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// The name and the secret of the key of an S3 store, unless the configuration has them.
const KEY_ID: &str = "CONVERSA_S3_KEY_ID";
const SECRET: &str = "CONVERSA_S3_SECRET";

/// Which store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentsKind {
    /// A folder, of the node or of the network.
    #[default]
    Folder,
    /// A bucket of a server that speaks S3.
    S3,
}

/// Where files of messages lie, and how much people may upload.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct AttachmentsConfig {
    pub kind: AttachmentsKind,
    pub folder: PathBuf,
    pub shared: bool,
    pub bytes_max: u64,
    pub pending_max: usize,
    pub person_bytes_per_hour: u64,
    pub company_bytes_per_hour: u64,
    pub expiry_ms: i64,
    pub s3: S3Config,
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct S3Config {
    pub bucket: String,
    pub region: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl Default for AttachmentsConfig {
    fn default() -> Self {
        Self {
            kind: AttachmentsKind::default(),
            folder: "attachments".into(),
            shared: false,
            bytes_max: 25 * 1024 * 1024,
            pending_max: 8,
            person_bytes_per_hour: 200 * 1024 * 1024,
            company_bytes_per_hour: 20 * 1024 * 1024 * 1024,
            expiry_ms: 3_600_000,
            s3: S3Config::default(),
        }
    }
}

impl Default for S3Config {
    fn default() -> Self {
        Self {
            bucket: "conversa".into(),
            region: "us-east-1".into(),
            endpoint: None,
            key_id: None,
            secret: None,
        }
    }
}

impl AttachmentsConfig {
    /// What is wrong, with its key.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if !(1..=5 * 1024 * 1024 * 1024).contains(&self.bytes_max) {
            return Err(("attachments.bytes_max", "between 1 and 5368709120".into()));
        }
        if !(1..=1_000).contains(&self.pending_max) {
            return Err(("attachments.pending_max", "between 1 and 1000".into()));
        }
        if !(60_000..=86_400_000).contains(&self.expiry_ms) {
            return Err(("attachments.expiry_ms", "between 60000 and 86400000".into()));
        }
        if self.kind == AttachmentsKind::S3 { self.s3.check() } else { Ok(()) }
    }

    /// True when a file that came to one node can be read at every other.
    pub(crate) fn everywhere(&self) -> bool {
        self.kind == AttachmentsKind::S3 || self.shared
    }
}

impl S3Config {
    fn check(&self) -> Result<(), (&'static str, String)> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        if !(3..=63).contains(&self.bucket.len()) || !self.bucket.chars().all(plain) {
            return Err((
                "attachments.s3.bucket",
                "3 to 63 small letters, digits, - or ., as the server names it".into(),
            ));
        }
        if self.region.is_empty() {
            return Err(("attachments.s3.region", "us-east-1 for servers that know no regions".into()));
        }
        match &self.endpoint {
            Some(url) if !url.starts_with("https://") && !url.starts_with("http://") => Err((
                "attachments.s3.endpoint",
                format!("{url:?} is no URL, for instance https://s3.example"),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// The key's name and secret, here or in the environment.
    ///
    /// # Errors
    /// When one is missing.
    pub(crate) fn credentials(&self) -> Result<(String, String), ConfigError> {
        let find = |set: &Option<String>, name: &str, key: &str| {
            let found = set.clone().or_else(|| std::env::var(name).ok()).filter(|value| !value.is_empty());
            found.ok_or_else(|| ConfigError::Value {
                key: format!("attachments.s3.{key}"),
                what: format!("is missing: set {name} in the environment, or this key"),
            })
        };
        Ok((find(&self.key_id, KEY_ID, "key_id")?, find(&self.secret, SECRET, "secret")?))
    }
}
