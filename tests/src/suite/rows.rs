//! What rows promise.

use std::sync::Arc;

use bytes::Bytes;
use conversa_actors::port::{Row, RowKey, Rows};
use futures_util::FutureExt;

use super::RowsCase;

/// All promises of rows.
pub const ROWS: &[RowsCase] = &[
    RowsCase { promise: "a row comes back as it was written", check: |rows| comes_back(rows).boxed() },
    RowsCase {
        promise: "the largest stamp wins in any order of arrival",
        check: |rows| any_order(rows).boxed(),
    },
    RowsCase { promise: "a later write of the same stamp replaces", check: |rows| same_stamp(rows).boxed() },
    RowsCase {
        promise: "a deleted row is gone, and an older write does not bring it back",
        check: |rows| deleted(rows).boxed(),
    },
    RowsCase {
        promise: "a scan goes through one partition, in order, page by page",
        check: |rows| scanned(rows).boxed(),
    },
    RowsCase {
        promise: "a scan leaves deleted rows out without ending early",
        check: |rows| scanned_over_deleted(rows).boxed(),
    },
    RowsCase { promise: "tables and partitions do not see each other", check: |rows| apart(rows).boxed() },
    RowsCase { promise: "rows written together are there together", check: |rows| together(rows).boxed() },
];

const TABLE: &str = "snapshot";

fn key(partition: &str, key: &str) -> RowKey {
    RowKey { table: TABLE, partition: partition.to_owned(), key: key.to_owned() }
}

fn row(name: &str, stamp: i64, value: Option<&str>) -> Row {
    Row { key: key("p", name), stamp, value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())) }
}

async fn put(rows: &Arc<dyn Rows>, these: Vec<Row>) {
    let (done, outcome) = tokio::sync::oneshot::channel();
    rows.put(these, Box::new(move |result| done.send(result).expect("the test waits")));
    assert_eq!(outcome.await.expect("every put is answered"), Ok(()));
}

async fn get(rows: &Arc<dyn Rows>, at: &RowKey) -> Option<String> {
    let value = rows.get(at).await.expect("the store answers");
    value.map(|value| String::from_utf8_lossy(&value).into_owned())
}

async fn scan(rows: &Arc<dyn Rows>, partition: &str, after: &str, limit: usize) -> Vec<(String, String)> {
    let found = rows.scan(TABLE, partition, after, limit).await.expect("the store answers");
    found.into_iter().map(|(key, value)| (key, String::from_utf8_lossy(&value).into_owned())).collect()
}

async fn comes_back(rows: Arc<dyn Rows>) {
    assert_eq!(get(&rows, &key("p", "a")).await, None);
    put(&rows, vec![row("a", 1, Some("one"))]).await;
    assert_eq!(get(&rows, &key("p", "a")).await.as_deref(), Some("one"));
    put(&rows, vec![row("a", 2, Some(""))]).await;
    assert_eq!(get(&rows, &key("p", "a")).await.as_deref(), Some(""), "an empty value is a value");
}

async fn any_order(rows: Arc<dyn Rows>) {
    let orders = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]];
    for (place, order) in orders.into_iter().enumerate() {
        let name = format!("order-{place}");
        for stamp in order {
            put(&rows, vec![row(&name, stamp, Some(&stamp.to_string()))]).await;
        }
        assert_eq!(get(&rows, &key("p", &name)).await.as_deref(), Some("3"), "arrival {order:?}");
    }
}

async fn same_stamp(rows: Arc<dyn Rows>) {
    put(&rows, vec![row("a", 5, Some("first"))]).await;
    put(&rows, vec![row("a", 5, Some("second"))]).await;
    assert_eq!(get(&rows, &key("p", "a")).await.as_deref(), Some("second"));
}

async fn deleted(rows: Arc<dyn Rows>) {
    put(&rows, vec![row("a", 1, Some("one"))]).await;
    put(&rows, vec![row("a", 3, None)]).await;
    assert_eq!(get(&rows, &key("p", "a")).await, None);
    put(&rows, vec![row("a", 2, Some("late"))]).await;
    assert_eq!(get(&rows, &key("p", "a")).await, None, "it was written before the deletion");
    put(&rows, vec![row("b", 2, None)]).await;
    put(&rows, vec![row("b", 1, Some("late"))]).await;
    assert_eq!(get(&rows, &key("p", "b")).await, None, "a deletion of what is not there holds as well");
    put(&rows, vec![row("a", 4, Some("new"))]).await;
    assert_eq!(get(&rows, &key("p", "a")).await.as_deref(), Some("new"));
}

async fn scanned(rows: Arc<dyn Rows>) {
    for name in ["c", "a", "e", "b", "d"] {
        put(&rows, vec![row(name, 1, Some(name))]).await;
    }
    let all: Vec<(String, String)> =
        ["a", "b", "c", "d", "e"].map(|name| (name.to_owned(), name.to_owned())).into();
    assert_eq!(scan(&rows, "p", "", 10).await, all);
    assert_eq!(scan(&rows, "p", "", 2).await, all[..2]);
    assert_eq!(scan(&rows, "p", "b", 2).await, all[2..4]);
    assert_eq!(scan(&rows, "p", "e", 2).await, []);
    assert_eq!(scan(&rows, "nothing here", "", 10).await, []);
}

async fn scanned_over_deleted(rows: Arc<dyn Rows>) {
    for name in ["a", "b", "c", "d"] {
        put(&rows, vec![row(name, 1, Some(name))]).await;
    }
    put(&rows, vec![row("a", 2, None), row("b", 2, None)]).await;
    assert_eq!(
        scan(&rows, "p", "", 2).await,
        [("c".to_owned(), "c".to_owned()), ("d".to_owned(), "d".to_owned())]
    );
}

async fn apart(rows: Arc<dyn Rows>) {
    let places = [(TABLE, "p"), (TABLE, "p2"), ("wake", "p"), ("contribution", "p")];
    let at =
        |table, partition: &str| RowKey { table, partition: partition.to_owned(), key: "same".to_owned() };
    for (table, partition) in places {
        let value = Some(Bytes::from(format!("{table} {partition}")));
        put(&rows, vec![Row { key: at(table, partition), stamp: 1, value }]).await;
    }
    for (table, partition) in places {
        assert_eq!(get(&rows, &at(table, partition)).await, Some(format!("{table} {partition}")));
        assert_eq!(rows.scan(table, partition, "", 10).await.expect("the store answers").len(), 1);
    }
}

async fn together(rows: Arc<dyn Rows>) {
    let stamps: Vec<Row> = (0..50).map(|n| row(&format!("{n:02}"), 1, Some("x"))).collect();
    put(&rows, stamps).await;
    assert_eq!(scan(&rows, "p", "", 100).await.len(), 50);
    // One of them loses against a later stamp: the others are written all the same.
    put(&rows, vec![row("00", 9, Some("late"))]).await;
    put(&rows, vec![row("00", 5, Some("lost")), row("01", 5, Some("won")), row("02", 5, None)]).await;
    assert_eq!(get(&rows, &key("p", "00")).await.as_deref(), Some("late"));
    assert_eq!(get(&rows, &key("p", "01")).await.as_deref(), Some("won"));
    assert_eq!(get(&rows, &key("p", "02")).await, None);
}
