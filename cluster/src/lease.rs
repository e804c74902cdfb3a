//! A lease on a name in the register: held by one at a time, renewed while its holder lives, taken over when it stands still for its
//! whole time on the watcher's own clock. Only that clocks run at about the same rate is assumed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use conversa_actors::address::Address;
use conversa_actors::port::{Append, AppendError, Done, Entry, Journal, Row, RowKey, Rows, StoreError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::clock::{Since, random};
use crate::register::{ChangeError, Held, Register};

/// A lease that is not renewed for so long may be taken over.
pub const TIME: Duration = Duration::from_secs(3);
/// Its holder stops relying on it so much earlier.
pub const MARGIN: Duration = Duration::from_millis(500);
/// How often it is renewed.
const BEAT: Duration = Duration::from_secs(1);
/// How often one that somebody else holds is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Beats seen of another holder after which it is taken to be alive and well.
const PATIENCE: u32 = 5;

/// Why a lease was not had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else holds it and keeps renewing it.
    #[error("{holder} holds {key:?} and is alive: stop it, or use another keyspace")]
    Held {
        /// Of which lease.
        key: String,
        /// Who.
        holder: String,
    },
    /// The register does not answer, or holds something else.
    #[error("the lease cannot be had: {0}")]
    Store(String),
}

/// Who holds a lease, as the register has it: "epoch holder beat", "-" for nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Title {
    epoch: u64,
    holder: String,
    beat: u64,
}

impl Title {
    fn parse(value: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(value).ok()?.split(' ');
        let (epoch, holder, beat) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { epoch: epoch.parse().ok()?, holder: holder.to_owned(), beat: beat.parse().ok()? })
    }

    fn bytes(&self) -> Bytes {
        format!("{} {} {}", self.epoch, self.holder, self.beat).into()
    }

    /// The name without the part that makes it unique.
    fn name(&self) -> &str {
        self.holder.split_once(':').map_or(self.holder.as_str(), |(name, _)| name)
    }
}

/// How long the holder may rely on its lease.
#[derive(Debug)]
struct Term {
    renewed: Mutex<Since>,
    lost: watch::Sender<bool>,
}

impl Term {
    fn holds(&self) -> bool {
        !*self.lost.borrow() && self.renewed.lock().elapsed() < TIME - MARGIN
    }
}

/// A lease that is held, renewed by a task of its own until it is released or dropped.
#[derive(Debug)]
pub struct Lease {
    register: Arc<dyn Register>,
    key: String,
    epoch: u64,
    term: Arc<Term>,
    /// The title as it stands in the register, for the release.
    title: Arc<tokio::sync::Mutex<(u64, Title)>>,
    renewing: JoinHandle<()>,
}

impl std::fmt::Debug for dyn Register {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Register")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl Lease {
    /// Takes the lease on `key` for `name`, waiting until a dead holder's time is over.
    ///
    /// # Errors
    /// When its holder is alive, or the register does not answer.
    pub async fn acquire(register: Arc<dyn Register>, key: &str, name: &str) -> Result<Self, LeaseError> {
        Self::acquire_after(register, key, name, PATIENCE).await
    }

    /// The same, but a holder that is alive is waited for: this many of its beats, of a second each.
    ///
    /// # Errors
    /// When its holder is alive still, or the register does not answer.
    pub async fn acquire_after(
        register: Arc<dyn Register>,
        key: &str,
        name: &str,
        patience: u32,
    ) -> Result<Self, LeaseError> {
        let nonce = u64::from_be_bytes(random::<8>());
        let holder = format!("{}:{nonce:016x}", name.replace(' ', "_"));
        let mut beats = 0;
        let mut seen: Option<(Held, Instant)> = None;
        loop {
            let sent = Since::now();
            let held = register.read(key).await.map_err(|StoreError(why)| LeaseError::Store(why))?;
            let title = match &held {
                Some(held) => Some(Title::parse(&held.value).ok_or_else(|| {
                    LeaseError::Store(format!("the register holds something else under {key:?}"))
                })?),
                None => None,
            };
            let stands = held.as_ref().map_or(0, |held| held.version);
            let free = title.as_ref().is_none_or(|title| title.holder == "-");
            let over = seen
                .as_ref()
                .is_some_and(|(before, since)| before.version == stands && since.elapsed() >= TIME);
            if free || over {
                let epoch = title.map_or(1, |title| title.epoch + 1);
                let title = Title { epoch, holder: holder.clone(), beat: 0 };
                match register.change(key, stands, title.bytes()).await {
                    Ok(version) => return Ok(Self::hold(register, key, version, title, sent)),
                    // Whoever was first is watched like any holder; what is unknown is seen by reading.
                    Err(ChangeError::Lost { .. } | ChangeError::Unknown(_)) => {}
                    Err(error @ (ChangeError::Unavailable(_) | ChangeError::TooLarge)) => {
                        return Err(LeaseError::Store(error.to_string()));
                    }
                }
            } else if let (Some(held), Some(title)) = (held, title)
                && seen.as_ref().is_none_or(|(before, _)| before.version != held.version)
            {
                beats += 1;
                if beats > patience {
                    return Err(LeaseError::Held { key: key.to_owned(), holder: title.name().to_owned() });
                }
                seen = Some((held, Instant::now()));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn hold(register: Arc<dyn Register>, key: &str, version: u64, title: Title, sent: Since) -> Self {
        let term = Arc::new(Term { renewed: Mutex::new(sent), lost: watch::Sender::new(false) });
        let epoch = title.epoch;
        let title = Arc::new(tokio::sync::Mutex::new((version, title)));
        let renewing =
            tokio::spawn(renew(Arc::clone(&register), key.to_owned(), Arc::clone(&title), Arc::clone(&term)));
        Self { register, key: key.to_owned(), epoch, term, title, renewing }
    }

    /// Grows with every holder.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// True while nobody else can have it.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.term.holds()
    }

    /// Ends when somebody else has taken it over.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut lost = self.term.lost.subscribe();
        async move {
            // The sender lives as long as whoever may still lose the lease.
            if lost.wait_for(|lost| *lost).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// A store that acknowledges only while this lease is held.
    #[must_use]
    pub fn guard<S>(&self, store: Arc<S>) -> Leased<S> {
        let term = Arc::clone(&self.term);
        Leased::new(store, Arc::new(move || term.holds()))
    }

    /// Gives it back, so that the next need not wait. A failure only makes the next wait.
    pub async fn release(self) {
        self.renewing.abort();
        self.term.lost.send_replace(true);
        let (version, title) = self.title.lock().await.clone();
        let free = Title { holder: "-".into(), ..title };
        if let Err(error) = self.register.change(&self.key, version, free.bytes()).await {
            tracing::info!(key = self.key, %error, "the lease was not given back: the next holder waits until its time is over");
        }
    }
}

async fn renew(
    register: Arc<dyn Register>,
    key: String,
    title: Arc<tokio::sync::Mutex<(u64, Title)>>,
    term: Arc<Term>,
) {
    // When the change under way was first sent. A repeat counts from there: that attempt may have been made, and watchers count from it.
    let mut asked: Option<Since> = None;
    loop {
        tokio::time::sleep(BEAT).await;
        let sent = *asked.get_or_insert_with(Since::now);
        let mut standing = title.lock().await;
        let (version, title) = &*standing;
        let next = Title { beat: title.beat + 1, ..title.clone() };
        match register.change(&key, *version, next.bytes()).await {
            Ok(version) => {
                *standing = (version, next);
                drop(standing);
                *term.renewed.lock() = sent;
                asked = None;
            }
            Err(ChangeError::Lost { found }) => {
                tracing::error!(key, found, "somebody else has taken this node's lease");
                term.lost.send_replace(true);
                return;
            }
            // The same change is tried again: it finds out whether this one was made.
            Err(error) => tracing::warn!(key, %error, "the lease was not renewed"),
        }
    }
}

/// A store that writes and acknowledges only while a lease is held. What was written without being acknowledged is of unknown outcome
/// until the lease is renewed, or for ever. Rows are stamped when they are written: those of an owner that stood still past its lease would
/// stand over its successor's.
pub struct Leased<S> {
    store: Arc<S>,
    holds: Holds,
}

const LAPSED: &str = "this node's lease is not renewed";

/// True while whoever serves the store may acknowledge.
pub type Holds = Arc<dyn Fn() -> bool + Send + Sync>;

impl<S> Leased<S> {
    /// Wraps a store.
    #[must_use]
    pub fn new(store: Arc<S>, holds: Holds) -> Self {
        Self { store, holds }
    }
}

impl<S> std::fmt::Debug for Leased<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leased").field("holds", &(self.holds)()).finish_non_exhaustive()
    }
}

impl<J: Journal + 'static> Journal for Leased<J> {
    fn append(&self, append: Append, done: Done<Result<(), AppendError>>) {
        if !(self.holds)() {
            return done(Err(AppendError::Unavailable(LAPSED.into())));
        }
        let holds = Arc::clone(&self.holds);
        self.store.append(
            append,
            Box::new(move |outcome| match outcome {
                Ok(()) if !holds() => done(Err(AppendError::Unknown(LAPSED.into()))),
                outcome => done(outcome),
            }),
        );
    }

    fn read(
        &self,
        address: &Address,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Entry>, StoreError>> {
        let read = self.store.read(address, after, limit);
        async move {
            let found = read.await?;
            // Later owners may have written what this one has not seen.
            if (self.holds)() { Ok(found) } else { Err(StoreError(LAPSED.into())) }
        }
        .boxed()
    }

    fn keys(&self, of: &Address, limit: usize) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        self.store.keys(of, limit)
    }
}

impl<R: Rows + 'static> Rows for Leased<R> {
    fn put(&self, rows: Vec<Row>, done: Done<Result<(), StoreError>>) {
        if !(self.holds)() {
            return done(Err(StoreError(LAPSED.into())));
        }
        self.store.put(rows, done);
    }

    fn get(&self, key: &RowKey) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        self.store.get(key)
    }

    fn scan(
        &self,
        table: &'static str,
        partition: &str,
        after: &str,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(String, Bytes)>, StoreError>> {
        self.store.scan(table, partition, after, limit)
    }
}
