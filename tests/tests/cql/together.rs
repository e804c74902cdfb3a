//! Three nodes of one process over a real CQL server: people at any of them, and one that leaves.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use conversa_gateway::Running;
use conversa_gateway::config::{Config, StoreKind};
use conversa_gateway::replay::{self, ReplayArgs};
use conversa_gateway::{config, serve};

use super::{fresh, server};

/// How long a node may take to become a member, or to leave.
const PATIENCE: Duration = Duration::from_secs(60);
const SESSIONS: usize = 12;

/// A port that was free a moment ago. Others must know it before the node that takes it has started.
fn port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("this machine has a free port");
    listener.local_addr().expect("it is bound").port()
}

async fn node(name: &str, store: &config::StoreConfig, folder: &Path) -> Running {
    let mut config = Config::default();
    config.node.name = name.to_owned();
    config.node.listen = "127.0.0.1:0".into();
    config.node.development = true;
    config.node.data = folder.to_owned();
    config.node.drain_ms = 200;
    config.store = store.clone();
    config.cluster.listen = Some(format!("127.0.0.1:{}", port()));
    serve(config, Path::new(".")).await.expect("it starts")
}

/// Waits until the node serves something and nothing of it is on its way.
async fn serves(running: &Running) {
    let served = async {
        while running.host().shards() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, served).await.expect("it is given some shards");
}

/// Sessions in the format for anybody's own.
fn recording(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("sessions.jsonl");
    let turns: Vec<_> = (1..=6)
        .map(|n| {
            let by = if n % 2 == 1 { "visitor" } else { "agent" };
            serde_json::json!({ "from": by, "text": format!("turn {n}") })
        })
        .collect();
    let lines: Vec<_> = (0..SESSIONS)
        .map(|n| serde_json::json!({ "session": format!("s{n}"), "turns": turns }).to_string())
        .collect();
    std::fs::write(&file, lines.join("\n") + "\n").expect("the folder takes a file");
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_played_through_all_nodes_while_one_leaves() {
    let Some(server) = server() else { return };
    let settings = fresh(&server);
    let store = config::StoreConfig {
        kind: StoreKind::Cql,
        contact_points: settings.contact_points.clone(),
        keyspace: settings.keyspace.clone(),
        replication: 1,
        ..config::StoreConfig::default()
    };
    // One folder: it holds nothing but the secret by which all three know their people.
    let folder = tempfile::tempdir().expect("the machine has room for a temporary folder");
    let first = node("n1", &store, folder.path()).await;
    let second = node("n2", &store, folder.path()).await;
    let third = node("n3", &store, folder.path()).await;
    for running in [&first, &second, &third] {
        serves(running).await;
    }
    let args = ReplayArgs {
        file: recording(folder.path()),
        node: [&first, &second].map(|running| format!("http://{}", running.address)).into(),
        limit: None,
        parallel: 4,
        kill: 0,
        kill_with: None,
        seed: 1,
        report: None,
        config: None,
        token_config: None,
        node_program: None,
    };
    let leave = async {
        third.stop.stop();
        tokio::time::timeout(PATIENCE, third.ended())
            .await
            .expect("it leaves in time")
            .expect("it ends well");
    };
    let (report, ()) = tokio::join!(replay::run(args), leave);
    let report = report.expect("the replay is judged");
    assert!(report.clean(), "{report}");
    assert_eq!((report.sessions, report.turns), (SESSIONS, SESSIONS * 6));
    // A step towards an even spread may be under way: what moves is served by nobody for a moment.
    let all = async {
        while first.host().shards() + second.host().shards() < usize::from(conversa_engine::ids::SHARDS) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("the others serve everything");
    // They would wait for each other to take over what they have.
    drop((first, second));
}
