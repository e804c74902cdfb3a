//! JSON Lines, for anyone's own sessions: one session per line. The format is documented in `conversa replay --help`.

use std::collections::HashSet;

use anyhow::{Context, bail};
use conversa_engine::content::Content;
use conversa_engine::ids::is_id;
use serde::Deserialize;
use serde_json::Value;

use super::{Lines, Recording, Side, Turn, checked};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Session {
    session: String,
    #[serde(default = "web")]
    channel: String,
    #[serde(default = "zh")]
    lang: String,
    turns: Vec<Spoken>,
}

fn web() -> String {
    "web".into()
}

fn zh() -> String {
    "zh".into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spoken {
    from: From,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    content: Option<Value>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum From {
    Visitor,
    Agent,
}

pub(super) fn read(lines: Lines, limit: usize) -> anyhow::Result<Vec<Recording>> {
    let mut recordings: Vec<Recording> = Vec::new();
    let mut known = HashSet::new();
    for line in lines.take(limit) {
        let (number, line) = line?;
        let session: Session = serde_json::from_str(&line).map_err(|error| broken(number, &error))?;
        if !known.insert(session.session.clone()) {
            bail!("line {number}: there is a session {:?} already; names are unique", session.session);
        }
        recordings.push(recording(number, session)?);
    }
    Ok(recordings)
}

/// serde counts lines inside the text; only the column says something here.
fn broken(number: usize, error: &serde_json::Error) -> anyhow::Error {
    let said = error.to_string();
    let what = said.rsplit_once(" at line ").map_or(&*said, |(what, _)| what);
    anyhow::anyhow!("line {number}, column {}: {what}", error.column())
}

fn recording(number: usize, session: Session) -> anyhow::Result<Recording> {
    let Session { session: name, channel, lang, turns } = session;
    if name.is_empty() || turns.is_empty() {
        bail!("line {number}: a session has a name and at least one turn");
    }
    if !is_id(&channel) || !is_id(&lang) {
        bail!("line {number}: channel and lang are short words, for instance \"web\" and \"zh\"");
    }
    let turn = |(index, spoken)| {
        turn(number, spoken).with_context(|| format!("turn {} of session {name:?}", index + 1))
    };
    let turns = turns.into_iter().enumerate().map(turn).collect::<anyhow::Result<_>>()?;
    Ok(Recording { name, channel, lang, turns })
}

fn turn(number: usize, spoken: Spoken) -> anyhow::Result<Turn> {
    let side = match spoken.from {
        From::Visitor => Side::Visitor,
        From::Agent => Side::Agent,
    };
    let content = match (spoken.text, spoken.content) {
        (Some(text), None) => Content::text(text),
        (None, Some(content)) => typed(number, &content)?,
        (Some(_), Some(_)) | (None, None) => {
            bail!("line {number}: a turn has either \"text\" or \"content\"")
        }
    };
    Ok(Turn { side, content: checked(number, content)? })
}

/// A content of the protocol. A key that no content has would vanish on its way, so it is refused here.
fn typed(number: usize, raw: &Value) -> anyhow::Result<Content> {
    let content: Content = serde_json::from_value(raw.clone())
        .map_err(|error| anyhow::anyhow!("line {number}: content: {error}"))?;
    let understood = serde_json::to_value(&content).context("a content is representable")?;
    if let Some(key) = unknown(raw, &understood) {
        bail!("line {number}: content has an unknown key {key:?}");
    }
    Ok(content)
}

fn unknown(raw: &Value, understood: &Value) -> Option<String> {
    match (raw, understood) {
        (Value::Object(raw), Value::Object(understood)) => {
            raw.iter().find_map(|(key, value)| match understood.get(key) {
                Some(known) => unknown(value, known).map(|inner| format!("{key}.{inner}")),
                // An optional field that is null is left out when it is written.
                None if value.is_null() => None,
                None => Some(key.clone()),
            })
        }
        (Value::Array(raw), Value::Array(understood)) => {
            raw.iter().zip(understood).find_map(|(raw, known)| unknown(raw, known))
        }
        _ => None,
    }
}
