//! Departments and teams: who works with whom, and what a supervisor of some departments does not see.

use std::sync::Arc;

use axum::extract::State;
use conversa_actors::address::Address;
use conversa_actors::watchers::Summary;
use conversa_engine::ids::{ConversationId, PersonId, QueueId};
use conversa_engine::refusal::Refusal;
use serde_json::{Value, json};

use super::{Answer, Staff, boards};
use crate::asked::Json;
use crate::auth::{Principal, Role};
use crate::server::Edge;

/// `GET /v1/departments`
pub(crate) async fn departments(State(edge): State<Arc<Edge>>, Staff(principal): Staff) -> Answer {
    let all = &edge.company(&principal.tenant)?.teams;
    let items = all.departments.iter().map(|department| {
        let teams = all.teams.iter().filter(|team| team.department.as_ref() == Some(&department.id));
        json!({
            "id": department.id, "name": department.name, "supervisors": department.supervisors,
            "teams": teams.map(|team| &team.id).collect::<Vec<_>>(),
        })
    });
    Ok(Json(json!({ "items": items.collect::<Vec<_>>() })))
}

/// `GET /v1/teams`
pub(crate) async fn teams(State(edge): State<Arc<Edge>>, Staff(principal): Staff) -> Answer {
    let all = &edge.company(&principal.tenant)?.teams;
    let items = all.teams.iter().map(|team| {
        json!({
            "id": team.id, "name": team.name, "department": team.department, "agents": team.agents,
            "queues": team.queues,
        })
    });
    Ok(Json(json!({ "items": items.collect::<Vec<_>>() })))
}

/// The same for the view of the conversation `at`: who held one that is over stands in the list of conversations.
pub(crate) async fn hidden(
    edge: &Arc<Edge>,
    principal: &Principal,
    at: &Address,
    view: &Value,
) -> Result<bool, Refusal> {
    if principal.role != Role::Supervisor || edge.company(&principal.tenant)?.teams.departments.is_empty() {
        return Ok(false);
    }
    if let (true, Ok(cv)) = (view["phase"] == "closed", at.key.parse::<ConversationId>())
        && let Some(line) = boards::contribution::<Summary>(edge, &principal.tenant, cv).await?
    {
        return Ok(elsewhere(edge, principal, &json!({ "queue": line.queue, "agent": line.agent })));
    }
    Ok(elsewhere(edge, principal, view))
}

/// True when `principal` is a supervisor of departments to which a conversation does not belong; `of` has its `queue` and `agent`.
pub(crate) fn elsewhere(edge: &Arc<Edge>, principal: &Principal, of: &Value) -> bool {
    let Ok(company) = edge.company(&principal.tenant) else { return true };
    let agent = of["agent"]["id"].as_str().or(of["agent"].as_str()).map(PersonId::new);
    let queue = of["queue"].as_str().map(QueueId::new);
    principal.role == Role::Supervisor
        && !company.teams.reaches(&principal.id, queue.as_ref(), agent.as_ref())
}
