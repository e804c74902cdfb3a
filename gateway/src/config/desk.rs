//! The desk's part of the configuration: queues, agents, routing rules.

use std::collections::BTreeMap;

use conversa_actors::tenant::{AgentSetting, QueueSetting, RuleSetting};
use conversa_engine::conversation::{OFFER_MS, TAG_CHARS_MAX};
use conversa_engine::desk::{
    AgentPolicy, CAPACITY_MAX, CODES_MAX, Choice, IdlePolicy, KEEP_MS, LEVEL_MAX, MISSES_MAX, OVERFLOW_MAX,
    OverflowPolicy, QueuePolicy, REASONS_MAX, RINGS_MAX, Ring, Skills, WAITING_MAX, WhenGone, WrapPolicy,
};
use conversa_engine::ids::{PersonId, QueueId, SkillId, is_id};
use serde::{Deserialize, Serialize};

use super::hours::{self, HoursConfig, SlaConfig, SurveyConfig};
use super::settings::Flaws;
use crate::auth::Role;

/// Rules of one company.
const RULES_MAX: usize = 64;
/// Skills of one agent or rule.
const SKILLS_MAX: usize = 32;

/// One queue.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct QueueConfig {
    pub id: String,
    pub name_zh: String,
    pub name_en: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer_ms: Option<i64>,
    #[serde(default)]
    pub choice: Choice,
    #[serde(default)]
    pub sticky: bool,
    #[serde(default)]
    pub auto_accept: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rings: Vec<Ring>,
    #[serde(default)]
    pub wrap_ms: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dispositions: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<String>,
    #[serde(default = "hours::wait")]
    pub when_closed: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sla: Option<SlaConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<IdlePolicy>,
    #[serde(default)]
    pub survey: SurveyConfig,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overflow: Option<OverflowConfig>,
}

/// When a queue's conversations go to another one.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct OverflowConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longer_than: Option<usize>,
    pub to: Vec<String>,
}

impl OverflowConfig {
    /// Queues may help each other, in rings as well: nobody comes back to a queue in one wait.
    fn check(&self, at: &str, own: &str, is_queue: &dyn Fn(&str) -> bool, flaws: &mut Flaws) {
        let of = |key: &str| format!("{at}.{key}");
        let within = self.after_ms.is_none_or(|ms| (1_000..=86_400_000).contains(&ms));
        flaws.unless(within, of("after_ms"), "between 1000 and 86400000");
        let within = self.longer_than.is_none_or(|most| (1..=WAITING_MAX).contains(&most));
        flaws.unless(within, of("longer_than"), format!("between 1 and {WAITING_MAX}"));
        let ever = self.after_ms.is_some() || self.longer_than.is_some();
        flaws.unless(ever, at, "after_ms or longer_than: without them nobody goes elsewhere");
        let some = (1..=OVERFLOW_MAX).contains(&self.to.len());
        flaws.unless(some, of("to"), format!("1 to {OVERFLOW_MAX} queues"));
        for (place, queue) in self.to.iter().enumerate() {
            flaws.unless(is_queue(queue), of("to"), format!("{queue:?} is not a queue of this company"));
            flaws.unless(queue != own, of("to"), "other queues than the one that overflows");
            let new = !self.to[..place].contains(queue);
            flaws.unless(new, of("to"), format!("{queue:?} is there twice"));
        }
    }

    fn policy(&self) -> OverflowPolicy {
        let to = self.to.iter().map(|queue| QueueId::new(queue.as_str())).collect();
        OverflowPolicy { after_ms: self.after_ms, longer_than: self.longer_than, to }
    }
}

/// One agent.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct AgentConfig {
    pub id: String,
    pub name: String,
    pub queues: Vec<String>,
    #[serde(default = "capacity")]
    pub capacity: u16,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skills: BTreeMap<String, u8>,
}

fn capacity() -> u16 {
    5
}

/// Which conversations need what.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct RuleConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    pub priority: u8,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub needs: BTreeMap<String, u8>,
}

/// What is the same for all agents of a company.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct DeskConfig {
    pub grace_ms: i64,
    pub misses_max: u8,
    pub when_gone: WhenGone,
    pub keep_ms: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub away_reasons: Vec<String>,
    pub away_asks: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleConfig>,
}

impl Default for DeskConfig {
    fn default() -> Self {
        Self {
            grace_ms: 15_000,
            misses_max: MISSES_MAX,
            when_gone: WhenGone::default(),
            keep_ms: KEEP_MS,
            away_reasons: Vec::new(),
            away_asks: false,
            weights: BTreeMap::new(),
            rules: Vec::new(),
        }
    }
}

impl DeskConfig {
    pub(super) fn check(&self, is_queue: &dyn Fn(&str) -> bool, flaws: &mut Flaws) {
        flaws.unless((0..=600_000).contains(&self.grace_ms), "desk.grace_ms", "between 0 and 600000");
        flaws.unless(
            (1_000..=86_400_000).contains(&self.keep_ms),
            "desk.keep_ms",
            "between 1000 and 86400000",
        );
        let is_word = |word: &String| (1..=64).contains(&word.chars().count());
        flaws.unless(
            self.away_reasons.len() <= REASONS_MAX && self.away_reasons.iter().all(is_word),
            "desk.away_reasons",
            format!("at most {REASONS_MAX} of 1 to 64 characters"),
        );
        for (channel, weight) in &self.weights {
            let at = format!("desk.weights.{channel}");
            flaws.unless((1..=100).contains(weight), at, "between 1 and 100 points");
        }
        flaws.unless(self.rules.len() <= RULES_MAX, "desk.rules", format!("at most {RULES_MAX} rules"));
        for (place, rule) in self.rules.iter().enumerate() {
            let at = |key: &str| format!("desk.rules[{place}].{key}");
            check_skills(&at("needs"), &rule.needs, flaws);
            flaws.unless(rule.priority <= 100, at("priority"), "between 0 and 100");
            if let Some(queue) = rule.queue.as_deref().filter(|queue| !is_queue(queue)) {
                flaws.add(at("queue"), format!("{queue:?} is not a queue of this company"));
            }
        }
    }

    pub(super) fn rule_settings(&self) -> Vec<RuleSetting> {
        let setting = |rule: &RuleConfig| RuleSetting {
            channel: rule.channel.clone(),
            language: rule.lang.clone(),
            queue: rule.queue.as_deref().map(QueueId::new),
            needs: skills(&rule.needs),
            priority: rule.priority,
        };
        self.rules.iter().map(setting).collect()
    }
}

impl QueueConfig {
    pub(super) fn check(&self, place: usize, is_queue: &dyn Fn(&str) -> bool, flaws: &mut Flaws) {
        let at = |key: &str| format!("queues[{place}].{key}");
        if let Some(overflow) = &self.overflow {
            overflow.check(&at("overflow"), &self.id, is_queue, flaws);
        }
        flaws.unless(is_id(&self.id), at("id"), format!("{:?}: 1 to 64 letters, digits, _ - or .", self.id));
        let within = |ms: Option<i64>, most: i64| ms.is_none_or(|ms| (1_000..=most).contains(&ms));
        flaws.unless(within(self.offer_ms, 600_000), at("offer_ms"), "between 1000 and 600000");
        flaws.unless(within(self.goal_ms, 604_800_000), at("goal_ms"), "between 1000 and 604800000");
        flaws.unless((0..=3_600_000).contains(&self.wrap_ms), at("wrap_ms"), "between 0 and 3600000");
        let is_word = |word: &String| (1..=TAG_CHARS_MAX).contains(&word.chars().count());
        flaws.unless(
            self.dispositions.len() <= CODES_MAX && self.dispositions.iter().all(is_word),
            at("dispositions"),
            format!("at most {CODES_MAX} words of 1 to {TAG_CHARS_MAX} characters"),
        );
        let growing = self
            .rings
            .windows(2)
            .all(|pair| pair[0].after_ms < pair[1].after_ms && pair[0].relax < pair[1].relax);
        let positive = self.rings.first().is_none_or(|ring| ring.after_ms > 0 && ring.relax > 0);
        flaws.unless(
            self.rings.len() <= RINGS_MAX && growing && positive,
            at("rings"),
            format!("at most {RINGS_MAX} rings, each later and more relaxed than the one before"),
        );
    }

    pub(super) fn setting(&self, offer_ms: i64, calendars: &[HoursConfig]) -> QueueSetting {
        QueueSetting {
            id: QueueId::new(self.id.as_str()),
            name_zh: self.name_zh.clone(),
            name_en: self.name_en.clone(),
            policy: QueuePolicy {
                offer_ms: self.offer_ms.unwrap_or(offer_ms),
                choice: self.choice,
                auto_accept: self.auto_accept,
                rings: self.rings.clone(),
                wrap: WrapPolicy { wrap_ms: self.wrap_ms, codes: self.dispositions.clone() },
                time: hours::policy(self, calendars),
                survey: self.survey.survey(),
                overflow: self.overflow.as_ref().map(OverflowConfig::policy).unwrap_or_default(),
            },
            goal_ms: self.goal_ms,
            sticky: self.sticky,
        }
    }

    /// A queue of which nothing but its names is said.
    pub(super) fn plain(id: &str, name_zh: &str, name_en: &str) -> Self {
        Self {
            id: id.into(),
            name_zh: name_zh.into(),
            name_en: name_en.into(),
            offer_ms: None,
            choice: Choice::default(),
            sticky: false,
            auto_accept: false,
            goal_ms: None,
            rings: Vec::new(),
            wrap_ms: 0,
            dispositions: Vec::new(),
            hours: None,
            when_closed: hours::wait(),
            sla: None,
            idle: None,
            survey: SurveyConfig::default(),
            overflow: None,
        }
    }
}

impl AgentConfig {
    pub(super) fn check(&self, place: usize, flaws: &mut Flaws) {
        let at = |key: &str| format!("agents[{place}].{key}");
        let named = self.id.starts_with(Role::Agent.prefix()) && is_id(&self.id);
        flaws.unless(named, at("id"), format!("{:?} must begin with ag_", self.id));
        flaws.unless(
            (1..=CAPACITY_MAX).contains(&self.capacity),
            at("capacity"),
            format!("{}: between 1 and {CAPACITY_MAX} points", self.id),
        );
        check_skills(&at("skills"), &self.skills, flaws);
    }

    pub(super) fn setting(&self, desk: &DeskConfig) -> AgentSetting {
        AgentSetting {
            id: PersonId::new(self.id.as_str()),
            name: self.name.clone(),
            skills: skills(&self.skills),
            policy: AgentPolicy {
                capacity: self.capacity,
                serves: self.queues.iter().map(|queue| QueueId::new(queue.as_str())).collect(),
                misses_max: desk.misses_max,
                when_gone: desk.when_gone,
                keep_ms: desk.keep_ms,
                reasons: desk.away_reasons.clone(),
                away_asks: desk.away_asks,
            },
        }
    }
}

fn skills(named: &BTreeMap<String, u8>) -> Skills {
    named.iter().map(|(skill, level)| (SkillId::new(skill.as_str()), *level)).collect()
}

fn check_skills(at: &str, skills: &BTreeMap<String, u8>, flaws: &mut Flaws) {
    flaws.unless(skills.len() <= SKILLS_MAX, at, format!("at most {SKILLS_MAX} skills"));
    for (skill, level) in skills {
        flaws.unless(is_id(skill), at, format!("{skill:?}: 1 to 64 letters, digits, _ - or ."));
        flaws.unless(
            (1..=LEVEL_MAX).contains(level),
            format!("{at}.{skill}"),
            format!("a proficiency between 1 and {LEVEL_MAX}"),
        );
    }
}

/// How long an offer stands unless a queue says otherwise, milliseconds.
pub(super) fn offer_ms() -> i64 {
    OFFER_MS
}
