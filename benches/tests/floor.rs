//! The load generator and the floor relay together: what is sent arrives once, in order, and is in the log.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use conversa_benches::crowd::{Crowd, Idlers};
use conversa_benches::door::{Door, Kind};
use conversa_benches::end::Plan;
use conversa_benches::protocol::Side;
use conversa_benches::script::Turn;
use conversa_benches::stats::Faults;
use tempfile::TempDir;
use tokio::task::LocalSet;

struct Floor {
    process: Child,
    folder: TempDir,
    door: Door,
}

impl Floor {
    fn start() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_floor"));
        let mut process = command
            .arg("--log")
            .arg(folder.path().join("log"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the floor starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        let port = line.trim().rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
        Self { process, folder, door: Door { port, kind: Kind::Relay } }
    }

    fn log_bytes(&self) -> u64 {
        self.folder.path().join("log").metadata().expect("the log is there").len()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, work);
}

fn scripts(pairs: usize) -> Vec<conversa_benches::script::Script> {
    let turn = |(index, text): (usize, &str)| Turn {
        side: [Side::Visitor, Side::Agent][index % 2],
        text: text.into(),
    };
    (0..pairs).map(|_| ["a", "b", "c"].into_iter().enumerate().map(turn).collect()).collect()
}

#[test]
fn everything_sent_arrives_and_is_stored() {
    let floor = Floor::start();
    run(async {
        let mut crowd =
            Crowd::gather(&floor.door, 0, 3, Plan::Closed { window: 2 }).await.expect("they connect");
        for run in 1..=2 {
            crowd.go();
            crowd
                .wait("messages", |load| (run * 100u64).saturating_sub(load.stats.received.get()))
                .await
                .expect("they talk");
            crowd.drain().await;
        }
        let stats = &crowd.load.stats;
        assert_eq!(crowd.faults(), Faults::default());
        assert!(
            stats.sent.get() >= 200
                && stats.sent.get() == stats.received.get()
                && stats.sent.get() == stats.acknowledged.get()
        );
        assert!(floor.log_bytes() > stats.sent.get() * 160);

        crowd.load.set_plan(Plan::Fill { count: stats.sent.get() + 500, window: 10 });
        crowd.go();
        crowd.poke(0).expect("there is a visitor 0");
        crowd
            .wait("messages", |load| 500u64.saturating_sub(load.stats.received.get()))
            .await
            .expect("they talk");
        crowd.drain().await;
        assert_eq!(crowd.faults(), Faults::default());
    });
}

#[test]
fn a_script_is_played_to_its_end() {
    let floor = Floor::start();
    run(async {
        let plan = |limit| Plan::Script { scripts: scripts(2), limit: std::cell::Cell::new(limit) };
        let mut crowd = Crowd::gather(&floor.door, 0, 2, plan(1)).await.expect("they connect");
        crowd.go();
        crowd.wait("turns", |load| 2 - load.stats.received.get()).await.expect("the first turns are played");
        crowd.drain().await;
        assert_eq!(crowd.load.stats.finished.get(), 0);
        crowd.load.set_plan(plan(usize::MAX));
        crowd.go();
        crowd.wait("turns", |load| 6 - load.stats.received.get()).await.expect("the rest is played");
        crowd.drain().await;
        assert_eq!((crowd.load.stats.finished.get(), crowd.faults()), (2, Faults::default()));
    });
}

#[test]
fn connections_that_end_are_not_alive() {
    let mut floor = Floor::start();
    run(async {
        let idlers = Idlers::gather(&floor.door, 20).await.expect("they connect");
        assert_eq!(idlers.alive(), 20);
        floor.process.kill().expect("it was running");
        while idlers.alive() > 0 {
            tokio::task::yield_now().await;
        }
    });
}
