//! A server of a company on this machine: it notes what it is called with and answers as told. A node with a channel that calls it.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use conversa_gateway::config::{Config, sample};
use conversa_gateway::{Running, serve};
use hmac::{Hmac, Mac};
use parking_lot::Mutex;
use serde_json::Value;
use sha2::Sha256;
use tokio::sync::Notify;

/// The secret of both sides.
pub const SECRET: &[u8] = b"a secret of thirty-two bytes 0001";

/// One call.
#[derive(Clone, Debug)]
pub struct Got {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Value,
}

/// The server.
#[derive(Debug, Default)]
pub struct Foreign {
    got: Mutex<Vec<Got>>,
    next: Mutex<VecDeque<u16>>,
    rung: Notify,
}

impl Foreign {
    /// Starts one; gives it and its URL.
    ///
    /// # Panics
    /// When the machine has no port.
    pub async fn start() -> (Arc<Self>, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}/hook", listener.local_addr().expect("it is bound"));
        let foreign = Arc::new(Self::default());
        let router = Router::new().fallback(take).with_state(Arc::clone(&foreign));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (foreign, url)
    }

    /// What it answers next.
    pub fn answers(&self, status: u16) {
        self.next.lock().push_back(status);
    }

    /// The calls so far.
    #[must_use]
    pub fn got(&self) -> Vec<Got> {
        self.got.lock().clone()
    }

    /// Waits until there were `count` calls.
    pub async fn have(&self, count: usize) -> Vec<Got> {
        loop {
            let rung = self.rung.notified();
            let got = self.got();
            if got.len() >= count {
                return got;
            }
            rung.await;
        }
    }
}

async fn take(State(foreign): State<Arc<Foreign>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let body = serde_json::from_slice(&body).unwrap_or_default();
    // Before anybody hears of the call: what is set after it is for the next one.
    let status = foreign.next.lock().pop_front().unwrap_or(200);
    foreign.got.lock().push(Got { headers, body });
    foreign.rung.notify_one();
    StatusCode::from_u16(status).expect("a status")
}

/// The signature of Standard Webhooks.
///
/// # Panics
/// Never: HMAC takes keys of any length.
#[must_use]
pub fn signature(id: &str, timestamp: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).expect("a key of any length");
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// [`SECRET`] as a configuration has it.
#[must_use]
pub fn secret() -> String {
    format!("whsec_{}", STANDARD.encode(SECRET))
}

/// A node of the sample company with these channels, whose devices may be servers here.
///
/// # Panics
/// When it does not start.
pub async fn node(folder: &Path, channels: &str) -> Running {
    let text = format!("[push]\nallow_hosts = [\"127.0.0.1\"]\n{channels}");
    let mut config: Config = toml::from_str(&text).expect("it is a configuration");
    config.node.listen = "127.0.0.1:0".into();
    config.node.data = folder.join("data");
    config.node.development = true;
    let mut company = sample::company();
    let push = format!("webhook_secrets = [\"{}\"]", secret());
    company.push = Some(toml::from_str(&push).expect("it is a configuration"));
    config.tenants.push(company);
    serve(config, folder).await.expect("a node starts")
}

/// Stops a node; what it has acknowledged is in its folder.
///
/// # Panics
/// When it does not stop well.
pub async fn stop(node: Running) {
    node.stop.stop();
    node.ended().await.expect("it stops");
}

/// A development token.
///
/// # Panics
/// When the node gives none.
pub async fn token(node: &Running, role: &str, id: &str) -> String {
    let ask = serde_json::json!({ "role": role, "id": id });
    let url = format!("http://{}/v1/dev/tokens", node.address);
    let answer = reqwest::Client::new().post(url).json(&ask).send().await.expect("it answers");
    let answer: Value = answer.json().await.expect("JSON");
    answer["token"].as_str().expect("a token").to_owned()
}
