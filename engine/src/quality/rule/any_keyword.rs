//! `any_keyword = { phrases = ["您好", "hello"], at_least = 1 }`: passes when so many messages in scope have one of the
//! phrases. While the conversation goes on, what can still be said is not failed.

use serde::Deserialize;

use super::{Hearing, Judgement, Operator, Scope, Watch, check_phrases};
use crate::quality::Verdict;
use crate::quality::features::Features;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnyKeyword {
    phrases: Vec<String>,
    #[serde(default = "one")]
    at_least: u32,
}

fn one() -> u32 {
    1
}

pub(super) fn read(table: toml::Value) -> Result<Box<dyn Operator>, toml::de::Error> {
    Ok(Box::new(table.try_into::<AnyKeyword>()?))
}

impl Operator for AnyKeyword {
    fn phrases(&self) -> [&[String]; 2] {
        [&self.phrases, &[]]
    }

    fn check(&self, scope: &Scope) -> Result<(), String> {
        check_phrases("phrases", &self.phrases)?;
        let most = scope.first.or(scope.last).unwrap_or(u32::MAX);
        if (1..=most).contains(&self.at_least) {
            return Ok(());
        }
        Err(format!("`at_least` is {}: use 1 or more, and no more than the messages in scope", self.at_least))
    }

    fn judge(&self, hearing: &Hearing<'_>) -> Judgement {
        match (hearing.in_scope, hearing.says) {
            (false, _) => Judgement::Aside,
            (true, true) => Judgement::Hit,
            (true, false) => Judgement::Miss,
        }
    }

    fn hits_are_good(&self) -> bool {
        true
    }

    fn verdict(&self, scope: &Scope, watch: &Watch, features: &Features) -> Verdict {
        if watch.hits >= self.at_least {
            return Verdict::Pass;
        }
        let is_decided = features.is_closed() || scope.is_full(watch.heard);
        if watch.heard > 0 && is_decided { Verdict::Fail } else { Verdict::NotApplicable }
    }
}
