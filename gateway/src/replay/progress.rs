//! How far a replay is: a bar on a terminal, else a line now and then; and the count of turns that kills are timed by.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

/// Sessions between two lines when there is no terminal.
const SESSIONS_PER_LINE: usize = 50;

/// What has been done so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Done {
    pub(super) sessions: usize,
    pub(super) turns: usize,
    pub(super) kills: usize,
    /// Nothing more will be done.
    pub(super) over: bool,
}

/// What the kills did to the sockets.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Connections that were lost and taken up again.
    pub(super) resumed: AtomicU64,
    /// Messages that were sent again and recognised.
    pub(super) repeated: AtomicU64,
}

impl Tally {
    pub(super) fn resumed(&self) {
        self.resumed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn repeated(&self) {
        self.repeated.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts and shows.
#[derive(Debug)]
pub(super) struct Progress {
    done: watch::Sender<Done>,
    sessions: usize,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn new(sessions: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(sessions as u64);
            let style = ProgressStyle::with_template(
                "{bar:40} {pos}/{len} sessions  {msg}  {elapsed} (about {eta} left)",
            );
            bar.set_style(style.expect("the template is sound"));
            bar
        });
        Self { done: watch::Sender::default(), sessions, bar }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Done> {
        self.done.subscribe()
    }

    /// One more turn was acknowledged and seen.
    pub(super) fn turn(&self) {
        self.done.send_modify(|done| done.turns += 1);
    }

    /// One more session is over.
    pub(super) fn session(&self, name: &str, failure: Option<&str>) {
        self.done.send_modify(|done| done.sessions += 1);
        if let Some(failure) = failure {
            self.say(&format!("session {name} failed: {failure}"));
        }
        let done = *self.done.borrow();
        match &self.bar {
            Some(bar) => {
                bar.set_message(format!("{} turns, {} kills", done.turns, done.kills));
                bar.set_position(done.sessions as u64);
            }
            None if done.sessions.is_multiple_of(SESSIONS_PER_LINE) || done.sessions == self.sessions => {
                eprintln!(
                    "{}/{} sessions, {} turns, {} kills",
                    done.sessions, self.sessions, done.turns, done.kills
                );
            }
            None => {}
        }
    }

    /// One more kill, survived.
    pub(super) fn kill(&self) {
        self.done.send_modify(|done| done.kills += 1);
    }

    /// Nothing more will be done.
    pub(super) fn finish(&self) {
        self.done.send_modify(|done| done.over = true);
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// A line that does not disturb the bar.
    pub(super) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }
}
