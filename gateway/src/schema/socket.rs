//! AsyncAPI of the socket: one message per frame and method, made of the schema of the frames and the list of methods.

use serde_json::{Map, Value, json};

use super::fields::{map, pretty};
use super::methods::{METHODS, Method};
use crate::auth::Role;

const BASE: &str = "#/components/schemas/";

/// `#/$defs/x` of the schema of the frames stands at `#/components/schemas/x` here.
fn moved(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(name) = text.strip_prefix("#/$defs/") {
                *text = format!("{BASE}{name}");
            }
        }
        Value::Array(list) => list.iter_mut().for_each(moved),
        Value::Object(map) => map.values_mut().for_each(moved),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The name of a frame: its class, and of an event its kind; of an answer whether it refuses.
fn name(frame: &Value) -> String {
    let fields = &frame["properties"];
    let class = fields["t"]["const"].as_str().unwrap_or_default();
    match (fields["k"]["const"].as_str(), fields["err"].is_null()) {
        (Some(kind), _) => kind.to_owned(),
        (None, false) => format!("{class}.refused"),
        (None, true) => class.to_owned(),
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Visitor => "visitor",
        Role::Agent => "agent",
        Role::Supervisor => "supervisor",
    }
}

fn request(method: &Method) -> Value {
    let id = ("id", "whole");
    let mut frame = match method.cv {
        true => map(BASE, &[id, ("cv", "text"), ("key?", "text?")]),
        false => map(BASE, &[id, ("key?", "text?")]),
    };
    frame["properties"]["t"] = json!({ "const": "req" });
    frame["properties"]["m"] = json!({ "const": method.name });
    frame["properties"]["d"] = map(BASE, method.takes);
    let required = frame["required"].as_array_mut().expect("map makes one");
    required.extend(["t".into(), "m".into()]);
    if method.takes.iter().any(|(name, _)| !name.ends_with('?')) {
        required.push("d".into());
    }
    frame
}

fn answer(method: &Method) -> Value {
    let mut frame = map(BASE, &[("id", "whole")]);
    frame["properties"]["t"] = json!({ "const": "res" });
    frame["properties"]["d"] = map(BASE, method.gives);
    frame["required"].as_array_mut().expect("map makes one").extend(["t".into(), "d".into()]);
    frame
}

/// The AsyncAPI document.
#[must_use]
pub fn document() -> Value {
    let mut schemas = super::document()["$defs"].take();
    moved(&mut schemas);
    let side = |side: &str| schemas[side]["oneOf"].as_array().cloned().unwrap_or_default();
    let (server, client) = (side("server"), side("client"));
    let (mut messages, mut operations) = (Map::new(), Map::new());
    let here = |name: &str| json!({ "$ref": format!("#/channels/socket/messages/{name}") });
    let mut told = Vec::new();
    for frame in server {
        let name = format!("server.{}", name(&frame));
        told.push(here(&name));
        messages.insert(name, json!({ "payload": frame }));
    }
    let mut said = Vec::new();
    for frame in client.into_iter().filter(|frame| name(frame) != "req") {
        let name = format!("client.{}", name(&frame));
        said.push(here(&name));
        messages.insert(name, json!({ "payload": frame }));
    }
    for method in METHODS {
        let (ask, done) = (format!("req.{}", method.name), format!("res.{}", method.name));
        let roles: Vec<_> = method.roles.iter().copied().map(role).collect();
        operations.insert(
            method.name.into(),
            json!({
                "action": "receive", "channel": { "$ref": "#/channels/socket" }, "summary": method.what,
                "tags": roles.iter().map(|role| json!({ "name": role })).collect::<Vec<_>>(),
                "messages": [here(&ask)],
                "reply": { "channel": { "$ref": "#/channels/socket" }, "messages": [here(&done), here("server.res.refused")] },
            }),
        );
        messages.insert(ask, json!({ "payload": request(method) }));
        messages.insert(done, json!({ "payload": answer(method) }));
    }
    let channel = json!({ "$ref": "#/channels/socket" });
    operations.insert(
        "told".into(),
        json!({ "action": "send", "channel": channel, "summary": "What the node says.", "messages": told }),
    );
    operations.insert("said".into(), json!({ "action": "receive", "channel": channel, "summary": "What a client says beside requests.", "messages": said }));
    if let Some(schemas) = schemas.as_object_mut() {
        schemas.remove("client");
    }
    json!({
        "asyncapi": "3.0.0",
        "info": { "title": "Conversa: socket", "version": "1", "license": { "name": "Apache-2.0" } },
        "defaultContentType": "application/json",
        "channels": { "socket": {
            "address": "/v1/ws",
            "description": "Subprotocol conversa.v1.json (text frames) or conversa.v1.msgpack (binary frames), one data model.",
            "messages": messages,
        } },
        "operations": operations,
        "components": { "schemas": schemas },
    })
}

/// The document as it is checked in.
#[must_use]
pub fn text() -> String {
    pretty(&document())
}
