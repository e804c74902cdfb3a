//! The JDDC columns: session, user, 1 = agent, two flags, product, text. Lines of one session stand together.

use std::collections::HashSet;

use anyhow::bail;
use conversa_engine::content::Content;

use super::{Lines, Recording, Side, Turn, checked, order};

const COLUMNS: usize = 7;

pub(super) fn read(lines: Lines, limit: usize) -> anyhow::Result<Vec<Recording>> {
    let mut recordings: Vec<Recording> = Vec::new();
    let mut known = HashSet::new();
    for line in lines {
        let (number, line) = line?;
        let columns: Vec<&str> = line.split('\t').collect();
        let [session, _user, agent, _, _, _product, text] = columns[..] else {
            bail!(
                "line {number} has {} columns, not {COLUMNS}: session, user, 1 = agent, two flags, product, text, with a tab between",
                columns.len()
            );
        };
        let side = match agent {
            "0" => Side::Visitor,
            "1" => Side::Agent,
            other => bail!(
                "line {number}: the third column is {other:?}; it is 0 for the visitor and 1 for the agent"
            ),
        };
        if session.is_empty() {
            bail!("line {number} has no session in its first column");
        }
        let continues = recordings.last().is_some_and(|last| last.name == session);
        if !continues {
            if recordings.len() >= limit {
                break;
            }
            if !known.insert(session.to_owned()) {
                bail!(
                    "line {number}: session {session} goes on after another has begun; sort the file by session"
                );
            }
            recordings.push(Recording {
                name: session.into(),
                channel: "web".into(),
                lang: "zh".into(),
                turns: Vec::new(),
            });
        }
        let content = order::card(text).unwrap_or_else(|| Content::text(text));
        let recording = recordings.last_mut().expect("one was begun at the latest just now");
        recording.turns.push(Turn { side, content: checked(number, content)? });
    }
    Ok(recordings)
}
