//! The desk over real sockets: a supervisor watches, whispers and barges in, an agent transfers, a visitor leaves the queue.

use serde_json::{Value, json};

use super::protocol::{Client, ENCODINGS, node, stop};

/// Events until the first of this kind, as "kind visibility".
async fn until(client: &mut Client, kind: &str) -> (Vec<String>, Value) {
    let mut seen = Vec::new();
    loop {
        let frame = client.next().await;
        if frame["t"] != "ev" {
            continue;
        }
        seen.push(frame["k"].as_str().unwrap_or_default().to_owned());
        if frame["k"] == kind {
            return (seen, frame["d"].clone());
        }
    }
}

fn text(words: &str) -> Value {
    json!({ "content": { "type": "text", "text": words } })
}

#[tokio::test(flavor = "multi_thread")]
async fn supervisors_and_transfers() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let mut visitor = Client::connect(&node, "visitor", "vi_1", "d1", ENCODINGS[0]).await;
    let mut agent = Client::connect(&node, "agent", "ag_mei", "d1", ENCODINGS[0]).await;
    let mut supervisor = Client::connect(&node, "supervisor", "su_1", "d1", ENCODINGS[1]).await;
    let opened = visitor.ask(json!({ "m": "conversation.open", "d": {} })).await;
    let cv = opened["d"]["cv"].as_str().expect("a conversation").to_owned();

    // A paused queue assigns nothing; the visitor leaves it and is with the bot again.
    let pause = |paused: bool| json!({ "m": "queue.pause", "d": { "queue": "support", "paused": paused } });
    assert_eq!(supervisor.ask(pause(true)).await["d"], json!({ "paused": true }));
    let online = json!({ "m": "presence.set", "d": { "state": "online" } });
    assert_eq!(agent.ask(online).await["d"]["state"], "online");
    visitor.ask(json!({ "m": "human.request", "cv": cv, "d": {} })).await;
    let left = visitor.ask(json!({ "m": "queue.leave", "cv": cv, "d": {} })).await;
    assert!(left["err"].is_null(), "{left}");
    assert_eq!(supervisor.ask(pause(false)).await["d"], json!({ "paused": false }));

    // Assigned, and watched from the beginning.
    visitor.ask(json!({ "m": "human.request", "cv": cv, "d": {} })).await;
    let (_, offer) = until(&mut agent, "conversation.offered").await;
    agent.ask(json!({ "m": "offer.accept", "cv": cv, "d": { "offer": offer["offer"] } })).await;
    until(&mut visitor, "conversation.assigned").await;
    assert_eq!(supervisor.ask(json!({ "m": "monitor.start", "cv": cv, "d": {} })).await["d"]["on"], true);
    let (seen, _) = until(&mut supervisor, "conversation.assigned").await;
    assert_eq!(seen[0], "conversation.opened");

    // A whisper goes to the agent; the visitor sees what comes after it and not the whisper.
    let whisper = json!({ "m": "whisper.send", "cv": cv, "d": text("offer a refund") });
    assert!(supervisor.ask(whisper).await["err"].is_null());
    let (_, heard) = until(&mut agent, "message.created").await;
    assert_eq!(heard["message"]["visibility"], "internal");
    let not_yet = json!({ "m": "message.send", "cv": cv, "key": "d1.1", "d": text("good day") });
    assert_eq!(supervisor.ask(not_yet.clone()).await["err"]["code"], "not_assigned");
    assert!(supervisor.ask(json!({ "m": "barge.in", "cv": cv, "d": {} })).await["err"].is_null());
    assert!(supervisor.ask(not_yet).await["err"].is_null());
    let (seen, said) = until(&mut visitor, "message.created").await;
    assert_eq!(seen, ["conversation.joined", "message.created"]);
    assert_eq!(said["message"]["author"]["id"], "su_1");

    // Others may not; an agent transfers to where there is somebody.
    let forbidden = agent.ask(json!({ "m": "barge.in", "cv": cv, "d": {} })).await;
    assert_eq!(forbidden["err"]["code"], "forbidden");
    let transfer = |to: Value| json!({ "m": "conversation.transfer", "cv": cv, "d": { "to": to, "summary": "wants a refund" } });
    let nowhere = agent.ask(transfer(json!({ "queue": "nowhere" }))).await;
    assert_eq!(nowhere["err"]["code"], "not_found");
    assert!(agent.ask(transfer(json!({ "bot": true }))).await["err"].is_null());
    let (seen, now) = until(&mut visitor, "conversation.controlled").await;
    assert_eq!(
        (seen.len(), &now["controller"]),
        (1, &json!("bot:qing")),
        "the summary is not for the visitor"
    );
    stop(node).await;
}

/// What the visitor is told of its place until that is (position, ETA known).
async fn told(client: &mut Client, cv: &str, wanted: (u64, bool)) -> Value {
    let place = |frame: &Value| {
        (frame["k"] == "queue.position" && frame["cv"] == cv)
            .then(|| (frame["d"]["position"].as_u64().unwrap_or_default(), frame["d"]["eta_ms"].is_u64()))
    };
    client.until(|frame| place(frame) == Some(wanted)).await["d"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_told_its_place_also_after_coming_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let mut waiting = Vec::new();
    for n in 0..4 {
        let mut visitor = Client::connect(&node, "visitor", &format!("vi_{n}"), "d1", ENCODINGS[n % 2]).await;
        let opened = visitor.ask(json!({ "m": "conversation.open", "d": {} })).await;
        let cv = opened["d"]["cv"].as_str().expect("a conversation").to_owned();
        visitor.ask(json!({ "m": "human.request", "cv": cv, "d": {} })).await;
        let place = u64::try_from(n).expect("small") + 1;
        let told = told(&mut visitor, &cv, (place, false)).await;
        assert_eq!(
            (&told["queue"], &told["eta_ms"]),
            (&json!("support"), &Value::Null),
            "nothing is known yet"
        );
        waiting.push((visitor, cv));
    }
    // The third comes back with a client that remembers nothing.
    let (gone, cv) = waiting.remove(2);
    drop(gone);
    let mut back = Client::connect(&node, "visitor", "vi_2", "d2", ENCODINGS[0]).await;
    told(&mut back, &cv, (3, false)).await;

    let (last, of) = &mut waiting[2];
    let left = last.ask(json!({ "m": "queue.leave", "cv": of, "d": {} })).await;
    assert!(left["err"].is_null(), "{left}");
    let mut agent = Client::connect(&node, "agent", "ag_mei", "d1", ENCODINGS[0]).await;
    agent.ask(json!({ "m": "presence.set", "d": { "state": "online", "capacity": 2 } })).await;
    for _ in 0..2 {
        let offered = agent.until(|frame| frame["k"] == "conversation.offered").await;
        let accept =
            json!({ "m": "offer.accept", "cv": offered["cv"], "d": { "offer": offered["d"]["offer"] } });
        assert!(agent.ask(accept).await["err"].is_null());
    }
    let told = told(&mut back, &cv, (1, true)).await;
    assert!(told["eta_ms"].as_u64().is_some_and(|ms| ms < 60_000), "{told}");
    assert!(back.ask(json!({ "m": "queue.leave", "cv": cv, "d": {} })).await["err"].is_null());
    let again = back.ask(json!({ "m": "queue.leave", "cv": cv, "d": {} })).await;
    assert_eq!(again["err"]["code"], "gone");
    stop(node).await;
}
