//! The ways to the outside against servers on this machine that check what they get: signatures, tokens, HTTP/2, sizes.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, Version};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use conversa_actors::port::Clock;
use conversa_actors::port::outside::{Call, CallError, Notification, Outcome, Outside, Platform, Taken, To};
use conversa_actors::port::recorder::Recorder;
use conversa_engine::ids::{ConversationId, PersonId, TenantId};
use conversa_engine::time::Time;
use conversa_gateway::Reachable;
use conversa_gateway::config::Config;
use conversa_tests::suite::{Foreign, OUTSIDE, Stand};
use hmac::{Hmac, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

const SECRETS: [&[u8]; 2] = [b"a secret of thirty-two bytes 0001", b"a secret of thirty-two bytes 0002"];
const NOW_MS: i64 = 1_764_000_000_000;

/// A clock that the test moves.
struct Hand(Mutex<i64>);

impl Clock for Hand {
    fn now(&self) -> Time {
        Time::from_ms(*self.0.lock())
    }
}

/// What came.
#[derive(Clone, Debug)]
struct Got {
    path: String,
    version: Version,
    headers: HeaderMap,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }
}

/// A foreign server: it notes what comes and answers as told.
#[derive(Default)]
struct Server {
    got: Mutex<Vec<Got>>,
    next: Mutex<VecDeque<(u16, &'static str)>>,
}

async fn take(
    State(server): State<Arc<Server>>,
    version: Version,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = String::from_utf8(body.to_vec()).expect("the body is text");
    server.got.lock().push(Got { path: uri.path().to_owned(), version, headers, body });
    if uri.path() == "/token" {
        return r#"{"access_token": "ya29.one", "expires_in": 3600, "token_type": "Bearer"}"#.into_response();
    }
    let (status, body) = server.next.lock().pop_front().unwrap_or((200, "{}"));
    let status = StatusCode::from_u16(status).expect("a status");
    match status {
        StatusCode::TOO_MANY_REQUESTS => (status, [("retry-after", "7")], body).into_response(),
        StatusCode::FOUND => (status, [("location", "https://127.0.0.1/")], body).into_response(),
        _ => (status, body).into_response(),
    }
}

/// One service at its server.
struct Local {
    server: Arc<Server>,
    reachable: Arc<Reachable>,
    clock: Arc<Hand>,
    service: Service,
    url: String,
    _folder: TempDir,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Channel,
    Webhook,
    Apns,
    Fcm,
}

async fn local(service: Service) -> Arc<Local> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let server = Arc::new(Server::default());
    let router = Router::new().fallback(take).with_state(Arc::clone(&server));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let folder = tempfile::tempdir().expect("a folder");
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("keys");
    let account = json!({
        "project_id": "shop-1", "client_email": "push@shop-1.example", "token_uri": format!("{url}/token"),
        "private_key": std::fs::read_to_string(keys.join("fcm.pem")).expect("a key"),
    });
    std::fs::write(folder.path().join("account.json"), account.to_string()).expect("the folder is ours");
    let secrets = SECRETS.map(|secret| format!("\"whsec_{}\"", STANDARD.encode(secret))).join(", ");
    let text = format!(
        r#"
        [push]
        allow_hosts = ["127.0.0.1"]
        [[channels]]
        name = "shop"
        tenant = "clearbrook"
        kind = "http"
        url = "{url}/hook"
        secrets = [{secrets}]
        [[tenants]]
        id = "clearbrook"
        queues = [{{ id = "q", name_zh = "客服", name_en = "Care" }}]
        [tenants.push]
        webhook_secrets = [{secrets}]
        apns = {{ key_file = "{key}", key_id = "KEY", team_id = "TEAM", topic = "com.example.shop", url = "{url}" }}
        fcm = {{ account_file = "account.json", url = "{url}" }}
        "#,
        key = keys.join("apns.p8").display(),
    );
    let config: Config = toml::from_str(&text).expect("it is a configuration");
    let clock = Arc::new(Hand(Mutex::new(NOW_MS)));
    let reachable =
        Reachable::new(&config, folder.path(), Arc::clone(&clock) as _).expect("the keys are keys");
    let reachable = Arc::new(reachable);
    Arc::new(Local { server, reachable, clock, service, url, _folder: folder })
}

impl Local {
    async fn call(&self, call: &Call) -> Outcome {
        self.reachable.call(&TenantId::new("clearbrook"), call).await
    }

    /// What came, without requests for tokens.
    fn got(&self) -> Vec<Got> {
        self.server.got.lock().iter().filter(|got| got.path != "/token").cloned().collect()
    }

    fn answers(&self, status: u16, body: &'static str) {
        self.server.next.lock().push_back((status, body));
    }
}

fn conversation() -> ConversationId {
    ConversationId::new(Time::from_ms(1), 7, 7)
}

fn device(platform: Platform, token: &str, n: u64) -> Call {
    let notification = Notification {
        title: "李梅 Mei".into(),
        body: format!("您的包裹 {n}"),
        conversation: conversation(),
        badge: 3,
    };
    let to = To::Device {
        person: PersonId::new("vi_1"),
        device: "phone".into(),
        platform,
        token: token.to_owned(),
        notification,
    };
    Call { id: format!("{}.phone", conversation().message(n)), to, attempt: 1, collapse: None, unless: None }
}

impl Stand for Local {
    fn outside(&self) -> Arc<dyn Outside> {
        Arc::clone(&self.reachable) as _
    }

    fn call(&self, n: u64) -> Call {
        match self.service {
            Service::Channel => Call {
                id: conversation().message(n),
                to: To::Channel { channel: "shop".into(), body: format!("{{\"o\":{n}}}") },
                attempt: 1,
                collapse: None,
                unless: None,
            },
            Service::Webhook => device(Platform::Webhook, &format!("{}/device", self.url), n),
            Service::Apns => device(Platform::Apns, "00fc13adff785122", n),
            Service::Fcm => device(Platform::Fcm, "fcm-token:1", n),
        }
    }

    fn next(&self, does: Foreign) {
        let unregistered =
            r#"{"error": {"status": "NOT_FOUND", "details": [{"errorCode": "UNREGISTERED"}]}}"#;
        let (status, body) = match (does, self.service) {
            (Foreign::Busy, _) => (429, "{}"),
            (Foreign::Broken, _) => (503, "{}"),
            (Foreign::Refuses, _) => {
                (400, r#"{"reason": "BadTopic", "error": {"status": "INVALID_ARGUMENT"}}"#)
            }
            (Foreign::Gone, Service::Fcm) => (404, unregistered),
            (Foreign::Gone, _) => (410, r#"{"reason": "Unregistered"}"#),
        };
        self.answers(status, body);
    }

    fn reached(&self) -> usize {
        self.got().len()
    }
}

/// The way in memory.
struct InMemory(Arc<Recorder>);

impl Stand for InMemory {
    fn outside(&self) -> Arc<dyn Outside> {
        Arc::clone(&self.0) as _
    }

    fn call(&self, n: u64) -> Call {
        device(Platform::Fcm, "t", n)
    }

    fn next(&self, does: Foreign) {
        let why = format!("{does:?}");
        self.0.answer(match does {
            Foreign::Busy => CallError::Retry { why, after_ms: Some(7_000) },
            Foreign::Broken => CallError::Retry { why, after_ms: None },
            Foreign::Refuses => CallError::Refused { why },
            Foreign::Gone => CallError::Gone { why },
        });
    }

    fn reached(&self) -> usize {
        self.0.calls().len()
    }
}

#[tokio::test]
async fn memory_keeps_what_an_outside_promises() {
    for case in OUTSIDE {
        (case.check)(Arc::new(InMemory(Recorder::answering([])))).await;
    }
}

#[tokio::test]
async fn every_service_keeps_what_an_outside_promises() {
    for service in [Service::Channel, Service::Webhook, Service::Apns, Service::Fcm] {
        for case in OUTSIDE {
            println!("{service:?}: {case:?}");
            (case.check)(local(service).await).await;
        }
    }
}

#[tokio::test]
async fn a_webhook_is_signed_with_every_secret_and_named_the_same_in_every_attempt() {
    let local = local(Service::Channel).await;
    let call = Stand::call(&*local, 1);
    for _ in 0..2 {
        assert_eq!(local.call(&call).await, Ok(Taken::Delivered));
        *local.clock.0.lock() += 60_000;
    }
    let got = local.got();
    for (got, timestamp) in got.iter().zip(["1764000000", "1764000060"]) {
        assert_eq!((got.path.as_str(), got.body.as_str()), ("/hook", "{\"o\":1}"));
        assert_eq!(
            (got.header("webhook-id"), got.header("idempotency-key")),
            (call.id.as_str(), call.id.as_str())
        );
        assert_eq!(got.header("webhook-timestamp"), timestamp);
        let expected = SECRETS.map(|secret| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key");
            mac.update(format!("{}.{timestamp}.{}", call.id, got.body).as_bytes());
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        });
        assert_eq!(got.header("webhook-signature"), expected.join(" "));
    }
}

fn claims(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Value {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    jsonwebtoken::decode::<Value>(token, key, &validation).expect("the public key proves it").claims
}

#[tokio::test]
async fn apns_gets_http2_a_token_that_its_key_proves_and_a_payload_that_fits() {
    let local = local(Service::Apns).await;
    let mut call = Stand::call(&*local, 1);
    if let To::Device { notification, .. } = &mut call.to {
        notification.body = "包裹".repeat(4_000);
    }
    for minutes in [0, 30, 45] {
        *local.clock.0.lock() = NOW_MS + minutes * 60_000;
        assert_eq!(local.call(&call).await, Ok(Taken::Delivered));
    }
    let got = local.got();
    let first = &got[0];
    assert_eq!((first.version, first.path.as_str()), (Version::HTTP_2, "/3/device/00fc13adff785122"));
    assert!(first.body.len() <= 4_096, "{} bytes", first.body.len());
    let payload = first.json();
    assert_eq!(payload["aps"]["alert"]["title"], "李梅 Mei");
    assert!(payload["aps"]["alert"]["body"].as_str().is_some_and(|body| body.starts_with("包裹包裹")));
    assert_eq!((&payload["aps"]["badge"], &payload["conversation"]), (&json!(3), &json!(conversation())));
    assert_eq!((first.header("apns-topic"), first.header("apns-push-type")), ("com.example.shop", "alert"));
    assert_eq!(first.header("apns-collapse-id"), conversation().to_string());
    assert_eq!(first.header("apns-expiration"), "1764086400");
    assert_eq!(first.header("apns-id"), got[2].header("apns-id"), "an attempt is the same notification");
    let tokens: Vec<&str> = got.iter().map(|got| got.header("authorization")).collect();
    assert_eq!(tokens[0], tokens[1], "Apple refuses a new token within 20 minutes");
    assert_ne!(tokens[1], tokens[2], "and one older than an hour");
    let public =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("keys/apns.pub.pem")).expect("a key");
    let key = DecodingKey::from_ec_pem(&public).expect("a key");
    let token = tokens[2].strip_prefix("bearer ").expect("a bearer token");
    let claims = claims(token, &key, Algorithm::ES256);
    assert_eq!(claims, json!({ "iss": "TEAM", "iat": (NOW_MS + 45 * 60_000) / 1_000 }));
    let header = jsonwebtoken::decode_header(token).expect("a token");
    assert_eq!(header.kid.as_deref(), Some("KEY"));
}

#[tokio::test]
async fn apns_says_which_devices_are_gone_and_an_expired_token_is_made_anew() {
    let local = local(Service::Apns).await;
    let call = Stand::call(&*local, 1);
    local.answers(400, r#"{"reason": "BadDeviceToken"}"#);
    let wrong = local.call(&call).await;
    assert!(matches!(wrong, Err(CallError::Refused { .. })), "a wrong server forgets no device: {wrong:?}");
    *local.clock.0.lock() += 25 * 60_000;
    local.answers(403, r#"{"reason": "ExpiredProviderToken"}"#);
    assert!(matches!(local.call(&call).await, Err(CallError::Retry { .. })));
    assert_eq!(local.call(&call).await, Ok(Taken::Delivered));
    let got = local.got();
    assert_eq!(got[0].header("authorization"), got[1].header("authorization"));
    assert_ne!(got[1].header("authorization"), got[2].header("authorization"));
    let odd = device(Platform::Apns, "../../x", 1);
    assert!(matches!(local.call(&odd).await, Err(CallError::Gone { .. })), "it is no token");
    assert_eq!(local.got().len(), 3, "and nothing was asked");
}

#[tokio::test]
async fn fcm_gets_an_access_token_for_an_assertion_that_the_accounts_key_proves() {
    let local = local(Service::Fcm).await;
    let call = Stand::call(&*local, 1);
    for minutes in [0, 50, 56] {
        *local.clock.0.lock() = NOW_MS + minutes * 60_000;
        assert_eq!(local.call(&call).await, Ok(Taken::Delivered));
    }
    let all = local.server.got.lock().clone();
    let paths: Vec<&str> = all.iter().map(|got| got.path.as_str()).collect();
    let send = "/v1/projects/shop-1/messages:send";
    assert_eq!(paths, ["/token", send, send, "/token", send], "kept until five minutes before its end");
    let form = &all[0].body;
    let assertion = form
        .strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=")
        .expect("RFC 7523");
    let public =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("keys/fcm.pub.pem")).expect("a key");
    let key = DecodingKey::from_rsa_pem(&public).expect("a key");
    let expected = json!({
        "iss": "push@shop-1.example", "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": format!("{}/token", local.url), "iat": NOW_MS / 1_000, "exp": NOW_MS / 1_000 + 3_600,
    });
    assert_eq!(claims(assertion, &key, Algorithm::RS256), expected);
    assert_eq!(all[1].header("authorization"), "Bearer ya29.one");
    let message = all[1].json()["message"].clone();
    assert_eq!(message["token"], "fcm-token:1");
    assert_eq!(message["notification"], json!({ "title": "李梅 Mei", "body": "您的包裹 1" }));
    assert_eq!(message["data"], json!({ "conversation": conversation(), "badge": "3" }));
    // An access token that was withdrawn is fetched anew.
    local.answers(401, r#"{"error": {"status": "UNAUTHENTICATED"}}"#);
    assert!(matches!(local.call(&call).await, Err(CallError::Retry { .. })));
    assert_eq!(local.call(&call).await, Ok(Taken::Delivered));
    assert_eq!(local.server.got.lock().iter().filter(|got| got.path == "/token").count(), 3);
}

#[tokio::test]
async fn redirects_are_not_followed_and_private_addresses_not_called() {
    let local = local(Service::Channel).await;
    local.answers(302, "");
    let error = local.call(&Stand::call(&*local, 1)).await.expect_err("it is no answer");
    assert!(error.to_string().contains("302"), "{error}");
    assert_eq!(local.got().len(), 1);
    for url in ["http://127.0.0.2:1/", "https://127.0.0.2/", "https://localhost/", "https://[::1]/"] {
        let outcome = local.call(&device(Platform::Webhook, url, 1)).await;
        assert!(matches!(outcome, Err(CallError::Refused { .. })), "{url}: {outcome:?}");
    }
}
