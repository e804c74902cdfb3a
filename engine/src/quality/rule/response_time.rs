//! `response_time = { max_ms = 60000, late_max = 0 }`: fails when more than `late_max` of the agents' answers in scope took
//! longer. An answer is counted from the first message it answers, or from taking the conversation if that was later.
//! Questions that were never answered have no time: use the feature `unanswered_at_end`.

use serde::Deserialize;

use super::{Hearing, Judgement, Operator, Part, Scope, Watch};
use crate::quality::Verdict;
use crate::quality::features::Features;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResponseTime {
    max_ms: i64,
    #[serde(default)]
    late_max: u32,
}

pub(super) fn read(table: toml::Value) -> Result<Box<dyn Operator>, toml::de::Error> {
    Ok(Box::new(table.try_into::<ResponseTime>()?))
}

impl Operator for ResponseTime {
    fn check(&self, scope: &Scope) -> Result<(), String> {
        if self.max_ms < 1 {
            return Err(format!("`max_ms` is {}: use a time above 0, in milliseconds", self.max_ms));
        }
        match scope.role {
            Part::Agent | Part::Service | Part::Any => Ok(()),
            Part::Visitor | Part::Bot => {
                Err("only agents' answers are timed: use scope.role = \"agent\"".into())
            }
        }
    }

    fn judge(&self, hearing: &Hearing<'_>) -> Judgement {
        match hearing.features.response_ms() {
            None => Judgement::Aside,
            Some(ms) if ms > self.max_ms => Judgement::Hit,
            Some(_) => Judgement::Clear,
        }
    }

    fn hits_are_good(&self) -> bool {
        false
    }

    fn verdict(&self, _: &Scope, watch: &Watch, _: &Features) -> Verdict {
        if watch.heard == 0 {
            Verdict::NotApplicable
        } else if watch.hits > self.late_max {
            Verdict::Fail
        } else {
            Verdict::Pass
        }
    }
}
