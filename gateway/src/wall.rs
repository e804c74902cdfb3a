//! The wall: how queues and those who serve them stand now, and what was done today, for whoever supervises them. What was done comes from
//! the watcher `service`, so the wall agrees with what is added up later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::{Agent, Queue};
use conversa_actors::tenant::{QueueSetting, Tenant};
use conversa_actors::watchers::{HOUR_MS, Served, Service};
use conversa_engine::desk::{Op, Part, Relation, may};
use conversa_engine::ids::{QueueId, TenantId};
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::asked::{Json, Query};
use crate::auth::{Principal, Role};
use crate::rest::{Answer, Staff, boards};
use crate::server::Edge;

const DAY_MS: i64 = 24 * HOUR_MS;
/// Stands for all queues.
const ALL: &str = "*";

/// Which part of the company a wall shows: one queue or all, within some departments or not.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) queue: Arc<str>,
    /// Names of departments, with commas; empty for the whole company.
    pub(crate) within: Arc<str>,
}

impl Scope {
    /// What `principal` may see of `queue`, or of all.
    pub(crate) fn of(edge: &Edge, principal: &Principal, queue: &str) -> Result<Self, Refusal> {
        let company = edge.company(&principal.tenant)?;
        let id = QueueId::new(queue);
        if queue != ALL && company.queue(&id).is_none() {
            let detail = format!("there is no queue {queue:?}: name one of the company's, or * for all");
            return Err(Refusal::new(Code::NotFound, detail));
        }
        let part = match principal.role {
            Role::Visitor => Part::Visitor,
            Role::Agent => Part::Agent,
            Role::Supervisor => Part::Supervisor,
        };
        let elsewhere = queue != ALL
            && principal.role == Role::Supervisor
            && !company.teams.reaches(&principal.id, Some(&id), None);
        if !may(Op::SeeWall, part, if elsewhere { Relation::Elsewhere } else { Relation::Other }) {
            let detail = if elsewhere {
                "this queue belongs to another department"
            } else {
                "the wall is for supervisors"
            };
            return Err(Refusal::new(Code::Forbidden, detail));
        }
        let own = company.teams.limits(&principal.id);
        let within = own.map(|own| own.into_iter().collect::<Vec<_>>().join(",")).unwrap_or_default();
        Ok(Self { queue: queue.into(), within: within.into() })
    }

    fn departments(&self) -> Option<BTreeSet<&str>> {
        (!self.within.is_empty()).then(|| self.within.split(',').collect())
    }

    fn queues<'a>(&self, company: &'a Tenant) -> Vec<&'a QueueSetting> {
        let own = self.departments();
        let shown = |queue: &&QueueSetting| {
            (*self.queue == *ALL || *self.queue == *queue.id.as_str())
                && company.teams.reaches_within(own.as_ref(), Some(&queue.id), None)
        };
        company.queues.iter().filter(shown).collect()
    }

    /// How it all stands.
    pub(crate) async fn read(&self, edge: &Arc<Edge>, tenant: &TenantId) -> Result<Value, Refusal> {
        let company = edge.company(tenant)?;
        let queues = self.queues(&company);
        let since = began(edge.host.now(), queues.first().copied());
        let today = Today::read(edge, tenant, since).await?;
        let (mut lines, mut all) = (Vec::new(), Tile::default());
        for queue in &queues {
            let view =
                edge.host.view_json(&Address::new(tenant.clone(), Queue::KIND, queue.id.shared())).await?;
            let tile = Tile::of(&view, today.as_ref(), &queue.id);
            all.take(&tile);
            let mut line = tile.shown();
            line["id"] = json!(queue.id);
            line["name"] = json!({ "zh": queue.name_zh, "en": queue.name_en });
            line["paused"] = view["paused"].clone();
            lines.push(line);
        }
        let agents = self.presences(edge, tenant, &company, &queues).await?;
        Ok(json!({
            "queue": &*self.queue, "since_ts": since, "all": all.shown(), "queues": lines, "agents": agents,
        }))
    }

    /// How many of those who serve the queues are there.
    async fn presences(
        &self,
        edge: &Arc<Edge>,
        tenant: &TenantId,
        company: &Tenant,
        queues: &[&QueueSetting],
    ) -> Result<Value, Refusal> {
        let own = self.departments();
        let mut counts: BTreeMap<String, u64> =
            ["online", "away", "offline"].map(|state| (state.to_owned(), 0)).into();
        for agent in &company.agents {
            let serves = queues.iter().any(|queue| agent.policy.serves.contains(&queue.id));
            if !serves || !company.teams.reaches_within(own.as_ref(), None, Some(&agent.id)) {
                continue;
            }
            let address = Address::new(tenant.clone(), Agent::KIND, agent.id.shared());
            let view = edge.host.view_json(&address).await?;
            let state = view["state"].as_str().unwrap_or("offline");
            *counts.entry(state.to_owned()).or_default() += 1;
        }
        Ok(json!(counts))
    }
}

/// When the day began: in the time zone of the queue's hours, or of the world.
fn began(now: Time, queue: Option<&QueueSetting>) -> Time {
    let hours = queue.and_then(|queue| queue.policy.time.hours.as_ref());
    hours.map_or(Time::from_ms(now.ms().div_euclid(DAY_MS) * DAY_MS), |hours| hours.day_began(now))
}

/// What the watcher has counted since the day began, and what agents have now.
struct Today {
    served: BTreeMap<QueueId, Served>,
    held: BTreeMap<QueueId, i64>,
}

impl Today {
    /// `None` where the company does without the watcher.
    async fn read(edge: &Arc<Edge>, tenant: &TenantId, since: Time) -> Result<Option<Self>, Refusal> {
        let slots = match boards::totals::<Service>(edge, tenant).await {
            Ok(slots) => slots,
            Err(Refusal { code: Code::NotFound, .. }) => return Ok(None),
            Err(refusal) => return Err(refusal),
        };
        let first = since.ms().div_euclid(HOUR_MS);
        let mut today = Self { served: BTreeMap::new(), held: BTreeMap::new() };
        for slot in slots {
            for ((hour, queue), served) in slot.served {
                if hour >= first {
                    today.served.entry(queue).or_default().merge(&served, 1);
                }
            }
            for (queue, held) in slot.held {
                *today.held.entry(queue).or_default() += held;
            }
        }
        Ok(Some(today))
    }
}

/// What is shown of one queue, or of several together.
#[derive(Default)]
struct Tile {
    waiting: u64,
    kept: u64,
    longest: Option<i64>,
    held: Option<i64>,
    today: Option<Served>,
}

impl Tile {
    fn of(view: &Value, today: Option<&Today>, queue: &QueueId) -> Self {
        let count = |key: &str| view[key].as_u64().unwrap_or_default();
        Self {
            waiting: count("waiting"),
            kept: count("kept"),
            longest: view["longest_wait_since_ts"].as_i64(),
            held: today.map(|today| today.held.get(queue).copied().unwrap_or_default()),
            today: today.map(|today| today.served.get(queue).copied().unwrap_or_default()),
        }
    }

    fn take(&mut self, other: &Self) {
        self.waiting += other.waiting;
        self.kept += other.kept;
        self.longest = [self.longest, other.longest].into_iter().flatten().min();
        self.held = other.held.map(|held| self.held.unwrap_or_default() + held).or(self.held);
        if let Some(served) = &other.today {
            self.today.get_or_insert_default().merge(served, 1);
        }
    }

    fn shown(&self) -> Value {
        json!({
            "waiting": self.waiting, "kept": self.kept, "longest_wait_since_ts": self.longest,
            "in_progress": self.held, "today": self.today.as_ref().map(day),
        })
    }
}

/// Means and shares are of what was counted; `null` where nothing was.
fn day(served: &Served) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "a mean for a picture")]
    let mean = |sum: i64, of: i64| (of > 0).then(|| sum as f64 / of as f64);
    json!({
        "served": served.served, "abandoned": served.abandoned, "transferred": served.transferred,
        "overflowed": served.overflowed, "service_level": mean(served.within, served.with_goal),
        "wait_ms": mean(served.wait_ms, served.served).map(f64::round),
        "handle_ms": mean(served.handle_ms, served.handled).map(f64::round),
        "csat": mean(served.stars, served.rated), "rated": served.rated,
    })
}

#[derive(Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    queue: Option<String>,
}

/// `GET /v1/wall`: of all queues, or of `queue`.
pub(crate) async fn wall(
    State(edge): State<Arc<Edge>>,
    Staff(principal): Staff,
    Query(which): Query<Which>,
) -> Answer {
    let scope = Scope::of(&edge, &principal, which.queue.as_deref().unwrap_or(ALL))?;
    Ok(Json(scope.read(&edge, &principal.tenant).await?))
}
