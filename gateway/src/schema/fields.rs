//! The small language in which the documents of the protocol are written: fields with their kinds, one line each.

use serde_json::{Map, Value, json};

/// Names with kinds; a `?` behind the name says that the field may be missing, one behind the kind that it may be null.
pub(super) type Fields = &'static [(&'static str, &'static str)];

/// What a field of a kind holds; kinds that are not named here are parts, which stand at `base`.
pub(super) fn field(base: &str, kind: &str) -> Value {
    if let Some(of) = kind.strip_prefix("list:") {
        return json!({ "type": "array", "items": field(base, of) });
    }
    match kind {
        "any" => json!(true),
        "text" => json!({ "type": "string" }),
        "text?" => json!({ "type": ["string", "null"] }),
        "whole" => json!({ "type": "integer", "minimum": 0 }),
        "whole?" => json!({ "type": ["integer", "null"], "minimum": 0 }),
        "number" => json!({ "type": "number" }),
        "number?" => json!({ "type": ["number", "null"] }),
        "truth" => json!({ "type": "boolean" }),
        "list" => json!({ "type": "array" }),
        "map" => json!({ "type": "object" }),
        "map?" => json!({ "type": ["object", "null"] }),
        "frames" => json!({ "type": "array", "maxItems": 64, "items": { "$ref": format!("{base}server") } }),
        part => json!({ "$ref": format!("{base}{part}") }),
    }
}

/// An open map with these fields.
pub(super) fn map(base: &str, fields: &[(&str, &str)]) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, kind) in fields {
        let bare = name.trim_end_matches('?');
        properties.insert(bare.into(), field(base, kind));
        if bare == *name {
            required.push(bare);
        }
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

/// A document as it is checked in.
pub(super) fn pretty(document: &Value) -> String {
    let mut text = serde_json::to_string_pretty(document).expect("text keys make JSON");
    text.push('\n');
    text
}
