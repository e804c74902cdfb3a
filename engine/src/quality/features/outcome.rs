//! Outcome: how it ended, and who had to help.

use serde::{Deserialize, Serialize};

use super::{Family, Feature, Unit};
use crate::quality::reading::{Act, Reading};
use crate::quality::{Moment, Role, What};

const fn flag(id: &'static str, doc: &'static str, compute: fn(&super::Features) -> Option<i64>) -> Feature {
    Feature { id, family: Family::Outcome, unit: Unit::Flag, version: 1, doc, compute }
}

pub(super) const CLOSED: Feature =
    flag("closed", "whether it has ended", |features| Some(i64::from(features.outcome.closed)));
pub(super) const REOPENED: Feature = Feature {
    unit: Unit::Count,
    ..flag("reopened", "times it went on after its end", |features| Some(features.outcome.reopened))
};
pub(super) const BOT_CONTAINED: Feature =
    flag("bot_contained", "whether a bot's conversation ended without a human being needed", |features| {
        let Outcome { closed, bot, queued, agent, .. } = features.outcome;
        (closed && bot).then(|| i64::from(!queued && !agent))
    });
pub(super) const HUMAN_ASKED_FOR: Feature = Feature {
    unit: Unit::Count,
    ..flag("human_asked_for", "messages of the visitor that ask for a human", |features| {
        Some(features.outcome.asked_for)
    })
};
pub(super) const ABANDONED: Feature =
    flag("abandoned", "whether it was queued and ended before an agent said anything", |features| {
        let Outcome { closed, queued, agent, .. } = features.outcome;
        (closed && queued).then(|| i64::from(!agent))
    });
pub(super) const UNANSWERED_AT_END: Feature = Feature {
    unit: Unit::Count,
    ..flag(
        "unanswered_at_end",
        "questions and other messages of the visitor after the last answer; thanks and goodbyes need none",
        |features| features.outcome.closed.then_some(features.outcome.unanswered),
    )
};

/// Facts of the whole conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) closed: bool,
    reopened: i64,
    queued: bool,
    agent: bool,
    bot: bool,
    asked_for: i64,
    unanswered: i64,
}

impl Outcome {
    pub(super) fn hear(&mut self, moment: &Moment<'_>, reading: Option<&Reading<'_>>) {
        match moment.what {
            What::Opened { .. } | What::Assigned => {}
            What::Said { .. } => reading.into_iter().for_each(|reading| self.said(reading)),
            What::Queued => self.queued = true,
            What::Closed => self.closed = true,
            What::Reopened => {
                self.closed = false;
                self.reopened += 1;
            }
        }
    }

    fn said(&mut self, reading: &Reading<'_>) {
        match reading.role {
            Role::Visitor => {
                self.asked_for += reading.count(Act::WantsHuman);
                let takes_leave = reading.does(Act::Thanks) || reading.does(Act::Closing);
                self.unanswered += i64::from(!takes_leave);
            }
            Role::Agent => {
                self.agent = true;
                self.unanswered = 0;
            }
            Role::Bot => {
                self.bot = true;
                // What a bot says to somebody in the queue is no answer.
                if !self.queued {
                    self.unanswered = 0;
                }
            }
            Role::System => {}
        }
    }
}
