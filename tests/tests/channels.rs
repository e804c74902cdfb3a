//! Every channel's adapter passes the one suite; what comes in is taken in once, whatever dies; who is away is told on a device.

use std::sync::Arc;
use std::time::Duration;

use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::{Conversation, Reach, Session, SessionCommand, intake};
use conversa_actors::letter::Payload;
use conversa_actors::port::outside::Taken;
use conversa_engine::content::Content;
use conversa_engine::conversation::{Author, AuthorKind, Command, Say};
use conversa_engine::ids::{PersonId, TenantId};
use conversa_engine::refusal::Code;
use conversa_gateway::Running;
use conversa_tests::foreign::{Foreign, Got, node, secret, signature, stop, token};
use conversa_tests::solo::Solo;
use conversa_tests::suite::{CHANNEL, Knock, System};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// The generic channel.
struct Http;

fn signed(now_s: i64, body: String) -> Knock {
    let (id, timestamp) = ("wh_1".to_owned(), now_s.to_string());
    let signature = signature(&id, &timestamp, &body);
    let headers = [("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signature)];
    Knock { headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(), body }
}

impl System for Http {
    fn config(&self, url: &str) -> String {
        format!(
            "[[channels]]\nname = \"shop\"\ntenant = \"clearbrook\"\nkind = \"http\"\nurl = \"{url}\"\nsecrets = [\"{}\"]\n",
            secret()
        )
    }

    fn message(&self, now_s: i64, id: &str, user: &str, text: &str) -> Knock {
        let content = json!({ "type": "text", "text": text });
        let body =
            json!({ "type": "message", "id": id, "user": { "id": user }, "lang": "zh", "content": content });
        signed(now_s, body.to_string())
    }

    fn status(&self, now_s: i64, message: &str, state: &str) -> Knock {
        signed(now_s, json!({ "type": "status", "message": message, "state": state }).to_string())
    }

    fn malformed(&self, now_s: i64) -> Knock {
        signed(now_s, "{\"type\": \"message\", \"id\": ".into())
    }

    fn forged(&self, mut knock: Knock) -> Knock {
        knock.body.push(' ');
        knock
    }

    fn sent(&self, got: &Got) -> Option<(String, String)> {
        let header = |name: &str| got.headers.get(name).and_then(|value| value.to_str().ok());
        let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
        let right = header("webhook-signature")? == signature(id, timestamp, &got.body.to_string());
        let named = got.body["id"] == id && header("idempotency-key") == Some(id);
        let words = got.body["content"]["text"].as_str()?;
        (right && named).then(|| (id.to_owned(), words.to_owned()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_generic_channel_keeps_what_a_channel_promises() {
    for case in CHANNEL {
        println!("{case:?}");
        (case.check)(Arc::new(Http)).await;
    }
}

/// One message, asked again until it is answered, as a channel does.
fn taken_in(fuse: Option<usize>) -> (Solo, bool) {
    let mut solo = Solo::new("intake", "vi_shop.1", |_| Ok(Taken::Delivered));
    solo.fuse = fuse.map(|fuse| solo.performed + fuse);
    let message = || {
        let content = Content::text("hello");
        let (channel, id) = ("shop".to_owned(), "m1".to_owned());
        Payload::of(intake::Command { channel, id, name: "Li".into(), language: "zh".into(), content })
    };
    let answer = solo.try_ask(message());
    solo.fuse = None;
    if !solo.alive() {
        solo.wake();
    }
    let known = match answer {
        Some(answer) => answer.is_ok(),
        None => solo.ask(message()).is_err_and(|refusal| refusal.code == Code::Duplicate),
    };
    (solo, known)
}

#[test]
fn a_crash_at_any_point_takes_a_channels_message_in_once() {
    let effects = taken_in(None).0.performed;
    let mut unanswered = 0;
    for fuse in 0..effects {
        let (solo, known) = taken_in(Some(fuse));
        unanswered += usize::from(known);
        let mut ids: Vec<_> = solo.sent.iter().map(|letter| letter.id).collect();
        ids.dedup();
        assert_eq!(ids.len(), 1, "crash before effect {fuse}: {:?}", solo.sent);
    }
    assert!(unanswered > 0 && effects > 5, "{unanswered} of {effects}");
}

fn address(kind: &'static str, key: &str) -> Address {
    Address::new(TenantId::new("clearbrook"), kind, key)
}

async fn say(node: &Running, cv: &str, words: &str) {
    let author = Author { kind: AuthorKind::Bot, id: PersonId::new("qing"), name: "Qing".into() };
    let say = Say::new(author, Content::text(words));
    let to = address(Conversation::KIND, cv);
    node.host().ask(&to, Payload::of(Command::Say(say))).await.expect("the bot may speak");
}

async fn open(node: &Running) -> String {
    let session = address(Session::KIND, "vi_1");
    let (channel, language, name) = ("app".to_owned(), "zh".to_owned(), "Li".to_owned());
    let open = SessionCommand::Open { channel, language, name };
    node.host().ask(&session, Payload::of(open)).await.expect("it opens");
    let view = node.host().view_json(&session).await.expect("it answers");
    let cv = view["live"]["app"].as_str().expect("it is live").to_owned();
    // The session's letter takes its way.
    while node.host().view_json(&address(Conversation::KIND, &cv)).await.expect("it answers").is_null() {
        tokio::task::yield_now().await;
    }
    cv
}

async fn devices(node: &Running, token: &str, body: Value) -> (u16, Value) {
    let url = format!("http://{}/v1/devices", node.address);
    let answer = reqwest::Client::new().post(url).bearer_auth(token).json(&body).send().await;
    let answer = answer.expect("it answers");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_who_is_away_is_told_within_two_seconds_and_one_who_has_seen_it_is_not() {
    let (foreign, url) = Foreign::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path(), "").await;
    let token = token(&node, "visitor", "vi_1").await;
    let cases = [
        (json!({ "device": "phone", "platform": "apns", "token": "00" }), "no Apns"),
        (json!({ "device": "phone", "platform": "webhook", "token": "00" }), "send url"),
        (json!({ "device": "a b", "platform": "webhook", "url": url }), "device is 1 to 48"),
        (json!({ "device": "phone", "platform": "webhook", "url": "http://10.0.0.1/" }), "only https"),
    ];
    for (body, expected) in cases {
        let (status, answer) = devices(&node, &token, body).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer["detail"].as_str().is_some_and(|detail| detail.contains(expected)), "{answer}");
    }
    let phone = json!({ "device": "phone", "platform": "webhook", "url": url });
    assert_eq!(devices(&node, &token, phone).await.0, 200);
    let cv = open(&node).await;
    let began = tokio::time::Instant::now();
    say(&node, &cv, "first").await;
    say(&node, &cv, "second").await;
    let got = foreign.have(1).await;
    let waited = began.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(2)).contains(&waited), "{waited:?}");
    let told = &got[0].body;
    assert_eq!((&told["title"], &told["body"]), (&json!("Qing"), &json!("second")));
    assert_eq!((&told["badge"], &told["conversation"]), (&json!(2), &json!(cv)));

    // A socket that acknowledges: what it has taken is not told, and is not counted any more.
    let mut request = format!("ws://{}/v1/ws", node.address).into_client_request().expect("a request");
    request.headers_mut().insert("sec-websocket-protocol", "conversa.v1.json".parse().expect("a header"));
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.expect("it connects");
    let connect = json!({ "t": "connect", "d": { "token": token, "role": "visitor", "device": "web" } });
    socket.send(Message::text(connect.to_string())).await.expect("sent");
    say(&node, &cv, "third").await;
    loop {
        let frame = socket.next().await.expect("it goes on").expect("a frame");
        let Message::Text(text) = frame else { continue };
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        if frame["d"]["message"]["content"]["text"] == "third" {
            let ack = json!({ "t": "ack", "d": { "s": frame["s"] } });
            socket.send(Message::text(ack.to_string())).await.expect("sent");
            break;
        }
    }
    while node.host().view_json(&address(Reach::KIND, "vi_1")).await.expect("it answers")["badge"] != 0 {
        tokio::task::yield_now().await;
    }
    socket.close(None).await.expect("it closes");
    say(&node, &cv, "fourth").await;
    let got = foreign.have(2).await;
    assert_eq!(got.len(), 2, "the third was seen");
    assert_eq!((&got[1].body["body"], &got[1].body["badge"]), (&json!("fourth"), &json!(1)));

    // The device is gone: it is forgotten.
    foreign.answers(410);
    say(&node, &cv, "fifth").await;
    foreign.have(3).await;
    while node.host().view_json(&address(Reach::KIND, "vi_1")).await.expect("it answers")["items"]
        != json!([])
    {
        tokio::task::yield_now().await;
    }
    stop(node).await;
}
