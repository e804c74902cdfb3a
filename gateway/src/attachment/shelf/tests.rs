//! What every shelf does, whatever store is below: the same cases in memory, in a folder and on a server that speaks S3. Each case has two
//! shelves over one store, as two nodes of a cluster have.

use std::path::Path as File;

use futures_util::StreamExt;
use tempfile::TempDir;

use super::*;
use crate::config::{AttachmentsConfig, AttachmentsKind, S3Config};

#[path = "../../../tests/s3.rs"]
mod s3;

const TENANT: &str = "t";
const PLACE: &str = "0123456789abcdef";
const END: Time = Time::from_ms(10 * MINUTE_MS);
/// The first moment at which a sweep takes what ends at `END`.
const SWEPT: Time = Time::from_ms(11 * MINUTE_MS + GRACE_MS);

/// Two shelves over one store, and what lives as long as they do.
struct Pair {
    name: &'static str,
    one: Shelf,
    two: Shelf,
    server: Option<s3::Server>,
    folder: TempDir,
}

fn bucket(url: &str) -> AttachmentsConfig {
    AttachmentsConfig {
        kind: AttachmentsKind::S3,
        s3: S3Config {
            bucket: s3::BUCKET.into(),
            endpoint: Some(url.into()),
            key_id: Some(s3::KEY_ID.into()),
            secret: Some(s3::SECRET.into()),
            ..S3Config::default()
        },
        ..AttachmentsConfig::default()
    }
}

async fn open(limits: &AttachmentsConfig, data: &File) -> Shelf {
    Shelf::open(limits, data).await.expect("a shelf")
}

async fn pairs() -> Vec<Pair> {
    let folder = || tempfile::tempdir().expect("a folder");
    let one = Shelf::in_memory();
    let two = Shelf { store: Arc::clone(&one.store), folder: None };
    let memory = Pair { name: "memory", one, two, server: None, folder: folder() };

    let (kept, limits) = (folder(), AttachmentsConfig::default());
    let (one, two) = (open(&limits, kept.path()).await, open(&limits, kept.path()).await);
    let local = Pair { name: "folder", one, two, server: None, folder: kept };

    let kept = folder();
    let server = s3::Server::start(kept.path(), None).await;
    let limits = bucket(&server.url);
    let (one, two) = (open(&limits, kept.path()).await, open(&limits, kept.path()).await);
    server.asked();
    vec![memory, local, Pair { name: "s3", one, two, server: Some(server), folder: kept }]
}

fn tenant() -> TenantId {
    TenantId::new(TENANT)
}

fn record(bytes: usize) -> Record {
    Record {
        name: "a.png".into(),
        mime: "image/png".into(),
        bytes: bytes as u64,
        until: END,
        sha256: None,
        complete: false,
        sending: String::new(),
    }
}

/// Bytes that differ from part to part.
fn body(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at / 1_000 % 251) as u8).collect()
}

/// Sends `body` in pieces; the record of what arrived.
async fn send(shelf: &Shelf, place: &str, body: &[u8]) -> Result<Record, Refusal> {
    let mut writing = shelf.write(&tenant(), place).await?;
    for piece in body.chunks(700_000) {
        writing.write(Bytes::copy_from_slice(piece)).await?;
    }
    let sending = writing.finish().await?;
    let record = Record { sending, ..record(body.len()) };
    shelf.arrived(&tenant(), place, &record).await?;
    Ok(record)
}

async fn read(shelf: &Shelf, at: (&str, &str), part: (u64, u64)) -> Vec<u8> {
    let mut stream = shelf.read(&tenant(), at, part).await.expect("it is there");
    let mut read = Vec::new();
    while let Some(bytes) = stream.next().await {
        read.extend_from_slice(&bytes.expect("it comes"));
    }
    read
}

async fn objects(shelf: &Shelf) -> Vec<String> {
    let all = shelf.store.list(None).map_ok(|found| found.location.to_string());
    let mut all: Vec<String> = all.try_collect().await.expect("a list");
    all.sort();
    all
}

/// Files anywhere below a folder, with those that a store hides.
fn files(folder: &File) -> usize {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), waiting).await.expect(what);
}

#[tokio::test]
async fn each_step_may_be_taken_at_another_node_and_what_was_sent_is_read() {
    for Pair { name, one, two, .. } in pairs().await {
        for size in [1, 5_000_000, 12_000_000] {
            let (place, body) = (format!("{PLACE}{size}"), body(size));
            one.begin(&tenant(), &place, &record(size)).await.expect("it begins");
            assert_eq!(two.prepared(&tenant(), &place).await, Ok(Some(record(size))), "{name}");
            assert_eq!(two.record(&tenant(), &place).await, Ok(None), "{name}: not complete yet");
            let sent = send(&two, &place, &body).await.expect("it is sent");
            assert_eq!(one.sent(&tenant(), &place).await, Ok(Some(sent.clone())), "{name}");
            let done = one.settle(&tenant(), &place, sent.clone()).await.expect("it is complete");
            assert_eq!(two.record(&tenant(), &place).await, Ok(Some(done.clone())), "{name}");
            let at = (place.as_str(), done.sending.as_str());
            let end = size as u64;
            let part = (end / 3, end);
            assert!(read(&two, at, part).await == body[size / 3..], "{name}: other bytes");
            let head = two.head(&tenant(), at, end.min(8)).await.expect("it begins");
            assert_eq!(head, body[..size.min(8)], "{name}");
        }
    }
}

#[tokio::test]
async fn what_breaks_off_leaves_nothing_and_the_number_of_sendings_is_bounded() {
    for Pair { name, one, two, server, folder } in pairs().await {
        one.begin(&tenant(), PLACE, &record(12_000_000)).await.expect("it begins");
        let before = objects(&one).await;
        let piece = || Bytes::from(body(6_000_000));
        for times in 0..SENDINGS_MAX * 2 {
            let mut writing = one.write(&tenant(), PLACE).await.expect("room for one more");
            writing.write(piece()).await.expect("it is taken");
            if times % 2 == 0 {
                writing.abort().await;
            } else {
                drop(writing);
            }
        }
        assert_eq!(objects(&one).await, before, "{name}");
        // What is dropped is told to the store by a task of its own.
        if let Some(server) = server {
            let mut aborted = 0;
            until("parts are forgotten", || {
                aborted += server.asked().iter().filter(|name| *name == "AbortMultipartUpload").count();
                aborted == SENDINGS_MAX * 2
            })
            .await;
        } else if name == "folder" {
            until("not even what the store hides", || files(folder.path()) == before.len()).await;
        }
        for _ in 0..SENDINGS_MAX {
            send(&one, PLACE, b"whole").await.expect("room for one more");
        }
        let refused = send(&two, PLACE, b"whole").await.map_err(|refusal| refusal.code);
        assert_eq!(refused, Err(Code::Conflict), "{name}");
    }
}

#[tokio::test]
async fn of_two_completions_at_two_nodes_the_first_counts_and_later_bytes_change_nothing() {
    for Pair { name, one, two, .. } in pairs().await {
        one.begin(&tenant(), PLACE, &record(5)).await.expect("it begins");
        let first = send(&one, PLACE, b"first").await.expect("it is sent");
        let other = send(&two, PLACE, b"other").await.expect("it is sent");
        let done = one.settle(&tenant(), PLACE, first.clone()).await.expect("it is complete");
        assert_eq!(done.sending, first.sending, "{name}");
        let again = two.settle(&tenant(), PLACE, other).await.expect("it is complete already");
        assert_eq!(again, done, "{name}");
        send(&two, PLACE, b"later").await.expect("it is sent");
        assert_eq!(read(&two, (PLACE, &again.sending), (0, 5)).await, b"first", "{name}");
        assert_eq!(one.sweep(SWEPT).await, Ok(0), "{name}: it was completed");
        assert_eq!(read(&two, (PLACE, &again.sending), (0, 5)).await, b"first", "{name}");
        let kept = objects(&one).await;
        assert_eq!(kept.len(), 2, "{name}: the record and the bytes that were checked: {kept:?}");
    }
}

#[tokio::test]
async fn what_was_not_completed_is_removed_after_its_end_and_not_before() {
    for Pair { name, one, two, folder, .. } in pairs().await {
        one.begin(&tenant(), PLACE, &record(5)).await.expect("it begins");
        send(&one, PLACE, b"bytes").await.expect("it is sent");
        one.begin(&tenant(), "other", &record(5)).await.expect("it begins");
        let long = Record { until: END.after_ms(MINUTE_MS), ..record(5) };
        one.begin(&tenant(), "long", &long).await.expect("it begins");
        if name == "folder" {
            // What a process that was killed had begun to write.
            let begun = folder.path().join(format!("attachments/files/{TENANT}/{PLACE}/0011#1"));
            std::fs::write(begun, b"half").expect("the folder is ours");
        }
        assert_eq!(two.sweep(END).await, Ok(0), "{name}: whoever sends until the end is not disturbed");
        assert_eq!(two.prepared(&tenant(), PLACE).await, Ok(Some(record(5))), "{name}");
        assert_eq!(two.sweep(SWEPT).await, Ok(2), "{name}");
        assert_eq!(one.sweep(SWEPT).await, Ok(0), "{name}: once");
        assert_eq!(one.prepared(&tenant(), PLACE).await, Ok(None), "{name}");
        assert_eq!(one.prepared(&tenant(), "long").await, Ok(Some(long)), "{name}");
        assert_eq!(objects(&one).await.len(), 2, "{name}: the third and its mark");
        if name == "folder" {
            assert_eq!(files(folder.path()), 2, "not even what the store hides");
        }
    }
}

#[tokio::test]
async fn a_sweep_is_bounded_and_the_next_one_goes_on() {
    let shelf = Shelf::in_memory();
    for n in 0..SWEEP_MAX + 3 {
        shelf.begin(&tenant(), &n.to_string(), &record(5)).await.expect("it begins");
    }
    assert_eq!(shelf.sweep(SWEPT).await, Ok(SWEEP_MAX));
    assert_eq!(shelf.sweep(SWEPT).await, Ok(3));
    assert_eq!(objects(&shelf).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_file_of_the_first_version_is_read_and_an_upload_of_it_is_not_complete() {
    let shelf = Shelf::in_memory();
    let old = |complete: bool| {
        format!(
            r#"{{"name":"a.png","mime":"image/png","bytes":5,"until":600000,"sha256":"00","complete":{complete}}}"#
        )
    };
    for (place, complete) in [(PLACE, true), ("begun", false)] {
        let at = |part: &str| Shelf::file(&tenant(), place, part);
        shelf.store.put(&at("record"), old(complete).into()).await.expect("memory");
        shelf.store.put(&at("bytes"), "first".into()).await.expect("memory");
    }
    let found = shelf.record(&tenant(), PLACE).await.expect("it is read").expect("it is there");
    assert_eq!(read(&shelf, (PLACE, &found.sending), (0, 5)).await, b"first");
    assert_eq!(shelf.record(&tenant(), "begun").await, Ok(None));
}

#[tokio::test]
async fn a_small_file_is_one_request_and_a_large_one_goes_in_parts() {
    let pair = pairs().await.pop().expect("the last speaks S3");
    let server = pair.server.as_ref().expect("a server");
    send(&pair.one, PLACE, &body(1_000)).await.expect("it is sent");
    assert_eq!(server.asked(), ["ListObjectsV2", "PutObject", "PutObject"], "with its record");
    send(&pair.one, PLACE, &body(12_000_000)).await.expect("it is sent");
    let asked = server.asked();
    let parts = asked.iter().filter(|name| *name == "UploadPart").count();
    assert_eq!(parts, 3, "{asked:?}");
}

#[tokio::test]
async fn a_node_that_cannot_use_its_store_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = s3::Server::start(&folder.path().join("all"), None).await;
    let refused = async |limits: AttachmentsConfig| {
        let error = Shelf::open(&limits, folder.path()).await.err().expect("it is refused").to_string();
        assert!(!error.contains(s3::SECRET), "{error}");
        error
    };
    let with = |url: &str, change: fn(&mut S3Config)| {
        let mut limits = bucket(url);
        change(&mut limits.s3);
        limits
    };
    let missing = refused(with(&server.url, |s3| s3.bucket = "elsewhere".into())).await;
    assert!(missing.contains("there is no such bucket: make it, or set attachments.s3.bucket"), "{missing}");
    let wrong = refused(with(&server.url, |s3| s3.secret = Some("another one".into()))).await;
    assert!(wrong.contains("the key may not: check CONVERSA_S3_KEY_ID"), "{wrong}");
    for forbidden in ["PutObject", "GetObject", "DeleteObject", "ListObjectsV2"] {
        let server = s3::Server::start(&folder.path().join(forbidden), Some(forbidden)).await;
        let error = refused(bucket(&server.url)).await;
        assert!(error.contains("let the key s3:GetObject, s3:PutObject"), "{forbidden}: {error}");
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its own");
    let nobody = refused(bucket(&format!("http://{closed}"))).await;
    assert!(nobody.contains("set attachments.s3.endpoint"), "{nobody}");
    std::fs::write(folder.path().join("attachments"), "a file").expect("the folder is ours");
    let error = refused(AttachmentsConfig::default()).await;
    assert!(error.contains("set attachments.folder"), "{error}");
}
