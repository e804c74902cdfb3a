//! Opening hours in the configuration, and what goes by a queue's clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use conversa_engine::conversation::Survey;
use conversa_engine::desk::{Calendar, IdlePolicy, SlaPolicy, TimePolicy, WARN_PERCENT, WhenClosed};
use conversa_engine::ids::{QueueId, is_id};
use serde::{Deserialize, Serialize};

use super::settings::Flaws;
use super::{QueueConfig, Settings};

/// Calendars of one company.
const CALENDARS_MAX: usize = 64;
/// The longest goal, milliseconds of business: thirty days.
const GOAL_MS_MAX: i64 = 2_592_000_000;
/// The longest silence, milliseconds: seven days.
const IDLE_MS_MAX: i64 = 604_800_000;

/// A calendar that queues name.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct HoursConfig {
    pub id: String,
    pub zone: String,
    pub week: BTreeMap<String, Vec<String>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub holidays: BTreeMap<String, Vec<String>>,
}

impl HoursConfig {
    fn calendar(&self) -> Calendar {
        Calendar { zone: self.zone.clone(), week: self.week.clone(), holidays: self.holidays.clone() }
    }
}

/// What visitors are asked after the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SurveyConfig {
    /// How satisfied they are, in stars.
    #[default]
    Csat,
    /// Whether they would recommend the company.
    Nps,
    /// Nothing.
    None,
}

impl SurveyConfig {
    pub(super) fn survey(self) -> Option<Survey> {
        match self {
            Self::Csat => Some(Survey::Csat),
            Self::Nps => Some(Survey::Nps),
            Self::None => None,
        }
    }
}

/// Goals of service.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct SlaConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_response_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_response_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution_ms: Option<i64>,
    #[serde(default = "warn_percent")]
    pub warn_percent: u8,
}

fn warn_percent() -> u8 {
    WARN_PERCENT
}

impl SlaConfig {
    fn check(&self, at: &str, flaws: &mut Flaws) {
        let goals = [
            ("first_response_ms", self.first_response_ms),
            ("next_response_ms", self.next_response_ms),
            ("resolution_ms", self.resolution_ms),
        ];
        for (key, ms) in goals {
            flaws.unless(
                within(ms, GOAL_MS_MAX),
                format!("{at}.{key}"),
                format!("between 1000 and {GOAL_MS_MAX}"),
            );
        }
        let right = (1..=100).contains(&self.warn_percent);
        flaws.unless(right, format!("{at}.warn_percent"), "between 1 and 100");
    }

    fn policy(&self) -> SlaPolicy {
        let Self { first_response_ms, next_response_ms, resolution_ms, warn_percent } = *self;
        SlaPolicy { first_response_ms, next_response_ms, resolution_ms, warn_percent }
    }
}

fn within(ms: Option<i64>, most: i64) -> bool {
    ms.is_none_or(|ms| (1_000..=most).contains(&ms))
}

/// How much silence is borne: whoever is to be reminded is so before it ends.
fn check_idle(idle: &IdlePolicy, at: &str, flaws: &mut Flaws) {
    let pairs = [
        (("visitor_warn_ms", idle.visitor_warn_ms), ("visitor_close_ms", idle.visitor_close_ms)),
        (("agent_warn_ms", idle.agent_warn_ms), ("agent_requeue_ms", idle.agent_requeue_ms)),
    ];
    for ((warn, warn_ms), (end, end_ms)) in pairs {
        for (key, ms) in [(warn, warn_ms), (end, end_ms)] {
            flaws.unless(
                within(ms, IDLE_MS_MAX),
                format!("{at}.{key}"),
                format!("between 1000 and {IDLE_MS_MAX}"),
            );
        }
        let later = warn_ms.zip(end_ms).is_none_or(|(warn, end)| warn < end);
        flaws.unless(later, format!("{at}.{end}"), format!("later than {warn}"));
    }
}

/// What is wrong with calendars, and with what queues say of them.
pub(super) fn check(settings: &Settings, flaws: &mut Flaws) {
    flaws.unless(settings.hours.len() <= CALENDARS_MAX, "hours", format!("at most {CALENDARS_MAX}"));
    for (place, hours) in settings.hours.iter().enumerate() {
        let at = |key: &str| format!("hours[{place}].{key}");
        let what = format!("{:?}: 1 to 64 letters, digits, _ - or .", hours.id);
        flaws.unless(is_id(&hours.id), at("id"), what);
        let new = settings.hours[..place].iter().all(|other| other.id != hours.id);
        flaws.unless(new, at("id"), format!("{:?} is there twice", hours.id));
        for (key, what) in hours.calendar().hours().err().unwrap_or_default() {
            flaws.add(at(&key), what);
        }
    }
    for (place, queue) in settings.queues.iter().enumerate() {
        let at = |key: &str| format!("queues[{place}].{key}");
        let known = |name: &String| settings.hours.iter().any(|hours| hours.id == *name);
        if let Some(name) = queue.hours.as_ref().filter(|name| !known(name)) {
            flaws.add(at("hours"), format!("{name:?} is not one of this company's hours"));
        }
        if let Some(sla) = &queue.sla {
            sla.check(&at("sla"), flaws);
        }
        if let Some(idle) = &queue.idle {
            check_idle(idle, &at("idle"), flaws);
        }
        match when_closed(&queue.when_closed) {
            None => flaws.add(at("when_closed"), "wait, message or queue:<id>"),
            Some(WhenClosed::Queue(other)) if other.as_str() == queue.id => {
                flaws.add(at("when_closed"), "another queue than the one that is closed");
            }
            Some(WhenClosed::Queue(other)) if !settings.queues.iter().any(|one| one.id == other.as_str()) => {
                flaws.add(at("when_closed"), format!("{:?} is not a queue of this company", other.as_str()));
            }
            Some(WhenClosed::Wait | WhenClosed::Message | WhenClosed::Queue(_)) => {}
        }
    }
}

/// What of a queue goes by the clock.
pub(super) fn policy(queue: &QueueConfig, calendars: &[HoursConfig]) -> TimePolicy {
    let calendar = calendars.iter().find(|hours| queue.hours.as_ref() == Some(&hours.id));
    let hours = calendar.and_then(|hours| hours.calendar().hours().ok()).map(Arc::new);
    TimePolicy {
        hours,
        when_closed: when_closed(&queue.when_closed).unwrap_or_default(),
        sla: queue.sla.as_ref().map(SlaConfig::policy).unwrap_or_default(),
        idle: queue.idle.unwrap_or_default(),
    }
}

fn when_closed(word: &str) -> Option<WhenClosed> {
    match (word, word.split_once(':')) {
        ("wait", _) => Some(WhenClosed::Wait),
        ("message", _) => Some(WhenClosed::Message),
        (_, Some(("queue", id))) => Some(WhenClosed::Queue(QueueId::new(id))),
        (_, _) => None,
    }
}

/// What a queue does with conversations while it is closed, unless it says so.
pub(super) fn wait() -> String {
    "wait".into()
}
