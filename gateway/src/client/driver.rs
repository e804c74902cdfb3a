//! The task behind a client: holds the socket, comes back when it is lost, and keeps the order of what it delivers. It decides
//! nothing about conversations.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::chance::Chance;
use super::error::{ClientError, Refused};
use super::frame::{Frame, Goaway, LogEvent, Page, Welcome, payload};
use super::outbox::{Ask, Asker, Key, Outbox, Patience, Settled};
use super::positions::Positions;
use super::socket::Socket;
use super::stream::{Chore, Stream};
use super::{EVENTS_MAX, Event, Options};

/// Longest time from opening the socket to the welcome, and to write one frame.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a client that goes elsewhere waits for its last words to be taken.
const WORDS: Duration = Duration::from_millis(200);
/// Why a connection ended that the server asked to end.
const WENT: &str = "the server asked to connect elsewhere";
/// Messages and events of one page of history.
const PAGE: u64 = 200;

/// What the owner wants of the task.
#[derive(Debug)]
pub(super) enum Command {
    /// Ask the server.
    Ask(Ask),
    /// Send a frame that needs no answer; it may get lost.
    Ephemeral(Value),
    /// Cut the line without a word, as a tunnel does.
    Cut,
    /// Acknowledge, close and end.
    Stop(oneshot::Sender<()>),
}

/// The task's state.
#[derive(Debug)]
pub(super) struct Driver {
    options: Options,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    outbox: Outbox,
    positions: Positions,
    chance: Chance,
    /// The attempt that led to the node it talks to: the next one leads to another, if there is one.
    attempt: usize,
    /// The server wants the client to go.
    goes: Option<Going>,
    stopped: Option<oneshot::Sender<()>>,
}

/// When a client goes that was asked to.
#[derive(Clone, Copy, Debug)]
struct Going {
    /// Then, when nothing is on its way.
    at: Instant,
    /// Then in any case: what has no answer is asked again elsewhere.
    by: Instant,
}

/// Opens a socket and introduces the client. Each attempt goes to the next node there is.
pub(super) async fn establish(
    options: &Options,
    attempt: usize,
    resume: Option<Value>,
) -> Result<(Socket, Welcome), ClientError> {
    let mut nodes = std::iter::once(&options.url).chain(&options.others).cycle();
    let url = nodes.nth(attempt % (1 + options.others.len())).unwrap_or(&options.url);
    let token = (options.token)().await.map_err(ClientError::Token)?;
    let mut d = json!({
        "token": token, "role": options.role, "device": options.device,
        "client": { "name": "conversa", "version": env!("CARGO_PKG_VERSION") }, "caps": [],
    });
    if let (Some(pos), Some(map)) = (resume, d.as_object_mut()) {
        map.insert("resume".into(), json!({ "pos": pos }));
    }
    let introduce = async {
        let mut socket = Socket::open(url, options.encoding).await?;
        socket.send(&json!({ "t": "connect", "d": d })).await?;
        let frame = socket.receive().await?;
        match &*frame.t {
            "welcome" => Ok((socket, payload("welcome", frame.d)?)),
            "bye" => Err(bye(&frame)),
            other => Err(ClientError::Protocol(format!("{other:?} came instead of welcome"))),
        }
    };
    let late = || ClientError::Unreachable { url: url.clone(), why: "no welcome within 10 s".into() };
    timeout(PATIENCE, introduce).await.map_err(|_| late())?
}

fn bye(frame: &Frame) -> ClientError {
    let reason =
        frame.reason.clone().or_else(|| frame.d["reason"].as_str().map(str::to_owned)).unwrap_or_default();
    let code = frame.code.or_else(|| frame.d["code"].as_u64().and_then(|code| code.try_into().ok()));
    ClientError::Closed { code: code.unwrap_or(1_000), reason }
}

impl Driver {
    pub(super) fn new(
        options: Options,
        attempt: usize,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let outbox = Outbox::new(options.device.clone());
        let chance = Chance::new(options.seed);
        let positions = Positions::default();
        Self { options, commands, events, outbox, positions, chance, attempt, goes: None, stopped: None }
    }

    /// Lives until the owner stops it or the server says not to come back.
    pub(super) async fn run(mut self, socket: Socket, welcome: Welcome) {
        let mut connection = (socket, welcome);
        let end = loop {
            let (socket, welcome) = connection;
            let why = Box::pin(self.converse(socket, welcome)).await;
            self.positions.lost();
            self.outbox.lost(&why).into_iter().for_each(tell);
            if !why.passes() {
                break why;
            }
            if let Err(end) = self.emit(Event::Disconnected(why)) {
                break end;
            }
            match Box::pin(self.come_back()).await {
                Ok(next) => connection = next,
                Err(end) => break end,
            }
        };
        self.outbox.end(&end).into_iter().for_each(tell);
        // Nobody may be listening any more.
        let _ = self.events.try_send(Event::Ended(end));
        if let Some(stopped) = self.stopped.take() {
            let _ = stopped.send(());
        }
    }

    /// Connects again and again, waiting longer each time, until it works or is pointless.
    async fn come_back(&mut self) -> Result<(Socket, Welcome), ClientError> {
        let mut failures = 1;
        // Whoever was asked to go begins with another node, at once; others with their own.
        let asked = self.goes.take().is_some();
        let first = if asked { self.attempt + 1 } else { 0 };
        loop {
            if !(asked && failures == 1) {
                let until = Instant::now() + self.options.backoff.wait(failures, &mut self.chance);
                self.wait(until).await?;
            }
            let attempt = first + usize::try_from(failures).unwrap_or(1) - 1;
            self.attempt = attempt;
            match Box::pin(establish(&self.options, attempt, self.positions.resume())).await {
                Ok(connection) => return Ok(connection),
                Err(error) if error.passes() => failures += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits, taking commands meanwhile.
    async fn wait(&mut self, until: Instant) -> Result<(), ClientError> {
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Ask(ask)) => self.outbox.push(ask),
                    Some(Command::Ephemeral(_) | Command::Cut) => {}
                    Some(Command::Stop(stopped)) => {
                        self.stopped = Some(stopped);
                        return Err(ClientError::Stopped);
                    }
                    None => return Err(ClientError::Stopped),
                },
                () = sleep_until(until) => return Ok(()),
            }
        }
    }

    /// One connection from its welcome to its end; says why it ended.
    async fn converse(&mut self, mut socket: Socket, welcome: Welcome) -> ClientError {
        let mut stream = Stream::new(welcome.from_s, welcome.hb, Instant::now());
        let why = match self.talk(&mut socket, &mut stream, welcome).await {
            Ok(()) => ClientError::Lost("cut by its owner".into()),
            Err(why) => why,
        };
        let last_words = match &why {
            ClientError::Stopped => Some(PATIENCE),
            ClientError::Lost(why) if why == WENT => Some(WORDS),
            _ => None,
        };
        if let Some(time) = last_words {
            let s = stream.acknowledge();
            // A server that does not take them sends the events again.
            let _ = timeout(time, socket.send(&json!({ "t": "ack", "s": s }))).await;
            let _ = timeout(time, socket.close()).await;
        }
        why
    }

    /// Returns `Ok` when the owner cuts the line.
    async fn talk(
        &mut self,
        socket: &mut Socket,
        stream: &mut Stream,
        welcome: Welcome,
    ) -> Result<(), ClientError> {
        let pace = self.options.paced.then_some(welcome.limits.rate);
        self.outbox.begin(welcome.limits.inflight, pace, Instant::now());
        for cv in &welcome.stale {
            let after = self.positions.begin_reading(cv);
            self.ask_page(cv, after);
        }
        self.emit(Event::Connected(Box::new(welcome)))?;
        loop {
            self.write(socket, stream).await?;
            let due = [self.outbox.due(Instant::now()), self.goes_at()].into_iter().flatten();
            let due = due.fold(stream.due(), Instant::min);
            tokio::select! {
                frame = socket.receive() => {
                    stream.heard(Instant::now());
                    self.take(frame?, socket, stream).await?;
                }
                command = self.commands.recv() => match command {
                    Some(Command::Ask(ask)) => self.outbox.push(ask),
                    Some(Command::Ephemeral(frame)) => write(socket, &frame).await?,
                    Some(Command::Cut) => return Ok(()),
                    Some(Command::Stop(stopped)) => {
                        self.stopped = Some(stopped);
                        return Err(ClientError::Stopped);
                    }
                    None => return Err(ClientError::Stopped),
                },
                () = sleep_until(due) => {}
            }
        }
    }

    /// Writes what is owed and what may leave.
    async fn write(&mut self, socket: &mut Socket, stream: &mut Stream) -> Result<(), ClientError> {
        let now = Instant::now();
        if self.outbox.answer_due().is_some_and(|due| due <= now) {
            return Err(ClientError::Lost("a request got no answer".into()));
        }
        while let Some(chore) = stream.chore(now) {
            match chore {
                Chore::Ack(s) => write(socket, &json!({ "t": "ack", "s": s })).await?,
                Chore::Ping => write(socket, &json!({ "t": "ping", "n": 1 })).await?,
                Chore::GiveUp => return Err(ClientError::Lost("the server is silent".into())),
            }
        }
        if self.goes_at().is_some_and(|at| at <= now) {
            return Err(ClientError::Lost(WENT.into()));
        }
        // What is on its way is waited for; what is not goes to the next node.
        while self.goes.is_none_or(|going| now < going.at)
            && let Some(request) = self.outbox.next(Instant::now())
        {
            write(socket, &request).await?;
        }
        Ok(())
    }

    /// When the client goes, if it was asked to.
    fn goes_at(&self) -> Option<Instant> {
        self.goes.map(|going| if self.outbox.awaits() { going.by } else { going.at })
    }

    /// The server wants the client to go.
    fn go_away(&mut self, d: Value) -> Result<(), ClientError> {
        let Goaway { after_ms, deadline_ms } = payload("goaway", d)?;
        let (now, after) = (Instant::now(), Duration::from_millis(after_ms));
        let by = Duration::from_millis(deadline_ms).max(after);
        self.goes = Some(Going { at: now + after, by: now + by });
        Ok(())
    }

    async fn take(
        &mut self,
        frame: Frame,
        socket: &mut Socket,
        stream: &mut Stream,
    ) -> Result<(), ClientError> {
        match &*frame.t {
            "ev" => {
                stream.count(frame.s, Instant::now())?;
                self.take_event(frame)
            }
            "res" => self.take_answer(frame),
            "eph" => self.emit(Event::Ephemeral { k: frame.k.unwrap_or_default(), cv: frame.cv, d: frame.d }),
            "ping" => write(socket, &json!({ "t": "pong", "n": frame.n, "s": stream.acknowledge() })).await,
            "bye" => Err(bye(&frame)),
            "goaway" => self.go_away(frame.d),
            // Pongs have been heard; frame classes of newer servers are let through.
            _ => Ok(()),
        }
    }

    fn take_event(&mut self, frame: Frame) -> Result<(), ClientError> {
        let k = frame.k.unwrap_or_default();
        if k == "snapshot" {
            return self.emit(Event::Snapshot(Box::new(payload("snapshot", frame.d)?)));
        }
        // Events that belong to no conversation's log have no offset and cannot be repeats.
        let (Some(cv), Some(o)) = (frame.cv.clone(), frame.o) else {
            return self.emit(Event::Ephemeral { k, cv: frame.cv, d: frame.d });
        };
        let ep = frame.ep.unwrap_or(1);
        if !self.positions.admit(&cv, ep, o) {
            return Ok(());
        }
        self.deliver(LogEvent { k, cv, ep, o, ts: frame.ts.unwrap_or_default(), d: frame.d })
    }

    fn deliver(&mut self, event: LogEvent) -> Result<(), ClientError> {
        match &*event.k {
            "conversation.closed" => self.positions.close(&event.cv, true),
            "conversation.reopened" => self.positions.close(&event.cv, false),
            _ => {}
        }
        self.emit(Event::Log(event))
    }

    fn take_answer(&mut self, frame: Frame) -> Result<(), ClientError> {
        let id = frame.id.ok_or_else(|| ClientError::Protocol("a res without id".into()))?;
        let answer: Result<Value, Refused> = frame.err.map_or(Ok(frame.d), Err);
        let Some(settled) = self.outbox.answer(id, answer, Instant::now(), &mut self.chance) else {
            return Ok(());
        };
        if let (Asker::Page(cv), Ok(page)) = (&settled.asker, &settled.answer) {
            return self.take_page(cv, payload("history.page", page.clone())?);
        }
        self.move_on(&settled);
        tell(settled);
        Ok(())
    }

    /// The sender's socket gets no `ev` for its own message: its `res` stands for it, in order. A repeat's does not: it may come
    /// before events that the resume still brings.
    fn move_on(&mut self, settled: &Settled) {
        let (Ok(d), "message.send", Some(cv)) = (&settled.answer, settled.method, &settled.cv) else {
            return;
        };
        let elsewhere = d["dup"] == json!(true) || d["forwarded"] == json!(true);
        if let (Some(o), false) = (d["o"].as_u64(), elsewhere) {
            self.positions.admit(cv, d["ep"].as_u64().unwrap_or(1), o);
        }
    }

    fn take_page(&mut self, cv: &str, page: Page) -> Result<(), ClientError> {
        let mut events = page.events;
        for message in page.messages {
            let o = message["o"]
                .as_u64()
                .ok_or_else(|| ClientError::Protocol("a message of a page without o".into()))?;
            let ts = message["ts"].as_i64().unwrap_or_default();
            events.push(LogEvent {
                k: "message.created".into(),
                cv: cv.into(),
                ep: 1,
                o,
                ts,
                d: json!({ "message": message }),
            });
        }
        events.sort_by_key(|event| event.o);
        for mut event in events {
            cv.clone_into(&mut event.cv);
            if self.positions.admit_page(cv, event.ep, event.o) {
                self.deliver(event)?;
            }
        }
        if let Some(after) = self.positions.page_read(cv, page.next, page.head) {
            self.ask_page(cv, after);
        }
        Ok(())
    }

    fn ask_page(&mut self, cv: &str, after: u64) {
        self.outbox.push(Ask {
            method: "history.page",
            cv: Some(cv.to_owned()),
            key: Key::None,
            d: json!({ "after": after, "limit": PAGE }),
            patience: Patience::Endless,
            asker: Asker::Page(cv.to_owned()),
        });
    }

    fn emit(&self, event: Event) -> Result<(), ClientError> {
        match self.events.try_send(event) {
            // A dropped receiver: the owner only asks and does not listen.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(ClientError::Overrun(EVENTS_MAX)),
        }
    }
}

async fn write(socket: &mut Socket, frame: &Value) -> Result<(), ClientError> {
    let slow = |_| ClientError::Lost("the server takes nothing".into());
    timeout(PATIENCE, socket.send(frame)).await.map_err(slow)?
}

/// Hands the answer to whoever asked; one who has gone meanwhile does not want it.
fn tell(settled: Settled) {
    let Settled { asker, key, answer, .. } = settled;
    if let Asker::Owner(owner) = asker {
        let _ = owner.send(answer.map(|d| (d, key.unwrap_or_default())));
    }
}
