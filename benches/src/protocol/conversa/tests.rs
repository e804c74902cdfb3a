//! Frames by the contract in, what the client makes of them out.

use std::fmt::Write;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{Conversa, Directory, Encoding, Errand, Leg, Seat};
use crate::protocol::{Event, Protocol};

fn client(errand: Errand, encoding: Encoding) -> Conversa {
    let directory = Directory::default();
    directory.borrow_mut().insert("cv_1".into(), 7);
    Conversa::new(Seat { id: "ag_b0".into(), token: "t".into() }, 7, errand, encoding, directory)
}

/// Feeds frames, and writes what came of each.
fn play(client: &mut Conversa, frames: &[Value]) -> String {
    let mut transcript = String::new();
    for frame in frames {
        let mut events = Vec::new();
        let frame = client.encoding.encode(frame);
        if let Err(error) = client.decode(frame, 0, &mut events) {
            writeln!(transcript, "error {error:#}").expect("a string takes text");
        }
        for event in events {
            let line = match event {
                Event::Message { leg, n, text } => format!("message {leg} {n:?} {text}"),
                Event::Accepted { leg, n } => format!("accepted {leg} {n}"),
                Event::Joined { pair } => format!("joined {pair}"),
                Event::Reply(message) => format!("reply {}", read(client.encoding, &message)),
                Event::PutOff { leg, n, after_ms } => format!("put off {leg} {n} {after_ms}"),
            };
            writeln!(transcript, "{line}").expect("a string takes text");
        }
    }
    transcript
}

fn read(encoding: Encoding, message: &Message) -> Value {
    encoding.decode(&message.clone().into_data()).expect("our own frame")
}

fn created(s: u64, o: u64, kind: &str, key: &Value, text: &str) -> Value {
    json!({ "t": "ev", "s": s, "k": "message.created", "cv": "cv_1", "ep": 1, "o": o, "ts": 1, "d": { "message": {
        "id": "ms_1", "cv": "cv_1", "o": o, "ts": 1, "key": key, "author": { "kind": kind, "id": "x", "name": "X" },
        "content": { "type": "text", "text": text }, "visibility": "public",
    }}})
}

#[test]
fn an_agent_takes_its_offers_and_counts_the_visitors_messages_only() {
    for encoding in [Encoding::Json, Encoding::MessagePack] {
        let mut agent = client(Errand::Serve(4), encoding);
        let offered = |s: u64, agent: &str| {
            json!({ "t": "ev", "s": s, "k": "conversation.offered", "cv": "cv_1", "ep": 1, "o": s, "ts": 1, "d": {
                "offer": "of_1", "agent": { "id": agent, "name": "A" }, "expires_ts": 2, "phase": "offered", "controller": "queue:q" }})
        };
        let frames = [
            offered(1, "ag_other"),
            offered(2, "ag_b0"),
            json!({ "t": "res", "id": (1u64 << 52) + 1, "d": { "o": 4, "ts": 1 } }),
            json!({ "t": "ev", "s": 3, "k": "conversation.assigned", "cv": "cv_1", "ep": 1, "o": 4, "ts": 1,
                "d": { "agent": { "id": "ag_b0", "name": "A" }, "phase": "assigned", "controller": "agent:ag_b0" } }),
            created(4, 5, "visitor", &json!("bench.1"), "hello"),
            created(5, 6, "bot", &Value::Null, "beep"),
            created(6, 5, "visitor", &json!("bench.1"), "again"),
            json!({ "t": "ping", "n": 9 }),
        ];
        let transcript = play(&mut agent, &frames);
        let expected = "reply {\"cv\":\"cv_1\",\"d\":{\"offer\":\"of_1\"},\"id\":4503599627370497,\"key\":\"ag_b0-accept-4503599627370497\",\
                        \"m\":\"offer.accept\",\"t\":\"req\"}\njoined 7\nmessage 0 Some(0) hello\nreply {\"n\":9,\"s\":6,\"t\":\"pong\"}\n";
        assert_eq!(transcript, expected, "{encoding:?}");
    }
}

#[test]
fn refusals_and_holes_are_errors_that_show_the_frame() {
    let mut visitor = client(Errand::Ask, Encoding::Json);
    visitor.legs.push(Leg { cv: "cv_1".into(), o: 3 });
    let sent = visitor.say(0, 4, "hi");
    assert_eq!(
        read(Encoding::Json, &sent),
        json!({ "t": "req", "id": 4, "m": "message.send", "key": "bench.5", "cv": "cv_1", "d": { "content": { "type": "text", "text": "hi" } } })
    );
    let transcript = play(
        &mut visitor,
        &[
            json!({ "t": "res", "id": 4, "d": { "id": "ms_1", "cv": "cv_1", "o": 9, "ep": 1, "ts": 1 } }),
            json!({ "t": "res", "id": 5, "err": { "code": "conflict", "msg": "expected 7", "retry": false } }),
            created(3, 10, "agent", &json!("bench.1"), "hole"),
            json!({ "t": "bye", "code": 4501, "reason": "no" }),
        ],
    );
    let lines: Vec<&str> = transcript.lines().collect();
    assert_eq!(lines.len(), 4, "{transcript}");
    assert_eq!(lines[0], "accepted 0 4");
    assert!(lines[1].contains("expected 7") && lines[1].contains("bench.6"), "{transcript}");
    assert!(
        lines[2].contains("event 3 of the stream came after 0") && lines[2].contains("hole"),
        "{transcript}"
    );
    assert!(lines[3].contains("4501"), "{transcript}");
}

#[test]
fn every_32_events_are_acknowledged() {
    let mut visitor = client(Errand::Ask, Encoding::Json);
    visitor.legs.push(Leg { cv: "cv_1".into(), o: 0 });
    let frames: Vec<Value> =
        (1..=70).map(|n| created(n, n, "agent", &json!(format!("bench.{n}")), "x")).collect();
    let transcript = play(&mut visitor, &frames);
    let replies: Vec<&str> = transcript.lines().filter(|line| line.starts_with("reply")).collect();
    assert_eq!(replies, ["reply {\"s\":32,\"t\":\"ack\"}", "reply {\"s\":64,\"t\":\"ack\"}"]);
}
