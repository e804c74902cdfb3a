//! The conformance vectors of protocol v1, played in both encodings against a real node. They are data, for authors of clients in
//! any language: `tests/vectors/README.md` explains them.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use conversa_gateway::config::{Config, TenantConfig, sample};
use conversa_gateway::wire::Encoding;
use conversa_gateway::{Running, serve};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

pub(super) use super::carried::{HTTP, Requests, Stream};

/// The last stands for no WebSocket: frames are carried by requests.
pub(super) const ENCODINGS: [(Encoding, &str); 3] = [
    (Encoding::Json, "conversa.v1.json"),
    (Encoding::MessagePack, "conversa.v1.msgpack"),
    (Encoding::Json, HTTP),
];

pub(super) fn vectors<T: for<'de> Deserialize<'de>>(name: &str) -> T {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    serde_json::from_str(&std::fs::read_to_string(file).expect("the vectors are there"))
        .expect("the vectors are JSON")
}

pub(super) async fn node(folder: &Path) -> Running {
    node_with(folder, |_| ()).await
}

/// A node whose sample company has been changed.
pub(super) async fn node_with(folder: &Path, change: impl FnOnce(&mut TenantConfig)) -> Running {
    let mut config = Config::default();
    let mut company = sample::company();
    change(&mut company);
    config.tenants.push(company);
    config.node.listen = "127.0.0.1:0".into();
    config.node.data = folder.join("data");
    config.node.development = true;
    // The vectors are asked one after the other, faster than a visitor may by default.
    config.limits.visitor_burst = 1_000;
    serve(config, folder).await.expect("a node starts")
}

pub(super) async fn stop(node: Running) {
    node.stop.stop();
    node.ended().await.expect("it stops");
}

pub(super) async fn token(node: &Running, role: &str, id: &str) -> String {
    let ask = json!({ "role": role, "id": id });
    let answer =
        reqwest::Client::new().post(format!("http://{}/v1/dev/tokens", node.address)).json(&ask).send().await;
    let answer = super::documents::answered(&reqwest::Method::POST, answer.expect("it answers")).await;
    answer["token"].as_str().expect("a token").to_owned()
}

pub(super) async fn socket(node: &Running, subprotocol: &str) -> Result<Stream, Error> {
    if subprotocol == HTTP {
        return Ok(Stream::Requests(Requests::new(node)));
    }
    let mut request = format!("ws://{}/v1/ws", node.address).into_client_request().expect("a request");
    if !subprotocol.is_empty() {
        request.headers_mut().insert("sec-websocket-protocol", subprotocol.parse().expect("a header"));
    }
    connect_async(request).await.map(|(stream, _)| Stream::Socket(Box::new(stream)))
}

pub(super) fn encode(encoding: Encoding, frame: &Value) -> Message {
    let bytes = conversa_gateway::wire::encode(encoding, frame);
    match encoding {
        Encoding::Json => Message::text(String::from_utf8(bytes).expect("JSON is text")),
        Encoding::MessagePack => Message::binary(bytes),
    }
}

fn decode(message: &Message) -> Option<Value> {
    match message {
        Message::Text(text) => serde_json::from_str(text).ok(),
        Message::Binary(bytes) => rmp_serde::from_slice(bytes).ok(),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => None,
    }
}

/// A connected client.
pub(super) struct Client {
    pub(super) stream: Stream,
    pub(super) encoding: Encoding,
    id: u64,
    /// Frames that came before an answer which was waited for.
    passed: VecDeque<Value>,
}

impl Client {
    /// A client on a socket that has said something already.
    pub(super) fn of(stream: Stream, encoding: Encoding) -> Self {
        Self { stream, encoding, id: 0, passed: VecDeque::new() }
    }

    pub(super) async fn connect(
        node: &Running,
        role: &str,
        id: &str,
        device: &str,
        (encoding, subprotocol): (Encoding, &str),
    ) -> Self {
        let (mut client, welcome) =
            Self::come(node, role, id, device, (encoding, subprotocol), json!({})).await;
        assert_eq!(welcome["resumed"], "none");
        let snapshot = client.next().await;
        assert_eq!((&snapshot["k"], &snapshot["s"]), (&json!("snapshot"), &json!(1)));
        client
    }

    /// Connects with more in the first frame; gives the welcome's `d`.
    pub(super) async fn come(
        node: &Running,
        role: &str,
        id: &str,
        device: &str,
        (encoding, subprotocol): (Encoding, &str),
        more: Value,
    ) -> (Self, Value) {
        let mut stream = socket(node, subprotocol).await.expect("it connects");
        let token = token(node, role, id).await;
        let mut d = json!({ "token": token, "role": role, "device": device });
        let map = d.as_object_mut().expect("a map");
        map.extend(more.as_object().expect("a map").clone());
        stream.send(encode(encoding, &json!({ "t": "connect", "d": d }))).await.expect("sent");
        let mut client = Self { stream, encoding, id: 0, passed: VecDeque::new() };
        let mut welcome = client.next().await;
        assert_eq!(welcome["t"], "welcome", "{welcome}");
        let d = welcome["d"].take();
        (client, d)
    }

    /// Sends a frame as it is.
    pub(super) async fn send(&mut self, frame: Value) {
        self.stream.send(encode(self.encoding, &frame)).await.expect("sent");
    }

    /// The next frame of which `wanted` says so; others are passed over.
    pub(super) async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.next().await;
            if wanted(&frame) {
                return frame;
            }
        }
    }

    pub(super) async fn next(&mut self) -> Value {
        match self.passed.pop_front() {
            Some(frame) => frame,
            None => self.receive().await,
        }
    }

    async fn receive(&mut self) -> Value {
        loop {
            let message = self.stream.next().await.expect("the stream goes on").expect("a message");
            if let Some(frame) = decode(&message) {
                super::schema::sent_by_the_node(&frame);
                return frame;
            }
        }
    }

    /// The response to a request; what comes before it is still there for [`Self::next`].
    pub(super) async fn ask(&mut self, mut request: Value) -> Value {
        self.id += 1;
        let id = self.id;
        let map = request.as_object_mut().expect("a request is a map");
        map.insert("t".into(), "req".into());
        map.insert("id".into(), id.into());
        self.stream.send(encode(self.encoding, &request)).await.expect("sent");
        loop {
            let frame = self.receive().await;
            if frame["t"] == "res" && frame["id"] == id {
                super::documents::asked(&request, &frame);
                return frame;
            }
            self.passed.push_back(frame);
        }
    }
}

#[derive(Deserialize)]
struct Frame {
    name: String,
    frame: Value,
    msgpack: String,
}

#[test]
fn both_encodings_carry_the_same_data() {
    for Frame { name, frame, msgpack } in vectors::<Vec<Frame>>("frames.json") {
        let bytes = conversa_gateway::wire::encode(Encoding::MessagePack, &frame);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, msgpack, "{name}");
        let back: Value = rmp_serde::from_slice(&bytes).expect("it is MessagePack");
        assert_eq!(back, frame, "{name}");
    }
}

#[derive(Deserialize)]
struct Asked {
    name: String,
    role: String,
    req: Value,
    #[serde(default)]
    err: Option<String>,
    #[serde(default)]
    d: Option<Value>,
}

/// True when everything in `expected` is in `found`.
fn within(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| within(value, found)))
        }
        (expected, found) => expected == found,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_has_the_answer_of_the_vectors() {
    for encoding in ENCODINGS {
        let folder = tempfile::tempdir().expect("a folder");
        let node = node(folder.path()).await;
        let mut visitor = Client::connect(&node, "visitor", "vi_1", "d1", encoding).await;
        let mut stranger = Client::connect(&node, "visitor", "vi_2", "d1", encoding).await;
        let mut agent = Client::connect(&node, "agent", "ag_mei", "d1", encoding).await;
        let opened = visitor.ask(json!({ "m": "conversation.open", "d": { "channel": "web" } })).await;
        let cv = opened["d"]["cv"].as_str().expect("a conversation").to_owned();
        for Asked { name, role, req, err, d } in vectors::<Vec<Asked>>("requests.json") {
            let text = req.to_string().replace("$cv", &cv).replace("$long", &"长".repeat(3_000));
            let req: Value = serde_json::from_str(&text).expect("still JSON");
            let client = match role.as_str() {
                "visitor" => &mut visitor,
                "stranger" => &mut stranger,
                _ => &mut agent,
            };
            let found = client.ask(req).await;
            match (err, d) {
                (Some(err), _) => assert_eq!(found["err"]["code"], err, "{name}: {found}"),
                (None, Some(d)) => assert!(
                    within(
                        &serde_json::from_str(&d.to_string().replace("$cv", &cv)).expect("still JSON"),
                        &found["d"]
                    ),
                    "{name}: {found}"
                ),
                (None, None) => panic!("{name} expects nothing"),
            }
        }
        stop(node).await;
    }
}

#[derive(Deserialize)]
struct Closed {
    name: String,
    /// Sent after connect, or as they are when `connected` is false.
    #[serde(default)]
    connected: bool,
    frames: Vec<Value>,
    close: u16,
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_frames_close_the_socket_with_their_code_and_the_node_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    for encoding in ENCODINGS {
        for (n, Closed { name, connected, frames, close }) in
            vectors::<Vec<Closed>>("closes.json").into_iter().enumerate()
        {
            let mut stream = if connected {
                Client::connect(&node, "visitor", &format!("vi_{n}"), "d1", encoding).await.stream
            } else {
                socket(&node, encoding.1).await.expect("it connects")
            };
            let agent = token(&node, "agent", "ag_mei").await;
            for frame in frames {
                let message = match (&frame, encoding.0) {
                    (Value::String(raw), Encoding::Json) => {
                        Message::text(raw.replace("$long", &"x".repeat(40_000)))
                    }
                    (Value::String(raw), Encoding::MessagePack) => {
                        Message::binary(raw.replace("$long", &"x".repeat(40_000)).into_bytes())
                    }
                    (frame, encoding) => {
                        let text =
                            frame.to_string().replace("$agent", &agent).replace("$long", &"x".repeat(40_000));
                        encode(encoding, &serde_json::from_str(&text).expect("still JSON"))
                    }
                };
                // The node may have closed by then.
                let _ = stream.send(message).await;
            }
            let mut code = None;
            while let Some(Ok(message)) = stream.next().await {
                if let Message::Close(Some(frame)) = message {
                    code = Some(u16::from(frame.code));
                }
            }
            assert_eq!(code, Some(close), "{name} in {}", encoding.1);
        }
    }
    let mut last = Client::connect(&node, "visitor", "vi_last", "d1", ENCODINGS[0]).await;
    assert!(last.ask(json!({ "m": "conversation.open" })).await["d"]["cv"].is_string());
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upgrade_is_refused_without_a_subprotocol_or_from_a_foreign_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let Err(Error::Http(refused)) = socket(&node, "").await else { panic!("it has no subprotocol") };
    assert_eq!(refused.status(), 400);
    let Err(Error::Http(refused)) = socket(&node, "chat").await else { panic!("it is another subprotocol") };
    assert_eq!(refused.status(), 400);
    let mut request = format!("ws://{}/v1/ws", node.address).into_client_request().expect("a request");
    request.headers_mut().insert("sec-websocket-protocol", "conversa.v1.json".parse().expect("a header"));
    request.headers_mut().insert("origin", "https://evil.example".parse().expect("a header"));
    let Err(Error::Http(refused)) = connect_async(request).await else { panic!("it is a foreign page") };
    assert_eq!(refused.status(), 403);
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_comes_back_is_shown_what_it_missed_once_and_in_order() {
    for encoding in ENCODINGS {
        let folder = tempfile::tempdir().expect("a folder");
        let node = node(folder.path()).await;
        let mut phone = Client::connect(&node, "visitor", "vi_1", "phone", encoding).await;
        let opened = phone.ask(json!({ "m": "conversation.open" })).await;
        let cv = opened["d"]["cv"].as_str().expect("a conversation").to_owned();
        let say = |n: u64| json!({ "m": "message.send", "cv": cv, "key": format!("phone.{n}"), "d": { "content": { "type": "text", "text": format!("第 {n} 句") } } });
        let first = phone.ask(say(1)).await["d"]["o"].as_u64().expect("an offset");
        phone.ask(say(2)).await;
        drop(phone);
        // The laptop stood at the first message.
        let mut stream = socket(&node, encoding.1).await.expect("it connects");
        let token = token(&node, "visitor", "vi_1").await;
        let connect = json!({ "t": "connect", "d": { "token": token, "role": "visitor", "device": "laptop", "resume": { "pos": { &cv: [1, first] } } } });
        stream.send(encode(encoding.0, &connect)).await.expect("sent");
        let mut laptop = Client { stream, encoding: encoding.0, id: 0, passed: VecDeque::new() };
        assert_eq!(laptop.next().await["d"]["resumed"], "positions");
        assert_eq!(laptop.next().await["k"], "snapshot");
        let (mut offsets, mut streams) = (Vec::new(), Vec::new());
        while offsets.len() < 3 {
            let frame = laptop.next().await;
            offsets.push(frame["o"].as_u64().expect("an offset"));
            streams.push(frame["s"].as_u64().expect("a number"));
        }
        assert_eq!(offsets, [first + 1, first + 2, first + 3]);
        assert_eq!(streams, [2, 3, 4]);
        // A repeat with the same key is told its first offset; another body under the same key is refused.
        let again = laptop.ask(say(1)).await;
        assert!(again["err"].is_null() || again["d"]["dup"] == true, "{again}");
        stop(node).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_socket_of_the_same_device_replaces_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let mut first = Client::connect(&node, "visitor", "vi_1", "phone", ENCODINGS[0]).await;
    let _second = Client::connect(&node, "visitor", "vi_1", "phone", ENCODINGS[0]).await;
    let bye = first.next().await;
    assert_eq!((&bye["t"], &bye["code"]), (&json!("bye"), &json!(4509)));
    stop(node).await;
}
