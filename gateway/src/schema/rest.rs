//! OpenAPI of the REST paths, one entry per operation. A test holds the list against the router, others hold answers of the node against it.

mod operations;

use serde_json::{Map, Value, json};

use super::fields::{field, map, pretty};
use super::{PARTS, WORDS};
use operations::{Body, MAPS, OPERATIONS, Operation, Who};

const BASE: &str = "#/components/schemas/";

/// The parts of the frames that stand here too.
const SHARED: [&str; 3] = ["message", "author", "content"];
const PLATFORMS: [&str; 3] = ["apns", "fcm", "webhook"];

fn content(body: Body) -> Option<Value> {
    Some(match body {
        Body::Nothing => return None,
        Body::Map(fields) => json!({ "application/json": { "schema": map(BASE, fields) } }),
        Body::Part(part) => json!({ "application/json": { "schema": field(BASE, part) } }),
        Body::List(part) => {
            json!({ "application/json": { "schema": { "type": "array", "items": field(BASE, part) } } })
        }
        Body::Raw(kind) => json!({ kind: {} }),
    })
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let parts = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let path = parts
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let query = operation.query.iter().map(|(name, kind)| {
        let bare = name.trim_end_matches('?');
        json!({ "name": bare, "in": "query", "required": bare == *name, "schema": field(BASE, kind) })
    });
    path.chain(query).collect()
}

fn described(operation: &Operation) -> Value {
    let whose = match operation.who {
        Who::All => "For anybody.",
        Who::Here => "For anybody on this machine, in development mode.",
        Who::Known => "For whoever has a token.",
        Who::Staff => "For agents and supervisors.",
        Who::Chiefs => "For supervisors.",
        Who::Signed => "For the channel, by its signature (Standard Webhooks 1.0).",
    };
    let mut answer = json!({ "description": "It is so." });
    if let Some(content) = content(operation.gives) {
        answer["content"] = content;
    }
    let good = if operation.path == "/v1/ws" { "101" } else { "200" };
    let problem = json!({ "description": "A problem (RFC 9457); `detail` says what to do.",
        "content": { "application/problem+json": { "schema": field(BASE, "problem") } } });
    let mut all = json!({
        "operationId": format!("{} {}", operation.method, operation.path),
        "summary": operation.what, "description": whose, "parameters": parameters(operation),
        "responses": { good: answer, "default": problem },
        "security": if matches!(operation.who, Who::Known | Who::Staff | Who::Chiefs) { json!([{ "token": [] }]) } else { json!([]) },
    });
    if let Some(content) = content(operation.takes) {
        all["requestBody"] = json!({ "required": true, "content": content });
    }
    all
}

/// The OpenAPI document.
#[must_use]
pub fn document() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = described(operation);
    }
    let mut schemas = Map::new();
    for (name, fields) in MAPS.iter().chain(PARTS.iter().filter(|(name, _)| SHARED.contains(name))) {
        schemas.insert((*name).into(), map(BASE, fields));
    }
    for (name, words) in WORDS {
        schemas.insert((*name).into(), json!({ "enum": words }));
    }
    schemas.insert("platform".into(), json!({ "enum": PLATFORMS }));
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Conversa: REST", "version": "1", "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" } },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// The document as it is checked in.
#[must_use]
pub fn text() -> String {
    pretty(&document())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_document_has_every_path_of_the_router_and_no_other() {
        let routes = crate::rest::routes();
        let routed: BTreeSet<_> = routes.list().iter().copied().collect();
        let written: BTreeSet<_> =
            OPERATIONS.iter().map(|operation| (operation.method, operation.path)).collect();
        let missing: Vec<_> = routed.difference(&written).collect();
        assert!(missing.is_empty(), "write these in OPERATIONS: {missing:?}");
        let gone: Vec<_> = written.difference(&routed).collect();
        assert!(gone.is_empty(), "the router does not have these any more: {gone:?}");
        assert_eq!(routes.list().len(), OPERATIONS.len(), "each once");
    }
}
