//! Configuration of channels: where a company's visitors come from besides its own pages and apps.

use conversa_actors::behaviours::channel::NAME_BYTES_MAX;
use conversa_engine::ids::is_id;
use serde::{Deserialize, Serialize};

use super::push::check_secrets;
use crate::channel::Kind;

/// One channel of one company.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct ChannelConfig {
    pub name: String,
    pub tenant: String,
    pub kind: Kind,
    pub url: String,
    pub secrets: Vec<String>,
}

impl ChannelConfig {
    /// What is wrong, with its key below `channels.<name>`; `allowed` are the hosts of `push.allow_hosts`.
    pub(super) fn check(&self, allowed: &[String]) -> Result<(), (&'static str, String)> {
        if self.name.len() > NAME_BYTES_MAX || !is_id(&self.name) || self.name.contains('.') {
            let what = format!("1 to {NAME_BYTES_MAX} letters, digits, _ or -");
            return Err(("name", what));
        }
        crate::push::callable(allowed, &self.url).map_err(|what| ("url", what))?;
        if self.secrets.is_empty() {
            return Err(("secrets", "at least one; two while a secret is changed".into()));
        }
        check_secrets(&self.secrets).map_err(|what| ("secrets", what))
    }
}
