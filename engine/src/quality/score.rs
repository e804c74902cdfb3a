//! The outcome of an inspection: points, item by item, with the messages they rest on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Inspection;
use super::card::{Rule, ScoreCard, Section};

/// Text in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bilingual {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// What one rule comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was kept.
    Pass,
    /// It was broken.
    Fail,
    /// There was nothing to judge, or not yet: it counts neither way.
    NotApplicable,
}

/// A message that a verdict rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Its place in the conversation.
    pub seq: u64,
    /// When it was said, milliseconds since the Unix epoch.
    pub ts: i64,
    /// How it begins, at most [`EXCERPT_CHARS_MAX`](super::EXCERPT_CHARS_MAX) characters.
    pub text: String,
}

/// One rule of a score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The rule's id.
    pub rule: String,
    /// Its title.
    pub title: Bilingual,
    /// The id of its section.
    pub section: String,
    /// Points reached within the section: all or none.
    pub points: u32,
    /// Points to be reached: the rule's weight.
    pub max: u32,
    /// What it came to.
    pub verdict: Verdict,
    /// The messages to read, at most [`EVIDENCE_MAX`](super::EVIDENCE_MAX).
    pub evidence: Vec<Evidence>,
}

/// One section of a score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectionScore {
    /// The section's id.
    pub section: String,
    /// Its title.
    pub title: Bilingual,
    /// What it weighs among the others.
    pub weight: u32,
    /// 0 to 100, rounded down; `None` when nothing in it applies.
    pub points: Option<u32>,
}

/// What a card makes of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// The version of the card.
    pub card: u32,
    /// 0 to 100: the mean of the sections' shares of passed weight, by the sections' weights. What is not applicable
    /// counts nowhere; 100 when nothing is.
    pub points: u32,
    /// True when a fatal rule failed, which leaves no points.
    pub fatal: bool,
    /// The sections in the order of the card.
    pub sections: Vec<SectionScore>,
    /// The rules in the order of the card.
    pub items: Vec<Item>,
    /// The features' values, by name.
    pub features: BTreeMap<String, i64>,
}

impl Score {
    /// True when there was something to judge.
    #[must_use]
    pub fn is_scored(&self) -> bool {
        self.items.iter().any(|item| item.verdict != Verdict::NotApplicable)
    }
}

impl ScoreCard {
    /// Scores a conversation as it stands; the score of one that goes on is provisional.
    ///
    /// All items are not applicable when the inspection has heard another card.
    #[must_use]
    pub fn score(&self, inspection: &Inspection) -> Score {
        let items: Vec<Item> =
            self.rules.iter().enumerate().map(|(at, rule)| self.item(at, rule, inspection)).collect();
        let failed = |(rule, item): (&Rule, &Item)| rule.fatal && item.verdict == Verdict::Fail;
        let fatal = self.rules.iter().zip(&items).any(failed);
        let shares: Vec<_> = self.sections.iter().map(|section| share(section, &items)).collect();
        let points = if fatal { 0 } else { self.points(&shares) };
        let sections =
            self.sections.iter().zip(shares).map(|(section, share)| section.score(share)).collect();
        Score { card: self.version, points, fatal, sections, items, features: inspection.features.values() }
    }

    fn item(&self, at: usize, rule: &Rule, inspection: &Inspection) -> Item {
        let watch = inspection.watches.get(at).filter(|_| inspection.is_for(self));
        let watch = watch.filter(|_| rule.applies.to(&inspection.features));
        let verdict = watch.map_or(Verdict::NotApplicable, |watch| {
            rule.operator.verdict(&rule.scope, watch, &inspection.features)
        });
        let seqs = watch.into_iter().flat_map(|watch| watch.evidence(verdict, rule.operator.hits_are_good()));
        Item {
            rule: rule.id.clone(),
            title: rule.title.clone(),
            section: self.sections[rule.section].id.clone(),
            points: if verdict == Verdict::Pass { rule.weight } else { 0 },
            max: rule.weight,
            verdict,
            evidence: seqs.filter_map(|seq| inspection.evidence(seq)).collect(),
        }
    }

    /// The mean of the sections' shares, rounded half up.
    fn points(&self, shares: &[Option<u64>]) -> u32 {
        let (mut parts, mut weights) = (0, 0);
        for (section, share) in self.sections.iter().zip(shares) {
            if let Some(share) = share {
                parts += u64::from(section.weight) * share;
                weights += u64::from(section.weight);
            }
        }
        let mean = parts.checked_div(weights).unwrap_or(100 * PARTS);
        u32::try_from((mean + PARTS / 2) / PARTS).expect("a mean of shares is at most 100")
    }
}

/// Parts of a point that sections are added up in, so that their shares hardly round.
const PARTS: u64 = 1_000_000;

/// The share of a section's judged weight that passed, in parts of a hundredth; `None` when nothing was judged.
fn share(section: &Section, items: &[Item]) -> Option<u64> {
    let judged =
        || items.iter().filter(|item| item.section == section.id && item.verdict != Verdict::NotApplicable);
    let points: u64 = judged().map(|item| u64::from(item.points)).sum();
    let max: u64 = judged().map(|item| u64::from(item.max)).sum();
    (100 * PARTS * points).checked_div(max)
}

impl Section {
    fn score(&self, share: Option<u64>) -> SectionScore {
        let points = share.map(|share| u32::try_from(share / PARTS).expect("a share is at most 100"));
        SectionScore { section: self.id.clone(), title: self.title.clone(), weight: self.weight, points }
    }
}
