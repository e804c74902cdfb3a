//! The REST side of a replay: looks things up and asks again while the node is away. It never changes a conversation.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::GUARD;
use crate::client::{Message, Person};

/// A node that is there answers within this time.
const GREETING: Duration = Duration::from_secs(5);
const PAGE: u32 = 200;
/// Wait between attempts while the node is away.
const AGAIN: Duration = Duration::from_millis(100);

/// A node's REST.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    bases: Vec<String>,
    /// Which of them is asked now: the next when one cannot be reached.
    turn: Arc<AtomicUsize>,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct MessagePage {
    items: Vec<Message>,
    next: Option<u64>,
}

#[derive(Deserialize)]
struct People {
    #[serde(alias = "items")]
    agents: Vec<Person>,
}

impl Rest {
    /// The REST of a node, or of several of one cluster.
    pub(super) fn new(bases: &[String]) -> anyhow::Result<Self> {
        let bases: Vec<_> = bases.iter().map(|base| base.trim_end_matches('/').to_owned()).collect();
        if let Some(base) = bases.iter().find(|base| !base.starts_with("http://")) {
            bail!(
                "{base:?} is not the address of a node, for instance http://127.0.0.1:8080 (https is not supported here)"
            );
        }
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        Ok(Self { bases, turn: Arc::default(), http })
    }

    fn base(&self) -> &str {
        &self.bases[self.turn.load(Ordering::Relaxed) % self.bases.len()]
    }

    /// The nodes, beginning with the one whose turn `index` is.
    pub(super) fn nodes(&self, index: usize) -> Vec<String> {
        let mut nodes = self.bases.clone();
        nodes.rotate_left(index % self.bases.len());
        nodes
    }

    /// Says at once when there is no node, of several none: later on it may be away for a while, in the beginning it should be there.
    pub(super) async fn greet(&self) -> anyhow::Result<()> {
        let mut absent = None;
        for base in &self.bases {
            match self.http.get(format!("{base}/livez")).timeout(GREETING).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => bail!("{base}/livez says {}: is this a node of Conversa?", answer.status()),
                Err(error) => {
                    absent = Some(anyhow::Error::new(error).context(format!("there is no node at {base}")));
                }
            }
        }
        absent.map_or(Ok(()), Err)
    }

    /// Posts a JSON body that may be posted twice.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(path, || self.http.post(format!("{}{path}", self.base())).json(body)).await
    }

    /// Gets a JSON answer.
    pub(super) async fn get(&self, path: &str, token: &str) -> anyhow::Result<Value> {
        self.ask(path, || self.http.get(format!("{}{path}", self.base())).bearer_auth(token)).await
    }

    /// The agents of a node in development mode.
    pub(super) async fn development_agents(&self) -> anyhow::Result<Vec<Person>> {
        let path = "/v1/dev/people";
        let answer = self.ask(path, || self.http.get(format!("{}{path}", self.base()))).await.context(
            "the node does not tell its people: set node.development = true there, or name its configuration by --token-config",
        )?;
        Ok(serde_json::from_value::<People>(answer)?.agents)
    }

    /// The agents, for a supervisor.
    pub(super) async fn agents(&self, token: &str) -> anyhow::Result<Vec<Person>> {
        Ok(serde_json::from_value::<People>(self.get("/v1/agents", token).await?)?.agents)
    }

    /// All stored messages of a conversation, as the server lists them.
    pub(super) async fn messages(&self, cv: &str, token: &str) -> anyhow::Result<Vec<Message>> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let answer = self
                .get(&format!("/v1/conversations/{cv}/messages?after={after}&limit={PAGE}"), token)
                .await?;
            let page: MessagePage =
                serde_json::from_value(answer).with_context(|| format!("messages of {cv}"))?;
            all.extend(page.items);
            match page.next {
                Some(next) if next > after => after = next,
                Some(next) => bail!("messages of {cv}: the page after {after} leads to {next}"),
                None => return Ok(all),
            }
        }
    }

    /// Asks until there is an answer, at most as long as a session may stand still.
    async fn ask(&self, path: &str, request: impl Fn() -> RequestBuilder) -> anyhow::Result<Value> {
        let give_up = Instant::now() + GUARD;
        loop {
            let failure = match request().send().await {
                Ok(response) if response.status().is_success() => match response.bytes().await {
                    Ok(body) => {
                        return serde_json::from_slice(&body).with_context(|| format!("{path} gave no JSON"));
                    }
                    Err(error) => error.to_string(),
                },
                Ok(response) if !comes_back(response.status()) => {
                    let status = response.status();
                    let body = response.text().await.unwrap_or_default();
                    bail!("{path}: {status} {}", body.chars().take(300).collect::<String>());
                }
                Ok(response) => response.status().to_string(),
                Err(error) => {
                    self.turn.fetch_add(1, Ordering::Relaxed);
                    format!("{:#}", anyhow::Error::new(error))
                }
            };
            if Instant::now() >= give_up {
                bail!("{path}: {failure}");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

fn comes_back(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}
