//! A company's settings as the behaviours see them: replaced as a whole, never changed in place.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use conversa_engine::bot::{Index, Thresholds};
use conversa_engine::conversation::{Opening, Wait};
use conversa_engine::desk::{AgentPolicy, QueuePolicy, Skills, Teams, WhenClosed};
use conversa_engine::ids::{BotId, PersonId, QueueId, TenantId};
use conversa_engine::quality::ScoreCard;
use conversa_engine::time::Time;
use parking_lot::RwLock;

/// A company's settings in force: what all of its cells share, and the copy that one of them has read.
///
/// A cell looks once per step, so that one decision never sees two versions; while nothing changes that costs one load.
#[derive(Clone, Debug)]
pub struct InForce {
    shared: Arc<Shared>,
    generation: u64,
    tenant: Arc<Tenant>,
}

#[derive(Debug)]
struct Shared {
    generation: AtomicU64,
    tenant: RwLock<Arc<Tenant>>,
}

impl From<Arc<Tenant>> for InForce {
    fn from(tenant: Arc<Tenant>) -> Self {
        let shared = Shared { generation: AtomicU64::new(0), tenant: RwLock::new(Arc::clone(&tenant)) };
        Self { shared: Arc::new(shared), generation: 0, tenant }
    }
}

impl Deref for InForce {
    type Target = Arc<Tenant>;

    fn deref(&self) -> &Arc<Tenant> {
        &self.tenant
    }
}

impl InForce {
    /// Reads what is in force now.
    pub fn refresh(&mut self) {
        if self.generation != self.shared.generation.load(Ordering::Acquire) {
            let tenant = self.shared.tenant.read();
            // Written under the same lock, so the two belong together.
            self.generation = self.shared.generation.load(Ordering::Acquire);
            self.tenant = Arc::clone(&tenant);
        }
    }

    /// What is in force now.
    #[must_use]
    pub fn now(&self) -> Arc<Tenant> {
        Arc::clone(&self.shared.tenant.read())
    }

    /// Puts others in force, for every cell from its next step on.
    pub fn replace(&self, tenant: Arc<Tenant>) {
        let mut shared = self.shared.tenant.write();
        *shared = tenant;
        self.shared.generation.fetch_add(1, Ordering::Release);
    }
}

/// One company.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Which.
    pub id: TenantId,
    /// Its queues; the first is the default.
    pub queues: Vec<QueueSetting>,
    /// Its agents.
    pub agents: Vec<AgentSetting>,
    /// The bot that answers first, if there is one.
    pub bot: Option<Arc<BotSetting>>,
    /// How conversations are scored.
    pub score_card: Arc<ScoreCard>,
    /// How conversations of each kind are routed; the first rule that fits one counts.
    pub rules: Vec<RuleSetting>,
    /// Points that a conversation of a channel takes; 1 when it is not named.
    pub weights: BTreeMap<String, u16>,
    /// How long an agent without a socket is not yet gone, milliseconds.
    pub grace_ms: i64,
    /// The watchers that read its conversations, by name.
    pub watchers: Vec<&'static str>,
    /// The channels whose messages leave through an adapter of the company.
    pub channels: Vec<String>,
    /// The attributes by whose signed value identities are one customer.
    pub merge_by: Vec<String>,
    /// Who works with whom.
    pub teams: Teams,
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
    /// How it works.
    pub policy: QueuePolicy,
    /// Within which time a human should have answered, milliseconds.
    pub goal_ms: Option<i64>,
    /// Who held the conversation last is asked first.
    pub sticky: bool,
}

/// An agent.
#[derive(Clone, Debug)]
pub struct AgentSetting {
    /// Who.
    pub id: PersonId,
    /// The name to show.
    pub name: String,
    /// What the agent can do, and how well.
    pub skills: Skills,
    /// How the agent works: queues, points at once, what happens when it is gone.
    pub policy: AgentPolicy,
}

/// Which conversations need what.
#[derive(Clone, Debug, Default)]
pub struct RuleSetting {
    /// Only of this channel.
    pub channel: Option<String>,
    /// Only of visitors who speak this language.
    pub language: Option<String>,
    /// Only in this queue.
    pub queue: Option<QueueId>,
    /// What the agent must be able to do.
    pub needs: Skills,
    /// How much sooner than others they go: added to their priority.
    pub priority: u8,
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

    /// The queue `id`, when the company has one of that name.
    #[must_use]
    pub fn queue(&self, id: &QueueId) -> Option<&QueueSetting> {
        self.queues.iter().find(|queue| queue.id == *id)
    }

    /// Says in `wait` what the company's settings make of a conversation that begins to wait.
    pub fn route(&self, opening: &Opening, last: Option<&PersonId>, wait: &mut Wait) {
        // A conversation that began under other settings may name a queue that is not there any more: nobody would serve it there.
        if self.queue(&wait.queue).is_none() {
            wait.queue = self.default_queue().clone();
        }
        self.pass_closed(wait);
        wait.priority =
            wait.priority.saturating_add(self.rule(opening, wait).map_or(0, |rule| rule.priority));
        self.route_on(opening, last, wait);
    }

    /// The same for one that goes on waiting in a queue that helps: how much sooner it goes than others stays.
    pub fn route_on(&self, opening: &Opening, last: Option<&PersonId>, wait: &mut Wait) {
        wait.needs = self.rule(opening, wait).map(|rule| rule.needs.clone()).unwrap_or_default();
        wait.weight = self.weight(opening);
        if let Some(queue) = self.queue(&wait.queue) {
            wait.due = queue.goal_ms.map(|ms| queue.policy.time.after(wait.since, ms));
            wait.prefers = last.filter(|_| queue.sticky).cloned();
        }
    }

    fn rule(&self, opening: &Opening, wait: &Wait) -> Option<&RuleSetting> {
        let fits = |rule: &&RuleSetting| {
            rule.channel.as_ref().is_none_or(|channel| *channel == opening.channel)
                && rule.language.as_ref().is_none_or(|language| *language == opening.language)
                && rule.queue.as_ref().is_none_or(|queue| *queue == wait.queue)
        };
        self.rules.iter().find(fits)
    }

    /// True for a queue of the company that is open.
    #[must_use]
    pub fn is_open(&self, queue: &QueueId, at: Time) -> bool {
        self.queue(queue).is_some_and(|queue| queue.policy.time.closed_until(at).is_none())
    }

    /// From a closed queue to the one that takes its conversations meanwhile, and on; each queue is asked once.
    fn pass_closed(&self, wait: &mut Wait) {
        for _ in 0..self.queues.len() {
            let Some(queue) = self.queue(&wait.queue) else { return };
            let time = &queue.policy.time;
            wait.opens = time.closed_until(wait.since);
            wait.kept = wait.opens.is_some() && time.when_closed == WhenClosed::Message;
            match &time.when_closed {
                WhenClosed::Queue(other) if wait.opens.is_some() && self.queue(other).is_some() => {
                    wait.queue = other.clone();
                }
                WhenClosed::Wait | WhenClosed::Message | WhenClosed::Queue(_) => return,
            }
        }
    }

    /// Points that a conversation takes.
    #[must_use]
    pub fn weight(&self, opening: &Opening) -> u16 {
        self.weights.get(&opening.channel).copied().unwrap_or(1)
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
