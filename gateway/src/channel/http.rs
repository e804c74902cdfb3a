//! The generic channel: signed JSON both ways (Standard Webhooks 1.0), for the adapters that a company writes itself.
//!
//! In: `{"type": "message", "id", "user": {"id", "name"}, "lang", "content"}` and
//! `{"type": "status", "message": "ms_…", "state": "delivered" | "read" | "failed", "reason"}`. Out: `{"type": "message", "id": "ms_…",
//! "conversation", "user": {"id"}, "author": {"kind", "name"}, "content", "ts"}`, with `webhook-id` the same in every attempt.

use axum::http::HeaderMap;
use conversa_actors::behaviours::courier::Receipt;
use conversa_actors::port::outside::Outcome;
use conversa_engine::content::Content;
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::{Adapter, Inbound};
use crate::config::ChannelConfig;
use crate::push::net::Net;
use crate::push::webhook::{self, Secret, Webhook};

/// A channel of this kind.
pub(super) struct Http {
    secrets: Vec<Secret>,
    webhook: Webhook,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Body {
    Message {
        id: String,
        user: User,
        #[serde(default)]
        lang: String,
        content: Content,
    },
    Status {
        message: String,
        state: Receipt,
        #[serde(default)]
        reason: String,
    },
}

#[derive(Deserialize)]
struct User {
    id: String,
    #[serde(default)]
    name: String,
}

impl Http {
    pub(super) fn new(config: &ChannelConfig) -> Self {
        let secrets = webhook::secrets(&config.secrets);
        Self { webhook: Webhook::new(config.url.clone(), secrets.clone()), secrets }
    }

    fn prove(&self, now: Time, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let refused = |detail: &'static str| Refusal::new(Code::Unauthorized, detail);
        let (Some(id), Some(timestamp), Some(signature)) =
            (header(webhook::ID), header(webhook::TIMESTAMP), header(webhook::SIGNATURE))
        else {
            return Err(refused(
                "send webhook-id, webhook-timestamp and webhook-signature: see Standard Webhooks 1.0",
            ));
        };
        if !webhook::verify(&self.secrets, id, timestamp, signature, body) {
            return Err(refused(
                "the signature is not that of id.timestamp.body by a secret of this channel",
            ));
        }
        let age_s = timestamp.parse::<i64>().ok().and_then(|at| (now.ms() / 1_000).checked_sub(at));
        match age_s {
            Some(age_s) if age_s.saturating_abs() <= webhook::WINDOW_S => Ok(()),
            Some(_) => Err(refused(
                "webhook-timestamp is more than 5 minutes off: sign each attempt anew, and set the clock",
            )),
            None => Err(refused("webhook-timestamp is seconds since the Unix epoch")),
        }
    }
}

impl Adapter for Http {
    fn read(&self, now: Time, headers: &HeaderMap, body: &[u8]) -> Result<Inbound, Refusal> {
        self.prove(now, headers, body)?;
        let body = serde_json::from_slice(body)
            .map_err(|error| Refusal::new(Code::BadRequest, format!("the body cannot be read: {error}")))?;
        Ok(match body {
            Body::Message { id, user, lang, content } => {
                let name = if user.name.is_empty() { user.id.clone() } else { user.name };
                Inbound::Message { id, user: user.id, name, language: lang, content }
            }
            Body::Status { message, state, reason } => Inbound::Status { message, state, why: reason },
        })
    }

    fn send<'a>(&'a self, net: &'a Net, now: Time, id: &'a str, body: &'a str) -> BoxFuture<'a, Outcome> {
        self.webhook.call(net, now, id, body.to_owned()).boxed()
    }
}
