//! Tokens for the people that a replay plays: asked of a node in development mode, or signed with the company's own secret.

use std::path::Path;

use anyhow::{Context, bail};
use conversa_actors::port::Clock;
use conversa_cluster::clock::WallClock;
use conversa_engine::ids::{PersonId, TenantId};
use serde_json::json;

use super::rest::Rest;
use crate::auth::{self, Principal, Role};
use crate::config::{Config, sample};
use crate::server::secrets;

/// Where tokens come from.
#[derive(Clone, Debug)]
pub(super) enum Tokens {
    /// `POST /v1/dev/tokens`.
    Development,
    /// Signed here.
    Signed {
        /// Whose company.
        tenant: TenantId,
        /// Its secret.
        secret: String,
    },
}

impl Tokens {
    /// Reads the first company of a node's configuration and its secret.
    pub(super) fn of_config(file: &Path) -> anyhow::Result<Self> {
        let mut config = Config::read(file)?;
        if config.tenants.is_empty() {
            config.tenants.push(sample::company());
        }
        let base = file.parent().unwrap_or_else(|| Path::new("."));
        let tenant = TenantId::new(config.tenants[0].id.as_str());
        let mut secrets = secrets(&config, &base.join(&config.node.data))?;
        let secret = secrets
            .remove(&tenant)
            .with_context(|| format!("{tenant} has no secret in {}", file.display()))?;
        Ok(Self::Signed { tenant, secret })
    }

    /// A fresh token of somebody.
    pub(super) async fn token(&self, rest: &Rest, role: Role, id: &str) -> anyhow::Result<String> {
        match self {
            Self::Development => {
                let answer = rest.post("/v1/dev/tokens", &json!({ "role": role, "id": id })).await.context(
                    "the node gives out no development tokens: set node.development = true there, or name its configuration by --token-config",
                )?;
                let Some(token) = answer["token"].as_str() else {
                    bail!("/v1/dev/tokens gave no token: {answer}")
                };
                Ok(token.to_owned())
            }
            Self::Signed { tenant, secret } => {
                let principal =
                    Principal { tenant: tenant.clone(), role, id: PersonId::new(id), name: id.to_owned() };
                let (token, _) = auth::sign(secret, &principal, WallClock::default().now())?;
                Ok(token)
            }
        }
    }
}
