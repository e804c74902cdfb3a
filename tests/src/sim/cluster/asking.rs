//! What a node waits for from others, as `Host::view_far`, `Host::read_log` and the readers of `far/incoming.rs` do: who serves an actor is
//! asked, and asked again when that has changed.

use std::sync::Arc;

use conversa_actors::address::Address;
use conversa_actors::cell::machine::{Input, Reply, TAIL_MAX, View};
use conversa_actors::host::{Page, Route};
use conversa_actors::port::{Entry, StoreError};
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::TryRecvError;

use super::Event;
use crate::sim::World;
use crate::sim::store::{Back, Job, broken};

/// How long a reader waits for an owner, milliseconds.
const OWNED_MS: i64 = 10_000;
/// When an actor without an owner is asked again, milliseconds.
const AGAIN_MS: i64 = 100;

/// All that a node waits for.
#[derive(Debug, Default)]
pub(super) struct Asking {
    looks: Vec<Looking>,
    reads: Vec<Reading>,
    /// What other nodes look at here.
    answers: Vec<(Arc<str>, u64, &'static str, Receiver<View>)>,
    reads_begun: u64,
}

/// Somebody looks at an actor.
#[derive(Debug)]
struct Looking {
    of: Address,
    reply: Reply<View>,
    until: Time,
    stage: Stage<Result<View, Refusal>>,
}

/// Somebody reads a log.
#[derive(Debug)]
struct Reading {
    id: u64,
    of: Address,
    after: u64,
    limit: usize,
    found: Vec<Entry>,
    until: Time,
    then: Then,
    stage: Stage<Result<Page, StoreError>>,
}

/// Who reads.
#[derive(Debug)]
enum Then {
    Watcher(Back),
    Talk(usize),
    /// Another node has asked: for at most so many.
    Node(Arc<str>, u64),
}

#[derive(Debug)]
enum Stage<T> {
    Due(Time),
    Asked(Receiver<T>),
    /// The store is asked.
    Here,
}

impl World {
    pub(in crate::sim) fn look_anywhere(&mut self, n: usize, of: &Address) -> Receiver<View> {
        let (reply, view) = tokio::sync::oneshot::channel();
        let (now, until) = (self.now, self.now.after_ms(OWNED_MS));
        let looking = Looking { of: of.clone(), reply, until, stage: Stage::Due(now) };
        self.member(n).asking.looks.push(looking);
        view
    }

    pub(in crate::sim) fn read_for_watcher(
        &mut self,
        n: usize,
        back: Back,
        conversation: Address,
        after: u64,
    ) {
        if self.cluster.is_none() {
            return self.ask_store(n, Job::Read { back, conversation, after });
        }
        self.begin_read(n, conversation, after, TAIL_MAX, Then::Watcher(back));
    }

    pub(in crate::sim) fn read_for_talk(&mut self, n: usize, talk: usize, source: Address, after: u64) {
        if self.cluster.is_none() {
            return self.ask_store(n, Job::Page { talk, source, after });
        }
        let limit = self.rates.page;
        self.begin_read(n, source, after, limit, Then::Talk(talk));
    }

    fn begin_read(&mut self, n: usize, of: Address, after: u64, limit: usize, then: Then) {
        let (now, until) = (self.now, self.now.after_ms(OWNED_MS));
        let asking = &mut self.member(n).asking;
        asking.reads_begun += 1;
        let (id, found, stage) = (asking.reads_begun, Vec::new(), Stage::Due(now));
        asking.reads.push(Reading { id, of, after, limit, found, until, then, stage });
    }

    pub(super) fn look_for(&mut self, n: usize, from: Arc<str>, question: u64, of: &Address) {
        let kind = of.kind;
        match self.look_here(n, of) {
            Some(view) => self.member(n).asking.answers.push((from, question, kind, view)),
            None => self.viewed(n, &from, question, kind, Err(busy())),
        }
    }

    fn viewed(&mut self, n: usize, from: &str, question: u64, kind: &str, view: Result<View, Refusal>) {
        if let Some(far) = self.far(n) {
            far.viewed(from, question, kind, view);
        }
    }

    pub(super) fn read_for(
        &mut self,
        n: usize,
        from: Arc<str>,
        question: u64,
        of: &Address,
        after: u64,
        limit: usize,
    ) {
        self.begin_read(n, of.clone(), after, limit, Then::Node(from, question));
    }

    /// Goes on with all that this node waits for; true when something has come on.
    pub(super) fn go_on_asking(&mut self, n: usize) -> bool {
        let mut busy = false;
        let mut answers = std::mem::take(&mut self.member(n).asking.answers);
        answers.retain_mut(|(from, question, kind, view)| {
            let view = match view.try_recv() {
                Ok(view) => Ok(view),
                Err(TryRecvError::Closed) => Err(self::busy()),
                Err(TryRecvError::Empty) => return true,
            };
            self.viewed(n, from, *question, kind, view);
            busy = true;
            false
        });
        self.member(n).asking.answers.append(&mut answers);
        let looks = std::mem::take(&mut self.member(n).asking.looks);
        for looking in looks {
            busy |= self.go_on_looking(n, looking);
        }
        let reads = std::mem::take(&mut self.member(n).asking.reads);
        for reading in reads {
            busy |= self.go_on_reading(n, reading);
        }
        busy
    }

    /// True when something was done.
    fn go_on_looking(&mut self, n: usize, mut looking: Looking) -> bool {
        let (now, again) = (self.now, self.now.after_ms(AGAIN_MS));
        let mut done = false;
        match looking.stage {
            Stage::Due(at) if at <= now => {
                let Some(far) = self.far(n) else { return true };
                done = true;
                looking.stage = match far.route(self.porch(n), looking.of.shard()) {
                    Route::Here => {
                        self.hear(n, &looking.of);
                        // Refused: whoever looks sees that nobody answers.
                        drop(self.deliver_here(n, &looking.of, Input::View(looking.reply)));
                        return true;
                    }
                    Route::There(node) => {
                        let local = self.clock(n);
                        far.ask_state(&node, local, &looking.of).map_or(Stage::Due(again), Stage::Asked)
                    }
                    Route::Nowhere => Stage::Due(again),
                };
            }
            Stage::Asked(mut view) => match view.try_recv() {
                Ok(Err(refusal)) if refusal.code == Code::Unavailable => looking.stage = Stage::Due(again),
                Ok(Ok(view)) => {
                    // Whoever wanted to look may have gone.
                    drop(looking.reply.send(view));
                    return true;
                }
                Ok(Err(_)) => return true,
                Err(TryRecvError::Closed) => looking.stage = Stage::Due(again),
                Err(TryRecvError::Empty) => looking.stage = Stage::Asked(view),
            },
            Stage::Due(_) | Stage::Here => {}
        }
        if matches!(looking.stage, Stage::Due(_)) && now >= looking.until {
            return true;
        }
        self.member(n).asking.looks.push(looking);
        done
    }

    fn go_on_reading(&mut self, n: usize, mut reading: Reading) -> bool {
        let now = self.now;
        match std::mem::replace(&mut reading.stage, Stage::Here) {
            Stage::Due(at) if at <= now => {
                let Some(far) = self.far(n) else { return true };
                let after = reading.found.last().map_or(reading.after, |entry| entry.seq);
                let rest = reading.limit - reading.found.len();
                let here = matches!(reading.then, Then::Node(..));
                let route = if here { Route::Here } else { far.route(self.porch(n), reading.of.shard()) };
                reading.stage = match route {
                    Route::Here => {
                        self.read_log_here(n, reading.id, &reading.of, after, rest);
                        Stage::Here
                    }
                    Route::There(node) => {
                        let local = self.clock(n);
                        match far.ask_log(&node, local, (&reading.of, after, rest)) {
                            Some(page) => Stage::Asked(page),
                            None => return self.nobody_reads(n, reading),
                        }
                    }
                    Route::Nowhere => return self.nobody_reads(n, reading),
                };
                self.member(n).asking.reads.push(reading);
                true
            }
            Stage::Asked(mut page) => match page.try_recv() {
                Ok(Ok(page)) => {
                    let entries = page.entries.into_iter().map(|(seq, body)| Entry { seq, body });
                    reading.found.extend(entries);
                    if page.more && reading.found.len() < reading.limit {
                        reading.stage = Stage::Due(now);
                        self.member(n).asking.reads.push(reading);
                    } else {
                        let found = Ok(std::mem::take(&mut reading.found));
                        self.has_read(n, reading, found);
                    }
                    true
                }
                Ok(Err(_)) | Err(TryRecvError::Closed) => self.nobody_reads(n, reading),
                Err(TryRecvError::Empty) => {
                    reading.stage = Stage::Asked(page);
                    self.member(n).asking.reads.push(reading);
                    false
                }
            },
            stage @ (Stage::Due(_) | Stage::Here) => {
                reading.stage = stage;
                self.member(n).asking.reads.push(reading);
                false
            }
        }
    }

    /// There is no owner now that answers.
    fn nobody_reads(&mut self, n: usize, mut reading: Reading) -> bool {
        match reading.then {
            Then::Talk(talk) => self.read_later(talk, reading.of),
            Then::Watcher(_) if self.now < reading.until => {
                reading.stage = Stage::Due(self.now.after_ms(AGAIN_MS));
                reading.found.clear();
                self.member(n).asking.reads.push(reading);
                return false;
            }
            Then::Watcher(_) | Then::Node(..) => self.has_read(n, reading, Err(broken())),
        }
        true
    }

    /// The store has answered.
    pub(super) fn log_read(&mut self, n: usize, id: u64, entries: Result<Vec<Entry>, StoreError>) {
        let reads = &mut self.member(n).asking.reads;
        let Some(place) = reads.iter().position(|reading| reading.id == id) else { return };
        let mut reading = reads.remove(place);
        // Later owners may have written what this one has not seen.
        let holds = self.holds(n);
        let entries = entries.and_then(|entries| if holds { Ok(entries) } else { Err(broken()) });
        let mut found = std::mem::take(&mut reading.found);
        let found = entries.map(|entries| {
            found.extend(entries);
            found
        });
        self.has_read(n, reading, found);
    }

    fn has_read(&mut self, n: usize, reading: Reading, found: Result<Vec<Entry>, StoreError>) {
        let Reading { of, limit, then, .. } = reading;
        match then {
            Then::Watcher(Back { to, cell }) => {
                self.back(n, &to, cell, Input::Read { conversation: of, entries: found });
            }
            Then::Talk(talk) => self.page(talk, &of, found.ok()),
            Then::Node(from, question) => {
                if let Some(far) = self.far(n) {
                    far.read(&from, question, found, limit);
                }
            }
        }
    }

    fn read_log_here(&mut self, n: usize, id: u64, of: &Address, after: u64, limit: usize) {
        let life = self.nodes[n].life;
        let fails = self.store_is_away(n) || self.chance.hits(self.rates.read_fails);
        let entries = if fails { Err(broken()) } else { Ok(self.all().shared.events(of, after, limit)) };
        let ms = self.chance.between(0, 2 * self.rates.store_ms_max);
        self.put(ms, Event::LogRead(life, id, entries));
    }
}

fn busy() -> Refusal {
    Refusal::new(Code::Unavailable, "the actor cannot be read now: try again").retry_after_ms(500)
}
