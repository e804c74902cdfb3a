//! `/v1/dead-letters`: the calls that were given up, for supervisors.

use std::sync::Arc;

use axum::extract::State;
use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::DeadLetters;
use conversa_actors::behaviours::dead_letters::{Command, key};
use conversa_actors::letter::Payload;
use conversa_engine::refusal::Code;
use serde_json::json;

use crate::asked::{Json, Path};
use crate::auth::{Principal, Role};
use crate::problem::Problem;
use crate::rest::{Answer, Staff};
use crate::server::Edge;

/// `GET /v1/dead-letters`: at most a thousand, oldest first, without their bodies.
pub(crate) async fn list(State(edge): State<Arc<Edge>>, Staff(principal): Staff) -> Answer {
    Ok(Json(edge.host.view_json(&address(&principal)?).await?))
}

/// `POST /v1/dead-letters/{n}/replay`: it goes back to its courier, behind what waits there.
pub(crate) async fn replay(
    State(edge): State<Arc<Edge>>,
    Staff(principal): Staff,
    Path(n): Path<u64>,
) -> Answer {
    edge.host.ask(&address(&principal)?, Payload::of(Command::Replay { n })).await?;
    Ok(Json(json!({ "n": n, "replayed": true })))
}

/// `DELETE /v1/dead-letters/{n}`
pub(crate) async fn drop(
    State(edge): State<Arc<Edge>>,
    Staff(principal): Staff,
    Path(n): Path<u64>,
) -> Answer {
    edge.host.ask(&address(&principal)?, Payload::of(Command::Drop { n })).await?;
    Ok(Json(json!({ "n": n, "dropped": true })))
}

fn address(principal: &Principal) -> Result<Address, Problem> {
    match principal.role {
        Role::Supervisor => Ok(Address::new(principal.tenant.clone(), DeadLetters::KIND, key())),
        Role::Agent | Role::Visitor => Err(Problem::new(Code::Forbidden, "this is for supervisors")),
    }
}
