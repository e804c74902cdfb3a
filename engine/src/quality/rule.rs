//! Rules: an operator that judges messages, and the messages it judges.
//!
//! To add an operator, write its file and list it in [`OPERATORS`].

mod absent_until_end;
mod any_keyword;
mod feature;
mod none_keyword;
mod response_time;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::features::Features;
use super::reading::Reading;
use super::{EVIDENCE_MAX, Role, Verdict};

/// Reads an operator's own table of the card.
type Read = fn(toml::Value) -> Result<Box<dyn Operator>, toml::de::Error>;

/// All operators, by their name in a score card.
pub(super) const OPERATORS: &[(&str, Read)] = &[
    ("any_keyword", any_keyword::read),
    ("none_keyword", none_keyword::read),
    ("response_time", response_time::read),
    ("feature", feature::read),
    ("absent_until_end", absent_until_end::read),
];

/// What makes a rule pass or fail. It sees every message once; all it remembers is in the rule's [`Watch`].
pub(super) trait Operator: fmt::Debug + Send + Sync {
    /// The phrases to listen for in the messages in scope, and those that set the rule going in any message.
    fn phrases(&self) -> [&[String]; 2] {
        [&[], &[]]
    }

    /// What is wrong with the operator's own values or with its use in this scope, and what to do.
    fn check(&self, _scope: &Scope) -> Result<(), String> {
        Ok(())
    }

    /// Judges one message.
    fn judge(&self, hearing: &Hearing<'_>) -> Judgement;

    /// True when a hit speaks for the rule, false when it speaks against it.
    fn hits_are_good(&self) -> bool;

    /// The value that the next message is compared with, if the operator compares.
    fn value(&self, _features: &Features) -> Option<i64> {
        None
    }

    /// The verdict as things stand.
    fn verdict(&self, scope: &Scope, watch: &Watch, features: &Features) -> Verdict;
}

/// One message as a rule hears it.
pub(super) struct Hearing<'a> {
    pub(super) reading: &'a Reading<'a>,
    /// The features with this message taken in.
    pub(super) features: &'a Features,
    pub(super) watch: &'a Watch,
    /// True when its speaker is in the rule's scope.
    pub(super) in_scope: bool,
    /// True when it has one of the phrases to listen for.
    pub(super) says: bool,
    /// True when it has one of the phrases that set the rule going.
    pub(super) sets_going: bool,
}

/// What an operator makes of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is not about this message.
    Aside,
    /// It looked, and there is nothing to remember of the message.
    Clear,
    /// The message lacks what is looked for.
    Miss,
    /// The message has what is looked for.
    Hit,
}

/// The messages that a rule looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scope {
    #[serde(default)]
    pub(super) role: Part,
    /// Only the first so many that the operator looks at.
    pub(super) first: Option<u32>,
    /// Only the last so many.
    pub(super) last: Option<u32>,
}

/// Whose messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    Visitor,
    Agent,
    Bot,
    /// Agents and bots: the same card for both.
    Service,
    #[default]
    Any,
}

impl Part {
    pub(super) fn contains(self, role: Role) -> bool {
        match self {
            Self::Visitor => role == Role::Visitor,
            Self::Agent => role == Role::Agent,
            Self::Bot => role == Role::Bot,
            Self::Service => matches!(role, Role::Agent | Role::Bot),
            Self::Any => role != Role::System,
        }
    }
}

impl Scope {
    /// True when the scope is bounded by a number of messages.
    pub(super) fn is_counted(&self) -> bool {
        self.first.is_some() || self.last.is_some()
    }

    /// True when no message to come can be in scope.
    pub(super) fn is_full(&self, heard: u32) -> bool {
        self.first.is_some_and(|first| heard >= first)
    }
}

/// What a rule remembers of a conversation: bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watch {
    /// Messages looked at.
    pub(super) heard: u32,
    /// Hits among those in scope.
    pub(super) hits: u32,
    /// Messages to show, at most [`EVIDENCE_MAX`]: the counted ones, or the first hits, or else the last miss.
    pub(super) marks: Vec<Mark>,
    /// The value of a feature when it was last looked at.
    pub(super) value: Option<i64>,
}

/// A message that a rule points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) seq: u64,
    pub(super) hit: bool,
}

impl Watch {
    /// Takes in the judgement of message `seq`; true when a message that was pointed at no longer is.
    pub(super) fn take(&mut self, scope: &Scope, seq: u64, judgement: Judgement) -> bool {
        if judgement == Judgement::Aside || scope.is_full(self.heard) {
            return false;
        }
        self.heard = self.heard.saturating_add(1);
        let mark = Mark { seq, hit: judgement == Judgement::Hit };
        match (scope.last, judgement) {
            (Some(last), _) => self.slide(last, mark),
            (None, Judgement::Hit) => self.hit(scope, mark),
            (None, Judgement::Miss) => self.miss(scope, mark),
            (None, Judgement::Aside | Judgement::Clear) => false,
        }
    }

    fn slide(&mut self, last: u32, mark: Mark) -> bool {
        self.marks.push(mark);
        let is_over = self.marks.len() > last as usize;
        if is_over {
            self.marks.remove(0);
        }
        self.hits = self.marks.iter().map(|mark| u32::from(mark.hit)).sum();
        is_over
    }

    fn hit(&mut self, scope: &Scope, mark: Mark) -> bool {
        self.hits = self.hits.saturating_add(1);
        let before = self.marks.len();
        if !scope.is_counted() {
            self.marks.retain(|mark| mark.hit);
        }
        let dropped = self.marks.len() < before;
        if self.marks.len() < EVIDENCE_MAX {
            self.marks.push(mark);
        }
        dropped
    }

    fn miss(&mut self, scope: &Scope, mark: Mark) -> bool {
        if scope.is_counted() {
            self.marks.push(mark);
            return false;
        }
        if self.hits > 0 {
            return false;
        }
        let dropped = !self.marks.is_empty();
        self.marks.clear();
        self.marks.push(mark);
        dropped
    }

    pub(super) fn points_at(&self, seq: u64) -> bool {
        self.marks.iter().any(|mark| mark.seq == seq)
    }

    /// The messages that a verdict rests on: those that kept the rule when it passed, those that broke it when it failed.
    pub(super) fn evidence(&self, verdict: Verdict, hits_are_good: bool) -> impl Iterator<Item = u64> {
        let has = |hit| self.marks.iter().any(|mark| mark.hit == hit);
        let shown = match verdict {
            Verdict::Pass if hits_are_good => Some(true),
            Verdict::Pass | Verdict::NotApplicable => None,
            Verdict::Fail => Some(if hits_are_good { !has(false) } else { has(true) }),
        };
        self.marks.iter().filter(move |mark| Some(mark.hit) == shown).map(|mark| mark.seq)
    }
}

/// What is wrong with a list of phrases, if something is.
fn check_phrases(key: &str, phrases: &[String]) -> Result<(), String> {
    const PHRASES_MAX: usize = 200;
    if phrases.is_empty() {
        return Err(format!("`{key}` is empty: list at least one phrase"));
    }
    if phrases.len() > PHRASES_MAX {
        return Err(format!(
            "`{key}` has {} phrases, the limit is {PHRASES_MAX}: split the rule",
            phrases.len()
        ));
    }
    if phrases.iter().any(|phrase| phrase.trim().trim_matches('*').is_empty()) {
        return Err(format!("`{key}` has an empty phrase: remove it"));
    }
    Ok(())
}
