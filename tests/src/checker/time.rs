//! Goals and snoozes, worked out anew: nothing is told before its time, of what was answered or of what stands still; and what is snoozed is with
//! the agent who snoozed it, and nowhere else.

use std::collections::BTreeMap;

use conversa_engine::conversation::{
    AuthorKind, DeskEvent, Event, Goal, SlaEvent, SnoozeEvent, SurveyEvent, Visibility,
};
use conversa_engine::ids::ConversationId;
use conversa_engine::time::Time;

use super::Findings;
use super::phases::Stand;
use crate::history::{Entry, History, Log};

/// A goal that is owed: when a warning is due, when it is missed, whether it stands still, what was told already.
#[derive(Clone, Copy, Debug)]
struct Owed {
    warn: Time,
    due: Time,
    still: bool,
    warned: bool,
    breached: bool,
}

pub(super) fn check(history: &History, findings: &mut Findings) {
    for (id, log) in &history.conversations {
        goals(*id, log, findings);
        snoozes(*id, log, findings);
        surveys(*id, log, findings);
    }
}

/// Nobody answers what was not asked.
fn surveys(id: ConversationId, log: &Log<Event>, findings: &mut Findings) {
    let mut standing = None;
    for entry in log {
        let Event::Desk(DeskEvent::Survey(event)) = &entry.event else { continue };
        match event {
            SurveyEvent::Asked(asked) => standing = Some(asked),
            SurveyEvent::Received { asked, .. } => findings.expect(standing == Some(asked), "survey", || {
                format!("{id}: event {} answers {asked:?}, asked was {standing:?}", entry.seq)
            }),
        }
    }
}

fn goals(id: ConversationId, log: &Log<Event>, findings: &mut Findings) {
    let mut owed: BTreeMap<Goal, Owed> = BTreeMap::new();
    for entry in log {
        match &entry.event {
            Event::Desk(DeskEvent::Sla(SlaEvent::Set { clocks, .. })) => {
                owed = clocks
                    .iter()
                    .map(|clock| {
                        let (warn, due, still) = (clock.warn, clock.due, clock.left.is_some());
                        let (warned, breached) = (clock.warned, clock.breached);
                        (clock.goal, Owed { warn, due, still, warned, breached })
                    })
                    .collect();
            }
            Event::Desk(DeskEvent::Sla(SlaEvent::Warned { goal, due, .. })) => {
                let known = owed.get_mut(goal);
                let right = known.as_ref().is_some_and(|known| {
                    let open = !known.still && !known.warned && !known.breached;
                    open && known.due == *due && known.warn <= entry.at && entry.at < *due
                });
                told(id, right, entry, findings);
                known.into_iter().for_each(|known| known.warned = true);
            }
            Event::Desk(DeskEvent::Sla(SlaEvent::Breached { goal, due, .. })) => {
                let known = owed.get_mut(goal);
                let right = known.as_ref().is_some_and(|known| {
                    !known.still && !known.breached && known.due == *due && *due <= entry.at
                });
                told(id, right, entry, findings);
                known.into_iter().for_each(|known| known.breached = true);
            }
            Event::Said(said)
                if said.author.kind == AuthorKind::Agent && said.visibility == Visibility::Public =>
            {
                owed.retain(|goal, _| *goal == Goal::Resolution);
            }
            Event::Closed { .. } | Event::Desk(DeskEvent::BotTook { .. }) => owed.clear(),
            _ => {}
        }
    }
    // When everything has settled, nothing that was due long ago is untold.
    let end = log.last().map(|entry| entry.at).unwrap_or_default();
    let late = owed.iter().find(|(_, one)| !one.still && !one.breached && one.due.after_ms(60_000) < end);
    findings.expect(late.is_none(), "goals", || format!("{id}: {late:?} was missed and nobody told"));
}

fn told(id: ConversationId, right: bool, entry: &Entry<Event>, findings: &mut Findings) {
    findings.expect(right, "goals", || {
        format!("{id}: event {} ({:?}) is too early, twice, or of what is not owed", entry.seq, entry.event)
    });
}

fn snoozes(id: ConversationId, log: &Log<Event>, findings: &mut Findings) {
    let (mut snoozed, mut stand) = (false, Stand::default());
    for entry in log {
        let before = std::mem::take(&mut stand);
        stand = before.clone().after(&entry.event);
        let right = match &entry.event {
            Event::Desk(DeskEvent::Snooze(SnoozeEvent::Begun { .. })) => {
                !std::mem::replace(&mut snoozed, true) && matches!(before, Stand::Assigned(..))
            }
            Event::Desk(DeskEvent::Snooze(SnoozeEvent::Ended { .. })) => std::mem::take(&mut snoozed),
            _ => !snoozed || before == stand,
        };
        findings.expect(right, "snooze", || {
            format!("{id}: event {} ({:?}) cannot happen while snoozed is {snoozed}", entry.seq, entry.event)
        });
    }
}
