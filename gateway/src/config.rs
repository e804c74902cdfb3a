//! Configuration: one documented structure. Unknown keys are errors with their place; `conversa config` prints what is in force.

mod attachments;
mod channels;
mod cluster;
mod desk;
mod docs;
mod hours;
mod people;
pub mod push;
pub mod sample;
mod settings;
mod store;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use conversa_actors::host::Bounds;
use conversa_actors::registry;
use conversa_actors::tenant::{BotSetting, Tenant};
use conversa_engine::bot::{Index, Knowledge, Thresholds};
use conversa_engine::ids::{BotId, TenantId, is_id};
use conversa_engine::quality::ScoreCard;
use serde::{Deserialize, Serialize};

use crate::auth::{Role, SECRET_BYTES_MIN};

pub use attachments::{AttachmentsConfig, AttachmentsKind, S3Config};
pub use channels::ChannelConfig;
pub use cluster::ClusterConfig;
pub use desk::{AgentConfig, DeskConfig, OverflowConfig, QueueConfig, RuleConfig};
pub use docs::print;
pub use hours::{HoursConfig, SlaConfig, SurveyConfig};
pub use people::{DepartmentConfig, TeamConfig};
use push::{PushConfig, TenantPush};
pub use settings::{Flaw, Settings};
pub use store::{StoreConfig, StoreKind};

/// All that can be set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs, which `conversa config` prints")]
pub struct Config {
    pub node: NodeConfig,
    pub store: StoreConfig,
    pub cluster: ClusterConfig,
    pub limits: Limits,
    pub actors: ActorsConfig,
    pub watchers: WatchersConfig,
    pub push: PushConfig,
    pub attachments: AttachmentsConfig,
    pub tenants: Vec<TenantConfig>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<ChannelConfig>,
}

/// The node itself.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct NodeConfig {
    pub name: String,
    pub data: PathBuf,
    pub listen: String,
    pub development: bool,
    pub origins: Vec<String>,
    pub drain_ms: u64,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            name: "n1".into(),
            data: "conversa-data".into(),
            listen: "127.0.0.1:8080".into(),
            development: false,
            origins: Vec::new(),
            drain_ms: 2_000,
        }
    }
}

/// What one socket may do.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct Limits {
    pub visitor_rate_per_s: u32,
    pub visitor_burst: u32,
    pub agent_rate_per_s: u32,
    pub agent_burst: u32,
    pub visitor_frame_bytes: usize,
    pub agent_frame_bytes: usize,
    pub visitor_queue_bytes: usize,
    pub agent_queue_bytes: usize,
    pub connections_per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            visitor_rate_per_s: 5,
            visitor_burst: 20,
            agent_rate_per_s: 50,
            agent_burst: 200,
            visitor_frame_bytes: 32 * 1024,
            agent_frame_bytes: 64 * 1024,
            visitor_queue_bytes: 256 * 1024,
            agent_queue_bytes: 1024 * 1024,
            connections_per_address: 100,
        }
    }
}

impl Limits {
    pub(crate) fn rate(&self, role: Role) -> (u32, u32) {
        match role {
            Role::Visitor => (self.visitor_rate_per_s, self.visitor_burst),
            Role::Agent | Role::Supervisor => (self.agent_rate_per_s, self.agent_burst),
        }
    }

    pub(crate) fn frame_bytes(&self, role: Role) -> usize {
        match role {
            Role::Visitor => self.visitor_frame_bytes,
            Role::Agent | Role::Supervisor => self.agent_frame_bytes,
        }
    }

    pub(crate) fn queue_bytes(&self, role: Role) -> usize {
        match role {
            Role::Visitor => self.visitor_queue_bytes,
            Role::Agent | Role::Supervisor => self.agent_queue_bytes,
        }
    }
}

/// How actors live.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct ActorsConfig {
    pub idle_ms: i64,
    pub cells_max: usize,
    pub revive_per_s: u32,
}

impl Default for ActorsConfig {
    fn default() -> Self {
        let Bounds { idle_ms, cells_max, revive_per_s } = Bounds::default();
        Self { idle_ms, cells_max, revive_per_s }
    }
}

impl From<&ActorsConfig> for Bounds {
    fn from(config: &ActorsConfig) -> Self {
        Self { idle_ms: config.idle_ms, cells_max: config.cells_max, revive_per_s: config.revive_per_s }
    }
}

/// Who reads conversations.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct WatchersConfig {
    pub enabled: Vec<String>,
}

impl Default for WatchersConfig {
    fn default() -> Self {
        Self { enabled: registry::WATCHERS.iter().map(|watching| watching.name.to_owned()).collect() }
    }
}

/// One company.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct TenantConfig {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knowledge: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_card: Option<PathBuf>,
    #[serde(default = "desk::offer_ms")]
    pub offer_ms: i64,
    #[serde(default = "people::merge_by")]
    pub merge_by: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<HoursConfig>,
    pub queues: Vec<QueueConfig>,
    #[serde(default)]
    pub agents: Vec<AgentConfig>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub departments: Vec<DepartmentConfig>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<TeamConfig>,
    #[serde(default)]
    pub desk: DeskConfig,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot: Option<BotConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<TenantPush>,
}

/// The bot that answers first.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct BotConfig {
    pub id: String,
    pub name: String,
}

/// What is wrong with a configuration, and where.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{file} cannot be read: {source}")]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{file}: {what}")]
    Broken {
        /// Which.
        file: PathBuf,
        /// Where and how.
        what: String,
    },
    /// A value is out of its bounds.
    #[error("configuration key {key}: {what}")]
    Value {
        /// Which key.
        key: String,
        /// What to do.
        what: String,
    },
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| ConfigError::Read { file: file.to_owned(), source })?;
        let config: Self = toml::from_str(&text)
            .map_err(|error| ConfigError::Broken { file: file.to_owned(), what: error.to_string() })?;
        config.check()?;
        Ok(config)
    }

    /// Checks what types cannot say.
    ///
    /// # Errors
    /// The first key that is out of bounds.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key: &str, what: String| Err(ConfigError::Value { key: key.to_owned(), what });
        if self.node.listen.parse::<std::net::SocketAddr>().is_err() {
            return wrong(
                "node.listen",
                format!("{:?} is not an address and port, for instance 127.0.0.1:8080", self.node.listen),
            );
        }
        if self.node.development && !self.loopback() {
            return wrong(
                "node.development",
                "development tokens are for loopback only: listen on 127.0.0.1, or switch development off"
                    .into(),
            );
        }
        if self.limits.visitor_rate_per_s == 0 || self.limits.agent_rate_per_s == 0 {
            return wrong("limits", "a rate is at least 1 per second".into());
        }
        if !(50..=86_400_000).contains(&self.actors.idle_ms) {
            return wrong("actors.idle_ms", "between 50 and 86400000".into());
        }
        for name in &self.watchers.enabled {
            if registry::watcher(name).is_none() {
                let known: Vec<_> = registry::WATCHERS.iter().map(|watching| watching.name).collect();
                return wrong(
                    "watchers.enabled",
                    format!("there is no watcher {name:?}; there are: {}", known.join(", ")),
                );
            }
        }
        if let Err((key, what)) = self.attachments.check() {
            return wrong(key, what);
        }
        self.tenants.iter().try_for_each(|tenant| tenant.check(self.node.development))?;
        self.check_channels()
    }

    fn check_channels(&self) -> Result<(), ConfigError> {
        for (place, channel) in self.channels.iter().enumerate() {
            let wrong = |key: &str, what: String| {
                Err(ConfigError::Value { key: format!("channels.{}.{key}", channel.name), what })
            };
            if let Err((key, what)) = channel.check(&self.push.allow_hosts) {
                return wrong(key, what);
            }
            if !self.tenants.iter().any(|tenant| tenant.id == channel.tenant) {
                return wrong("tenant", format!("there is no company {:?}", channel.tenant));
            }
            if self.channels[..place].iter().any(|other| other.name == channel.name) {
                return wrong("name", "two channels have it: their paths would be the same".into());
            }
        }
        Ok(())
    }

    /// True when nobody beyond this machine can reach the node.
    #[must_use]
    pub fn loopback(&self) -> bool {
        self.node.listen.parse::<std::net::SocketAddr>().is_ok_and(|address| address.ip().is_loopback())
    }

    /// The companies as the actors see them; relative file names are relative to `base`.
    ///
    /// # Errors
    /// When a knowledge base or score card cannot be read.
    pub fn companies(&self, base: &Path) -> Result<Vec<Arc<Tenant>>, ConfigError> {
        let watchers: Vec<&'static str> =
            self.watchers.enabled.iter().filter_map(|name| registry::watcher(name)).collect();
        let company = |tenant: &TenantConfig| {
            let channels = self.channels.iter().filter(|channel| channel.tenant == tenant.id);
            let channels = channels.map(|channel| channel.name.clone()).collect();
            tenant.company(base, &watchers, channels).map(Arc::new)
        };
        self.tenants.iter().map(company).collect()
    }
}

impl TenantConfig {
    fn check(&self, development: bool) -> Result<(), ConfigError> {
        let wrong = |key: &str, what: String| {
            Err(ConfigError::Value { key: format!("tenants.{}.{key}", self.id), what })
        };
        if !is_id(&self.id) {
            return wrong("id", "1 to 64 letters, digits, _ - or .".into());
        }
        match &self.secret {
            Some(secret) if secret.len() < SECRET_BYTES_MIN => {
                return wrong(
                    "secret",
                    format!("at least {SECRET_BYTES_MIN} bytes; make one with: openssl rand -hex 32"),
                );
            }
            None if !development => {
                return wrong("secret", "needed to check tokens; make one with: openssl rand -hex 32".into());
            }
            Some(_) | None => {}
        }
        if let Some(Err((key, what))) = self.push.as_ref().map(TenantPush::check) {
            return wrong(key, what);
        }
        match self.settings().flaws().into_iter().next() {
            Some(Flaw { at, what }) => wrong(&at, what),
            None => self.check_people().or_else(|(key, what)| wrong(&key, what)),
        }
    }

    fn company(
        &self,
        base: &Path,
        watchers: &[&'static str],
        channels: Vec<String>,
    ) -> Result<Tenant, ConfigError> {
        let bot = match &self.bot {
            Some(bot) => Some(Arc::new(BotSetting {
                id: BotId::new(bot.id.as_str()),
                name: bot.name.clone(),
                index: Index::new(&self.knowledge(base)?),
                thresholds: Thresholds::default(),
            })),
            None => None,
        };
        let score_card = parse(self.score_card.as_deref(), base, sample::SCORE_CARD, |text| {
            ScoreCard::parse(text).map_err(|error| error.to_string())
        })?;
        let (settings, teams) = (self.settings(), self.team_settings());
        Ok(Tenant {
            id: TenantId::new(self.id.as_str()),
            queues: settings.queues(),
            agents: settings.agents(&teams),
            bot,
            score_card: Arc::new(score_card),
            rules: self.desk.rule_settings(),
            weights: self.desk.weights.clone(),
            grace_ms: self.desk.grace_ms,
            watchers: watchers.to_vec(),
            channels,
            merge_by: self.merge_by.clone(),
            teams,
            push: self.push.as_ref().map(TenantPush::setting),
        })
    }

    fn knowledge(&self, base: &Path) -> Result<Knowledge, ConfigError> {
        parse(self.knowledge.as_deref(), base, sample::KNOWLEDGE, |text| {
            Knowledge::parse(text).map_err(|error| error.to_string())
        })
    }
}

/// Parses a file, or the sample company's when none is named.
fn parse<T>(
    file: Option<&Path>,
    base: &Path,
    sample: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, ConfigError> {
    let Some(file) = file else {
        return parse(sample)
            .map_err(|what| ConfigError::Broken { file: "the built-in sample".into(), what });
    };
    let file = base.join(file);
    let text =
        std::fs::read_to_string(&file).map_err(|source| ConfigError::Read { file: file.clone(), source })?;
    parse(&text).map_err(|what| ConfigError::Broken { file, what })
}
