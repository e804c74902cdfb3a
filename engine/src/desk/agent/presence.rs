//! How an agent says that it is there: in the company's words, and away only with leave where the company wants that.

use super::{Agent, AgentEvent, CAPACITY_MAX, Presence, REASON_CHARS_MAX};
use crate::desk::policy::AgentPolicy;
use crate::ids::PersonId;
use crate::refusal::{Code, Decision, Refusal};
use crate::time::Time;

impl Agent {
    /// Since when the agent has asked to be away, and why; it takes conversations until a supervisor says yes.
    #[must_use]
    pub fn asked(&self) -> Option<(Time, Option<&str>)> {
        self.asked.as_ref().map(|(at, reason)| (*at, reason.as_deref()))
    }

    pub(super) fn set_presence(
        &self,
        now: Time,
        policy: &AgentPolicy,
        presence: Presence,
        capacity: Option<u16>,
        reason: Option<String>,
    ) -> Decision<AgentEvent> {
        let kept = if self.capacity == 0 { policy.capacity } else { self.capacity };
        let capacity = capacity.unwrap_or(kept);
        if !(1..=CAPACITY_MAX).contains(&capacity) {
            return Err(Refusal::new(Code::BadRequest, format!("capacity is 1 to {CAPACITY_MAX}")));
        }
        if presence == Presence::Away {
            check_reason(policy, reason.as_deref())?;
        } else if reason.as_deref().is_some_and(too_long) {
            return Err(long());
        }
        if presence == Presence::Offline {
            return Ok(self.leave(now));
        }
        if presence == Presence::Away && self.presence == Presence::Online && policy.away_asks {
            return Ok(self.ask_away(now, reason));
        }
        let serves = Some(policy.serves.clone());
        let same = presence == self.presence && capacity == self.capacity && reason == self.reason;
        if same && serves == self.serves && self.asked.is_none() {
            return Ok(self.renew(now));
        }
        // Queues that it served before the settings changed, while it was away or its node was down.
        let resettled = self.resettled(now, policy, capacity);
        let resettled = Some(resettled).filter(|(_, left)| *left).map(|(event, _)| event);
        let set = AgentEvent::PresenceSet { presence, capacity, at: now, reason, serves };
        Ok(resettled.into_iter().chain([set]).collect())
    }

    /// Who is not there says what it serves when it comes.
    pub(super) fn resettle(&self, now: Time, policy: &AgentPolicy, capacity: Option<u16>) -> Vec<AgentEvent> {
        let capacity = capacity.unwrap_or(self.capacity);
        if self.presence == Presence::Offline || !(1..=CAPACITY_MAX).contains(&capacity) {
            return Vec::new();
        }
        vec![self.resettled(now, policy, capacity).0]
    }

    /// What the settings make of it now, and whether it leaves a queue.
    fn resettled(&self, now: Time, policy: &AgentPolicy, capacity: u16) -> (AgentEvent, bool) {
        let served = self.serves.iter().flatten();
        let left: Vec<_> = served.filter(|queue| !policy.serves.contains(queue)).cloned().collect();
        let leaves = !left.is_empty();
        (AgentEvent::Resettled { capacity, serves: policy.serves.clone(), left, at: now }, leaves)
    }

    fn ask_away(&self, now: Time, reason: Option<String>) -> Vec<AgentEvent> {
        if self.asked.as_ref().is_some_and(|(_, known)| *known == reason) {
            return self.renew(now);
        }
        vec![AgentEvent::AwayAsked { reason, at: now }]
    }

    /// A supervisor answers an agent who wants to be away.
    pub(super) fn answer_away(&self, now: Time, approved: bool, by: PersonId) -> Decision<AgentEvent> {
        let Some((_, reason)) = self.asked.clone() else {
            return Err(Refusal::new(Code::Gone, "this agent does not ask to be away"));
        };
        let (presence, capacity, serves) = (Presence::Away, self.capacity, self.serves.clone());
        let away = AgentEvent::PresenceSet { presence, capacity, at: now, reason, serves };
        let answered = AgentEvent::AwayAnswered { approved, by, at: now };
        Ok([answered].into_iter().chain(approved.then_some(away)).collect())
    }
}

fn too_long(reason: &str) -> bool {
    reason.chars().count() > REASON_CHARS_MAX
}

fn long() -> Refusal {
    Refusal::new(Code::BadRequest, format!("a reason has at most {REASON_CHARS_MAX} characters"))
}

fn check_reason(policy: &AgentPolicy, reason: Option<&str>) -> Result<(), Refusal> {
    if reason.is_some_and(too_long) {
        return Err(long());
    }
    let known = reason.is_some_and(|reason| policy.reasons.iter().any(|known| known == reason));
    if policy.reasons.is_empty() || known {
        return Ok(());
    }
    let detail = format!("the reason for being away is one of: {}", policy.reasons.join(", "));
    Err(Refusal::new(Code::BadRequest, detail).field("reason"))
}
