//! Lists: conversations, queues, agents, the bot's knowledge.

use std::sync::Arc;

use axum::extract::State;
use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::{Agent, Queue};
use conversa_actors::watchers::{Summary, SummaryLine};
use conversa_engine::bot::{Outcome, judge};
use conversa_engine::ids::ConversationId;
use conversa_engine::refusal::Code;
use conversa_engine::time::Time;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Caller, Cv, Staff, boards, conversation_address, teams, visible};
use crate::asked::{Json, Path, Query};
use crate::problem::Problem;
use crate::server::Edge;

const LIMIT_MAX: usize = 200;

#[derive(Debug, Deserialize)]
pub(crate) struct Listing {
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    before: Option<String>,
    #[serde(default)]
    after: Option<String>,
}

impl Listing {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(50).clamp(1, LIMIT_MAX)
    }
}

/// `GET /v1/conversations`: newest first; `before` is the `next` of the page before.
pub(crate) async fn conversations(
    State(edge): State<Arc<Edge>>,
    Staff(principal): Staff,
    Query(listing): Query<Listing>,
) -> Answer {
    let before = match &listing.before {
        Some(cursor) => Some(
            parse_cursor(cursor)
                .ok_or_else(|| Problem::new(Code::BadRequest, "before is the next of the former page"))?,
        ),
        None => None,
    };
    let limit = listing.limit();
    let mut newest: Vec<(Time, ConversationId)> = Vec::new();
    for totals in boards::totals::<Summary>(&edge, &principal.tenant).await? {
        let older = totals.opened.iter().rev().filter(|entry| before.is_none_or(|before| **entry < before));
        newest.extend(older.take(limit));
    }
    newest.sort_unstable_by(|a, b| b.cmp(a));
    newest.truncate(limit);
    let next = newest.last().filter(|_| newest.len() == limit).map(|(at, id)| format!("{}.{id}", at.ms()));
    let mut items = Vec::with_capacity(newest.len());
    for (_, id) in &newest {
        if let Some(line) = boards::contribution::<Summary>(&edge, &principal.tenant, *id).await? {
            let item = item(*id, &line);
            if !teams::elsewhere(&edge, &principal, &item) {
                items.push(item);
            }
        }
    }
    Ok(Json(json!({ "items": items, "next": next })))
}

fn parse_cursor(cursor: &str) -> Option<(Time, ConversationId)> {
    let (at, id) = cursor.split_once('.')?;
    Some((Time::from_ms(at.parse().ok()?), id.parse().ok()?))
}

fn item(id: ConversationId, line: &SummaryLine) -> Value {
    json!({
        "cv": id, "phase": line.phase, "channel": line.channel, "lang": line.language, "visitor": line.visitor,
        "agent": line.agent, "queue": line.queue, "opened_ts": line.opened, "closed_ts": line.closed,
    })
}

/// `GET /v1/conversations/{cv}`
pub(crate) async fn conversation(
    State(edge): State<Arc<Edge>>,
    Caller(principal): Caller,
    Path(cv): Cv,
) -> Answer {
    let address = conversation_address(&principal, &cv)?;
    Ok(Json(visible(&edge, &principal, &address).await?))
}

/// `GET /v1/queues`
pub(crate) async fn queues(State(edge): State<Arc<Edge>>, Staff(principal): Staff) -> Answer {
    let company = edge.company(&principal.tenant)?;
    let mut items = Vec::new();
    for queue in &company.queues {
        let mut view = edge
            .host
            .view_json(&Address::new(principal.tenant.clone(), Queue::KIND, queue.id.shared()))
            .await?;
        if let Some(map) = view.as_object_mut() {
            map.remove("line");
            map.insert("id".into(), json!(queue.id));
            map.insert("name".into(), json!({ "zh": queue.name_zh, "en": queue.name_en }));
        }
        items.push(view);
    }
    Ok(Json(json!({ "items": items })))
}

/// `GET /v1/agents`
pub(crate) async fn agents(State(edge): State<Arc<Edge>>, Staff(principal): Staff) -> Answer {
    let company = edge.company(&principal.tenant)?;
    let mut items = Vec::new();
    for agent in &company.agents {
        let view = edge
            .host
            .view_json(&Address::new(principal.tenant.clone(), Agent::KIND, agent.id.shared()))
            .await?;
        items.push(json!({
            "id": agent.id, "name": agent.name,
            "teams": company.teams.teams_of(&agent.id).map(|team| &team.id).collect::<Vec<_>>(), "queues": agent.policy.serves, "skills": agent.skills,
            "state": view["state"], "reason": view["reason"], "capacity": view["capacity"],
            "taken": view["taken"], "places": view["places"], "asked": view["asked"],
        }));
    }
    Ok(Json(json!({ "items": items })))
}

/// `GET /v1/knowledge`
pub(crate) async fn knowledge(
    State(edge): State<Arc<Edge>>,
    Staff(principal): Staff,
    Query(listing): Query<Listing>,
) -> Answer {
    let company = edge.company(&principal.tenant)?;
    let entries = company.bot.as_ref().map(|bot| bot.index.knowledge().entries()).unwrap_or_default();
    let skip = match &listing.after {
        Some(after) => {
            entries.iter().position(|entry| entry.id == *after).map_or(entries.len(), |place| place + 1)
        }
        None => 0,
    };
    let page: Vec<_> = entries.iter().skip(skip).take(listing.limit()).collect();
    let next = page.last().filter(|_| skip + page.len() < entries.len()).map(|entry| entry.id.clone());
    let items: Vec<_> = page
        .iter()
        .map(|entry| {
            json!({
                "id": entry.id, "lang": entry.lang.code(), "question": entry.question,
                "phrasings": entry.phrasings, "answer": entry.answer, "tags": entry.tags,
            })
        })
        .collect();
    Ok(Json(json!({ "items": items, "next": next })))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Asking {
    q: String,
}

/// `GET /v1/knowledge/search`: what the bot would make of a question.
pub(crate) async fn search(
    State(edge): State<Arc<Edge>>,
    Staff(principal): Staff,
    Query(asking): Query<Asking>,
) -> Answer {
    let company = edge.company(&principal.tenant)?;
    let Some(bot) = &company.bot else { return Err(Problem::new(Code::NotFound, "this company has no bot")) };
    let outcome = match judge(&bot.index, &asking.q, &bot.thresholds) {
        Outcome::Answer { .. } => "answer",
        Outcome::Clarify { .. } => "clarify",
        Outcome::SmallTalk { .. } => "small_talk",
        Outcome::HandOver { .. } => "hand_over",
    };
    let hits = bot.index.search(&asking.q, 5);
    let items: Vec<_> = hits
        .iter()
        .map(|hit| json!({ "id": hit.entry.id, "question": hit.entry.question, "answer": hit.entry.answer, "score": hit.score }))
        .collect();
    Ok(Json(json!({ "outcome": outcome, "items": items })))
}
