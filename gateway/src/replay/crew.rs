//! The agents of a replay: every configured agent is online with several sockets, because one socket's rate would hold back a fast
//! replay, and because several devices of one person must all see the same.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use parking_lot::Mutex;

use super::checker::Side;
use super::ledger::Ledger;
use super::progress::Tally;
use super::rest::Rest;
use super::tokens::Tokens;
use super::{RETURN, ReplayArgs};
use crate::client::{Client, Encoding, Event, Events, Options, Person, Role, TokenSource};

/// Lanes that one socket serves.
const LANES_PER_POST: usize = 3;
/// Places beyond the lanes: a closed conversation gives its place back a moment later.
const SPARE_PLACES: usize = 16;
/// The engine's bound.
const CAPACITY_MAX: usize = 500;

/// Which ledger takes a conversation's events.
pub(super) type Routes = Arc<Mutex<HashMap<String, Arc<Ledger>>>>;

/// All agents' sockets.
#[derive(Debug)]
pub(super) struct Crew {
    posts: Vec<Post>,
}

/// One socket of one agent.
#[derive(Debug)]
struct Post {
    agent: String,
    client: Client,
}

impl Crew {
    /// Brings every agent online.
    pub(super) async fn gather(
        args: &ReplayArgs,
        rest: &Rest,
        tokens: &Tokens,
        people: &[Person],
        nonce: &str,
        routes: &Routes,
        tally: &Arc<Tally>,
    ) -> anyhow::Result<Self> {
        if people.is_empty() {
            bail!("the company has no agents: add one to the node's configuration");
        }
        let per_agent = args.parallel.div_ceil(LANES_PER_POST * people.len()).max(1);
        let capacity = u16::try_from((args.parallel + SPARE_PLACES).min(CAPACITY_MAX)).expect("at most 500");
        let mut posts = Vec::new();
        for device in 0..per_agent {
            for person in people {
                let encoding = encoding(posts.len());
                let name = format!("{}.{device}", person.id);
                let options = options(
                    rest,
                    tokens,
                    Role::Agent,
                    &person.id,
                    // Of its own: a conversation may go from one agent to another, and keys begin with the device.
                    &format!("replay-{nonce}-{}", posts.len()),
                    encoding,
                    posts.len() + 1,
                );
                let options =
                    Options { paced: true, seed: args.seed.wrapping_add(posts.len() as u64), ..options };
                let (client, events) = Client::connect(options)
                    .await
                    .with_context(|| format!("{} cannot connect", person.id))?;
                tokio::spawn(listen(
                    client.clone(),
                    events,
                    name,
                    capacity,
                    Arc::clone(routes),
                    Arc::clone(tally),
                ));
                posts.push(Post { agent: person.id.clone(), client });
            }
        }
        Ok(Self { posts })
    }

    /// The socket through which `agent` serves the session number `index`.
    pub(super) fn socket(&self, agent: &str, index: usize) -> Option<&Client> {
        let own: Vec<&Post> = self.posts.iter().filter(|post| post.agent == agent).collect();
        (!own.is_empty()).then(|| &own[index % own.len()].client)
    }

    /// Everybody goes home.
    pub(super) async fn leave(self) {
        for post in &self.posts {
            // The node forgets an agent without sockets by itself; this only saves it the wait.
            let _ =
                tokio::time::timeout(Duration::from_secs(2), post.client.set_presence("offline", None)).await;
        }
        for post in &self.posts {
            let _ = tokio::time::timeout(Duration::from_secs(2), post.client.close()).await;
        }
    }
}

/// Half of all sockets write JSON, half `MessagePack`.
pub(super) fn encoding(index: usize) -> Encoding {
    if index.is_multiple_of(2) { Encoding::Json } else { Encoding::MessagePack }
}

/// How everybody in a replay connects.
pub(super) fn options(
    rest: &Rest,
    tokens: &Tokens,
    role: Role,
    id: &str,
    device: &str,
    encoding: Encoding,
    turn: usize,
) -> Options {
    let (source_rest, source_tokens, source_id) = (rest.clone(), tokens.clone(), id.to_owned());
    let token: TokenSource = Arc::new(move || {
        let (rest, tokens, id) = (source_rest.clone(), source_tokens.clone(), source_id.clone());
        Box::pin(async move { tokens.token(&rest, role, &id).await.map_err(|error| format!("{error:#}")) })
    });
    let mut nodes = rest.nodes(turn);
    let first = nodes.remove(0);
    Options {
        token,
        others: nodes,
        backoff: RETURN,
        patience: super::GUARD,
        ..Options::new(first, encoding, role, device, "")
    }
}

/// Writes everything that one socket is shown into the ledgers, and goes online on each connection.
async fn listen(
    client: Client,
    mut events: Events,
    name: String,
    capacity: u16,
    routes: Routes,
    tally: Arc<Tally>,
) {
    while let Some(event) = events.next().await {
        match event {
            Event::Snapshot(snapshot) => {
                for view in &snapshot.conversations {
                    if let Some(ledger) = ledger(&routes, &view.cv) {
                        ledger.learn(view);
                    }
                }
                // Beside this task: the events of the connection must not wait for the answer.
                let client = client.clone();
                tokio::spawn(async move { client.set_presence("online", Some(capacity)).await.map(drop) });
            }
            Event::Log(event) => {
                if let Some(ledger) = ledger(&routes, &event.cv) {
                    ledger.show(Side::Agent, &name, &event);
                }
            }
            Event::Ended(why) => tracing::debug!(socket = name, %why, "an agent's socket has ended"),
            Event::Disconnected(_) => tally.resumed(),
            Event::Connected(_) | Event::Ephemeral { .. } => {}
        }
    }
}

fn ledger(routes: &Routes, cv: &str) -> Option<Arc<Ledger>> {
    routes.lock().get(cv).cloned()
}
