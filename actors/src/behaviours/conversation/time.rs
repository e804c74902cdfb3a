//! What the company's hours, goals and patience make of a conversation's events, whom that alarms, and how it is shown.

use conversa_engine::conversation::{
    self as domain, Clock, DeskEvent, Event, IdleEvent, Notice, Opening, Phase, Side, SlaEvent,
};
use conversa_engine::desk::TimePolicy;
use conversa_engine::ids::{PersonId, QueueId};
use serde_json::{Value, json};

use crate::behaviour::{Context, Outbox};
use crate::lobby::WATCHERS;
use crate::tenant::Tenant;

/// Adds to `events` what follows from them by the clock.
pub(super) fn keep(conversation: &domain::Conversation, cx: &Context<'_>, events: &mut Vec<Event>) {
    let policy = |queue: &QueueId| cx.tenant.queue(queue).map(|queue| &queue.policy.time);
    conversation.keep_goals(cx.now, policy, events);
    tell_closed(conversation, cx.tenant, events);
    let through = events.iter().find_map(|event| match event {
        Event::Assigned { queue, .. } => policy(queue),
        _ => None,
    });
    if let Some(TimePolicy { idle, .. }) = through {
        conversation.keep_idle(cx.now, idle, events);
    }
}

/// Whoever is to wait in a closed queue is told so, and when it opens.
fn tell_closed(conversation: &domain::Conversation, tenant: &Tenant, events: &mut Vec<Event>) {
    let Some(place) = events.iter().position(|event| matches!(event, Event::Queued { .. })) else { return };
    let Event::Queued { wait, at, .. } = &events[place] else { return };
    let opening = events.iter().find_map(opened).or(conversation.opening());
    let hours = tenant.queue(&wait.queue).and_then(|queue| queue.policy.time.hours.as_ref());
    let (Some(opens), Some(opening), Some(hours)) = (wait.opens, opening, hours) else { return };
    let opens = hours.wording(opens);
    let notice = if wait.kept { Notice::Kept { opens } } else { Notice::Closed { opens } };
    let said = Event::Said(notice.said(opening, *at));
    events.insert(place, said);
}

fn opened(event: &Event) -> Option<&Opening> {
    if let Event::Opened(opening) = event { Some(opening) } else { None }
}

/// Supervisors who watch the desk are told of goals that are missed and of agents who are silent.
pub(super) fn alert(event: &Event, out: &mut Outbox) {
    if alert_of(event).is_some() {
        out.push(&PersonId::new(WATCHERS));
    }
}

/// What supervisors are told of an event, if anything.
pub(crate) fn alert_of(event: &Event) -> Option<Value> {
    match event {
        Event::Desk(DeskEvent::Sla(
            sla @ (SlaEvent::Warned { goal, queue, due, .. } | SlaEvent::Breached { goal, queue, due, .. }),
        )) => {
            let breached = matches!(sla, SlaEvent::Breached { .. });
            let kind = if breached { "sla.breached" } else { "sla.warning" };
            Some(json!({ "alert": kind, "goal": goal, "queue": queue, "due_ts": due }))
        }
        Event::Desk(DeskEvent::Idle(IdleEvent::Warned { side: Side::Agent, since, .. })) => {
            Some(json!({ "alert": "idle.agent", "since_ts": since }))
        }
        Event::Desk(DeskEvent::Idle(IdleEvent::TakenBack { agent, .. })) => {
            Some(json!({ "alert": "idle.taken_back", "agent": agent }))
        }
        _ => None,
    }
}

/// One clock as people are shown it.
#[must_use]
pub fn clock_view(clock: &Clock) -> Value {
    let Clock { goal, queue, since, warn, due, warned, breached, left } = clock;
    json!({
        "goal": goal, "queue": queue, "since_ts": since, "warn_ts": warn, "due_ts": due,
        "warned": warned, "breached": breached, "paused_left_ms": left.map(|(_, due)| due),
    })
}

/// What of a conversation goes by the clock, for the company's people and its visitor.
pub(super) fn view(conversation: &domain::Conversation, view: &mut Value) {
    let Some(map) = view.as_object_mut() else { return };
    let clocks = conversation.clocks();
    if !clocks.is_empty() {
        map.insert("goals".into(), clocks.iter().map(clock_view).collect());
    }
    if let Some(snooze) = conversation.snoozed() {
        map.insert("snoozed".into(), json!({ "by": snooze.by, "until_ts": snooze.until }));
    }
    if let Some(turn) = conversation.turn() {
        let turn = json!({ "side": turn.side, "since_ts": turn.since, "warned": turn.warned });
        map.insert("turn".into(), turn);
    }
    if let Some((asked, rated)) = conversation.survey() {
        let score = rated.map(|rated| rated.score);
        map.insert("survey".into(), json!({ "survey": asked.survey, "score": score }));
    }
    if let Phase::Queued(wait) | Phase::Offered(wait, _) = conversation.phase()
        && let Some(opens) = wait.opens
    {
        map.insert("opens_ts".into(), json!(opens));
    }
}
