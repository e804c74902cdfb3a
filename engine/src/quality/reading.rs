//! One message, read once for all features and rules.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::card::{Said, ScoreCard};
use super::{Medium, Moment, Role, What};
use crate::voice::{Phrases, Read};

/// What people do with words, as far as features ask for it. The phrases are in `data/keyword-acts.txt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Greeting,
    Introduction,
    Closing,
    FurtherHelp,
    Thanks,
    Apology,
    Empathy,
    FormalYou,
    FamiliarYou,
    Hold,
    Forbidden,
    Secret,
    SecretWarning,
    OffPlatform,
    Promise,
    PrivatePayment,
    WantsHuman,
    Threat,
    Placeholder,
    Mojibake,
}

const ACTS: [(&str, Act); 20] = [
    ("greeting", Act::Greeting),
    ("introduction", Act::Introduction),
    ("closing", Act::Closing),
    ("further_help", Act::FurtherHelp),
    ("thanks", Act::Thanks),
    ("apology", Act::Apology),
    ("empathy", Act::Empathy),
    ("formal_you", Act::FormalYou),
    ("familiar_you", Act::FamiliarYou),
    ("hold", Act::Hold),
    ("forbidden", Act::Forbidden),
    ("secret", Act::Secret),
    ("secret_warning", Act::SecretWarning),
    ("off_platform", Act::OffPlatform),
    ("promise", Act::Promise),
    ("private_payment", Act::PrivatePayment),
    ("wants_human", Act::WantsHuman),
    ("threat", Act::Threat),
    ("placeholder", Act::Placeholder),
    ("mojibake", Act::Mojibake),
];

/// A set of acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Acts(u32);

impl Acts {
    fn with(self, act: Act) -> Self {
        Self(self.0 | 1 << act as u32)
    }

    fn has(self, act: Act) -> bool {
        self.0 & 1 << act as u32 != 0
    }
}

/// What a phrase tells: acts, and which rules of a card ask for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tells {
    acts: Acts,
    pub(super) said: Said,
}

static ACTS_OF: LazyLock<BTreeMap<&str, Acts>> = LazyLock::new(|| {
    let mut acts_of: BTreeMap<&str, Acts> = BTreeMap::new();
    for line in include_str!("../../data/keyword-acts.txt").lines().filter(|line| !line.starts_with('#')) {
        let (name, phrases) =
            line.split_once('\t').expect("a line of the compiled-in list has an act and phrases");
        let known = ACTS.iter().find(|(known, _)| *known == name);
        let (_, act) = known.expect("the compiled-in list has known acts only");
        for phrase in phrases.split('\t') {
            let acts = acts_of.entry(phrase).or_default();
            *acts = acts.with(*act);
        }
    }
    acts_of
});

/// The phrases of all acts, where there is no card.
static PHRASES: LazyLock<Phrases<Tells>> = LazyLock::new(|| phrases(std::iter::empty()));

/// The phrases of all acts and those of a card's rules, in normal form: a message is gone through once for both.
pub(super) fn phrases(of_rules: impl Iterator<Item = (String, Said)>) -> Phrases<Tells> {
    let mut phrases = Phrases::default();
    for (phrase, acts) in &*ACTS_OF {
        phrases.insert(phrase, Tells { acts: *acts, said: Said::default() });
    }
    of_rules.for_each(|(phrase, said)| phrases.insert(&phrase, Tells { acts: Acts::default(), said }));
    phrases
}

/// A message with what was read in it.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) seq: u64,
    pub(super) ts: i64,
    pub(super) role: Role,
    /// As written.
    pub(super) text: &'a str,
    /// What was written; nothing when something was shown.
    pub(super) words: Read<'a>,
    tells: Tells,
}

impl<'a> Reading<'a> {
    /// Reads a moment for a card; `None` when nothing was said in it.
    pub(super) fn of(moment: &Moment<'a>, card: Option<&ScoreCard>) -> Option<Self> {
        let What::Said { role, text, medium, understanding } = moment.what else {
            return None;
        };
        let words = match medium {
            Medium::Text => Read::of(text, understanding),
            Medium::Other => Read::of("", None),
        };
        let mut tells = Tells::default();
        let phrases = card.map_or(&*PHRASES, |card| &card.phrases);
        phrases.each(&words.normal, |more| {
            tells.acts.0 |= more.acts.0;
            tells.said |= more.said;
        });
        Some(Self { seq: moment.seq, ts: moment.ts, role, text, words, tells })
    }

    /// Which phrases of the card it has.
    pub(super) fn said(&self) -> Said {
        self.tells.said
    }

    /// True when something in it does `act`.
    pub(super) fn does(&self, act: Act) -> bool {
        self.tells.acts.has(act)
    }

    /// 1 when something in it does `act`, else 0.
    pub(super) fn count(&self, act: Act) -> i64 {
        i64::from(self.does(act))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::normalise;

    fn does(text: &str) -> Vec<&'static str> {
        let what = What::Said { role: Role::Agent, text, medium: Medium::Text, understanding: None };
        let reading = Reading::of(&Moment { seq: 0, ts: 0, what }, None).expect("something was said");
        ACTS.iter().filter(|(_, act)| reading.does(*act)).map(|(name, _)| *name).collect()
    }

    #[test]
    fn acts_are_heard_in_both_languages() {
        for (text, acts) in [
            ("您好，工号 12 很高兴为您服务", vec!["greeting", "introduction", "formal_you"]),
            ("Hi! My name is Ann", vec!["greeting", "introduction"]),
            ("this history is shipped", vec![]),
            ("加我VX123 便宜点", vec!["off_platform"]),
            ("请把验证码告诉我", vec!["secret"]),
            ("请不要告诉任何人您的密码", vec!["formal_you", "secret", "secret_warning"]),
            ("Dear {name}, sorry", vec!["apology", "placeholder"]),
        ] {
            assert_eq!(does(text), acts, "{text}");
        }
    }

    #[test]
    fn every_phrase_is_in_its_normal_form() {
        let lines = include_str!("../../data/keyword-acts.txt").lines().filter(|line| !line.starts_with('#'));
        for phrase in lines.flat_map(|line| line.split('\t').skip(1)) {
            assert_eq!(normalise(phrase), phrase);
        }
    }
}
