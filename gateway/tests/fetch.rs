//! What a client fetches beside its socket: tickets, pages of history in both directions, and where its conversations stand.

use conversa_gateway::Running;
use reqwest::Method;
use serde_json::{Value, json};

use super::documents;
use super::protocol::{Client, ENCODINGS, encode, node, socket, stop, token};

async fn get(node: &Running, token: &str, path: &str) -> (u16, Value) {
    let answer =
        reqwest::Client::new().get(format!("http://{}{path}", node.address)).bearer_auth(token).send();
    let answer = answer.await.expect("it answers");
    (answer.status().as_u16(), documents::answered(&Method::GET, answer).await)
}

async fn ticket(node: &Running, token: &str) -> (u16, Value) {
    let ask = reqwest::Client::new().post(format!("http://{}/v1/tickets", node.address)).bearer_auth(token);
    let answer = ask.send().await.expect("it answers");
    (answer.status().as_u16(), documents::answered(&Method::POST, answer).await)
}

/// The first frame that comes after a `connect` with this in it.
async fn connect(node: &Running, d: Value) -> Value {
    let mut stream = socket(node, ENCODINGS[0].1).await.expect("it connects");
    stream.send(encode(ENCODINGS[0].0, &json!({ "t": "connect", "d": d }))).await.expect("sent");
    Client::of(stream, ENCODINGS[0].0).next().await
}

#[tokio::test]
async fn a_ticket_connects_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let token = token(&node, "visitor", "vi_1").await;
    let (status, given) = ticket(&node, &token).await;
    assert_eq!(status, 200, "{given}");
    let with = |role: &str| json!({ "ticket": given["ticket"], "role": role, "device": "d1" });
    let welcome = connect(&node, with("visitor")).await;
    assert_eq!((&welcome["t"], &welcome["d"]["principal"]["id"]), (&json!("welcome"), &json!("vi_1")));
    let again = connect(&node, with("visitor")).await;
    assert_eq!((&again["t"], &again["code"]), (&json!("bye"), &json!(4501)));
    // One of the two, not both and not none.
    let both = json!({ "ticket": "x", "token": token, "role": "visitor", "device": "d1" });
    assert_eq!(connect(&node, both).await["code"], 4500);
    assert_eq!(connect(&node, json!({ "role": "visitor", "device": "d1" })).await["code"], 4500);
    assert_eq!(ticket(&node, "no token").await.0, 401);
    stop(node).await;
}

/// A visitor's conversation of ten events, and its name.
async fn ten_events(node: &Running) -> (Client, String) {
    let mut visitor = Client::connect(node, "visitor", "vi_1", "d1", ENCODINGS[0]).await;
    let opened = visitor.ask(json!({ "m": "conversation.open", "d": { "channel": "web" } })).await;
    let cv = opened["d"]["cv"].as_str().expect("a conversation").to_owned();
    // The bot answers in between.
    for n in 1.. {
        let d = json!({ "content": { "type": "text", "text": format!("第 {n} 句") } });
        let sent =
            visitor.ask(json!({ "m": "message.send", "cv": cv, "key": format!("d1.{n}"), "d": d })).await;
        if sent["d"]["o"].as_u64().expect("an offset") >= 10 {
            return (visitor, cv);
        }
    }
    unreachable!("the loop ends")
}

#[tokio::test]
async fn history_is_read_forward_backward_and_around() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let (mut visitor, cv) = ten_events(&node).await;
    let mut page = async |d: Value| visitor.ask(json!({ "m": "history.page", "cv": cv, "d": d })).await;
    let offsets = |page: &Value| {
        let of = |list: &str| page["d"][list].as_array().into_iter().flatten().cloned().collect::<Vec<_>>();
        let all = of("messages").into_iter().chain(of("events"));
        let mut all: Vec<u64> = all.filter_map(|shown| shown["o"].as_u64()).collect();
        all.sort_unstable();
        all
    };
    let before = page(json!({ "before": 6, "limit": 3 })).await;
    assert_eq!(offsets(&before), [3, 4, 5]);
    assert_eq!((&before["d"]["prev"], &before["d"]["next"]), (&json!(3), &json!(5)));
    let first = page(json!({ "before": before["d"]["prev"], "limit": 3 })).await;
    assert_eq!(offsets(&first), [1, 2]);
    assert_eq!((&first["d"]["prev"], &first["d"]["next"]), (&Value::Null, &json!(2)));
    assert_eq!(offsets(&page(json!({ "before": 1 })).await), [0; 0]);
    assert_eq!(offsets(&page(json!({ "around": 6, "limit": 3 })).await), [5, 6, 7]);
    assert_eq!(offsets(&page(json!({ "after": 2, "limit": 3 })).await), [3, 4, 5]);
    let two = page(json!({ "after": 2, "before": 5 })).await;
    assert_eq!(two["err"]["code"], "bad_request");

    // The same over REST.
    let token = token(&node, "visitor", "vi_1").await;
    let (status, rest) =
        get(&node, &token, &format!("/v1/conversations/{cv}/messages?before=6&limit=3")).await;
    assert_eq!((status, &rest["prev"], &rest["next"]), (200, &json!(3), &json!(5)));
    assert_eq!(get(&node, &token, &format!("/v1/conversations/{cv}/messages?before=6&after=1")).await.0, 400);
    stop(node).await;
}

#[tokio::test]
async fn sync_tells_where_conversations_stand() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let (mut visitor, cv) = ten_events(&node).await;
    // One's own messages come as answers, so this one is of somebody else.
    visitor.until(|frame| frame["k"] == "message.created").await;
    let mine = token(&node, "visitor", "vi_1").await;
    let (status, all) = get(&node, &mine, "/v1/sync").await;
    assert_eq!(status, 200, "{all}");
    let item = &all["items"][0];
    assert_eq!((&item["cv"], &item["read"], &all["more"]), (&json!(cv), &json!(0), &json!(false)));
    let (head, unread) = (item["head"].as_u64().expect("a head"), item["unread"].as_u64().expect("a count"));
    assert!(head >= 10, "{all}");
    // What one has read is not unread, and one's own words never are.
    let read = visitor.ask(json!({ "m": "receipt.read", "cv": cv, "d": { "upto": head } })).await;
    assert!(read["err"].is_null(), "{read}");
    let (_, then) = get(&node, &mine, "/v1/sync").await;
    assert_eq!(then["items"][0]["unread"], 0, "{then}");
    // The mark stands at the last message of others.
    assert!((1..=head).contains(&then["items"][0]["read"].as_u64().expect("a mark")), "{then}");
    assert!(0 < unread && unread < head, "{all}");
    // What has not changed since is left out; a stranger has nothing.
    let later = "99999999999999.";
    assert_eq!(get(&node, &mine, &format!("/v1/sync?since={later}")).await.1["items"], json!([]));
    let theirs = token(&node, "visitor", "vi_2").await;
    assert_eq!(get(&node, &theirs, "/v1/sync").await.1["items"], json!([]));
    assert_eq!(get(&node, &mine, "/v1/sync?since=yesterday").await.0, 400);
    stop(node).await;
}

#[tokio::test]
async fn whatever_does_not_fit_is_refused_with_problem_details() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let (visitor, agent) = (token(&node, "visitor", "vi_1").await, token(&node, "supervisor", "su_1").await);
    let (conversation, client) = ("/v1/conversations/cv_1/messages", reqwest::Client::new());
    let of_json = "application/json";
    for (method, path, token, kind, body, status, code, says) in [
        (Method::POST, conversation, &visitor, of_json, "{", 400, "bad_request", "EOF"),
        (Method::POST, conversation, &visitor, of_json, "{\"content\":1}", 400, "bad_request", "content"),
        (Method::POST, conversation, &visitor, "text/plain", "{}", 400, "bad_request", "application/json"),
        (Method::GET, "/v1/qa/scores?limit=many", &agent, of_json, "", 400, "bad_request", "limit"),
        (Method::DELETE, conversation, &visitor, of_json, "", 405, "bad_request", "openapi"),
        (Method::GET, "/v1/nothing", &visitor, of_json, "", 404, "not_found", "openapi"),
    ] {
        let ask = client.request(method.clone(), format!("http://{}{path}", node.address)).bearer_auth(token);
        let answer = ask.header("content-type", kind).body(body).send().await.expect("it answers");
        let what = format!("{method} {path} {body}");
        assert_eq!(answer.status().as_u16(), status, "{what}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{what}");
        assert_eq!(answer.headers().contains_key("allow"), status == 405, "{what}");
        let problem: Value = answer.json().await.expect("JSON");
        assert_eq!((&problem["code"], &problem["status"]), (&json!(code), &json!(status)), "{what}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{what}: {problem}");
    }
    let large = client.post(format!("http://{}{conversation}", node.address)).bearer_auth(&visitor);
    let text = "x".repeat(3 * 1024 * 1024);
    let large = large.json(&json!({ "content": { "type": "text", "text": text } })).send().await;
    assert_eq!(large.expect("it answers").status(), 413);
    stop(node).await;
}
