//! Firebase Cloud Messaging, HTTP v1: an access token from a service account (OAuth 2.0, RFC 7523, RS256), kept until shortly before
//! it ends; then one request per device. Facts from Google's "Send messages using FCM HTTP v1" and its error codes.

use std::path::Path;

use conversa_actors::port::outside::{CallError, Notification, Outcome};
use conversa_engine::time::Time;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::net::{Ask, Net};
use super::token::SigningKey;
use super::{DELIVERED, gone, refused, retry};
use crate::config::ConfigError;
use crate::config::push::{FcmConfig, read};

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT: &str = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
const ASSERTION_S: i64 = 3_600;
/// A token is replaced this long before it ends, milliseconds.
const EARLY_MS: i64 = 5 * 60_000;
/// The pause after a spent quota when Google names none (its documentation: at least one minute), milliseconds.
const QUOTA_MS: i64 = 60_000;

/// One project at Google's.
pub(super) struct Fcm {
    url: String,
    account: Account,
    key: SigningKey,
    /// The access token in use and when it ends. Held while a new one is fetched, so that it is fetched once.
    token: Mutex<Option<(String, Time)>>,
}

/// The file that Google gives for a service account, as much as is used.
#[derive(Deserialize)]
struct Account {
    project_id: String,
    client_email: String,
    private_key: String,
    token_uri: String,
}

#[derive(Deserialize)]
struct Access {
    access_token: String,
    expires_in: i64,
}

impl Fcm {
    pub(super) fn new(config: &FcmConfig, base: &Path) -> Result<Self, ConfigError> {
        let (file, text) = read(base, &config.account_file)?;
        let broken = |what: String| ConfigError::Broken { file: file.clone(), what };
        let account: Account =
            serde_json::from_str(&text).map_err(|error| broken(format!("not a service account: {error}")))?;
        let key = SigningKey::rs256(&account.private_key).map_err(broken)?;
        let url = config.url.trim_end_matches('/').to_owned();
        Ok(Self { url, account, key, token: Mutex::default() })
    }

    /// Sends one notification to one device.
    pub(super) async fn push(
        &self,
        net: &Net,
        now: Time,
        device: &str,
        notification: &Notification,
    ) -> Outcome {
        let token = self.token(net, now).await?;
        let conversation = notification.conversation.to_string();
        let body = json!({ "message": {
            "token": device,
            "notification": { "title": notification.title, "body": notification.body },
            "data": { "conversation": conversation, "badge": notification.badge.to_string() },
            "android": {
                "priority": "HIGH",
                "ttl": "86400s",
                "collapse_key": conversation,
                "notification": { "tag": conversation, "notification_count": notification.badge },
            },
        } });
        let headers = headers("application/json", Some(&token))?;
        let url = format!("{}/v1/projects/{}/messages:send", self.url, self.account.project_id);
        let reply = net.post(Ask { url, headers, body: body.to_string(), http2: false }).await?;
        if reply.status == 200 {
            return DELIVERED;
        }
        let error = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default();
        let code = code(&error);
        let why = format!("FCM answered {} {code}", reply.status);
        Err(match (reply.status, code) {
            // A wrong account is answered otherwise for every device: that must not forget them all.
            (_, "UNREGISTERED") => gone(why),
            (401, _) => {
                *self.token.lock().await = None;
                retry(why, None)
            }
            (429, _) => retry(why, Some(reply.retry_after_ms.unwrap_or(QUOTA_MS))),
            (500..=599, _) => retry(why, reply.retry_after_ms),
            _ => refused(why),
        })
    }

    async fn token(&self, net: &Net, now: Time) -> Result<String, CallError> {
        let mut token = self.token.lock().await;
        if let Some((text, ends)) = &*token
            && ends.ms_since(now) > EARLY_MS
        {
            return Ok(text.clone());
        }
        let iat = now.ms() / 1_000;
        let claims = json!({
            "iss": self.account.client_email, "scope": SCOPE, "aud": self.account.token_uri,
            "iat": iat, "exp": iat + ASSERTION_S,
        });
        let assertion =
            self.key.sign(&claims).map_err(|why| refused(format!("the token cannot be signed: {why}")))?;
        let body = format!("grant_type={GRANT}&assertion={assertion}");
        let headers = headers("application/x-www-form-urlencoded", None)?;
        let reply =
            net.post(Ask { url: self.account.token_uri.clone(), headers, body, http2: false }).await?;
        if reply.status != 200 {
            // Wrong clocks and withdrawn keys are repaired by people: the call is tried again as long as it may be.
            return Err(retry(format!("the token server answered {}", reply.status), reply.retry_after_ms));
        }
        let access: Access = serde_json::from_slice(&reply.body)
            .map_err(|_| retry("the token server's answer cannot be read", None))?;
        *token =
            Some((access.access_token.clone(), now.after_ms(access.expires_in.clamp(0, 86_400) * 1_000)));
        Ok(access.access_token)
    }
}

fn headers(kind: &'static str, token: Option<&str>) -> Result<HeaderMap, CallError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(token) = token {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| retry("the token server's answer is no header", None))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// FCM's own code, else the status of the API.
fn code(error: &Value) -> &str {
    let error = &error["error"];
    let details = error["details"].as_array().map(Vec::as_slice).unwrap_or_default();
    let own = details.iter().find_map(|detail| detail["errorCode"].as_str());
    own.or(error["status"].as_str()).unwrap_or_default()
}
