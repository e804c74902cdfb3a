//! Customers: who somebody is across channels, with all earlier conversations; merging and undoing it.
//!
//! A customer is gathered from its identities when somebody asks. Everything is addressed within the caller's company.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::State;
use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::claim::{self, Claim};
use conversa_actors::behaviours::{Conversation, Identity, Session};
use conversa_actors::letter::Payload;
use conversa_actors::watchers::Summary;
use conversa_engine::desk::{Op, Part, Relation, may};
use conversa_engine::ids::{ConversationId, PersonId, is_id};
use conversa_engine::person::{
    self, Command, Customer, Gathering, IDENTITIES_MAX, Merge, MergeId, NOTE_CHARS_MAX, RULES, RuleKey,
    Source, State as Standing, Why, identity_of, normal,
};
use conversa_engine::refusal::{Code, Refusal};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Staff, boards, teams};
use crate::asked::{Json, Path, Query};
use crate::auth::{Principal, Role};
use crate::problem::Problem;
use crate::server::Edge;

/// Conversations of one page of a time line.
const PAGE_MAX: usize = 100;

fn allowed(principal: &Principal, op: Op) -> Result<(), Refusal> {
    let part = match principal.role {
        Role::Visitor => Part::Visitor,
        Role::Agent => Part::Agent,
        Role::Supervisor => Part::Supervisor,
    };
    match may(op, part, Relation::Other) {
        true => Ok(()),
        false => Err(Refusal::new(Code::Forbidden, "customers are for agents and supervisors")),
    }
}

fn address(principal: &Principal, identity: &PersonId) -> Address {
    Address::new(principal.tenant.clone(), Identity::KIND, identity.shared())
}

async fn gather(edge: &Arc<Edge>, principal: &Principal, first: PersonId) -> Result<Customer, Refusal> {
    let mut gathering = Gathering::new(first);
    while let Some(id) = gathering.next() {
        let view = edge.host.view_json(&address(principal, &id)).await?;
        let identity: person::Identity = serde_json::from_value(view)
            .map_err(|error| Refusal::new(Code::Internal, format!("an identity cannot be read: {error}")))?;
        gathering.take(id, identity);
    }
    Ok(gathering.done())
}

/// The customer of a path; one of whom nothing was ever told or heard is none.
async fn known(
    edge: &Arc<Edge>,
    principal: &Principal,
    customer: &str,
) -> Result<(Customer, Trails), Refusal> {
    let none = || Refusal::new(Code::NotFound, "there is no such customer");
    let customer = gather(edge, principal, identity_of(customer).ok_or_else(none)?).await?;
    let trails = trails(edge, principal, &customer).await?;
    let blank = customer.identities.values().all(person::Identity::is_blank);
    if blank && trails.values().all(Vec::is_empty) { Err(none()) } else { Ok((customer, trails)) }
}

/// Conversations of each identity, with their channels.
type Trails = BTreeMap<PersonId, Vec<(ConversationId, String)>>;

async fn trails(edge: &Arc<Edge>, principal: &Principal, customer: &Customer) -> Result<Trails, Refusal> {
    let mut trails = Trails::new();
    for id in customer.identities.keys() {
        let session = Address::new(principal.tenant.clone(), Session::KIND, id.shared());
        let view = edge.host.view_json(&session).await?;
        let opened = view["trail"].as_array().into_iter().flatten().filter_map(|opened| {
            Some((opened["cv"].as_str()?.parse().ok()?, opened["channel"].as_str()?.to_owned()))
        });
        trails.insert(id.clone(), opened.collect());
    }
    Ok(trails)
}

/// `GET /v1/customers/{id}`
pub(crate) async fn customer(
    State(edge): State<Arc<Edge>>,
    Staff(principal): Staff,
    Path(id): Path<String>,
) -> Answer {
    allowed(&principal, Op::SeeCustomer)?;
    let (customer, trails) = known(&edge, &principal, &id).await?;
    Ok(Json(shown(&customer, &trails)))
}

fn shown(customer: &Customer, trails: &Trails) -> Value {
    let identities = customer.identities.iter().map(|(id, identity)| {
        let trail = trails.get(id).map(Vec::as_slice).unwrap_or_default();
        let mut channels: Vec<&str> = trail.iter().map(|(_, channel)| channel.as_str()).collect();
        channels.sort_unstable();
        channels.dedup();
        let attributes = identity.facts().iter().map(|(name, known)| {
            let verified = known.source == Source::Signed;
            json!({ "name": name, "value": known.value, "verified": verified, "ts": known.at })
        });
        json!({
            "id": id, "channels": channels, "conversations": trail.len(),
            "attributes": attributes.collect::<Vec<_>>(),
        })
    });
    let merges = customer.merges();
    let merges = merges.iter().map(|(one, merge)| merge_view(one, merge));
    json!({
        "id": customer.id(), "identities": identities.collect::<Vec<_>>(),
        "merges": merges.collect::<Vec<_>>(), "more": customer.more,
    })
}

fn merge_view(one: &PersonId, merge: &Merge) -> Value {
    let (rule, by, note) = match &merge.why {
        Why::Rule { attribute } => (Some(attribute), None, None),
        Why::Word { by, note } => (None, Some(by), Some(note)),
    };
    let (undone_by, undone) = match &merge.state {
        Standing::Stands => (None, None),
        Standing::Undone { by, at } => (by.as_ref(), Some(at)),
    };
    json!({
        "id": merge.id, "one": one, "other": merge.other, "rule": rule, "by": by, "note": note,
        "ts": merge.at, "undone_by": undone_by, "undone_ts": undone,
    })
}

/// By what to search.
pub(crate) type Wanted = HashMap<String, String>;

/// `GET /v1/customers?identity=vi_1`, `?email=…`, `?phone=…`, `?account=…`: the customers who have it. A value must have been signed.
pub(crate) async fn search(
    State(edge): State<Arc<Edge>>,
    Staff(principal): Staff,
    Query(wanted): Query<Wanted>,
) -> Answer {
    allowed(&principal, Op::SeeCustomer)?;
    let mut wanted = wanted.iter();
    let (Some((by, value)), None) = (wanted.next(), wanted.next()) else {
        return Err(Problem::new(Code::BadRequest, "search by one of identity, account, email, phone"));
    };
    let firsts = match by.as_str() {
        "identity" if is_id(value) => vec![PersonId::new(value.as_str())],
        rule if RULES.contains(&rule) => holders(&edge, &principal, rule, value).await?,
        _ => return Err(Problem::new(Code::BadRequest, "search by one of identity, account, email, phone")),
    };
    let mut items: BTreeMap<String, Value> = BTreeMap::new();
    let mut seen: Vec<PersonId> = Vec::new();
    for first in firsts {
        if seen.contains(&first) {
            continue;
        }
        let customer = gather(&edge, &principal, first).await?;
        seen.extend(customer.identities.keys().cloned());
        let trails = trails(&edge, &principal, &customer).await?;
        let blank = customer.identities.values().all(person::Identity::is_blank);
        if !blank || trails.values().any(|trail| !trail.is_empty()) {
            items.insert(customer.id(), shown(&customer, &trails));
        }
    }
    Ok(Json(json!({ "items": items.into_values().collect::<Vec<_>>() })))
}

async fn holders(
    edge: &Arc<Edge>,
    principal: &Principal,
    rule: &str,
    value: &str,
) -> Result<Vec<PersonId>, Refusal> {
    let Some(value) = normal(rule, value) else { return Ok(Vec::new()) };
    let key = RuleKey { name: rule.to_owned(), value };
    let view =
        edge.host.view_json(&Address::new(principal.tenant.clone(), Claim::KIND, claim::key(&key))).await?;
    if view["value"] != key.value.as_str() {
        return Ok(Vec::new());
    }
    let holders = view["holders"].as_array().into_iter().flatten();
    Ok(holders.filter_map(Value::as_str).map(PersonId::new).collect())
}

/// Which page of a time line.
#[derive(Debug, Deserialize)]
pub(crate) struct Older {
    #[serde(default)]
    limit: Option<usize>,
    /// Conversations that were opened before this one.
    #[serde(default)]
    before: Option<ConversationId>,
}

/// `GET /v1/customers/{id}/timeline`: conversations of all identities, newest first; `before` is the `next` of the page before.
pub(crate) async fn timeline(
    State(edge): State<Arc<Edge>>,
    Staff(principal): Staff,
    Path(id): Path<String>,
    Query(older): Query<Older>,
) -> Answer {
    allowed(&principal, Op::SeeCustomer)?;
    let (_, trails) = known(&edge, &principal, &id).await?;
    let mut all: Vec<(ConversationId, &PersonId, &str)> = trails
        .iter()
        .flat_map(|(identity, trail)| {
            trail.iter().map(move |(cv, channel)| (*cv, identity, channel.as_str()))
        })
        .filter(|(cv, ..)| older.before.is_none_or(|before| *cv < before))
        .collect();
    // The id begins with the time of opening.
    all.sort_unstable_by(|a, b| b.cmp(a));
    let limit = older.limit.unwrap_or(20).clamp(1, PAGE_MAX);
    let next = all.get(limit - 1).filter(|_| all.len() > limit).map(|(cv, ..)| *cv);
    let mut items = Vec::new();
    for (cv, identity, channel) in all.into_iter().take(limit) {
        let mut item = stands(&edge, &principal, cv).await?;
        if teams::elsewhere(&edge, &principal, &item) {
            continue;
        }
        item["cv"] = json!(cv);
        item["identity"] = json!(identity);
        item["channel"] = json!(channel);
        item["opened_ts"] = json!(cv.opened());
        items.push(item);
    }
    Ok(Json(json!({ "items": items, "next": next })))
}

/// How a conversation stands: from its line in the list when it is over, from itself when it is not.
async fn stands(edge: &Arc<Edge>, principal: &Principal, cv: ConversationId) -> Result<Value, Refusal> {
    let line = boards::contribution::<Summary>(edge, &principal.tenant, cv).await?;
    if let Some(line) = line.filter(|line| line.closed.is_some()) {
        return Ok(json!({
            "phase": line.phase, "queue": line.queue, "agent": line.agent, "closed_ts": line.closed,
        }));
    }
    let conversation = Address::new(principal.tenant.clone(), Conversation::KIND, cv.to_string());
    let view = edge.host.view_json(&conversation).await?;
    Ok(json!({
        "phase": view["phase"], "queue": view["queue"], "agent": view["agent"], "closed_ts": view["closed_ts"],
    }))
}

/// With whom to merge.
#[derive(Debug, Deserialize)]
pub(crate) struct With {
    /// A customer, by any of its names.
    with: String,
    #[serde(default)]
    note: String,
}

/// `POST /v1/customers/{id}/merge`
pub(crate) async fn merge(
    State(edge): State<Arc<Edge>>,
    Staff(principal): Staff,
    Path(id): Path<String>,
    Json(With { with, note }): Json<With>,
) -> Answer {
    allowed(&principal, Op::MergeCustomer)?;
    if note.chars().count() > NOTE_CHARS_MAX {
        return Err(Problem::new(
            Code::BadRequest,
            format!("a note has at most {NOTE_CHARS_MAX} characters"),
        ));
    }
    let (one, _) = known(&edge, &principal, &id).await?;
    let (other, _) = known(&edge, &principal, &with).await?;
    if one.identities.keys().any(|id| other.identities.contains_key(id)) {
        return Err(Problem::new(Code::Conflict, "they are one customer already"));
    }
    if one.more || other.more || one.identities.len() + other.identities.len() > IDENTITIES_MAX {
        let detail = format!("one customer has at most {IDENTITIES_MAX} identities: undo a merge first");
        return Err(Problem::new(Code::Conflict, detail));
    }
    // The ends are those that were named, so that undoing separates what was joined.
    let ends = identity_of(&id).zip(identity_of(&with));
    let (end, far) = ends.ok_or_else(|| Problem::new(Code::NotFound, "there is no such customer"))?;
    let why = Why::Word { by: principal.id.clone(), note };
    let command = Command::Merge { other: far.clone(), why };
    edge.host.ask(&address(&principal, &end), Payload::of(command)).await?;
    tell_other_end(&edge, &principal, &end, &far).await?;
    answer(&edge, &principal, end).await
}

/// Tells the other end itself what a letter tells it too: whoever asked sees it from either end at once.
async fn tell_other_end(
    edge: &Arc<Edge>,
    principal: &Principal,
    end: &PersonId,
    far: &PersonId,
) -> Result<(), Refusal> {
    let view = edge.host.view_json(&address(principal, end)).await?;
    let identity: person::Identity = serde_json::from_value(view)
        .map_err(|error| Refusal::new(Code::Internal, format!("an identity cannot be read: {error}")))?;
    let Some(merge) = identity.merges().filter(|merge| merge.other == *far).last() else { return Ok(()) };
    let command = match &merge.state {
        Standing::Stands => Command::Join(merge.from(end)),
        Standing::Undone { by, at } => Command::Part { id: merge.id.clone(), by: by.clone(), at: *at },
    };
    edge.host.ask(&address(principal, far), Payload::of(command)).await.map(drop)
}

/// Which merge.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    merge: String,
}

/// `POST /v1/customers/{id}/undo`
pub(crate) async fn undo(
    State(edge): State<Arc<Edge>>,
    Staff(principal): Staff,
    Path(id): Path<String>,
    Json(Which { merge }): Json<Which>,
) -> Answer {
    allowed(&principal, Op::MergeCustomer)?;
    let (customer, _) = known(&edge, &principal, &id).await?;
    let merge = MergeId::given(&merge);
    let none = || Problem::new(Code::NotFound, "this customer has no such merge");
    let end = customer.end_of(&merge).cloned().ok_or_else(none)?;
    let far = customer
        .identities
        .get(&end)
        .and_then(|identity| identity.standing(&merge))
        .map(|merge| merge.other.clone());
    let undo = Command::Undo { id: merge.clone(), by: principal.id.clone() };
    match edge.host.ask(&address(&principal, &end), Payload::of(undo)).await {
        Ok(_) | Err(Refusal { code: Code::Duplicate, .. }) => {}
        Err(refusal) => return Err(refusal.into()),
    }
    if let Some(far) = far {
        let part = Command::Part { id: merge, by: Some(principal.id.clone()), at: edge.host.now() };
        edge.host.ask(&address(&principal, &far), Payload::of(part)).await?;
    }
    let named = identity_of(&id).ok_or_else(none)?;
    answer(&edge, &principal, named).await
}

async fn answer(edge: &Arc<Edge>, principal: &Principal, of: PersonId) -> Answer {
    let customer = gather(edge, principal, of).await?;
    let trails = trails(edge, principal, &customer).await?;
    Ok(Json(shown(&customer, &trails)))
}
