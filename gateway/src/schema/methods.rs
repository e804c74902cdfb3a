//! The methods of requests: for whom, what they carry, what they answer. The socket refuses what is not in this list, and the documents
//! are made of it.

use super::fields::Fields;
use crate::auth::Role;

/// One method.
pub(crate) struct Method {
    pub(crate) name: &'static str,
    /// Who may ask for it at all; whether in this conversation, its actor judges.
    pub(crate) roles: &'static [Role],
    /// What it is for.
    pub(super) what: &'static str,
    /// It names its conversation in `cv`.
    pub(super) cv: bool,
    pub(super) takes: Fields,
    pub(super) gives: Fields,
}

use Role::{Agent, Supervisor, Visitor};

const ALL: &[Role] = &[Visitor, Agent, Supervisor];
const SPEAKERS: &[Role] = &[Visitor, Agent];
const VISITORS: &[Role] = &[Visitor];
const AGENTS: &[Role] = &[Agent];
/// What agents do, and supervisors with one that they took over.
const DESK: &[Role] = &[Agent, Supervisor];
const CHIEFS: &[Role] = &[Supervisor];

/// What an actor answers: the offset of what came of it.
const DONE: Fields = &[("o", "whole?"), ("ts?", "whole"), ("dup?", "truth")];
const TOPIC: Fields = &[("ep", "whole"), ("o", "whole"), ("snapshot", "any")];
const SECOND: Fields = &[("agent", "text"), ("summary?", "text"), ("slots?", "map")];
const SWITCH: Fields = &[("on?", "truth")];

const fn of(name: &'static str, roles: &'static [Role], what: &'static str, takes: Fields) -> Method {
    Method { name, roles, what, cv: true, takes, gives: DONE }
}

const fn own(
    name: &'static str,
    roles: &'static [Role],
    what: &'static str,
    takes: Fields,
    gives: Fields,
) -> Method {
    Method { name, roles, what, cv: false, takes, gives }
}

/// All of them.
pub(crate) const METHODS: &[Method] = &[
    Method {
        gives: &[
            ("id", "text"),
            ("cv", "text"),
            ("o", "whole"),
            ("ep", "whole"),
            ("ts", "whole"),
            ("dup?", "truth"),
        ],
        ..of(
            "message.send",
            ALL,
            "Says something; answered when it is durable. It carries a key, <device>.<n>.",
            &[("content", "content"), ("visibility?", "visibility"), ("reply_to?", "text?")],
        )
    },
    of("message.edit", SPEAKERS, "Says it in other words.", &[("id", "text"), ("content", "content")]),
    of("message.recall", SPEAKERS, "Takes it back.", &[("id", "text")]),
    of(
        "message.react",
        SPEAKERS,
        "Adds a reaction or takes it back.",
        &[("id", "text"), ("emoji", "text"), ("on?", "truth")],
    ),
    of("receipt.read", SPEAKERS, "One has read up to here.", &[("upto", "whole")]),
    of("conversation.close", ALL, "Ends it.", &[("reason?", "text?")]),
    Method {
        gives: &[
            ("messages", "list:message"),
            ("events", "list:map"),
            ("next", "whole?"),
            ("prev", "whole?"),
            ("head", "whole"),
        ],
        ..of(
            "history.page",
            ALL,
            "A page of a conversation's log: after, before or around an offset.",
            &[("after?", "whole?"), ("before?", "whole?"), ("around?", "whole?"), ("limit?", "whole?")],
        )
    },
    own(
        "auth.refresh",
        ALL,
        "A new token of the same person.",
        &[("token", "text")],
        &[("expires_ts", "whole")],
    ),
    own(
        "sub",
        ALL,
        "Follows a topic: cv:<id>, queue:<id>, wall:<queue or *>.",
        &[("topic", "text"), ("pos?", "whole?")],
        TOPIC,
    ),
    own("unsub", ALL, "Follows it no longer.", &[("topic", "text")], &[("topic", "text")]),
    own(
        "conversation.open",
        VISITORS,
        "Opens a conversation, or finds the live one.",
        &[("channel?", "text"), ("lang?", "text"), ("name?", "text?")],
        &[("cv", "text"), ("o", "whole"), ("ep", "whole"), ("phase", "text"), ("controller", "text?")],
    ),
    of("human.request", VISITORS, "Asks for a person.", &[]),
    of("queue.leave", VISITORS, "Waits no longer.", &[]),
    of(
        "csat.submit",
        VISITORS,
        "Answers the survey.",
        &[("score", "whole"), ("reasons?", "list"), ("comment?", "text")],
    ),
    own(
        "identify",
        VISITORS,
        "Says who one is: a token with claims, or attributes that one says oneself.",
        &[("token?", "text?"), ("attributes?", "map")],
        &[("verified", "list"), ("unverified", "list")],
    ),
    own(
        "presence.set",
        AGENTS,
        "Is online or away.",
        &[("state", "text"), ("capacity?", "whole?"), ("reason?", "text?")],
        &[("state", "any"), ("capacity", "any"), ("places", "any"), ("asked?", "any")],
    ),
    of("offer.accept", AGENTS, "Takes an offer.", &[("offer", "text")]),
    of("offer.decline", AGENTS, "Does not take it.", &[("offer", "text")]),
    of(
        "conversation.transfer",
        DESK,
        "Gives it to an agent, a queue or the bot.",
        &[("to", "map"), ("summary?", "text"), ("slots?", "map")],
    ),
    of("transfer.withdraw", DESK, "Takes a transfer back.", &[]),
    of("consult.start", DESK, "Asks a second agent in.", SECOND),
    of("consult.complete", DESK, "Gives it to the consultant.", &[]),
    of("consult.drop", DESK, "Goes on without the consultant.", &[]),
    of("consult.conference", DESK, "Lets the consultant write to the visitor, or no longer.", SWITCH),
    of("conversation.wrap", DESK, "Says how it ended.", &[("disposition", "text"), ("tags?", "list")]),
    of(
        "conversation.snooze",
        DESK,
        "Lets it rest, until a time or the visitor's word.",
        &[("until_ms?", "whole?")],
    ),
    of("conversation.unsnooze", DESK, "Goes on with it.", &[]),
    of("takeover", CHIEFS, "Has it from now on.", &[]),
    of(
        "force.assign",
        CHIEFS,
        "Gives it to an agent who is not asked.",
        &[("agent", "text"), ("summary?", "text")],
    ),
    Method {
        gives: &[("on", "truth")],
        ..of("monitor.start", CHIEFS, "Watches it from its beginning, or no longer.", SWITCH)
    },
    of("whisper.send", CHIEFS, "Says something that the visitor does not see.", &[("content", "content")]),
    of("barge.in", CHIEFS, "Speaks in it, or no longer.", SWITCH),
    own(
        "queue.pause",
        CHIEFS,
        "Stops assignment of a queue, or lets it go on.",
        &[("queue", "text"), ("paused?", "truth")],
        &[("paused", "truth")],
    ),
    own("agents.watch", CHIEFS, "Is shown how agents are, or no longer.", SWITCH, &[("on", "truth")]),
    own(
        "presence.approve",
        CHIEFS,
        "Answers an agent who asks to be away.",
        &[("agent", "text"), ("approved?", "truth")],
        &[("approved", "truth")],
    ),
];

/// The method of this name.
pub(crate) fn method(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

/// The names of those that a role may ask for, for people.
pub(crate) fn names(role: Role) -> String {
    let may = METHODS.iter().filter(|method| method.roles.contains(&role));
    may.map(|method| method.name).collect::<Vec<_>>().join(", ")
}
