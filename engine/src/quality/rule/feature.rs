//! `feature = { id = "forbidden_phrases", at_most = 0 }`: passes when the feature's value lies within the bounds.
//!
//! Its evidence are the messages that brought the value out of them, or else the last one in scope. While the conversation
//! goes on, a value that may still rise to `at_least` is not failed.

use serde::Deserialize;

use super::{Hearing, Judgement, Operator, Scope, Watch};
use crate::quality::Verdict;
use crate::quality::features::{FEATURES, Feature, Features};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Compare {
    id: String,
    at_least: Option<i64>,
    at_most: Option<i64>,
}

/// The same with the feature looked up.
#[derive(Debug)]
struct Bounds {
    compare: Compare,
    feature: Option<&'static Feature>,
}

pub(super) fn read(table: toml::Value) -> Result<Box<dyn Operator>, toml::de::Error> {
    let compare = table.try_into::<Compare>()?;
    Ok(Box::new(Bounds { feature: Feature::named(&compare.id), compare }))
}

impl Bounds {
    fn is_low(&self, value: i64) -> bool {
        self.compare.at_least.is_some_and(|least| value < least)
    }

    fn is_high(&self, value: i64) -> bool {
        self.compare.at_most.is_some_and(|most| value > most)
    }
}

impl Operator for Bounds {
    fn check(&self, scope: &Scope) -> Result<(), String> {
        let Compare { id, at_least, at_most } = &self.compare;
        if self.feature.is_none() {
            let known: Vec<_> = FEATURES.iter().map(|feature| feature.id).collect();
            return Err(format!("there is no feature `{id}`: use one of {}", known.join(", ")));
        }
        if scope.is_counted() {
            return Err("a feature is of the whole conversation: remove `first` and `last`".into());
        }
        match (at_least, at_most) {
            (None, None) => Err("there is no bound: give `at_least`, `at_most` or both".into()),
            (Some(least), Some(most)) if least > most => {
                Err("`at_least` is above `at_most`: swap them".into())
            }
            (_, _) => Ok(()),
        }
    }

    fn judge(&self, hearing: &Hearing<'_>) -> Judgement {
        let before = hearing.watch.value;
        let leaves_bounds = self.value(hearing.features).is_some_and(|value| {
            self.is_high(value) && before.is_none_or(|before| value > before)
                || self.is_low(value) && before.is_none_or(|before| value < before)
        });
        match (leaves_bounds, hearing.in_scope) {
            (true, _) => Judgement::Hit,
            // Some values are known at the end only: then the last message has to show.
            (false, true) => Judgement::Miss,
            (false, false) => Judgement::Aside,
        }
    }

    fn value(&self, features: &Features) -> Option<i64> {
        self.feature.and_then(|feature| (feature.compute)(features))
    }

    fn hits_are_good(&self) -> bool {
        false
    }

    fn verdict(&self, _: &Scope, _: &Watch, features: &Features) -> Verdict {
        match self.value(features) {
            None => Verdict::NotApplicable,
            Some(value) if self.is_high(value) => Verdict::Fail,
            Some(value) if self.is_low(value) && features.is_closed() => Verdict::Fail,
            Some(value) if self.is_low(value) => Verdict::NotApplicable,
            Some(_) => Verdict::Pass,
        }
    }
}
