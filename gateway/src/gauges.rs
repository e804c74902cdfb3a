//! How queues stand, for those who follow it: looked at twice a second while anybody does, shown when it has changed. So however fast a
//! queue moves and however many follow it, it costs one look per half second. Who waits is told the place likewise, every other time, and walls
//! are shown every fourth.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Weak};
use std::time::Duration;

use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::{Conversation, Queue};
use conversa_actors::lobby::{Murmur, Topic};
use conversa_engine::ids::TenantId;
use serde_json::{Value, json};

use crate::server::Edge;
use crate::wall::Scope;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Every so many looks places are told, and walls shown.
const PLACES: u32 = 2;
const WALLS: u32 = 4;
/// Topics that are taken from the lobby at once.
const PAGE: usize = 256;
/// A visitor's place in the queue.
const POSITION: &str = "queue.position";

/// How a queue stands, from its view.
pub(crate) fn updated(view: &Value) -> Value {
    json!({
        "waiting": view["waiting"], "offers": view["offers"], "agents_free": view["agents_free"],
        "longest_wait_since_ts": view["longest_wait_since_ts"], "paused": view["paused"],
    })
}

/// Looks until the server is gone.
pub(crate) async fn run(edge: Weak<Edge>) {
    for turn in (0..PLACES * WALLS).cycle() {
        tokio::time::sleep(LOOK).await;
        let Some(edge) = edge.upgrade() else { return };
        look(&edge, turn).await;
    }
}

async fn look(edge: &Arc<Edge>, turn: u32) {
    let (places, walls) = (turn.is_multiple_of(PLACES), turn.is_multiple_of(WALLS));
    let mut after = None;
    let mut line: Option<Line> = None;
    loop {
        let page = edge.host.lobby().topics().page(after.as_ref(), PAGE);
        for (tenant, topic) in &page {
            match topic {
                Topic::Queue(queue) => show_queue(edge, tenant, topic, queue).await,
                // Those of one queue follow one another.
                Topic::Place { queue, conversation } if places => {
                    if line.as_ref().is_none_or(|line| (&line.tenant, &line.queue) != (tenant, queue)) {
                        line = Some(Line::read(edge, tenant, queue).await);
                    }
                    if let Some(line) = &line {
                        line.show(edge, topic, conversation);
                    }
                }
                Topic::Wall { queue, within } if walls => show_wall(edge, tenant, topic, queue, within).await,
                Topic::Conversation(_) | Topic::Place { .. } | Topic::Wall { .. } => {}
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

async fn show_wall(edge: &Arc<Edge>, tenant: &TenantId, topic: &Topic, queue: &Arc<str>, within: &Arc<str>) {
    let scope = Scope { queue: Arc::clone(queue), within: Arc::clone(within) };
    // What cannot be asked now is asked again at the next look.
    let Ok(d) = scope.read(edge, tenant).await else { return };
    let version = version(&d);
    let source = Address::new(tenant.clone(), Queue::KIND, Arc::clone(queue));
    let murmur = Murmur { source, kind: "wall.snapshot".into(), d };
    edge.host.lobby().topics().tell(tenant, topic, version, &Arc::new(murmur));
}

/// Who waits in one queue, in order.
struct Line {
    tenant: TenantId,
    queue: Arc<str>,
    /// Conversation -> place, from 1; `None` when the queue cannot be asked now.
    places: Option<HashMap<String, usize>>,
    place_ms: Option<i64>,
}

impl Line {
    async fn read(edge: &Arc<Edge>, tenant: &TenantId, queue: &Arc<str>) -> Self {
        let view = edge.host.view_json(&Address::new(tenant.clone(), Queue::KIND, Arc::clone(queue))).await;
        let places = view.as_ref().ok().map(|view| {
            let line = view["line"].as_array().into_iter().flatten().filter_map(Value::as_str);
            line.zip(1..).map(|(conversation, place)| (conversation.to_owned(), place)).collect()
        });
        let place_ms = view.ok().and_then(|view| view["place_ms"].as_i64());
        Self { tenant: tenant.clone(), queue: Arc::clone(queue), places, place_ms }
    }

    /// Tells the visitor of a conversation, unless it was told just this.
    fn show(&self, edge: &Arc<Edge>, topic: &Topic, conversation: &Arc<str>) {
        let Some(places) = &self.places else { return };
        let position = places.get(&**conversation);
        let place = position.and_then(|position| i64::try_from(*position).ok());
        let eta_ms = place.zip(self.place_ms).map(|(place, ms)| place.saturating_mul(ms));
        let d = json!({ "queue": &*self.queue, "position": position, "eta_ms": eta_ms });
        let source = Address::new(self.tenant.clone(), Conversation::KIND, Arc::clone(conversation));
        let version = version(&d);
        let murmur = Arc::new(Murmur { source, kind: POSITION.into(), d });
        edge.host.lobby().topics().tell(&self.tenant, topic, version, &murmur);
    }
}

/// Tells one state from another.
fn version(d: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    d.to_string().hash(&mut hasher);
    hasher.finish()
}
