//! Courtesy: the forms that agents keep or break. Only agents are measured; without one there is nothing to say.

use serde::{Deserialize, Serialize};

use super::{Family, Feature, Unit, permille};
use crate::quality::Role;
use crate::quality::reading::{Act, Reading};

const fn count(id: &'static str, doc: &'static str, compute: fn(&super::Features) -> Option<i64>) -> Feature {
    Feature { id, family: Family::Courtesy, unit: Unit::Count, version: 1, doc, compute }
}

const fn flag(id: &'static str, doc: &'static str, compute: fn(&super::Features) -> Option<i64>) -> Feature {
    Feature { unit: Unit::Flag, ..count(id, doc, compute) }
}

pub(super) const GREETING: Feature =
    flag("greeting", "whether one of the first 2 agent messages greets", |f| {
        f.courtesy.flag(f.courtesy.greeted)
    });
pub(super) const INTRODUCTION: Feature =
    flag("introduction", "whether one of the first 3 agent messages says who it is", |f| {
        f.courtesy.flag(f.courtesy.introduced)
    });
pub(super) const CLOSING: Feature =
    flag("closing", "whether one of the last 3 agent messages says goodbye", |f| {
        let Courtesy { agent, closed_at, .. } = f.courtesy;
        f.courtesy.flag(closed_at.is_some_and(|at| at + 3 > agent))
    });
pub(super) const FURTHER_HELP: Feature =
    flag("further_help", "whether an agent asks if anything else is needed", |f| {
        f.courtesy.flag(f.courtesy.further_help)
    });
pub(super) const THANKS: Feature =
    count("thanks", "agent messages that thank", |f| f.courtesy.count(f.courtesy.thanks));
pub(super) const APOLOGIES: Feature =
    count("apologies", "agent messages that apologise", |f| f.courtesy.count(f.courtesy.apologies));
pub(super) const EMPATHY: Feature =
    count("empathy", "agent messages that show understanding or reassure", |f| {
        f.courtesy.count(f.courtesy.empathy)
    });
pub(super) const FORMAL_YOU_PERMILLE: Feature = Feature {
    unit: Unit::PerMille,
    ..count("formal_you_permille", "share of the agent messages with 您 or 你 that have 您", |f| {
        permille(f.courtesy.formal, f.courtesy.addressed)
    })
};
pub(super) const FORBIDDEN_PHRASES: Feature =
    count("forbidden_phrases", "agent messages that are rude or turn the visitor away", |f| {
        f.courtesy.count(f.courtesy.forbidden)
    });

/// Counts of agents' messages by what they do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Courtesy {
    agent: i64,
    greeted: bool,
    introduced: bool,
    /// The last agent message that said goodbye; 1 is the first message.
    closed_at: Option<i64>,
    further_help: bool,
    thanks: i64,
    apologies: i64,
    empathy: i64,
    formal: i64,
    addressed: i64,
    forbidden: i64,
}

impl Courtesy {
    pub(super) fn hear(&mut self, reading: &Reading<'_>) {
        if reading.role != Role::Agent {
            return;
        }
        self.agent += 1;
        self.greeted |= self.agent <= 2 && reading.does(Act::Greeting);
        self.introduced |= self.agent <= 3 && reading.does(Act::Introduction);
        if reading.does(Act::Closing) {
            self.closed_at = Some(self.agent);
        }
        self.further_help |= reading.does(Act::FurtherHelp);
        self.thanks += reading.count(Act::Thanks);
        self.apologies += reading.count(Act::Apology);
        self.empathy += reading.count(Act::Empathy);
        self.formal += reading.count(Act::FormalYou);
        self.addressed += i64::from(reading.does(Act::FormalYou) || reading.does(Act::FamiliarYou));
        self.forbidden += reading.count(Act::Forbidden);
    }

    fn flag(&self, yes: bool) -> Option<i64> {
        self.count(i64::from(yes))
    }

    fn count(&self, count: i64) -> Option<i64> {
        (self.agent > 0).then_some(count)
    }
}
