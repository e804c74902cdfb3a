//! `none_keyword = { phrases = ["不归我管", "not my job"] }`: fails when a message in scope has one of the phrases.

use serde::Deserialize;

use super::{Hearing, Judgement, Operator, Scope, Watch, check_phrases};
use crate::quality::Verdict;
use crate::quality::features::Features;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoneKeyword {
    phrases: Vec<String>,
}

pub(super) fn read(table: toml::Value) -> Result<Box<dyn Operator>, toml::de::Error> {
    Ok(Box::new(table.try_into::<NoneKeyword>()?))
}

impl Operator for NoneKeyword {
    fn phrases(&self) -> [&[String]; 2] {
        [&self.phrases, &[]]
    }

    fn check(&self, _: &Scope) -> Result<(), String> {
        check_phrases("phrases", &self.phrases)
    }

    fn judge(&self, hearing: &Hearing<'_>) -> Judgement {
        match (hearing.in_scope, hearing.says) {
            (false, _) => Judgement::Aside,
            (true, true) => Judgement::Hit,
            (true, false) => Judgement::Clear,
        }
    }

    fn hits_are_good(&self) -> bool {
        false
    }

    fn verdict(&self, _: &Scope, watch: &Watch, _: &Features) -> Verdict {
        match (watch.heard, watch.hits) {
            (0, _) => Verdict::NotApplicable,
            (_, 0) => Verdict::Pass,
            (_, _) => Verdict::Fail,
        }
    }
}
