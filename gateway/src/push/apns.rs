//! Apple Push Notification service: HTTP/2, a provider token (ES256) that is made anew every 40 minutes, one request per device.
//! Facts from Apple's "Sending notification requests to APNs" and "Establishing a token-based connection to APNs".

use std::path::Path;

use conversa_actors::port::outside::{Notification, Outcome};
use conversa_engine::time::Time;
use parking_lot::Mutex;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::net::{Ask, Net};
use super::token::SigningKey;
use super::{DELIVERED, gone, refused, retry};
use crate::config::ConfigError;
use crate::config::push::{ApnsConfig, read};

/// Largest payload, bytes.
const PAYLOAD_BYTES_MAX: usize = 4_096;
/// Apple refuses tokens older than 60 minutes and providers that make new ones within 20.
const TOKEN_MS: i64 = 40 * 60_000;
const TOKEN_MS_MIN: i64 = 20 * 60_000;
/// A device that is switched off for longer reads the log instead, seconds.
const EXPIRATION_S: i64 = 86_400;

/// One app at Apple's.
pub(super) struct Apns {
    url: String,
    topic: String,
    team_id: String,
    key: SigningKey,
    /// The token in use and when it was made.
    token: Mutex<Option<(String, Time)>>,
}

#[derive(Deserialize, Default)]
struct Reason {
    #[serde(default)]
    reason: String,
}

impl Apns {
    pub(super) fn new(config: &ApnsConfig, base: &Path) -> Result<Self, ConfigError> {
        let (file, pem) = read(base, &config.key_file)?;
        let key =
            SigningKey::es256(&pem, &config.key_id).map_err(|what| ConfigError::Broken { file, what })?;
        Ok(Self {
            url: config.url.trim_end_matches('/').to_owned(),
            topic: config.topic.clone(),
            team_id: config.team_id.clone(),
            key,
            token: Mutex::default(),
        })
    }

    /// Sends one notification to one device.
    pub(super) async fn push(
        &self,
        net: &Net,
        now: Time,
        device: &str,
        notification: &Notification,
        id: &str,
    ) -> Outcome {
        if device.is_empty() || !device.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(gone("a device token of APNs is hexadecimal"));
        }
        let token = self.token(now)?;
        let expiration = (now.ms() / 1_000 + EXPIRATION_S).to_string();
        let mut headers = HeaderMap::new();
        let lines = [
            ("apns-topic", self.topic.clone()),
            ("apns-push-type", "alert".to_owned()),
            ("apns-priority", "10".to_owned()),
            ("apns-expiration", expiration),
            ("apns-collapse-id", notification.conversation.to_string()),
            ("apns-id", uuid(id)),
            (AUTHORIZATION.as_str(), format!("bearer {token}")),
        ];
        for (name, value) in lines {
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| refused("the configuration of APNs has characters that are no header"))?;
            value.set_sensitive(name == AUTHORIZATION.as_str());
            headers.insert(HeaderName::from_static(name), value);
        }
        let url = format!("{}/3/device/{device}", self.url);
        let reply = net.post(Ask { url, headers, body: payload(notification), http2: true }).await?;
        let reason = serde_json::from_slice::<Reason>(&reply.body).unwrap_or_default().reason;
        let why = format!("APNs answered {} {reason}", reply.status);
        match (reply.status, reason.as_str()) {
            (200, _) => DELIVERED,
            // A wrong topic or server is answered with 400 for every device: that must not forget them all.
            (410, _) => Err(gone(why)),
            (403, "ExpiredProviderToken" | "InvalidProviderToken") => {
                self.renew(now);
                Err(retry(why, None))
            }
            (429 | 500..=599, _) => Err(retry(why, reply.retry_after_ms)),
            _ => Err(refused(why)),
        }
    }

    fn token(&self, now: Time) -> Result<String, conversa_actors::port::outside::CallError> {
        let mut token = self.token.lock();
        if let Some((text, made)) = &*token
            && now.ms_since(*made) < TOKEN_MS
        {
            return Ok(text.clone());
        }
        let claims = json!({ "iss": self.team_id, "iat": now.ms() / 1_000 });
        let text =
            self.key.sign(&claims).map_err(|why| refused(format!("the token cannot be signed: {why}")))?;
        *token = Some((text.clone(), now));
        Ok(text)
    }

    /// The next call makes a new token, unless this one is so young that Apple would refuse a new one.
    fn renew(&self, now: Time) {
        let mut token = self.token.lock();
        if token.as_ref().is_some_and(|(_, made)| now.ms_since(*made) >= TOKEN_MS_MIN) {
            *token = None;
        }
    }
}

/// The notification; its words are cut until it fits.
fn payload(notification: &Notification) -> String {
    let mut words = notification.body.clone();
    loop {
        let payload = json!({
            "aps": {
                "alert": { "title": notification.title, "body": words },
                "badge": notification.badge,
                "sound": "default",
                "thread-id": notification.conversation,
            },
            "conversation": notification.conversation,
        });
        let payload = payload.to_string();
        if payload.len() <= PAYLOAD_BYTES_MAX || words.is_empty() {
            return payload;
        }
        let half = words.chars().count() / 2;
        words = words.chars().take(half).collect();
    }
}

/// Apple wants a UUID: one that is the same in every attempt (version 8 of RFC 9562, from SHA-256).
fn uuid(id: &str) -> String {
    let digest = Sha256::digest(id.as_bytes());
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
