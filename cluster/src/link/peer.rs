//! One peer: a life of another node to which a link is kept.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::hello::{Hello, Own, Refusal};
use super::lane::Lane;
use super::message::{Body, Message};
use super::session::Inbound;
use super::{Class, Handler, NotSent, PeerCounts, QueueBounds};
use crate::member::Life;
use crate::member::told::Told;

/// Streams that have come and are not yet taken up by the peer's task. Beyond it they are refused; whoever dialled comes again.
const OFFERS_MAX: usize = 8;

/// A stream that the peer has opened to this node.
pub(super) struct Offer {
    pub(super) attempt: u64,
    pub(super) class: Class,
    pub(super) inbound: Inbound,
}

pub(super) struct Peer {
    pub(super) life: Life,
    pub(super) addr: String,
    interactive: Lane,
    bulk: Lane,
    offers: mpsc::Sender<Offer>,
    pub(super) tally: Tally,
}

/// What a peer's link has done.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) up: AtomicBool,
    pub(super) sent: AtomicU64,
    pub(super) sent_bytes: AtomicU64,
    pub(super) batches: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) received_bytes: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) ups: AtomicU64,
    pub(super) failed: AtomicU64,
    /// Microseconds; 0 before the first echo.
    pub(super) rtt_us: AtomicU64,
}

impl Peer {
    /// The streams that the peer opens come out of the second part.
    pub(super) fn new(life: Life, addr: String, bounds: QueueBounds) -> (Arc<Self>, mpsc::Receiver<Offer>) {
        let (offers, offered) = mpsc::channel(OFFERS_MAX);
        let (interactive, bulk) = (Lane::new(bounds), Lane::new(bounds));
        let peer = Self { life, addr, interactive, bulk, offers, tally: Tally::default() };
        (Arc::new(peer), offered)
    }

    pub(super) fn lane(&self, class: Class) -> &Lane {
        match class {
            Class::Interactive => &self.interactive,
            Class::Bulk => &self.bulk,
        }
    }

    pub(super) fn send(&self, class: Class, frame: Bytes) -> Result<(), NotSent> {
        let outcome = self.lane(class).send(frame);
        if outcome.is_err() {
            self.tally.refused.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    /// Takes a stream of the peer in, for its task.
    pub(super) fn offer(&self, hello: &Hello, inbound: Inbound) -> Result<(), Refusal> {
        let room = self.offers.try_reserve().map_err(|_| Refusal::Late)?;
        if !self.lane(hello.class).offer(hello.attempt) {
            return Err(Refusal::Late);
        }
        room.send(Offer { attempt: hello.attempt, class: hello.class, inbound });
        Ok(())
    }

    pub(super) fn close(&self, attempt: u64) {
        self.interactive.close(attempt);
        self.bulk.close(attempt);
    }

    /// Ends the link for good.
    pub(super) fn shut(&self) {
        self.interactive.shut();
        self.bulk.shut();
    }

    pub(super) fn counts(&self) -> PeerCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let waiting = [self.interactive.waiting(), self.bulk.waiting()];
        let rtt_us = read(&self.tally.rtt_us);
        PeerCounts {
            peer: self.life.clone(),
            up: self.tally.up.load(Ordering::Relaxed),
            waiting_frames: waiting.map(|(frames, _)| frames),
            waiting_bytes: waiting.map(|(_, bytes)| bytes),
            sent: read(&self.tally.sent),
            sent_bytes: read(&self.tally.sent_bytes),
            batches: read(&self.tally.batches),
            received: read(&self.tally.received),
            received_bytes: read(&self.tally.received_bytes),
            refused: read(&self.tally.refused),
            ups: read(&self.tally.ups),
            failed: read(&self.tally.failed),
            rtt_us: (rtt_us > 0).then_some(rtt_us),
        }
    }
}

/// A link that is up. Dropped, it is down: also when its task is ended, or a handler panics.
pub(super) struct Up<'a> {
    peer: &'a Peer,
    attempt: u64,
    handler: &'a dyn Handler,
}

impl<'a> Up<'a> {
    /// None when the attempt is over already.
    pub(super) fn begin(peer: &'a Peer, attempt: u64, handler: &'a dyn Handler) -> Option<Self> {
        if !(peer.interactive.open(attempt) && peer.bulk.open(attempt)) {
            peer.close(attempt);
            return None;
        }
        peer.tally.up.store(true, Ordering::Relaxed);
        peer.tally.ups.fetch_add(1, Ordering::Relaxed);
        let up = Self { peer, attempt, handler };
        handler.up(&peer.life);
        Some(up)
    }
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        // First nothing is taken any more, then it is told: what is sent after that goes to the next attempt or is refused.
        self.peer.close(self.attempt);
        self.peer.tally.up.store(false, Ordering::Relaxed);
        self.handler.down(&self.peer.life);
    }
}

/// What one attempt sends in one class, as a stream that ends with the attempt.
pub(super) struct Outbound {
    pub(super) peer: Arc<Peer>,
    pub(super) class: Class,
    pub(super) attempt: u64,
    /// Said first.
    pub(super) hello: Option<Hello>,
    pub(super) told: Arc<Mutex<Told>>,
}

impl Outbound {
    pub(super) fn new(
        peer: &Arc<Peer>,
        own: &Own,
        class: Class,
        attempt: u64,
        told: &Arc<Mutex<Told>>,
    ) -> Self {
        let hello = Some(own.hello(&peer.life, class, attempt));
        Self { peer: Arc::clone(peer), class, attempt, hello, told: Arc::clone(told) }
    }
}

impl Stream for Outbound {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let body = match self.hello.take() {
            Some(hello) => Some(Body::Hello(hello)),
            None => std::task::ready!(self.peer.lane(self.class).next(self.attempt, context.waker())),
        };
        if let Some(Body::Frames(frames)) = &body {
            let tally = &self.peer.tally;
            let bytes: usize = frames.iter().map(Bytes::len).sum();
            tally.sent.fetch_add(frames.len() as u64, Ordering::Relaxed);
            tally.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            tally.batches.fetch_add(u64::from(!frames.is_empty()), Ordering::Relaxed);
        }
        Poll::Ready(body.map(|body| Message { told: *self.told.lock(), body }))
    }
}
