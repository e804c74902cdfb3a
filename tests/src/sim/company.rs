//! The companies that are simulated: a few agents in one or two queues, few places, a bot that knows little.

use std::sync::{Arc, LazyLock};

use conversa_actors::tenant::{AgentSetting, BotSetting, QueueSetting, RuleSetting, Tenant};
use conversa_engine::bot::{Entry, Index, Knowledge, Thresholds};
use conversa_engine::conversation::Survey;
use conversa_engine::desk::{
    AgentPolicy, Choice, IdlePolicy, LEVEL_MAX, OverflowPolicy, QueuePolicy, Ring, SlaPolicy, Teams,
    TimePolicy, WhenGone, WrapPolicy,
};
use conversa_engine::ids::{BotId, PersonId, QueueId, SkillId, TenantId};
use conversa_engine::quality::ScoreCard;
use conversa_engine::text::Language;

/// Made once: an index and a score card cost more than a run.
static COMPANIES: LazyLock<[Arc<Tenant>; 3]> = LazyLock::new(|| companies(0));
/// The same companies when somebody has counted one place too many.
static MISCOUNTED: LazyLock<[Arc<Tenant>; 3]> = LazyLock::new(|| companies(1));

const SCORE_CARD: &str = r#"
version = 1
title = { zh = "质检", en = "Quality" }

[[sections]]
id = "courtesy"
title = { zh = "礼仪", en = "Courtesy" }
weight = 100

[[rules]]
id = "greeting"
title = { zh = "问好", en = "Greeting" }
section = "courtesy"
weight = 5
scope = { role = "agent", first = 2 }
check = { any_keyword = { phrases = ["hello"] } }

[[rules]]
id = "first_response"
title = { zh = "及时", en = "In time" }
section = "courtesy"
weight = 5
applies = "human"
check = { feature = { id = "first_human_response_ms", at_most = 60000 } }
"#;

/// The company of a seed.
pub(super) fn of(seed: u64) -> Arc<Tenant> {
    let place = usize::try_from(seed % 3).expect("it is below 3");
    Arc::clone(&COMPANIES[place])
}

/// The same company with one place more for each agent.
pub(super) fn miscounted(seed: u64) -> Arc<Tenant> {
    let place = usize::try_from(seed % 3).expect("it is below 3");
    Arc::clone(&MISCOUNTED[place])
}

fn companies(more: u16) -> [Arc<Tenant>; 3] {
    let plain = Company { queues: 1, agents: 2, bot: false, ..Company::default() };
    let skilled =
        Company { queues: 2, agents: 2, bot: true, skilled: true, choice: Choice::LeastLoaded, ..plain };
    let heavy = Company {
        agents: 3,
        bot: true,
        weight: 2,
        when_gone: WhenGone::Keep,
        choice: Choice::RoundRobin,
        ..plain
    };
    [skilled, heavy, plain].map(|company| Arc::new(company.made(more)))
}

/// In what the companies differ.
#[derive(Clone, Copy)]
struct Company {
    queues: u16,
    agents: u16,
    bot: bool,
    /// Conversations need something that not everybody can do, at first.
    skilled: bool,
    /// Points of a conversation.
    weight: u16,
    choice: Choice,
    when_gone: WhenGone,
}

impl Default for Company {
    fn default() -> Self {
        Self {
            queues: 1,
            agents: 2,
            bot: false,
            skilled: false,
            weight: 1,
            choice: Choice::LongestIdle,
            when_gone: WhenGone::Requeue,
        }
    }
}

impl Company {
    fn made(self, more: u16) -> Tenant {
        let setting = |n: u16| QueueSetting {
            id: queue(n),
            name_zh: "客服".into(),
            name_en: "Service".into(),
            policy: QueuePolicy {
                offer_ms: 4_000,
                choice: self.choice,
                auto_accept: false,
                rings: vec![Ring { after_ms: 3_000, relax: LEVEL_MAX }],
                wrap: WrapPolicy { wrap_ms: if self.bot { 4_000 } else { 0 }, codes: vec!["solved".into()] },
                time: self.time(),
                survey: Some(Survey::Csat),
                overflow: self.overflow(n),
            },
            goal_ms: Some(20_000),
            sticky: self.skilled,
        };
        let needs = [(SkillId::new("en"), 5)].into();
        Tenant {
            id: TenantId::new("acme"),
            queues: (0..self.queues).map(setting).collect(),
            agents: (0..self.agents).map(|n| self.agent(n, more)).collect(),
            bot: self.bot.then(|| {
                Arc::new(BotSetting {
                    id: BotId::new("bot"),
                    name: "Bot".into(),
                    index: Index::new(&knowledge()),
                    thresholds: Thresholds::default(),
                })
            }),
            score_card: Arc::new(ScoreCard::parse(SCORE_CARD).expect("the card above is a score card")),
            rules: self
                .skilled
                .then(|| RuleSetting { needs, ..RuleSetting::default() })
                .into_iter()
                .collect(),
            weights: [("web".to_owned(), self.weight)].into(),
            grace_ms: 15_000,
            watchers: vec!["summary", "quality", "voice", "service"],
            channels: Vec::new(),
            merge_by: Vec::new(),
            teams: Teams::default(),
            push: None,
        }
    }

    /// Two queues help each other: one when somebody waits long, the other when several wait.
    fn overflow(self, n: u16) -> OverflowPolicy {
        if self.queues < 2 {
            return OverflowPolicy::default();
        }
        let (after_ms, longer_than) = if n == 0 { (Some(2_500), None) } else { (None, Some(1)) };
        OverflowPolicy { after_ms, longer_than, to: vec![queue(1 - n)] }
    }

    /// Some set goals, others bear no silence.
    fn time(self) -> TimePolicy {
        let ms = |ms: i64| self.skilled.then_some(ms);
        let goals = SlaPolicy {
            first_response_ms: ms(3_000),
            next_response_ms: ms(2_000),
            resolution_ms: ms(30_000),
            ..SlaPolicy::default()
        };
        let ms = |ms: i64| (self.weight > 1).then_some(ms);
        let idle = IdlePolicy {
            visitor_warn_ms: ms(6_000),
            visitor_close_ms: ms(20_000),
            agent_warn_ms: ms(8_000),
            agent_requeue_ms: ms(25_000),
        };
        TimePolicy { sla: goals, idle, ..TimePolicy::default() }
    }

    fn agent(self, n: u16, more: u16) -> AgentSetting {
        AgentSetting {
            id: PersonId::new(format!("ag_{n}")),
            name: format!("Agent {n}"),
            skills: [(SkillId::new("en"), if n == 0 { 8 } else { 3 })].into(),
            policy: AgentPolicy {
                // Everybody serves the queue that all conversations go to; some serve another one as well.
                serves: (0..self.queues).take(usize::from(n) + 1).map(queue).collect(),
                capacity: more + self.weight * [1, 2, 3][usize::from((n + self.queues) % 3)],
                misses_max: 3,
                when_gone: self.when_gone,
                keep_ms: 6_000,
                ..AgentPolicy::default()
            },
        }
    }
}

fn queue(n: u16) -> QueueId {
    QueueId::new(format!("queue-{n}"))
}

fn knowledge() -> Knowledge {
    let entry = |id: &str, lang, question: &str, answer: &str| Entry {
        id: id.into(),
        lang,
        question: question.into(),
        phrasings: Vec::new(),
        answer: answer.into(),
        tags: Vec::new(),
    };
    let entries = vec![
        entry("zh-return", Language::Chinese, "怎么退货", "签收后 7 天内可以退货。"),
        entry("zh-track", Language::Chinese, "我的快递到哪了", "请在订单中查看物流。"),
        entry("en-return", Language::English, "how do I return an item", "Within 7 days."),
        entry("en-track", Language::English, "where is my parcel", "See your order."),
    ];
    Knowledge::from_entries(entries).expect("the entries above are complete")
}
