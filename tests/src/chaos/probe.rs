//! Probes: people who speak all the time, each in a conversation of its own, and note when each message was accepted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use conversa_actors::port::Clock;
use conversa_cluster::clock::{WallClock, random};
use conversa_engine::content::Content;
use conversa_engine::ids::{PersonId, TenantId};
use conversa_gateway::auth::{self, Principal, Role};
use conversa_gateway::client::{Backoff, Client, Encoding, Options, TokenSource};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::faults::Touched;
use super::load::Sums;
use super::nodes::Nodes;
use crate::lab::NODES;
use crate::lab::node::{SECRET, TENANT};

/// Between the messages of one probe.
const PACE: Duration = Duration::from_millis(150);
/// A probe of which nothing was accepted for this time waits.
const LATE: Duration = Duration::from_secs(1);
/// A conversation that takes nothing for this time is given up: the run fails.
const LOST_PATIENCE: Duration = Duration::from_secs(120);
/// A fault shows itself within this time: a lease that is not renewed is over, and a line that is cut is noticed.
const SHOWS: Duration = Duration::from_secs(5);
/// Probes come back at once, and again and again.
const RETURN: Backoff = Backoff { first_ms: 50, longest_ms: 200 };

/// One probe.
struct Probe {
    /// The node to which it connects first.
    home: usize,
    cv: String,
    /// (when it was sent, when it was accepted), in order; the message's number is its place, from 1.
    accepted: Arc<Mutex<Vec<(Instant, Instant)>>>,
    speaking: JoinHandle<()>,
}

/// How long conversations took.
pub(super) struct Recovery {
    /// Each of them, ms.
    pub(super) each: Vec<u64>,
    /// The slowest.
    pub(super) ms: u64,
    pub(super) slowest: String,
}

/// All probes.
pub(super) struct Probes {
    probes: Vec<Probe>,
    name: String,
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.probes.iter().for_each(|probe| probe.speaking.abort());
    }
}

/// A token of the lab's company.
fn token(role: Role, id: &str) -> anyhow::Result<String> {
    let principal =
        Principal { tenant: TenantId::new(TENANT), role, id: PersonId::new(id), name: id.to_owned() };
    let (token, _) = auth::sign(SECRET, &principal, WallClock::default().now())?;
    Ok(token)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn text(name: &str, n: usize) -> String {
    format!("probe {name} {n}")
}

impl Probes {
    pub(super) async fn start(nodes: &Nodes, count: usize, name: &str) -> anyhow::Result<Self> {
        let nonce = u32::from_be_bytes(random::<4>());
        let name = format!("{name} {nonce:08x}");
        let mut probes = Vec::new();
        for index in 0..count {
            let home = index % NODES;
            let mut urls = nodes.urls().to_vec();
            urls.rotate_left(home);
            let first = urls.remove(0);
            let id = format!("vi_probe-{nonce:08x}-{index}");
            let of = id.clone();
            let source: TokenSource = Arc::new(move || {
                let token = token(Role::Visitor, &of).map_err(|error| error.to_string());
                Box::pin(std::future::ready(token))
            });
            let options = Options {
                token: source,
                others: urls,
                backoff: RETURN,
                patience: LOST_PATIENCE,
                ..Options::new(first, Encoding::Json, Role::Visitor, format!("probe-{nonce:08x}"), "")
            };
            let (client, mut events) = Client::connect(options).await.context("a probe cannot connect")?;
            tokio::spawn(async move { while events.next().await.is_some() {} });
            let (cv, _) = client.open("web", "en").await.context("a probe cannot open a conversation")?;
            let accepted = Arc::default();
            let speaking = speak(client, cv.clone(), name.clone(), Arc::clone(&accepted));
            probes.push(Probe { home, cv, accepted, speaking: tokio::spawn(speaking) });
        }
        Ok(Self { probes, name })
    }

    /// The longest time that a message of a touched probe waited since `since`, once each of them has had one accepted that it sent when the
    /// fault had had its time to show; and which conversation that was.
    pub(super) async fn recovered(&self, since: Instant, touched: Touched, victim: usize) -> Recovery {
        tokio::time::sleep_until(since + SHOWS).await;
        let from = Instant::now();
        let mut recovery = Recovery { each: Vec::new(), ms: 0, slowest: String::new() };
        for probe in &self.probes {
            let concerned = match touched {
                Touched::All => true,
                Touched::AtVictim => probe.home == victim,
                Touched::Elsewhere => probe.home != victim,
            };
            if !concerned {
                continue;
            }
            while from.elapsed() < LOST_PATIENCE
                && probe.accepted.lock().last().is_none_or(|(sent, _)| *sent < from)
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let accepted = probe.accepted.lock();
            let waits =
                accepted.iter().filter(|(_, at)| *at >= since).map(|(sent, at)| *at - since.max(*sent));
            // One that took nothing at all has waited until now.
            let silent = accepted.last().is_none_or(|(sent, _)| *sent < from).then(|| since.elapsed());
            let ms = millis(waits.chain(silent).max().unwrap_or_default());
            recovery.each.push(ms);
            if ms >= recovery.ms {
                (recovery.ms, recovery.slowest) = (ms, probe.cv.clone());
            }
        }
        recovery
    }

    /// The longest time that a message of each probe waited which was accepted since `since`, ms.
    pub(super) fn waits(&self, since: Instant) -> Vec<u64> {
        let longest = |probe: &Probe| {
            let accepted = probe.accepted.lock();
            let waits =
                accepted.iter().rev().take_while(|(_, at)| *at >= since).map(|(sent, at)| *at - *sent);
            // One that took nothing for longer than a message needs waits still.
            let last = accepted.last().map_or(since, |(_, at)| since.max(*at)).elapsed();
            millis(waits.chain(Some(last).filter(|last| *last > LATE)).max().unwrap_or_default())
        };
        self.probes.iter().map(longest).collect()
    }

    /// Ends the probes and compares what was accepted with what is stored.
    pub(super) async fn stop(mut self, nodes: &Nodes) -> anyhow::Result<Sums> {
        let mut sums = Sums::default();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        for probe in std::mem::take(&mut self.probes) {
            probe.speaking.abort();
            // What was still under way may be there or not.
            let _ = probe.speaking.await;
            let accepted = probe.accepted.lock().len();
            let stored = stored(&http, &nodes.urls()[probe.home], &probe.cv, &self.name).await?;
            sums.acknowledged += accepted as u64;
            let mut seen: HashMap<usize, u64> = HashMap::new();
            for n in &stored {
                *seen.entry(*n).or_default() += 1;
            }
            sums.lost += (1..=accepted).filter(|n| !seen.contains_key(n)).count() as u64;
            sums.doubled += seen.values().map(|count| count - 1).sum::<u64>();
            sums.reordered += stored.windows(2).filter(|pair| pair[1] < pair[0]).count() as u64;
        }
        Ok(sums)
    }
}

async fn speak(client: Client, cv: String, name: String, accepted: Arc<Mutex<Vec<(Instant, Instant)>>>) {
    for n in 1.. {
        let sent = Instant::now();
        if let Err(error) = client.say(&cv, &Content::text(text(&name, n))).await {
            eprintln!("a probe gives up: {error}");
            return;
        }
        accepted.lock().push((sent, Instant::now()));
        tokio::time::sleep(PACE).await;
    }
}

/// Numbers of the probe's messages in the log of its conversation.
async fn stored(http: &reqwest::Client, url: &str, cv: &str, name: &str) -> anyhow::Result<Vec<usize>> {
    let (mut numbers, mut after) = (Vec::new(), 0);
    let prefix = format!("probe {name} ");
    loop {
        let url = format!("{url}/v1/conversations/{cv}/messages?after={after}&limit=200");
        let answer = http.get(&url).bearer_auth(token(Role::Supervisor, "su_chaos")?).send().await?;
        let page: Value = answer.error_for_status()?.json().await?;
        for item in page["items"].as_array().into_iter().flatten() {
            let words = item["content"]["text"].as_str().unwrap_or_default();
            if let Some(n) = words.strip_prefix(&prefix).and_then(|n| n.parse().ok()) {
                numbers.push(n);
            }
        }
        match page["next"].as_u64() {
            Some(next) if next > after => after = next,
            Some(next) => bail!("the page after {after} leads to {next}"),
            None => return Ok(numbers),
        }
    }
}
