//! What carries a test client's frames: a WebSocket, or requests where there is none. And how a line of requests behaves.

use std::collections::VecDeque;

use conversa_gateway::Running;
use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::documents;
use super::protocol::{Client, ENCODINGS, encode, node, socket, stop, token};

/// Named in the place of a subprotocol.
pub(super) const HTTP: &str = "requests";

pub(super) enum Stream {
    Socket(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
    Requests(Requests),
}

impl Stream {
    pub(super) async fn send(&mut self, message: Message) -> Result<(), Error> {
        match self {
            Self::Socket(socket) => socket.send(message).await,
            Self::Requests(requests) => requests.send(message).await,
        }
    }

    pub(super) async fn next(&mut self) -> Option<Result<Message, Error>> {
        match self {
            Self::Socket(socket) => socket.next().await,
            Self::Requests(requests) => requests.next().await.map(Ok),
        }
    }
}

pub(super) struct Requests {
    base: String,
    http: reqwest::Client,
    line: Option<String>,
    since: u64,
    frames: VecDeque<Value>,
}

impl Requests {
    pub(super) fn new(node: &Running) -> Self {
        let base = format!("http://{}", node.address);
        Self { base, http: reqwest::Client::new(), line: None, since: 0, frames: VecDeque::new() }
    }

    async fn send(&mut self, message: Message) -> Result<(), Error> {
        let text = message.into_text()?;
        // Bytes that are no frame cannot be put into a list; the line takes what is closest to them.
        let frame = serde_json::from_str::<Value>(&text).unwrap_or_else(|_| json!(text.to_string()));
        let mut url = format!("{}/v1/send?since={}", self.base, self.since);
        if let Some(line) = &self.line {
            url.push_str(&format!("&line={line}"));
        }
        let answer = self.http.post(url).json(&[frame]).send().await.expect("it answers");
        if answer.status() == 410 {
            return Err(Error::ConnectionClosed);
        }
        let mut answer = documents::answered(&Method::POST, answer).await;
        if let Some(line) = answer["line"].as_str() {
            self.line = Some(line.to_owned());
        }
        self.took(&mut answer);
        Ok(())
    }

    fn took(&mut self, answer: &mut Value) {
        self.since = answer["since"].as_u64().unwrap_or(self.since);
        if let Value::Array(frames) = answer["frames"].take() {
            self.frames.extend(frames);
        }
    }

    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                if frame["t"] != "bye" {
                    return Some(Message::text(frame.to_string()));
                }
                let code = u16::try_from(frame["code"].as_u64()?).ok()?;
                return Some(Message::Close(Some(CloseFrame { code: code.into(), reason: "".into() })));
            }
            let url = format!("{}/v1/events?line={}&since={}", self.base, self.line.as_deref()?, self.since);
            let answer = self.http.get(url).send().await.expect("it answers");
            if answer.status() == 410 {
                return None;
            }
            let mut answer = documents::answered(&Method::GET, answer).await;
            self.took(&mut answer);
        }
    }
}

#[tokio::test]
async fn a_stream_of_events_begins_again_where_it_was_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let base = format!("http://{}", node.address);
    let http = reqwest::Client::new();
    let token = token(&node, "visitor", "vi_1").await;
    let connect = json!([{ "t": "connect", "d": { "token": token, "role": "visitor", "device": "d1" } }, { "t": "req", "id": 1, "m": "conversation.open", "d": {} }]);
    let answer = http.post(format!("{base}/v1/send")).json(&connect).send().await.expect("it answers");
    let opened: Value = answer.json().await.expect("JSON");
    let line = opened["line"].as_str().expect("a line").to_owned();
    let frames = opened["frames"].as_array().expect("a list");
    assert_eq!(frames[0]["t"], "welcome");
    assert!(frames.iter().any(|frame| frame["t"] == "res" && frame["id"] == 1), "{opened}");
    // Read from the beginning, twice: nothing was confirmed.
    for (last, first) in [("0", "id: 1\n"), ("1", "id: 2\n")] {
        let ask = http.get(format!("{base}/v1/events?line={line}")).header("accept", "text/event-stream");
        let mut stream = ask.header("last-event-id", last).send().await.expect("it answers");
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        let piece = stream.chunk().await.expect("it flows").expect("something");
        let piece = String::from_utf8(piece.to_vec()).expect("text");
        assert!(piece.starts_with(first) && piece.contains("\ndata: {"), "{piece}");
    }
    // The first was confirmed by asking for what comes after it.
    let again = http.get(format!("{base}/v1/events?line={line}&since=0")).send().await.expect("it answers");
    assert_eq!(again.status(), 410);
    for (path, status) in [("/v1/events", 400), ("/v1/events?line=ln_no", 410)] {
        assert_eq!(http.get(format!("{base}{path}")).send().await.expect("it answers").status(), status);
    }
    let none = http.post(format!("{base}/v1/send")).json(&json!([])).send().await.expect("it answers");
    assert_eq!(none.status(), 400);
    stop(node).await;
}

#[tokio::test]
async fn a_line_goes_on_with_the_stream_of_a_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let (client, welcome) = Client::come(&node, "visitor", "vi_1", "d1", ENCODINGS[0], json!({})).await;
    drop(client);
    let mut stream = socket(&node, HTTP).await.expect("it connects");
    let token = token(&node, "visitor", "vi_1").await;
    let resume = json!({ "session": welcome["session"], "resume_token": welcome["resume_token"], "s": 0 });
    let d = json!({ "token": token, "role": "visitor", "device": "d1", "resume": resume });
    stream.send(encode(ENCODINGS[2].0, &json!({ "t": "connect", "d": d }))).await.expect("sent");
    let mut client = Client::of(stream, ENCODINGS[2].0);
    assert_eq!(client.next().await["d"]["resumed"], "full");
    assert_eq!(client.next().await["k"], "snapshot");
    stop(node).await;
}
