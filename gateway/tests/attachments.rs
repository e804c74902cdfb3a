//! Files of messages over real sockets: what is taken, what is refused, who may read, and what a restart leaves.

use conversa_gateway::Running;
use conversa_gateway::config::{AttachmentsKind, Config, S3Config, sample};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::documents;
use super::outside::Node as Process;
use super::protocol::{Client as Socket, ENCODINGS, node, stop, token};
use super::s3;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";

struct Person {
    url: String,
    token: String,
}

impl Person {
    async fn new(node: &Running, role: &str, id: &str) -> Self {
        Self { url: format!("http://{}", node.address), token: token(node, role, id).await }
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Response {
        let mut ask =
            Client::new().request(method, format!("{}{path}", self.url)).bearer_auth(&self.token).body(body);
        for (name, value) in headers {
            ask = ask.header(*name, *value);
        }
        ask.send().await.expect("it answers")
    }

    async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path, &[], Vec::new()).await
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let json = [("content-type", "application/json")];
        let answer = self.ask(Method::POST, path, &json, body.to_string().into_bytes()).await;
        (answer.status(), documents::answered(&Method::POST, answer).await)
    }

    async fn prepare(&self, name: &str, mime: &str, bytes: usize) -> (StatusCode, Value) {
        self.post("/v1/attachments", json!({ "name": name, "mime": mime, "bytes": bytes })).await
    }

    async fn put(&self, prepared: &Value, body: &[u8]) -> StatusCode {
        let url = prepared["upload_url"].as_str().expect("a URL");
        let answer = self.ask(Method::PUT, url, &[], body.to_vec()).await;
        let status = answer.status();
        documents::answered(&Method::PUT, answer).await;
        status
    }

    async fn complete(&self, prepared: &Value) -> (StatusCode, Value) {
        let url = prepared["upload_url"].as_str().expect("a URL");
        self.post(&format!("{url}/complete"), json!({})).await
    }

    async fn picture(&self) -> Value {
        let (status, prepared) = self.prepare("猫 \"1\".png", "image/png", PNG.len()).await;
        assert_eq!(status, 200, "{prepared}");
        assert_eq!(self.put(&prepared, PNG).await, 200);
        let (status, done) = self.complete(&prepared).await;
        assert_eq!(status, 200, "{done}");
        done["att"].clone()
    }
}

fn image(att: &Value) -> Value {
    json!({ "key": "d.1", "content": { "type": "image", "alt": "a cat", "att": att } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_uploaded_checked_sealed_and_read_by_its_people_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let (ann, bob) =
        (Person::new(&node, "visitor", "vi_ann").await, Person::new(&node, "visitor", "vi_bob").await);
    let agent = Person::new(&node, "agent", "ag_lin").await;
    let att = ann.picture().await;
    assert_eq!((att["bytes"].as_u64(), &att["mime"]), (Some(PNG.len() as u64), &json!("image/png")));
    let url = att["url"].as_str().expect("a URL");

    let whole = ann.get(url).await;
    let header = |name: &str| whole.headers()[name].to_str().expect("text").to_owned();
    assert_eq!(header("content-type"), "image/png");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("content-security-policy"), "default-src 'none'; sandbox");
    let named = "inline; filename=\"_ _1_.png\"; filename*=UTF-8''%E7%8C%AB%20%221%22.png";
    assert_eq!(header("content-disposition"), named);
    assert_eq!(&whole.bytes().await.expect("it comes")[..], PNG);
    let part = ann.ask(Method::GET, url, &[("range", "bytes=1-3")], Vec::new()).await;
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], format!("bytes 1-3/{}", PNG.len()));
    assert_eq!(&part.bytes().await.expect("it comes")[..], b"PNG");
    let beyond = ann.ask(Method::GET, url, &[("range", "bytes=900-")], Vec::new()).await;
    assert_eq!(beyond.status(), 416);

    assert_eq!(bob.get(url).await.status(), 404, "another visitor");
    assert_eq!(agent.get(url).await.status(), 200, "the company's people");
    let guessed = format!("{}A", &url[..url.len() - 1]);
    let other = format!("{}B", &url[..url.len() - 1]);
    let wrong = if guessed == url { other } else { guessed };
    assert_eq!(ann.get(&wrong).await.status(), 404);
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_as_declared_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let (ann, bob) =
        (Person::new(&node, "visitor", "vi_ann").await, Person::new(&node, "visitor", "vi_bob").await);
    let refused = |(status, problem): (StatusCode, Value)| {
        (status.as_u16(), problem["code"].as_str().expect("a code").to_owned(), problem["field"].clone())
    };
    let huge = refused(ann.prepare("a.png", "image/png", 1 << 40).await);
    assert_eq!(huge, (413, "payload_too_large".into(), json!("bytes")));
    let page = refused(ann.prepare("a.html", "text/html", 9).await);
    assert_eq!(page, (400, "unsupported_content".into(), json!("mime")));
    let path = refused(ann.prepare("../a.png", "image/png", 9).await);
    assert_eq!(path, (400, "bad_request".into(), json!("name")));

    let (_, small) = ann.prepare("a.png", "image/png", PNG.len()).await;
    assert_eq!(refused(ann.complete(&small).await).0, 409, "nothing was uploaded");
    assert_eq!(bob.put(&small, PNG).await, 404, "a foreign id");
    assert_eq!(bob.complete(&small).await.0, 404);
    assert_eq!(ann.put(&small, &[PNG, b"more"].concat()).await, 413);
    assert_eq!(ann.put(&small, &PNG[..9]).await, 400, "too little");
    assert_eq!(refused(ann.complete(&small).await).0, 409, "nothing whole was uploaded");
    assert_eq!(ann.put(&small, PNG).await, 200, "and again, whole");
    let first = ann.complete(&small).await;
    assert_eq!(
        (first.0.as_u16(), &first),
        (200, &ann.complete(&small).await),
        "asked again it says the same"
    );
    assert_eq!(ann.put(&small, PNG).await, 409, "what was checked is not swapped");

    let (_, posing) = ann.prepare("a.png", "image/png", 24).await;
    assert_eq!(ann.put(&posing, b"<!DOCTYPE html><script>x").await, 200);
    let posed = refused(ann.complete(&posing).await);
    assert_eq!(posed, (400, "unsupported_content".into(), json!("mime")));
    assert_eq!(ann.complete(&posing).await.0, 404, "it was removed");
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_sealed_file_of_the_sender_is_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let (ann, bob) =
        (Person::new(&node, "visitor", "vi_ann").await, Person::new(&node, "visitor", "vi_bob").await);
    let att = ann.picture().await;
    let mut socket = Socket::connect(&node, "visitor", "vi_ann", "d", ENCODINGS[0]).await;
    let opened = socket.ask(json!({ "m": "conversation.open", "d": {} })).await;
    let cv = opened["d"]["cv"].as_str().expect("a conversation").to_owned();
    let of_ann = format!("/v1/conversations/{cv}/messages");
    let refused = |(status, problem): (StatusCode, Value)| (status.as_u16(), problem["field"].clone());
    let mut other = att.clone();
    other["bytes"] = json!(7);
    let wrong = (400, json!("content.att.id"));
    assert_eq!(refused(ann.post(&of_ann, image(&other)).await), wrong, "altered");
    let mut bare = att.clone();
    bare.as_object_mut().expect("a map").remove("id");
    assert_eq!(refused(ann.post(&of_ann, image(&bare)).await), wrong, "without its id");
    let foreign = bob.picture().await;
    assert_eq!(refused(ann.post(&of_ann, image(&foreign)).await), wrong, "of somebody else");
    let mut elsewhere = att.clone();
    elsewhere["url"] = json!("https://other.example/a.png");
    assert_eq!(refused(ann.post(&of_ann, image(&elsewhere)).await).1, "content.att.url");
    let d = json!({ "content": image(&other)["content"] });
    let said = socket.ask(json!({ "m": "message.send", "cv": cv, "key": "d.1", "d": d })).await;
    assert_eq!(said["err"]["field"], "content.att.id", "{said}");
    let (status, sent) = ann.post(&of_ann, image(&att)).await;
    assert_eq!(status, 200, "{sent}");
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_between_put_and_complete_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("conversa.toml");
    let text = "[node]\nlisten = \"127.0.0.1:0\"\ndata = \"data\"\ndevelopment = true\n";
    std::fs::write(&config, text).expect("the folder is ours");
    let process = Process::start(&config);
    let mut ann = Person { url: process.1.clone(), token: String::new() };
    let (_, got) = ann.post("/v1/dev/tokens", json!({ "role": "visitor", "id": "vi_ann" })).await;
    got["token"].as_str().expect("a token").clone_into(&mut ann.token);
    let (_, prepared) = ann.prepare("a.png", "image/png", PNG.len()).await;
    assert_eq!(ann.put(&prepared, PNG).await, 200);
    drop(process);
    let process = Process::start(&config);
    ann.url.clone_from(&process.1);
    let (status, done) = ann.complete(&prepared).await;
    assert_eq!(status, 200, "{done}");
    let url = done["att"]["url"].as_str().expect("a URL");
    assert_eq!(&ann.get(url).await.bytes().await.expect("it comes")[..], PNG);
}

/// A node with data of its own and files in a bucket.
async fn over(server: &s3::Server, folder: &std::path::Path) -> Running {
    let mut company = sample::company();
    company.secret = Some("a secret of thirty-two bytes 0001".into());
    let mut config = Config { tenants: vec![company], ..Config::default() };
    config.node.listen = "127.0.0.1:0".into();
    config.node.data = folder.to_owned();
    config.node.development = true;
    config.attachments.kind = AttachmentsKind::S3;
    config.attachments.s3 = S3Config {
        bucket: s3::BUCKET.into(),
        endpoint: Some(server.url.clone()),
        key_id: Some(s3::KEY_ID.into()),
        secret: Some(s3::SECRET.into()),
        ..S3Config::default()
    };
    conversa_gateway::serve(config, folder).await.expect("a node starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_share_a_bucket_take_and_show_each_other_s_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = s3::Server::start(&folder.path().join("s3"), None).await;
    let (one, two) =
        (over(&server, &folder.path().join("1")).await, over(&server, &folder.path().join("2")).await);
    let here = Person::new(&one, "visitor", "vi_ann").await;
    let there = Person::new(&two, "visitor", "vi_ann").await;
    let (_, prepared) = here.prepare("a.png", "image/png", PNG.len()).await;
    assert_eq!(there.put(&prepared, PNG).await, 200);
    let (status, done) = here.complete(&prepared).await;
    assert_eq!(status, 200, "{done}");
    assert!(server.asked().iter().any(|name| name == "PutObject"), "it lies in the bucket");
    let url = done["att"]["url"].as_str().expect("a URL");
    for person in [&here, &there] {
        let part = person.ask(Method::GET, url, &[("range", "bytes=1-3")], Vec::new()).await;
        assert_eq!(part.headers()["content-type"], "image/png");
        assert_eq!(&part.bytes().await.expect("it comes")[..], b"PNG");
    }
    let mut socket = Socket::connect(&two, "visitor", "vi_ann", "d", ENCODINGS[0]).await;
    let opened = socket.ask(json!({ "m": "conversation.open", "d": {} })).await;
    let d = json!({ "content": image(&done["att"])["content"] });
    let said =
        socket.ask(json!({ "m": "message.send", "cv": opened["d"]["cv"], "key": "d.1", "d": d })).await;
    assert!(said["err"].is_null(), "{said}");
    stop(one).await;
    stop(two).await;
}
