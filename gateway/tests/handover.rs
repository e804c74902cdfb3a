//! Handovers over real sockets: a transfer to one agent, a consultation, what a supervisor takes and forces, and a wrap-up.

use serde_json::{Value, json};

use super::protocol::{Client, ENCODINGS, node_with, stop};

/// The first event of this kind, and the kinds seen before.
async fn until(client: &mut Client, kind: &str) -> (Vec<String>, Value) {
    let mut seen = Vec::new();
    loop {
        let frame = client.next().await;
        if frame["t"] != "ev" {
            continue;
        }
        if frame["k"] == kind {
            return (seen, frame["d"].clone());
        }
        seen.push(frame["k"].as_str().unwrap_or_default().to_owned());
    }
}

/// The first word of a handover to this agent with this state.
async fn handover(client: &mut Client, to: &str, state: &str) -> Value {
    loop {
        let (_, said) = until(client, "conversation.handover").await;
        if said["to"]["id"] == to && said["state"] == state {
            return said;
        }
    }
}

/// Until the conversation is this one's.
async fn controlled(client: &mut Client, controller: &str) {
    while until(client, "conversation.assigned").await.1["controller"] != controller {}
}

fn say(cv: &str, key: &str, visibility: &str) -> Value {
    let d = json!({ "content": { "type": "text", "text": "words" }, "visibility": visibility });
    json!({ "m": "message.send", "cv": cv, "key": key, "d": d })
}

async fn done(client: &mut Client, method: &str, cv: &str, d: Value) {
    let answer = client.ask(json!({ "m": method, "cv": cv, "d": d })).await;
    assert!(answer["err"].is_null(), "{method}: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_goes_from_hand_to_hand() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node_with(folder.path(), |company| {
        company.queues[0].wrap_ms = 60_000;
        company.queues[0].dispositions = vec!["solved".into(), "spam".into()];
    })
    .await;
    let mut visitor = Client::connect(&node, "visitor", "vi_1", "d1", ENCODINGS[0]).await;
    let mut mei = Client::connect(&node, "agent", "ag_mei", "d1", ENCODINGS[0]).await;
    let mut tom = Client::connect(&node, "agent", "ag_tom", "d1", ENCODINGS[1]).await;
    let mut supervisor = Client::connect(&node, "supervisor", "su_1", "d1", ENCODINGS[1]).await;
    let opened = visitor.ask(json!({ "m": "conversation.open", "d": {} })).await;
    let cv = opened["d"]["cv"].as_str().expect("a conversation").to_owned();
    let online = json!({ "m": "presence.set", "d": { "state": "online", "capacity": 1 } });
    mei.ask(online.clone()).await;
    done(&mut visitor, "human.request", &cv, json!({})).await;
    let (_, offer) = until(&mut mei, "conversation.offered").await;
    done(&mut mei, "offer.accept", &cv, json!({ "offer": offer["offer"] })).await;
    until(&mut visitor, "conversation.assigned").await;

    // Nobody there: it stays.
    let to_tom =
        json!({ "to": { "agent": "ag_tom" }, "summary": "wants a refund", "slots": { "order": "A-1" } });
    let nobody =
        mei.ask(json!({ "m": "conversation.transfer", "cv": cv, "d": { "to": { "agent": "ag_x" } } })).await;
    assert_eq!(nobody["err"]["code"], "not_found");
    done(&mut mei, "conversation.transfer", &cv, to_tom.clone()).await;
    assert_eq!(handover(&mut mei, "ag_tom", "ended").await["reason"], "denied");

    // There: it is Tom's once Tom accepts, who sees everything; the visitor sees only who has it now.
    tom.ask(online).await;
    done(&mut mei, "conversation.transfer", &cv, to_tom).await;
    let asked = handover(&mut tom, "ag_tom", "asked").await;
    assert_eq!((&asked["summary"], &asked["slots"]["order"]), (&json!("wants a refund"), &json!("A-1")));
    let offer = handover(&mut tom, "ag_tom", "offered").await["offer"].clone();
    assert!(mei.ask(say(&cv, "d1.1", "public")).await["err"].is_null(), "it is still Mei's");
    done(&mut tom, "offer.accept", &cv, json!({ "offer": offer })).await;
    let (seen, now) = until(&mut visitor, "conversation.assigned").await;
    assert_eq!((seen, &now["controller"]), (vec!["message.created".to_owned()], &json!("agent:ag_tom")));
    assert_eq!(mei.ask(say(&cv, "d1.2", "public")).await["err"]["code"], "not_assigned");

    // Tom asks Mei in, who writes inside; then lets her speak; then lets her go.
    done(&mut tom, "consult.start", &cv, json!({ "agent": "ag_mei" })).await;
    let offer = handover(&mut mei, "ag_mei", "offered").await["offer"].clone();
    done(&mut mei, "offer.accept", &cv, json!({ "offer": offer })).await;
    assert!(mei.ask(say(&cv, "d1.2", "internal")).await["err"].is_null());
    assert_eq!(mei.ask(say(&cv, "d1.3", "public")).await["err"]["code"], "not_assigned");
    done(&mut tom, "consult.conference", &cv, json!({})).await;
    assert!(mei.ask(say(&cv, "d1.3", "public")).await["err"].is_null());
    let (seen, _) = until(&mut visitor, "message.created").await;
    assert_eq!(seen, ["conversation.joined"], "the note is not for the visitor");
    done(&mut tom, "consult.drop", &cv, json!({})).await;
    assert_eq!(handover(&mut mei, "ag_mei", "ended").await["reason"], "withdrawn");

    // A supervisor takes it, and gives it to Mei, who is not asked.
    done(&mut supervisor, "takeover", &cv, json!({})).await;
    controlled(&mut tom, "agent:su_1").await;
    controlled(&mut supervisor, "agent:su_1").await;
    assert!(supervisor.ask(say(&cv, "d1.1", "public")).await["err"].is_null());
    done(&mut supervisor, "force.assign", &cv, json!({ "agent": "ag_mei" })).await;
    controlled(&mut mei, "agent:ag_mei").await;

    // The end: Mei keeps her place until she says how it ended.
    done(&mut mei, "conversation.close", &cv, json!({})).await;
    let (_, wrap) = until(&mut mei, "conversation.wrapping").await;
    assert_eq!(wrap["codes"], json!(["solved", "spam"]));
    let wrong = mei.ask(json!({ "m": "conversation.wrap", "cv": cv, "d": { "disposition": "fine" } })).await;
    assert_eq!(wrong["err"]["code"], "bad_request");
    done(&mut mei, "conversation.wrap", &cv, json!({ "disposition": "solved", "tags": ["refund"] })).await;
    let (_, wrapped) = until(&mut mei, "conversation.wrapped").await;
    assert_eq!((&wrapped["reason"], &wrapped["disposition"]), (&json!("done"), &json!("solved")));
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_away_with_leave_and_are_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node_with(folder.path(), |company| {
        company.desk.away_reasons = vec!["lunch".into()];
        company.desk.away_asks = true;
    })
    .await;
    let mut mei = Client::connect(&node, "agent", "ag_mei", "d1", ENCODINGS[0]).await;
    let mut elsewhere = Client::connect(&node, "agent", "ag_mei", "d2", ENCODINGS[1]).await;
    let mut supervisor = Client::connect(&node, "supervisor", "su_1", "d1", ENCODINGS[0]).await;
    assert_eq!(supervisor.ask(json!({ "m": "agents.watch", "d": {} })).await["d"]["on"], true);
    let set = |d: Value| json!({ "m": "presence.set", "d": d });
    mei.ask(set(json!({ "state": "online" }))).await;
    for client in [&mut elsewhere, &mut supervisor] {
        let (_, seen) = until(client, "agent.presence").await;
        assert_eq!((&seen["agent"], &seen["state"]), (&json!("ag_mei"), &json!("online")));
    }
    let tired = mei.ask(set(json!({ "state": "away", "reason": "tired" }))).await;
    assert_eq!((&tired["err"]["code"], &tired["err"]["field"]), (&json!("bad_request"), &json!("reason")));
    let asked = mei.ask(set(json!({ "state": "away", "reason": "lunch" }))).await;
    assert_eq!((&asked["d"]["state"], &asked["d"]["asked"]["reason"]), (&json!("online"), &json!("lunch")));
    let (_, seen) = until(&mut supervisor, "agent.presence").await;
    assert_eq!((&seen["state"], &seen["asked"]["reason"]), (&json!("online"), &json!("lunch")));
    let approve = json!({ "m": "presence.approve", "d": { "agent": "ag_mei" } });
    assert_eq!(supervisor.ask(approve.clone()).await["d"]["approved"], true);
    while until(&mut elsewhere, "agent.presence").await.1["state"] != "away" {}
    assert_eq!(supervisor.ask(approve).await["err"]["code"], "gone");
    let forbidden = mei.ask(json!({ "m": "agents.watch", "d": {} })).await;
    assert_eq!(forbidden["err"]["code"], "forbidden");
    stop(node).await;
}
