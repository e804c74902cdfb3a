//! The operations of REST, one entry each, and the maps of which they speak.

use super::super::fields::Fields;

use Body::{List, Map as Of, Nothing, Part, Raw};
use Who::{All, Chiefs, Here, Known, Signed, Staff};

/// Who may ask.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Who {
    /// Anybody.
    All,
    /// Anybody on this machine, in development.
    Here,
    /// Whoever has a token.
    Known,
    /// Agents and supervisors.
    Staff,
    /// Supervisors.
    Chiefs,
    /// A channel, by the signature of the body.
    Signed,
}

/// What a request brings, or an answer.
#[derive(Clone, Copy)]
pub(super) enum Body {
    Nothing,
    /// A map with these fields.
    Map(Fields),
    /// A list of such parts.
    List(&'static str),
    /// A part.
    Part(&'static str),
    /// Something that is no JSON, by its media type.
    Raw(&'static str),
}

pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) who: Who,
    /// What it is for.
    pub(super) what: &'static str,
    pub(super) query: Fields,
    pub(super) takes: Body,
    pub(super) gives: Body,
}

const fn get(path: &'static str, who: Who, what: &'static str, query: Fields, gives: Body) -> Operation {
    Operation { method: "get", path, who, what, query, takes: Body::Nothing, gives }
}

const fn post(path: &'static str, who: Who, what: &'static str, takes: Body, gives: Body) -> Operation {
    Operation { method: "post", path, who, what, query: &[], takes, gives }
}

const fn delete(path: &'static str, who: Who, what: &'static str, gives: Body) -> Operation {
    Operation { method: "delete", path, who, what, query: &[], takes: Body::Nothing, gives }
}

const TEXT: Body = Raw("text/plain");
const ITEMS: Body = Of(&[("items", "list:map")]);
const PAGED: Body = Of(&[("items", "list:map"), ("next", "text?")]);
const TAKEN: Body = Of(&[("accepted", "truth"), ("visitor?", "text"), ("dup?", "truth")]);

pub(super) const OPERATIONS: &[Operation] = &[
    get("/livez", All, "The process runs.", &[], TEXT),
    get("/readyz", All, "The node serves; 503 says why not.", &[], TEXT),
    get("/metrics", All, "Metrics.", &[], Raw("application/openmetrics-text")),
    get("/v1/schema.json", All, "JSON Schema of the socket's frames.", &[], Raw("application/schema+json")),
    get("/v1/openapi.json", All, "This document.", &[], Part("any")),
    get("/v1/asyncapi.json", All, "AsyncAPI of the socket.", &[], Part("any")),
    get("/v1/ws", All, "The socket; see /v1/asyncapi.json. The token is in its first frame.", &[], Nothing),
    post(
        "/v1/dev/tokens",
        Here,
        "A token for trying things out.",
        Of(&[("role", "role"), ("id?", "text?"), ("name?", "text?")]),
        Of(&[("token", "text"), ("expires_ts", "whole"), ("id", "text"), ("name", "text")]),
    ),
    get(
        "/v1/dev/people",
        Here,
        "Agents and queues of the first company.",
        &[],
        Of(&[("tenant", "text"), ("agents", "list:map"), ("queues", "list:map")]),
    ),
    Operation {
        query: &[("line?", "text"), ("since?", "whole")],
        ..post(
            "/v1/send",
            All,
            "Frames of a client without a socket; the first opens a line with connect.",
            List("map"),
            Of(&[("frames", "list:map"), ("line", "text?"), ("since", "whole?")]),
        )
    },
    get(
        "/v1/events",
        All,
        "Frames for a line: waits 25 s for them, or streams them as server-sent events if these are accepted.",
        &[("line", "text"), ("since?", "whole")],
        Of(&[("frames", "list:map"), ("line", "text?"), ("since", "whole?")]),
    ),
    post(
        "/v1/tickets",
        Known,
        "A ticket that connects once within 60 s instead of a token.",
        Nothing,
        Of(&[("ticket", "text"), ("expires_ts", "whole")]),
    ),
    get(
        "/v1/sync",
        Known,
        "One's conversations that changed, where they end and what is unread.",
        &[("since?", "text"), ("limit?", "whole")],
        Of(&[("items", "list:changed"), ("since", "text"), ("more", "truth")]),
    ),
    get(
        "/v1/conversations",
        Staff,
        "Conversations, the newest first.",
        &[("before?", "text"), ("limit?", "whole")],
        Of(&[("items", "list:line"), ("next", "text?")]),
    ),
    get("/v1/conversations/{cv}", Known, "How a conversation stands.", &[], Part("conversation")),
    get(
        "/v1/conversations/{cv}/messages",
        Known,
        "Messages after, before or around an offset.",
        &[("after?", "whole"), ("before?", "whole"), ("around?", "whole"), ("limit?", "whole")],
        Of(&[("items", "list:message"), ("next", "whole?"), ("prev", "whole?"), ("head", "whole")]),
    ),
    post(
        "/v1/conversations/{cv}/messages",
        Known,
        "Says something; it is durable when this is answered. Repeat it with the same key after any doubt.",
        Of(&[("key", "text"), ("content", "content"), ("reply_to?", "text?")]),
        Of(&[
            ("cv", "text"),
            ("o", "whole?"),
            ("ep", "whole"),
            ("id?", "text"),
            ("ts?", "whole"),
            ("dup?", "truth"),
        ]),
    ),
    get("/v1/conversations/{cv}/transcript", Known, "A conversation as text.", &[], TEXT),
    get(
        "/v1/conversations/{cv}/delivery",
        Staff,
        "What waits for the conversation's channel, and how far its messages have come.",
        &[],
        Part("any"),
    ),
    get("/v1/knowledge", Staff, "What the bot knows.", &[("after?", "text"), ("limit?", "whole")], PAGED),
    get(
        "/v1/knowledge/search",
        Staff,
        "What the bot would make of a question.",
        &[("q", "text")],
        Of(&[("outcome", "text"), ("items", "list:map")]),
    ),
    get("/v1/queues", Staff, "Queues and how they stand.", &[], Of(&[("items", "list:queue")])),
    get("/v1/agents", Staff, "Agents and how they are.", &[], Of(&[("items", "list:agent")])),
    get(
        "/v1/wall",
        Staff,
        "How queues and agents stand and what was done today.",
        &[("queue?", "text")],
        Part("any"),
    ),
    get("/v1/departments", Staff, "Departments.", &[], ITEMS),
    get("/v1/teams", Staff, "Teams.", &[], ITEMS),
    get(
        "/v1/customers",
        Staff,
        "Customers by one of these; a value must have been signed.",
        &[("identity?", "text"), ("account?", "text"), ("email?", "text"), ("phone?", "text")],
        Of(&[("items", "list:customer")]),
    ),
    get("/v1/customers/{id}", Staff, "A customer.", &[], Part("customer")),
    get(
        "/v1/customers/{id}/timeline",
        Staff,
        "Conversations of all identities, the newest first.",
        &[("before?", "text"), ("limit?", "whole")],
        PAGED,
    ),
    post(
        "/v1/customers/{id}/merge",
        Staff,
        "Makes two customers one.",
        Of(&[("with", "text"), ("note?", "text")]),
        Part("customer"),
    ),
    post(
        "/v1/customers/{id}/undo",
        Staff,
        "Takes a merge back, for ever.",
        Of(&[("merge", "text")]),
        Part("customer"),
    ),
    get(
        "/v1/boards/summary",
        Staff,
        "What visitors thought, by queue and agent.",
        &[],
        Of(&[("csat", "map"), ("nps", "map")]),
    ),
    get(
        "/v1/qa/scores",
        Staff,
        "Scores of quality inspection: worst or newest first.",
        &[("order?", "text"), ("limit?", "whole")],
        Of(&[
            ("items", "list:map"),
            ("distribution", "list:map"),
            ("mean", "number?"),
            ("scored", "whole"),
            ("fatal", "whole"),
        ]),
    ),
    get("/v1/qa/scores/{cv}", Staff, "The score of a conversation, with its evidence.", &[], Of(&[])),
    get(
        "/v1/voc/keywords",
        Staff,
        "What visitors speak of, the hottest first.",
        &[("limit?", "whole")],
        Of(&[("conversations", "whole"), ("messages", "whole"), ("items", "list:map")]),
    ),
    get(
        "/v1/voc/sentiment",
        Staff,
        "Messages by sentiment.",
        &[],
        Of(&[("positive", "whole"), ("neutral", "whole"), ("negative", "whole")]),
    ),
    get(
        "/v1/voc/drilldown",
        Staff,
        "The messages behind a keyword.",
        &[("keyword", "text"), ("sentiment?", "text"), ("limit?", "whole")],
        ITEMS,
    ),
    get(
        "/v1/settings",
        Staff,
        "The settings in force, or a former version; the ETag is the version.",
        &[("version?", "whole")],
        Part("settings"),
    ),
    Operation {
        method: "put",
        ..post(
            "/v1/settings",
            Chiefs,
            "Puts settings in force, with If-Match: the ETag of those that were changed, or *.",
            Part("any"),
            Part("settings"),
        )
    },
    post(
        "/v1/settings/check",
        Chiefs,
        "What would be wrong with settings; 422 lists every flaw.",
        Part("any"),
        Of(&[("ok", "truth")]),
    ),
    get("/v1/settings/history", Staff, "Who set what, the newest first.", &[], ITEMS),
    post(
        "/v1/attachments",
        Known,
        "Prepares the upload of a file.",
        Of(&[("name", "text"), ("mime", "text"), ("bytes", "whole")]),
        Of(&[("id", "text"), ("upload_url", "text"), ("limits", "map"), ("expires_ts", "whole")]),
    ),
    get(
        "/v1/attachments/{id}",
        Known,
        "A file; whoever was sent it names the message that shows it. Parts by Range.",
        &[("cv?", "text"), ("ms?", "text")],
        Raw("*/*"),
    ),
    Operation {
        method: "put",
        ..post(
            "/v1/attachments/{id}",
            Known,
            "The bytes of a file that was prepared.",
            Raw("application/octet-stream"),
            Of(&[("id", "text"), ("bytes", "whole"), ("sha256", "text")]),
        )
    },
    post(
        "/v1/attachments/{id}/complete",
        Known,
        "Checks the file; the att is sent in a message as it is given.",
        Nothing,
        Of(&[("att", "attachment")]),
    ),
    get("/v1/devices", Known, "One's devices.", &[], Part("any")),
    post(
        "/v1/devices",
        Known,
        "Registers a device that is told of messages no socket has taken.",
        Of(&[("device", "text"), ("platform", "platform"), ("token?", "text?"), ("url?", "text?")]),
        Of(&[("device", "text"), ("platform", "platform")]),
    ),
    delete(
        "/v1/devices/{device}",
        Known,
        "Forgets a device.",
        Of(&[("device", "text"), ("removed", "truth")]),
    ),
    get("/v1/dead-letters", Chiefs, "Calls to channels that were given up.", &[], Part("any")),
    delete("/v1/dead-letters/{n}", Chiefs, "Forgets a call.", Of(&[("n", "whole"), ("dropped", "truth")])),
    post(
        "/v1/dead-letters/{n}/replay",
        Chiefs,
        "Has a call made again.",
        Nothing,
        Of(&[("n", "whole"), ("replayed", "truth")]),
    ),
    post(
        "/v1/channels/{channel}/inbound",
        Signed,
        "What a channel says: a message of a user, or what became of one of ours. 2xx says that it is stored.",
        Part("any"),
        TAKEN,
    ),
];

/// Maps of which others speak, beside those of the frames.
pub(super) const MAPS: &[(&str, Fields)] = &[
    (
        "problem",
        &[
            ("type", "text"),
            ("title", "text"),
            ("status", "whole"),
            ("code", "text"),
            ("detail", "text"),
            ("retry", "truth"),
            ("retry_after_ms?", "whole?"),
            ("field?", "text"),
            ("errors?", "list:map"),
        ],
    ),
    (
        "changed",
        &[
            ("cv", "text"),
            ("head", "whole"),
            ("ep", "whole"),
            ("phase", "text"),
            ("changed_ts", "whole"),
            ("read", "whole"),
            ("unread", "whole"),
            ("unread_more", "truth"),
        ],
    ),
    (
        "line",
        &[
            ("cv", "text"),
            ("phase", "text"),
            ("channel", "text"),
            ("lang", "text"),
            ("visitor", "any"),
            ("agent", "any"),
            ("queue", "text?"),
            ("opened_ts", "whole"),
            ("closed_ts", "whole?"),
        ],
    ),
    (
        "conversation",
        &[
            ("cv", "text"),
            ("ep", "whole"),
            ("o", "whole"),
            ("phase", "text"),
            ("controller", "text?"),
            ("channel", "text"),
            ("lang", "text"),
            ("visitor", "map"),
            ("agent", "map?"),
            ("queue", "text?"),
            ("opened_ts", "whole"),
            ("closed_ts", "whole?"),
        ],
    ),
    ("queue", &[("id", "text"), ("name", "map"), ("waiting", "whole"), ("paused", "truth")]),
    (
        "agent",
        &[
            ("id", "text"),
            ("name", "text"),
            ("teams", "list"),
            ("queues", "list"),
            ("skills", "map"),
            ("state", "any"),
            ("reason", "any"),
            ("capacity", "any"),
            ("taken", "any"),
            ("places", "any"),
            ("asked", "any"),
        ],
    ),
    ("customer", &[("id", "text"), ("identities", "list:map"), ("merges", "list:map"), ("more", "truth")]),
    ("settings", &[("version", "whole"), ("at_ts", "whole"), ("by", "any")]),
    (
        "attachment",
        &[
            ("id?", "text"),
            ("url", "text"),
            ("mime", "text"),
            ("bytes", "whole"),
            ("sha256?", "text"),
            ("name", "text"),
        ],
    ),
];
