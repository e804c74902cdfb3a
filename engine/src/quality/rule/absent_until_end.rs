//! `absent_until_end = { after = ["投诉"], after_role = "visitor", phrases = ["抱歉"] }`: once somebody has said one of
//! `after`, fails when none of `phrases` is said in scope until the end. Its evidence is what set it going, or what met it.

use serde::Deserialize;

use super::{Hearing, Judgement, Operator, Part, Scope, Watch, check_phrases};
use crate::quality::Verdict;
use crate::quality::features::Features;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AbsentUntilEnd {
    after: Vec<String>,
    #[serde(default)]
    after_role: Part,
    phrases: Vec<String>,
}

pub(super) fn read(table: toml::Value) -> Result<Box<dyn Operator>, toml::de::Error> {
    Ok(Box::new(table.try_into::<AbsentUntilEnd>()?))
}

impl Operator for AbsentUntilEnd {
    fn phrases(&self) -> [&[String]; 2] {
        [&self.phrases, &self.after]
    }

    fn check(&self, scope: &Scope) -> Result<(), String> {
        check_phrases("after", &self.after)?;
        check_phrases("phrases", &self.phrases)?;
        if scope.is_counted() {
            return Err("it looks until the end: remove `first` and `last`".into());
        }
        Ok(())
    }

    fn judge(&self, hearing: &Hearing<'_>) -> Judgement {
        if hearing.watch.heard == 0 {
            let begins = hearing.sets_going && self.after_role.contains(hearing.reading.role);
            return if begins { Judgement::Miss } else { Judgement::Aside };
        }
        if hearing.in_scope && hearing.says { Judgement::Hit } else { Judgement::Aside }
    }

    fn hits_are_good(&self) -> bool {
        true
    }

    fn verdict(&self, _: &Scope, watch: &Watch, features: &Features) -> Verdict {
        if watch.hits > 0 {
            Verdict::Pass
        } else if watch.heard > 0 && features.is_closed() {
            Verdict::Fail
        } else {
            Verdict::NotApplicable
        }
    }
}
