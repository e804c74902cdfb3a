//! What comes from other nodes.

use std::sync::Arc;

use bytes::Bytes;
use conversa_engine::refusal::{Code, Refusal};

use super::asker::FarAsker;
use super::frame::{Frame, HeardFar, Page, Pushed, Seen};
use super::pending::{Waits, unreachable_owner};
use super::{Far, Host, Route};
use crate::address::Address;
use crate::behaviours::CONVERSATION;
use crate::cell::machine::{Asker, Heard, Input, Push, Request, View};
use crate::letter::{Letter, Payload, decode};
use crate::port::mesh::NotSent;
use crate::port::{Entry, StoreError};
use crate::registry;

/// Events of one page go into one frame up to this sum, bytes; at least one does.
const PAGE_BYTES: usize = 256 * 1024;
/// Events of one page.
const PAGE_MAX: u32 = 512;

impl Host {
    /// Does what a frame of another node says. One that cannot be read is of a later version, or broken: it is left out.
    pub fn received(self: &Arc<Self>, from: &Arc<str>, bytes: Bytes) {
        let Some(far) = &self.far else { return };
        let frame = match decode::<Frame>(&bytes) {
            Ok(frame) => frame,
            Err(error) => return tracing::warn!(%from, %error, "a frame of another node cannot be read"),
        };
        match frame {
            Frame::Letter { from: sender, to, id, payload } => {
                self.incoming(far, from, &to.clone(), bytes, || {
                    Input::Letter(Letter { from: sender, to, id, payload: Payload::Encoded(payload) })
                });
            }
            Frame::Request { n, to, payload, origin } => {
                self.incoming(far, from, &to, bytes, || {
                    let asker = match n {
                        0 => Asker::Nobody,
                        n => Asker::Far(FarAsker::new(far, from, n, origin)),
                    };
                    Input::Request(Request { payload: Payload::Encoded(payload), asker })
                });
            }
            Frame::Say { to, from: person, kind, d } => {
                self.incoming(far, from, &to, bytes, || Input::Murmur { from: person, kind: kind.into(), d });
            }
            Frame::Heard { slot, heard } => {
                self.incoming(far, from, &slot, bytes, || {
                    Input::Heard(heard.into_iter().filter_map(heard_here).collect())
                });
            }
            Frame::View { n, of } => self.view_for(far, from, n, of),
            Frame::Read { n, of, after, limit } => self.read_for(far, from, n, of, after, limit),
            Frame::Taken { by, to, id } => {
                self.roster.deliver_awake(&to, Input::Taken { by, id }, self.now());
            }
            Frame::Watched { conversation, watcher, cursor } => {
                if let Some(watcher) = registry::watcher(&watcher) {
                    self.roster.deliver_awake(&conversation, Input::Watched { watcher, cursor }, self.now());
                }
            }
            Frame::Answer { n, answer } => {
                if let Some(Waits::Answer(asker)) = far.pending.take(n) {
                    asker.answer(answer);
                }
            }
            Frame::Viewed { n, view } => {
                if let Some(Waits::View(of, reply)) = far.pending.take(n) {
                    // Whoever waited may have gone.
                    let _ = reply.send(view.and_then(|seen| view_here(of.kind, seen)));
                }
            }
            Frame::Entries { n, entries } => {
                if let Some(Waits::Entries(reply)) = far.pending.take(n) {
                    let _ = reply.send(entries.map_err(StoreError));
                }
            }
            Frame::Acknowledged { n, tenant, person, conversation, o } => {
                let yes = self.lobby.acknowledged(&tenant, &person, &conversation, o);
                let _ = far.send(from, &Frame::Told { n, yes });
            }
            Frame::Told { n, yes } => {
                if let Some(Waits::Told(reply)) = far.pending.take(n) {
                    let _ = reply.send(yes);
                }
            }
            Frame::Push(pushed) => self.show(pushed),
            Frame::Murmur { to, murmur } => {
                let murmur = Arc::new(murmur);
                for person in &to {
                    self.lobby.murmur(&murmur.source.tenant, person, &murmur);
                }
            }
            Frame::Here(ears) => far.directory.here(from, ears),
            Frame::Gone(ears) => far.directory.gone(from, &ears),
            Frame::Bounced(frame) => self.bounced(far, from, &frame),
            Frame::Notice { name, body } => {
                if let Some(noticing) = far.noticing.get() {
                    noticing(&name, &body);
                }
            }
        }
    }

    /// Gives what another node sent to its actor, if that is served here or soon will be; else it goes back.
    fn incoming(
        self: &Arc<Self>,
        far: &Arc<Far>,
        from: &Arc<str>,
        to: &Address,
        bytes: Bytes,
        input: impl FnOnce() -> Input,
    ) {
        let refused = match self.route(to.shard()) {
            Route::Here => self.deliver_here(to, input()),
            Route::Nowhere => far.park(self.now(), to, input()),
            Route::There(_) => {
                let _ = far.send(from, &Frame::Bounced(bytes));
                Ok(())
            }
        };
        if let Err(refused) = refused
            && let Input::Request(request) = *refused
        {
            self.meters.overloaded.add();
            request.asker.answer(Err(super::super::overloaded()));
        }
    }

    /// A node does not serve what it was sent something for: that waits here until one of the two views is the later one no longer.
    fn bounced(self: &Arc<Self>, far: &Arc<Far>, from: &Arc<str>, frame: &[u8]) {
        let (to, input) = match decode::<Frame>(frame) {
            Ok(Frame::Letter { from: sender, to, id, payload }) => {
                let letter = Letter { from: sender, to: to.clone(), id, payload: Payload::Encoded(payload) };
                (to, Input::Letter(letter))
            }
            Ok(Frame::Request { n, to, payload, .. }) => {
                let Some(Waits::Answer(asker)) = far.pending.take(n) else { return };
                (to, Input::Request(Request { payload: Payload::Encoded(payload), asker }))
            }
            // Fleeting, or asked again by whoever waits.
            Ok(_) => return,
            Err(error) => return tracing::warn!(%from, %error, "what another node sent back cannot be read"),
        };
        if let Err(refused) = far.park(self.now(), &to, input)
            && let Input::Request(request) = *refused
        {
            request.asker.answer(Err(super::super::overloaded()));
        }
    }

    fn view_for(self: &Arc<Self>, far: &Arc<Far>, from: &Arc<str>, n: u64, of: Address) {
        let (host, far, from) = (Arc::clone(self), Arc::clone(far), Arc::clone(from));
        tokio::spawn(async move {
            let view = match host.route(of.shard()) {
                Route::Here => host.view_here(&of).await.and_then(|view| view_far(of.kind, view)),
                Route::There(_) | Route::Nowhere => Err(unreachable_owner()),
            };
            if far.send(&from, &Frame::Viewed { n, view }) == Err(NotSent::TooLarge) {
                let large =
                    Refusal::new(Code::PayloadTooLarge, "this is too large to be read from another node");
                let _ = far.send(&from, &Frame::Viewed { n, view: Err(large) });
            }
        });
    }

    fn read_for(
        self: &Arc<Self>,
        far: &Arc<Far>,
        from: &Arc<str>,
        n: u64,
        of: Address,
        after: u64,
        limit: u32,
    ) {
        let (host, far, from) = (Arc::clone(self), Arc::clone(far), Arc::clone(from));
        tokio::spawn(async move {
            let limit = usize::try_from(limit.min(PAGE_MAX)).unwrap_or(1).max(1);
            let entries = match host.route(of.shard()) {
                Route::Here => host.ports.journal.read(&of, after, limit).await.map_err(|error| error.0),
                Route::There(_) | Route::Nowhere => Err("its owner has changed".into()),
            };
            let entries = entries.map(|entries| page(entries, limit));
            let _ = far.send(&from, &Frame::Entries { n, entries });
        });
    }

    /// Shows an event of another node's actor on the sockets here.
    fn show(&self, pushed: Pushed) {
        let Pushed { person, source, seq, event, origin } = pushed;
        // An event of a later version is like one that did not come: the journal is read.
        let event = event.and_then(|event| registry::event_of(source.kind, &event));
        self.lobby.show(&Push { person, source, seq, event, origin });
    }
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
