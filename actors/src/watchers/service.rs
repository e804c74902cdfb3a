//! How each queue serves, hour by hour: whoever watches a queue live, and whoever adds a day up later, read the same figures.
//!
//! *Served*: an agent has it after a wait. *Within*: of those that had a goal, before it was due. *Abandoned*: the visitor left or ended it
//! while it waited. *Overflowed*: it went to a queue that helps. *Transferred*: it was given away by who had it. The wait lasts from when a
//! human was asked for, over all queues; what an agent has lasts until the agent has it no more. An hour is that of the event.

use std::collections::BTreeMap;

use conversa_engine::conversation::{
    Closer, DeskEvent, Event, HandoverEvent, QueueReason, Survey, SurveyEvent,
};
use conversa_engine::ids::{ConversationId, QueueId};
use conversa_engine::time::Time;
use serde::{Deserialize, Serialize};

use crate::tenant::Tenant;
use crate::watcher::Watcher;

/// One hour, milliseconds.
pub const HOUR_MS: i64 = 3_600_000;
/// Hours and queues that one conversation contributes to; the earliest are forgotten.
const ENTRIES_MAX: usize = 64;

/// Reads what the desk does with conversations; messages do not matter.
#[derive(Debug)]
pub struct Service;

/// What was done. Sums are exact, so that what was counted can be taken out again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the head of the file says what they are")]
pub struct Served {
    pub served: i64,
    pub with_goal: i64,
    pub within: i64,
    pub wait_ms: i64,
    pub abandoned: i64,
    pub transferred: i64,
    pub overflowed: i64,
    /// Ends of what agents had, and for how long.
    pub handled: i64,
    pub handle_ms: i64,
    /// Stars and who gave some.
    pub stars: i64,
    pub rated: i64,
}

/// What one conversation contributes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceLine {
    /// (hour since 1970, queue) -> what was done.
    served: BTreeMap<(i64, QueueId), Served>,
    /// Since when it waits, by when it should be answered, and where.
    waits: Option<(Time, Option<Time>, QueueId)>,
    /// Since when an agent has it, and through which queue it came.
    held: Option<(Time, QueueId)>,
    /// What is counted of the visitor's answer, which may change.
    stars: Option<(i64, QueueId, i64)>,
}

/// All of a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceTotals {
    /// (hour since 1970, queue) -> what was done.
    pub served: BTreeMap<(i64, QueueId), Served>,
    /// What agents have now, by the queue through which it came.
    pub held: BTreeMap<QueueId, i64>,
}

impl Served {
    /// Takes in that of others, so many times.
    pub fn merge(&mut self, other: &Self, times: i64) {
        self.served += other.served * times;
        self.with_goal += other.with_goal * times;
        self.within += other.within * times;
        self.wait_ms += other.wait_ms * times;
        self.abandoned += other.abandoned * times;
        self.transferred += other.transferred * times;
        self.overflowed += other.overflowed * times;
        self.handled += other.handled * times;
        self.handle_ms += other.handle_ms * times;
        self.stars += other.stars * times;
        self.rated += other.rated * times;
    }
}

impl ServiceLine {
    fn at(&mut self, at: Time, queue: &QueueId) -> &mut Served {
        self.hour(at.ms().div_euclid(HOUR_MS), queue)
    }

    fn hour(&mut self, hour: i64, queue: &QueueId) -> &mut Served {
        let key = (hour, queue.clone());
        if !self.served.contains_key(&key) && self.served.len() >= ENTRIES_MAX {
            self.served.pop_first();
        }
        self.served.entry(key).or_default()
    }

    /// The agent who had it has it no more.
    fn ends(&mut self, at: Time) {
        if let Some((since, queue)) = self.held.take() {
            let served = self.at(at, &queue);
            served.handled += 1;
            served.handle_ms += at.ms_since(since).max(0);
        }
    }

    fn gives_up(&mut self, at: Time) {
        if let Some((.., queue)) = self.waits.take() {
            self.at(at, &queue).abandoned += 1;
        }
    }

    fn hear(&mut self, event: &Event) {
        match event {
            Event::Queued { wait, reason, at } => {
                self.ends(*at);
                if let (QueueReason::Overflow, Some(left)) = (reason, wait.passed.last()) {
                    self.at(*at, left).overflowed += 1;
                }
                self.waits = Some((wait.since, wait.due, wait.queue.clone()));
            }
            Event::Assigned { queue, at, .. } => {
                self.ends(*at);
                if let Some((since, due, _)) = self.waits.take() {
                    let served = self.at(*at, queue);
                    served.served += 1;
                    served.wait_ms += at.ms_since(since).max(0);
                    served.with_goal += i64::from(due.is_some());
                    served.within += i64::from(due.is_some_and(|due| *at <= due));
                }
                self.held = Some((*at, queue.clone()));
            }
            Event::Closed { by, at, .. } => {
                self.ends(*at);
                match by {
                    Closer::Visitor => self.gives_up(*at),
                    Closer::Agent | Closer::System => self.waits = None,
                }
            }
            Event::Desk(event) => self.desk(event),
            _ => {}
        }
    }

    fn desk(&mut self, event: &DeskEvent) {
        match event {
            DeskEvent::Transferred { at, .. } => self.given_away(*at),
            DeskEvent::Handover(HandoverEvent::Taken { released, at, .. }) if released.is_some() => {
                self.given_away(*at);
            }
            DeskEvent::BotTook { at, .. } => {
                self.ends(*at);
                self.gives_up(*at);
            }
            DeskEvent::Survey(SurveyEvent::Received { asked, rated, at }) if asked.survey == Survey::Csat => {
                if let Some((hour, queue, stars)) = self.stars.take() {
                    let counted = self.hour(hour, &queue);
                    (counted.stars, counted.rated) = (counted.stars - stars, counted.rated - 1);
                }
                let stars = i64::from(rated.score);
                let counted = self.at(*at, &asked.queue);
                (counted.stars, counted.rated) = (counted.stars + stars, counted.rated + 1);
                self.stars = Some((at.ms().div_euclid(HOUR_MS), asked.queue.clone(), stars));
            }
            DeskEvent::Handover(_)
            | DeskEvent::Survey(_)
            | DeskEvent::Watched { .. }
            | DeskEvent::BargedIn { .. }
            | DeskEvent::Wrap(_)
            | DeskEvent::Sla(_)
            | DeskEvent::Idle(_)
            | DeskEvent::Snooze(_) => {}
        }
    }

    fn given_away(&mut self, at: Time) {
        if let Some((_, queue)) = self.held.clone() {
            self.at(at, &queue).transferred += 1;
        }
    }
}

impl Watcher for Service {
    const NAME: &'static str = "service";
    type Contribution = ServiceLine;
    type Totals = ServiceTotals;

    fn interest(event: &Event) -> bool {
        match event {
            Event::Queued { .. } | Event::Assigned { .. } | Event::Closed { .. } => true,
            Event::Desk(event) => matches!(
                event,
                DeskEvent::Transferred { .. }
                    | DeskEvent::BotTook { .. }
                    | DeskEvent::Handover(HandoverEvent::Taken { .. })
                    | DeskEvent::Survey(SurveyEvent::Received { .. })
            ),
            Event::Opened(_)
            | Event::Said(_)
            | Event::Forwarded(_)
            | Event::Offered { .. }
            | Event::OfferEnded { .. }
            | Event::OfferRejected { .. }
            | Event::OfferVoided { .. }
            | Event::PlaceChecked { .. }
            | Event::Edited { .. }
            | Event::Recalled { .. }
            | Event::Reacted { .. }
            | Event::Marked { .. }
            | Event::Failed { .. }
            | Event::Reopened { .. } => false,
        }
    }

    fn hear(line: &mut ServiceLine, _tenant: &Tenant, _seq: u64, event: &Event) {
        line.hear(event);
    }

    fn add(totals: &mut ServiceTotals, _conversation: ConversationId, line: &ServiceLine) {
        count(totals, line, 1);
    }

    fn remove(totals: &mut ServiceTotals, _conversation: ConversationId, line: &ServiceLine) {
        count(totals, line, -1);
    }
}

fn count(totals: &mut ServiceTotals, line: &ServiceLine, times: i64) {
    for (key, served) in &line.served {
        let total = totals.served.entry(key.clone()).or_default();
        total.merge(served, times);
        if *total == Served::default() {
            totals.served.remove(key);
        }
    }
    if let Some((_, queue)) = &line.held {
        let held = totals.held.entry(queue.clone()).or_default();
        *held += times;
        if *held == 0 {
            totals.held.remove(queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use conversa_engine::conversation::{Asked, Held, Person, Rated, Target, Wait};
    use conversa_engine::ids::{OfferId, PersonId};

    use super::*;

    fn queue(id: &str) -> QueueId {
        QueueId::new(id)
    }

    fn waits(at: i64, due: i64) -> Event {
        let wait = Wait { due: Some(Time::from_ms(due)), ..Wait::new(queue("a"), Time::from_ms(at), 0) };
        Event::Queued { wait, reason: QueueReason::Asked, at: Time::from_ms(at) }
    }

    fn person(id: &str) -> Person {
        Person { id: PersonId::new(id), name: id.into() }
    }

    fn taken(at: i64, from: &str) -> Event {
        let (agent, offer) = (person("ag_1"), OfferId::new("of_1"));
        Event::Assigned { agent, offer, queue: queue(from), at: Time::from_ms(at) }
    }

    fn closed(at: i64, by: Closer) -> Event {
        Event::Closed { by, reason: String::new(), held: Held::default(), at: Time::from_ms(at) }
    }

    fn rated(at: i64, score: u8) -> Event {
        let asked = Asked { survey: Survey::Csat, queue: queue("b"), agent: None, at: Time::from_ms(at) };
        let rated = Rated { score, ..Rated::default() };
        Event::Desk(DeskEvent::Survey(SurveyEvent::Received { asked, rated, at: Time::from_ms(at) }))
    }

    fn line(events: &[Event]) -> ServiceLine {
        let mut line = ServiceLine::default();
        for event in events {
            assert!(Service::interest(event), "{event:?}");
            line.hear(event);
        }
        line
    }

    #[test]
    fn a_day_of_a_conversation_is_counted_where_and_when_it_was_and_taken_out_again() {
        let moved = Wait {
            queue: queue("b"),
            passed: vec![queue("a")],
            ..Wait::new(queue("a"), Time::from_ms(0), 0)
        };
        let transferred = DeskEvent::Transferred {
            by: person("ag_1"),
            to: Target::Queue(queue("a")),
            summary: String::new(),
            slots: BTreeMap::new(),
            released: (PersonId::new("ag_1"), OfferId::new("of_1")),
            at: Time::from_ms(HOUR_MS),
        };
        let events = [
            waits(0, 100),
            Event::Queued { wait: moved, reason: QueueReason::Overflow, at: Time::from_ms(50) },
            taken(80, "b"),
            Event::Desk(transferred),
            waits(HOUR_MS, HOUR_MS + 10),
            taken(HOUR_MS + 20, "a"),
            closed(HOUR_MS + 50, Closer::Agent),
            rated(HOUR_MS + 60, 2),
            rated(2 * HOUR_MS, 5),
        ];
        let line = line(&events);
        let at = |hour: i64, id: &str| line.served.get(&(hour, queue(id))).copied().unwrap_or_default();
        assert_eq!(at(0, "a"), Served { overflowed: 1, ..Served::default() });
        // Without a goal of its own the wait that moved is not counted as one with a goal.
        assert_eq!(at(0, "b"), Served { served: 1, wait_ms: 80, ..Served::default() });
        let ended = Served { transferred: 1, handled: 1, handle_ms: HOUR_MS - 80, ..Served::default() };
        assert_eq!(at(1, "b"), ended);
        let second =
            Served { served: 1, with_goal: 1, wait_ms: 20, handled: 1, handle_ms: 30, ..Served::default() };
        assert_eq!(at(1, "a"), second, "late");
        assert_eq!(at(2, "b"), Served { stars: 5, rated: 1, ..Served::default() }, "an answer that changed");
        let mut totals = ServiceTotals::default();
        let id = ConversationId::new(Time::from_ms(0), 1, 1);
        Service::add(&mut totals, id, &line);
        Service::remove(&mut totals, id, &line);
        assert_eq!(totals, ServiceTotals::default());
    }

    #[test]
    fn who_gives_up_is_told_from_who_is_sent_away() {
        let abandoned = |end: Event| {
            let line = line(&[waits(0, 100), end]);
            line.served.values().map(|served| served.abandoned).sum::<i64>()
        };
        assert_eq!([abandoned(closed(5, Closer::Visitor)), abandoned(closed(5, Closer::System))], [1, 0]);
        let (bot, held) = (conversa_engine::ids::BotId::new("bot"), Held::default());
        assert_eq!(abandoned(Event::Desk(DeskEvent::BotTook { bot, held, at: Time::from_ms(5) })), 1);
        let held = line(&[waits(0, 100), taken(7, "a")]);
        let mut totals = ServiceTotals::default();
        Service::add(&mut totals, ConversationId::new(Time::from_ms(0), 1, 1), &held);
        assert_eq!(totals.held, [(queue("a"), 1)].into());
    }
}
