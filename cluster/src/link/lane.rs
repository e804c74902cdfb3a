//! One class of frames to one peer: the queue, and which attempt of the link may take from it. What is taken here for one attempt
//! never goes to another, so an earlier life gets nothing that was meant for a later one.

use std::task::{Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;

use super::message::Body;
use super::queue::Queue;
use super::{NotSent, QueueBounds};

#[derive(Debug)]
pub(super) struct Lane(Mutex<State>);

#[derive(Debug)]
struct State {
    queue: Queue,
    attempt: u64,
    phase: Phase,
    /// The view has changed: it is told even when no frame waits.
    tells: bool,
    beat: Option<u64>,
    echo: Option<u64>,
    /// Whoever sends for the attempt and waits for something to send.
    sender: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The attempt is being made.
    Offered,
    /// Frames are taken and sent.
    Open,
    /// The attempt is over.
    Over,
}

impl State {
    fn become_of(&mut self, attempt: u64, phase: Phase) -> Option<Waker> {
        self.queue.clear();
        (self.attempt, self.phase) = (attempt, phase);
        (self.tells, self.beat, self.echo) = (false, None, None);
        self.sender.take()
    }
}

impl Lane {
    pub(super) fn new(bounds: QueueBounds) -> Self {
        let (queue, phase) = (Queue::new(bounds), Phase::Over);
        let state = State { queue, attempt: 0, phase, tells: false, beat: None, echo: None, sender: None };
        Self(Mutex::new(state))
    }

    /// A later attempt begins, which ends the one before. False for one that is not later.
    pub(super) fn offer(&self, attempt: u64) -> bool {
        self.change(|state| {
            let is_later = attempt > state.attempt;
            (is_later, if is_later { state.become_of(attempt, Phase::Offered) } else { None })
        })
    }

    /// Frames are taken from now on. False when the attempt is over already.
    pub(super) fn open(&self, attempt: u64) -> bool {
        self.change(|state| {
            let is_offered = (state.attempt, state.phase) == (attempt, Phase::Offered);
            (is_offered, if is_offered { state.become_of(attempt, Phase::Open) } else { None })
        })
    }

    /// The attempt is over: what waits is forgotten, nothing more is taken.
    pub(super) fn close(&self, attempt: u64) {
        self.change(|state| {
            let is_current = state.attempt == attempt;
            ((), if is_current { state.become_of(attempt, Phase::Over) } else { None })
        });
    }

    /// No attempt is made any more.
    pub(super) fn shut(&self) {
        self.change(|state| ((), state.become_of(u64::MAX, Phase::Over)));
    }

    pub(super) fn send(&self, frame: Bytes) -> Result<(), NotSent> {
        self.change(|state| match state.phase {
            Phase::Offered | Phase::Over => (Err(NotSent::Down), None),
            Phase::Open => match state.queue.push(frame) {
                Ok(()) => (Ok(()), state.sender.take()),
                Err(error) => (Err(error), None),
            },
        })
    }

    /// The view is told, also when there is nothing else to send.
    pub(super) fn tell(&self) {
        self.while_open(|state| state.tells = true);
    }

    /// Asks for an echo of this stamp.
    pub(super) fn beat(&self, stamp: u64) {
        self.while_open(|state| state.beat = Some(stamp));
    }

    pub(super) fn echo(&self, stamp: u64) {
        self.while_open(|state| state.echo = Some(stamp));
    }

    /// What is sent next for this attempt; nothing when it is over.
    pub(super) fn next(&self, attempt: u64, sender: &Waker) -> Poll<Option<Body>> {
        let mut state = self.0.lock();
        let is_awaited = attempt > state.attempt || (attempt, Phase::Offered) == (state.attempt, state.phase);
        if !is_awaited && (attempt, Phase::Open) != (state.attempt, state.phase) {
            return Poll::Ready(None);
        }
        if !is_awaited && let Some(body) = state.take() {
            return Poll::Ready(Some(body));
        }
        match &mut state.sender {
            Some(known) => known.clone_from(sender),
            none => *none = Some(sender.clone()),
        }
        Poll::Pending
    }

    /// Frames and bytes that wait.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let state = self.0.lock();
        (state.queue.frames(), state.queue.bytes())
    }

    fn while_open(&self, act: impl FnOnce(&mut State)) {
        self.change(|state| {
            if state.phase == Phase::Open {
                act(state);
                ((), state.sender.take())
            } else {
                ((), None)
            }
        });
    }

    /// Whoever is to be woken is woken when the lock is free again.
    fn change<T>(&self, act: impl FnOnce(&mut State) -> (T, Option<Waker>)) -> T {
        let (outcome, woken) = act(&mut self.0.lock());
        if let Some(woken) = woken {
            woken.wake();
        }
        outcome
    }
}

impl State {
    fn take(&mut self) -> Option<Body> {
        if let Some(stamp) = self.echo.take() {
            return Some(Body::Echo(stamp));
        }
        if let Some(stamp) = self.beat.take() {
            return Some(Body::Beat(stamp));
        }
        let frames = self.queue.batch();
        let tells = std::mem::take(&mut self.tells);
        (tells || !frames.is_empty()).then_some(Body::Frames(frames))
    }
}
