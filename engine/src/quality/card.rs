//! Score cards: which rules there are and what they weigh, written in TOML.

use std::ops::{BitOrAssign, Range};

use serde::Deserialize;
use toml::Spanned;
use xxhash_rust::xxh3::xxh3_64;

use super::features::Features;
use super::reading::{self, Tells};
use super::rule::{OPERATORS, Operator, Scope};
use super::{Bilingual, EVIDENCE_MAX};
use crate::text::normalise;
use crate::voice::Phrases;

/// Rules of a card, at most.
pub const RULES_MAX: usize = 64;
/// Largest weight of a section or rule.
const WEIGHT_MAX: u32 = 1_000;

/// A score card, ready to judge. `gateway/sample/scorecard.toml` shows and explains all that it can say.
#[derive(Debug)]
pub struct ScoreCard {
    /// The card's version, which goes into every score.
    pub version: u32,
    /// Its title.
    pub title: Bilingual,
    pub(super) sections: Vec<Section>,
    pub(super) rules: Vec<Rule>,
    /// Tells one text of the card from another.
    pub(super) digest: u64,
    /// The phrases of all acts and rules, each with what it is for.
    pub(super) phrases: Phrases<Tells>,
}

/// A part of the card that weighs as a whole.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    pub(super) id: String,
    pub(super) title: Bilingual,
    pub(super) weight: u32,
}

/// One item of the card.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) title: Bilingual,
    /// Its place in the card's sections.
    pub(super) section: usize,
    pub(super) weight: u32,
    pub(super) fatal: bool,
    pub(super) applies: Applies,
    pub(super) scope: Scope,
    pub(super) operator: Box<dyn Operator>,
}

/// When a rule applies at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Applies {
    #[default]
    Always,
    /// An agent said something.
    Human,
    /// A bot said something.
    Bot,
}

impl Applies {
    pub(super) fn to(self, features: &Features) -> bool {
        match self {
            Self::Always => true,
            Self::Human => features.human_took_part(),
            Self::Bot => features.bot_took_part(),
        }
    }
}

/// Which rules' phrases a message has: two bits for each rule, one for either list of [`Operator::phrases`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said(u128);

impl Said {
    fn of(rule: usize, list: usize) -> Self {
        Self(1 << (2 * rule + list))
    }

    pub(super) fn has(self, rule: usize, list: usize) -> bool {
        self.0 & Self::of(rule, list).0 != 0
    }
}

impl BitOrAssign for Said {
    fn bitor_assign(&mut self, more: Self) {
        self.0 |= more.0;
    }
}

/// Why a text is no score card, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("score card, line {line}: {what}")]
pub struct CardError {
    /// The line of the text, from 1.
    pub line: usize,
    /// What is wrong there and what to do.
    pub what: String,
}

impl CardError {
    fn at(text: &str, span: Option<Range<usize>>, what: impl Into<String>) -> Self {
        let before = text.get(..span.map_or(0, |span| span.start)).unwrap_or_default();
        Self { line: before.matches('\n').count() + 1, what: what.into() }
    }
}

/// The card as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    title: Bilingual,
    sections: Vec<Spanned<Section>>,
    rules: Vec<WrittenRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    id: Spanned<String>,
    title: Bilingual,
    section: Spanned<String>,
    weight: u32,
    #[serde(default)]
    fatal: bool,
    #[serde(default)]
    applies: Applies,
    #[serde(default)]
    scope: Scope,
    check: Spanned<toml::Table>,
}

impl ScoreCard {
    /// Reads a card from TOML.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and what to do.
    pub fn parse(text: &str) -> Result<Self, CardError> {
        let written: Written = toml::from_str(text)
            .map_err(|error| CardError::at(text, error.span(), format!("{}: correct it", error.message())))?;
        let sections = read_sections(text, written.sections)?;
        if written.rules.len() > RULES_MAX {
            let what =
                format!("there are {} rules, the limit is {RULES_MAX}: make two cards", written.rules.len());
            return Err(CardError::at(text, Some(written.rules[RULES_MAX].id.span()), what));
        }
        let mut rules: Vec<Rule> = Vec::new();
        for rule in written.rules {
            let id = rule.id.span();
            let rule = rule.read(text, &sections)?;
            if rules.iter().any(|other| other.id == rule.id) {
                return Err(CardError::at(
                    text,
                    Some(id),
                    format!("the rule `{}` is there twice: rename one", rule.id),
                ));
            }
            rules.push(rule);
        }
        let (version, title, digest) = (written.version, written.title, xxh3_64(text.as_bytes()));
        Ok(Self { version, title, phrases: phrases_of(&rules), sections, rules, digest })
    }
}

fn read_sections(text: &str, written: Vec<Spanned<Section>>) -> Result<Vec<Section>, CardError> {
    let mut sections: Vec<Section> = Vec::new();
    for section in written {
        let span = section.span();
        let section = section.into_inner();
        if sections.iter().any(|other| other.id == section.id) {
            let what = format!("the section `{}` is there twice: rename one", section.id);
            return Err(CardError::at(text, Some(span), what));
        }
        check_weight(section.weight)
            .map_err(|what| CardError::at(text, Some(span), format!("section `{}`: {what}", section.id)))?;
        sections.push(section);
    }
    Ok(sections)
}

fn check_weight(weight: u32) -> Result<(), String> {
    if (1..=WEIGHT_MAX).contains(&weight) {
        return Ok(());
    }
    Err(format!("`weight` is {weight}: use 1 to {WEIGHT_MAX}"))
}

impl WrittenRule {
    fn read(self, text: &str, sections: &[Section]) -> Result<Rule, CardError> {
        let Self { id, title, section, weight, fatal, applies, scope, check } = self;
        let wrong =
            |span, what: String| CardError::at(text, Some(span), format!("rule `{}`: {what}", id.get_ref()));
        let Some(place) = sections.iter().position(|known| known.id == *section.get_ref()) else {
            let what =
                format!("there is no section `{}`: add it to [[sections]] or use another", section.get_ref());
            return Err(wrong(section.span(), what));
        };
        check_weight(weight).and_then(|()| check_scope(&scope)).map_err(|what| wrong(id.span(), what))?;
        let span = check.span();
        let operator = read_operator(check.into_inner()).map_err(|what| wrong(span.clone(), what))?;
        operator.check(&scope).map_err(|what| wrong(span, what))?;
        Ok(Rule { id: id.into_inner(), title, section: place, weight, fatal, applies, scope, operator })
    }
}

fn check_scope(scope: &Scope) -> Result<(), String> {
    let most = EVIDENCE_MAX as u32;
    match (scope.first, scope.last) {
        (Some(_), Some(_)) => Err("scope has both `first` and `last`: make two rules".into()),
        (Some(n), None) | (None, Some(n)) if !(1..=most).contains(&n) => {
            Err(format!("scope counts {n} messages: use 1 to {most}, because each is kept as evidence"))
        }
        (_, _) => Ok(()),
    }
}

fn read_operator(check: toml::Table) -> Result<Box<dyn Operator>, String> {
    let known = || OPERATORS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let mut operators = check.into_iter();
    let (Some((name, table)), None) = (operators.next(), operators.next()) else {
        return Err(format!("`check` has other than one operator: give one of {}", known()));
    };
    let Some((_, read)) = OPERATORS.iter().find(|(operator, _)| *operator == name) else {
        return Err(format!("there is no operator `{name}`: use one of {}", known()));
    };
    read(table).map_err(|error| format!("{name}: {}: correct it", error.message()))
}

fn phrases_of(rules: &[Rule]) -> Phrases<Tells> {
    let lists = rules.iter().enumerate().flat_map(|(at, rule)| {
        rule.operator.phrases().into_iter().enumerate().map(move |(list, texts)| (Said::of(at, list), texts))
    });
    reading::phrases(lists.flat_map(|(said, texts)| texts.iter().map(move |text| (normalise(text), said))))
}
