//! Topics over real sockets: an agent reads a conversation that it does not hold, a supervisor sees how a queue stands.

use conversa_gateway::Running;
use conversa_gateway::config::{DepartmentConfig, TeamConfig};
use serde_json::{Value, json};

use super::protocol::{Client, ENCODINGS, node, node_with, stop, token};

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

async fn wall(node: &Running, role: &str, id: &str, query: &str) -> Value {
    let url = format!("http://{}/v1/wall{query}", node.address);
    let token = token(node, role, id).await;
    let answer = reqwest::Client::new().get(url).bearer_auth(token).send().await.expect("it answers");
    super::documents::answered(&reqwest::Method::GET, answer).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wall_shows_what_waits_and_what_was_done_today() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let mut supervisor = Client::connect(&node, "supervisor", "su_1", "d1", ENCODINGS[0]).await;
    let mut visitor = Client::connect(&node, "visitor", "vi_1", "d1", ENCODINGS[1]).await;
    let followed = supervisor.ask(json!({ "m": "sub", "d": { "topic": "wall:*" } })).await;
    let all = &followed["d"]["snapshot"]["all"];
    assert_eq!(
        (&all["waiting"], &all["in_progress"], &all["today"]["served"]),
        (&json!(0), &json!(0), &json!(0))
    );
    assert_eq!(all["today"]["service_level"], Value::Null, "nothing is known yet");
    let shown = async |supervisor: &mut Client, wanted: &dyn Fn(&Value) -> bool| {
        supervisor.until(|frame| frame["k"] == "wall.snapshot" && wanted(&frame["d"])).await["d"].clone()
    };

    let opened = visitor.ask(json!({ "m": "conversation.open", "d": {} })).await;
    let cv = opened["d"]["cv"].as_str().expect("a conversation").to_owned();
    visitor.ask(json!({ "m": "human.request", "cv": cv, "d": {} })).await;
    shown(&mut supervisor, &|d| d["all"]["waiting"] == 1 && !d["all"]["longest_wait_since_ts"].is_null())
        .await;
    visitor.ask(json!({ "m": "queue.leave", "cv": cv, "d": {} })).await;
    shown(&mut supervisor, &|d| d["all"]["waiting"] == 0 && d["all"]["today"]["abandoned"] == 1).await;

    visitor.ask(json!({ "m": "human.request", "cv": cv, "d": {} })).await;
    let mut agent = Client::connect(&node, "agent", "ag_mei", "d1", ENCODINGS[0]).await;
    agent.ask(json!({ "m": "presence.set", "d": { "state": "online" } })).await;
    let offered = agent.until(|frame| frame["k"] == "conversation.offered").await;
    agent.ask(json!({ "m": "offer.accept", "cv": cv, "d": { "offer": offered["d"]["offer"] } })).await;
    let told = shown(&mut supervisor, &|d| d["all"]["in_progress"] == 1 && d["agents"]["online"] == 1).await;
    assert_eq!(
        (&told["all"]["today"]["served"], &told["queues"][0]["today"]["served"]),
        (&json!(1), &json!(1))
    );
    assert!(told["all"]["today"]["wait_ms"].as_f64().is_some_and(|ms| ms < 60_000.0), "{told}");
    agent.ask(json!({ "m": "conversation.close", "cv": cv, "d": {} })).await;
    shown(&mut supervisor, &|d| d["all"]["in_progress"] == 0 && d["all"]["today"]["handle_ms"].is_number())
        .await;
    visitor.ask(json!({ "m": "csat.submit", "cv": cv, "d": { "score": 4 } })).await;
    shown(&mut supervisor, &|d| d["all"]["today"]["csat"] == 4.0).await;
    assert_eq!(wall(&node, "supervisor", "su_1", "?queue=support").await["all"]["today"]["csat"], 4.0);
    assert_eq!(wall(&node, "agent", "ag_mei", "").await["code"], "forbidden");
    let metrics = reqwest::get(format!("http://{}/metrics", node.address)).await.expect("it answers");
    let metrics = metrics.text().await.expect("text");
    assert!(metrics.contains("conversa_topics_followed 1"), "{metrics}");
    let unsub = supervisor.ask(json!({ "m": "unsub", "d": { "topic": "wall:*" } })).await;
    assert!(unsub["err"].is_null(), "{unsub}");
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_stay_within_departments() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node_with(folder.path(), |company| {
        let department = |id: &str, supervisor: &str| DepartmentConfig {
            id: id.into(),
            name: id.into(),
            supervisors: vec![supervisor.into()],
        };
        company.departments = vec![department("care", "su_care"), department("sales", "su_sales")];
        company.teams = vec![TeamConfig {
            id: "first".into(),
            name: "First line".into(),
            department: Some("care".into()),
            agents: vec!["ag_mei".into()],
            queues: vec!["support".into()],
        }];
    })
    .await;
    let mut visitor = Client::connect(&node, "visitor", "vi_1", "d1", ENCODINGS[0]).await;
    let mut care = Client::connect(&node, "supervisor", "su_care", "d1", ENCODINGS[0]).await;
    let mut sales = Client::connect(&node, "supervisor", "su_sales", "d1", ENCODINGS[1]).await;
    let opened = visitor.ask(json!({ "m": "conversation.open", "d": {} })).await;
    let cv = opened["d"]["cv"].as_str().expect("a conversation").to_owned();
    let topics = ["queue:support".to_owned(), "wall:support".to_owned(), format!("cv:{cv}")];
    for topic in &topics {
        let sub = json!({ "m": "sub", "d": { "topic": topic } });
        assert!(care.ask(sub.clone()).await["err"].is_null(), "{topic}");
        assert_eq!(sales.ask(sub.clone()).await["err"]["code"], "forbidden", "{topic}");
        assert_eq!(
            visitor.ask(sub).await["err"]["code"] == "forbidden",
            !topic.starts_with("cv:"),
            "{topic}"
        );
    }
    let everything = sales.ask(json!({ "m": "sub", "d": { "topic": "wall:*" } })).await;
    let queues = everything["d"]["snapshot"]["queues"].as_array().expect("a list").clone();
    assert!(queues.iter().all(|queue| queue["id"] != "support"), "{queues:?}");
    let nowhere = care.ask(json!({ "m": "sub", "d": { "topic": "wall:nowhere" } })).await;
    assert_eq!(nowhere["err"]["code"], "not_found");

    // The supervisor's topic of a conversation is a watch: it is shown live, and the journal knows.
    visitor.ask(says(&cv, 1)).await;
    let told = next(&mut care, "message.created").await;
    assert_eq!(told["d"]["message"]["content"]["text"], "words 1");
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_come_back_with_the_stream_and_with_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let come = async |resume: Value| {
        Client::come(&node, "supervisor", "su_1", "d1", ENCODINGS[0], json!({ "resume": resume })).await
    };
    let (mut supervisor, welcome) = come(json!({})).await;
    assert_eq!(welcome["topics"], json!([]));
    let snapshot = supervisor.next().await;
    for topic in ["wall:*", "queue:support"] {
        let sub = supervisor.ask(json!({ "m": "sub", "d": { "topic": topic } })).await;
        assert!(sub["err"].is_null(), "{sub}");
    }
    drop(supervisor);
    let (mut supervisor, again) = come(json!({
        "session": welcome["session"], "resume_token": welcome["resume_token"], "s": snapshot["s"],
    }))
    .await;
    assert_eq!(again["resumed"], "full");
    let topics = again["topics"].as_array().expect("a list");
    assert!(
        topics.len() == 2 && topics.contains(&json!("wall:*")) && topics.contains(&json!("queue:support"))
    );
    // What it follows still is shown without being asked for again.
    let mut visitor = Client::connect(&node, "visitor", "vi_1", "d1", ENCODINGS[0]).await;
    let opened = visitor.ask(json!({ "m": "conversation.open", "d": {} })).await;
    visitor.ask(json!({ "m": "human.request", "cv": opened["d"]["cv"], "d": {} })).await;
    supervisor.until(|frame| frame["k"] == "queue.updated" && frame["d"]["waiting"] == 1).await;
    supervisor.until(|frame| frame["k"] == "wall.snapshot" && frame["d"]["all"]["waiting"] == 1).await;
    drop(supervisor);
    let (_, anew) = come(json!({})).await;
    assert_eq!((&anew["resumed"], &anew["topics"]), (&json!("none"), &json!([])));
    stop(node).await;
}
