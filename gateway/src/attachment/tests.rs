//! Uploads through two nodes that share their files, and what ends them.

use conversa_engine::ids::PersonId;

use super::*;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";
const NOW: Time = Time::from_ms(1_000_000);

fn ann() -> Principal {
    let (tenant, id) = (TenantId::new("t"), PersonId::new("1"));
    Principal { tenant, role: Role::Visitor, id, name: String::new() }
}

/// A node of several, over a folder.
async fn node(folder: &Path, limits: AttachmentsConfig) -> Attachments {
    let secrets = [(TenantId::new("t"), "a secret of thirty-two bytes 0001".to_owned())].into();
    Attachments::open(&limits, folder, &secrets, true).await.expect("a folder")
}

fn shared() -> AttachmentsConfig {
    AttachmentsConfig { shared: true, pending_max: 2, ..AttachmentsConfig::default() }
}

fn picture() -> (String, String, u64) {
    ("a.png".into(), "image/png".into(), PNG.len() as u64)
}

async fn put(node: &Attachments, id: &str, bytes: &'static [u8], now: Time) -> Result<(), Code> {
    node.upload(&ann(), id, Body::from(bytes), now).await.map(drop).map_err(|refusal| refusal.code)
}

#[tokio::test]
async fn a_cluster_without_files_for_all_its_nodes_takes_none_and_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path(), AttachmentsConfig::default()).await;
    let refused = node.prepare(&ann(), picture(), NOW).await.err().expect("it is refused");
    assert_eq!(refused.code, Code::UnsupportedContent);
    assert!(refused.detail.contains("attachments.kind = \"s3\""), "{refused:?}");
}

#[tokio::test]
async fn prepared_at_one_node_uploaded_and_completed_at_another_and_counted_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, two) = (node(folder.path(), shared()).await, node(folder.path(), shared()).await);
    let mut sealed = Vec::new();
    for _ in 0..5 {
        let prepared =
            one.prepare(&ann(), picture(), NOW).await.expect("what was completed elsewhere is over");
        assert_eq!(put(&two, &prepared.id, PNG, NOW).await, Ok(()));
        let att = one.complete(&ann(), &prepared.id, NOW).await.expect("it is a picture");
        assert_eq!(two.complete(&ann(), &prepared.id, NOW).await.as_ref(), Ok(&att), "asked again elsewhere");
        assert_eq!(put(&two, &prepared.id, PNG, NOW).await, Err(Code::Conflict));
        let (found, own) = two.find(&ann(), att.id.as_deref().expect("an id")).await.expect("it is there");
        assert!(own && found.inline);
        sealed.push(att.id);
    }
    for _ in 0..2 {
        let prepared = one.prepare(&ann(), picture(), NOW).await.expect("room for two");
        put(&two, &prepared.id, PNG, NOW).await.expect("it is taken");
        two.complete(&ann(), &prepared.id, NOW).await.expect("one does not hear of it");
    }
    one.prepare(&ann(), picture(), NOW).await.expect("one looks before it refuses");
    one.prepare(&ann(), picture(), NOW).await.expect("and again");
    let third = one.prepare(&ann(), picture(), NOW).await.err().expect("two are pending");
    assert_eq!(third.code, Code::QuotaExceeded);
    sealed.sort();
    sealed.dedup();
    assert_eq!(sealed.len(), 5, "names are random");
}

#[tokio::test]
async fn nothing_goes_on_after_the_end_of_an_upload() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path(), shared()).await;
    let prepared = node.prepare(&ann(), picture(), NOW).await.expect("it begins");
    let sent = node.prepare(&ann(), picture(), NOW).await.expect("it begins");
    assert_eq!(put(&node, &sent.id, PNG, NOW).await, Ok(()));
    let end = prepared.until;
    assert_eq!(put(&node, &prepared.id, PNG, end).await, Err(Code::Gone));
    for id in [&prepared.id, &sent.id] {
        let refused = node.complete(&ann(), id, end).await.map_err(|refusal| refusal.code);
        assert_eq!(refused, Err(Code::Gone));
    }
    let never = Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let cut = node.upload(&ann(), &prepared.id, never, Time::from_ms(end.ms() - 1)).await;
    assert_eq!(
        cut.map(drop).map_err(|refusal| refusal.code),
        Err(Code::Gone),
        "one that is under way ends too"
    );
}

#[tokio::test]
async fn no_name_that_somebody_chose_is_on_the_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path(), shared()).await;
    let chosen = ("chosen.png".to_owned(), "image/png".to_owned(), PNG.len() as u64);
    let prepared = node.prepare(&ann(), chosen, NOW).await.expect("it begins");
    put(&node, &prepared.id, PNG, NOW).await.expect("it is taken");
    node.complete(&ann(), &prepared.id, NOW).await.expect("it is a picture");
    let mut waiting = vec![folder.path().to_owned()];
    let mut files = 0;
    while let Some(path) = waiting.pop() {
        assert!(!path.to_string_lossy().contains("chosen"), "{}", path.display());
        match std::fs::read_dir(&path) {
            Ok(entries) => waiting.extend(entries.map(|entry| entry.expect("an entry").path())),
            Err(_) => files += 1,
        }
    }
    assert_eq!(files, 5, "prepared, sent, record, the bytes and the mark");
}
