//! Recorded customer-service sessions as scripts: who says what, in order.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context, Result, ensure};

use crate::protocol::Side;

/// One turn of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Who speaks.
    pub side: Side,
    /// What.
    pub text: String,
}

/// What one conversation plays.
pub type Script = Rc<[Turn]>;

/// Where the recorded sessions are: under `$CONVERSA_DATA`, or in `shared/data` beside the workspace.
#[must_use]
pub fn recordings() -> Option<PathBuf> {
    let named = std::env::var_os("CONVERSA_DATA").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    named
        .into_iter()
        .chain([beside])
        .map(|folder| folder.join("jddc/sessions.tsv.gz"))
        .find(|file| file.exists())
}

/// Reads recorded sessions and joins them into `count` scripts of at least `turns` turns each.
///
/// Columns: session, user, 1 = agent, two flags, product, text.
///
/// # Errors
/// When the file cannot be unpacked or holds nothing.
pub fn read(file: &Path, count: usize, turns: usize) -> Result<Vec<Script>> {
    let unpacked = Command::new("gzip").arg("-dc").arg(file).output().context("cannot start gzip")?;
    ensure!(
        unpacked.status.success(),
        "gzip -dc {} failed: {}",
        file.display(),
        String::from_utf8_lossy(&unpacked.stderr)
    );
    let sessions = sessions(&String::from_utf8_lossy(&unpacked.stdout));
    ensure!(!sessions.is_empty(), "{} holds no sessions", file.display());
    let mut source = sessions.iter().cycle();
    let script = |_| {
        let mut script = Vec::new();
        while script.len() < turns {
            script.extend(source.next().expect("a cycle of something has no end").iter().cloned());
        }
        script.into()
    };
    Ok((0..count).map(script).collect())
}

fn sessions(text: &str) -> Vec<Vec<Turn>> {
    let mut sessions: Vec<Vec<Turn>> = Vec::new();
    let mut current = "";
    for line in text.lines() {
        let columns: Vec<&str> = line.splitn(7, '\t').collect();
        let [session, _, agent, _, _, _, text] = columns[..] else { continue };
        if text.trim().is_empty() {
            continue;
        }
        if session != current {
            sessions.push(Vec::new());
            current = session;
        }
        let side = if agent == "1" { Side::Agent } else { Side::Visitor };
        if let Some(session) = sessions.last_mut() {
            session.push(Turn { side, text: text.to_owned() });
        }
    }
    sessions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_told_apart_and_sides_kept() {
        let text = "a\tu\t0\t0\t0\tnan\t你好\na\tu\t1\t0\t0\tnan\t您好\nb\tu\t0\t0\t0\tnan\t \nb\tu\t1\t0\t0\tnan\tx\ty\nbroken\n";
        let sessions = sessions(text);
        assert_eq!(sessions.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(sessions[0][1], Turn { side: Side::Agent, text: "您好".into() });
        assert_eq!(sessions[1][0].text, "x\ty");
    }
}
