//! A conversation's events as clients see them.

use std::fmt;

use conversa_actors::behaviours::clock_view;
use conversa_engine::content::Content;
use conversa_engine::conversation::{
    AuthorKind, ClientKey, Closer, DeskEvent, Event, Goal, HandoverEvent, HandoverKind, IdleEvent, Said,
    SlaEvent, SnoozeEvent, SurveyEvent, Visibility, WrapEvent,
};
use conversa_engine::ids::{PersonId, QueueId};
use conversa_engine::time::Time;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// The id of the message at an offset of a conversation: `ms_`, the digits of the conversation's id, `.`, the offset. It is
/// [`ConversationId::message`], written only when somebody writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageId<'a> {
    /// The conversation's id.
    pub cv: &'a str,
    /// The offset.
    pub o: u64,
}

impl MessageId<'_> {
    /// The digits of the conversation.
    pub(super) fn digits(&self) -> &str {
        self.cv.strip_prefix("cv_").unwrap_or(self.cv)
    }
}

impl fmt::Display for MessageId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ms_{}.{}", self.digits(), self.o)
    }
}

impl Serialize for MessageId<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A message as clients see it.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the protocol")]
pub struct MessageView<'a> {
    pub id: MessageId<'a>,
    pub cv: &'a str,
    pub o: u64,
    pub ts: i64,
    pub key: Option<String>,
    pub author: AuthorView<'a>,
    pub content: &'a Content,
    pub visibility: Visibility,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited_ts: Option<i64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub recalled: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<ReactionView>,
}

/// A reaction as clients see it.
#[derive(Debug, Serialize)]
pub struct ReactionView {
    /// Who.
    pub by: PersonId,
    /// The emoji.
    pub emoji: String,
}

/// An author as clients see one.
#[derive(Debug, Serialize)]
pub struct AuthorView<'a> {
    /// In which part.
    pub kind: AuthorKind,
    /// Who.
    pub id: &'a str,
    /// The name to show.
    pub name: &'a str,
}

/// The view of the message at offset `o` of the conversation `cv`.
#[must_use]
pub fn message<'a>(cv: &'a str, o: u64, said: &'a Said) -> MessageView<'a> {
    MessageView {
        id: MessageId { cv, o },
        cv,
        o,
        ts: said.at.ms(),
        key: said.key.as_ref().map(ClientKey::text),
        author: AuthorView { kind: said.author.kind, id: said.author.id.as_str(), name: &said.author.name },
        content: &said.content,
        visibility: said.visibility,
        reply_to: said.reply_to.map(|o| MessageId { cv, o }),
        edited_ts: None,
        recalled: false,
        reactions: Vec::new(),
    }
}

/// Kind and payload of an event of `cv` that is not a message; `None` for what no client is shown.
#[must_use]
pub fn shown(cv: &str, event: &Event) -> Option<(&'static str, Value)> {
    let ms = |seq: u64| MessageId { cv, o: seq };
    Some(match event {
        Event::Edited { seq, content, by, at, .. } => {
            ("message.edited", json!({ "id": ms(*seq), "content": content, "by": by.id, "edited_ts": at }))
        }
        Event::Recalled { seq, by, .. } => ("message.recalled", json!({ "id": ms(*seq), "by": by.id })),
        Event::Reacted { seq, by, emoji, on, .. } => {
            ("message.reacted", json!({ "id": ms(*seq), "by": by.id, "emoji": emoji, "on": on }))
        }
        Event::Marked { by, reach, upto, .. } => {
            ("receipt", json!({ "state": reach, "upto": upto, "by": by.id }))
        }
        Event::Failed { seq, why, last, .. } => {
            ("receipt", json!({ "state": "failed", "ms": ms(*seq), "err": why, "final": last }))
        }
        Event::Said(_)
        | Event::Forwarded(_)
        | Event::OfferRejected { .. }
        | Event::OfferVoided { .. }
        | Event::PlaceChecked { .. }
        | Event::Desk(DeskEvent::Watched { .. }) => return None,
        Event::Desk(event) => desk(event),
        Event::Opened(opening) => (
            "conversation.opened",
            json!({
                "channel": opening.channel, "lang": opening.language, "visitor": opening.visitor,
                "phase": "bot", "controller": opening.bot.as_ref().map(|bot| format!("bot:{bot}")),
            }),
        ),
        Event::Queued { wait, reason, .. } => {
            let (k, mut d) = queued(wait.queue.as_str(), reason.as_str());
            if let (Some(opens), Some(map)) = (wait.opens, d.as_object_mut()) {
                map.insert("opens_ts".into(), json!(opens));
                map.insert("kept".into(), json!(wait.kept));
            }
            (k, d)
        }
        Event::OfferEnded { queue, why, .. } => queued(queue.as_str(), why.as_str()),
        Event::Offered { queue, offer, .. } => (
            "conversation.offered",
            json!({
                "offer": offer.id, "agent": offer.agent, "expires_ts": offer.expires, "queue": queue,
                "phase": "offered", "controller": format!("queue:{queue}"),
            }),
        ),
        Event::Assigned { agent, .. } => (
            "conversation.assigned",
            json!({ "agent": agent, "phase": "assigned", "controller": format!("agent:{}", agent.id) }),
        ),
        Event::Closed { by, reason, .. } => {
            let by: &Closer = by;
            (
                "conversation.closed",
                json!({ "by": by, "reason": reason, "phase": "closed", "controller": null }),
            )
        }
        Event::Reopened { bot, .. } => (
            "conversation.reopened",
            json!({ "phase": "bot", "controller": bot.as_ref().map(|bot| format!("bot:{bot}")) }),
        ),
    })
}

fn queued(queue: &str, reason: &str) -> (&'static str, Value) {
    (
        "conversation.queued",
        json!({ "queue": queue, "reason": reason, "phase": "queued", "controller": format!("queue:{queue}") }),
    )
}

fn desk(event: &DeskEvent) -> (&'static str, Value) {
    match event {
        DeskEvent::Transferred { by, to, summary, slots, .. } => {
            ("conversation.transferred", json!({ "by": by, "to": to, "summary": summary, "slots": slots }))
        }
        DeskEvent::BotTook { bot, .. } => {
            ("conversation.controlled", json!({ "phase": "bot", "controller": format!("bot:{bot}") }))
        }
        DeskEvent::Watched { by, on, .. } => ("conversation.watched", json!({ "by": by, "on": on })),
        DeskEvent::BargedIn { by, on, .. } => ("conversation.joined", json!({ "by": by, "on": on })),
        DeskEvent::Handover(event) => handover(event),
        DeskEvent::Sla(event) => sla(event),
        DeskEvent::Idle(event) => idle(event),
        DeskEvent::Survey(SurveyEvent::Asked(asked)) => ("survey.asked", json!({ "survey": asked.survey })),
        DeskEvent::Survey(SurveyEvent::Received { asked, rated, .. }) => (
            "csat.received",
            json!({ "survey": asked.survey, "score": rated.score, "reasons": rated.reasons, "comment": rated.comment }),
        ),
        DeskEvent::Snooze(SnoozeEvent::Begun { snooze, .. }) => {
            ("conversation.snoozed", json!({ "by": snooze.by, "until_ts": snooze.until }))
        }
        DeskEvent::Snooze(SnoozeEvent::Ended { why, .. }) => {
            ("conversation.unsnoozed", json!({ "reason": why }))
        }
        DeskEvent::Wrap(WrapEvent::Begun { wrap, .. }) => (
            "conversation.wrapping",
            json!({ "agent": wrap.agent, "until_ts": wrap.until, "codes": wrap.codes }),
        ),
        DeskEvent::Wrap(WrapEvent::Ended { agent, why, disposition, tags, .. }) => (
            "conversation.wrapped",
            json!({ "agent": agent, "reason": why, "disposition": disposition, "tags": tags }),
        ),
    }
}

fn sla(event: &SlaEvent) -> (&'static str, Value) {
    let rung =
        |goal: &Goal, queue: &QueueId, due: &Time| json!({ "goal": goal, "queue": queue, "due_ts": due });
    match event {
        SlaEvent::Set { clocks, .. } => {
            ("sla.set", json!({ "goals": clocks.iter().map(clock_view).collect::<Vec<_>>() }))
        }
        SlaEvent::Warned { goal, queue, due, .. } => ("sla.warning", rung(goal, queue, due)),
        SlaEvent::Breached { goal, queue, due, .. } => ("sla.breached", rung(goal, queue, due)),
    }
}

fn idle(event: &IdleEvent) -> (&'static str, Value) {
    match event {
        IdleEvent::Set { policy, .. } => ("idle.set", json!(policy)),
        IdleEvent::Warned { side, since, .. } => ("idle.warning", json!({ "side": side, "since_ts": since })),
        IdleEvent::TakenBack { agent, .. } => {
            ("conversation.taken_back", json!({ "agent": agent, "reason": "agent_idle" }))
        }
    }
}

/// Beside the last one, which changes who has the conversation, nothing but how far it has come.
fn handover(event: &HandoverEvent) -> (&'static str, Value) {
    let k = "conversation.handover";
    match event {
        HandoverEvent::Asked { ask, .. } => (
            k,
            json!({
                "state": "asked", "kind": ask.kind, "by": ask.by, "to": ask.to, "offer": ask.offer,
                "summary": ask.summary, "slots": ask.slots, "expires_ts": ask.expires,
            }),
        ),
        HandoverEvent::Offered { kind, offer, to, expires, .. } => {
            (k, json!({ "state": "offered", "kind": kind, "to": to, "offer": offer, "expires_ts": expires }))
        }
        HandoverEvent::Joined { offer, to, .. } => {
            (k, json!({ "state": "joined", "kind": HandoverKind::Consult, "to": to, "offer": offer }))
        }
        HandoverEvent::Ended { kind, offer, to, why, .. } => {
            (k, json!({ "state": "ended", "kind": kind, "to": to, "offer": offer, "reason": why }))
        }
        HandoverEvent::Spoken { to, on, .. } => ("conversation.joined", json!({ "by": to, "on": on })),
        HandoverEvent::Taken { kind, by, to, summary, slots, .. } => (
            "conversation.transferred",
            json!({ "by": by, "kind": kind, "to": { "agent": to }, "summary": summary, "slots": slots }),
        ),
    }
}

#[cfg(test)]
mod tests {
    use conversa_engine::ids::ConversationId;

    use super::*;

    #[test]
    fn the_id_of_a_message_is_that_of_the_engine() {
        let cv = format!("cv_{:032x}", 0x1234_5678_9abc_def0_u128);
        let conversation: ConversationId = cv.parse().expect("an id");
        for o in [0, 7, u64::MAX] {
            assert_eq!(MessageId { cv: &cv, o }.to_string(), conversation.message(o));
        }
    }
}
