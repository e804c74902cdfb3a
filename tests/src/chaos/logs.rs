//! What the store holds when everything is quiet again, for the checker.

use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::{Agent, Conversation, Queue, Session};
use conversa_actors::cell::envelope::unseal;
use conversa_actors::port::Journal;
use conversa_cluster::cql::{Cql, Settings};
use conversa_engine::ids::{PersonId, QueueId, TenantId};
use serde::de::DeserializeOwned;

use crate::checker::{Violation, check_hands};
use crate::history::{Entry, History, Log};
use crate::lab::node::{KEYSPACE, TENANT};

/// Keys and events of one read.
const PAGE: usize = 512;

/// What is wrong with who had which conversation, by the journals of conversations, agents and queues.
pub(super) async fn check(contact_points: Vec<String>) -> anyhow::Result<Vec<Violation>> {
    let settings = Settings {
        contact_points,
        keyspace: KEYSPACE.into(),
        datacenter: "datacenter1".into(),
        replication: 3,
        user: None,
    };
    let store = Cql::open(&settings).await?;
    // What the sample company says; how many conversations an agent takes at once is said by whoever plays the agent.
    let mut history = History { weight: 1, ..History::default() };
    for (key, log) in logs(&store, Conversation::KIND).await? {
        history.conversations.extend(key.parse().ok().map(|id| (id, log)));
    }
    for (key, log) in logs(&store, Agent::KIND).await? {
        let agent = PersonId::new(key);
        history.capacity.insert(agent.clone(), u16::MAX);
        history.agents.insert(agent, log);
    }
    for (key, log) in logs(&store, Session::KIND).await? {
        history.sessions.insert(PersonId::new(key), log);
    }
    for (key, log) in logs(&store, Queue::KIND).await? {
        history.queues.insert(QueueId::new(key), log);
    }
    anyhow::ensure!(
        !history.conversations.is_empty() && !history.agents.is_empty(),
        "the store holds no conversations, or no agents: nothing was checked"
    );
    Ok(check_hands(&history))
}

async fn logs<E: DeserializeOwned>(store: &Cql, kind: &'static str) -> anyhow::Result<Vec<(String, Log<E>)>> {
    let tenant = TenantId::new(TENANT);
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let keys = store.keys(&Address::new(tenant.clone(), kind, after.as_str()), PAGE).await?;
        let Some(last) = keys.last().cloned() else { return Ok(found) };
        for key in keys {
            let log = log(store, &Address::new(tenant.clone(), kind, key.as_str())).await?;
            found.push((key, log));
        }
        after = last;
    }
}

async fn log<E: DeserializeOwned>(store: &Cql, of: &Address) -> anyhow::Result<Log<E>> {
    let mut log = Log::new();
    loop {
        let after = log.last().map_or(0, |entry: &Entry<E>| entry.seq);
        let entries = store.read(of, after, PAGE).await?;
        for entry in &entries {
            let envelope = unseal::<E>(&entry.body)?;
            log.push(Entry { seq: entry.seq, at: envelope.at, event: envelope.body });
        }
        if entries.len() < PAGE {
            return Ok(log);
        }
    }
}
