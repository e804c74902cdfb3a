//! The schema of the protocol is true: what these tests send and receive is held against it.

use std::sync::LazyLock;

use conversa_gateway::schema;
use jsonschema::Validator;
use serde::Deserialize;
use serde_json::{Value, json};

use super::protocol::vectors;

fn side(name: &str) -> Validator {
    let mut document = schema::document();
    let map = document.as_object_mut().expect("a map");
    map.remove("anyOf");
    map.insert("$ref".into(), format!("#/$defs/{name}").into());
    jsonschema::validator_for(&document).expect("a schema")
}

static SERVER: LazyLock<Validator> = LazyLock::new(|| side("server"));
static CLIENT: LazyLock<Validator> = LazyLock::new(|| side("client"));

/// A frame that a node sent is as the schema says.
pub(super) fn sent_by_the_node(frame: &Value) {
    assert!(SERVER.is_valid(frame), "the schema does not know this frame of the node: {frame}");
}

#[derive(Deserialize)]
struct Frame {
    frame: Value,
}

#[derive(Deserialize)]
struct Asked {
    req: Value,
}

#[test]
fn the_vectors_are_as_the_schema_says() {
    for Frame { frame } in vectors::<Vec<Frame>>("frames.json") {
        assert!(SERVER.is_valid(&frame) || CLIENT.is_valid(&frame), "{frame}");
    }
    for Asked { mut req } in vectors::<Vec<Asked>>("requests.json") {
        req["t"] = "req".into();
        req["id"] = 1.into();
        assert!(CLIENT.is_valid(&req) || req["m"].is_null(), "{req}");
    }
}

#[test]
fn frames_that_lack_a_field_or_have_another_type_are_no_frames() {
    for bad in [
        json!({ "t": "ev", "s": 1, "ts": 1, "k": "message.recalled", "d": { "id": "ms_1" } }),
        json!({ "t": "ev", "s": "1", "ts": 1, "k": "auth.expiring", "d": { "expires_ts": 1 } }),
        json!({ "t": "ev", "s": 1, "ts": 1, "k": "no.such", "d": {} }),
        json!({ "t": "res", "id": 1, "err": { "code": "gone" } }),
        json!({ "t": "res", "id": 1 }),
    ] {
        assert!(!SERVER.is_valid(&bad), "{bad}");
    }
}

#[test]
fn the_schema_that_is_checked_in_is_that_of_the_code() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/v1.schema.json");
    let found = std::fs::read_to_string(file).unwrap_or_default();
    assert!(found == schema::text(), "write it anew: conversa schema > gateway/docs/v1.schema.json");
}

/// What a change of the schema breaks. A node's fields may not become optional, a client's may not become required.
pub(super) fn broken(old: &Value, new: &Value, place: &str, client: bool, found: &mut Vec<String>) {
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    for (name, field) in old["properties"].as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        match &new["properties"][name] {
            Value::Null => found.push(format!("{place} is gone")),
            other if other["type"] != field["type"] || other["$ref"] != field["$ref"] => {
                found.push(format!("{place} has another type"));
            }
            other => broken(field, other, &place, client, found),
        }
    }
    let (was, is) = (list(old, "required"), list(new, "required"));
    let (from, to) = if client { (is, was) } else { (was, is) };
    found.extend(
        from.iter().filter(|name| !to.contains(name)).map(|name| format!("{place}: {name} changed sides")),
    );
    // Words may be added: a client passes over those that it does not know.
    let words = list(new, "enum");
    found.extend(
        list(old, "enum")
            .iter()
            .filter(|word| !words.contains(word))
            .map(|word| format!("{place}: no {word}")),
    );
}

/// All frames and parts, by name.
fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for side in ["server", "client"] {
        let frames = |document: &Value| document["$defs"][side]["oneOf"].as_array().expect("frames").clone();
        let of = |frame: &Value| {
            let fields = &frame["properties"];
            (fields["t"].to_string(), fields["k"]["const"].to_string(), fields["err"].is_null())
        };
        for frame in frames(old) {
            match frames(new).iter().find(|other| of(other) == of(&frame)) {
                Some(other) => {
                    broken(&frame, other, &format!("{:?}", of(&frame)), side == "client", &mut found)
                }
                None => found.push(format!("{:?} is gone", of(&frame))),
            }
        }
    }
    for (name, part) in old["$defs"].as_object().expect("a map") {
        broken(part, &new["$defs"][name], name, name == "connect", &mut found);
    }
    found
}

fn baseline() -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/v1.baseline.json");
    serde_json::from_str(&std::fs::read_to_string(file).expect("it is checked in")).expect("JSON")
}

#[test]
fn nothing_that_the_baseline_promises_is_taken_back() {
    assert_eq!(breaks(&baseline(), &schema::document()), Vec::<String>::new());
}

#[test]
fn a_planted_change_is_found_and_an_addition_is_none() {
    let old = baseline();
    let with = |change: fn(&mut Value)| {
        let mut new = old.clone();
        change(&mut new["$defs"]);
        breaks(&old, &new).len()
    };
    assert_eq!(
        with(|defs| drop(defs["message"]["properties"].as_object_mut().expect("a map").remove("key"))),
        1
    );
    assert_eq!(with(|defs| defs["message"]["properties"]["o"] = json!({ "type": "string" })), 1);
    assert_eq!(with(|defs| defs["error"]["required"] = json!(["code", "msg"])), 1);
    assert_eq!(
        with(|defs| defs["connect"]["required"].as_array_mut().expect("a list").push("caps".into())),
        1
    );
    assert_eq!(with(|defs| defs["role"]["enum"] = json!(["visitor", "agent"])), 1);
    assert_eq!(with(|defs| drop(defs["server"]["oneOf"].as_array_mut().expect("a list").remove(0))), 1);
    assert_eq!(with(|defs| defs["message"]["properties"]["new"] = json!({ "type": "string" })), 0);
    assert_eq!(with(|defs| defs["role"]["enum"].as_array_mut().expect("a list").push("bot".into())), 0);
}
