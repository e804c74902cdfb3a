//! A line: the frames of a client that can open no WebSocket, carried by requests one after the other. `POST /v1/send` brings frames,
//! `GET /v1/events` fetches them, as a stream of server-sent events or by long polls. Behind it is the same talk as behind a socket.
//!
//! Frames to the client are numbered. One is kept until the client has shown that it has it, by asking for what comes after, so an answer that was
//! lost on the way is fetched again; a stream that only flows confirms nothing, so there the oldest are forgotten beyond a bound.

mod http;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use crate::transport::{Ended, Transport};
use crate::wire::{Bye, Encoding, encode};

pub(crate) use http::{events, send};

/// Lines of a node.
const LINES_MAX: usize = 10_000;
/// Largest body of a request.
pub(crate) const BODY_BYTES_MAX: usize = 256 * 1024;
/// Frames of a client that wait for its talk.
const INCOMING_MAX: usize = 64;
/// Bytes that wait for the client to fetch them; then its talk waits too.
const UNREAD_BYTES_MAX: usize = 256 * 1024;
/// Bytes kept that were fetched and are not confirmed.
const UNCONFIRMED_BYTES_MAX: usize = 64 * 1024;
/// A client that fetches nothing for this time has gone.
const ABSENT: Duration = Duration::from_secs(45);
/// A client that takes nothing for this time while more waits than may is let go.
const WRITE: Duration = Duration::from_secs(30);
/// How long the last frames wait to be fetched.
const CLOSE: Duration = Duration::from_secs(10);

/// The lines of a node, by their secret names.
#[derive(Debug)]
pub(crate) struct Lines {
    all: Mutex<HashMap<String, Arc<Line>>>,
    absent: Duration,
    write: Duration,
}

impl Default for Lines {
    fn default() -> Self {
        Self { all: Mutex::default(), absent: ABSENT, write: WRITE }
    }
}

impl Lines {
    fn find(&self, name: &str) -> Option<Arc<Line>> {
        self.all.lock().get(name).cloned()
    }

    /// A new line, with the end at which its talk is held; `None` when the node has too many.
    fn open(&self, name: &str) -> Option<(Arc<Line>, End)> {
        let mut lines = self.all.lock();
        if lines.len() >= LINES_MAX {
            return None;
        }
        let (to_talk, from_client) = mpsc::channel(INCOMING_MAX);
        let outgoing = Outgoing {
            frames: VecDeque::new(),
            first: 1,
            handed: 0,
            unread: 0,
            unconfirmed: 0,
            over: false,
            reader: None,
            readers: 0,
            seen: Instant::now(),
        };
        let line = Arc::new(Line {
            to_talk,
            bell: Notify::new(),
            room: Notify::new(),
            outgoing: Mutex::new(outgoing),
        });
        lines.insert(name.to_owned(), Arc::clone(&line));
        let end = End { line: Arc::clone(&line), from_client, absent: self.absent, write: self.write };
        Some((line, end))
    }

    fn remove(&self, name: &str) {
        self.all.lock().remove(name);
    }
}

/// One client's line.
#[derive(Debug)]
pub(crate) struct Line {
    to_talk: mpsc::Sender<Bytes>,
    /// Rung when there is something to fetch, or another reader.
    bell: Notify,
    /// Rung when something was fetched.
    room: Notify,
    outgoing: Mutex<Outgoing>,
}

#[derive(Debug)]
struct Outgoing {
    /// From `first` on.
    frames: VecDeque<Bytes>,
    first: u64,
    /// The last that a reader was given.
    handed: u64,
    /// Bytes of the frames after `handed`, and of the others.
    unread: usize,
    unconfirmed: usize,
    over: bool,
    /// Who fetches now; a later one takes over, for the former may hang on a dead line.
    reader: Option<u64>,
    readers: u64,
    /// When the client was last there.
    seen: Instant,
}

/// What a reader is given.
#[derive(Debug, PartialEq, Eq)]
enum Fetched {
    /// Frames, and the number of the last.
    Frames(Vec<Bytes>, u64),
    /// Nothing yet.
    Nothing,
    /// No more will come, or another reader has taken over, or what was asked for is not kept any more.
    Over,
}

impl Outgoing {
    fn last(&self) -> u64 {
        self.first + self.frames.len() as u64 - 1
    }

    fn room_for(&self, frame: &Bytes) -> bool {
        self.unread == 0 || self.unread + frame.len() <= UNREAD_BYTES_MAX
    }

    fn push(&mut self, frame: Bytes) {
        self.unread += frame.len();
        self.frames.push_back(frame);
    }

    /// The client has everything up to `upto`.
    fn confirm(&mut self, upto: u64) {
        while self.first <= upto.min(self.handed) {
            self.forget();
        }
    }

    fn forget(&mut self) {
        let Some(frame) = self.frames.pop_front() else { return };
        self.unconfirmed -= frame.len();
        self.first += 1;
    }

    /// What comes after `after`, for a reader.
    fn fetch(&mut self, reader: u64, after: u64) -> Fetched {
        if self.reader != Some(reader) || after + 1 < self.first || after > self.last() {
            return Fetched::Over;
        }
        let skip = usize::try_from(after + 1 - self.first).unwrap_or(usize::MAX);
        let frames: Vec<Bytes> = self.frames.iter().skip(skip).cloned().collect();
        if frames.is_empty() {
            return if self.over { Fetched::Over } else { Fetched::Nothing };
        }
        let last = self.last();
        (self.handed, self.unconfirmed) = (last, self.unconfirmed + self.unread);
        self.unread = 0;
        while self.unconfirmed > UNCONFIRMED_BYTES_MAX && self.first <= self.handed {
            self.forget();
        }
        Fetched::Frames(frames, last)
    }
}

/// Somebody who fetches from a line; the line knows when it has gone.
#[derive(Debug)]
struct Reader {
    line: Arc<Line>,
    number: u64,
    after: u64,
}

impl Reader {
    /// A reader of what comes after `after`; the client has all before.
    fn new(line: &Arc<Line>, after: u64) -> Self {
        let mut outgoing = line.outgoing.lock();
        outgoing.confirm(after);
        outgoing.readers += 1;
        let number = outgoing.readers;
        outgoing.reader = Some(number);
        drop(outgoing);
        line.bell.notify_waiters();
        Self { line: Arc::clone(line), number, after }
    }

    /// Waits for frames; `None` when there will be none.
    async fn next(&mut self) -> Option<Vec<Bytes>> {
        loop {
            let line = Arc::clone(&self.line);
            let mut rung = std::pin::pin!(line.bell.notified());
            // Before the look: what comes between the look and the wait rings.
            rung.as_mut().enable();
            let fetched = line.outgoing.lock().fetch(self.number, self.after);
            match fetched {
                Fetched::Frames(frames, last) => {
                    line.room.notify_one();
                    self.after = last;
                    return Some(frames);
                }
                Fetched::Nothing => rung.await,
                Fetched::Over => return None,
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut outgoing = self.line.outgoing.lock();
        if outgoing.reader == Some(self.number) {
            outgoing.reader = None;
            outgoing.seen = Instant::now();
        }
    }
}

/// The end of a line at which its talk is held.
#[derive(Debug)]
pub(crate) struct End {
    line: Arc<Line>,
    from_client: mpsc::Receiver<Bytes>,
    absent: Duration,
    write: Duration,
}

impl Transport for End {
    fn encoding(&self) -> Encoding {
        Encoding::Json
    }

    async fn receive(&mut self) -> Result<Bytes, Ended> {
        loop {
            let gone_at = {
                let outgoing = self.line.outgoing.lock();
                let since = if outgoing.reader.is_some() { Instant::now() } else { outgoing.seen };
                since + self.absent
            };
            if gone_at <= Instant::now() {
                return Err((Bye::Broken, "the client fetches nothing any more"));
            }
            tokio::select! {
                biased;
                received = self.from_client.recv() => {
                    return received.ok_or((Bye::Broken, "the line is gone"));
                }
                () = sleep_until(gone_at) => {}
            }
        }
    }

    async fn send(&mut self, frames: &mut Vec<Bytes>) -> Result<(), Bye> {
        let line = &self.line;
        let sending = async {
            for frame in frames.drain(..) {
                while !line.outgoing.lock().room_for(&frame) {
                    line.bell.notify_waiters();
                    line.room.notified().await;
                }
                line.outgoing.lock().push(frame);
            }
            line.bell.notify_waiters();
        };
        timeout(self.write, sending).await.map_err(|_| Bye::SlowConsumer)
    }

    async fn close(mut self, bye: Bye, reason: &str) {
        let frame = encode(Encoding::Json, &json!({ "t": "bye", "code": bye.code(), "reason": reason }));
        {
            let mut outgoing = self.line.outgoing.lock();
            outgoing.push(frame.into());
            outgoing.over = true;
        }
        // Whoever still sends is told that nobody hears it.
        self.from_client.close();
        self.line.bell.notify_waiters();
        let fetched = async {
            while self.line.outgoing.lock().unread > 0 {
                self.line.room.notified().await;
            }
        };
        // What is not fetched by then the client gets when it resumes.
        let _ = timeout(CLOSE, fetched).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(texts: &[&str]) -> Vec<Bytes> {
        texts.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect()
    }

    #[tokio::test]
    async fn what_was_lost_on_the_way_is_fetched_again_until_it_is_confirmed() {
        let lines = Lines::default();
        let (line, mut end) = lines.open("a").expect("there is room");
        end.send(&mut frames(&["1", "2"])).await.expect("taken");
        assert_eq!(Reader::new(&line, 0).next().await, Some(frames(&["1", "2"])));
        end.send(&mut frames(&["3"])).await.expect("taken");
        assert_eq!(Reader::new(&line, 0).next().await, Some(frames(&["1", "2", "3"])));
        assert_eq!(Reader::new(&line, 2).next().await, Some(frames(&["3"])));
        // It has said that it has the first two.
        assert_eq!(Reader::new(&line, 0).next().await, None);
        let mut hanging = Reader::new(&line, 3);
        let mut later = Reader::new(&line, 3);
        assert_eq!(hanging.next().await, None);
        drop(hanging);
        end.send(&mut frames(&["4"])).await.expect("taken");
        assert_eq!(later.next().await, Some(frames(&["4"])));
    }

    #[tokio::test]
    async fn a_client_that_fetches_nothing_is_let_go() {
        let none = Duration::ZERO;
        let lines = Lines { all: Mutex::default(), absent: none, write: none };
        let (line, mut end) = lines.open("a").expect("there is room");
        let big = Bytes::from(vec![b'x'; UNREAD_BYTES_MAX]);
        end.send(&mut vec![big.clone()]).await.expect("taken");
        assert_eq!(end.send(&mut vec![big.clone()]).await, Err(Bye::SlowConsumer));
        assert_eq!(end.receive().await, Err((Bye::Broken, "the client fetches nothing any more")));
        // Fetched, so there is room again; of what was fetched the oldest is forgotten beyond the bound.
        assert_eq!(Reader::new(&line, 0).next().await, Some(vec![big.clone()]));
        assert_eq!(line.outgoing.lock().first, 2);
        end.send(&mut vec![big.clone()]).await.expect("taken");
        assert_eq!(Reader::new(&line, 1).next().await, Some(vec![big]));
    }
}
