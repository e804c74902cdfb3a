//! Configuration of the files of messages.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where files of messages lie, and how much people may upload.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct AttachmentsConfig {
    pub folder: PathBuf,
    pub bytes_max: u64,
    pub pending_max: usize,
    pub person_bytes_per_hour: u64,
    pub company_bytes_per_hour: u64,
    pub expiry_ms: i64,
}

impl Default for AttachmentsConfig {
    fn default() -> Self {
        Self {
            folder: "attachments".into(),
            bytes_max: 25 * 1024 * 1024,
            pending_max: 8,
            person_bytes_per_hour: 200 * 1024 * 1024,
            company_bytes_per_hour: 20 * 1024 * 1024 * 1024,
            expiry_ms: 3_600_000,
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
        Ok(())
    }
}
