//! What comes from other nodes.

use std::sync::Arc;

use bytes::Bytes;
use conversa_engine::refusal::{Code, Refusal};

use super::asker::FarAsker;
use super::frame::{Frame, HeardFar, Page, Pushed, Seen};
use super::pending::{Waits, unreachable_owner};
use super::{Far, Home, Host, Route, refuse};
use crate::address::Address;
use crate::behaviours::CONVERSATION;
use crate::cell::machine::{Asker, Heard, Input, Push, Request, View};
use crate::letter::{Letter, Payload, decode};
use crate::lobby::Lobby;
use crate::port::mesh::NotSent;
use crate::port::{Entry, StoreError};
use crate::registry;

/// Events of one page go into one frame up to this sum, bytes; at least one does.
const PAGE_BYTES: usize = 256 * 1024;
/// Events of one page.
const PAGE_MAX: u32 = 512;

impl Host {
    /// Does what a frame of another node says.
    pub fn received(self: &Arc<Self>, from: &Arc<str>, bytes: Bytes) {
        if let Some(far) = &self.far {
            far.received(self, from, bytes);
        }
    }
}

impl Far {
    /// Does what a frame of another node says. One that cannot be read is of a later version, or broken: it is left out.
    pub fn received(self: &Arc<Self>, home: &impl Home, from: &Arc<str>, bytes: Bytes) {
        let frame = match decode::<Frame>(&bytes) {
            Ok(frame) => frame,
            Err(error) => return tracing::warn!(%from, %error, "a frame of another node cannot be read"),
        };
        match frame {
            Frame::Letter { from: sender, to, id, payload } => {
                self.incoming(home, from, &to.clone(), bytes, || {
                    Input::Letter(Letter { from: sender, to, id, payload: Payload::Encoded(payload) })
                });
            }
            Frame::Request { n, to, payload, origin, request } => {
                self.incoming(home, from, &to, bytes, || {
                    let asker = match n {
                        0 => Asker::Nobody,
                        n => Asker::Far(FarAsker::new(self, from, n, origin, request)),
                    };
                    Input::Request(Request { payload: Payload::Encoded(payload), asker })
                });
            }
            Frame::Say { to, from: person, kind, d } => {
                self.incoming(home, from, &to, bytes, || Input::Murmur {
                    from: person,
                    kind: kind.into(),
                    d,
                });
            }
            Frame::Heard { slot, heard } => {
                self.incoming(home, from, &slot, bytes, || {
                    Input::Heard(heard.into_iter().filter_map(heard_here).collect())
                });
            }
            Frame::View { n, of } => match self.route(home, of.shard()) {
                Route::Here => home.look_for(from, n, of),
                Route::There(_) | Route::Nowhere => self.viewed(from, n, of.kind, Err(unreachable_owner())),
            },
            Frame::Read { n, of, after, limit } => {
                let limit = usize::try_from(limit.min(PAGE_MAX)).unwrap_or(1).max(1);
                match self.route(home, of.shard()) {
                    Route::Here => home.read_for(from, n, of, after, limit),
                    Route::There(_) | Route::Nowhere => {
                        self.read(from, n, Err(StoreError("its owner has changed".into())), limit);
                    }
                }
            }
            Frame::Taken { by, to, id } => {
                home.take_awake(&to, Input::Taken { by, id });
            }
            Frame::Watched { conversation, watcher, cursor } => {
                if let Some(watcher) = registry::watcher(&watcher) {
                    home.take_awake(&conversation, Input::Watched { watcher, cursor });
                }
            }
            Frame::Answer { n, answer } => {
                if let Some(Waits::Answer(asker)) = self.pending.take(n) {
                    asker.answer(answer);
                }
            }
            Frame::Viewed { n, view } => {
                if let Some(Waits::View(of, reply)) = self.pending.take(n) {
                    // Whoever waited may have gone.
                    let _ = reply.send(view.and_then(|seen| view_here(of.kind, seen)));
                }
            }
            Frame::Entries { n, entries } => {
                if let Some(Waits::Entries(reply)) = self.pending.take(n) {
                    let _ = reply.send(entries.map_err(StoreError));
                }
            }
            Frame::Acknowledged { n, tenant, person, conversation, o } => {
                let yes = home.lobby().acknowledged(&tenant, &person, &conversation, o);
                let _ = self.send(from, &Frame::Told { n, yes });
            }
            Frame::Told { n, yes } => {
                if let Some(Waits::Told(reply)) = self.pending.take(n) {
                    let _ = reply.send(yes);
                }
            }
            Frame::Push(pushed) => show(home.lobby(), pushed),
            Frame::Murmur { to, murmur } => {
                let murmur = Arc::new(murmur);
                for person in &to {
                    home.lobby().murmur(&murmur.source.tenant, person, &murmur);
                }
            }
            Frame::Here(ears) => self.directory.here(from, ears),
            Frame::Gone(ears) => self.directory.gone(from, &ears),
            Frame::Bounced(frame) => self.bounced(home, from, &frame),
            Frame::Notice { name, body } => {
                if let Some(noticing) = self.noticing.get() {
                    noticing(&name, &body);
                }
            }
        }
    }

    /// Gives what another node sent to its actor, if that is served here or soon will be; else it goes back.
    fn incoming(
        &self,
        home: &impl Home,
        from: &Arc<str>,
        to: &Address,
        bytes: Bytes,
        input: impl FnOnce() -> Input,
    ) {
        let refused = match self.route(home, to.shard()) {
            Route::Here => home.take(to, input()),
            Route::Nowhere => self.park(home.now(), to, input()),
            Route::There(_) => {
                let _ = self.send(from, &Frame::Bounced(bytes));
                Ok(())
            }
        };
        if let Err(refused) = refused {
            refuse(home, *refused);
        }
    }

    /// A node does not serve what it was sent something for: that waits here until one of the two views is the later one no longer.
    fn bounced(&self, home: &impl Home, from: &Arc<str>, frame: &[u8]) {
        let (to, input) = match decode::<Frame>(frame) {
            Ok(Frame::Letter { from: sender, to, id, payload }) => {
                let letter = Letter { from: sender, to: to.clone(), id, payload: Payload::Encoded(payload) };
                (to, Input::Letter(letter))
            }
            Ok(Frame::Request { n, to, payload, .. }) => {
                let Some(Waits::Answer(asker)) = self.pending.take(n) else { return };
                (to, Input::Request(Request { payload: Payload::Encoded(payload), asker }))
            }
            // Fleeting, or asked again by whoever waits.
            Ok(_) => return,
            Err(error) => return tracing::warn!(%from, %error, "what another node sent back cannot be read"),
        };
        if let Err(refused) = self.park(home.now(), &to, input) {
            refuse(home, *refused);
        }
    }

    /// What a node that asked sees of an actor of this kind.
    pub fn viewed(&self, from: &str, n: u64, kind: &str, view: Result<View, Refusal>) {
        let view = view.and_then(|view| view_far(kind, view));
        if self.send(from, &Frame::Viewed { n, view }) == Err(NotSent::TooLarge) {
            let large = Refusal::new(Code::PayloadTooLarge, "this is too large to be read from another node");
            let _ = self.send(from, &Frame::Viewed { n, view: Err(large) });
        }
    }

    /// What a node that asked reads of a log, of which at most `limit` events were looked for.
    pub fn read(&self, from: &str, n: u64, entries: Result<Vec<Entry>, StoreError>, limit: usize) {
        let entries = entries.map(|entries| page(entries, limit)).map_err(|error| error.0);
        let _ = self.send(from, &Frame::Entries { n, entries });
    }
}

/// Shows an event of another node's actor on the sockets here.
fn show(lobby: &Lobby, pushed: Pushed) {
    let Pushed { person, source, seq, event, origin, answer } = pushed;
    // An event of a later version is like one that did not come: the journal is read.
    let event = event.and_then(|event| registry::event_of(source.kind, &event));
    lobby.show(&Push { person, source, seq, event, origin, answer });
}

fn page(entries: Vec<Entry>, limit: usize) -> Page {
    let found = entries.len();
    let mut sum = 0;
    let fits = |entry: &Entry| {
        let fits = sum == 0 || sum + entry.body.len() <= PAGE_BYTES;
        sum += entry.body.len().max(1);
        fits
    };
    let entries: Vec<_> = entries.into_iter().take_while(fits).map(|entry| (entry.seq, entry.body)).collect();
    Page { more: entries.len() < found || found == limit, entries }
}

fn heard_here(far: HeardFar) -> Option<Heard> {
    let event = |bytes: &Bytes| registry::event_of(CONVERSATION, bytes);
    // One that cannot be read leaves a gap, which is read from the journal.
    let events: Option<Vec<_>> = far.events.iter().map(event).collect();
    let HeardFar { conversation, after, first, head, .. } = far;
    Some(Heard { conversation, after, first, events: events?.into(), head })
}

fn view_far(kind: &str, view: View) -> Result<Seen, Refusal> {
    match view {
        View::Json(value) => Ok(Seen::Json(value)),
        View::Totals(totals) => registry::totals_bytes(kind, &*totals).map(Seen::Totals).ok_or_else(strange),
    }
}

fn view_here(kind: &str, seen: Seen) -> Result<View, Refusal> {
    match seen {
        Seen::Json(value) => Ok(View::Json(value)),
        Seen::Totals(bytes) => registry::totals_of(kind, &bytes).map(View::Totals).ok_or_else(strange),
    }
}

fn strange() -> Refusal {
    Refusal::new(Code::Internal, "the totals of this watcher are of another version")
}
