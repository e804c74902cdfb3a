//! A company's settings as the behaviours see them: fixed while a node runs.

use std::sync::Arc;

use conversa_engine::bot::{Index, Thresholds};
use conversa_engine::ids::{BotId, PersonId, QueueId, TenantId};
use conversa_engine::quality::ScoreCard;

/// One company.
#[derive(Debug)]
pub struct Tenant {
    /// Which.
    pub id: TenantId,
    /// Its queues; the first is the default.
    pub queues: Vec<QueueSetting>,
    /// Its agents.
    pub agents: Vec<AgentSetting>,
    /// The bot that answers first, if there is one.
    pub bot: Option<BotSetting>,
    /// How conversations are scored.
    pub score_card: Arc<ScoreCard>,
    /// How long an offer stands, milliseconds.
    pub offer_ms: i64,
    /// The watchers that read its conversations, by name.
    pub watchers: Vec<&'static str>,
    /// The channels whose messages leave through an adapter of the company.
    pub channels: Vec<String>,
    /// Whether, and when, people without a socket are told on their devices.
    pub push: Option<PushSetting>,
}

/// When devices are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushSetting {
    /// A message that no socket has acknowledged for this time is missed, milliseconds.
    pub away_ms: i64,
}

/// A queue.
#[derive(Clone, Debug)]
pub struct QueueSetting {
    /// Which.
    pub id: QueueId,
    /// Its name in Chinese.
    pub name_zh: String,
    /// Its name in English.
    pub name_en: String,
}

/// An agent.
#[derive(Clone, Debug)]
pub struct AgentSetting {
    /// Who.
    pub id: PersonId,
    /// The name to show.
    pub name: String,
    /// The queues the agent serves.
    pub queues: Vec<QueueId>,
    /// Conversations at once, unless the agent says otherwise.
    pub capacity: u16,
}

/// A bot.
#[derive(Debug)]
pub struct BotSetting {
    /// Which.
    pub id: BotId,
    /// The name to show.
    pub name: String,
    /// What it knows.
    pub index: Index,
    /// How sure it must be.
    pub thresholds: Thresholds,
}

impl Tenant {
    /// The agent `id`, when the company has one of that name.
    #[must_use]
    pub fn agent(&self, id: &PersonId) -> Option<&AgentSetting> {
        self.agents.iter().find(|agent| agent.id == *id)
    }

    /// The queue that a conversation goes to unless something else is said.
    ///
    /// # Panics
    /// When the company has no queue; configuration refuses that.
    #[must_use]
    pub fn default_queue(&self) -> &QueueId {
        &self.queues.first().expect("configuration refuses a company without a queue").id
    }
}
