//! Overflow: whoever waits too long, or comes when too many wait, goes to a queue that helps.
//!
//! A queue asks the other one for room; that one answers for itself, so it is the only one who judges whether it is open and has its own
//! under control. Then the conversation is told, which alone says where it waits: it moves if it still waits here. What it left it does not
//! come back to in the same wait ([`Wait::passed`]), so queues may help each other without sending anybody round.

use super::{MATCH_MAX, Queue, QueueEvent, WAITING_MAX, Waiting};
use crate::conversation::{OverflowWhy, Wait};
use crate::desk::policy::QueuePolicy;
use crate::ids::{ConversationId, QueueId};
use crate::refusal::Decision;
use crate::time::Time;

/// Where no queue had room, all are asked again after this time, milliseconds.
pub(super) const ROOM_AGAIN_MS: i64 = 30_000;

impl Queue {
    /// When somebody who begins to wait now has waited too long; `None` where it stays.
    pub(super) fn overflows_at(&self, now: Time, policy: &QueuePolicy, wait: &Wait) -> Option<Time> {
        let after_ms = policy.overflow.after_ms?;
        next(policy, wait, None)?;
        Some(now.max(wait.kept_until().unwrap_or_default()).after_ms(after_ms))
    }

    /// Asks for room when too many wait already. Whoever is kept, or has an agent in sight, stays.
    pub(super) fn ask_when_long(
        &self,
        policy: &QueuePolicy,
        conversation: ConversationId,
        wait: &Wait,
    ) -> Option<QueueEvent> {
        let long = policy.overflow.longer_than.is_some_and(|most| self.line.len() >= most);
        let queue = next(policy, wait, None).filter(|_| long && wait.kept_until().is_none())?.clone();
        Some(QueueEvent::RoomAsked { conversation, queue, why: OverflowWhy::Length, again: None })
    }

    /// Those who have waited too long.
    pub(super) fn ask_when_late(&self, now: Time, policy: &QueuePolicy) -> Vec<QueueEvent> {
        let late = self.overflows.iter().take_while(|(at, _)| *at <= now).take(MATCH_MAX);
        let ask = |conversation: ConversationId| {
            let again = now.after_ms(ROOM_AGAIN_MS);
            let waiting = self.waiting.get(&conversation)?;
            // Whoever is offered to an agent is looked at again, in case that comes to nothing.
            let queue = next(policy, &waiting.wait, None).filter(|_| waiting.flight.is_none());
            Some(match queue.cloned() {
                Some(queue) => {
                    let (why, again) = (OverflowWhy::Wait, Some(again));
                    QueueEvent::RoomAsked { conversation, queue, why, again }
                }
                None => QueueEvent::OverflowPut { conversation, again },
            })
        };
        late.filter_map(|(_, conversation)| ask(*conversation)).collect()
    }

    /// Another queue asks for room. It is not kept free for who comes: those who are asked for together may be a few too many.
    pub(super) fn answer_room(
        &self,
        now: Time,
        policy: &QueuePolicy,
        conversation: ConversationId,
        to: QueueId,
    ) -> Vec<QueueEvent> {
        let open = !self.paused && policy.time.closed_until(now).is_none();
        let short = policy.overflow.longer_than.unwrap_or(WAITING_MAX).min(WAITING_MAX) > self.waiting.len();
        let late = |since: Time| policy.overflow.after_ms.is_some_and(|ms| now.ms_since(since) >= ms);
        let swift = !self.longest_wait_since().is_some_and(late);
        vec![QueueEvent::RoomAnswered { conversation, to, free: open && short && swift }]
    }

    /// The other queue has answered: the conversation is to go there, or the next one is asked.
    pub(super) fn room(
        &self,
        policy: &QueuePolicy,
        conversation: ConversationId,
        queue: QueueId,
        free: bool,
    ) -> Decision<QueueEvent> {
        let Some(Waiting { wait, flight, asked: Some((asked, why)), .. }) = self.waiting.get(&conversation)
        else {
            return Ok(Vec::new());
        };
        if *asked != queue {
            return Ok(Vec::new());
        }
        let why = *why;
        Ok(vec![match (free, flight) {
            (true, None) => QueueEvent::Overflowing { conversation, to: queue, why },
            (true, Some(_)) => QueueEvent::RoomLost { conversation },
            (false, _) => match next(policy, wait, Some(&queue)).cloned() {
                Some(queue) => QueueEvent::RoomAsked { conversation, queue, why, again: None },
                None => QueueEvent::RoomLost { conversation },
            },
        }])
    }

    /// Takes in when somebody is looked at again.
    pub(super) fn put_overflow(&mut self, conversation: ConversationId, again: Time) {
        let Some(waiting) = self.waiting.get_mut(&conversation) else { return };
        if let Some(before) = waiting.overflows.replace(again) {
            self.overflows.remove(&(before, conversation));
        }
        self.overflows.insert((again, conversation));
    }

    /// Takes in which queue is asked for room, if any.
    pub(super) fn set_asked(&mut self, conversation: ConversationId, asked: Option<(QueueId, OverflowWhy)>) {
        if let Some(waiting) = self.waiting.get_mut(&conversation) {
            waiting.asked = asked;
        }
    }
}

/// The queue to ask after `last`; none that was left in this wait.
fn next<'a>(policy: &'a QueuePolicy, wait: &Wait, last: Option<&QueueId>) -> Option<&'a QueueId> {
    let from = last.and_then(|last| policy.overflow.to.iter().position(|to| to == last));
    let rest = policy.overflow.to.iter().skip(from.map_or(0, |place| place + 1));
    rest.into_iter().find(|to| **to != wait.queue && !wait.passed.contains(to))
}
