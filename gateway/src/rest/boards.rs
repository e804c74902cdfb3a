//! Boards: what the watchers have made of all conversations, merged over their slots, with the way back to the messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use conversa_actors::address::{Address, SLOTS, slot_key};
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::Conversation;
use conversa_actors::cell::envelope::{Envelope, unseal};
use conversa_actors::cell::machine::View;
use conversa_actors::letter::decode;
use conversa_actors::port::RowKey;
use conversa_actors::watcher::{CONTRIBUTIONS, Stored, Watcher, partition, slot_address};
use conversa_actors::watchers::{Quality, Ratings, Summary, Tally, Voice};
use conversa_engine::conversation::{Event, Survey};
use conversa_engine::ids::{ConversationId, TenantId};
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::voice::{Polarity, Totals};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Cv, Staff};
use crate::asked::{Json, Path, Query};
use crate::problem::Problem;
use crate::server::Edge;

const LIMIT_MAX: usize = 200;

/// The totals of every slot of a watcher.
pub(crate) async fn totals<W: Watcher>(
    edge: &Arc<Edge>,
    tenant: &TenantId,
) -> Result<Vec<W::Totals>, Refusal> {
    if !edge.company(tenant)?.watchers.contains(&W::NAME) {
        return Err(Refusal::new(
            Code::NotFound,
            format!("the watcher {} is not enabled: see watchers.enabled in the configuration", W::NAME),
        ));
    }
    let mut totals = Vec::with_capacity(usize::from(SLOTS));
    for slot in 0..SLOTS {
        let address = Address::new(tenant.clone(), W::NAME, slot_key(slot));
        if let View::Totals(any) = edge.host.view(&address).await?
            && let Ok(one) = any.downcast::<W::Totals>()
        {
            totals.push(*one);
        }
    }
    Ok(totals)
}

/// What one conversation contributes to a watcher.
pub(crate) async fn contribution<W: Watcher>(
    edge: &Arc<Edge>,
    tenant: &TenantId,
    of: ConversationId,
) -> Result<Option<W::Contribution>, Refusal> {
    let conversation = Address::new(tenant.clone(), Conversation::KIND, of.to_string());
    let slot = slot_address(&conversation, W::NAME);
    let key = RowKey { table: CONTRIBUTIONS, partition: partition(&slot), key: of.to_string() };
    let row = edge
        .host
        .rows()
        .get(&key)
        .await
        .map_err(|error| Refusal::new(Code::Unavailable, error.to_string()))?;
    Ok(row.and_then(|row| decode::<Stored<W::Contribution>>(&row).ok()).map(|stored| stored.contribution))
}

async fn voice(edge: &Arc<Edge>, tenant: &TenantId) -> Result<Totals, Refusal> {
    let mut all = Totals::default();
    for slot in totals::<Voice>(edge, tenant).await? {
        all.merge(&slot);
    }
    Ok(all)
}

#[derive(Debug, Deserialize)]
pub(crate) struct Board {
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    order: Option<String>,
}

impl Board {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(20).clamp(1, LIMIT_MAX)
    }
}

/// `GET /v1/voc/keywords`
pub(crate) async fn keywords(
    State(edge): State<Arc<Edge>>,
    Staff(principal): Staff,
    Query(board): Query<Board>,
) -> Answer {
    let all = voice(&edge, &principal.tenant).await?;
    let items: Vec<Value> = all
        .hottest(board.limit())
        .into_iter()
        .map(|heat| {
            #[expect(clippy::cast_precision_loss, reason = "a share for a picture")]
            let share = heat.conversations as f64 / all.conversations.max(1) as f64;
            json!({
                "keyword": heat.keyword, "conversations": heat.conversations, "positive": heat.positive,
                "neutral": heat.neutral, "negative": heat.negative, "sentiment": heat.colour, "heat": share,
            })
        })
        .collect();
    let messages = all.messages.positive + all.messages.neutral + all.messages.negative;
    Ok(Json(json!({ "conversations": all.conversations, "messages": messages, "items": items })))
}

/// `GET /v1/voc/sentiment`
pub(crate) async fn sentiment(State(edge): State<Arc<Edge>>, Staff(principal): Staff) -> Answer {
    let all = voice(&edge, &principal.tenant).await?;
    Ok(Json(
        json!({ "positive": all.messages.positive, "neutral": all.messages.neutral, "negative": all.messages.negative }),
    ))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Drill {
    keyword: String,
    #[serde(default)]
    sentiment: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

/// `GET /v1/voc/drilldown`: from a bar of the board to the messages behind it.
pub(crate) async fn drill_down(
    State(edge): State<Arc<Edge>>,
    Staff(principal): Staff,
    Query(drill): Query<Drill>,
) -> Answer {
    let limit = drill.limit.unwrap_or(20).clamp(1, LIMIT_MAX);
    let wanted = match drill.sentiment.as_deref() {
        None => None,
        Some("positive") => Some(Polarity::Positive),
        Some("neutral") => Some(Polarity::Neutral),
        Some("negative") => Some(Polarity::Negative),
        Some(_) => return Err(Problem::new(Code::BadRequest, "sentiment is positive, neutral or negative")),
    };
    let mut items = Vec::new();
    for slot in 0..SLOTS {
        let address = Address::new(principal.tenant.clone(), Voice::NAME, slot_key(slot));
        let mut after = String::new();
        while items.len() < limit {
            let rows = edge.host.rows().scan(CONTRIBUTIONS, &partition(&address), &after, 256).await;
            let rows = rows.map_err(|error| Problem::new(Code::Unavailable, error.to_string()))?;
            let Some((last, _)) = rows.last() else { break };
            after.clone_from(last);
            for (cv, row) in &rows {
                let Ok(stored) = decode::<Stored<<Voice as Watcher>::Contribution>>(row) else { continue };
                let Some(mention) = stored.contribution.keywords.get(&drill.keyword) else { continue };
                let samples = &mention.samples;
                let polarities = [
                    (Polarity::Negative, &samples.negative),
                    (Polarity::Neutral, &samples.neutral),
                    (Polarity::Positive, &samples.positive),
                ];
                for (polarity, seqs) in polarities
                    .into_iter()
                    .filter(|(polarity, _)| wanted.is_none_or(|wanted| wanted == *polarity))
                {
                    for seq in seqs.iter().take(limit - items.len().min(limit)) {
                        items.extend(said(&edge, &principal.tenant, cv, *seq, polarity).await?);
                    }
                }
            }
        }
    }
    items.truncate(limit);
    Ok(Json(json!({ "items": items })))
}

async fn said(
    edge: &Arc<Edge>,
    tenant: &TenantId,
    cv: &str,
    o: u64,
    polarity: Polarity,
) -> Result<Option<Value>, Refusal> {
    let address = Address::new(tenant.clone(), Conversation::KIND, cv);
    let entries = edge.host.read_log(&address, o.saturating_sub(1), 1).await;
    let entries = entries.map_err(|error| Refusal::new(Code::Unavailable, error.to_string()))?;
    let event = entries.first().and_then(|entry| unseal::<Event>(&entry.body).ok());
    Ok(match event {
        Some(Envelope { body: Event::Said(said), .. }) => Some(
            json!({ "cv": cv, "o": o, "ts": said.at, "text": said.content.plain(), "sentiment": polarity }),
        ),
        Some(_) | None => None,
    })
}

/// `GET /v1/boards/summary`: what visitors thought, by queue and agent.
pub(crate) async fn summary(State(edge): State<Arc<Edge>>, Staff(principal): Staff) -> Answer {
    let mut all: BTreeMap<Survey, Ratings> = BTreeMap::new();
    for slot in totals::<Summary>(&edge, &principal.tenant).await? {
        for (survey, ratings) in &slot.ratings {
            all.entry(*survey).or_default().merge(ratings);
        }
    }
    let of = |survey: Survey| {
        let ratings = all.get(&survey).cloned().unwrap_or_default();
        let line = |tally: &Tally| match survey {
            Survey::Csat => json!({ "answers": tally.answers, "mean": tally.mean() }),
            Survey::Nps => json!({
                "answers": tally.answers, "mean": tally.mean(), "nps": tally.nps(),
                "promoters": tally.promoters, "detractors": tally.detractors,
            }),
        };
        let queues: BTreeMap<_, _> = ratings.queues.iter().map(|(id, tally)| (id, line(tally))).collect();
        let agents: BTreeMap<_, _> = ratings.agents.iter().map(|(id, tally)| (id, line(tally))).collect();
        json!({ "all": line(&ratings.all), "queues": queues, "agents": agents })
    };
    Ok(Json(json!({ "csat": of(Survey::Csat), "nps": of(Survey::Nps) })))
}

/// `GET /v1/qa/scores`
pub(crate) async fn scores(
    State(edge): State<Arc<Edge>>,
    Staff(principal): Staff,
    Query(board): Query<Board>,
) -> Answer {
    let worst = match board.order.as_deref() {
        None | Some("worst") => true,
        Some("newest") => false,
        Some(_) => return Err(Problem::new(Code::BadRequest, "order is worst or newest")),
    };
    let slots = totals::<Quality>(&edge, &principal.tenant).await?;
    let limit = board.limit();
    let mut chosen: Vec<ConversationId> = Vec::new();
    if worst {
        let mut ranked: Vec<_> =
            slots.iter().flat_map(|slot| slot.by_points.iter().take(limit)).copied().collect();
        ranked.sort_unstable();
        chosen.extend(ranked.into_iter().take(limit).map(|(_, id)| id));
    } else {
        let mut ranked: Vec<_> =
            slots.iter().flat_map(|slot| slot.by_close.iter().rev().take(limit)).copied().collect();
        ranked.sort_unstable_by(|a, b| b.cmp(a));
        chosen.extend(ranked.into_iter().take(limit).map(|(_, id)| id));
    }
    let mut items = Vec::with_capacity(chosen.len());
    for id in chosen {
        if let Some(contribution) = contribution::<Quality>(&edge, &principal.tenant, id).await? {
            items.push(contribution.view(id, &edge.company(&principal.tenant)?.score_card));
        }
    }
    let mut all = conversa_engine::quality::Totals::default();
    for slot in &slots {
        all.merge(&slot.scores);
    }
    let distribution: Vec<Value> = all
        .bins
        .iter()
        .enumerate()
        .map(|(bin, count)| json!({ "from": bin * 10, "to": bin * 10 + 10, "count": count }))
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "a mean for a picture")]
    let mean = (all.scored > 0).then(|| all.points_sum as f64 / all.scored as f64);
    Ok(Json(
        json!({ "items": items, "distribution": distribution, "mean": mean, "scored": all.scored, "fatal": all.fatal }),
    ))
}

/// `GET /v1/qa/scores/{cv}`
pub(crate) async fn score(State(edge): State<Arc<Edge>>, Staff(principal): Staff, Path(cv): Cv) -> Answer {
    let id: ConversationId =
        cv.parse().map_err(|_| Problem::new(Code::NotFound, "there is no such conversation"))?;
    let contribution = contribution::<Quality>(&edge, &principal.tenant, id).await?;
    let contribution =
        contribution.ok_or_else(|| Problem::new(Code::NotFound, "this conversation was not inspected"))?;
    Ok(Json(contribution.view(id, &edge.company(&principal.tenant)?.score_card)))
}
