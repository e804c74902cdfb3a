//! JSON Schema of the frames of protocol v1, one line per kind of event. The tests hold every frame that a node sends against it.
//! A reader ignores fields that it does not know, so every map is open; `required` names what a sender never leaves out.

mod fields;
pub(crate) mod methods;
pub mod rest;
pub mod socket;

use serde_json::{Map, Value, json};

use fields::Fields;

/// Kind of a counted event, and the fields of its `d`: a `?` behind the name says that it may be missing.
const EVENTS: &[(&str, Fields)] = &[
    ("snapshot", &[("conversations", "list"), ("presence?", "map")]),
    ("message.created", &[("message", "message")]),
    ("message.edited", &[("id", "text"), ("content", "content"), ("by", "text"), ("edited_ts", "whole")]),
    ("message.recalled", &[("id", "text"), ("by", "text")]),
    ("message.reacted", &[("id", "text"), ("by", "text"), ("emoji", "text"), ("on", "truth")]),
    (
        "receipt",
        &[
            ("state", "reach"),
            ("upto?", "whole"),
            ("by?", "text"),
            ("ms?", "text"),
            ("err?", "text"),
            ("final?", "truth"),
        ],
    ),
    (
        "conversation.opened",
        &[
            ("channel", "text"),
            ("lang", "text"),
            ("visitor", "map"),
            ("phase", "text"),
            ("controller", "text?"),
        ],
    ),
    (
        "conversation.queued",
        &[
            ("queue", "text"),
            ("reason", "text"),
            ("phase", "text"),
            ("controller", "text"),
            ("opens_ts?", "whole"),
            ("kept?", "truth"),
        ],
    ),
    (
        "conversation.offered",
        &[
            ("offer", "any"),
            ("agent", "map"),
            ("expires_ts", "whole"),
            ("queue", "text"),
            ("phase", "text"),
            ("controller", "text"),
        ],
    ),
    ("conversation.assigned", &[("agent", "map"), ("phase", "text"), ("controller", "text")]),
    (
        "conversation.closed",
        &[("by", "text"), ("reason", "text"), ("phase", "text"), ("controller", "text?")],
    ),
    ("conversation.reopened", &[("phase", "text"), ("controller", "text?")]),
    (
        "conversation.transferred",
        &[("by", "any"), ("kind?", "text"), ("to", "any"), ("summary", "text"), ("slots", "map")],
    ),
    ("conversation.controlled", &[("phase", "text"), ("controller", "text")]),
    ("conversation.joined", &[("by", "map"), ("on", "truth")]),
    (
        "conversation.handover",
        &[
            ("state", "text"),
            ("kind", "text"),
            ("to", "map"),
            ("offer", "any"),
            ("by?", "any"),
            ("summary?", "text"),
            ("slots?", "map"),
            ("expires_ts?", "whole"),
            ("reason?", "text"),
        ],
    ),
    ("conversation.wrapping", &[("agent", "any"), ("until_ts", "whole"), ("codes", "list")]),
    (
        "conversation.wrapped",
        &[("agent", "any"), ("reason", "text"), ("disposition", "any"), ("tags", "list")],
    ),
    ("conversation.watched", &[("by", "map"), ("on", "truth")]),
    ("conversation.snoozed", &[("by", "any"), ("until_ts", "whole?")]),
    ("conversation.unsnoozed", &[("reason", "text")]),
    ("conversation.taken_back", &[("agent", "any"), ("reason", "text")]),
    ("sla.set", &[("goals", "list")]),
    ("sla.warning", &[("goal", "text"), ("queue", "text"), ("due_ts", "whole")]),
    ("sla.breached", &[("goal", "text"), ("queue", "text"), ("due_ts", "whole")]),
    ("idle.set", &[]),
    ("idle.warning", &[("side", "text"), ("since_ts", "whole")]),
    ("survey.asked", &[("survey", "text")]),
    ("csat.received", &[("survey", "text"), ("score", "whole"), ("reasons", "list"), ("comment", "any")]),
    (
        "agent.presence",
        &[
            ("agent", "text"),
            ("state", "any"),
            ("reason", "any"),
            ("asked", "any"),
            ("capacity", "any"),
            ("taken", "any"),
            ("places", "any"),
        ],
    ),
    ("auth.expiring", &[("expires_ts", "whole")]),
];

/// What else the node sends: the class, and the fields beside it.
const OTHERS: &[(&str, Fields)] = &[
    ("welcome", &[("ts", "whole"), ("d", "welcome")]),
    ("eph", &[("k", "text"), ("cv?", "text"), ("d", "map")]),
    ("lag", &[("cv?", "text"), ("d", "lag")]),
    ("goaway", &[("d", "goaway")]),
    ("ping", &[("n?", "whole")]),
    ("pong", &[("n?", "whole?"), ("s?", "whole")]),
    ("bye", &[("code?", "whole"), ("reason?", "text")]),
    ("batch", &[("d", "frames")]),
];

/// What a client sends, likewise.
const CLIENT: &[(&str, Fields)] = &[
    ("connect", &[("d", "connect")]),
    ("req", &[("id", "whole"), ("m", "text"), ("cv?", "text?"), ("key?", "text?"), ("d?", "any")]),
    ("ack", &[("s?", "whole"), ("d?", "map")]),
    ("ping", &[("n?", "whole?")]),
    ("pong", &[("n?", "whole?"), ("s?", "whole")]),
    ("eph", &[("k", "text"), ("cv", "text"), ("d?", "map")]),
    ("batch", &[("d", "list")]),
    ("bye", &[]),
];

/// Named maps of which others speak.
const PARTS: &[(&str, Fields)] = &[
    (
        "message",
        &[
            ("id", "text"),
            ("cv", "text"),
            ("o", "whole"),
            ("ts", "whole"),
            ("key?", "text?"),
            ("author", "author"),
            ("content", "content"),
            ("visibility", "visibility"),
            ("reply_to?", "text"),
            ("edited_ts?", "whole"),
            ("recalled?", "truth"),
            ("reactions?", "list"),
        ],
    ),
    ("author", &[("kind", "author_kind"), ("id", "text"), ("name", "text")]),
    ("content", &[("type", "text")]),
    (
        "error",
        &[
            ("code", "text"),
            ("msg", "text"),
            ("retry", "truth"),
            ("retry_after_ms?", "whole"),
            ("field?", "text"),
        ],
    ),
    ("lag", &[("mode", "text"), ("behind", "whole")]),
    ("goaway", &[("reason", "text"), ("after_ms", "whole"), ("deadline_ms", "whole"), ("url?", "text")]),
    (
        "connect",
        &[
            ("token?", "text?"),
            ("ticket?", "text?"),
            ("role", "role"),
            ("device", "text"),
            ("caps?", "list"),
            ("interest?", "list"),
            ("hb_ms?", "whole?"),
            ("resume?", "any"),
        ],
    ),
    (
        "welcome",
        &[
            ("session", "text"),
            ("resume_token", "text"),
            ("resumed", "resumed"),
            ("stale", "list"),
            ("from_s", "whole"),
            ("principal", "map"),
            ("hb", "map"),
            ("limits", "map"),
            ("server", "map"),
            ("features", "list"),
            ("retain_s", "whole"),
            ("topics?", "list"),
        ],
    ),
];

/// Words of which a field is one.
const WORDS: &[(&str, &[&str])] = &[
    ("role", &["visitor", "agent", "supervisor"]),
    ("resumed", &["full", "positions", "none"]),
    ("visibility", &["public", "internal"]),
    ("author_kind", &["visitor", "agent", "bot", "system"]),
    ("reach", &["sent", "delivered", "read", "failed"]),
];

const BASE: &str = "#/$defs/";

fn map(fields: &[(&str, &str)]) -> Value {
    fields::map(BASE, fields)
}

/// The map with one field more, that has one value.
fn tagged(mut map: Value, name: &str, value: &str) -> Value {
    map["properties"][name] = json!({ "const": value });
    if let Some(required) = map["required"].as_array_mut() {
        required.push(name.into());
    }
    map
}

/// The schema: `#/$defs/server` is a frame of the node, `#/$defs/client` one of a client.
#[must_use]
pub fn document() -> Value {
    let mut defs = Map::new();
    for (name, fields) in PARTS {
        defs.insert((*name).into(), map(fields));
    }
    for (name, words) in WORDS {
        defs.insert((*name).into(), json!({ "enum": words }));
    }
    let event = [("s", "whole"), ("cv?", "text"), ("ep?", "whole"), ("o?", "whole"), ("ts", "whole")];
    let events = EVENTS.iter().map(|(k, fields)| {
        let mut frame = tagged(tagged(map(&event), "t", "ev"), "k", k);
        frame["properties"]["d"] = map(fields);
        if let Some(required) = frame["required"].as_array_mut() {
            required.push("d".into());
        }
        frame
    });
    let others = OTHERS.iter().map(|(t, fields)| tagged(map(fields), "t", t));
    let answers = [
        tagged(map(&[("id", "whole"), ("d", "map")]), "t", "res"),
        tagged(map(&[("id", "whole"), ("err", "error")]), "t", "res"),
    ];
    let server: Vec<Value> = events.chain(others).chain(answers).collect();
    let client: Vec<Value> = CLIENT.iter().map(|(t, fields)| tagged(map(fields), "t", t)).collect();
    defs.insert("server".into(), json!({ "oneOf": server }));
    defs.insert("client".into(), json!({ "oneOf": client }));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Conversa protocol v1: frames of the socket",
        "anyOf": [{ "$ref": "#/$defs/server" }, { "$ref": "#/$defs/client" }],
        "$defs": defs,
    })
}

/// The document as it is checked in.
#[must_use]
pub fn text() -> String {
    fields::pretty(&document())
}
