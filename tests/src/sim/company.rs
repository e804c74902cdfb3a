//! The companies that are simulated: a few agents in one or two queues, few places, a bot that knows little.

use std::sync::{Arc, LazyLock};

use conversa_actors::tenant::{AgentSetting, BotSetting, QueueSetting, Tenant};
use conversa_engine::bot::{Entry, Index, Knowledge, Thresholds};
use conversa_engine::ids::{BotId, PersonId, QueueId, TenantId};
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
    [(2, 2, true), (1, 3, true), (1, 2, false)]
        .map(|(queues, agents, bot)| Arc::new(company(queues, agents, bot, more)))
}

fn company(queues: u16, agents: u16, bot: bool, more: u16) -> Tenant {
    let queue = |n: u16| QueueId::new(format!("queue-{n}"));
    Tenant {
        id: TenantId::new("acme"),
        queues: (0..queues)
            .map(|n| QueueSetting { id: queue(n), name_zh: "客服".into(), name_en: "Service".into() })
            .collect(),
        agents: (0..agents)
            .map(|n| AgentSetting {
                id: PersonId::new(format!("ag_{n}")),
                name: format!("Agent {n}"),
                // Everybody serves the queue that all conversations go to; some serve another one as well.
                queues: (0..queues).take(usize::from(n) + 1).map(queue).collect(),
                capacity: more + [1, 2, 3][usize::from((n + queues) % 3)],
            })
            .collect(),
        bot: bot.then(|| BotSetting {
            id: BotId::new("bot"),
            name: "Bot".into(),
            index: Index::new(&knowledge()),
            thresholds: Thresholds::default(),
        }),
        score_card: Arc::new(ScoreCard::parse(SCORE_CARD).expect("the card above is a score card")),
        offer_ms: 4_000,
        watchers: vec!["summary", "quality", "voice"],
        channels: Vec::new(),
        push: None,
    }
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
