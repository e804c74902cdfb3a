//! The way out of the node: one attempt of a call at a time, to a channel's adapter or a device. It decides nothing: the couriers
//! (`actors/src/behaviours/courier.rs`) say when a call is made, and remember it.

mod apns;
mod dead_letters;
mod devices;
mod fcm;
pub(crate) mod net;
mod token;
pub(crate) mod webhook;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use conversa_actors::port::Clock;
use conversa_actors::port::outside::{Call, CallError, Outcome, Outside, Platform, Taken, To};
use conversa_engine::ids::TenantId;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;

use crate::channel::{self, Channels};
use crate::config::{Config, ConfigError};
use crate::rest::Routes;
use apns::Apns;
use fcm::Fcm;
use net::Net;
use webhook::Webhook;

/// Everything that this node can reach.
pub struct Reachable {
    net: Net,
    clock: Arc<dyn Clock>,
    companies: HashMap<TenantId, Services>,
    channels: Channels,
}

/// The push services of one company.
#[derive(Default)]
struct Services {
    apns: Option<Apns>,
    fcm: Option<Fcm>,
    /// For devices that are servers: each names its own URL.
    secrets: Vec<webhook::Secret>,
}

impl std::fmt::Debug for Reachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without keys and secrets.
        f.debug_struct("Reachable").field("channels", &self.channels.len()).finish_non_exhaustive()
    }
}

impl Reachable {
    /// What a configuration that was checked can reach; relative file names are relative to `base`.
    ///
    /// # Errors
    /// When a key or an account file cannot be read.
    pub fn new(config: &Config, base: &Path, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let mut companies = HashMap::new();
        for tenant in &config.tenants {
            let Some(push) = &tenant.push else { continue };
            let services = Services {
                apns: push.apns.as_ref().map(|apns| Apns::new(apns, base)).transpose()?,
                fcm: push.fcm.as_ref().map(|fcm| Fcm::new(fcm, base)).transpose()?,
                secrets: webhook::secrets(&push.webhook_secrets),
            };
            companies.insert(TenantId::new(tenant.id.as_str()), services);
        }
        Ok(Self {
            net: Net::new(&config.push.allow_hosts),
            clock,
            companies,
            channels: Channels::new(config),
        })
    }

    /// The node's channels.
    pub(crate) fn channels(&self) -> &Channels {
        &self.channels
    }

    /// True when the company has an account at the service.
    pub(crate) fn serves(&self, tenant: &TenantId, platform: Platform) -> bool {
        self.companies.get(tenant).is_some_and(|services| match platform {
            Platform::Apns => services.apns.is_some(),
            Platform::Fcm => services.fcm.is_some(),
            Platform::Webhook => !services.secrets.is_empty(),
        })
    }

    /// Whether a device may name this URL; its addresses are checked when it is called.
    pub(crate) fn callable(&self, url: &str) -> Result<(), String> {
        self.net.check(url)
    }

    async fn attempt(&self, tenant: &TenantId, call: &Call) -> Outcome {
        let now = self.clock.now();
        match &call.to {
            To::Channel { channel, body } => {
                let adapter = self.channels.of(tenant, channel).ok_or_else(|| {
                    refused(format!("channel {channel:?} is not in the configuration any more"))
                })?;
                adapter.send(&self.net, now, &call.id, body).await
            }
            To::Device { platform, token, notification, .. } => {
                let services = self.companies.get(tenant);
                let missing = || refused(format!("the configuration has no {platform:?} of this company"));
                let services = services.ok_or_else(missing)?;
                match platform {
                    Platform::Apns => {
                        let apns = services.apns.as_ref().ok_or_else(missing)?;
                        apns.push(&self.net, now, token, notification, &call.id).await
                    }
                    Platform::Fcm => {
                        let fcm = services.fcm.as_ref().ok_or_else(missing)?;
                        fcm.push(&self.net, now, token, notification).await
                    }
                    Platform::Webhook => {
                        if services.secrets.is_empty() {
                            return Err(missing());
                        }
                        let body = json!({
                            "type": "notification", "title": notification.title, "body": notification.body,
                            "conversation": notification.conversation, "badge": notification.badge,
                        });
                        let webhook = Webhook::new(token.clone(), services.secrets.clone());
                        webhook.call(&self.net, now, &call.id, body.to_string()).await
                    }
                }
            }
        }
    }
}

impl Outside for Reachable {
    fn call<'a>(&'a self, tenant: &'a TenantId, call: &'a Call) -> BoxFuture<'a, Outcome> {
        self.attempt(tenant, call).boxed()
    }
}

/// The paths of devices, dead letters and channels.
pub(crate) fn routes() -> Routes {
    Routes::default()
        .get("/v1/devices", devices::list)
        .post("/v1/devices", devices::register)
        .delete("/v1/devices/{device}", devices::remove)
        .get("/v1/dead-letters", dead_letters::list)
        .delete("/v1/dead-letters/{n}", dead_letters::drop)
        .post("/v1/dead-letters/{n}/replay", dead_letters::replay)
        .post_up_to("/v1/channels/{channel}/inbound", channel::INBOUND_BYTES_MAX, channel::inbound)
        .get("/v1/conversations/{cv}/delivery", channel::delivery)
}

/// Whether a configuration may name this URL.
pub(crate) fn callable(allowed: &[String], url: &str) -> Result<(), String> {
    net::check(allowed, url).map(drop)
}

fn refused(why: impl Into<String>) -> CallError {
    CallError::Refused { why: why.into() }
}

fn retry(why: impl Into<String>, after_ms: Option<i64>) -> CallError {
    CallError::Retry { why: why.into(), after_ms }
}

fn gone(why: impl Into<String>) -> CallError {
    CallError::Gone { why: why.into() }
}

const DELIVERED: Outcome = Ok(Taken::Delivered);
