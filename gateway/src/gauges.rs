//! How queues stand, for those who follow it: looked at twice a second while anybody does, shown when it has changed. So however fast a
//! queue moves and however many follow it, it costs one look per half second.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Weak};
use std::time::Duration;

use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::Queue;
use conversa_actors::lobby::{Murmur, Topic};
use conversa_engine::ids::TenantId;
use serde_json::{Value, json};

use crate::server::Edge;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Topics that are taken from the lobby at once.
const PAGE: usize = 256;

/// How a queue stands, from its view.
pub(crate) fn updated(view: &Value) -> Value {
    json!({
        "waiting": view["waiting"], "offers": view["offers"], "agents_free": view["agents_free"],
        "longest_wait_since_ts": view["longest_wait_since_ts"], "paused": view["paused"],
    })
}

/// Looks until the server is gone.
pub(crate) async fn run(edge: Weak<Edge>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(edge) = edge.upgrade() else { return };
        look(&edge).await;
    }
}

async fn look(edge: &Arc<Edge>) {
    let mut after = None;
    loop {
        let page = edge.host.lobby().topics().page(after.as_ref(), PAGE);
        for (tenant, topic) in &page {
            match topic {
                Topic::Queue(queue) => show_queue(edge, tenant, topic, queue).await,
                Topic::Conversation(_) => {}
            }
        }
        match page.into_iter().last() {
            Some(last) => after = Some(last),
            None => return,
        }
    }
}

async fn show_queue(edge: &Arc<Edge>, tenant: &TenantId, topic: &Topic, queue: &Arc<str>) {
    let source = Address::new(tenant.clone(), Queue::KIND, Arc::clone(queue));
    // One that cannot be asked now is asked again at the next look.
    let Ok(view) = edge.host.view_json(&source).await else { return };
    let mut d = updated(&view);
    let version = version(&d);
    d["queue"] = (**queue).into();
    let murmur = Murmur { source, kind: "queue.updated".into(), d };
    edge.host.lobby().topics().tell(tenant, topic, version, &Arc::new(murmur));
}

/// Tells one state from another.
fn version(d: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    d.to_string().hash(&mut hasher);
    hasher.finish()
}
