//! Append log with group commit: one thread writes whatever has queued up, syncs once, then lets the whole batch be delivered and
//! acknowledged.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::hub::Outbox;

const BATCH_MAX: usize = 4_096;

pub(crate) struct Commit {
    pub(crate) record: Utf8Bytes,
    pub(crate) to: Option<Outbox>,
    pub(crate) ack: Utf8Bytes,
    pub(crate) sender: Outbox,
}

impl Commit {
    /// Whoever has gone meanwhile gets nothing.
    fn done(self) {
        if let Some(to) = self.to {
            let _ = to.send(self.record);
        }
        let _ = self.sender.send(self.ack);
    }
}

pub(crate) struct Log(UnboundedSender<Commit>);

impl Log {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        let (commits, mut waiting) = unbounded_channel::<Commit>();
        std::thread::Builder::new().name("log".into()).spawn(move || {
            let (mut batch, mut bytes) = (Vec::new(), Vec::new());
            while waiting.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
                bytes.clear();
                for commit in &batch {
                    let length = u32::try_from(commit.record.len()).expect("a frame is smaller than 4 GiB");
                    bytes.extend_from_slice(&length.to_le_bytes());
                    bytes.extend_from_slice(commit.record.as_bytes());
                }
                write(&mut file, &bytes).expect("after a failed write nothing could be promised");
                batch.drain(..).for_each(Commit::done);
            }
        })?;
        Ok(Self(commits))
    }

    /// The log's thread lives as long as the process.
    pub(crate) fn append(&self, commit: Commit) {
        let _ = self.0.send(commit);
    }
}

fn write(file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    file.write_all(bytes)?;
    file.sync_data()
}
