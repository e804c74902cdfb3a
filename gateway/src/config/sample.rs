//! The sample company: what a newcomer sees first.

use std::collections::BTreeMap;

use super::{AgentConfig, BotConfig, DeskConfig, QueueConfig, TenantConfig};

/// Its knowledge: 60 entries in Chinese and English.
pub const KNOWLEDGE: &str = include_str!("../../sample/knowledge.toml");
/// Its score card.
pub const SCORE_CARD: &str = include_str!("../../sample/scorecard.toml");

/// The company 晴川优选 / Clearbrook: one queue, two agents, a bot.
#[must_use]
pub fn company() -> TenantConfig {
    let agent = |id: &str, name: &str| AgentConfig {
        id: id.into(),
        name: name.into(),
        queues: vec!["support".into()],
        capacity: 5,
        skills: BTreeMap::new(),
    };
    TenantConfig {
        id: "clearbrook".into(),
        secret: None,
        knowledge: None,
        score_card: None,
        offer_ms: conversa_engine::conversation::OFFER_MS,
        hours: Vec::new(),
        queues: vec![QueueConfig::plain("support", "客户服务", "Customer service")],
        agents: vec![agent("ag_mei", "李梅 Mei"), agent("ag_tom", "Tom")],
        merge_by: super::people::merge_by(),
        departments: Vec::new(),
        teams: Vec::new(),
        push: None,
        desk: DeskConfig::default(),
        bot: Some(BotConfig { id: "qing".into(), name: "小晴 Qing".into() }),
    }
}
