//! The floor relay's protocol: one JSON event per text frame.

use std::borrow::Cow;

use anyhow::{Result, bail};
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::Message;

use super::{Event, Protocol, Side, Upgrade, Ws};

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(default)]
    id: u64,
    #[serde(default, borrow)]
    conv: Cow<'a, str>,
    #[serde(default, borrow)]
    from: Cow<'a, str>,
    #[serde(default, borrow)]
    to: Cow<'a, str>,
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    ts: u64,
    #[serde(default, borrow)]
    text: Cow<'a, str>,
}

/// One end of pair `pair`.
#[derive(Debug)]
pub struct Relay {
    pair: usize,
    user: String,
    peer: String,
    conversation: String,
}

impl Relay {
    /// The end on `side` of pair `pair`.
    #[must_use]
    pub fn new(side: Side, pair: usize) -> Self {
        let (visitor, agent) = (format!("v{pair}"), format!("a{pair}"));
        let (user, peer) = match side {
            Side::Visitor => (visitor, agent),
            Side::Agent => (agent, visitor),
        };
        Self { pair, user, peer, conversation: format!("conv-{pair}") }
    }
}

impl Protocol for Relay {
    fn upgrade(&self) -> Upgrade {
        Upgrade { path: format!("/ws?user={}&peer={}", self.user, self.peer), subprotocol: None }
    }

    fn login<'a>(&'a mut self, _ws: &'a mut Ws) -> LocalBoxFuture<'a, Result<Vec<usize>>> {
        Box::pin(async { Ok(vec![self.pair]) })
    }

    fn say(&mut self, _leg: usize, n: u64, text: &str) -> Message {
        let wire = Wire {
            kind: "msg",
            id: n,
            conv: Cow::Borrowed(&self.conversation),
            from: Cow::Borrowed(&self.user),
            to: Cow::Borrowed(&self.peer),
            seq: 0,
            ts: 0,
            text: Cow::Borrowed(text),
        };
        Message::text(serde_json::to_string(&wire).expect("text and numbers are representable"))
    }

    fn close(&mut self, _leg: usize) -> Option<Message> {
        None
    }

    fn decode(&mut self, frame: Message, _now_ns: u64, out: &mut Vec<Event>) -> Result<()> {
        match frame {
            Message::Text(text) => {
                let wire: Wire = serde_json::from_str(text.as_str())?;
                match wire.kind {
                    "msg" => {
                        out.push(Event::Message { leg: 0, n: Some(wire.id), text: wire.text.into_owned() })
                    }
                    "ack" => out.push(Event::Accepted { leg: 0, n: wire.id }),
                    other => bail!("the floor sent a {other:?}: {}", text.as_str()),
                }
                Ok(())
            }
            Message::Close(why) => bail!("closed by the floor: {why:?}"),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }
}
