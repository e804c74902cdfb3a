//! Language: in which one, how loud, how short, how clean.

use serde::{Deserialize, Serialize};

use super::{Family, Feature, Unit, permille};
use crate::quality::Role;
use crate::quality::reading::{Act, Reading};
use crate::text::{Language, Letters, count_bytes};

const fn count(id: &'static str, doc: &'static str, compute: fn(&super::Features) -> Option<i64>) -> Feature {
    Feature { id, family: Family::Language, unit: Unit::Count, version: 1, doc, compute }
}

pub(super) const SAME_LANGUAGE_PERMILLE: Feature = Feature {
    unit: Unit::PerMille,
    ..count(
        "same_language_permille",
        "share of the answers that are in the language of the visitor's last message",
        |f| permille(f.language.same_language, f.language.compared),
    )
};
pub(super) const VISITOR_SHOUTS: Feature =
    count("visitor_shouts", "messages of the visitor in capitals or with !!!", |f| {
        Some(f.language.visitor_shouts)
    });
pub(super) const AGENT_SHOUTS: Feature =
    count("agent_shouts", "messages of agents in capitals or with !!!", |f| {
        f.language.of_agent(f.language.agent_shouts)
    });
pub(super) const ONE_WORD_REPLIES: Feature =
    count("one_word_replies", "agent messages of 1 or 2 Han characters or one short word", |f| {
        f.language.of_agent(f.language.one_word)
    });
pub(super) const PLACEHOLDERS_LEFT: Feature =
    count("placeholders_left", "agent or bot messages with the unfilled gap of a template", |f| {
        Some(f.language.placeholders)
    });
pub(super) const MOJIBAKE: Feature =
    count("mojibake", "agent or bot messages with wrongly decoded characters", |f| Some(f.language.mojibake));

/// Letters from which a text has a language.
const LETTERS_MIN: usize = 4;
/// Letters from which capitals shout.
const CAPITALS_MIN: usize = 8;

/// Counts of how things were worded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wording {
    visitors: Option<Language>,
    compared: i64,
    same_language: i64,
    visitor_shouts: i64,
    agent_shouts: i64,
    agent: i64,
    one_word: i64,
    placeholders: i64,
    mojibake: i64,
}

impl Wording {
    pub(super) fn hear(&mut self, reading: &Reading<'_>) {
        match reading.role {
            Role::Visitor => {
                self.visitors = spoken(&reading.words.normal).or(self.visitors);
                self.visitor_shouts += i64::from(shouts(reading));
            }
            Role::Agent => {
                self.agent += 1;
                self.agent_shouts += i64::from(shouts(reading));
                self.one_word += i64::from(is_one_word(&reading.words.normal));
                self.answered(reading);
            }
            Role::Bot => self.answered(reading),
            Role::System => {}
        }
    }

    fn answered(&mut self, reading: &Reading<'_>) {
        self.placeholders += reading.count(Act::Placeholder);
        self.mojibake += reading.count(Act::Mojibake);
        if let (Some(visitors), Some(answers)) = (self.visitors, spoken(&reading.words.normal)) {
            self.compared += 1;
            self.same_language += i64::from(visitors == answers);
        }
    }

    /// A count of agents' messages, when there are any.
    fn of_agent(&self, count: i64) -> Option<i64> {
        (self.agent > 0).then_some(count)
    }
}

/// The language of a text; `None` when it is too short to tell ("ok").
fn spoken(normal: &str) -> Option<Language> {
    let letters = Letters::of(normal);
    let language = letters.language();
    (language == Language::Chinese || letters.count() >= LETTERS_MIN).then_some(language)
}

/// Three exclamation marks, or eight capitals of which four in five letters are.
fn shouts(reading: &Reading<'_>) -> bool {
    // Nearly every text has none at all, which is quicker to see.
    if reading.words.normal.contains('!') && reading.words.normal.contains("!!!") {
        return true;
    }
    // Normal form has no capitals: they are in the text as written.
    let capitals = count_bytes(reading.text.as_bytes(), |byte| byte.is_ascii_uppercase());
    capitals >= CAPITALS_MIN && capitals * 5 >= Letters::of(reading.text).count() * 4
}

/// One or two Han characters, or one English word of up to 6 letters, with whatever marks around.
fn is_one_word(normal: &str) -> bool {
    let words = normal.trim_matches(|c: char| !c.is_alphanumeric());
    match words.chars().count() {
        0 => false,
        1..=2 => true,
        3..=6 => words.bytes().all(|byte| byte.is_ascii_alphabetic()),
        _ => false,
    }
}
