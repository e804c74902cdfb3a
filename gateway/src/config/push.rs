//! Configuration of calls to the outside: which hosts they may reach, and a company's accounts at the push services.

use std::path::{Path, PathBuf};

use conversa_actors::tenant::PushSetting;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::push::webhook::Secret;

/// What all calls to the outside have in common.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct PushConfig {
    pub allow_hosts: Vec<String>,
}

/// How a company reaches people's devices.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct TenantPush {
    pub away_ms: i64,
    pub webhook_secrets: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apns: Option<ApnsConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fcm: Option<FcmConfig>,
}

impl Default for TenantPush {
    fn default() -> Self {
        Self { away_ms: 1_000, webhook_secrets: Vec::new(), apns: None, fcm: None }
    }
}

/// An app at Apple's.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct ApnsConfig {
    pub key_file: PathBuf,
    pub key_id: String,
    pub team_id: String,
    pub topic: String,
    #[serde(default = "apns_url")]
    pub url: String,
}

/// A project at Google's.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct FcmConfig {
    pub account_file: PathBuf,
    #[serde(default = "fcm_url")]
    pub url: String,
}

fn apns_url() -> String {
    "https://api.push.apple.com".into()
}

fn fcm_url() -> String {
    "https://fcm.googleapis.com".into()
}

impl TenantPush {
    /// What is wrong, with its key below `tenants.<id>`.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if !(100..=60_000).contains(&self.away_ms) {
            return Err(("push.away_ms", "between 100 and 60000".into()));
        }
        check_secrets(&self.webhook_secrets).map_err(|what| ("push.webhook_secrets", what))
    }

    pub(super) fn setting(&self) -> PushSetting {
        PushSetting { away_ms: self.away_ms }
    }
}

/// Checks that each text is a secret of Standard Webhooks.
pub(super) fn check_secrets(secrets: &[String]) -> Result<(), String> {
    if secrets.iter().all(|text| Secret::parse(text).is_some()) {
        return Ok(());
    }
    Err("whsec_ and base64 of 24 to 64 bytes; make one with: echo whsec_$(openssl rand -base64 32)".into())
}

/// A file of a configuration: its place and its text.
pub(crate) fn read(base: &Path, file: &Path) -> Result<(PathBuf, String), ConfigError> {
    let file = base.join(file);
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok((file, text)),
        Err(source) => Err(ConfigError::Read { file, source }),
    }
}
