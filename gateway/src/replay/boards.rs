//! What the watchers made of a replay: the hottest keywords, the distribution of quality scores, the worst sessions with evidence.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::rest::Rest;

const KEYWORDS: usize = 20;
const WORST: usize = 5;
/// Watchers come after the conversations; they get this long.
const SETTLE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(250);
/// Looks in a row without a change after which nothing more is expected.
const CALM_LOOKS: u32 = 8;

/// The boards of a node.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Boards {
    /// The hottest keywords, hottest first.
    pub keywords: Vec<Keyword>,
    /// Quality scores.
    pub quality: Quality,
    /// The conversations with the lowest scores.
    pub worst: Vec<Worst>,
}

/// What customers talk about.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of /v1/voc/keywords")]
pub struct Keyword {
    pub keyword: String,
    pub conversations: u64,
    pub positive: u64,
    pub neutral: u64,
    pub negative: u64,
    pub sentiment: String,
    pub heat: f64,
}

/// How good the service was.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of /v1/qa/scores")]
pub struct Quality {
    #[serde(default)]
    pub scored: u64,
    pub mean: Option<f64>,
    pub distribution: Vec<Bin>,
}

/// Conversations with a score in a range.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of /v1/qa/scores")]
pub struct Bin {
    pub from: u64,
    pub to: u64,
    pub count: u64,
}

/// A conversation with a low score.
#[derive(Clone, Debug, Serialize)]
pub struct Worst {
    /// Which.
    pub cv: String,
    /// Its name in the file; `None` when another run played it.
    pub session: Option<String>,
    /// 0 to 100.
    pub score: f64,
    /// It broke a rule that must never be broken.
    pub fatal: bool,
    /// The rules it broke, with the messages that show it.
    pub evidence: Vec<Evidence>,
}

/// A broken rule.
#[derive(Clone, Debug, Serialize)]
pub struct Evidence {
    /// The rule.
    pub rule: String,
    /// Its title in Chinese and English.
    pub title: Value,
    /// The messages, as `offset text`.
    pub messages: Vec<String>,
}

/// Reads the boards when the watchers have caught up with the conversations of `names` (id -> session), or have come to rest.
pub(super) async fn read(
    rest: &Rest,
    token: &str,
    names: &HashMap<String, String>,
) -> anyhow::Result<Boards> {
    let scores = settled(rest, token, names.len()).await?;
    let items = scores["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let worst = items.iter().map(|score| worst(score, names)).collect();
    let quality = serde_json::from_value(scores).context("/v1/qa/scores is not as expected")?;
    let mut keywords = rest.get(&format!("/v1/voc/keywords?limit={KEYWORDS}"), token).await?;
    let keywords =
        serde_json::from_value(keywords["items"].take()).context("/v1/voc/keywords is not as expected")?;
    Ok(Boards { keywords, quality, worst })
}

async fn settled(rest: &Rest, token: &str, sessions: usize) -> anyhow::Result<Value> {
    let give_up = Instant::now() + SETTLE;
    let (mut before, mut calm) = (None, 0);
    loop {
        let scores = rest.get(&format!("/v1/qa/scores?limit={WORST}&order=worst"), token).await?;
        let scored = scores["scored"].as_u64();
        calm = if scored == before { calm + 1 } else { 0 };
        // Sums are ahead of the rows that the list is made of.
        let listed = scores["items"].as_array().map_or(0, Vec::len);
        let complete =
            scored.is_some_and(|scored| scored >= sessions as u64) && listed >= WORST.min(sessions);
        if complete || calm >= CALM_LOOKS || Instant::now() >= give_up {
            return Ok(scores);
        }
        before = scored;
        sleep(LOOK).await;
    }
}

fn worst(score: &Value, names: &HashMap<String, String>) -> Worst {
    let items = score["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let cv = score["cv"].as_str().unwrap_or_default();
    Worst {
        cv: cv.to_owned(),
        session: names.get(cv).cloned(),
        score: score["score"].as_f64().unwrap_or_default(),
        fatal: score["fatal"].as_bool().unwrap_or_default(),
        evidence: items.iter().filter(|item| item["verdict"] == "fail").map(evidence).collect(),
    }
}

fn evidence(item: &Value) -> Evidence {
    let messages = item["evidence"].as_array().map(Vec::as_slice).unwrap_or_default();
    let message =
        |message: &Value| format!("{} {}", message["o"], message["text"].as_str().unwrap_or_default());
    Evidence {
        rule: item["rule"].as_str().unwrap_or_default().to_owned(),
        title: item["title"].clone(),
        messages: messages.iter().map(message).collect(),
    }
}
