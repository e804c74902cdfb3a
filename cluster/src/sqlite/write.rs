//! The writer: takes what waits, writes it in one transaction, and tells everybody once it is on the disk.

use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use conversa_actors::port::{
    APPEND_EVENTS_MAX, Append, AppendError, BODY_BYTES_MAX, Done, Row, RowKey, StoreError,
};
use rusqlite::{CachedStatement, Connection, params};

use super::State;
use super::heads::{Head, Heads};
use crate::clock::Began;

/// Jobs in one transaction at most.
const TOGETHER_MAX: usize = 1_024;

/// Something to write.
pub(super) enum Job {
    /// Events, and since when they wait.
    Append(Append, Done<Result<(), AppendError>>, Began),
    /// Rows.
    Put(Vec<Row>, Done<Result<(), StoreError>>),
}

const INSERT: &str = "INSERT INTO event(id, stream, seq, epoch, body) VALUES(?1, ?2, ?3, ?4, ?5)";

/// What is to be told once the transaction is on the disk.
enum Told {
    Append(Done<Result<(), AppendError>>, Result<(), AppendError>, Waited),
    Put(Done<Result<(), StoreError>>),
}

/// What is counted of an append.
#[derive(Clone, Copy)]
struct Waited {
    since: Began,
    events: usize,
}

/// Jobs in a transaction from which on the next one waits for company: a [`STEP`], and another if [`COMPANY`] more came in it.
const BUSY: usize = 8;
const COMPANY: usize = 4;
const STEP: Duration = Duration::from_millis(1);
const STEPS: usize = 2;
/// While the store fails and nobody writes, the writer tries this often whether it can again.
const PROBE: Duration = Duration::from_secs(1);

/// Writes until nobody can send a job any more.
pub(super) fn run(
    mut connection: Connection,
    mut heads: Heads,
    queue: &mpsc::Receiver<Job>,
    state: &State,
    teller: &Teller,
) {
    let mut together = Vec::new();
    let mut before = 0;
    loop {
        match queue.recv_timeout(PROBE) {
            Ok(first) => together.push(first),
            Err(mpsc::RecvTimeoutError::Timeout) if state.failing() => together.push(probe()),
            Err(mpsc::RecvTimeoutError::Timeout) => continue,
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        if before >= BUSY {
            gather(queue, &mut together);
        }
        let room = TOGETHER_MAX - together.len();
        together.extend(queue.try_iter().take(room));
        before = together.len();
        let (told, outcome) = commit(&connection, &mut heads, together.drain(..), state);
        teller.tell(told, outcome);
        if let Err(error) = heads.index(&mut connection) {
            tracing::warn!(%error, "places could not be entered into the index: they are tried again with the next events");
        }
    }
    if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
        tracing::warn!(%error, "the last checkpoint failed: the next start makes it");
    }
}

/// Under load it is worth a pause for company: a commit costs what ten appends do, and whoever waits for its outcome is woken once
/// instead of ten times.
fn gather(queue: &mpsc::Receiver<Job>, together: &mut Vec<Job>) {
    for _ in 0..STEPS {
        // Asleep rather than waiting at the queue, so that no sender has to wake this thread.
        std::thread::sleep(STEP);
        let (before, room) = (together.len(), TOGETHER_MAX - together.len());
        together.extend(queue.try_iter().take(room));
        if together.len() < before + COMPANY {
            return;
        }
    }
}

/// A row that only shows that rows can be written.
fn probe() -> Job {
    let key = RowKey { table: "probe", partition: String::new(), key: String::new() };
    Job::Put(vec![Row { key, stamp: 0, value: Some(vec![0; 4096].into()) }], Box::new(|_| {}))
}

/// Where those who wait are told. In the runtime, all that one commit held are told by one task: told from here, the first of
/// them would run at once in this thread's place, and so on with each.
pub(super) struct Teller(Option<tokio::runtime::Handle>);

impl Teller {
    /// In the runtime of this thread, if it has one.
    pub(super) fn here() -> Self {
        Self(tokio::runtime::Handle::try_current().ok())
    }

    fn tell(&self, told: Vec<Told>, outcome: Result<(), Failed>) {
        match &self.0 {
            Some(runtime) => drop(runtime.spawn(async move { tell(told, &outcome) })),
            None => tell(told, &outcome),
        }
    }
}

fn tell(told: Vec<Told>, outcome: &Result<(), Failed>) {
    for one in told {
        match (one, outcome) {
            (Told::Append(done, result, _), Ok(())) => done(result),
            (Told::Put(done), Ok(())) => done(Ok(())),
            // A transaction that failed before its commit was never written; whether a failed commit was is not known.
            (Told::Append(done, ..), Err((error, false))) => {
                done(Err(AppendError::Unavailable(error.to_string())))
            }
            (Told::Append(done, ..), Err((error, true))) => {
                done(Err(AppendError::Unknown(error.to_string())))
            }
            (Told::Put(done), Err((error, _))) => done(Err(StoreError(error.to_string()))),
        }
    }
}

fn commit(
    connection: &Connection,
    heads: &mut Heads,
    jobs: impl Iterator<Item = Job>,
    state: &State,
) -> (Vec<Told>, Result<(), Failed>) {
    let mut told = Vec::new();
    let outcome = write_all(connection, heads, jobs, &mut told);
    match &outcome {
        Ok(()) => heads.keep(),
        Err(_) => heads.undo(),
    }
    state.commits.fetch_add(1, Ordering::Relaxed);
    state.writes.fetch_add(told.len() as u64, Ordering::Relaxed);
    count(&told, state);
    if let Err((error, _)) = &outcome {
        if !state.failing.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "the store cannot write: nothing is accepted until it can");
        }
    } else {
        state.failing.store(false, Ordering::Relaxed);
    }
    (told, outcome)
}

/// Counts the appends of one transaction, whose outcome is known now.
fn count(told: &[Told], state: &State) {
    let now = Began::now();
    let mut together = 0;
    for one in told {
        if let Told::Append(_, result, waited) = one {
            state.append_times.count_time(waited.since.until(now));
            together += if result.is_ok() { waited.events as u64 } else { 0 };
        }
    }
    if together > 0 {
        state.append_events.count(together);
    }
}

/// A transaction whose statements are parsed once; `rusqlite`'s own parses them for each. Dropped without a commit it is rolled back.
struct Transaction<'a>(&'a Connection);

impl<'a> Transaction<'a> {
    fn begin(connection: &'a Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Self(connection))
    }

    fn commit(self) -> rusqlite::Result<()> {
        self.0.prepare_cached("COMMIT")?.execute([]).map(drop)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit()
            && let Err(error) = self.0.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be rolled back: the next one fails");
        }
    }
}

/// The error, and whether it came from the commit itself.
type Failed = (rusqlite::Error, bool);

fn write_all(
    connection: &Connection,
    heads: &mut Heads,
    jobs: impl Iterator<Item = Job>,
    told: &mut Vec<Told>,
) -> Result<(), Failed> {
    let jobs: Vec<Job> = jobs.collect();
    let mut failed = None;
    let transaction = match Transaction::begin(connection) {
        Ok(transaction) => Some(transaction),
        Err(error) => {
            failed = Some(error);
            None
        }
    };
    // Prepared once for all that is written together.
    let mut insert =
        match transaction.as_ref().map(|transaction| transaction.0.prepare_cached(INSERT)).transpose() {
            Ok(insert) => insert,
            Err(error) => {
                failed = Some(error);
                None
            }
        };
    for job in jobs {
        let written = match (&transaction, &mut insert, &failed) {
            (Some(transaction), Some(insert), None) => write_one(transaction.0, insert, heads, &job),
            (Some(_) | None, ..) => Ok(Ok(())),
        };
        let result = written.unwrap_or_else(|error| {
            failed = Some(error);
            Ok(())
        });
        told.push(match job {
            Job::Append(append, done, since) => {
                Told::Append(done, result, Waited { since, events: append.bodies.len() })
            }
            Job::Put(_, done) => Told::Put(done),
        });
    }
    drop(insert);
    match (transaction, failed) {
        (Some(transaction), None) => transaction.commit().map_err(|error| {
            let unknown = !never_written(&error);
            (error, unknown)
        }),
        // Dropping the transaction rolls it back.
        (Some(_) | None, Some(error)) => Err((error, false)),
        (None, None) => Ok(()),
    }
}

/// True for a failed commit whose last frame cannot be whole in the log: the disk is full, or a write failed. After a failed
/// fsync it may be whole, and a crash now would bring it back.
fn never_written(error: &rusqlite::Error) -> bool {
    const WRITE_FAILED: i32 = 778; // SQLITE_IOERR_WRITE
    error.sqlite_error().is_some_and(|error| {
        error.code == rusqlite::ErrorCode::DiskFull || error.extended_code == WRITE_FAILED
    })
}

/// The inner result is the append's own: a conflict of one does not undo the others.
fn write_one(
    connection: &Connection,
    insert: &mut CachedStatement<'_>,
    heads: &mut Heads,
    job: &Job,
) -> rusqlite::Result<Result<(), AppendError>> {
    match job {
        Job::Append(append, ..) => write_events(connection, insert, heads, append),
        Job::Put(rows, _) => {
            for row in rows {
                write_row(connection, row)?;
            }
            Ok(Ok(()))
        }
    }
}

fn write_events(
    connection: &Connection,
    insert: &mut CachedStatement<'_>,
    heads: &mut Heads,
    append: &Append,
) -> rusqlite::Result<Result<(), AppendError>> {
    if append.bodies.len() > APPEND_EVENTS_MAX || append.bodies.iter().any(|body| body.len() > BODY_BYTES_MAX)
    {
        return Ok(Err(AppendError::TooLarge));
    }
    if append.bodies.is_empty() {
        return Ok(Ok(()));
    }
    let head = heads.head(connection, &append.address)?;
    if append.epoch < head.epoch {
        return Ok(Err(AppendError::Fenced));
    }
    if append.first != head.seq + 1 {
        return written_before(connection, heads, append, head.seq);
    }
    for (body, seq) in append.bodies.iter().zip(append.first..) {
        let event = heads.next(head.stream, seq);
        insert.execute(params![event, head.stream, signed(seq), signed(append.epoch), &**body])?;
    }
    let seq = head.seq + append.bodies.len() as u64;
    heads.advance(&append.address, Head { epoch: append.epoch, seq, ..head });
    Ok(Ok(()))
}

/// The same append written before is written once: it succeeds again.
fn written_before(
    connection: &Connection,
    heads: &Heads,
    append: &Append,
    head: u64,
) -> rusqlite::Result<Result<(), AppendError>> {
    let before = append.first.saturating_sub(1);
    let entries =
        super::read::events(connection, heads.recent(), &append.address, before, append.bodies.len())?;
    let same = entries.len() == append.bodies.len()
        && entries.iter().zip(&*append.bodies).all(|(entry, body)| entry.body == *body);
    Ok(if same && append.first > 0 { Ok(()) } else { Err(AppendError::Conflict { next: head + 1 }) })
}

/// The largest stamp wins; a deletion stays as an empty row until the next start, so that an older write cannot undo it.
fn write_row(connection: &Connection, row: &Row) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached(
        "INSERT INTO row(tab, part, key, stamp, value) VALUES(?1, ?2, ?3, ?4, ?5)
         ON CONFLICT(tab, part, key) DO UPDATE SET stamp = excluded.stamp, value = excluded.value WHERE excluded.stamp >= stamp",
    )?;
    let value = row.value.as_deref();
    put.execute(params![row.key.table, row.key.partition, row.key.key, row.stamp, value])?;
    Ok(())
}

/// `SQLite` integers are signed; ours stay far below 2^63.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
