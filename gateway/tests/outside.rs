//! Calls to the outside as an operator meets them: they survive kill -9, and what was given up is listed, made again or dropped.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use conversa_actors::port::Clock;
use conversa_cluster::clock::WallClock;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::mpsc;

const CONVERSA: &str = env!("CARGO_BIN_EXE_conversa");
const SECRET: &[u8] = b"a secret of thirty-two bytes 0001";

/// A process, and where it serves.
pub(super) struct Node(Child, pub(super) String);

impl Node {
    pub(super) fn start(config: &Path) -> Self {
        let mut child = Command::new(CONVERSA)
            .args(["serve", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.as_mut().expect("piped"));
        said.read_line(&mut line).expect("it says where it listens");
        let url = line.trim().strip_prefix("listening on ").expect("it listens").to_owned();
        Self(child, url)
    }

    async fn dead_letters(&self, config: &Path, act: &[&str]) -> String {
        let (url, config, act) = (
            self.1.clone(),
            config.to_owned(),
            act.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(),
        );
        let run = move || {
            Command::new(CONVERSA)
                .arg("dead-letters")
                .args(act)
                .args(["--url", &url, "--config"])
                .arg(config)
                .output()
        };
        let output = tokio::task::spawn_blocking(run).await.expect("it ends").expect("the binary runs");
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }
}

impl Drop for Node {
    /// SIGKILL.
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that answers as `status` says and hands on what it gets.
async fn server(status: Arc<AtomicU16>) -> (String, mpsc::UnboundedReceiver<Value>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}/", listener.local_addr().expect("it is bound"));
    let (send, got) = mpsc::unbounded_channel();
    let take = move |body: String| async move {
        // The test may have ended.
        let _ = send.send(serde_json::from_str(&body).unwrap_or_default());
        StatusCode::from_u16(status.load(Ordering::Relaxed)).expect("a status")
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(take)).await });
    (url, got)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_message_is_answered_after_kill_9_and_a_call_that_was_given_up_is_made_again() {
    let status = Arc::new(AtomicU16::new(422));
    let (hook, mut got) = server(Arc::clone(&status)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("conversa.toml");
    let text = format!(
        r#"
        [node]
        listen = "127.0.0.1:0"
        data = "data"
        development = true
        [push]
        allow_hosts = ["127.0.0.1"]
        [[channels]]
        name = "shop"
        tenant = "t"
        kind = "http"
        url = "{hook}"
        secrets = ["whsec_{}"]
        [[tenants]]
        id = "t"
        queues = [{{ id = "q", name_zh = "客服", name_en = "Care" }}]
        bot = {{ id = "b", name = "B" }}
        "#,
        STANDARD.encode(SECRET)
    );
    std::fs::write(&config, text).expect("the folder is ours");
    let node = Node::start(&config);
    let content = json!({ "type": "text", "text": "怎么退货" });
    let body =
        json!({ "type": "message", "id": "m1", "user": { "id": "1" }, "lang": "zh", "content": content });
    let (body, timestamp) = (body.to_string(), (WallClock::default().now().ms() / 1_000).to_string());
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).expect("a key");
    mac.update(format!("wh_1.{timestamp}.{body}").as_bytes());
    let answer = reqwest::Client::new()
        .post(format!("{}/v1/channels/shop/inbound", node.1))
        .header("webhook-id", "wh_1")
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        .body(body)
        .send()
        .await
        .expect("it answers");
    assert_eq!(answer.status(), 200);
    drop(node);

    let node = Node::start(&config);
    let first = got.recv().await.expect("the bot's answer comes");
    assert_eq!(first["user"]["id"], "1");
    let mut listed = String::new();
    for _ in 0..600 {
        listed = node.dead_letters(&config, &["list"]).await;
        if !listed.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let id = first["id"].as_str().expect("a message");
    assert_eq!(listed, format!("1\tshop\t{id}\tthe receiver answered 422\n"));
    drop(node);

    status.store(200, Ordering::Relaxed);
    let node = Node::start(&config);
    while got.try_recv().is_ok() {}
    assert_eq!(node.dead_letters(&config, &["replay", "1"]).await, "1 is tried again\n");
    assert_eq!(got.recv().await.expect("it comes again")["id"], id);
    assert_eq!(node.dead_letters(&config, &["list"]).await, "");
    let unknown = node.dead_letters(&config, &["drop", "1"]).await;
    assert!(unknown.contains("there is no such dead letter"), "{unknown}");
}
