//! Streams of events: how a client goes on after its line broke, what it hears of others, and how it leaves.

use conversa_gateway::Running;
use conversa_gateway::wire::Encoding;
use serde_json::{Value, json};

use super::protocol::{Client, ENCODINGS, node, stop};

const JSON: (Encoding, &str) = ENCODINGS[0];

fn kind(k: &str) -> impl Fn(&Value) -> bool {
    move |frame| frame["k"] == k
}

async fn open(visitor: &mut Client) -> String {
    let opened = visitor.ask(json!({ "m": "conversation.open", "d": { "channel": "web" } })).await;
    opened["d"]["cv"].as_str().expect("it is open").to_owned()
}

async fn say(client: &mut Client, cv: &str, key: &str, text: &str) -> Value {
    let d = json!({ "content": { "type": "text", "text": text } });
    client.ask(json!({ "m": "message.send", "cv": cv, "key": key, "d": d })).await
}

/// A visitor and the agent who holds the visitor's conversation.
async fn talk(node: &Running) -> (Client, Client, String) {
    let mut agent = Client::connect(node, "agent", "ag_mei", "a1", ENCODINGS[1]).await;
    agent.ask(json!({ "m": "presence.set", "d": { "state": "online" } })).await;
    let mut visitor = Client::connect(node, "visitor", "vi_1", "d1", JSON).await;
    let cv = open(&mut visitor).await;
    let asked = visitor.ask(json!({ "m": "human.request", "cv": cv })).await;
    assert!(asked["err"].is_null(), "{asked}");
    let offered = agent.until(kind("conversation.offered")).await;
    let offer = offered["d"]["offer"].clone();
    let accepted = agent.ask(json!({ "m": "offer.accept", "cv": cv, "d": { "offer": offer } })).await;
    assert!(accepted["err"].is_null(), "{accepted}");
    visitor.until(kind("conversation.assigned")).await;
    (visitor, agent, cv)
}

/// The words of all messages up to `last`, and the numbers of all frames.
async fn hear(client: &mut Client, last: &str) -> (Vec<String>, Vec<u64>) {
    let (mut words, mut numbers) = (Vec::new(), Vec::new());
    loop {
        let frame = client.next().await;
        numbers.extend(frame["s"].as_u64());
        if let Some(text) = frame["d"]["message"]["content"]["text"].as_str() {
            words.push(text.to_owned());
            if text == last {
                return (words, numbers);
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_comes_back_goes_on_with_the_next_frame() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let (visitor, mut agent, cv) = talk(&node).await;
    drop(visitor);
    let (mut visitor, welcome) =
        Client::come(&node, "visitor", "vi_1", "d1", JSON, json!({ "resume": { "pos": { &cv: [1, 0] } } }))
            .await;
    assert_eq!(welcome["resumed"], "positions");
    say(&mut agent, &cv, "a1.1", "one").await;
    let (_, numbers) = hear(&mut visitor, "one").await;
    let s = *numbers.last().expect("it has numbers");
    drop(visitor);
    say(&mut agent, &cv, "a1.2", "two").await;
    say(&mut agent, &cv, "a1.3", "three").await;
    let back = json!({ "resume": { "session": welcome["session"], "resume_token": welcome["resume_token"], "s": s } });
    let (mut visitor, again) = Client::come(&node, "visitor", "vi_1", "d1", JSON, back.clone()).await;
    assert_eq!(
        (&again["resumed"], &again["session"], &again["from_s"]),
        (&json!("full"), &welcome["session"], &json!(s + 1))
    );
    let (words, numbers) = hear(&mut visitor, "three").await;
    assert_eq!(words, ["two", "three"]);
    assert_eq!(numbers, (s + 1..s + 1 + numbers.len() as u64).collect::<Vec<_>>());
    // The old token has been used; a client that shows it is served from the journal.
    let (_, late) = Client::come(&node, "visitor", "vi_1", "d1", JSON, back).await;
    assert_eq!(late["resumed"], "none");
    stop(node).await;
}

#[tokio::test]
async fn a_line_that_nobody_knows_to_be_dead_is_taken_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let (visitor, mut agent, cv) = talk(&node).await;
    drop(visitor);
    let (mut dead, welcome) = Client::come(&node, "visitor", "vi_1", "d1", JSON, json!({})).await;
    // It gets nothing any more and does not know; what was written to it is kept.
    say(&mut agent, &cv, "a1.1", "into the void").await;
    let back = json!({ "resume": { "session": welcome["session"], "resume_token": welcome["resume_token"], "s": 0 } });
    let (mut visitor, again) = Client::come(&node, "visitor", "vi_1", "d1", JSON, back).await;
    assert_eq!(again["resumed"], "full");
    let (words, numbers) = hear(&mut visitor, "into the void").await;
    assert_eq!(words, ["into the void"]);
    assert_eq!(numbers.first(), Some(&1));
    let bye = dead.until(|frame| frame["t"] == "bye").await;
    assert_eq!(bye["code"], 4509);
    // The task that lost the stream takes nothing from the one that has it.
    let page = reqwest::get(format!("http://{}/metrics", node.address)).await.expect("it answers");
    let page = page.text().await.expect("text");
    for line in ["conversa_streams_parked 0", "conversa_sockets 2"] {
        assert!(page.lines().any(|one| one == line), "{line}: {page}");
    }
    stop(node).await;
}

#[tokio::test]
async fn receipts_say_what_was_delivered_and_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let (mut visitor, mut agent, cv) = talk(&node).await;
    let said = say(&mut agent, &cv, "a1.1", "hello").await;
    let o = said["d"]["o"].as_u64().expect("an offset");
    let heard = visitor.until(kind("message.created")).await;
    visitor.send(json!({ "t": "ack", "d": { "s": heard["s"] } })).await;
    let delivered = agent.until(kind("receipt")).await;
    assert_eq!(delivered["d"], json!({ "state": "delivered", "upto": o, "by": "vi_1" }));
    let read = visitor.ask(json!({ "m": "receipt.read", "cv": cv, "d": { "upto": o } })).await;
    assert!(read["err"].is_null(), "{read}");
    let read = agent.until(kind("receipt")).await;
    assert_eq!(read["d"], json!({ "state": "read", "upto": o, "by": "vi_1" }));
    stop(node).await;
}

#[tokio::test]
async fn what_was_said_is_edited_reacted_to_answered_and_recalled() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let (mut visitor, mut agent, cv) = talk(&node).await;
    let said = say(&mut visitor, &cv, "d1.1", "helo").await;
    let id = said["d"]["id"].as_str().expect("an id").to_owned();
    let content = json!({ "type": "text", "text": "hello" });
    let edited =
        visitor.ask(json!({ "m": "message.edit", "cv": cv, "d": { "id": id, "content": content } })).await;
    assert!(edited["err"].is_null(), "{edited}");
    let seen = agent.until(kind("message.edited")).await;
    assert_eq!((&seen["d"]["id"], &seen["d"]["content"]["text"]), (&json!(id), &json!("hello")));
    agent.ask(json!({ "m": "message.react", "cv": cv, "d": { "id": id, "emoji": "👍" } })).await;
    assert_eq!(visitor.until(kind("message.reacted")).await["d"]["emoji"], "👍");
    let d = json!({ "content": { "type": "text", "text": "hi" }, "reply_to": id });
    agent.ask(json!({ "m": "message.send", "cv": cv, "key": "a1.1", "d": d })).await;
    assert_eq!(visitor.until(kind("message.created")).await["d"]["message"]["reply_to"], json!(id));
    let page = visitor.ask(json!({ "m": "history.page", "cv": cv, "d": {} })).await;
    let message = |page: &Value| {
        page["d"]["messages"]
            .as_array()
            .expect("a list")
            .iter()
            .find(|one| one["id"] == *id)
            .expect("there")
            .clone()
    };
    let now = message(&page);
    assert_eq!((&now["content"]["text"], &now["reactions"][0]["by"]), (&json!("hello"), &json!("ag_mei")));
    assert!(now["edited_ts"].is_i64());
    let other = agent.ask(json!({ "m": "message.recall", "cv": cv, "d": { "id": id } })).await;
    assert_eq!(other["err"]["code"], "forbidden");
    visitor.ask(json!({ "m": "message.recall", "cv": cv, "d": { "id": id } })).await;
    assert_eq!(agent.until(kind("message.recalled")).await["d"]["id"], json!(id));
    let again = visitor.ask(json!({ "m": "message.recall", "cv": cv, "d": { "id": id } })).await;
    assert_eq!(again["d"]["dup"], true);
    let page = agent.ask(json!({ "m": "history.page", "cv": cv, "d": {} })).await;
    assert_eq!(message(&page)["recalled"], true);
    assert!(!page.to_string().contains("hello"), "what is recalled is in nobody's sight: {page}");
    let none = visitor.ask(json!({ "m": "message.recall", "cv": cv, "d": { "id": "ms_1.2" } })).await;
    assert_eq!(none["err"]["code"], "not_found");
    stop(node).await;
}

#[tokio::test]
async fn typing_is_seen_by_the_other_side_and_a_draft_by_the_agent_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let (mut visitor, mut agent, cv) = talk(&node).await;
    visitor.send(json!({ "t": "eph", "k": "typing", "cv": cv })).await;
    visitor.send(json!({ "t": "eph", "k": "sneak_peek", "cv": cv, "d": { "text": "how do I" } })).await;
    assert_eq!(agent.until(kind("typing")).await["d"], json!({ "by": "vi_1", "on": true }));
    assert_eq!(agent.until(kind("sneak_peek")).await["d"]["text"], "how do I");
    agent.send(json!({ "t": "eph", "k": "sneak_peek", "cv": cv, "d": { "text": "secret" } })).await;
    agent.send(json!({ "t": "eph", "k": "typing", "cv": cv, "d": { "on": false } })).await;
    let seen = visitor.until(|frame| frame["t"] == "eph").await;
    assert_eq!((&seen["k"], &seen["d"]["on"]), (&json!("typing"), &json!(false)));
    stop(node).await;
}

#[tokio::test]
async fn a_client_gets_the_kinds_that_it_wants_in_batches_if_it_can() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    for (encoding, subprotocol) in ENCODINGS {
        let person = format!("vi_{subprotocol}");
        let wishes = json!({ "caps": ["batch"], "interest": ["message.*"], "hb_ms": 1 });
        let (mut visitor, welcome) =
            Client::come(&node, "visitor", &person, "d1", (encoding, subprotocol), wishes).await;
        assert_eq!(welcome["hb"]["interval_ms"], 15_000, "a client may not ask for less");
        visitor
            .send(json!({ "t": "batch", "d": [{ "t": "req", "id": 1, "m": "conversation.open", "d": {} }, { "t": "ping", "n": 7 }] }))
            .await;
        let mut frames = Vec::new();
        while !frames.iter().any(|frame: &Value| frame["t"] == "res")
            || !frames.iter().any(|frame| frame["t"] == "pong")
        {
            let frame = visitor.next().await;
            match frame["d"].as_array().filter(|_| frame["t"] == "batch") {
                Some(inside) => frames.extend(inside.clone()),
                None => frames.push(frame),
            }
        }
        assert!(!frames.iter().any(|frame| frame["k"] == "conversation.opened"), "{frames:?}");
    }
    stop(node).await;
}

#[tokio::test]
async fn a_token_is_renewed_by_the_same_person_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let mut visitor = Client::connect(&node, "visitor", "vi_1", "d1", JSON).await;
    let own = super::protocol::token(&node, "visitor", "vi_1").await;
    let other = super::protocol::token(&node, "visitor", "vi_2").await;
    let renewed = visitor.ask(json!({ "m": "auth.refresh", "d": { "token": own } })).await;
    assert!(renewed["d"]["expires_ts"].is_i64(), "{renewed}");
    let refused = visitor.ask(json!({ "m": "auth.refresh", "d": { "token": other } })).await;
    assert_eq!(refused["err"]["code"], "forbidden");
    stop(node).await;
}

#[tokio::test]
async fn a_node_that_stops_asks_its_clients_to_leave_and_then_says_goodbye() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let mut visitor = Client::connect(&node, "visitor", "vi_1", "d1", JSON).await;
    let stopping = tokio::spawn(stop(node));
    let asked = visitor.until(|frame| frame["t"] == "goaway").await;
    assert_eq!(asked["d"]["reason"], "drain");
    assert!(asked["d"]["after_ms"].as_u64() < asked["d"]["deadline_ms"].as_u64());
    // Until then it is served.
    let served = visitor.ask(json!({ "m": "conversation.open", "d": {} })).await;
    assert!(served["err"].is_null(), "{served}");
    let bye = visitor.until(|frame| frame["t"] == "bye").await;
    assert_eq!(bye["code"], 4002);
    drop(visitor);
    stopping.await.expect("it stops");
}
