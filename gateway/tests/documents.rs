//! The documents of REST and socket are true and stay what was promised: answers of nodes are held against them, and they against
//! what is checked in.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use conversa_gateway::schema::{rest, socket};
use jsonschema::Validator;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::protocol::{Client, ENCODINGS, node, stop, token};
use super::schema::broken;

static REST: LazyLock<Value> = LazyLock::new(rest::document);
static SOCKET: LazyLock<Value> = LazyLock::new(socket::document);
/// Validators by the place of their schema: to make one costs milliseconds.
static KNOWN: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

fn validator(document: &Value, place: &str, what: &str) -> Arc<Validator> {
    let mut known = KNOWN.lock().expect("nobody panicked");
    if let Some(found) = known.get(place) {
        return Arc::clone(found);
    }
    let schema = document.pointer(place).unwrap_or_else(|| panic!("the document does not know {what}"));
    let whole = json!({ "components": document["components"], "checked": schema, "$ref": "#/checked" });
    let made = Arc::new(jsonschema::validator_for(&whole).expect("a schema"));
    known.insert(place.to_owned(), Arc::clone(&made));
    made
}

fn pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The path of the document that a URL is of.
fn template(path: &str) -> Option<&'static str> {
    let fits = |template: &str| {
        let (asked, known): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
        asked.len() == known.len()
            && asked.iter().zip(&known).all(|(asked, known)| asked == known || known.starts_with('{'))
    };
    let paths = REST["paths"].as_object().expect("a map");
    // One without places for names comes first.
    let mut found: Vec<_> = paths.keys().filter(|template| fits(template)).collect();
    found.sort_by_key(|template| template.matches('{').count());
    found.first().map(|template| template.as_str())
}

/// The JSON of an answer, which is as the document says.
pub(super) async fn answered(method: &Method, answer: Response) -> Value {
    let (path, status) = (answer.url().path().to_owned(), answer.status());
    let body: Value = answer.json().await.expect("JSON");
    let template = template(&path).unwrap_or_else(|| panic!("the document has no path {path}"));
    let operation = format!("/paths/{}/{}", pointer(template), method.as_str().to_lowercase());
    assert!(REST.pointer(&operation).is_some(), "the document has no {method} {template}");
    let (answer, kind) = match status.is_success() {
        true => ("200", "application/json"),
        false => ("default", "application/problem+json"),
    };
    let place = format!("{operation}/responses/{answer}/content/{}/schema", pointer(kind));
    held(&REST, &place, &body, &format!("{method} {template} {status}"));
    body
}

/// A request and what it was answered, which are as the document says.
pub(super) fn asked(request: &Value, answer: &Value) {
    let Some(method) = request["m"].as_str().filter(|_| answer["err"].is_null()) else { return };
    for (side, frame) in [("req", request), ("res", answer)] {
        let place = format!("/channels/socket/messages/{side}.{}/payload", pointer(method));
        held(&SOCKET, &place, frame, &format!("{side} {method}"));
    }
}

fn held(document: &Value, place: &str, body: &Value, what: &str) {
    if let Err(error) = validator(document, place, what).validate(body) {
        panic!("{what} is not as the document says: {error} at {}: {body}", error.instance_path());
    }
}

#[test]
fn the_documents_that_are_checked_in_are_those_of_the_code() {
    for (name, kind, text) in [("openapi", "rest", rest::text()), ("asyncapi", "socket", socket::text())] {
        let file = format!("{}/docs/v1.{name}.json", env!("CARGO_MANIFEST_DIR"));
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(found == text, "write it anew: conversa schema {kind} > gateway/docs/v1.{name}.json");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_is_as_the_document_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    let mut visitor = Client::connect(&node, "visitor", "vi_1", "d", ENCODINGS[0]).await;
    let cv = visitor.ask(json!({ "m": "conversation.open", "d": {} })).await["d"]["cv"].clone();
    let cv = cv.as_str().expect("a conversation");
    let said = json!({ "content": { "type": "text", "text": "怎么退货" } });
    visitor.ask(json!({ "m": "message.send", "cv": cv, "key": "d.1", "d": said })).await;
    let token = token(&node, "supervisor", "su_1").await;
    let mut read = 0;
    for (path, operations) in REST["paths"].as_object().expect("a map") {
        let operation = &operations["get"];
        // The poll of a line has tests of its own; so have files.
        let tested = path == "/v1/events" || path == "/v1/attachments/{id}" || path == "/v1/qa/scores/{cv}";
        if operation.is_null()
            || operation["responses"]["200"]["content"]["application/json"].is_null()
            || tested
        {
            continue;
        }
        let query = operation["parameters"].as_array().expect("a list").iter();
        let query: Vec<_> = query
            .filter(|one| one["in"] == "query" && (one["required"] == true || one["name"] == "identity"))
            .map(|one| {
                format!(
                    "{}={}",
                    one["name"].as_str().expect("a name"),
                    if one["name"] == "identity" { "vi_1" } else { "退货" }
                )
            })
            .collect();
        let path = path.replace("{cv}", cv).replace("{id}", "cu_vi_1");
        let url = format!("http://{}{path}?{}", node.address, query.join("&"));
        let answer = reqwest::Client::new().get(url).bearer_auth(&token).send().await.expect("it answers");
        assert_eq!(answer.status(), 200, "{path}");
        answered(&Method::GET, answer).await;
        read += 1;
    }
    assert!(read > 20, "{read} paths were read");
    for name in ["openapi", "asyncapi", "schema"] {
        let served =
            reqwest::get(format!("http://{}/v1/{name}.json", node.address)).await.expect("it answers");
        let file = format!("{}/docs/v1.{name}.json", env!("CARGO_MANIFEST_DIR"));
        assert_eq!(
            served.text().await.expect("text"),
            std::fs::read_to_string(file).expect("it is checked in")
        );
    }
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_knows_every_method_of_the_document_for_its_roles_and_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path()).await;
    for (role, id) in [("visitor", "vi_1"), ("agent", "ag_mei"), ("supervisor", "su_1")] {
        let mut client = Client::connect(&node, role, id, "d", ENCODINGS[0]).await;
        for (method, operation) in SOCKET["operations"].as_object().expect("a map") {
            let Some(tags) = operation["tags"].as_array() else { continue };
            let allowed = tags.iter().any(|tag| tag["name"] == role);
            // Nothing of what any of them needs: it is refused, but not as something that nobody knows.
            let answer = client.ask(json!({ "m": method, "d": {} })).await;
            let (code, msg) =
                (answer["err"]["code"].as_str(), answer["err"]["msg"].as_str().unwrap_or_default());
            assert_ne!(code, Some("internal"), "{method}: {msg}");
            assert!(!msg.contains("unknown method"), "{method}");
            assert_eq!(msg.contains("is not for your role"), !allowed, "{role} {method}: {answer}");
        }
        let unknown = client.ask(json!({ "m": "coffee.make", "d": {} })).await;
        assert!(unknown["err"]["msg"].as_str().expect("a reason").contains("message.send"), "{unknown}");
    }
    stop(node).await;
}

fn baseline(name: &str) -> Value {
    let file = format!("{}/docs/v1.{name}.baseline.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(file).expect("it is checked in")).expect("JSON")
}

/// What a change of the parts of a document breaks. Those that clients send may not ask for more, others may not give less.
fn parts(old: &Value, new: &Value, found: &mut Vec<String>) {
    let schemas = &old["components"]["schemas"];
    for (name, part) in schemas
        .as_object()
        .expect("a map")
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "server" | "client"))
    {
        match &new["components"]["schemas"][name] {
            Value::Null => found.push(format!("{name} is gone")),
            other => {
                broken(part, other, name, name == "connect", found);
                if matches!(name.as_str(), "content" | "attachment") {
                    broken(part, other, name, true, found);
                }
            }
        }
    }
}

/// What a change of the REST paths breaks.
fn rest_breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    parts(old, new, &mut found);
    for (path, operations) in old["paths"].as_object().expect("a map") {
        for (method, was) in operations.as_object().expect("a map") {
            let (is, place) = (&new["paths"][path][method], format!("{method} {path}"));
            if is.is_null() {
                found.push(format!("{place} is gone"));
                continue;
            }
            if was["security"] != is["security"] {
                found.push(format!("{place} is for others"));
            }
            parameters(&was["parameters"], &is["parameters"], &place, &mut found);
            for (side, client) in [("requestBody", true), ("responses", false)] {
                let (was, is) = match client {
                    true => (&was[side]["content"], &is[side]["content"]),
                    false => (&was[side]["200"]["content"], &is[side]["200"]["content"]),
                };
                bodies(was, is, &format!("{place} {side}"), client, &mut found);
            }
        }
    }
    found
}

fn bodies(old: &Value, new: &Value, place: &str, client: bool, found: &mut Vec<String>) {
    if client && old.is_null() && !new.is_null() {
        found.push(format!("{place} is asked for"));
    }
    for (kind, was) in old.as_object().into_iter().flatten() {
        match &new[kind] {
            Value::Null => found.push(format!("{place} is no {kind}")),
            is if is["schema"]["type"] != was["schema"]["type"]
                || is["schema"]["$ref"] != was["schema"]["$ref"] =>
            {
                found.push(format!("{place} has another type"));
            }
            is => broken(&was["schema"], &is["schema"], place, client, found),
        }
    }
}

fn parameters(old: &Value, new: &Value, place: &str, found: &mut Vec<String>) {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for was in list(old) {
        match list(new).iter().find(|is| is["name"] == was["name"]) {
            None => found.push(format!("{place}: the parameter {} is gone", was["name"])),
            Some(is) if is["schema"] != was["schema"] => {
                found.push(format!("{place}: the parameter {} has another type", was["name"]));
            }
            Some(_) => {}
        }
    }
    for is in list(new).iter().filter(|is| is["required"] == true) {
        let was = list(old).into_iter().find(|was| was["name"] == is["name"]);
        if was.is_none_or(|was| was["required"] != true) {
            found.push(format!("{place}: the parameter {} is asked for", is["name"]));
        }
    }
}

/// What a change of the socket breaks.
fn socket_breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    parts(old, new, &mut found);
    let messages = |document: &Value| document["channels"]["socket"]["messages"].clone();
    let now = messages(new);
    for (name, was) in messages(old).as_object().expect("a map") {
        let client = name.starts_with("req.") || name.starts_with("client.");
        match &now[name]["payload"] {
            Value::Null => found.push(format!("{name} is gone")),
            is => broken(&was["payload"], is, name, client, &mut found),
        }
    }
    for (name, was) in old["operations"].as_object().expect("a map") {
        let tags = |operation: &Value| operation["tags"].as_array().cloned().unwrap_or_default();
        let now = tags(&new["operations"][name]);
        let lost = tags(was).into_iter().filter(|tag| !now.contains(tag));
        found.extend(lost.map(|tag| format!("{name} is not for a {} any more", tag["name"])));
    }
    found
}

#[test]
fn nothing_that_the_baselines_promise_is_taken_back() {
    assert_eq!(rest_breaks(&baseline("openapi"), &REST), Vec::<String>::new());
    assert_eq!(socket_breaks(&baseline("asyncapi"), &SOCKET), Vec::<String>::new());
}

#[test]
fn a_planted_change_is_found_and_named_and_an_addition_is_none() {
    let old = baseline("openapi");
    let rest = |change: fn(&mut Value)| {
        let mut new = old.clone();
        change(&mut new);
        rest_breaks(&old, &new).join(", ")
    };
    let gone = |new: &mut Value| drop(new["paths"].as_object_mut().expect("a map").remove("/v1/sync"));
    assert_eq!(rest(gone), "get /v1/sync is gone");
    let field = |new: &mut Value| {
        let schema = "/paths/~1v1~1tickets/post/responses/200/content/application~1json/schema";
        let schema = new.pointer_mut(schema).expect("it is there");
        drop(schema["properties"].as_object_mut().expect("a map").remove("ticket"));
    };
    assert_eq!(rest(field), "post /v1/tickets responses.ticket is gone");
    let asked = |new: &mut Value| {
        let body =
            new.pointer_mut("/paths/~1v1~1attachments/post/requestBody/content/application~1json/schema");
        body.expect("it is there")["required"].as_array_mut().expect("a list").push("sha256".into());
    };
    assert_eq!(rest(asked), "post /v1/attachments requestBody: \"sha256\" changed sides");
    let parameter = |new: &mut Value| {
        new["paths"]["/v1/wall"]["get"]["parameters"][0]["required"] = true.into();
    };
    assert_eq!(rest(parameter), "get /v1/wall: the parameter \"queue\" is asked for");
    let typed = |new: &mut Value| {
        new["components"]["schemas"]["line"]["properties"]["opened_ts"] = json!({ "type": "string" });
    };
    assert_eq!(rest(typed), "line.opened_ts has another type");
    let added = |new: &mut Value| {
        new["components"]["schemas"]["line"]["properties"]["new"] = json!({ "type": "string" });
        new["paths"]["/v1/new"] = json!({ "get": {} });
    };
    assert_eq!(rest(added), "");

    let old = baseline("asyncapi");
    let socket = |change: fn(&mut Value)| {
        let mut new = old.clone();
        change(&mut new);
        socket_breaks(&old, &new).join(", ")
    };
    let frame = |new: &mut Value| {
        let messages = new["channels"]["socket"]["messages"].as_object_mut().expect("a map");
        drop(messages.remove("server.message.created"));
    };
    assert_eq!(socket(frame), "server.message.created is gone");
    let asked = |new: &mut Value| {
        let d = new.pointer_mut("/channels/socket/messages/req.message.recall/payload/properties/d");
        d.expect("it is there")["required"].as_array_mut().expect("a list").push("reason".into());
    };
    assert_eq!(socket(asked), "req.message.recall.d: \"reason\" changed sides");
    let role = |new: &mut Value| new["operations"]["consult.start"]["tags"] = json!([{ "name": "agent" }]);
    assert_eq!(socket(role), "consult.start is not for a \"supervisor\" any more");
    let added = |new: &mut Value| {
        new["channels"]["socket"]["messages"]["server.new"] = json!({ "payload": { "type": "object" } });
    };
    assert_eq!(socket(added), "");
}
