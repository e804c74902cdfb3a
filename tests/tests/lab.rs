//! The lab: its processes are started, paused and ended by their ids; a ring of three serves on while one of its servers is dead.

use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use conversa_cluster::cql::{Cql, Settings};
use conversa_cluster::register::Register;
use conversa_tests::lab::cassandra::Ring;
use conversa_tests::lab::node::{Spec, configuration};
use conversa_tests::lab::process::{Process, end_left_over};
use conversa_tests::lab::{free_ports, prepare};

fn is_paused(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("it runs");
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
}

#[test]
fn a_process_is_paused_resumed_and_ended_and_logs() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "echo begun; trap 'echo asked; exit 3' TERM; while :; do sleep 0.05; done";
    let mut process = Process::start("p", folder.path(), Command::new("sh").args(["-c", script]))
        .expect("there is a shell");
    let log = process.log().to_owned();
    let says = |word: &str| std::fs::read_to_string(&log).is_ok_and(|text| text.contains(word));
    process.wait_until(Duration::from_secs(20), || says("begun")).expect("it begins");
    assert!(process.memory_bytes().is_some_and(|bytes| bytes > 0));
    let id = process.id();
    process.pause().expect("it runs");
    process.wait_until(Duration::from_secs(20), || is_paused(id)).expect("it stands still");
    process.resume().expect("it runs");
    process.wait_until(Duration::from_secs(20), || !is_paused(id)).expect("it goes on");
    process.ask_to_end();
    assert!(process.end(Duration::from_secs(20)), "it ends by itself");
    assert!(says("asked"));
    assert!(process.pause().is_err(), "it has ended");
}

#[test]
fn a_process_that_ends_early_is_told_with_its_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut process = Process::start("p", folder.path(), Command::new("sh").args(["-c", "echo why; exit 4"]))
        .expect("a shell");
    let error = process.wait_until(Duration::from_secs(20), || false).expect_err("it ends").to_string();
    assert!(error.contains("exit status: 4") && error.contains("why"), "{error}");
}

#[test]
fn what_a_killed_lab_left_running_is_ended_by_the_next_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let lab = folder.path().join("lab");
    prepare(&lab).expect("it is made");
    let mut left = Process::start("left", &lab.join("n1"), Command::new("sleep").arg("600")).expect("sleep");
    let mut other = Process::start("other", &lab, Command::new("sleep").arg("600")).expect("sleep");
    // As if the id had been given to another process since.
    std::fs::write(lab.join("other.pid"), format!("{} 1", other.id())).expect("the folder is ours");
    end_left_over(&lab).expect("it can be read");
    assert!(left.end(Duration::from_secs(20)), "it was killed");
    assert!(other.ended().is_none(), "it is somebody else's");
    std::fs::write(folder.path().join("precious"), "").expect("the folder is ours");
    assert!(prepare(folder.path()).is_err(), "no lab has made it");
}

#[test]
fn a_node_of_the_lab_has_a_configuration_that_the_binary_takes() {
    let ports = free_ports(2, "127.0.0.1").expect("ports");
    let spec = Spec {
        name: "n1".into(),
        folder: "unused".into(),
        conversa: "unused".into(),
        listen: format!("127.0.0.1:{}", ports[0]),
        links: format!("127.0.0.1:{}", ports[1]),
        contact_points: vec!["127.0.0.1:1".into(), "127.0.0.2:1".into(), "127.0.0.3:1".into()],
        certificates: None,
        within: Vec::new(),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("conversa.toml");
    let text = toml::to_string(&configuration(&spec)).expect("it can be written");
    std::fs::write(&file, text).expect("the folder is ours");
    let config = conversa_gateway::config::Config::read(&file).expect("it is right");
    assert_eq!((config.node.name, config.store.replication), ("n1".to_owned(), 3));
    assert_eq!(config.cluster.listen, Some(spec.links));
}

/// `CONVERSA_LAB=1 make test`, or this test alone: three servers need 2 GB, and half a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_ring_of_three_serves_on_while_one_is_dead() {
    if std::env::var("CONVERSA_LAB").is_err() {
        println!("skipped: CONVERSA_LAB is not set; a ring of three needs 2 GB");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store");
    let ring = tokio::task::spawn_blocking(move || {
        Ring::start(&store, &["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(str::to_owned))
    })
    .await
    .expect("it runs");
    let mut ring = ring.expect("three servers start");
    let settings = Settings {
        contact_points: ring.contact_points(),
        keyspace: "ring".into(),
        datacenter: "datacenter1".into(),
        replication: 3,
        user: None,
    };
    let store = open(&settings).await;
    assert_eq!(change(&store, 0, "one").await, 1);
    for place in 0..3 {
        let bytes = ring.server(place).and_then(|server| server.memory_bytes()).expect("it runs");
        println!("server {place}: {} MB", bytes / 1_000_000);
    }
    ring.kill(2);
    assert_eq!(change(&store, 1, "two").await, 2);
    drop(store);
    // A driver that comes now finds the other two.
    let store = open(&settings).await;
    let held = Register::read(&store, "a").await.expect("two of three answer").expect("it was written");
    assert_eq!((held.version, &held.value[..]), (2, &b"two"[..]));
    tokio::task::spawn_blocking(move || ring.start_again(2))
        .await
        .expect("it runs")
        .expect("it starts again");
}

/// Servers that have just started do not know each other yet.
async fn open(settings: &Settings) -> Cql {
    for _ in 0..60 {
        match Cql::open(settings).await {
            Ok(store) => return store,
            Err(error) => println!("not yet: {error}"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("the ring does not become usable within a minute")
}

/// Repeats what is repeatable until it is done.
async fn change(store: &Cql, expected: u64, value: &'static str) -> u64 {
    for _ in 0..30 {
        match store.change("a", expected, Bytes::from_static(value.as_bytes())).await {
            Ok(version) => return version,
            Err(error) => println!("not yet: {error}"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("the register cannot be changed within half a minute")
}
