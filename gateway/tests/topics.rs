//! Topics over real sockets: an agent reads a conversation that it does not hold, a supervisor sees how a queue stands.

use serde_json::{Value, json};

use super::protocol::{Client, ENCODINGS, node, stop};

/// The next frame of this kind.
async fn next(client: &mut Client, kind: &str) -> Value {
    loop {
        let frame = client.next().await;
        if frame["k"] == kind {
            return frame;
        }
    }
}

fn says(cv: &str, n: u64) -> Value {
    let content = json!({ "type": "text", "text": format!("words {n}") });
    json!({ "m": "message.send", "cv": cv, "key": format!("d1.{n}"), "d": { "content": content } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_followed_from_a_place_on_and_no_longer() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    for (n, encoding) in ENCODINGS.into_iter().enumerate() {
        let mut visitor = Client::connect(&node, "visitor", &format!("vi_{n}"), "d1", encoding).await;
        let mut agent = Client::connect(&node, "agent", "ag_mei", "d1", encoding).await;
        let opened = visitor.ask(json!({ "m": "conversation.open", "d": {} })).await;
        let cv = opened["d"]["cv"].as_str().expect("a conversation").to_owned();
        visitor.ask(says(&cv, 1)).await;
        let followed = agent.ask(json!({ "m": "sub", "d": { "topic": format!("cv:{cv}"), "pos": 1 } })).await;
        assert_eq!(followed["d"]["ep"], 1, "{followed}");
        let first = next(&mut agent, "message.created").await;
        assert_eq!((&first["o"], &first["d"]["message"]["content"]["text"]), (&json!(2), &json!("words 1")));
        visitor.ask(says(&cv, 2)).await;
        loop {
            let live = next(&mut agent, "message.created").await;
            if live["d"]["message"]["content"]["text"] == "words 2" {
                break;
            }
        }
        let unsub = json!({ "m": "unsub", "d": { "topic": format!("cv:{cv}") } });
        assert!(agent.ask(unsub).await["err"].is_null());
        visitor.ask(says(&cv, 3)).await;
        let again = agent.ask(json!({ "m": "sub", "d": { "topic": format!("cv:{cv}") } })).await;
        assert!(again["d"]["o"].as_u64().is_some_and(|o| o >= 4), "{again}");
        visitor.ask(says(&cv, 4)).await;
        let visitors = |frame: &Value| frame["d"]["message"]["author"]["kind"] == "visitor";
        let live = agent.until(visitors).await;
        assert_eq!(
            live["d"]["message"]["content"]["text"], "words 4",
            "the third came while nobody followed"
        );
    }
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_shown_as_it_stands() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let mut supervisor = Client::connect(&node, "supervisor", "su_1", "d1", ENCODINGS[0]).await;
    let mut visitor = Client::connect(&node, "visitor", "vi_1", "d1", ENCODINGS[0]).await;
    let asked = supervisor.ask(json!({ "m": "sub", "d": { "topic": "queue:support" } })).await;
    assert_eq!(asked["d"]["snapshot"]["waiting"], 0);
    let opened = visitor.ask(json!({ "m": "conversation.open", "d": {} })).await;
    let cv = opened["d"]["cv"].clone();
    visitor.ask(json!({ "m": "human.request", "cv": cv, "d": {} })).await;
    loop {
        let told = next(&mut supervisor, "queue.updated").await;
        assert_eq!((&told["t"], &told["d"]["queue"]), (&json!("eph"), &json!("support")));
        if told["d"]["waiting"] == 1 && !told["d"]["longest_wait_since_ts"].is_null() {
            break;
        }
    }
    stop(node).await;
}
