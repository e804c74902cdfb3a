//! Goals of service: by when a human should have answered, and the whole be over, on the clock of the queue's hours. What is due when stands in
//! the events, so that neither replay nor timers ask for settings.
//!
//! A human owes an answer from when the conversation begins to wait for one, or from the visitor's word to one; only a human's word that the
//! visitor reads is an answer. Clocks stand still while the conversation is snoozed.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::{AuthorKind, Command, Conversation, DeskEvent, Event, Phase, Said, SnoozeEvent, Visibility};
use crate::desk::{NEVER, SlaPolicy, TimePolicy};
use crate::ids::QueueId;
use crate::time::Time;

/// What should be done in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The first answer of a human in the conversation.
    FirstResponse,
    /// Every later one.
    NextResponse,
    /// The end.
    Resolution,
}

impl Goal {
    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FirstResponse => "first_response",
            Self::NextResponse => "next_response",
            Self::Resolution => "resolution",
        }
    }

    fn responds(self) -> bool {
        matches!(self, Self::FirstResponse | Self::NextResponse)
    }

    fn ms(self, sla: &SlaPolicy) -> Option<i64> {
        match self {
            Self::FirstResponse => sla.first_response_ms,
            Self::NextResponse => sla.next_response_ms,
            Self::Resolution => sla.resolution_ms,
        }
    }
}

/// The clock of one goal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Of which goal.
    pub goal: Goal,
    /// The queue that set it.
    pub queue: QueueId,
    /// Since when it runs.
    pub since: Time,
    /// When a warning is due.
    pub warn: Time,
    /// When the goal is missed.
    pub due: Time,
    /// The warning was given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warned: bool,
    /// The goal was missed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub breached: bool,
    /// It stands still: business time that was left until the warning and until the goal is missed, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<(i64, i64)>,
}

/// What has happened to clocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of a clock")]
pub enum SlaEvent {
    /// These clocks are set, and no others.
    Set { clocks: Vec<Clock>, at: Time },
    /// A goal will soon be missed.
    Warned { goal: Goal, queue: QueueId, due: Time, at: Time },
    /// A goal was missed.
    Breached { goal: Goal, queue: QueueId, due: Time, at: Time },
}

impl SlaEvent {
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Time {
        match self {
            Self::Set { at, .. } | Self::Warned { at, .. } | Self::Breached { at, .. } => *at,
        }
    }
}

impl Clock {
    fn start(goal: Goal, queue: &QueueId, since: Time, policy: &TimePolicy) -> Option<Self> {
        let ms = goal.ms(&policy.sla)?;
        let due = policy.after(since, ms);
        let warn = policy.after(since, ms.saturating_mul(i64::from(policy.sla.warn_percent)) / 100);
        let (queue, warned, breached, left) = (queue.clone(), false, false, None);
        // In a queue that hardly ever opens nothing is due.
        (due < NEVER).then_some(Self { goal, queue, since, warn, due, warned, breached, left })
    }

    fn stop(&mut self, now: Time, policy: Option<&TimePolicy>) {
        let between = |to: Time| policy.map_or(to.ms_since(now).max(0), |policy| policy.ms_between(now, to));
        self.left.get_or_insert((between(self.warn), between(self.due)));
    }

    fn go_on(&mut self, now: Time, policy: Option<&TimePolicy>) {
        let Some((warn, due)) = self.left.take().filter(|_| !self.breached) else { return };
        let after = |ms: i64| policy.map_or(now.after_ms(ms), |policy| policy.after(now, ms));
        (self.warn, self.due) = (after(warn), after(due));
    }

    /// When something is to be told of it next.
    fn rings(&self) -> Option<Time> {
        match (self.breached || self.left.is_some(), self.warned) {
            (true, _) => None,
            (false, true) => Some(self.due),
            (false, false) => Some(self.warn.min(self.due)),
        }
    }

    fn ring(&self, now: Time) -> Option<SlaEvent> {
        self.rings().filter(|at| *at <= now)?;
        let (goal, queue, due, at) = (self.goal, self.queue.clone(), self.due, now);
        Some(match self.due <= now {
            true => SlaEvent::Breached { goal, queue, due, at },
            false => SlaEvent::Warned { goal, queue, due, at },
        })
    }
}

impl Conversation {
    /// The clocks of goals that are still to be reached, or were missed and are owed all the same.
    #[must_use]
    pub fn clocks(&self) -> &[Clock] {
        &self.clocks
    }

    /// Says in `events` which clocks begin, stand still or go on with them, and gives a wait the due time of its clock. `policy` is that of a queue.
    pub fn keep_goals<'a>(
        &self,
        now: Time,
        policy: impl Fn(&QueueId) -> Option<&'a TimePolicy>,
        events: &mut Vec<Event>,
    ) {
        let mut clocks = self.clocks.clone();
        let (mut answered, mut set) = (self.answered, false);
        let mut queue = match &self.phase {
            Phase::Queued(wait) | Phase::Offered(wait, _) => Some(wait.queue.clone()),
            Phase::Assigned { queue, .. } => Some(queue.clone()),
            Phase::Unopened | Phase::Bot | Phase::Closed { .. } => None,
        };
        for event in events.iter_mut() {
            take_in(&mut clocks, event);
            answered |= answers(event);
            match event {
                Event::Queued { wait, .. } => {
                    queue = Some(wait.queue.clone());
                    if let Some(time) = policy(&wait.queue) {
                        set |= begin(&mut clocks, answered, &wait.queue, wait.since, time);
                        set |= begin_one(&mut clocks, Goal::Resolution, &wait.queue, wait.since, time);
                    }
                    let owed = clocks.iter().find(|clock| clock.goal.responds());
                    wait.due = owed.map(|clock| clock.due).or(wait.due);
                }
                Event::Said(said) if asks(said) => {
                    if let Some((queue, time)) =
                        queue.as_ref().and_then(|queue| Some((queue, policy(queue)?)))
                    {
                        set |= begin(&mut clocks, answered, queue, said.at, time);
                    }
                }
                Event::Closed { .. } | Event::Desk(DeskEvent::BotTook { .. }) => queue = None,
                Event::Assigned { queue: through, .. } => queue = Some(through.clone()),
                Event::Desk(DeskEvent::Snooze(SnoozeEvent::Begun { .. })) => {
                    set |= !clocks.is_empty();
                    clocks.iter_mut().for_each(|clock| clock.stop(now, policy(&clock.queue)));
                }
                Event::Desk(DeskEvent::Snooze(SnoozeEvent::Ended { .. })) => {
                    set |= !clocks.is_empty();
                    clocks.iter_mut().for_each(|clock| clock.go_on(now, policy(&clock.queue)));
                }
                _ => {}
            }
        }
        if !set || clocks.is_empty() {
            return;
        }
        let told = Event::Desk(DeskEvent::Sla(SlaEvent::Set { clocks, at: now }));
        // Whoever asked is told where it stands: a message first of all, what makes a conversation wait last of all.
        let waits = events.iter().rposition(|event| matches!(event, Event::Queued { .. }));
        let said = matches!(events.first(), Some(Event::Said(_)));
        let place = waits.unwrap_or(if said { events.len() } else { 0 });
        events.insert(place, told);
    }

    pub(super) fn goals_due(&self) -> Option<(Time, Command)> {
        self.clocks.iter().filter_map(Clock::rings).min().map(|at| (at, Command::GoalsDue))
    }

    pub(super) fn ring_goals(&self, now: Time) -> Vec<Event> {
        let rung = self.clocks.iter().filter_map(|clock| clock.ring(now));
        rung.map(|event| Event::Desk(DeskEvent::Sla(event))).collect()
    }

    pub(super) fn take_in_goals(&mut self, event: &Event) {
        self.answered |= answers(event);
        if !self.clocks.is_empty() {
            take_in(&mut self.clocks, event);
        }
    }

    pub(super) fn take_in_sla(&mut self, event: &SlaEvent) {
        match event {
            SlaEvent::Set { clocks, .. } => self.clocks.clone_from(clocks),
            SlaEvent::Warned { goal, .. } | SlaEvent::Breached { goal, .. } => {
                if let Some(clock) = self.clocks.iter_mut().find(|clock| clock.goal == *goal) {
                    clock.warned = true;
                    clock.breached = matches!(event, SlaEvent::Breached { .. });
                }
            }
        }
    }
}

/// What an event ends, without a word of its own.
fn take_in(clocks: &mut Vec<Clock>, event: &Event) {
    if answers(event) {
        clocks.retain(|clock| !clock.goal.responds());
    }
    if matches!(event, Event::Closed { .. } | Event::Desk(DeskEvent::BotTook { .. })) {
        clocks.clear();
    }
}

/// True for a human's word that the visitor reads.
fn answers(event: &Event) -> bool {
    let human = |said: &Said| said.author.kind == AuthorKind::Agent && said.visibility == Visibility::Public;
    matches!(event, Event::Said(said) if human(said))
}

fn asks(said: &Said) -> bool {
    said.author.kind == AuthorKind::Visitor && said.visibility == Visibility::Public
}

/// An answer is owed from now on; true when it was not.
fn begin(clocks: &mut Vec<Clock>, answered: bool, queue: &QueueId, since: Time, time: &TimePolicy) -> bool {
    let goal = if answered { Goal::NextResponse } else { Goal::FirstResponse };
    !clocks.iter().any(|clock| clock.goal.responds()) && begin_one(clocks, goal, queue, since, time)
}

fn begin_one(clocks: &mut Vec<Clock>, goal: Goal, queue: &QueueId, since: Time, time: &TimePolicy) -> bool {
    let known = clocks.iter().any(|clock| clock.goal == goal);
    let started = if known { None } else { Clock::start(goal, queue, since, time) };
    let starts = started.is_some();
    clocks.extend(started);
    starts
}
