//! One end of a pair: sends as the plan says, counts and times what arrives.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use anyhow::{Context, Result};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::sync::{Notify, watch};
use tokio_tungstenite::tungstenite::Message;

use crate::clock::{now_ns, until_ns};
use crate::protocol::{Event, Protocol, Side, Ws};
use crate::script::Script;
use crate::stats::{Stats, bump};

/// How a crowd talks.
#[derive(Debug)]
pub enum Plan {
    /// Each pair keeps `window` messages in flight; every message is answered at once.
    Closed {
        /// Messages in flight per pair.
        window: usize,
    },
    /// Each end sends by the clock, whatever comes back.
    Open {
        /// Time between two messages of an end.
        gap_ns: u64,
    },
    /// Each end sends by the clock, one message at a time: what comes due before the last one is accepted is left out. What the server
    /// puts off is sent again when it says.
    Flood {
        /// Time between two messages of an end.
        gap_ns: u64,
    },
    /// Each pair plays a script, up to `limit` turns; a played one is closed by its visitor.
    Script {
        /// By pair.
        scripts: Vec<Script>,
        /// Turns to play at first; the crowd's owner raises it.
        limit: Cell<usize>,
    },
    /// The agent sends until it has sent `count`, `window` of them unacknowledged.
    Fill {
        /// Messages of each pair.
        count: u64,
        /// Unacknowledged at a time.
        window: u64,
    },
    /// A visitor sends one message each time it is poked.
    Poked,
}

/// What a crowd is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Taking places; nothing is sent.
    Gathering,
    /// Talking; the number tells one run from the next.
    Running(u32),
    /// Finishing what is in flight.
    Draining,
}

/// What all ends of a crowd share.
#[derive(Debug)]
pub struct Load {
    /// The counts.
    pub stats: Stats,
    /// Pokes each visitor, by pair.
    pub pokes: RefCell<HashMap<usize, Rc<Notify>>>,
    plan: RefCell<Rc<Plan>>,
    phase: watch::Receiver<Phase>,
    filler: String,
}

/// Text of each message beside its stamp, bytes: what people write on average, rounded up.
const FILLER_BYTES: usize = 160;
const FILLER: &str = "Hello, I ordered a phone on Monday and the parcel has not moved since; could you look up order 20161111-0042 for me please? ";
/// The golden ratio spreads the starting points of an open loop evenly.
const SPREAD: f64 = 0.618_033_988_749;

impl Load {
    /// A crowd that follows `phase`.
    #[must_use]
    pub fn new(plan: Plan, phase: watch::Receiver<Phase>) -> Self {
        Self::with_filler(plan, phase, FILLER_BYTES)
    }

    /// The same with texts of `bytes`.
    #[must_use]
    pub fn with_filler(plan: Plan, phase: watch::Receiver<Phase>, bytes: usize) -> Self {
        let filler = FILLER.chars().cycle().take(bytes).collect();
        Self {
            stats: Stats::default(),
            pokes: RefCell::default(),
            plan: RefCell::new(Rc::new(plan)),
            phase,
            filler,
        }
    }

    /// How it talks now.
    #[must_use]
    pub fn plan(&self) -> Rc<Plan> {
        Rc::clone(&self.plan.borrow())
    }

    /// Another way to talk, from the next run on; only between runs.
    pub fn set_plan(&self, plan: Plan) {
        *self.plan.borrow_mut() = Rc::new(plan);
    }
}

struct End<'a> {
    load: &'a Load,
    side: Side,
    ws: Ws,
    protocol: Box<dyn Protocol>,
    legs: Vec<Leg>,
    running: bool,
    /// When a message was sent, by leg and number.
    sent_ns: HashMap<(usize, u64), u64>,
    /// The message of each leg that may be put off.
    unanswered: HashMap<usize, String>,
    events: Vec<Event>,
}

/// One conversation of an end.
struct Leg {
    pair: usize,
    sent: u64,
    expected: u64,
    accepted: u64,
    /// Turns of the script that both sides have played.
    turn: usize,
    next_due_ns: Option<u64>,
    /// A message that the server has put off, and when it is sent again.
    put_off: Option<(u64, String)>,
}

impl Leg {
    fn new(pair: usize) -> Self {
        Self { pair, sent: 0, expected: 0, accepted: 0, turn: 0, next_due_ns: None, put_off: None }
    }
}

/// Talks until the crowd is dropped; a failure is counted and told.
pub async fn talk(load: Rc<Load>, side: Side, ws: Ws, protocol: Box<dyn Protocol>, pairs: Vec<usize>) {
    let legs = pairs.into_iter().map(Leg::new).collect();
    let mut end = End {
        load: &load,
        side,
        ws,
        protocol,
        legs,
        running: false,
        sent_ns: HashMap::new(),
        unanswered: HashMap::new(),
        events: Vec::new(),
    };
    if let Err(error) = end.talk().await {
        bump(&load.stats.errors, 1);
        const TOLD_MAX: u64 = 5;
        if load.stats.errors.get() <= TOLD_MAX {
            eprintln!("  a connection failed: {error:#}");
        }
    }
}

/// Reads nothing, as a client whose line has died without a word.
pub async fn stall(ws: Ws) {
    std::future::pending::<()>().await;
    drop(ws);
}

/// Answers pings, and ignores the rest until the server closes.
pub async fn hold(mut ws: Ws, mut protocol: Box<dyn Protocol>) {
    let mut events = Vec::new();
    while let Some(Ok(frame)) = ws.next().await {
        if protocol.decode(frame, now_ns(), &mut events).is_err() {
            return;
        }
        for event in events.drain(..) {
            if let Event::Reply(frame) = event
                && ws.send(frame).await.is_err()
            {
                return;
            }
        }
    }
}

impl End<'_> {
    async fn talk(&mut self) -> Result<()> {
        let mut phase = self.load.phase.clone();
        let poke = Rc::new(Notify::new());
        if self.side == Side::Visitor {
            let mut pokes = self.load.pokes.borrow_mut();
            self.legs.iter().for_each(|leg| drop(pokes.insert(leg.pair, Rc::clone(&poke))));
        }
        loop {
            let due_ns = self.due_ns();
            tokio::select! {
                biased;
                frame = self.ws.next() => {
                    self.take(frame.context("closed by the server")??).await?;
                    // Everything that is already here is dealt with before one flush.
                    while let Some(frame) = self.ws.next().now_or_never() {
                        self.take(frame.context("closed by the server")??).await?;
                    }
                    self.ws.flush().await?;
                }
                () = until_ns(due_ns.unwrap_or_default()), if due_ns.is_some() => self.send_due().await?,
                changed = phase.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let now = *phase.borrow_and_update();
                    self.running = matches!(now, Phase::Running(_));
                    if self.running {
                        self.begin().await?;
                    }
                }
                () = poke.notified() => {
                    self.say(0, 0).await?;
                    self.ws.flush().await?;
                }
            }
        }
    }

    /// When something is to be sent next.
    fn due_ns(&self) -> Option<u64> {
        let put_off = self.legs.iter().filter_map(|leg| leg.put_off.as_ref().map(|(due, _)| *due));
        let scheduled = self.legs.iter().filter_map(|leg| leg.next_due_ns).filter(|_| self.running);
        put_off.chain(scheduled).min()
    }

    /// A run begins.
    async fn begin(&mut self) -> Result<()> {
        let plan = self.load.plan();
        for leg in 0..self.legs.len() {
            self.legs[leg].next_due_ns = None;
            match (&*plan, self.side) {
                (Plan::Closed { window }, Side::Visitor) => {
                    for _ in 0..*window {
                        self.say(leg, 0).await?;
                    }
                }
                (Plan::Open { gap_ns } | Plan::Flood { gap_ns }, side) => {
                    let place = self.legs[leg].pair * 2 + usize::from(side == Side::Agent);
                    #[expect(
                        clippy::cast_precision_loss,
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "a share of a gap"
                    )]
                    let share = ((place as f64 * SPREAD).fract() * *gap_ns as f64) as u64;
                    self.legs[leg].next_due_ns = Some(now_ns() + share);
                }
                (Plan::Script { .. }, _) => self.play(leg).await?,
                (Plan::Fill { count, window }, Side::Agent) => {
                    for _ in 0..(*count).min(*window) {
                        self.say(leg, 0).await?;
                    }
                }
                (Plan::Closed { .. }, Side::Agent)
                | (Plan::Fill { .. }, Side::Visitor)
                | (Plan::Poked, _) => {}
            }
        }
        self.ws.flush().await?;
        Ok(())
    }

    async fn send_due(&mut self) -> Result<()> {
        let now = now_ns();
        for leg in 0..self.legs.len() {
            let state = &mut self.legs[leg];
            if let Some((_, text)) = state.put_off.take_if(|(due, _)| *due <= now) {
                let n = state.sent - 1;
                let frame = self.protocol.say(leg, n, &text);
                self.unanswered.insert(leg, text);
                self.ws.feed(frame).await?;
            }
            let (gap_ns, patient) = match *self.load.plan() {
                Plan::Open { gap_ns } => (gap_ns, false),
                Plan::Flood { gap_ns } => (gap_ns, true),
                _ => continue,
            };
            let state = &mut self.legs[leg];
            if let Some(due) = state.next_due_ns.filter(|due| self.running && *due <= now) {
                state.next_due_ns = Some(if patient { (due + gap_ns).max(now) } else { due + gap_ns });
                if patient && state.accepted < state.sent {
                    bump(&self.load.stats.left_out, 1);
                } else {
                    self.say(leg, due).await?;
                }
            }
        }
        self.ws.flush().await?;
        Ok(())
    }

    /// Sends a message that carries when it was sent, when it was due and its number.
    async fn say(&mut self, leg: usize, due_ns: u64) -> Result<()> {
        let text = format!("@{}:{due_ns}:{}@{}", now_ns(), self.legs[leg].sent, self.load.filler);
        self.send(leg, &text).await
    }

    async fn send(&mut self, leg: usize, text: &str) -> Result<()> {
        let n = self.legs[leg].sent;
        self.legs[leg].sent += 1;
        self.sent_ns.insert((leg, n), now_ns());
        let frame = self.protocol.say(leg, n, text);
        if matches!(*self.load.plan(), Plan::Flood { .. }) {
            self.unanswered.insert(leg, text.to_owned());
        }
        bump(&self.load.stats.sent, 1);
        self.ws.feed(frame).await?;
        Ok(())
    }

    async fn take(&mut self, frame: Message) -> Result<()> {
        let mut events = std::mem::take(&mut self.events);
        self.protocol.decode(frame, now_ns(), &mut events)?;
        for event in events.drain(..) {
            match event {
                Event::Message { leg, n, text } => {
                    self.arrived(leg, n, &text)?;
                    self.answer(leg).await?;
                }
                Event::Accepted { leg, n } => self.accepted(leg, n).await?,
                Event::PutOff { leg, n, after_ms } => {
                    let text = self.unanswered.remove(&leg).filter(|_| n + 1 == self.legs[leg].sent);
                    let text = text.with_context(|| format!("message {n} was put off by {after_ms} ms"))?;
                    bump(&self.load.stats.put_off, 1);
                    self.legs[leg].put_off = Some((now_ns() + after_ms * 1_000_000, text));
                }
                Event::Joined { pair } => {
                    self.legs.push(Leg::new(pair));
                    self.load.stats.joined.set(self.load.stats.joined.get() + 1);
                }
                Event::Reply(frame) => self.ws.feed(frame).await?,
            }
        }
        self.events = events;
        Ok(())
    }

    fn arrived(&mut self, leg: usize, n: Option<u64>, text: &str) -> Result<()> {
        let stats = &self.load.stats;
        let stamp = stamp(text);
        let (sent_ns, due_ns, stamped) = stamp.unwrap_or_default();
        let n =
            n.or(stamp.map(|_| stamped)).with_context(|| format!("a message without a number: {text}"))?;
        anyhow::ensure!(
            stamp.is_none_or(|(_, _, stamped)| stamped == n),
            "message {n} carries the text of another: {text}"
        );
        let expected = &mut self.legs[leg].expected;
        if n < *expected {
            bump(&stats.dups, 1);
            return Ok(());
        }
        bump(&stats.gaps, n - *expected);
        *expected = n + 1;
        stats.delivered(sent_ns, due_ns, now_ns());
        Ok(())
    }

    async fn answer(&mut self, leg: usize) -> Result<()> {
        match &*self.load.plan() {
            Plan::Closed { .. } if self.running => self.say(leg, 0).await,
            Plan::Script { .. } => {
                self.legs[leg].turn += 1;
                self.play(leg).await
            }
            Plan::Closed { .. }
            | Plan::Open { .. }
            | Plan::Flood { .. }
            | Plan::Fill { .. }
            | Plan::Poked => Ok(()),
        }
    }

    async fn accepted(&mut self, leg: usize, n: u64) -> Result<()> {
        if let Some(sent_ns) = self.sent_ns.remove(&(leg, n)) {
            self.load.stats.acknowledged(sent_ns, now_ns());
        }
        self.legs[leg].accepted += 1;
        if let Plan::Fill { count, .. } = *self.load.plan()
            && self.running
            && self.legs[leg].sent < count
        {
            self.say(leg, 0).await?;
        }
        Ok(())
    }

    /// Says the turns of the script that are this side's, up to the other side's next.
    async fn play(&mut self, leg: usize) -> Result<()> {
        let plan = self.load.plan();
        let Plan::Script { scripts, limit } = &*plan else { return Ok(()) };
        let script = &scripts[self.legs[leg].pair];
        let end = limit.get().min(script.len());
        while let Some(turn) = script[..end].get(self.legs[leg].turn).filter(|turn| turn.side == self.side) {
            self.send(leg, &turn.text).await?;
            self.legs[leg].turn += 1;
        }
        let played = self.legs[leg].turn == script.len();
        if played && self.side == Side::Visitor {
            self.load.stats.finished.set(self.load.stats.finished.get() + 1);
            if let Some(frame) = self.protocol.close(leg) {
                self.ws.feed(frame).await?;
            }
        }
        Ok(())
    }
}

fn stamp(text: &str) -> Option<(u64, u64, u64)> {
    let (stamp, _) = text.strip_prefix('@')?.split_once('@')?;
    let mut numbers = stamp.split(':').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}
