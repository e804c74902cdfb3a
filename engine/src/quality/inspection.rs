//! One conversation under inspection: the state of its features and rules, and excerpts of the messages they point at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::card::ScoreCard;
use super::features::Features;
use super::reading::Reading;
use super::rule::{Hearing, Judgement, Watch};
use super::{Evidence, Moment};

/// Messages that one rule points at, at most.
pub const EVIDENCE_MAX: usize = 8;
/// Excerpts from which on those that nothing points at any more are dropped.
const EXCERPTS_PRUNED_AT: usize = 12;
/// Longest excerpt of a message, in characters.
pub const EXCERPT_CHARS_MAX: usize = 120;

/// What has been heard of one conversation, for one card: bounded by the card, not by the conversation.
///
/// Repeats must be kept out by the caller's cursor. When the card changes, rules know only what comes after the change
/// until the conversation is heard again from its journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// Digest of the card that the watches belong to.
    card: u64,
    pub(super) features: Features,
    /// One for each rule of the card, in its order.
    pub(super) watches: Vec<Watch>,
    /// The messages that a watch points at, by their seq, and up to [`EXCERPTS_PRUNED_AT`] that none does any more.
    excerpts: BTreeMap<u64, Excerpt>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Excerpt {
    ts: i64,
    text: String,
}

impl Inspection {
    /// Takes in one moment.
    pub fn hear(&mut self, card: &ScoreCard, moment: &Moment<'_>) {
        if !self.is_for(card) {
            self.card = card.digest;
            self.watches = vec![Watch::default(); card.rules.len()];
            self.excerpts.clear();
        }
        let reading = Reading::of(moment, Some(card));
        self.features.hear_read(moment, reading.as_ref());
        if let Some(reading) = reading {
            self.judge(card, &reading);
        }
    }

    /// True when the rules heard so far are those of `card`.
    #[must_use]
    pub fn is_for(&self, card: &ScoreCard) -> bool {
        self.card == card.digest
    }

    /// True while the conversation is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.features.is_closed()
    }

    /// The features so far.
    #[must_use]
    pub fn features(&self) -> &Features {
        &self.features
    }

    fn judge(&mut self, card: &ScoreCard, reading: &Reading<'_>) {
        let said = reading.said();
        let (mut is_shown, mut is_stale) = (false, false);
        for ((rule, watch), at) in card.rules.iter().zip(&mut self.watches).zip(0..) {
            let hearing = Hearing {
                reading,
                features: &self.features,
                watch,
                in_scope: rule.scope.role.contains(reading.role),
                says: said.has(at, 0),
                sets_going: said.has(at, 1),
            };
            let judgement = rule.operator.judge(&hearing);
            // Rules without a value leave their watch untouched, and out of the processor's caches.
            if let Some(value) = rule.operator.value(&self.features) {
                watch.value = Some(value);
            }
            if judgement != Judgement::Aside {
                is_stale |= watch.take(&rule.scope, reading.seq, judgement);
                is_shown |= watch.points_at(reading.seq);
            }
        }
        if is_shown {
            self.excerpts.insert(reading.seq, Excerpt::of(reading));
        }
        // Nearly every message moves the last miss of some rule: the one before is dropped with a few more of its kind.
        if is_stale && self.excerpts.len() >= EXCERPTS_PRUNED_AT {
            let watches = &self.watches;
            self.excerpts.retain(|&seq, _| watches.iter().any(|watch| watch.points_at(seq)));
        }
    }

    /// The message `seq` as evidence.
    pub(super) fn evidence(&self, seq: u64) -> Option<Evidence> {
        self.excerpts.get(&seq).map(|Excerpt { ts, text }| Evidence { seq, ts: *ts, text: text.clone() })
    }
}

impl Excerpt {
    fn of(reading: &Reading<'_>) -> Self {
        Self { ts: reading.ts, text: excerpt(reading.text) }
    }
}

/// A text of up to [`EXCERPT_CHARS_MAX`] characters as it is, the beginning of a longer one.
fn excerpt(text: &str) -> String {
    // Most messages are excerpts: what is so short in bytes, or ASCII as far as it goes, needs no counting.
    let end = match text.as_bytes().split_at_checked(EXCERPT_CHARS_MAX) {
        None | Some((_, [])) => None,
        Some((start, _)) if start.is_ascii() => Some(EXCERPT_CHARS_MAX - 1),
        Some(_) => {
            let mut ends = text.char_indices().map(|(at, _)| at).skip(EXCERPT_CHARS_MAX - 1);
            match (ends.next(), ends.next()) {
                (Some(end), Some(_)) => Some(end),
                (_, _) => None,
            }
        }
    };
    match end {
        Some(end) => [&text[..end], "…"].concat(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_has_120_characters_at_most_and_says_when_it_is_cut() {
        for length in 0..300 {
            for text in ["a".repeat(length), "退".repeat(length), format!("{}é退a", "a".repeat(length))] {
                let (excerpt, chars) = (excerpt(&text), text.chars().count());
                if chars <= EXCERPT_CHARS_MAX {
                    assert_eq!(excerpt, text);
                } else {
                    let start: String = text.chars().take(EXCERPT_CHARS_MAX - 1).collect();
                    assert_eq!(excerpt, format!("{start}…"), "{chars} characters");
                }
            }
        }
    }
}
