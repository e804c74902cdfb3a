//! Who is connected, and what is done with a frame.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use conversa_benches::clock;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::log::{Commit, Log};

pub(crate) type Outbox = UnboundedSender<Utf8Bytes>;
pub(crate) type Inbox = UnboundedReceiver<Utf8Bytes>;

pub(crate) struct Hub {
    log: Log,
    users: RefCell<HashMap<Box<str>, Outbox>>,
    seqs: RefCell<HashMap<Box<str>, u64>>,
}

/// What a connection needs of itself: who it is, and its cached way to the peer.
pub(crate) struct Me {
    user: Box<str>,
    peer: Box<str>,
    outbox: Outbox,
    peer_outbox: RefCell<Option<Outbox>>,
}

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    id: u64,
    #[serde(borrow)]
    conv: Cow<'a, str>,
    #[serde(borrow)]
    from: Cow<'a, str>,
    #[serde(borrow)]
    to: Cow<'a, str>,
    seq: u64,
    ts: u64,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[derive(Serialize)]
struct Ack<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: u64,
    seq: u64,
    ts: u64,
}

/// `/ws?user=a&peer=b`
pub(crate) fn parse_target(target: &str) -> Option<(&str, &str)> {
    let query = target.split_once('?')?.1;
    let get = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    Some((get("user")?, get("peer")?))
}

impl Hub {
    pub(crate) fn new(log: Log) -> Self {
        Self { log, users: RefCell::default(), seqs: RefCell::default() }
    }

    pub(crate) fn join(&self, user: &str, peer: &str) -> (Me, Inbox) {
        let (outbox, inbox) = unbounded_channel();
        self.users.borrow_mut().insert(user.into(), outbox.clone());
        (Me { user: user.into(), peer: peer.into(), outbox, peer_outbox: RefCell::default() }, inbox)
    }

    pub(crate) fn leave(&self, me: &Me) {
        let mut users = self.users.borrow_mut();
        if users.get(&me.user).is_some_and(|outbox| outbox.same_channel(&me.outbox)) {
            users.remove(&me.user);
        }
    }

    fn peer_of(&self, me: &Me) -> Option<Outbox> {
        let mut cached = me.peer_outbox.borrow_mut();
        if cached.as_ref().is_none_or(UnboundedSender::is_closed) {
            *cached = self.users.borrow().get(&me.peer).cloned();
        }
        cached.clone()
    }

    pub(crate) fn receive(&self, me: &Me, frame: &[u8]) {
        let Ok(mut wire) = serde_json::from_slice::<Wire>(frame) else { return };
        let mut seqs = self.seqs.borrow_mut();
        let seq = match seqs.get_mut(&*wire.conv) {
            Some(seq) => seq,
            None => seqs.entry(wire.conv.as_ref().into()).or_insert(0),
        };
        *seq += 1;
        wire.seq = *seq;
        wire.ts = clock::wall_us();
        // The sender may not speak for others.
        wire.from = Cow::Borrowed(&me.user);
        let record = encode(&wire);
        let ack = encode(&Ack { kind: "ack", id: wire.id, seq: wire.seq, ts: wire.ts });
        self.log.append(Commit { record, to: self.peer_of(me), ack, sender: me.outbox.clone() });
    }
}

fn encode(value: &impl Serialize) -> Utf8Bytes {
    serde_json::to_string(value).expect("text and numbers are representable").into()
}
