//! Configuration of the store.

use std::path::{Path, PathBuf};

use conversa_cluster::cql::Settings;
use serde::{Deserialize, Serialize};

use super::ConfigError;

/// The password of the CQL store, unless it is in a file.
const PASSWORD: &str = "CONVERSA_STORE_PASSWORD";

/// Which store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// A file in the data folder.
    #[default]
    Embedded,
    /// Apache Cassandra or `ScyllaDB`.
    Cql,
}

/// Where conversations are kept.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct StoreConfig {
    pub kind: StoreKind,
    pub contact_points: Vec<String>,
    pub keyspace: String,
    pub datacenter: String,
    pub replication: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            kind: StoreKind::default(),
            contact_points: vec!["127.0.0.1:9042".into()],
            keyspace: "conversa".into(),
            datacenter: "datacenter1".into(),
            replication: 3,
            user: None,
            password_file: None,
        }
    }
}

impl StoreConfig {
    /// What the CQL store needs to know; a relative file name is relative to `base`. The store checks the rest.
    ///
    /// # Errors
    /// When there is a user and no password.
    pub(crate) fn settings(&self, base: &Path) -> Result<Settings, ConfigError> {
        let user = match &self.user {
            Some(user) => Some((user.clone(), self.password(base)?)),
            None => None,
        };
        Ok(Settings {
            contact_points: self.contact_points.clone(),
            keyspace: self.keyspace.clone(),
            datacenter: self.datacenter.clone(),
            replication: self.replication,
            user,
        })
    }

    fn password(&self, base: &Path) -> Result<String, ConfigError> {
        if let Some(file) = &self.password_file {
            let file = base.join(file);
            let text = std::fs::read_to_string(&file).map_err(|source| ConfigError::Read { file, source })?;
            return Ok(text.lines().next().unwrap_or_default().to_owned());
        }
        std::env::var(PASSWORD).map_err(|_| ConfigError::Value {
            key: "store.user".into(),
            what: format!("its password is missing: set {PASSWORD}, or store.password_file"),
        })
    }
}
