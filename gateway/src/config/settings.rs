//! What of a company can change while the node runs: queues, agents, skills, goals, rules. One form for file and REST; whatever is wrong
//! with it is found at once, each flaw with its place.

use conversa_actors::tenant::{AgentSetting, QueueSetting, Tenant};
use conversa_engine::desk::Teams;
use conversa_engine::ids::QueueId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AgentConfig, DeskConfig, HoursConfig, QueueConfig, RuleConfig, TenantConfig, desk, hours};

/// Flaws that are listed; who has more corrects these first.
const FLAWS_MAX: usize = 100;

/// What can change, in the words of the configuration file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct Settings {
    #[serde(default = "desk::offer_ms")]
    pub offer_ms: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<HoursConfig>,
    pub queues: Vec<QueueConfig>,
    #[serde(default)]
    pub agents: Vec<AgentConfig>,
    #[serde(default)]
    pub desk: DeskConfig,
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// Where: `queues[2].rings`.
    pub at: String,
    /// What would be right.
    pub what: String,
}

/// What was found wrong so far.
#[derive(Debug, Default)]
pub(super) struct Flaws(Vec<Flaw>);

impl Flaws {
    pub(super) fn add(&mut self, at: impl Into<String>, what: impl Into<String>) {
        if self.0.len() < FLAWS_MAX {
            self.0.push(Flaw { at: at.into(), what: what.into() });
        }
    }

    pub(super) fn unless(&mut self, right: bool, at: impl Into<String>, what: impl Into<String>) {
        if !right {
            self.add(at, what);
        }
    }

    /// The value of this form; what is wrong with it is noted at `at`.
    fn form<T: DeserializeOwned>(&mut self, at: String, value: Value) -> Option<T> {
        match serde_json::from_value(value) {
            Ok(form) => Some(form),
            Err(error) => {
                self.add(at, error.to_string());
                None
            }
        }
    }

    /// The elements of a list, each at its own place.
    fn list<T: DeserializeOwned>(&mut self, at: &str, value: Option<Value>) -> Vec<T> {
        match value {
            None => Vec::new(),
            Some(Value::Array(values)) => {
                let element = |(place, value)| self.form(format!("{at}[{place}]"), value);
                values.into_iter().enumerate().filter_map(element).collect()
            }
            Some(_) => {
                self.add(at, "a list");
                Vec::new()
            }
        }
    }
}

impl Settings {
    /// Reads and checks settings that somebody sends.
    ///
    /// # Errors
    /// Everything that is wrong with them: first the form of each part, then, when all forms are right, what they say.
    pub fn read(value: Value) -> Result<Self, Vec<Flaw>> {
        let mut flaws = Flaws::default();
        let Value::Object(mut map) = value else {
            flaws.add("", "an object with queues, agents and desk");
            return Err(flaws.0);
        };
        flaws.unless(map.contains_key("queues"), "queues", "a company has at least one queue");
        let hours = flaws.list::<HoursConfig>("hours", map.remove("hours"));
        let queues = flaws.list::<QueueConfig>("queues", map.remove("queues"));
        let agents = flaws.list::<AgentConfig>("agents", map.remove("agents"));
        let offer_ms = match map.remove("offer_ms") {
            Some(value) => flaws.form("offer_ms".into(), value).unwrap_or_else(desk::offer_ms),
            None => desk::offer_ms(),
        };
        let desk = read_desk(map.remove("desk"), &mut flaws);
        for key in map.keys() {
            flaws.add(key.as_str(), "no such key; there are: offer_ms, hours, queues, agents, desk");
        }
        if !flaws.0.is_empty() {
            return Err(flaws.0);
        }
        let settings = Self { offer_ms, hours, queues, agents, desk };
        let flaws = settings.flaws();
        if flaws.is_empty() { Ok(settings) } else { Err(flaws) }
    }

    /// Everything that is wrong with what they say.
    #[must_use]
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        flaws.unless((1_000..=600_000).contains(&self.offer_ms), "offer_ms", "between 1000 and 600000");
        flaws.unless(!self.queues.is_empty(), "queues", "a company has at least one queue");
        let is_queue = |name: &str| self.queues.iter().any(|queue| queue.id == name);
        let mut known = std::collections::HashSet::new();
        for (place, queue) in self.queues.iter().enumerate() {
            queue.check(place, &is_queue, &mut flaws);
            let new = known.insert(&queue.id);
            flaws.unless(new, format!("queues[{place}].id"), format!("{:?} is there twice", queue.id));
        }
        known.clear();
        for (place, agent) in self.agents.iter().enumerate() {
            agent.check(place, &mut flaws);
            let new = known.insert(&agent.id);
            flaws.unless(new, format!("agents[{place}].id"), format!("{:?} is there twice", agent.id));
            if let Some(queue) = agent.queues.iter().find(|name| !is_queue(name)) {
                let what = format!("{} serves {queue:?}, which is not a queue of this company", agent.id);
                flaws.add(format!("agents[{place}].queues"), what);
            }
        }
        hours::check(self, &mut flaws);
        self.desk.check(&is_queue, &mut flaws);
        flaws.0
    }

    pub(super) fn queues(&self) -> Vec<QueueSetting> {
        self.queues.iter().map(|queue| queue.setting(self.offer_ms, &self.hours)).collect()
    }

    /// The agents, who also serve the queues of their teams.
    pub(super) fn agents(&self, teams: &Teams) -> Vec<AgentSetting> {
        let setting = |agent: &AgentConfig| {
            let mut setting = agent.setting(&self.desk);
            let is_queue = |id: &QueueId| self.queues.iter().any(|queue| queue.id == id.as_str());
            for queue in teams.queues_of(&setting.id) {
                // A team of the file may name a queue that these settings have dropped.
                if is_queue(queue) && !setting.policy.serves.contains(queue) {
                    setting.policy.serves.push(queue.clone());
                }
            }
            setting
        };
        self.agents.iter().map(setting).collect()
    }

    /// The company under these settings; all else stays.
    #[must_use]
    pub fn tenant(&self, before: &Tenant) -> Tenant {
        Tenant {
            queues: self.queues(),
            agents: self.agents(&before.teams),
            rules: self.desk.rule_settings(),
            weights: self.desk.weights.clone(),
            grace_ms: self.desk.grace_ms,
            ..before.clone()
        }
    }
}

/// Rules are read one by one, so that each is told its own flaw.
fn read_desk(value: Option<Value>, flaws: &mut Flaws) -> DeskConfig {
    let mut map = match value {
        None => return DeskConfig::default(),
        Some(Value::Object(map)) => map,
        Some(_) => {
            flaws.add("desk", "an object");
            Map::new()
        }
    };
    let rules = flaws.list::<RuleConfig>("desk.rules", map.remove("rules"));
    let desk: DeskConfig = flaws.form("desk".into(), Value::Object(map)).unwrap_or_default();
    DeskConfig { rules, ..desk }
}

impl TenantConfig {
    /// What of it can change while the node runs.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            offer_ms: self.offer_ms,
            hours: self.hours.clone(),
            queues: self.queues.clone(),
            agents: self.agents.clone(),
            desk: self.desk.clone(),
        }
    }
}
