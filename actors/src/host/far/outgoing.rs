//! What goes to other nodes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use conversa_engine::ids::{PersonId, TenantId};
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use tokio::sync::oneshot;

use super::frame::{Ear, Frame, HeardFar, Page, Pushed};
use super::pending::{Waits, unreachable_owner};
use super::{AGAIN, Far, Home, Route};
use crate::address::Address;
use crate::behaviours::CONVERSATION;
use crate::cell::machine::{Heard, Input, Push, Request, View};
use crate::host::{ASK, Host};
use crate::letter::{Letter, encode};
use crate::lobby::{Murmur, WATCHERS};
use crate::port::mesh::{Mesh, NotSent};
use crate::port::{Entry, StoreError};
use crate::registry;

/// How long a reader waits for an owner.
const OWNED: Duration = Duration::from_secs(10);
/// How long it is waited for what other nodes know of an acknowledgement: then it counts as not given.
const TOLD: Duration = Duration::from_secs(1);

impl Far {
    pub(super) fn send(&self, to: &str, frame: &Frame) -> Result<(), NotSent> {
        self.mesh.send(to, frame.class(), encode(frame))
    }

    /// To whoever has a link; the others do without it.
    pub(super) fn send_all(&self, nodes: &[Arc<str>], frame: &Frame) {
        for node in nodes {
            let _ = self.send(node, frame);
        }
    }

    pub(super) fn mesh(&self) -> &dyn Mesh {
        &*self.mesh
    }

    /// The view or a link changes, or some time goes by.
    async fn change(&self) {
        let _ = tokio::time::timeout(AGAIN, self.changed.notified()).await;
    }

    /// Asks a node; gives what waits back when it could not be asked.
    fn question(
        &self,
        node: &Arc<str>,
        now: Time,
        waits: Waits,
        frame: impl FnOnce(u64) -> Frame,
    ) -> Result<(), (Waits, NotSent)> {
        let n = self.pending.enter(node, now, waits).map_err(|waits| (waits, NotSent::Full))?;
        match self.send(node, &frame(n)) {
            Ok(()) => Ok(()),
            // Without it the link went down meanwhile, and whoever waits was told.
            Err(why) => self.pending.take(n).map_or(Ok(()), |waits| Err((waits, why))),
        }
    }

    /// Shows an event on the sockets of other nodes.
    pub fn push(&self, push: &Push) {
        let tenant = &push.source.tenant;
        let nodes = if push.person.as_str() == WATCHERS {
            self.directory.of(&[Ear::Watchers(tenant.clone())])
        } else {
            let person = Ear::Person(tenant.clone(), push.person.clone());
            self.directory.of(&[person, Ear::Follower(tenant.clone(), Arc::clone(&push.source.key))])
        };
        if nodes.is_empty() {
            return;
        }
        let event = push.event.as_ref().and_then(|event| registry::event_bytes(push.source.kind, event));
        let frame = Frame::Push(Pushed {
            person: push.person.clone(),
            source: push.source.clone(),
            seq: push.seq,
            event,
            origin: push.origin,
            answer: push.answer,
        });
        // What does not arrive is seen by the next event, or looked for when the link is up again.
        self.send_all(&nodes, &frame);
    }

    /// Shows something fleeting on the sockets of other nodes.
    pub fn murmur(&self, tenant: &TenantId, to: &[PersonId], murmur: &Arc<Murmur>) {
        let ears: Vec<_> = to.iter().map(|person| Ear::Person(tenant.clone(), person.clone())).collect();
        let nodes = self.directory.of(&ears);
        if nodes.is_empty() {
            return;
        }
        let frame = Frame::Murmur { to: to.to_vec(), murmur: Murmur::clone(murmur) };
        self.send_all(&nodes, &frame);
    }

    /// True when another node holds a connected socket of somebody who works here.
    #[must_use]
    pub fn holds(&self, tenant: &TenantId, person: &PersonId) -> bool {
        !self.directory.of(&[Ear::Connected(tenant.clone(), person.clone())]).is_empty()
    }
}

impl Far {
    /// Gives an input to the node that serves its actor.
    pub(super) fn forward(
        &self,
        home: &impl Home,
        node: &Arc<str>,
        to: &Address,
        input: Input,
        since: Time,
    ) -> Result<(), Box<Input>> {
        match input {
            Input::Letter(letter) => self.forward_letter(node, letter, since),
            Input::Request(request) => self.forward_request(home, node, to, request, since),
            Input::Murmur { from, kind, d } => {
                let said = Frame::Say { to: to.clone(), from, kind: kind.into_owned(), d };
                let _ = self.send(node, &said);
                Ok(())
            }
            Input::Heard(heard) => {
                let frame = Frame::Heard { slot: to.clone(), heard: heard.iter().map(heard_far).collect() };
                self.send(node, &frame).map_err(|_| Box::new(Input::Heard(heard)))
            }
            // Of cells that have moved away.
            Input::Tick | Input::Woken => Ok(()),
            input => Err(Box::new(input)),
        }
    }

    fn forward_letter(&self, node: &Arc<str>, letter: Letter, since: Time) -> Result<(), Box<Input>> {
        let frame = Frame::Letter {
            from: letter.from.clone(),
            to: letter.to.clone(),
            id: letter.id,
            payload: letter.payload.encode(),
        };
        match self.send(node, &frame) {
            Err(NotSent::Down) => self.park(since, &letter.to.clone(), Input::Letter(letter)),
            Err(why @ NotSent::TooLarge) => {
                tracing::error!(from = %letter.from, to = %letter.to, %why, "a letter cannot be sent");
                Ok(())
            }
            // It comes again.
            Ok(()) | Err(NotSent::Full) => Ok(()),
        }
    }

    fn forward_request(
        &self,
        home: &impl Home,
        node: &Arc<str>,
        to: &Address,
        request: Request,
        since: Time,
    ) -> Result<(), Box<Input>> {
        let Request { payload, asker } = request;
        let (origin, request) = (asker.socket(), asker.request());
        let ask = |n| Frame::Request { n, to: to.clone(), payload: payload.encode(), origin, request };
        if matches!(asker, crate::cell::machine::Asker::Nobody) {
            // A hint; it is worth no more.
            let _ = self.send(node, &ask(0));
            return Ok(());
        }
        let Err((Waits::Answer(asker), why)) = self.question(node, home.now(), Waits::Answer(asker), ask)
        else {
            return Ok(());
        };
        match why {
            NotSent::Down => self.park(since, to, Input::Request(Request { payload, asker })),
            NotSent::Full => Err(Box::new(Input::Request(Request { payload, asker }))),
            NotSent::TooLarge => {
                asker.answer(Err(Refusal::new(Code::PayloadTooLarge, "the request is too large")));
                Ok(())
            }
        }
    }

    /// Gives an input to a cell that is awake, wherever it is.
    pub fn deliver_awake(&self, home: &impl Home, to: &Address, input: Input) {
        match self.route(home, to.shard()) {
            Route::Here => home.take_awake(to, input),
            Route::There(node) => {
                let frame = match input {
                    Input::Taken { by, id } => Frame::Taken { by, to: to.clone(), id },
                    Input::Watched { watcher, cursor } => {
                        Frame::Watched { conversation: to.clone(), watcher: watcher.to_owned(), cursor }
                    }
                    _ => return,
                };
                // A letter that is not known to be taken comes again; a conversation asks its watchers again.
                let _ = self.send(&node, &frame);
            }
            // The same.
            Route::Nowhere => {}
        }
    }

    /// Asks a node for the state of an actor that it serves; `None` when it cannot be asked now.
    pub fn ask_state(
        &self,
        node: &Arc<str>,
        now: Time,
        of: &Address,
    ) -> Option<oneshot::Receiver<Result<View, Refusal>>> {
        let (reply, view) = oneshot::channel();
        let ask = |n| Frame::View { n, of: of.clone() };
        self.question(node, now, Waits::View(of.clone(), reply), ask).ok().map(|()| view)
    }

    /// Asks a node for at most `limit` events of the log of an actor that it serves; `None` when it cannot be asked now.
    pub fn ask_log(
        &self,
        node: &Arc<str>,
        now: Time,
        (of, after, limit): (&Address, u64, usize),
    ) -> Option<oneshot::Receiver<Result<Page, StoreError>>> {
        let (reply, entries) = oneshot::channel();
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let ask = |n| Frame::Read { n, of: of.clone(), after, limit };
        self.question(node, now, Waits::Entries(reply), ask).ok().map(|()| entries)
    }
}

impl Host {
    /// Gives an input to a cell that is awake, wherever it is.
    pub(in crate::host) fn deliver_awake(self: &Arc<Self>, to: &Address, input: Input) {
        match &self.far {
            Some(far) => far.deliver_awake(self, to, input),
            None => self.roster.deliver_awake(to, input, self.now()),
        }
    }

    /// Looks at an actor that another node may serve. One that is on its way is waited for.
    pub(in crate::host) async fn view_far(self: &Arc<Self>, of: &Address) -> Result<View, Refusal> {
        let Some(far) = self.far.clone() else { return self.view_here(of).await };
        let until = tokio::time::Instant::now() + OWNED;
        loop {
            let node = match self.route(of.shard()) {
                Route::Here => return self.view_here(of).await,
                Route::There(node) => Some(node),
                Route::Nowhere => None,
            };
            if let Some(node) = node
                && let Some(view) = far.ask_state(&node, self.now(), of)
                && let Ok(Ok(view)) = tokio::time::timeout(ASK, view).await
                && !view.as_ref().is_err_and(|refusal| refusal.code == Code::Unavailable)
            {
                return view;
            }
            if tokio::time::Instant::now() >= until {
                return Err(unreachable_owner());
            }
            far.change().await;
        }
    }

    /// At most `limit` events of an actor's log after `after`, as its owner knows them: what the log of another node's actor holds is
    /// certain only there.
    ///
    /// # Errors
    /// When the store or the owner does not answer.
    pub async fn read_log(
        self: &Arc<Self>,
        of: &Address,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let until = tokio::time::Instant::now() + OWNED;
        loop {
            if let Some(found) = self.read_log_now(of, after, limit).await {
                return found;
            }
            let Some(far) = self.far.as_ref().filter(|_| tokio::time::Instant::now() < until) else {
                return Err(StoreError("the node that serves this cannot be reached now".into()));
            };
            far.change().await;
        }
    }

    /// The same; `None` when the actor has no owner now that answers.
    pub async fn read_log_now(
        self: &Arc<Self>,
        of: &Address,
        after: u64,
        limit: usize,
    ) -> Option<Result<Vec<Entry>, StoreError>> {
        let Some(far) = &self.far else { return Some(self.ports.journal.read(of, after, limit).await) };
        let mut found: Vec<Entry> = Vec::new();
        loop {
            let from = found.last().map_or(after, |entry| entry.seq);
            let node = match self.route(of.shard()) {
                Route::Here => {
                    return Some(match self.ports.journal.read(of, from, limit - found.len()).await {
                        Ok(more) => Ok([found, more].concat()),
                        Err(error) => Err(error),
                    });
                }
                Route::There(node) => node,
                Route::Nowhere => return None,
            };
            let entries = far.ask_log(&node, self.now(), (of, from, limit - found.len()))?;
            let Ok(Ok(Ok(page))) = tokio::time::timeout(ASK, entries).await else { return None };
            found.extend(page.entries.into_iter().map(|(seq, body)| Entry { seq, body }));
            if !page.more || found.len() >= limit {
                return Some(Ok(found));
            }
        }
    }

    /// True when a socket of the person, on any node, has acknowledged event `o` of a conversation.
    pub(in crate::host) async fn acknowledged(
        &self,
        tenant: &TenantId,
        person: &PersonId,
        conversation: &str,
        o: u64,
    ) -> bool {
        if self.lobby.acknowledged(tenant, person, conversation, o) {
            return true;
        }
        let Some(far) = &self.far else { return false };
        for node in far.directory.of(&[Ear::Person(tenant.clone(), person.clone())]) {
            let (reply, told) = oneshot::channel();
            let ask = |n| Frame::Acknowledged {
                n,
                tenant: tenant.clone(),
                person: person.clone(),
                conversation: conversation.to_owned(),
                o,
            };
            if far.question(&node, self.now(), Waits::Told(reply), ask).is_ok()
                && matches!(tokio::time::timeout(TOLD, told).await, Ok(Ok(true)))
            {
                return true;
            }
        }
        false
    }

    /// Tells what uses the hosts of all other nodes. Whoever is not linked now does not hear it.
    pub fn notice(&self, name: &str, body: &Bytes) {
        let Some(far) = &self.far else { return };
        let frame = Frame::Notice { name: name.to_owned(), body: body.clone() };
        far.send_all(&far.mesh.linked(), &frame);
    }
}

fn heard_far(heard: &Heard) -> HeardFar {
    let bytes = |event| registry::event_bytes(CONVERSATION, event).unwrap_or_default();
    HeardFar {
        conversation: heard.conversation.clone(),
        after: heard.after,
        first: heard.first,
        events: heard.events.iter().map(bytes).collect(),
        head: heard.head,
    }
}
