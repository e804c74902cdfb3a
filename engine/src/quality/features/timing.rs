//! Timing: who waited for whom, and how long.

use serde::{Deserialize, Serialize};

use super::{Family, Feature, Unit};
use crate::quality::reading::{Act, Reading};
use crate::quality::{Moment, Role, What};

const fn feature(
    id: &'static str,
    doc: &'static str,
    compute: fn(&super::Features) -> Option<i64>,
) -> Feature {
    Feature { id, family: Family::Timing, unit: Unit::Milliseconds, version: 1, doc, compute }
}

pub(super) const FIRST_HUMAN_RESPONSE_MS: Feature = feature(
    "first_human_response_ms",
    "from when the visitor began to wait for a human (queued; else the first message) to the agent's first message",
    |features| features.timing.first_human_response_ms,
);
pub(super) const RESPONSE_MAX_MS: Feature = feature(
    "response_max_ms",
    "longest time an agent took to answer, from the first unanswered message or from taking the conversation",
    |features| (features.timing.responses > 0).then_some(features.timing.response_max_ms),
);
pub(super) const RESPONSE_MEAN_MS: Feature =
    feature("response_mean_ms", "mean time an agent took to answer, rounded down", |features| {
        features.timing.response_sum_ms.checked_div(features.timing.responses)
    });
pub(super) const VISITOR_WAIT_MAX_MS: Feature = feature(
    "visitor_wait_max_ms",
    "longest time the visitor waited for an answer of agent or bot, queueing included, up to the close",
    |features| features.timing.wait_max_ms,
);
pub(super) const QUEUE_WAIT_MS: Feature = feature(
    "queue_wait_ms",
    "longest time from joining the queue to an agent, or to the close",
    |features| features.timing.queue_wait_max_ms,
);
pub(super) const HOLD_MAX_MS: Feature =
    feature("hold_max_ms", "longest silence of the agent after asking the visitor to hold", |features| {
        features.timing.hold_max_ms
    });
pub(super) const DURATION_MS: Feature =
    feature("duration_ms", "from the opening to the last moment", |features| {
        features.timing.opened.map(|opened| since(opened, features.timing.last))
    });

/// Points in time and the longest waits so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Timing {
    opened: Option<i64>,
    last: i64,
    /// The visitor's first message without an answer.
    asked: Option<i64>,
    /// Since when the visitor waits for a human's first message.
    wants_human: Option<i64>,
    queued: Option<i64>,
    assigned: Option<i64>,
    held: Option<i64>,
    first_human_response_ms: Option<i64>,
    /// Of the moment just heard.
    pub(super) response_ms: Option<i64>,
    responses: i64,
    response_sum_ms: i64,
    response_max_ms: i64,
    wait_max_ms: Option<i64>,
    queue_wait_max_ms: Option<i64>,
    hold_max_ms: Option<i64>,
}

impl Timing {
    pub(super) fn hear(&mut self, moment: &Moment<'_>, reading: Option<&Reading<'_>>) {
        let ts = moment.ts;
        self.opened.get_or_insert(ts);
        self.last = self.last.max(ts);
        self.response_ms = None;
        match moment.what {
            What::Opened { .. } => {}
            What::Said { role, .. } => {
                self.said(role, ts, reading.is_some_and(|reading| reading.does(Act::Hold)))
            }
            What::Queued => {
                self.queued.get_or_insert(ts);
                self.wants_human.get_or_insert(ts);
            }
            What::Assigned => {
                longest(&mut self.queue_wait_max_ms, self.queued.take(), ts);
                self.assigned = Some(ts);
            }
            What::Closed => {
                longest(&mut self.queue_wait_max_ms, self.queued.take(), ts);
                longest(&mut self.wait_max_ms, self.asked.take(), ts);
                longest(&mut self.hold_max_ms, self.held.take(), ts);
            }
            What::Reopened => self.assigned = None,
        }
    }

    fn said(&mut self, role: Role, ts: i64, asks_to_hold: bool) {
        match role {
            Role::Visitor => {
                self.asked.get_or_insert(ts);
            }
            Role::Agent => {
                self.agent_answered(ts);
                longest(&mut self.hold_max_ms, self.held.take(), ts);
                self.held = asks_to_hold.then_some(ts);
            }
            // What a bot says to somebody in the queue is no answer.
            Role::Bot if self.queued.is_none() => longest(&mut self.wait_max_ms, self.asked.take(), ts),
            Role::Bot | Role::System => {}
        }
    }

    fn agent_answered(&mut self, ts: i64) {
        if self.first_human_response_ms.is_none() {
            let from = self.wants_human.or(self.asked);
            self.first_human_response_ms = from.map(|from| since(from, ts));
        }
        let Some(asked) = self.asked.take() else {
            return;
        };
        longest(&mut self.wait_max_ms, Some(asked), ts);
        let response_ms = since(self.assigned.map_or(asked, |assigned| assigned.max(asked)), ts);
        self.responses += 1;
        self.response_sum_ms = self.response_sum_ms.saturating_add(response_ms);
        self.response_max_ms = self.response_max_ms.max(response_ms);
        self.response_ms = Some(response_ms);
    }
}

fn since(from: i64, to: i64) -> i64 {
    to.saturating_sub(from).max(0)
}

/// Raises `max` to the time from `from` to `to`, if there was a beginning.
fn longest(max: &mut Option<i64>, from: Option<i64>, to: i64) {
    if let Some(from) = from {
        *max = Some(max.unwrap_or(0).max(since(from, to)));
    }
}
