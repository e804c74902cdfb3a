//! Turn-taking: who speaks how much, in bursts, and again.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{Family, Feature, Unit, permille};
use crate::quality::Role;
use crate::quality::reading::Reading;

const fn count(id: &'static str, doc: &'static str, compute: fn(&super::Features) -> Option<i64>) -> Feature {
    Feature { id, family: Family::Turns, unit: Unit::Count, version: 1, doc, compute }
}

pub(super) const VISITOR_MESSAGES: Feature =
    count("visitor_messages", "messages of the visitor", |features| Some(features.turns.visitor));
pub(super) const AGENT_MESSAGES: Feature =
    count("agent_messages", "messages of agents", |features| Some(features.turns.agent));
pub(super) const BOT_MESSAGES: Feature =
    count("bot_messages", "messages of the bot", |features| Some(features.turns.bot));
pub(super) const TURNS: Feature =
    count("turns", "times the word went from one part to another", |features| Some(features.turns.turns));
pub(super) const UNANSWERED_BURST_MAX: Feature =
    count("unanswered_burst_max", "most messages of the visitor in a row without an answer", |features| {
        Some(features.turns.burst_max)
    });
pub(super) const VISITOR_REPEATS: Feature =
    count("visitor_repeats", "messages of the visitor that equal one of the 8 before", |features| {
        Some(features.turns.visitor_said.repeats)
    });
pub(super) const AGENT_REPEATS: Feature = count(
    "agent_repeats",
    "agent messages of 6 or more characters that equal one of the 8 before",
    |features| (features.turns.agent > 0).then_some(features.turns.agent_said.repeats),
);
pub(super) const AGENT_TALK_PERMILLE: Feature = Feature {
    unit: Unit::PerMille,
    ..count(
        "agent_talk_permille",
        "agents' share of all characters that agents and visitor wrote",
        |features| {
            let Turns { agent, agent_chars, visitor_chars, .. } = &features.turns;
            if *agent > 0 { permille(*agent_chars, agent_chars + visitor_chars) } else { None }
        },
    )
};

/// Messages by part, and what was said lately.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Turns {
    pub(super) visitor: i64,
    pub(super) agent: i64,
    pub(super) bot: i64,
    visitor_chars: i64,
    agent_chars: i64,
    turns: i64,
    speaker: Option<Role>,
    burst: i64,
    burst_max: i64,
    visitor_said: Lately,
    agent_said: Lately,
}

impl Turns {
    pub(super) fn hear(&mut self, reading: &Reading<'_>) {
        let chars = reading.words.normal.chars().count();
        match reading.role {
            Role::Visitor => {
                self.visitor += 1;
                self.visitor_chars += chars as i64;
                self.burst += 1;
                self.burst_max = self.burst_max.max(self.burst);
                self.visitor_said.hear(&reading.words.normal, chars, 1);
            }
            Role::Agent => {
                self.agent += 1;
                self.agent_chars += chars as i64;
                self.burst = 0;
                self.agent_said.hear(&reading.words.normal, chars, 6);
            }
            Role::Bot => {
                self.bot += 1;
                self.burst = 0;
            }
            Role::System => return,
        }
        let before = self.speaker.replace(reading.role);
        self.turns += i64::from(before.is_some_and(|before| before != reading.role));
    }
}

/// The last different messages of one part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Lately {
    digests: VecDeque<u32>,
    repeats: i64,
}

/// Messages that a repetition is looked for in.
const LATELY_MAX: usize = 8;

impl Lately {
    fn hear(&mut self, normal: &str, chars: usize, chars_min: usize) {
        if chars < chars_min {
            return;
        }
        // The low half of the hash is enough to compare with 8 others.
        let digest = xxh3_64(normal.as_bytes()) as u32;
        if self.digests.contains(&digest) {
            self.repeats += 1;
            return;
        }
        self.digests.push_back(digest);
        if self.digests.len() > LATELY_MAX {
            self.digests.pop_front();
        }
    }
}
