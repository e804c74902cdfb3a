//! A conversation's log: pages of it, a transcript, and saying something without a socket.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use conversa_actors::address::Address;
use conversa_actors::cell::envelope::{Envelope, unseal};
use conversa_actors::letter::Payload;
use conversa_engine::content::Content;
use conversa_engine::conversation::{Author, AuthorKind, ClientKey, Command, Event, Say};
use conversa_engine::ids::{ConversationId, PersonId};
use conversa_engine::refusal::{Code, Refusal};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Caller, Cv, conversation_address, visible};
use crate::asked::{Json, Path, Query};
use crate::auth::{Principal, Role};
use crate::problem::Problem;
use crate::server::Edge;
use crate::wire;

const PAGE_MAX: usize = 200;
/// Events of one transcript.
const TRANSCRIPT_EVENTS_MAX: usize = 20_000;

/// Which page of a log.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Page {
    /// Events after this offset (from the beginning when none of the three is given), those just before one, or those around one.
    #[serde(default)]
    after: Option<u64>,
    #[serde(default)]
    before: Option<u64>,
    #[serde(default)]
    around: Option<u64>,
    /// At most this many.
    #[serde(default)]
    limit: Option<usize>,
}

impl Page {
    /// Where the page begins (events after this offset) and how many events it has at most: offsets are dense, so both follow from
    /// what was asked.
    fn window(&self) -> Result<(u64, usize), Refusal> {
        let limit = self.limit.unwrap_or(100).clamp(1, PAGE_MAX);
        let wide = limit as u64;
        match (self.after, self.before, self.around) {
            (after, None, None) => Ok((after.unwrap_or_default(), limit)),
            (None, Some(before), None) => {
                let last = before.saturating_sub(1);
                let after = last.saturating_sub(wide);
                // Nothing stands before the first event: an empty page.
                Ok((after, usize::try_from(last - after).unwrap_or(limit)))
            }
            (None, None, Some(around)) => Ok((around.saturating_sub(1).saturating_sub(wide / 2), limit)),
            _ => Err(Refusal::new(
                Code::BadRequest,
                "a page is after, before or around an offset: give one of them",
            )),
        }
    }
}

/// The events of a page that `principal` may see, and where the page ends.
async fn read(
    edge: &Arc<Edge>,
    principal: &Principal,
    address: &Address,
    after: u64,
    limit: usize,
) -> Result<(Vec<(u64, Event)>, Option<u64>), Refusal> {
    let entries = edge.host.read_log(address, after, limit).await;
    let entries = entries.map_err(|error| Refusal::new(Code::Unavailable, error.to_string()))?;
    let next = entries.last().filter(|_| entries.len() == limit).map(|entry| entry.seq);
    let mut events = Vec::with_capacity(entries.len());
    for entry in entries {
        let envelope: Envelope<Event> =
            unseal(&entry.body).map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        if principal.role != Role::Visitor || envelope.body.public() {
            events.push((entry.seq, envelope.body));
        }
    }
    Ok((events, next))
}

/// A page as the socket's `history.page` gives it.
pub(crate) async fn page(
    edge: &Arc<Edge>,
    principal: &Principal,
    address: &Address,
    page: Page,
) -> Result<Value, Refusal> {
    let view = visible(edge, principal, address).await?;
    let (after, limit) = page.window()?;
    let (events, full) = match limit {
        0 => (Vec::new(), None),
        _ => read(edge, principal, address, after, limit).await?,
    };
    let head = view["o"].as_u64().unwrap_or_default();
    let next = match page.before {
        // What comes after such a page is known without a look.
        Some(_) => Some(after + limit as u64).filter(|last| *last < head),
        None => full,
    };
    let prev = (after > 0).then_some(after + 1);
    let cv = &*address.key;
    let mut messages = Vec::new();
    let mut others = Vec::new();
    let changes = &view["changes"];
    for (o, event) in &events {
        match event {
            Event::Said(said) => {
                let message = wire::message(cv, *o, said);
                messages.push(amended(edge, address, changes, message).await?);
            }
            // Its words are in nobody's sight any more.
            Event::Edited { seq, .. } if recalled(changes, *seq) => {}
            other => {
                if let Some((k, d)) = wire::shown(cv, other) {
                    others.push(json!({ "k": k, "cv": cv, "ep": 1, "o": o, "ts": other.at(), "d": d }));
                }
            }
        }
    }
    Ok(json!({ "messages": messages, "events": others, "next": next, "prev": prev, "head": view["o"] }))
}

/// The message as it stands now: with its last words, without words when it was recalled, with its reactions.
async fn amended(
    edge: &Arc<Edge>,
    address: &Address,
    changes: &Value,
    mut message: wire::MessageView<'_>,
) -> Result<Value, Refusal> {
    let key = message.o.to_string();
    let reactions = changes["reactions"][&key].as_array().into_iter().flatten();
    message.reactions = reactions
        .filter_map(|reaction| {
            let by = PersonId::new(reaction["by"].as_str()?);
            Some(wire::ReactionView { by, emoji: reaction["emoji"].as_str()?.to_owned() })
        })
        .collect();
    let Some(by) = changes["changed"][&key]["by"].as_u64() else { return Ok(json!(message)) };
    if recalled(changes, message.o) {
        let gone = Content::System {
            event: "message.recalled".into(),
            params: Vec::new(),
            alt: "消息已撤回 · The message was recalled".into(),
        };
        (message.recalled, message.content) = (true, &gone);
        return Ok(json!(message));
    }
    match event_at(edge, address, by).await? {
        Some(Event::Edited { content, at, .. }) => {
            (message.edited_ts, message.content) = (Some(at.ms()), &content);
            Ok(json!(message))
        }
        Some(_) | None => Ok(json!(message)),
    }
}

fn recalled(changes: &Value, seq: u64) -> bool {
    changes["changed"][seq.to_string()]["recalled"] == true
}

/// The event at one offset of a conversation's log.
///
/// # Errors
/// `unavailable` when the journal cannot be read, `internal` when what it holds cannot.
pub(crate) async fn event_at(
    edge: &Arc<Edge>,
    address: &Address,
    seq: u64,
) -> Result<Option<Event>, Refusal> {
    let Some(after) = seq.checked_sub(1) else { return Ok(None) };
    let entries = edge.host.read_log(address, after, 1).await;
    let entries = entries.map_err(|error| Refusal::new(Code::Unavailable, error.to_string()))?;
    let Some(entry) = entries.first().filter(|entry| entry.seq == seq) else { return Ok(None) };
    let envelope: Envelope<Event> =
        unseal(&entry.body).map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
    Ok(Some(envelope.body))
}

/// `GET /v1/conversations/{cv}/messages`
pub(crate) async fn messages(
    State(edge): State<Arc<Edge>>,
    Caller(principal): Caller,
    Path(cv): Cv,
    Query(query): Query<Page>,
) -> Answer {
    let address = conversation_address(&principal, &cv)?;
    let mut page = page(&edge, &principal, &address, query).await?;
    Ok(Json(
        json!({ "items": page["messages"].take(), "next": page["next"], "prev": page["prev"], "head": page["head"] }),
    ))
}

/// `GET /v1/conversations/{cv}/transcript`
pub(crate) async fn transcript(
    State(edge): State<Arc<Edge>>,
    Caller(principal): Caller,
    Path(cv): Cv,
) -> Result<Response, Problem> {
    let address = conversation_address(&principal, &cv)?;
    let view = visible(&edge, &principal, &address).await?;
    let mut text = String::new();
    let (mut after, mut count) = (0, 0);
    loop {
        let (events, next) = read(&edge, &principal, &address, after, PAGE_MAX).await?;
        count += events.len();
        for (o, event) in &events {
            line(&mut text, &cv, &view["changes"], *o, event);
        }
        match next {
            Some(next) if count < TRANSCRIPT_EVENTS_MAX => after = next,
            Some(_) => {
                text.push_str("… the transcript is longer: read /messages\n");
                break;
            }
            None => break,
        }
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

fn line(text: &mut String, cv: &str, changes: &Value, o: u64, event: &Event) {
    let at = event.at().ms();
    let written = match event {
        Event::Said(said) if recalled(changes, o) => {
            writeln!(text, "{o}\t{at}\t{}: (recalled)", said.author.name)
        }
        Event::Edited { seq, .. } if recalled(changes, *seq) => Ok(()),
        Event::Edited { seq, content, by, .. } => {
            let words = content.plain().replace('\n', "\n    ");
            writeln!(text, "{o}\t{at}\t{} (instead of {seq}): {words}", by.name)
        }
        Event::Said(said) if said.content.hidden() => Ok(()),
        Event::Said(said) => {
            let words = said.content.plain().replace('\n', "\n    ");
            writeln!(text, "{o}\t{at}\t{}: {words}", said.author.name)
        }
        other => match wire::shown(cv, other) {
            Some((k, _)) => writeln!(text, "{o}\t{at}\t* {k}"),
            None => Ok(()),
        },
    };
    written.expect("a string takes text");
}

/// The offset of a message that the client names by its id.
///
/// # Errors
/// `not_found` when it is no message of `conversation`.
pub(crate) fn offset(conversation: ConversationId, ms: &str) -> Result<u64, Refusal> {
    conversation.offset_of(ms).ok_or_else(|| {
        Refusal::new(Code::NotFound, format!("{ms:?} is no message of {conversation}: name it by its id"))
    })
}

/// What to say.
#[derive(Debug, Deserialize)]
pub(crate) struct Saying {
    key: ClientKey,
    content: Content,
    #[serde(default)]
    reply_to: Option<String>,
}

/// `POST /v1/conversations/{cv}/messages`
pub(crate) async fn say(
    State(edge): State<Arc<Edge>>,
    Caller(principal): Caller,
    Path(cv): Cv,
    Json(saying): Json<Saying>,
) -> Answer {
    let address = conversation_address(&principal, &cv)?;
    let kind = match principal.role {
        Role::Visitor => AuthorKind::Visitor,
        Role::Agent => AuthorKind::Agent,
        Role::Supervisor => {
            return Err(Problem::new(Code::Forbidden, "supervisors do not speak in conversations yet"));
        }
    };
    edge.attachments.check(&principal, &saying.content)?;
    let author = Author { kind, id: principal.id.clone(), name: principal.name.clone() };
    let conversation: ConversationId =
        cv.parse().map_err(|_| Problem::new(Code::NotFound, "there is no such conversation"))?;
    let reply_to = saying.reply_to.as_deref().map(|ms| offset(conversation, ms)).transpose()?;
    let say = Say { reply_to, ..Say::new(author, saying.content).keyed(saying.key) };
    let answer = edge.host.ask(&address, Payload::of(Command::Say(say))).await;
    match answer {
        Ok(accepted) => {
            let o = accepted.first;
            Ok(Json(json!({ "id": conversation.message(o), "cv": cv, "o": o, "ep": 1, "ts": accepted.at })))
        }
        Err(Refusal { code: Code::Duplicate, seq, .. }) => {
            Ok(Json(json!({ "cv": cv, "o": seq, "ep": 1, "dup": true })))
        }
        Err(refusal) => Err(refusal.into()),
    }
}
