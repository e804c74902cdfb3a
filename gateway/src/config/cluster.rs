//! Configuration of a node's part in a cluster.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use conversa_cluster::fabric::Settings;
use conversa_cluster::link::{Security, TlsFiles};
use conversa_cluster::place::WEIGHT_ONE;
use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Several nodes over one store.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct ClusterConfig {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertise: Option<String>,
    pub zone: String,
    pub weight: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            name: "conversa".into(),
            listen: None,
            advertise: None,
            zone: "zone1".into(),
            weight: 1.0,
            authority: None,
            certificate: None,
            key: None,
        }
    }
}

fn wrong(key: &str, problem: impl Into<String>) -> ConfigError {
    ConfigError::Value { key: format!("cluster.{key}"), what: problem.into() }
}

impl ClusterConfig {
    /// How the node `node` takes part; `None` when it serves its store alone. Relative file names are relative to `base`.
    ///
    /// # Errors
    /// The key that is wrong, and what to do.
    pub(crate) fn settings(&self, node: &str, base: &Path) -> Result<Option<Settings>, ConfigError> {
        let Some(listen) = &self.listen else { return Ok(None) };
        let listen: SocketAddr = listen.parse().map_err(|_| {
            wrong("listen", format!("{listen:?} is no address with a port, as 10.0.0.1:7800"))
        })?;
        if listen.port() == 0 {
            return Err(wrong("listen", "the others must know the port: 0 is none"));
        }
        let files = match (&self.authority, &self.certificate, &self.key) {
            (Some(authority), Some(certificate), Some(key)) => Some(TlsFiles {
                authority: base.join(authority),
                certificate: base.join(certificate),
                key: base.join(key),
            }),
            (None, None, None) => None,
            _ => return Err(wrong("authority", "authority, certificate and key go together")),
        };
        if files.is_none() && !listen.ip().is_loopback() {
            return Err(wrong(
                "authority",
                "links beyond this machine need certificates: `conversa cluster certs` makes them for a trial",
            ));
        }
        if !(0.01..=100.0).contains(&self.weight) {
            return Err(wrong("weight", "between 0.01 and 100"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 10^4 and 10^8")]
        let weight = (self.weight * f64::from(WEIGHT_ONE)) as u32;
        let is_word =
            |word: &str| (1..=255).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_graphic());
        let advertise = self.advertise.clone().unwrap_or_else(|| listen.to_string());
        for (key, word) in [("advertise", &advertise), ("zone", &self.zone), ("name", &self.name)] {
            if !is_word(word) {
                return Err(wrong(key, "1 to 255 letters, digits and signs, no spaces"));
            }
        }
        Ok(Some(Settings {
            cluster: self.name.clone(),
            node: node.to_owned(),
            listen,
            advertise,
            zone: self.zone.clone(),
            weight,
            security: files.map_or(Security::Plain, Security::Mutual),
        }))
    }
}
