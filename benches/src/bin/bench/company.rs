//! The configuration of the nodes that are measured. Everything that the benches know of Conversa's configuration is here.

use std::fmt::Write;

/// Prefix of the people's ids, between the role's prefix and a number: `vi_b0`, `ag_b0`.
pub(crate) const ID_PREFIX: &str = "b";

/// What differs between measures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Company {
    /// Who reads along.
    pub(crate) watchers: &'static [&'static str],
    /// When an idle actor goes to rest, ms.
    pub(crate) idle_ms: u64,
    /// How many agents there are.
    pub(crate) agents: usize,
    /// Conversations at once per agent.
    pub(crate) capacity: u16,
}

impl Company {
    /// Watchers that the product runs by default, and actors that stay awake while they are measured.
    pub(crate) fn usual(agents: usize) -> Self {
        Self { watchers: &["summary", "quality", "voice"], idle_ms: 90_000, agents, capacity: 4 }
    }
}

/// The configuration file. The data folder is relative to it. Limits are out of the way: the load is the benches', not a stranger's.
pub(crate) fn configuration(company: &Company) -> String {
    let Company { watchers, idle_ms, agents, capacity } = company;
    let mut text = format!(
        r#"[node]
name = "bench"
data = "data"
listen = "127.0.0.1:0"

[limits]
visitor_rate_per_s = 1000000
visitor_burst = 1000000
agent_rate_per_s = 1000000
agent_burst = 1000000
connections_per_address = 1000000

[actors]
idle_ms = {idle_ms}

[watchers]
enabled = {watchers:?}

[[tenants]]
id = "bench"
secret = "the benches' secret, worth nothing anywhere else"
offer_ms = 60000

[[tenants.queues]]
id = "support"
name_zh = "客户服务"
name_en = "Customer service"

[tenants.bot]
id = "bot"
name = "Bot"
"#
    );
    for number in 0..*agents {
        let agent = format!(
            "\n[[tenants.agents]]\nid = \"ag_{ID_PREFIX}{number}\"\nname = \"Agent {number}\"\nqueues = [\"support\"]\ncapacity = {capacity}\n"
        );
        text.write_str(&agent).expect("a string takes text");
    }
    text
}
