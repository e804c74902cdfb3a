//! Settings over REST against a real node: refused with every flaw, in force without a restart, kept over one.

use std::path::Path;

use conversa_gateway::Running;
use reqwest::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::documents;
use super::protocol::{Client, ENCODINGS, node, node_with, stop, token};

struct Answered {
    status: StatusCode,
    tag: String,
    kind: String,
    body: Value,
}

async fn ask(
    node: &Running,
    who: &str,
    method: Method,
    path: &str,
    tag: Option<&str>,
    body: &Value,
) -> Answered {
    let mut request = reqwest::Client::new()
        .request(method.clone(), format!("http://{}{path}", node.address))
        .bearer_auth(who)
        .json(body);
    if let Some(tag) = tag {
        request = request.header(IF_MATCH, tag);
    }
    let answer = request.send().await.expect("it answers");
    let text = |name| {
        answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let (status, tag, kind) = (answer.status(), text(ETAG), text(CONTENT_TYPE));
    Answered { status, tag, kind, body: documents::answered(&method, answer).await }
}

/// What a node that was stopped has stored, for the next one: in one process the first still holds the folder for its last tasks.
fn moved(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(to.path().join("data")).expect("the folder is ours");
    for file in std::fs::read_dir(from.join("data")).expect("the data").map(|file| file.expect("a file")) {
        if file.file_type().is_ok_and(|kind| kind.is_file()) {
            std::fs::copy(file.path(), to.path().join("data").join(file.file_name())).expect("it is ours");
        }
    }
    to
}

/// The settings of the sample company with a queue before its own, served by Mei alone.
fn with_vip(settings: &Value) -> Value {
    let mut settings = settings.clone();
    let vip = json!({ "id": "vip", "name_zh": "贵宾", "name_en": "VIP" });
    settings["queues"].as_array_mut().expect("queues").insert(0, vip);
    settings["agents"][0]["queues"] = json!(["vip"]);
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn flaws_are_listed_and_versions_guard() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let (su, ag) = (token(&node, "supervisor", "su_1").await, token(&node, "agent", "ag_mei").await);
    let path = "/v1/settings";
    let read = ask(&node, &ag, Method::GET, path, None, &Value::Null).await;
    assert_eq!((read.status, read.tag.as_str(), &read.body["by"]), (StatusCode::OK, "\"1\"", &json!("file")));
    let good = with_vip(&read.body["settings"]);

    assert_eq!(ask(&node, &ag, Method::PUT, path, Some("\"1\""), &good).await.status, StatusCode::FORBIDDEN);
    let bare = ask(&node, &su, Method::PUT, path, None, &good).await;
    assert_eq!(bare.status, StatusCode::PRECONDITION_REQUIRED);
    let stale = ask(&node, &su, Method::PUT, path, Some("\"7\""), &good).await;
    assert_eq!((stale.status, &stale.body["code"]), (StatusCode::PRECONDITION_FAILED, &json!("conflict")));

    let places = |body: &Value| -> Vec<String> {
        let errors = body["errors"].as_array().expect("errors");
        errors.iter().map(|flaw| flaw["at"].as_str().expect("a place").to_owned()).collect()
    };
    let mut forms = good.clone();
    forms["queues"][1]["colour"] = json!("red");
    forms["agents"][1]["capacity"] = json!("many");
    forms["desk"]["rules"] = json!([{ "priority": 1 }, { "priorty": 1 }]);
    forms["hour"] = json!([]);
    let wrong = ask(&node, &su, Method::PUT, path, Some("\"1\""), &forms).await;
    assert_eq!(
        (wrong.status, wrong.kind.as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, "application/problem+json")
    );
    assert_eq!(places(&wrong.body), ["queues[1]", "agents[1]", "desk.rules[1]", "hour"]);
    let mut values = good.clone();
    values["queues"][0]["goal_ms"] = json!(1);
    values["agents"][0]["queues"] = json!(["nowhere"]);
    values["desk"]["rules"] = json!([{ "queue": "nowhere" }]);
    let week = json!({ "mon": ["09:00-18:00", "12:00-13:00"], "tue": ["18:00-09:00"] });
    values["hours"] = json!([{ "id": "office", "zone": "Asia/Beijing", "week": week }]);
    values["queues"][1]["hours"] = json!("shop");
    values["queues"][1]["when_closed"] = json!("queue:support");
    values["queues"][0]["overflow"] = json!({ "to": ["nowhere", good["queues"][0]["id"]] });
    let check = ask(&node, &su, Method::POST, "/v1/settings/check", None, &values).await;
    assert_eq!(
        places(&check.body),
        [
            "queues[0].overflow",
            "queues[0].overflow.to",
            "queues[0].overflow.to",
            "queues[0].goal_ms",
            "agents[0].queues",
            "hours[0].zone",
            "hours[0].week.mon[1]",
            "hours[0].week.tue[0]",
            "queues[1].hours",
            "queues[1].when_closed",
            "desk.rules[0].queue"
        ]
    );
    let fine = ask(&node, &su, Method::POST, "/v1/settings/check", None, &good).await;
    assert_eq!(fine.body, json!({ "ok": true }));
    let still = ask(&node, &su, Method::GET, path, None, &Value::Null).await;
    assert_eq!(still.body["version"], 1, "nothing of this was put in force");
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_in_force_at_once_and_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = node(folder.path()).await;
    let mut agent = Client::connect(&first, "agent", "ag_mei", "d1", ENCODINGS[0]).await;
    let online = json!({ "m": "presence.set", "d": { "state": "online" } });
    assert_eq!(agent.ask(online).await["d"]["state"], "online");
    let su = token(&first, "supervisor", "su_1").await;
    let path = "/v1/settings";
    let read = ask(&first, &su, Method::GET, path, None, &Value::Null).await;
    let settings = with_vip(&read.body["settings"]);
    let set = ask(&first, &su, Method::PUT, path, Some(&read.tag), &settings).await;
    assert_eq!((set.status, set.tag.as_str(), &set.body["by"]), (StatusCode::OK, "\"2\"", &json!("su_1")));
    let settings = ask(&first, &su, Method::GET, path, None, &Value::Null).await.body["settings"].clone();
    assert_eq!(settings["queues"][0]["id"], "vip");
    let told = loop {
        let frame = agent.next().await;
        if frame["k"] == "config.changed" {
            break frame;
        }
    };
    assert_eq!((&told["d"]["version"], &told["cv"]), (&json!(2), &Value::Null));

    // The new queue is the default, and the agent who was online before serves it without saying anything again.
    let mut visitor = Client::connect(&first, "visitor", "vi_1", "d1", ENCODINGS[0]).await;
    let opened = visitor.ask(json!({ "m": "conversation.open", "d": {} })).await;
    let cv = opened["d"]["cv"].as_str().expect("a conversation").to_owned();
    visitor.ask(json!({ "m": "human.request", "cv": cv, "d": {} })).await;
    let offered = loop {
        let frame = agent.next().await;
        if frame["k"] == "conversation.offered" {
            break frame;
        }
    };
    assert_eq!(offered["cv"], cv.as_str());
    // A queue in which somebody waits stays.
    let gone = ask(&first, &su, Method::PUT, path, Some("*"), &read.body["settings"]).await;
    assert_eq!(
        (gone.status, &gone.body["errors"][0]["at"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("queues"))
    );
    stop(first).await;

    // The same file again changes nothing; one that says something new is the next version.
    let folder = moved(folder.path());
    let second = node(folder.path()).await;
    let kept = ask(&second, &su, Method::GET, path, None, &Value::Null).await;
    assert_eq!((&kept.body["version"], &kept.body["settings"]), (&json!(2), &settings));
    stop(second).await;
    let folder = moved(folder.path());
    let third = node_with(folder.path(), |company| company.offer_ms = 30_000).await;
    let history = ask(&third, &su, Method::GET, "/v1/settings/history", None, &Value::Null).await;
    let by: Vec<_> =
        history.body["items"].as_array().expect("items").iter().map(|item| item["by"].clone()).collect();
    assert_eq!(by, [json!("file"), json!("su_1"), json!("file")]);
    let former = ask(&third, &su, Method::GET, "/v1/settings?version=2", None, &Value::Null).await;
    assert_eq!(former.body["settings"], settings);
    stop(third).await;
}
