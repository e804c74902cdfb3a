//! Who is let in: nodes of the same cluster that prove their name.

use std::net::SocketAddr;

use conversa_cluster::link::{Class, LinkError, LinkSettings, Security, TlsError, TlsFiles};
use conversa_cluster::member::Life;
use conversa_cluster::member::told::Told as News;

use crate::world::{Authority, Node, Told, frame, life, link, settings, up};

fn secured(node: &str, files: TlsFiles) -> LinkSettings {
    LinkSettings { security: Security::Mutual(files), ..settings(life(node, 1)) }
}

async fn secure(node: &str, files: TlsFiles) -> Node {
    Node::with(secured(node, files)).await.expect("certificates for the node")
}

/// Waits until an attempt of the node that dials has failed.
async fn until_failed(node: &Node) {
    while node.counts().failed == 0 {
        tokio::task::yield_now().await;
    }
    assert!(node.recorder.told().is_empty());
}

#[tokio::test]
async fn nodes_with_certificates_of_one_authority_are_linked() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::new());
    let a = secure("a.example", authority.certify(folder.path(), "a.example")).await;
    let b = secure("b.example", authority.certify(folder.path(), "b.example")).await;
    link(&a, &b).await;
    a.send(&b, Class::Interactive, frame(1, 100_000));
    b.send(&a, Class::Bulk, frame(2, 100_000));
    b.recorder.until("a frame", |told| told.len() == 2).await;
    a.recorder.until("a frame", |told| told.len() == 2).await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let a = secure("a", Authority::new().certify(folder.path(), "a")).await;
    let b = secure("b", Authority::new().certify(folder.path(), "b")).await;
    a.wants(&b);
    b.wants(&a);
    until_failed(&a).await;
    while b.refusals("tls") == 0 {
        tokio::task::yield_now().await;
    }
    assert!(b.recorder.told().is_empty());
}

#[tokio::test]
async fn certificates_that_are_put_in_the_place_of_others_are_used() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::new());
    let a = secure("a", Authority::new().certify(folder.path(), "a")).await;
    let b = secure("b", authority.certify(folder.path(), "b")).await;
    a.wants(&b);
    b.wants(&a);
    until_failed(&a).await;
    authority.certify(folder.path(), "a");
    up(&a, &b).await;
}

#[tokio::test]
async fn a_node_that_is_certified_as_another_is_not_talked_to() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::new());
    let a = secure("a", authority.certify(folder.path(), "a")).await;
    let c = secure("c", authority.certify(folder.path(), "c")).await;
    // Where b is said to be, c listens.
    a.links.peers(vec![(life("b", 1), c.addr())]);
    until_failed(&a).await;
    assert!(c.recorder.told().is_empty());
}

#[tokio::test]
async fn a_node_without_certificates_is_not_let_in() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::new());
    let a = Node::start("a", 1).await;
    let b = secure("b", authority.certify(folder.path(), "b")).await;
    a.wants(&b);
    b.wants(&a);
    until_failed(&a).await;
    while b.refusals("tls") == 0 {
        tokio::task::yield_now().await;
    }
    assert!(b.recorder.told().is_empty());
}

#[tokio::test]
async fn certificates_are_looked_at_before_anybody_connects() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::new());
    let files = authority.certify(folder.path(), "a");
    let refused = Node::with(secured("b", files.clone())).await.err().expect("not its certificate");
    assert!(matches!(refused, LinkError::Tls(TlsError::AnotherNode { .. })), "{refused}");
    let stolen = TlsFiles { key: authority.certify(folder.path(), "b").key, ..files.clone() };
    let refused = Node::with(secured("a", stolen)).await.err().expect("not its key");
    assert!(matches!(refused, LinkError::Tls(TlsError::Unfit(_))), "{refused}");
    let gone = TlsFiles { key: folder.path().join("gone"), ..files };
    let refused = Node::with(secured("a", gone)).await.err().expect("no key");
    assert!(matches!(refused, LinkError::Tls(TlsError::File { .. })), "{refused}");
}

#[tokio::test]
async fn another_cluster_is_refused() {
    let a = Node::start("a", 1).await;
    let other = LinkSettings { cluster: "other".into(), ..settings(life("b", 1)) };
    let b = Node::with(other).await.expect("links");
    a.wants(&b);
    b.wants(&a);
    until_failed(&a).await;
    while b.refusals("cluster") == 0 {
        tokio::task::yield_now().await;
    }
    assert!(b.recorder.told().is_empty());
    // What it knows of a view is of another cluster's.
    b.recorder.until_heard(News::default()).await;
}

#[tokio::test]
async fn another_node_at_the_address_is_refused() {
    let (a, b, c) = (Node::start("a", 1).await, Node::start("b", 1).await, Node::start("c", 1).await);
    a.links.peers(vec![(b.life.clone(), c.addr())]);
    c.wants(&a);
    until_failed(&a).await;
    while c.refusals("not_me") == 0 {
        tokio::task::yield_now().await;
    }
    assert!(c.recorder.told().is_empty());
    // One that dials though it should be dialled is refused too; between a node and its double nobody dials.
    b.links.peers(vec![(Life { node: "b".into(), generation: 2 }, a.addr())]);
    b.wants(&a);
    a.wants(&b);
    up(&a, &b).await;
    assert_eq!(a.recorder.told(), [Told::Up(b.life.clone())]);
}

#[tokio::test]
async fn links_without_tls_stay_on_this_machine() {
    let open = LinkSettings { listen: SocketAddr::from(([0, 0, 0, 0], 0)), ..settings(life("a", 1)) };
    let refused = Node::with(open).await.err().expect("plain links for everybody");
    assert!(matches!(refused, LinkError::PlainElsewhere(_)), "{refused}");
    let a = Node::start("a", 1).await;
    // Addresses kept for documentation: nobody is there, and nobody is asked.
    a.links.peers(vec![(life("b", 1), "192.0.2.1:9".into())]);
    until_failed(&a).await;
}

#[tokio::test]
async fn names_that_no_certificate_could_carry_are_refused() {
    for name in ["", "a node", "127.0.0.1", "a/b"] {
        let refused = Node::with(settings(life(name, 1))).await.err().expect("no name for a node");
        assert!(matches!(refused, LinkError::Node(_)), "{refused}");
    }
    let nameless = LinkSettings { cluster: "".into(), ..settings(life("a", 1)) };
    assert!(matches!(Node::with(nameless).await.err(), Some(LinkError::Cluster)));
}
