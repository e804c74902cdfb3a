//! What is known of an identity, from whom and since when; and which of it may merge identities.
//!
//! What the company's server signed is kept apart from what somebody merely said: a visitor can say any e-mail address.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::is_id;
use crate::refusal::{Code, Refusal};
use crate::time::Time;

/// Attributes of one identity; beyond it those that are new are refused.
pub const ATTRIBUTES_MAX: usize = 32;
/// Longest value, bytes.
pub const ATTRIBUTE_BYTES_MAX: usize = 256;
/// Attributes by whose signed value a company may have identities merged.
pub const RULES: &[&str] = &["account", "email", "phone"];

/// Who says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The company's server, in a token that it signed.
    Signed,
    /// The visitor: nobody has checked it.
    Visitor,
}

/// One thing that is told of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Of what: `email`, `plan`, …
    pub name: String,
    /// What.
    pub value: String,
    /// Who says so.
    pub source: Source,
}

/// A value with who said it and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// What.
    pub value: String,
    /// Who said so.
    pub source: Source,
    /// When.
    pub at: Time,
}

/// What is known of one identity: per name the last that was signed and the last that was merely said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    signed: BTreeMap<String, Known>,
    said: BTreeMap<String, Known>,
}

/// A value by which identities are merged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleKey {
    /// Of which attribute.
    pub name: String,
    /// The value, in the one way of writing it.
    pub value: String,
}

impl Fact {
    /// Checks names and sizes.
    ///
    /// # Errors
    /// `bad_request` with what to do.
    pub fn check(&self) -> Result<(), Refusal> {
        if !is_id(&self.name) {
            let detail = "the name of an attribute has 1 to 64 letters, digits, _ - or .";
            return Err(Refusal::new(Code::BadRequest, detail).field(format!("attributes.{}", self.name)));
        }
        if !(1..=ATTRIBUTE_BYTES_MAX).contains(&self.value.len()) {
            let detail = format!("the value of an attribute has 1 to {ATTRIBUTE_BYTES_MAX} bytes");
            return Err(Refusal::new(Code::BadRequest, detail).field(format!("attributes.{}", self.name)));
        }
        Ok(())
    }
}

impl Facts {
    /// True when it is known already, from the same source.
    #[must_use]
    pub fn has(&self, fact: &Fact) -> bool {
        self.side(&fact.source)
            .get(&fact.name)
            .is_some_and(|known| known.value == fact.value && known.source == fact.source)
    }

    /// How many there would be with `facts` too: signed and said ones of a name count as two.
    #[must_use]
    pub fn with(&self, facts: &[Fact]) -> usize {
        let mut new: Vec<(bool, &str)> = facts
            .iter()
            .filter(|fact| !self.side(&fact.source).contains_key(&fact.name))
            .map(|fact| (fact.source == Source::Signed, fact.name.as_str()))
            .collect();
        new.sort_unstable();
        new.dedup();
        self.signed.len() + self.said.len() + new.len()
    }

    /// Takes one in: the last of its kind counts.
    pub fn take(&mut self, fact: &Fact, at: Time) {
        let side = if fact.source == Source::Signed { &mut self.signed } else { &mut self.said };
        let known = Known { value: fact.value.clone(), source: fact.source.clone(), at };
        side.insert(fact.name.clone(), known);
    }

    /// All, by name; what was signed before what was said.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Known)> {
        let names =
            self.signed.keys().chain(self.said.keys().filter(|name| !self.signed.contains_key(*name)));
        let mut names: Vec<&String> = names.collect();
        names.sort_unstable();
        names.into_iter().flat_map(|name| {
            let both = [self.signed.get(name), self.said.get(name)];
            both.into_iter().flatten().map(|known| (name.as_str(), known))
        })
    }

    fn side(&self, source: &Source) -> &BTreeMap<String, Known> {
        if *source == Source::Signed { &self.signed } else { &self.said }
    }
}

/// The keys of `facts` under the company's rules: only what was signed merges.
#[must_use]
pub fn keys(facts: &[Fact], rules: &[String]) -> Vec<RuleKey> {
    let mut keys: Vec<RuleKey> = facts
        .iter()
        .filter(|fact| fact.source == Source::Signed && rules.contains(&fact.name))
        .filter_map(|fact| Some(RuleKey { name: fact.name.clone(), value: normal(&fact.name, &fact.value)? }))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The one way of writing a value: e-mail addresses in small letters, telephone numbers as `+` and digits. `None` when it is none.
///
/// The part of an address before the @ is not the same in every mail system when its case differs; those that tell them apart
/// are so rare that people write their own in either.
#[must_use]
pub fn normal(name: &str, value: &str) -> Option<String> {
    let value = value.trim();
    match name {
        "email" => {
            let (local, domain) = value.rsplit_once('@')?;
            let fits = !local.is_empty() && domain.contains('.') && !value.contains(char::is_whitespace);
            fits.then(|| value.to_lowercase())
        }
        // Without the country a number is another one in every country.
        "phone" => {
            let international = value.strip_prefix('+').or_else(|| value.strip_prefix("00"))?;
            let digits: String = international.chars().filter(char::is_ascii_digit).collect();
            let marks = |c: char| !c.is_ascii_digit() && !matches!(c, ' ' | '-' | '.' | '(' | ')');
            let fits = (7..=15).contains(&digits.len()) && !international.contains(marks);
            fits.then(|| format!("+{digits}"))
        }
        _ => (!value.is_empty()).then(|| value.to_owned()),
    }
}
