//! The embedded store: one `SQLite` file in WAL mode with `synchronous = FULL`, one writer thread that commits together what came
//! together, a few readers. What it has acknowledged survives kill -9 and power loss.

mod heads;
mod read;
mod write;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use conversa_actors::address::Address;
use conversa_actors::port::{Append, AppendError, Done, Entry, Journal, Row, RowKey, Rows, StoreError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};

use crate::clock::Began;
use crate::state::State;
use heads::{Heads, Recent};
use write::Job;

/// Events are only ever appended; `place` is their index, entered in batches up to `indexed` (see heads.rs).
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS stream(
  id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, UNIQUE(tenant, kind, key));
CREATE TABLE IF NOT EXISTS event(
  id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS place(
  stream INTEGER NOT NULL, seq INTEGER NOT NULL, event INTEGER NOT NULL, PRIMARY KEY(stream, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS indexed(upto INTEGER NOT NULL);
INSERT INTO indexed SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM indexed);
CREATE TABLE IF NOT EXISTS row(
  tab TEXT NOT NULL, part TEXT NOT NULL, key TEXT NOT NULL, stamp INTEGER NOT NULL, value BLOB,
  PRIMARY KEY(tab, part, key)) WITHOUT ROWID;
DELETE FROM row WHERE value IS NULL;
";

/// Version of the layout, in the file's `user_version`.
const LAYOUT: i64 = 1;
const READERS: usize = 4;
/// Writes that wait for the writer; beyond it the caller is told `Unavailable`.
const JOBS_MAX: usize = 65_536;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the data folder {0} is in use by another process: stop it, or choose another folder")]
    InUse(PathBuf),
    /// The folder cannot be used.
    #[error("the data folder {folder} cannot be used: {source}; check that it exists and may be written")]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is of a later version.
    #[error(
        "the data in {folder} has layout {found}, this program knows up to {LAYOUT}: use the program that wrote it, or a later one"
    )]
    Later {
        /// Which folder.
        folder: PathBuf,
        /// Its layout.
        found: i64,
    },
    /// `SQLite` refuses.
    #[error("the data in {folder} cannot be opened: {source}")]
    Sqlite {
        /// Which folder.
        folder: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

/// The embedded store.
#[derive(Debug)]
pub struct Sqlite {
    jobs: Mutex<Option<mpsc::SyncSender<Job>>>,
    readers: Readers,
    recent: Arc<Recent>,
    writer: Mutex<Option<JoinHandle<()>>>,
    state: Arc<State>,
    /// Held as long as the store is open.
    _lock: File,
}

type Readers = Arc<read::Pool>;

impl Sqlite {
    /// Opens the store in `folder`, creating it when it is not there. Whoever waits for a write is told in the runtime that this is called
    /// in, which must outlive the store; without one, on the writer's thread.
    ///
    /// # Errors
    /// See [`OpenError`]: each says what to do.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let refused = |source| OpenError::Folder { folder: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(refused)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("lock"))
            .map_err(refused)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(folder.to_owned())),
            Err(TryLockError::Error(source)) => return Err(refused(source)),
        }
        let broken = |source| OpenError::Sqlite { folder: folder.to_owned(), source };
        let file = folder.join("conversa.db");
        let connection = Connection::open(&file).map_err(broken)?;
        prepare(&connection).map_err(broken)?;
        let found: i64 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(broken)?;
        if found > LAYOUT {
            return Err(OpenError::Later { folder: folder.to_owned(), found });
        }
        connection.execute_batch(SCHEMA).map_err(broken)?;
        connection.pragma_update(None, "user_version", LAYOUT).map_err(broken)?;
        let readers = (0..READERS).map(|_| reader(&file)).collect::<Result<Vec<_>, _>>().map_err(broken)?;
        let recent = Arc::new(Recent::default());
        let heads = Heads::open(&connection, Arc::clone(&recent)).map_err(broken)?;
        let state = Arc::new(State::default());
        let (jobs, queue) = mpsc::sync_channel(JOBS_MAX);
        let told = Arc::clone(&state);
        let thread = std::thread::Builder::new().name("sqlite-writer".into());
        let teller = write::Teller::here();
        let write = move || write::run(connection, heads, &queue, &told, &teller);
        let writer = thread.spawn(write).map_err(refused)?;
        let readers = Arc::new(read::Pool::new(readers));
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            readers,
            recent,
            writer: Mutex::new(Some(writer)),
            state,
            _lock: lock,
        })
    }

    /// How the writer fares.
    #[must_use]
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Writes what is queued, checkpoints and ends the writer.
    pub fn close(&self) {
        self.jobs.lock().take();
        // The last to drop the store may be what an append called on the writer itself: it ends when that returns.
        let own = std::thread::current().id();
        if let Some(writer) = self.writer.lock().take().filter(|writer| writer.thread().id() != own) {
            // A writer that panicked has nothing left to write.
            let _ = writer.join();
        }
    }

    /// Hands a job to the writer; gives it back when it does not take it.
    fn submit(&self, job: Job) -> Result<(), Box<(Job, &'static str)>> {
        let jobs = self.jobs.lock();
        let Some(sender) = jobs.as_ref() else { return Err(Box::new((job, "it is closing"))) };
        sender.try_send(job).map_err(|error| match error {
            mpsc::TrySendError::Full(job) => Box::new((job, "too many writes wait")),
            mpsc::TrySendError::Disconnected(job) => Box::new((job, "its writer has ended")),
        })
    }

    fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        let readers = Arc::clone(&self.readers);
        async move {
            let done = tokio::task::spawn_blocking(move || readers.with(read)).await;
            match done {
                Ok(outcome) => outcome.map_err(|error| StoreError(error.to_string())),
                Err(error) => Err(StoreError(error.to_string())),
            }
        }
        .boxed()
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.close();
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "mmap_size", 0)?;
    // The writer appends: a larger cache holds pages that it never reads again, and after each split of an index page SQLite
    // searches all of it for pages beyond the end.
    connection.pragma_update(None, "cache_size", -4_096)?;
    connection.pragma_update(None, "wal_autocheckpoint", 8_000)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

fn reader(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "cache_size", -2_048)?;
    Ok(connection)
}

impl Journal for Sqlite {
    fn append(&self, append: Append, done: Done<Result<(), AppendError>>) {
        if let Err(refused) = self.submit(Job::Append(append, done, Began::now()))
            && let (Job::Append(_, done, _), why) = *refused
        {
            done(Err(AppendError::Unavailable(why.to_owned())));
        }
    }

    fn read(
        &self,
        address: &Address,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Entry>, StoreError>> {
        let (address, recent) = (address.clone(), Arc::clone(&self.recent));
        self.reading(move |connection| read::events(connection, &recent, &address, after, limit))
    }

    fn keys(&self, of: &Address, limit: usize) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        let of = of.clone();
        self.reading(move |connection| read::keys(connection, &of, limit))
    }
}

impl Rows for Sqlite {
    fn put(&self, rows: Vec<Row>, done: Done<Result<(), StoreError>>) {
        if let Err(refused) = self.submit(Job::Put(rows, done))
            && let (Job::Put(_, done), why) = *refused
        {
            done(Err(StoreError(why.to_owned())));
        }
    }

    fn get(&self, key: &RowKey) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        let key = key.clone();
        self.reading(move |connection| read::row(connection, &key))
    }

    fn scan(
        &self,
        table: &'static str,
        partition: &str,
        after: &str,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(String, Bytes)>, StoreError>> {
        let (partition, after) = (partition.to_owned(), after.to_owned());
        self.reading(move |connection| read::rows(connection, table, &partition, &after, limit))
    }
}
