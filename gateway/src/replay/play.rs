//! Plays one session: a visitor comes, asks for a human, both say their lines in order, the agent closes. Each line waits until the
//! one before is acknowledged and seen.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use conversa_engine::content::Content;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::GUARD;
use super::checker::Side;
use super::crew::{Crew, Routes, encoding, options};
use super::ledger::{Ledger, Page};
use super::progress::{Progress, Tally};
use super::recording::{Recording, Turn};
use super::rest::Rest;
use super::tokens::Tokens;
use crate::client::{Client, ClientError, Event, Events, Options, Role, Sent};

/// Wait before something refused is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) rest: Rest,
    pub(super) tokens: Tokens,
    pub(super) crew: Crew,
    pub(super) routes: Routes,
    pub(super) progress: Progress,
    pub(super) tally: Arc<Tally>,
    /// Tells this run from others on the same node.
    pub(super) nonce: String,
    pub(super) seed: u64,
}

/// A session that was played, to its end or not.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) cv: Option<String>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) failure: Option<String>,
}

/// Plays the recording number `index`.
pub(super) async fn play(stage: &Stage, index: usize, recording: &Recording) -> Played {
    let ledger = Arc::new(Ledger::new());
    let mut cv = None;
    let played = Box::pin(act(stage, index, recording, &ledger, &mut cv)).await;
    let failure = played.err().map(|error| format!("{error:#}"));
    stage.progress.session(&recording.name, failure.as_deref());
    Played { cv, ledger, failure }
}

async fn act(
    stage: &Stage,
    index: usize,
    recording: &Recording,
    ledger: &Arc<Ledger>,
    cv: &mut Option<String>,
) -> anyhow::Result<()> {
    let id = format!("vi_replay-{}-{index}", stage.nonce);
    let options = options(
        &stage.rest,
        &stage.tokens,
        Role::Visitor,
        &id,
        &format!("replay-{}", stage.nonce),
        encoding(index),
        index,
    );
    let options = Options { seed: stage.seed ^ (index as u64) << 32, ..options };
    let (visitor, events) = Client::connect(options).await.context("the visitor cannot connect")?;
    tokio::spawn(listen(events, Arc::clone(ledger), Arc::clone(&stage.tally)));
    let (opened, view) =
        within("conversation.open", visitor.open(&recording.channel, &recording.lang)).await??;
    stage.routes.lock().insert(opened.clone(), Arc::clone(ledger));
    *cv = Some(opened.clone());
    ledger.opened(&view);
    let news = ledger.watch();
    let mut scene =
        Scene { stage, index, visitor, ledger, cv: opened, news, asked_at: None, tried: HashSet::new() };
    scene.until("an agent takes the conversation", assigned).await?;
    for turn in &recording.turns {
        scene.turn(turn).await?;
        stage.progress.turn();
    }
    scene.close().await
}

/// Writes what the visitor is shown into the ledger.
async fn listen(mut events: Events, ledger: Arc<Ledger>, tally: Arc<Tally>) {
    while let Some(event) = events.next().await {
        match event {
            Event::Snapshot(snapshot) => snapshot.conversations.iter().for_each(|view| ledger.learn(view)),
            Event::Log(event) => ledger.show(Side::Visitor, "visitor", &event),
            Event::Disconnected(_) => tally.resumed(),
            Event::Connected(_) | Event::Ephemeral { .. } | Event::Ended(_) => {}
        }
    }
}

/// One session while it is played.
struct Scene<'a> {
    stage: &'a Stage,
    index: usize,
    visitor: Client,
    ledger: &'a Arc<Ledger>,
    cv: String,
    news: watch::Receiver<u64>,
    /// The offset at which a human was asked for last.
    asked_at: Option<u64>,
    /// Offers that were answered already.
    tried: HashSet<String>,
}

/// What must be done before the play goes on.
enum Step {
    Done,
    AskHuman,
    Accept { offer: String, agent: String },
    Wait,
}

fn assigned(page: &Page) -> bool {
    page.phase == "assigned" && page.agent.is_some()
}

impl Scene<'_> {
    async fn turn(&mut self, turn: &Turn) -> anyhow::Result<()> {
        let place = self.ledger.sending(turn.side, turn.content.clone());
        let sent = self.say(turn.side, &turn.content).await?;
        self.ledger.acknowledged(place, &sent);
        if sent.dup {
            self.stage.tally.repeated();
        }
        if sent.forwarded {
            bail!("the conversation was closed in the middle: a message went on to the next one");
        }
        let (reader, key) = (turn.side.other(), sent.key);
        self.until(&format!("the {reader} sees message {key}"), move |page| page.saw(reader, &key)).await
    }

    async fn say(&mut self, side: Side, content: &Content) -> anyhow::Result<Sent> {
        let give_up = Instant::now() + GUARD;
        loop {
            let speaker = match side {
                Side::Visitor => self.visitor.clone(),
                Side::Agent => self.holder().await?,
            };
            match within("message.send", speaker.say(&self.cv, content)).await? {
                Ok(sent) => return Ok(sent),
                // The conversation is on its way to another agent: whoever holds it then says the line.
                Err(error)
                    if side == Side::Agent
                        && error.code() == Some("not_assigned")
                        && Instant::now() < give_up =>
                {
                    sleep(AGAIN).await;
                }
                Err(error) => bail!("the {side} cannot say {:?}: {error}", content.plain()),
            }
        }
    }

    /// The socket of the agent who holds the conversation.
    async fn holder(&mut self) -> anyhow::Result<Client> {
        self.until("an agent takes the conversation", assigned).await?;
        let agent = self.ledger.look(|page| page.agent.clone()).unwrap_or_default();
        let client = self.stage.crew.socket(&agent, self.index);
        client.cloned().with_context(|| format!("the conversation went to {agent}, who is not played here"))
    }

    async fn close(&mut self) -> anyhow::Result<()> {
        let agent = self.holder().await?;
        match within("conversation.close", agent.close_conversation(&self.cv, "resolved")).await? {
            Ok(_) => {}
            Err(error) if error.code() == Some("conversation_closed") => {}
            Err(error) => bail!("the agent cannot close: {error}"),
        }
        // The visitor's last acknowledgement; the node does without it.
        let _ = tokio::time::timeout(AGAIN * 20, self.visitor.close()).await;
        Ok(())
    }

    /// Waits for `done`, meanwhile bringing the conversation back to an agent if it lost its own.
    async fn until(&mut self, what: &str, done: impl Fn(&Page) -> bool) -> anyhow::Result<()> {
        let give_up = Instant::now() + GUARD;
        loop {
            self.news.mark_unchanged();
            match self.next_step(&done)? {
                Step::Done => return Ok(()),
                Step::AskHuman => self.ask_human().await?,
                Step::Accept { offer, agent } => self.accept(offer, &agent).await?,
                Step::Wait => {
                    let changed = timeout_at(give_up, self.news.changed()).await;
                    if changed.is_err() {
                        bail!(
                            "no progress for {} s: waiting until {what}; {}",
                            GUARD.as_secs(),
                            self.whereabouts()
                        );
                    }
                }
            }
            if Instant::now() >= give_up {
                bail!(
                    "no progress for {} s: {what} does not happen; {}",
                    GUARD.as_secs(),
                    self.whereabouts()
                );
            }
        }
    }

    fn next_step(&self, done: &impl Fn(&Page) -> bool) -> anyhow::Result<Step> {
        self.ledger.look(|page| {
            if let Some(broken) = &page.broken {
                bail!("{broken}");
            }
            if done(page) {
                return Ok(Step::Done);
            }
            Ok(match (&*page.phase, &page.offer) {
                ("closed", _) => bail!("the conversation was closed in the middle"),
                ("bot", _) if self.asked_at.is_none_or(|asked| page.o > asked) => Step::AskHuman,
                ("offered", Some((offer, agent))) if !self.tried.contains(offer) => {
                    Step::Accept { offer: offer.clone(), agent: agent.clone() }
                }
                _ => Step::Wait,
            })
        })
    }

    async fn ask_human(&mut self) -> anyhow::Result<()> {
        match within("human.request", self.visitor.ask_human(&self.cv)).await? {
            // One who had asked already is told so without an offset.
            Ok(o) => self.asked_at = Some(o.max(self.ledger.look(|page| page.o))),
            Err(error) => {
                tracing::debug!(cv = self.cv, %error, "a human was asked for in vain");
                sleep(AGAIN).await;
            }
        }
        Ok(())
    }

    async fn accept(&mut self, offer: String, agent: &str) -> anyhow::Result<()> {
        let Some(client) = self.stage.crew.socket(agent, self.index) else {
            bail!("the conversation was offered to {agent}, who is not played here");
        };
        let answer = within("offer.accept", client.accept(&self.cv, &offer)).await?;
        self.tried.insert(offer);
        match answer {
            Ok(_) | Err(ClientError::Refused(_)) => Ok(()),
            Err(error) => bail!("{agent} cannot accept: {error}"),
        }
    }

    fn whereabouts(&self) -> String {
        self.ledger.look(|page| {
            let agent = page.agent.as_deref().unwrap_or("nobody");
            format!("{} is {:?} with {agent} at offset {}", self.cv, page.phase, page.o)
        })
    }
}

/// A request gets as much time as a session may stand still.
async fn within<T>(what: &str, asking: impl Future<Output = T>) -> anyhow::Result<T> {
    let late = || format!("no progress for {} s: {what} has no answer", GUARD.as_secs());
    tokio::time::timeout(GUARD, asking).await.with_context(late)
}
