//! A process of the lab: in a group of its own, so that Ctrl-C reaches the lab alone; with a log file, and a file that tells its id to
//! the next lab. Only processes that a lab has started are ever ended, by their ids.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

/// How often something is looked at that is waited for.
pub const LOOK: Duration = Duration::from_millis(200);

/// Ends with Ctrl-C, or when this process is asked to end.
///
/// # Errors
/// When the system does not let it listen for signals.
pub fn asked_to_end() -> anyhow::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// A process, ended when it is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    pid_file: PathBuf,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    /// Starts it; what it prints is added to `<name>.log` in `folder`.
    ///
    /// # Errors
    /// When the program is not there, or the folder cannot be written.
    pub fn start(name: &str, folder: &Path, command: &mut Command) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let log = folder.join(format!("{name}.log"));
        let out = std::fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .process_group(0)
            .spawn()
            .with_context(|| format!("{name}: {:?} does not start", command.get_program()))?;
        let pid_file = folder.join(format!("{name}.pid"));
        // The time of its start tells it from a later process of the same id.
        let identity = format!("{} {}", child.id(), started_at(child.id()).unwrap_or_default());
        let process = Self { name: name.to_owned(), child, log, pid_file };
        std::fs::write(&process.pid_file, identity)?;
        Ok(process)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Ends it in this instant.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
        let _removed = std::fs::remove_file(&self.pid_file);
    }

    /// It stands still until [`Process::resume`].
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// It goes on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    /// It is to finish, and end.
    pub fn ask_to_end(&mut self) {
        let _ended = self.signal(Signal::TERM);
    }

    /// Waits until it has ended; ends it when that takes longer than `most`. True when it ended by itself.
    pub fn end(&mut self, most: Duration) -> bool {
        for _ in 0..most.as_millis() / LOOK.as_millis() {
            if self.ended().is_some() {
                break;
            }
            std::thread::sleep(LOOK);
        }
        let by_itself = self.ended().is_some();
        self.kill();
        by_itself
    }

    fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        // Until it is waited for, its id is nobody else's.
        anyhow::ensure!(self.ended().is_none(), "{} has ended", self.name);
        kill_process(Pid::from_child(&self.child), signal)?;
        Ok(())
    }

    /// Waits until `is_ready`; fails when that takes longer than `most`, or the process ends.
    ///
    /// # Errors
    /// With the end of its log.
    pub fn wait_until(&mut self, most: Duration, is_ready: impl Fn() -> bool) -> anyhow::Result<()> {
        for _ in 0..most.as_millis() / LOOK.as_millis() {
            if is_ready() {
                return Ok(());
            }
            if let Some(status) = self.ended() {
                anyhow::bail!("{} ended with {status}:\n{}", self.name, self.log_end());
            }
            std::thread::sleep(LOOK);
        }
        anyhow::bail!("{} is not ready after {most:?}:\n{}", self.name, self.log_end())
    }

    /// Where it logs.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_end(&self) -> String {
        const LINES: usize = 20;
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// Memory that it has, bytes: its resident set.
    #[must_use]
    pub fn memory_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    }
}

/// When a process was started, in ticks since the machine was; none where there is no /proc.
fn started_at(id: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in parentheses may hold spaces; what follows it does not. The start is field 22.
    stat.rsplit(')').next()?.split_whitespace().nth(19).map(str::to_owned)
}

/// Ends what a lab that was itself killed has left running: the processes whose id and time of start it wrote into this folder.
///
/// # Errors
/// When the folder cannot be read.
pub fn end_left_over(folder: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            end_left_over(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "pid") {
            let text = std::fs::read_to_string(&path)?;
            let Some((id, start)) = text.split_once(' ') else { continue };
            let Ok(id) = id.parse::<u32>() else { continue };
            let raw = i32::try_from(id).ok().and_then(Pid::from_raw);
            if let Some(pid) = raw.filter(|_| !start.is_empty() && started_at(id).as_deref() == Some(start)) {
                let _ended = kill_process(pid, Signal::KILL);
            }
        }
    }
    Ok(())
}
