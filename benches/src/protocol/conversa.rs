//! Protocol v1 of Conversa's gateway: a visitor that opens a conversation and asks for a human, and an agent that takes whatever
//! it is offered. Breaches of the protocol are errors, with the frame.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::LocalBoxFuture;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

pub use super::frame::Encoding;
use super::frame::{Body, Frame, Request, Send, Text};
use super::{Event, Protocol, Side, Upgrade, Ws};
use crate::clock;

/// The epoch of every log here.
const EPOCH: u64 = 1;
/// A client acknowledges at least every so many events, or after this time.
const UNACKNOWLEDGED_MAX: u64 = 32;
const UNACKNOWLEDGED_NS: u64 = 4_000_000_000;
/// Repeats of a request that the server wants repeated.
const TRIES_MAX: usize = 100;
/// Request ids: messages are `leg << LEG_BITS | n`, all else counts from here.
const LEG_BITS: u32 = 40;
const OTHER_REQUESTS: u64 = 1 << 52;

/// Which pair a conversation belongs to: the visitor that opened it writes it, the agent that takes it reads it.
pub type Directory = Rc<RefCell<HashMap<String, usize>>>;

/// Somebody with a token.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The person's id.
    pub id: String,
    /// The proof.
    pub token: String,
}

/// What a client has come for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// To be connected, nothing else.
    Idle,
    /// As a visitor: to open a conversation and wait for an agent.
    Ask,
    /// As a visitor: to open a conversation; one that comes again resumes it by its position.
    Open,
    /// As an agent: to be online with this capacity.
    Serve(u16),
}

/// One client.
#[derive(Debug)]
pub struct Conversa {
    seat: Seat,
    side: Side,
    pair: usize,
    device: String,
    encoding: Encoding,
    errand: Errand,
    directory: Directory,
    legs: Vec<Leg>,
    /// Accepts without an answer: request -> conversation.
    accepts: HashMap<u64, String>,
    others: u64,
    /// Number of the stream's last event, and of the last one acknowledged.
    s: u64,
    acknowledged: u64,
    acknowledged_ns: u64,
    assigned: bool,
}

#[derive(Debug)]
struct Leg {
    cv: String,
    /// The position in the conversation's log.
    o: u64,
}

impl Conversa {
    /// A client; `pair` is its number in its crowd.
    #[must_use]
    pub fn new(seat: Seat, pair: usize, errand: Errand, encoding: Encoding, directory: Directory) -> Self {
        let side = if matches!(errand, Errand::Serve(_)) { Side::Agent } else { Side::Visitor };
        Self {
            seat,
            side,
            pair,
            device: "bench".into(),
            encoding,
            errand,
            directory,
            legs: Vec::new(),
            accepts: HashMap::new(),
            others: 0,
            s: 0,
            acknowledged: 0,
            acknowledged_ns: 0,
            assigned: false,
        }
    }

    fn role(&self) -> &'static str {
        match self.side {
            Side::Visitor => "visitor",
            Side::Agent => "agent",
        }
    }

    fn other_request(&mut self) -> u64 {
        self.others += 1;
        OTHER_REQUESTS + self.others
    }

    // --- Logging in: rare, so by values.

    async fn enter(&mut self, ws: &mut Ws) -> Result<Vec<usize>> {
        (self.s, self.acknowledged) = (0, 0);
        let known: serde_json::Map<String, Value> =
            self.legs.iter().map(|leg| (leg.cv.clone(), json!([EPOCH, leg.o]))).collect();
        let connect = json!({ "t": "connect", "d": {
            "token": self.seat.token, "role": self.role(), "device": self.device,
            "client": { "name": "bench", "version": env!("CARGO_PKG_VERSION") }, "caps": [], "resume": { "pos": known },
        }});
        ws.send(self.encoding.encode(&connect)).await?;
        let welcome = self.next(ws).await?;
        ensure!(welcome["t"] == "welcome", "the server did not welcome {}: {welcome}", self.seat.id);
        let stale = welcome["d"]["stale"].as_array().is_some_and(|stale| !stale.is_empty());
        ensure!(!stale, "the server does not know the positions of {}: {welcome}", self.seat.id);
        let snapshot = self.next(ws).await?;
        ensure!(snapshot["k"] == "snapshot", "the first event is no snapshot: {snapshot}");
        match self.errand {
            Errand::Idle => {}
            Errand::Open if self.legs.is_empty() => self.open_conversation(ws).await?,
            Errand::Open => {}
            Errand::Serve(capacity) => {
                let presence = self
                    .ask(ws, "presence.set", None, json!({ "state": "online", "capacity": capacity }))
                    .await?;
                ensure!(presence["state"] == "online", "{} is not online: {presence}", self.seat.id);
            }
            Errand::Ask => self.ask_for_a_human(ws).await?,
        }
        ws.send(self.acknowledgement(clock::now_ns())).await?;
        Ok(self.legs.iter().map(|_| self.pair).collect())
    }

    async fn open_conversation(&mut self, ws: &mut Ws) -> Result<()> {
        let opened = self
            .ask(
                ws,
                "conversation.open",
                None,
                json!({ "channel": "web", "lang": "zh", "name": self.seat.id }),
            )
            .await?;
        let cv = opened["cv"]
            .as_str()
            .with_context(|| format!("conversation.open gave no cv: {opened}"))?
            .to_owned();
        self.directory.borrow_mut().insert(cv.clone(), self.pair);
        self.legs.push(Leg { cv, o: opened["o"].as_u64().unwrap_or_default() });
        Ok(())
    }

    async fn ask_for_a_human(&mut self, ws: &mut Ws) -> Result<()> {
        self.open_conversation(ws).await?;
        let cv = self.legs.last().map(|leg| leg.cv.clone()).unwrap_or_default();
        self.ask(ws, "human.request", Some(&cv), json!({})).await?;
        while !self.assigned {
            self.next(ws).await.with_context(|| format!("no agent has taken {cv} of {}", self.seat.id))?;
        }
        Ok(())
    }

    /// Asks, and waits for the answer; what the server wants repeated is repeated with the same key.
    async fn ask(&mut self, ws: &mut Ws, method: &str, cv: Option<&str>, d: Value) -> Result<Value> {
        let key = format!("{}-{}-{}", self.seat.id, method, self.others);
        for _ in 0..TRIES_MAX {
            let id = self.other_request();
            let request = Request { t: "req", id, m: method, key: Some(&key), cv, d: &d };
            ws.send(self.encoding.encode(&request)).await?;
            let mut answer = self.next(ws).await?;
            while answer["t"] != "res" || answer["id"] != id {
                answer = self.next(ws).await?;
            }
            if answer["err"].is_null() {
                return Ok(answer["d"].take());
            }
            if answer["err"]["retry"] != true {
                bail!("{method} was refused: {answer}; asked was {}", serde_json::to_string(&request)?);
            }
            clock::pause_ms(answer["err"]["retry_after_ms"].as_u64().unwrap_or(100)).await;
        }
        bail!("{method} was put off {TRIES_MAX} times for {}", self.seat.id)
    }

    /// The next frame that is not a ping.
    async fn next(&mut self, ws: &mut Ws) -> Result<Value> {
        loop {
            let bytes = match ws.next().await.context("the server closed the connection")?? {
                Message::Text(text) => text.into(),
                Message::Binary(bytes) => bytes,
                Message::Close(why) => bail!("the server closed the connection: {why:?}"),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            };
            let frame: Value = self.encoding.decode(&bytes)?;
            match frame["t"].as_str() {
                Some("ping") => {
                    ws.send(self.encoding.encode(&json!({ "t": "pong", "n": frame["n"] }))).await?
                }
                Some("bye") => bail!("the server says {frame}"),
                Some("ev") => {
                    self.count(frame["s"].as_u64().unwrap_or_default()).with_context(|| frame.to_string())?;
                    self.assigned |= frame["k"] == "conversation.assigned"
                        && self.legs.iter().any(|leg| frame["cv"] == leg.cv.as_str());
                    return Ok(frame);
                }
                Some(_) | None => return Ok(frame),
            }
        }
    }

    // --- Talking: often, so by borrowed frames.

    fn read(&mut self, bytes: &[u8], now_ns: u64, out: &mut Vec<Event>) -> Result<()> {
        let frame: Frame = self.encoding.decode(bytes)?;
        match &*frame.t {
            "ev" => {
                self.count(frame.s.unwrap_or_default()).with_context(|| self.encoding.show(bytes))?;
                self.event(frame, out).with_context(|| self.encoding.show(bytes))?;
                let behind = self.s - self.acknowledged;
                if behind >= UNACKNOWLEDGED_MAX
                    || now_ns.saturating_sub(self.acknowledged_ns) > UNACKNOWLEDGED_NS
                {
                    out.push(Event::Reply(self.acknowledgement(now_ns)));
                }
                Ok(())
            }
            "res" => self.answered(&frame, out).with_context(|| self.encoding.show(bytes)),
            "ping" => {
                let pong = json!({ "t": "pong", "n": frame.n, "s": self.s });
                self.acknowledged = self.s;
                out.push(Event::Reply(self.encoding.encode(&pong)));
                Ok(())
            }
            "bye" => bail!("the server says goodbye to {}: {}", self.seat.id, self.encoding.show(bytes)),
            // pong, eph, and what newer servers add.
            _ => Ok(()),
        }
    }

    /// The stream's numbers are dense.
    fn count(&mut self, s: u64) -> Result<()> {
        ensure!(s == self.s + 1, "event {} of the stream came after {}", s, self.s);
        self.s = s;
        Ok(())
    }

    fn acknowledgement(&mut self, now_ns: u64) -> Message {
        (self.acknowledged, self.acknowledged_ns) = (self.s, now_ns);
        self.encoding.encode(&json!({ "t": "ack", "s": self.s }))
    }

    fn event(&mut self, frame: Frame, out: &mut Vec<Event>) -> Result<()> {
        let leg = self.legs.iter().position(|leg| leg.cv == *frame.cv);
        if let Some(leg) = leg {
            let position = &mut self.legs[leg].o;
            if frame.o <= *position {
                return Ok(());
            }
            *position = frame.o;
        }
        let d = frame.d.unwrap_or_default();
        match (&*frame.k, leg) {
            ("message.created", Some(leg)) => message(self.side, leg, d, out),
            ("conversation.offered", _) if self.is_me(&d) => {
                ensure!(!d.offer.is_empty(), "an offer without d.offer");
                let id = self.other_request();
                let (key, d) = (format!("{}-accept-{id}", self.seat.id), json!({ "offer": d.offer }));
                let request =
                    Request { t: "req", id, m: "offer.accept", key: Some(&key), cv: Some(&frame.cv), d };
                out.push(Event::Reply(self.encoding.encode(&request)));
                self.accepts.insert(id, frame.cv.into_owned());
                Ok(())
            }
            ("conversation.assigned", _) if self.is_me(&d) => {
                self.join(&frame.cv, frame.o, out);
                Ok(())
            }
            // A conversation that goes back to the queue under the load would be measured wrongly.
            ("conversation.queued", Some(_)) if self.assigned || self.side == Side::Agent => {
                bail!("the conversation was taken from its agent")
            }
            _ => Ok(()),
        }
    }

    fn is_me(&self, d: &Body) -> bool {
        self.side == Side::Agent && d.agent.as_ref().is_some_and(|agent| agent.id() == self.seat.id)
    }

    /// The agent has a conversation; whether the event or the answer says so first does not matter.
    fn join(&mut self, cv: &str, o: u64, out: &mut Vec<Event>) {
        if self.legs.iter().any(|leg| leg.cv == cv) {
            return;
        }
        // Conversations that this crowd did not open are taken, and no more.
        let Some(pair) = self.directory.borrow().get(cv).copied() else { return };
        self.legs.push(Leg { cv: cv.to_owned(), o });
        out.push(Event::Joined { pair });
    }

    fn answered(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<()> {
        let id = frame.id.context("an answer without id")?;
        let o = frame.d.as_ref().map_or(0, |d| d.o);
        if id >= OTHER_REQUESTS {
            let accepted = self.accepts.remove(&id);
            ensure!(
                frame.err.is_none(),
                "{} of {} was refused",
                accepted.map_or("a request", |_| "offer.accept"),
                self.seat.id
            );
            if let Some(cv) = accepted {
                self.join(&cv, o, out);
            }
            return Ok(());
        }
        let (leg, n) = (usize::try_from(id >> LEG_BITS)?, id & ((1 << LEG_BITS) - 1));
        let leg_state =
            self.legs.get_mut(leg).with_context(|| format!("an answer to {id}, which was not asked"))?;
        if let Some(err) = &frame.err {
            let put_off_ms = err["retry_after_ms"].as_u64().filter(|_| err["retry"] == true);
            let (device, cv) = (&self.device, &leg_state.cv);
            let after_ms = put_off_ms
                .with_context(|| format!("message.send with key {device}.{} in {cv} was refused", n + 1))?;
            out.push(Event::PutOff { leg, n, after_ms });
            return Ok(());
        }
        leg_state.o = leg_state.o.max(o);
        out.push(Event::Accepted { leg, n });
        Ok(())
    }
}

/// A message counts when the other side wrote it; the bot's and the system's do not.
fn message(side: Side, leg: usize, d: Body, out: &mut Vec<Event>) -> Result<()> {
    let said = d.message.context("message.created without d.message")?;
    let from_the_other_side = match side {
        Side::Visitor => said.author.kind == "agent",
        Side::Agent => said.author.kind == "visitor",
    };
    if from_the_other_side {
        let key = said.key.context("a person's message without key")?;
        let n = key.rsplit_once('.').and_then(|(_, n)| n.parse::<u64>().ok()).filter(|n| *n > 0);
        let n = n.with_context(|| format!("the key {key:?} is not <device>.<n>"))?;
        out.push(Event::Message { leg, n: Some(n - 1), text: said.content.text.into_owned() });
    }
    Ok(())
}

impl Protocol for Conversa {
    fn upgrade(&self) -> Upgrade {
        Upgrade { path: "/v1/ws".into(), subprotocol: Some(self.encoding.subprotocol()) }
    }

    fn login<'a>(&'a mut self, ws: &'a mut Ws) -> LocalBoxFuture<'a, Result<Vec<usize>>> {
        Box::pin(self.enter(ws))
    }

    fn say(&mut self, leg: usize, n: u64, text: &str) -> Message {
        let id = ((leg as u64) << LEG_BITS) | n;
        let key = format!("{}.{}", self.device, n + 1);
        let d = Send { content: Text { r#type: "text", text } };
        self.encoding.encode(&Request {
            t: "req",
            id,
            m: "message.send",
            key: Some(&key),
            cv: Some(&self.legs[leg].cv),
            d,
        })
    }

    fn close(&mut self, leg: usize) -> Option<Message> {
        let id = self.other_request();
        let key = format!("{}-close-{id}", self.seat.id);
        let request = Request {
            t: "req",
            id,
            m: "conversation.close",
            key: Some(&key),
            cv: Some(&self.legs[leg].cv),
            d: json!({}),
        };
        Some(self.encoding.encode(&request))
    }

    fn decode(&mut self, frame: Message, now_ns: u64, out: &mut Vec<Event>) -> Result<()> {
        match frame {
            Message::Text(text) => self.read(text.as_bytes(), now_ns, out),
            Message::Binary(bytes) => self.read(&bytes, now_ns, out),
            Message::Close(why) => {
                let why = why.map_or(Cow::Borrowed("without a reason"), |why| {
                    Cow::Owned(format!("{} {}", why.code, why.reason))
                });
                bail!("closed by the server: {why}")
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
