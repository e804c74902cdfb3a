//! What a journal promises.

use std::sync::Arc;

use bytes::Bytes;
use conversa_actors::address::Address;
use conversa_actors::port::{APPEND_EVENTS_MAX, Append, AppendError, BODY_BYTES_MAX, Entry, Journal};
use conversa_engine::ids::TenantId;
use futures_util::FutureExt;
use futures_util::future::join_all;

use super::JournalCase;

/// All promises of a journal.
pub const JOURNAL: &[JournalCase] = &[
    JournalCase {
        promise: "events come back in order, numbered 1, 2, 3",
        check: |journal| in_order(journal).boxed(),
    },
    JournalCase {
        promise: "an append that leaves a gap conflicts and says what is next",
        check: |journal| gap(journal).boxed(),
    },
    JournalCase {
        promise: "an append to a place that is taken conflicts",
        check: |journal| taken(journal).boxed(),
    },
    JournalCase {
        promise: "an append is written all or none",
        check: |journal| all_or_none(journal).boxed(),
    },
    JournalCase {
        promise: "the same append again is written once",
        check: |journal| repeated(journal).boxed(),
    },
    JournalCase {
        promise: "the same append after later ones is written once",
        check: |journal| repeated_late(journal).boxed(),
    },
    JournalCase {
        promise: "a repeat with another body conflicts",
        check: |journal| altered(journal).boxed(),
    },
    JournalCase {
        promise: "a repeat that is longer than what is there conflicts",
        check: |journal| longer(journal).boxed(),
    },
    JournalCase {
        promise: "an older epoch is fenced, a newer one takes over",
        check: |journal| fenced(journal).boxed(),
    },
    JournalCase {
        promise: "a fenced owner's repeat is fenced as well",
        check: |journal| fenced_repeat(journal).boxed(),
    },
    JournalCase {
        promise: "what is too large or too many is refused",
        check: |journal| too_large(journal).boxed(),
    },
    JournalCase { promise: "events are read page by page", check: |journal| pages(journal).boxed() },
    JournalCase {
        promise: "keys are read page by page, in order, each once",
        check: |journal| keys(journal).boxed(),
    },
    JournalCase {
        promise: "tenants and kinds do not see each other",
        check: |journal| apart(journal).boxed(),
    },
    JournalCase { promise: "many logs are appended to at once", check: |journal| at_once(journal).boxed() },
];

fn address(key: &str) -> Address {
    Address::new(TenantId::new("acme"), "conversation", key)
}

fn bodies(of: &[&str]) -> Arc<[Bytes]> {
    of.iter().map(|body| Bytes::copy_from_slice(body.as_bytes())).collect()
}

async fn append(journal: &Arc<dyn Journal>, append: Append) -> Result<(), AppendError> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    journal.append(append, Box::new(move |result| done.send(result).expect("the test waits")));
    outcome.await.expect("every append is answered")
}

async fn write(journal: &Arc<dyn Journal>, key: &str, first: u64, of: &[&str]) -> Result<(), AppendError> {
    append(journal, Append { address: address(key), epoch: 1, first, bodies: bodies(of) }).await
}

async fn read(journal: &Arc<dyn Journal>, of: &Address, after: u64, limit: usize) -> Vec<(u64, String)> {
    let entries: Vec<Entry> = journal.read(of, after, limit).await.expect("the store answers");
    entries.into_iter().map(|entry| (entry.seq, String::from_utf8_lossy(&entry.body).into_owned())).collect()
}

fn numbered(of: &[&str]) -> Vec<(u64, String)> {
    (1..).zip(of).map(|(seq, body)| (seq, (*body).to_owned())).collect()
}

async fn in_order(journal: Arc<dyn Journal>) {
    assert_eq!(write(&journal, "a", 1, &["one"]).await, Ok(()));
    assert_eq!(write(&journal, "a", 2, &["two", "three"]).await, Ok(()));
    assert_eq!(write(&journal, "a", 4, &[""]).await, Ok(()), "a body may be empty");
    assert_eq!(read(&journal, &address("a"), 0, 10).await, numbered(&["one", "two", "three", ""]));
    assert_eq!(read(&journal, &address("never written"), 0, 10).await, []);
}

async fn gap(journal: Arc<dyn Journal>) {
    assert_eq!(write(&journal, "a", 2, &["two"]).await, Err(AppendError::Conflict { next: 1 }));
    assert_eq!(write(&journal, "a", 1, &["one"]).await, Ok(()));
    assert_eq!(write(&journal, "a", 3, &["three"]).await, Err(AppendError::Conflict { next: 2 }));
    assert_eq!(write(&journal, "a", 0, &["zero"]).await, Err(AppendError::Conflict { next: 2 }));
    assert_eq!(read(&journal, &address("a"), 0, 10).await, numbered(&["one"]));
}

async fn taken(journal: Arc<dyn Journal>) {
    assert_eq!(write(&journal, "a", 1, &["one", "two"]).await, Ok(()));
    assert_eq!(write(&journal, "a", 2, &["another"]).await, Err(AppendError::Conflict { next: 3 }));
    assert_eq!(read(&journal, &address("a"), 0, 10).await, numbered(&["one", "two"]));
}

async fn all_or_none(journal: Arc<dyn Journal>) {
    assert_eq!(write(&journal, "a", 1, &["one", "two"]).await, Ok(()));
    assert_eq!(write(&journal, "a", 2, &["two", "three"]).await, Err(AppendError::Conflict { next: 3 }));
    assert_eq!(
        read(&journal, &address("a"), 0, 10).await,
        numbered(&["one", "two"]),
        "nothing of it may be written"
    );
}

async fn repeated(journal: Arc<dyn Journal>) {
    assert_eq!(write(&journal, "a", 1, &["one"]).await, Ok(()));
    for _ in 0..3 {
        assert_eq!(write(&journal, "a", 2, &["two", "three"]).await, Ok(()));
    }
    assert_eq!(read(&journal, &address("a"), 0, 10).await, numbered(&["one", "two", "three"]));
}

async fn repeated_late(journal: Arc<dyn Journal>) {
    for (first, body) in (1..).zip(["one", "two", "three"]) {
        assert_eq!(write(&journal, "a", first, &[body]).await, Ok(()));
    }
    assert_eq!(write(&journal, "a", 1, &["one"]).await, Ok(()));
    assert_eq!(write(&journal, "a", 1, &["one", "two"]).await, Ok(()));
    assert_eq!(read(&journal, &address("a"), 0, 10).await, numbered(&["one", "two", "three"]));
}

async fn altered(journal: Arc<dyn Journal>) {
    assert_eq!(write(&journal, "a", 1, &["one", "two"]).await, Ok(()));
    assert_eq!(write(&journal, "a", 1, &["one", "TWO"]).await, Err(AppendError::Conflict { next: 3 }));
    assert_eq!(write(&journal, "a", 1, &["ONE"]).await, Err(AppendError::Conflict { next: 3 }));
    assert_eq!(read(&journal, &address("a"), 0, 10).await, numbered(&["one", "two"]));
}

async fn longer(journal: Arc<dyn Journal>) {
    assert_eq!(write(&journal, "a", 1, &["one"]).await, Ok(()));
    assert_eq!(write(&journal, "a", 1, &["one", "two"]).await, Err(AppendError::Conflict { next: 2 }));
    assert_eq!(read(&journal, &address("a"), 0, 10).await, numbered(&["one"]));
}

async fn fenced(journal: Arc<dyn Journal>) {
    let of = |epoch, first, body| Append { address: address("a"), epoch, first, bodies: bodies(&[body]) };
    assert_eq!(append(&journal, of(3, 1, "one")).await, Ok(()));
    assert_eq!(append(&journal, of(2, 2, "late")).await, Err(AppendError::Fenced));
    assert_eq!(append(&journal, of(5, 2, "two")).await, Ok(()));
    assert_eq!(append(&journal, of(3, 3, "later")).await, Err(AppendError::Fenced));
    assert_eq!(append(&journal, of(5, 3, "three")).await, Ok(()));
    assert_eq!(read(&journal, &address("a"), 0, 10).await, numbered(&["one", "two", "three"]));
}

async fn fenced_repeat(journal: Arc<dyn Journal>) {
    let of = |epoch, first, body| Append { address: address("a"), epoch, first, bodies: bodies(&[body]) };
    assert_eq!(append(&journal, of(1, 1, "one")).await, Ok(()));
    assert_eq!(append(&journal, of(2, 2, "two")).await, Ok(()));
    assert_eq!(
        append(&journal, of(1, 2, "two")).await,
        Err(AppendError::Fenced),
        "it was not the one who wrote this"
    );
}

async fn too_large(journal: Arc<dyn Journal>) {
    let large = |bytes: usize| Append {
        address: address("a"),
        epoch: 1,
        first: 1,
        bodies: [vec![b'x'; bytes].into()].into(),
    };
    assert_eq!(append(&journal, large(BODY_BYTES_MAX + 1)).await, Err(AppendError::TooLarge));
    let many = Append {
        address: address("a"),
        epoch: 1,
        first: 1,
        bodies: vec![Bytes::from_static(b"x"); APPEND_EVENTS_MAX + 1].into(),
    };
    assert_eq!(append(&journal, many).await, Err(AppendError::TooLarge));
    assert_eq!(read(&journal, &address("a"), 0, 10).await, []);
    assert_eq!(append(&journal, large(BODY_BYTES_MAX)).await, Ok(()));
    let most = Append {
        address: address("a"),
        epoch: 1,
        first: 2,
        bodies: vec![Bytes::from_static(b"x"); APPEND_EVENTS_MAX].into(),
    };
    assert_eq!(append(&journal, most).await, Ok(()));
    assert_eq!(read(&journal, &address("a"), 0, 1_000).await.len(), 1 + APPEND_EVENTS_MAX);
}

async fn pages(journal: Arc<dyn Journal>) {
    let all = ["one", "two", "three", "four", "five"];
    assert_eq!(write(&journal, "a", 1, &all).await, Ok(()));
    assert_eq!(read(&journal, &address("a"), 0, 2).await, numbered(&all)[..2]);
    assert_eq!(read(&journal, &address("a"), 2, 2).await, numbered(&all)[2..4]);
    assert_eq!(read(&journal, &address("a"), 4, 2).await, numbered(&all)[4..]);
    assert_eq!(read(&journal, &address("a"), 5, 2).await, []);
    assert_eq!(read(&journal, &address("a"), u64::MAX, 2).await, []);
    assert_eq!(read(&journal, &address("a"), 0, 0).await, []);
}

async fn keys(journal: Arc<dyn Journal>) {
    for key in ["b", "a", "d", "c", "e"] {
        assert_eq!(write(&journal, key, 1, &["one", "two"]).await, Ok(()));
    }
    let mut of = address("");
    let mut found = Vec::new();
    loop {
        let page = journal.keys(&of, 2).await.expect("the store answers");
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 2, "a page has at most what was asked for");
        of.key = last.as_str().into();
        found.extend(page);
    }
    assert_eq!(found, ["a", "b", "c", "d", "e"]);
}

async fn apart(journal: Arc<dyn Journal>) {
    let places =
        [("acme", "conversation"), ("acme", "agent"), ("acme2", "conversation"), ("acm", "econversation")];
    let at = |tenant: &str, kind| Address::new(TenantId::new(tenant), kind, "same");
    for (tenant, kind) in places {
        let body = format!("{tenant} {kind}");
        let one = Append { address: at(tenant, kind), epoch: 1, first: 1, bodies: bodies(&[&body]) };
        assert_eq!(append(&journal, one).await, Ok(()));
    }
    for (tenant, kind) in places {
        assert_eq!(read(&journal, &at(tenant, kind), 0, 10).await, [(1, format!("{tenant} {kind}"))]);
        let of = Address::new(TenantId::new(tenant), kind, "");
        assert_eq!(journal.keys(&of, 10).await.expect("the store answers"), ["same"]);
    }
    let never = Address::new(TenantId::new("other"), "conversation", "");
    assert_eq!(journal.keys(&never, 10).await.expect("the store answers"), Vec::<String>::new());
}

async fn at_once(journal: Arc<dyn Journal>) {
    const LOGS: usize = 100;
    const EVENTS: u64 = 20;
    let logs = (0..LOGS).map(|log| {
        let journal = Arc::clone(&journal);
        async move {
            let key = format!("log-{log}");
            for first in 1..=EVENTS {
                assert_eq!(write(&journal, &key, first, &[&format!("{log} {first}")]).await, Ok(()));
            }
        }
    });
    join_all(logs).await;
    for log in 0..LOGS {
        let expected: Vec<_> = (1..=EVENTS).map(|seq| (seq, format!("{log} {seq}"))).collect();
        assert_eq!(read(&journal, &address(&format!("log-{log}")), 0, 100).await, expected);
    }
}
