//! The desk's time over real sockets: closed queues, goals, snooze, surveys.

use conversa_actors::port::Clock;
use conversa_cluster::clock::WallClock;
use conversa_gateway::Running;
use conversa_gateway::config::{HoursConfig, SlaConfig, SurveyConfig, TenantConfig};
use serde_json::{Value, json};

use super::protocol::{Client, ENCODINGS, node_with, stop, token};

/// The payload of the next event of this kind.
async fn until(client: &mut Client, kind: &str) -> Value {
    loop {
        let frame = client.next().await;
        if frame["t"] == "ev" && frame["k"] == kind {
            return frame["d"].clone();
        }
    }
}

async fn done(client: &mut Client, method: &str, cv: &str, d: Value) {
    let answer = client.ask(json!({ "m": method, "cv": cv, "d": d })).await;
    assert!(answer["err"].is_null(), "{method}: {answer}");
}

/// Hours of one day of the week, three days from now.
fn closed_now(company: &mut TenantConfig) {
    let days = WallClock::default().now().ms() / 86_400_000;
    let week = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let later = week[usize::try_from((days + 3 + 3) % 7).expect("below 7")];
    company.hours = vec![HoursConfig {
        id: "rarely".into(),
        zone: "Asia/Shanghai".into(),
        week: [(later.to_owned(), vec!["09:00-10:00".to_owned()])].into(),
        holidays: [].into(),
    }];
    company.queues[0].hours = Some("rarely".into());
}

async fn opened(visitor: &mut Client, lang: &str) -> String {
    let opened = visitor.ask(json!({ "m": "conversation.open", "d": { "lang": lang } })).await;
    opened["d"]["cv"].as_str().expect("a conversation").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_queue_says_when_it_opens_and_keeps_messages_until_then() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node_with(folder.path(), |company| {
        closed_now(company);
        company.queues[0].when_closed = "message".into();
    })
    .await;
    let mut visitor = Client::connect(&node, "visitor", "vi_1", "d1", ENCODINGS[0]).await;
    let mut mei = Client::connect(&node, "agent", "ag_mei", "d1", ENCODINGS[0]).await;
    mei.ask(json!({ "m": "presence.set", "d": { "state": "online" } })).await;
    let cv = opened(&mut visitor, "en").await;
    done(&mut visitor, "human.request", &cv, json!({})).await;
    let told = until(&mut visitor, "message.created").await["message"].clone();
    let text = told["content"]["text"].as_str().expect("text").to_owned();
    assert_eq!(told["author"]["kind"], "system");
    assert!(text.contains("kept") && text.contains("09:00 (Asia/Shanghai)"), "{text}");
    let view = visitor.ask(json!({ "m": "history.page", "cv": cv, "d": {} })).await;
    let queued = view["d"]["events"]
        .as_array()
        .expect("events")
        .iter()
        .find(|event| event["k"] == "conversation.queued");
    let queued = queued.expect("it waits")["d"].clone();
    assert_eq!(queued["kept"], true);
    assert!(queued["opens_ts"].as_i64().expect("a time") > 0);
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_of_a_closed_queue_may_wait_for_whoever_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node_with(folder.path(), closed_now).await;
    let mut visitor = Client::connect(&node, "visitor", "vi_1", "d1", ENCODINGS[0]).await;
    let mut mei = Client::connect(&node, "agent", "ag_mei", "d1", ENCODINGS[0]).await;
    mei.ask(json!({ "m": "presence.set", "d": { "state": "online" } })).await;
    let cv = opened(&mut visitor, "zh").await;
    done(&mut visitor, "human.request", &cv, json!({})).await;
    let told = until(&mut visitor, "message.created").await["message"].clone();
    let text = told["content"]["text"].as_str().expect("text").to_owned();
    assert!(text.contains("您可以继续等候"), "{text}");
    until(&mut mei, "conversation.offered").await;
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn goals_are_told_to_the_agent_and_to_supervisors_and_rest_with_a_snooze() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node_with(folder.path(), |company| {
        company.queues[0].sla = Some(SlaConfig {
            first_response_ms: Some(1_000),
            next_response_ms: Some(60_000),
            resolution_ms: None,
            warn_percent: 50,
        });
    })
    .await;
    let mut visitor = Client::connect(&node, "visitor", "vi_1", "d1", ENCODINGS[0]).await;
    let mut mei = Client::connect(&node, "agent", "ag_mei", "d1", ENCODINGS[1]).await;
    let mut supervisor = Client::connect(&node, "supervisor", "su_1", "d1", ENCODINGS[0]).await;
    supervisor.ask(json!({ "m": "agents.watch", "d": {} })).await;
    mei.ask(json!({ "m": "presence.set", "d": { "state": "online" } })).await;
    let cv = opened(&mut visitor, "en").await;
    done(&mut visitor, "human.request", &cv, json!({})).await;
    let offer = until(&mut mei, "conversation.offered").await;
    done(&mut mei, "offer.accept", &cv, json!({ "offer": offer["offer"] })).await;
    let breached = until(&mut mei, "sla.breached").await;
    assert_eq!(breached["goal"], "first_response");
    loop {
        let frame = supervisor.next().await;
        if frame["k"] == "desk.alert" && frame["d"]["alert"] == "sla.breached" {
            assert_eq!((&frame["t"], &frame["cv"]), (&json!("eph"), &json!(cv)));
            assert_eq!(frame["d"]["due_ts"], breached["due_ts"]);
            break;
        }
    }

    // Snoozed: only its agent may, and the visitor's word wakes it.
    let forbidden = visitor.ask(json!({ "m": "conversation.snooze", "cv": cv, "d": {} })).await;
    assert_eq!(forbidden["err"]["code"], "forbidden");
    let past = mei.ask(json!({ "m": "conversation.snooze", "cv": cv, "d": { "until_ms": 1 } })).await;
    assert_eq!((&past["err"]["code"], &past["err"]["field"]), (&json!("bad_request"), &json!("until_ms")));
    done(&mut mei, "conversation.snooze", &cv, json!({})).await;
    let say = json!({ "m": "message.send", "cv": cv, "key": "d1.1", "d": { "content": { "type": "text", "text": "hello?" } } });
    assert!(visitor.ask(say).await["err"].is_null());
    assert_eq!(until(&mut mei, "conversation.unsnoozed").await["reason"], "visitor_wrote");
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_says_how_it_was_and_the_board_adds_it_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node_with(folder.path(), |company| company.queues[0].survey = SurveyConfig::Nps).await;
    let mut visitor = Client::connect(&node, "visitor", "vi_1", "d1", ENCODINGS[0]).await;
    let cv = opened(&mut visitor, "en").await;
    let rate = |d: Value| json!({ "m": "csat.submit", "cv": cv, "d": d });
    let early = visitor.ask(rate(json!({ "score": 9 }))).await;
    assert_eq!(early["err"]["code"], "gone");
    done(&mut visitor, "conversation.close", &cv, json!({})).await;
    assert_eq!(until(&mut visitor, "survey.asked").await["survey"], "nps");
    let asked = until(&mut visitor, "message.created").await["message"].clone();
    assert_eq!(asked["content"]["options"].as_array().map(Vec::len), Some(11));
    let wrong = visitor.ask(rate(json!({ "score": 11 }))).await;
    assert_eq!((&wrong["err"]["code"], &wrong["err"]["field"]), (&json!("bad_request"), &json!("score")));
    done(&mut visitor, "csat.submit", &cv, json!({ "score": 3 })).await;
    let better = json!({ "score": 10, "reasons": ["quick"], "comment": "on second thoughts" });
    done(&mut visitor, "csat.submit", &cv, better).await;
    while until(&mut visitor, "csat.received").await["score"] != 10 {}
    let board = read(&node, "/v1/boards/summary").await;
    let nps = json!({ "answers": 1, "mean": 10.0, "nps": 100.0, "promoters": 1, "detractors": 0 });
    assert_eq!((&board["nps"]["all"], &board["nps"]["queues"]["support"]), (&nps, &nps));
    assert_eq!((&board["csat"]["all"]["answers"], &board["nps"]["agents"]), (&json!(0), &json!({})));
    stop(node).await;
}

async fn read(node: &Running, path: &str) -> Value {
    let token = token(node, "supervisor", "su_1").await;
    let url = format!("http://{}{path}", node.address);
    let answer = reqwest::Client::new().get(url).bearer_auth(token).send().await.expect("it answers");
    super::documents::answered(&reqwest::Method::GET, answer).await
}
