//! The task of a peer: makes the link again and again, and tells the handler what comes over it. All calls for a peer come from here,
//! one after the other: up, what is received, down.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{FutureExt, Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::hello::Refusal;
use super::message::{Body, Malformed, Message};
use super::pairing::{Pair, Pairing};
use super::pause::Pause;
use super::peer::{Offer, Outbound, Peer, Up};
use super::tls::{ConnectError, connect};
use super::{Class, Shared, transport};
use crate::clock::random;
use crate::member::Life;
use crate::member::told::Told;

/// What comes over one stream.
pub(super) type Inbound = Pin<Box<dyn Stream<Item = Result<Message, Broken>> + Send>>;

/// An attempt to make a link, or the wait for the other stream of one, is given up after this time.
pub(super) const ATTEMPT: Duration = Duration::from_secs(5);
/// How often the round trip is measured and all is told again.
const BEAT: Duration = Duration::from_secs(1);

/// Why there is no link, or no longer one.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the peer is refused: {0}")]
    Refused(#[from] Refusal),
    /// As the transport says it: an end of the connection, or why the peer refuses.
    #[error("{0}")]
    Stream(String),
    #[error("the peer has ended the link")]
    Ended,
    #[error("the peer did not answer in time")]
    TooSlow,
    #[error("a message cannot be read: {0}")]
    Malformed(#[from] Malformed),
    #[error("a hello in the middle of a stream")]
    Hello,
    #[error("the handler failed")]
    Handler,
}

/// Keeps the link to a peer that this node dials, until it is aborted.
pub(super) async fn dial(shared: Arc<Shared>, peer: Arc<Peer>) {
    let mut pause = Pause::new();
    let mut last_reason = String::new();
    loop {
        let attempt = shared.attempts.fetch_add(1, Ordering::Relaxed) + 1;
        let began = Instant::now();
        let outcome = match timeout(ATTEMPT, open(&shared, &peer, attempt)).await {
            Ok(Ok(pair)) => guarded(&shared, &peer, pair, std::future::pending::<Infallible>()).await,
            Ok(Err(broken)) => Err(broken),
            Err(_) => Err(Broken::TooSlow),
        };
        peer.close(attempt);
        let Err(broken) = outcome;
        // A peer that is away is no news each time it is not found.
        let reason = broken.to_string();
        if reason != last_reason {
            tracing::info!(peer = %peer.life.node, generation = peer.life.generation, reason, "no link");
            last_reason = reason;
        }
        peer.tally.failed.fetch_add(1, Ordering::Relaxed);
        pause.stood(began.elapsed());
        sleep(pause.next(u32::from_be_bytes(random()))).await;
    }
}

/// One connection with its two streams, both ends known to each other.
async fn open(shared: &Arc<Shared>, peer: &Arc<Peer>, attempt: u64) -> Result<Pair<Inbound>, Broken> {
    for class in [Class::Interactive, Class::Bulk] {
        if !peer.lane(class).offer(attempt) {
            return Err(Broken::Refused(Refusal::Late));
        }
    }
    let wire = connect(&shared.tls, &peer.life.node, &peer.addr).await?;
    let connection = transport::Connection::over(wire).await?;
    let stream = async |class| {
        let outbound = Outbound::new(peer, &shared.own, class, attempt, &shared.told);
        let mut inbound = connection.stream(outbound).await?;
        let answer = inbound.next().await.ok_or(Broken::Ended)??;
        let Body::Hello(hello) = answer.body else {
            return Err(Broken::Refused(Refusal::NoHello("something else comes first")));
        };
        let judged = shared.own.answered(&shared.own.hello(&peer.life, class, attempt), &hello);
        shared.count(judged)?;
        shared.handler.heard(&peer.life, answer.told);
        Ok::<_, Broken>(inbound)
    };
    Ok(Pair { attempt, interactive: stream(Class::Interactive).await?, bulk: stream(Class::Bulk).await? })
}

/// Takes up the streams that a peer opens to this node, until it is aborted.
pub(super) async fn accept(shared: Arc<Shared>, peer: Arc<Peer>, mut offers: mpsc::Receiver<Offer>) {
    let mut pairing = Pairing::new();
    let mut next = None;
    loop {
        let offer = match (next.take(), pairing.awaited()) {
            (Some(offer), _) => Some(offer),
            (None, Some(attempt)) => match timeout(ATTEMPT, offers.recv()).await {
                Ok(offer) => offer,
                Err(_) => {
                    pairing.give_up();
                    peer.close(attempt);
                    continue;
                }
            },
            (None, None) => offers.recv().await,
        };
        // The peer lives as long as its task: somebody can always offer.
        let Some(Offer { attempt, class, inbound }) = offer else { return };
        let Some(pair) = pairing.offer(attempt, class, inbound) else { continue };
        match guarded(&shared, &peer, pair, later(&mut offers, attempt)).await {
            // The dialling end has given this attempt up, though nothing of it has come here yet.
            Ok(offer) => next = Some(offer),
            Err(broken) => {
                tracing::info!(peer = %peer.life.node, generation = peer.life.generation, reason = %broken, "no link");
                peer.tally.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// The next stream of a later attempt.
async fn later(offers: &mut mpsc::Receiver<Offer>, attempt: u64) -> Offer {
    while let Some(offer) = offers.recv().await {
        if offer.attempt > attempt {
            return offer;
        }
    }
    std::future::pending().await
}

/// A handler that panics costs its link one session, not the task that would make the next.
async fn guarded<T>(
    shared: &Shared,
    peer: &Peer,
    pair: Pair<Inbound>,
    replaced: impl Future<Output = T>,
) -> Result<T, Broken> {
    let guarded = AssertUnwindSafe(talk(shared, peer, pair, replaced)).catch_unwind().await;
    guarded.unwrap_or(Err(Broken::Handler))
}

/// The link is up, until it breaks or another one takes its place.
async fn talk<T>(
    shared: &Shared,
    peer: &Peer,
    pair: Pair<Inbound>,
    replaced: impl Future<Output = T>,
) -> Result<T, Broken> {
    let Pair { attempt, mut interactive, mut bulk } = pair;
    let Some(_up) = Up::begin(peer, attempt, &*shared.handler) else {
        return Err(Broken::Refused(Refusal::Late));
    };
    let mut replaced = std::pin::pin!(replaced);
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = Told::default();
    loop {
        let (class, message) = tokio::select! {
            message = interactive.next() => (Class::Interactive, message),
            message = bulk.next() => (Class::Bulk, message),
            _ = beats.tick() => {
                peer.lane(Class::Interactive).beat(shared.stamp());
                continue;
            }
            by = &mut replaced => return Ok(by),
        };
        let message = message.ok_or(Broken::Ended)??;
        // Said again with each beat, so that a listener who missed it hears it a second later.
        if message.told != known || matches!(message.body, Body::Beat(_)) {
            known = message.told;
            shared.handler.heard(&peer.life, message.told);
        }
        take(shared, peer, class, message.body)?;
    }
}

fn take(shared: &Shared, peer: &Peer, class: Class, body: Body) -> Result<(), Broken> {
    match body {
        Body::Frames(frames) => {
            let bytes: usize = frames.iter().map(bytes::Bytes::len).sum();
            peer.tally.received.fetch_add(frames.len() as u64, Ordering::Relaxed);
            peer.tally.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            for frame in frames {
                shared.handler.received(&peer.life, class, frame);
            }
        }
        Body::Beat(stamp) => peer.lane(class).echo(stamp),
        Body::Echo(stamp) => {
            let rtt_us = shared.stamp().saturating_sub(stamp).max(1);
            peer.tally.rtt_us.store(rtt_us, Ordering::Relaxed);
        }
        Body::Hello(_) => return Err(Broken::Hello),
    }
    Ok(())
}

/// What a peer that has connected says first decides whether its stream is taken.
pub(super) async fn greet(
    shared: &Arc<Shared>,
    is_certified: impl Fn(&str) -> bool,
    mut inbound: Inbound,
) -> Result<Outbound, Refusal> {
    let first = match timeout(ATTEMPT, inbound.next()).await {
        Ok(Some(first)) => first,
        Ok(None) | Err(_) => return shared.count(Err(Refusal::Silent)),
    };
    shared.count(judge(shared, is_certified, first, inbound))
}

fn judge(
    shared: &Arc<Shared>,
    is_certified: impl Fn(&str) -> bool,
    first: Result<Message, Broken>,
    inbound: Inbound,
) -> Result<Outbound, Refusal> {
    let (told, hello) = match first {
        Ok(Message { told, body: Body::Hello(hello) }) => (told, hello),
        Ok(_) => return Err(Refusal::NoHello("something else comes first")),
        Err(Broken::Malformed(Malformed::Protocol(version))) => return Err(Refusal::Protocol(version)),
        Err(_) => return Err(Refusal::NoHello("what comes first cannot be read")),
    };
    shared.own.greeted(&hello, is_certified)?;
    // It is a node of this cluster: what it knows of the view counts, also when it is not yet a member here, or no longer.
    shared.handler.heard(&hello.from, told);
    let peer = shared.find(&hello.from)?;
    peer.offer(&hello, inbound)?;
    Ok(Outbound::new(&peer, &shared.own, hello.class, hello.attempt, &shared.told))
}

impl Shared {
    /// The peer that this life is, if a link to it is kept and it is the one who dials.
    fn find(&self, life: &Life) -> Result<Arc<Peer>, Refusal> {
        if self.own.dials(&life.node) || life.node == self.own.life.node {
            return Err(Refusal::WrongSide(Arc::clone(&life.node)));
        }
        let peer = self.peers.read().get(&*life.node).map(|kept| Arc::clone(&kept.peer));
        let peer = peer.ok_or_else(|| Refusal::NotAMember(Arc::clone(&life.node)))?;
        if peer.life == *life { Ok(peer) } else { Err(Refusal::AnotherLife(life.clone())) }
    }

    /// Counts a refusal, and says one that somebody has to look at.
    fn count<T>(&self, judged: Result<T, Refusal>) -> Result<T, Refusal> {
        if let Err(refusal) = &judged {
            *self.refusals.lock().entry(refusal.reason()).or_default() += 1;
            if !refusal.passes() {
                tracing::warn!(%refusal, "a link was refused");
            }
        }
        judged
    }
}
