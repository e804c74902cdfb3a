//! Many pairs at one server: brought together, run, drained, judged.

use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, spawn_local};

use crate::clock::{now_ns, pause_ms};
use crate::door::{Door, Kind};
use crate::end::{self, Load, Phase, Plan};
use crate::protocol::{self, Protocol, Side};
use crate::stats::Faults;

/// Connections that are opened at one time.
const OPENING_MAX: usize = 32;
/// Patience with messages in flight when a run ends, and with the last conversation to be taken.
const PATIENCE_MS: u64 = 15_000;

/// Pairs that are connected; they leave when it is dropped.
#[derive(Debug)]
pub struct Crowd {
    /// What they share.
    pub load: Rc<Load>,
    phase: watch::Sender<Phase>,
    tasks: Vec<JoinHandle<()>>,
    runs: u32,
}

impl Crowd {
    /// Connects the pairs `first..first + pairs`, agents before visitors, and waits until each has its conversation.
    ///
    /// # Errors
    /// The first connection that fails; when not every conversation finds an agent.
    pub async fn gather(door: &Door, first: usize, pairs: usize, plan: Plan) -> Result<Self> {
        let (phase, following) = watch::channel(Phase::Gathering);
        let crowd = Self { load: Rc::new(Load::new(plan, following)), phase, tasks: Vec::new(), runs: 0 };
        crowd.seat(door, first, pairs, true).await
    }

    /// The same with texts of `bytes`, and visitors that read nothing once they are here when they are not `reading`.
    ///
    /// # Errors
    /// As [`Self::gather`].
    pub async fn gather_readers(
        door: &Door,
        first: usize,
        pairs: usize,
        plan: Plan,
        bytes: usize,
        reading: bool,
    ) -> Result<Self> {
        let (phase, following) = watch::channel(Phase::Gathering);
        let load = Rc::new(Load::with_filler(plan, following, bytes));
        let crowd = Self { load, phase, tasks: Vec::new(), runs: 0 };
        crowd.seat(door, first, pairs, reading).await
    }

    /// Visitors alone, each with a conversation that nobody but the bot is in.
    ///
    /// # Errors
    /// The first connection that fails.
    pub async fn gather_openers(door: &Door, first: usize, visitors: usize, plan: Plan) -> Result<Self> {
        let (phase, following) = watch::channel(Phase::Gathering);
        let mut crowd = Self { load: Rc::new(Load::new(plan, following)), phase, tasks: Vec::new(), runs: 0 };
        let openers = (first..first + visitors).map(|number| {
            let opener = door.returner(number).context("only a node has conversations")?;
            Ok(Box::new(opener) as Box<dyn protocol::Protocol>)
        });
        let load = Rc::clone(&crowd.load);
        let begin = move |(ws, protocol, legs)| {
            spawn_local(end::talk(Rc::clone(&load), Side::Visitor, ws, protocol, legs))
        };
        crowd.tasks = open_all(door.port, openers.collect::<Result<_>>()?, begin).await?;
        Ok(crowd)
    }

    async fn seat(mut self, door: &Door, first: usize, pairs: usize, reading: bool) -> Result<Self> {
        let crowd = &mut self;
        for side in [Side::Agent, Side::Visitor] {
            let ends = (first..first + pairs).map(|pair| door.talker(side, pair)).collect();
            let load = Rc::clone(&crowd.load);
            let stalls = side == Side::Visitor && !reading;
            let begin = move |(ws, protocol, legs)| {
                if stalls {
                    spawn_local(end::stall(ws))
                } else {
                    spawn_local(end::talk(Rc::clone(&load), side, ws, protocol, legs))
                }
            };
            crowd.tasks.extend(open_all(door.port, ends, begin).await?);
        }
        let joins = matches!(door.kind, Kind::Conversa(_));
        crowd
            .wait("conversations without an agent", |load| {
                if joins { (pairs - load.stats.joined.get()) as u64 } else { 0 }
            })
            .await?;
        Ok(self)
    }

    /// Lets them talk.
    pub fn go(&mut self) {
        self.runs += 1;
        // Nobody listens when every connection has failed; the counts say so.
        let _ = self.phase.send(Phase::Running(self.runs));
    }

    /// Lets them finish what is in flight; what is not delivered in time is lost.
    pub async fn drain(&self) {
        let _ = self.phase.send(Phase::Draining);
        // A task that sleeps on its timer may still send once: everybody must have seen the phase before the counts are compared.
        pause_ms(5).await;
        self.settle().await;
    }

    /// Waits until everything sent has arrived and was acknowledged, without ending the run.
    pub async fn settle(&self) {
        let open = |load: &Load| {
            let stats = &load.stats;
            let undelivered = stats.sent.get().saturating_sub(stats.received.get());
            undelivered.max(stats.sent.get().saturating_sub(stats.acknowledged.get()))
        };
        // What is late is counted as lost by `faults`.
        let _ = self.wait("messages in flight", open).await;
    }

    /// Waits until `left` says 0.
    ///
    /// # Errors
    /// When it does not within the patience; the error names `what`.
    pub async fn wait(&self, what: &str, left: impl Fn(&Load) -> u64) -> Result<()> {
        let mut progress_ns = now_ns();
        let mut before = u64::MAX;
        loop {
            let now = left(&self.load);
            if now == 0 {
                return Ok(());
            }
            if now != before {
                (before, progress_ns) = (now, now_ns());
            }
            ensure!(
                now_ns() - progress_ns < PATIENCE_MS * 1_000_000,
                "{now} {what}, and no progress for {PATIENCE_MS} ms"
            );
            ensure!(self.load.stats.errors.get() == 0, "{now} {what} after a connection failed");
            pause_ms(2).await;
        }
    }

    /// Lets the visitor of `pair` send one message.
    ///
    /// # Errors
    /// When there is no such visitor.
    pub fn poke(&self, pair: usize) -> Result<()> {
        self.load
            .pokes
            .borrow()
            .get(&pair)
            .with_context(|| format!("there is no visitor {pair}"))?
            .notify_one();
        Ok(())
    }

    /// What went wrong; call it after [`Self::drain`].
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.load.stats.faults()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Connections that only exist.
#[derive(Debug)]
pub struct Idlers(Vec<JoinHandle<()>>);

impl Idlers {
    /// Connects the visitors `0..count`.
    ///
    /// # Errors
    /// The first connection that fails.
    pub async fn gather(door: &Door, count: usize) -> Result<Self> {
        let ends = (0..count).map(|number| door.idler(number)).collect();
        let tasks =
            open_all(door.port, ends, |(ws, protocol, _)| spawn_local(end::hold(ws, protocol))).await?;
        Ok(Self(tasks))
    }

    /// How many are still connected.
    #[must_use]
    pub fn alive(&self) -> usize {
        self.0.iter().filter(|task| !task.is_finished()).count()
    }
}

impl Drop for Idlers {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

type Opened = (protocol::Ws, Box<dyn Protocol>, Vec<usize>);

/// Opens connections, a few at a time, and begins with each as soon as it is open.
async fn open_all(
    port: u16,
    ends: Vec<Box<dyn Protocol>>,
    begin: impl Fn(Opened) -> JoinHandle<()>,
) -> Result<Vec<JoinHandle<()>>> {
    let gate = Rc::new(Semaphore::new(OPENING_MAX));
    let opening: Vec<_> = ends
        .into_iter()
        .map(|protocol| {
            let gate = Rc::clone(&gate);
            spawn_local(async move {
                let _permit = gate.acquire().await?;
                protocol::open(port, protocol).await
            })
        })
        .collect();
    let mut tasks = Vec::with_capacity(opening.len());
    for opened in opening {
        tasks.push(begin(opened.await??));
    }
    Ok(tasks)
}
