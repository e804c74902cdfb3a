//! In which version a node writes: its own, or, to rehearse an upgrade, as the next one may. See [`conversa_actors::port::later`].

use std::sync::Arc;

use bytes::Bytes;
use conversa_actors::port::later::Later;
use conversa_actors::port::mesh::Mesh;
use conversa_actors::port::{Journal, Rows, StoreError};
use futures_util::future::BoxFuture;

use crate::register::{ChangeError, Held, Register};

/// The environment variable that says so.
const VARIABLE: &str = "CONVERSA_FORMATS";
const NEXT: &str = "next";

/// How a node writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Formats {
    /// As this program does.
    #[default]
    Own,
    /// As the next version may: with fields, words and frames that this program does not know.
    Next,
}

/// The variable says something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{VARIABLE} is {0:?}: set it to \"{NEXT}\" to rehearse an upgrade on a test cluster, or not at all")]
pub struct NoFormats(String);

impl Formats {
    /// What the environment says.
    ///
    /// # Errors
    /// When it says something that is not known.
    pub fn of_environment() -> Result<Self, NoFormats> {
        Self::parse(&std::env::var(VARIABLE).unwrap_or_default())
    }

    fn parse(word: &str) -> Result<Self, NoFormats> {
        match word {
            "" => Ok(Self::Own),
            NEXT => {
                tracing::warn!(
                    "this node writes as the next version may, to rehearse an upgrade: what is written so stays"
                );
                Ok(Self::Next)
            }
            other => Err(NoFormats(other.to_owned())),
        }
    }

    pub(crate) fn journal(self, journal: Arc<dyn Journal>) -> Arc<dyn Journal> {
        if self == Self::Next { Arc::new(Later::new(journal)) } else { journal }
    }

    pub(crate) fn rows(self, rows: Arc<dyn Rows>) -> Arc<dyn Rows> {
        if self == Self::Next { Arc::new(Later::new(rows)) } else { rows }
    }

    pub(crate) fn mesh(self, mesh: Arc<dyn Mesh>) -> Arc<dyn Mesh> {
        if self == Self::Next { Arc::new(Later::new(mesh)) } else { mesh }
    }

    /// The register as a node writes it.
    #[must_use]
    pub fn register(self, register: Arc<dyn Register>) -> Arc<dyn Register> {
        if self == Self::Next { Arc::new(LaterRegister(register)) } else { register }
    }
}

/// Adds a word to every row of a node and to every member of a view.
struct LaterRegister(Arc<dyn Register>);

impl Register for LaterRegister {
    fn read(&self, key: &str) -> BoxFuture<'_, Result<Option<Held>, StoreError>> {
        self.0.read(key)
    }

    fn change(&self, key: &str, expected: u64, value: Bytes) -> BoxFuture<'_, Result<u64, ChangeError>> {
        self.0.change(key, expected, with_word(key, value))
    }
}

fn with_word(key: &str, value: Bytes) -> Bytes {
    let Ok(text) = std::str::from_utf8(&value) else { return value };
    let longer: Vec<String> = match key {
        "cluster/view" => {
            let lines = text.lines().enumerate();
            lines.map(|(n, line)| if n == 0 { line.to_owned() } else { format!("{line} {NEXT}") }).collect()
        }
        _ if key.starts_with("cluster/node/") => vec![format!("{text} {NEXT}")],
        _ => return value,
    };
    longer.join("\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::Life;
    use crate::member::row::Row;
    use crate::member::view::View;

    #[test]
    fn only_the_next_version_can_be_rehearsed() {
        assert_eq!(Formats::parse(""), Ok(Formats::Own));
        assert_eq!(Formats::parse("next"), Ok(Formats::Next));
        let error = Formats::parse("previous").expect_err("it is not known").to_string();
        assert!(error.contains("CONVERSA_FORMATS") && error.contains("\"next\""), "{error}");
    }

    #[test]
    fn rows_and_views_with_more_words_are_read_as_without() {
        let life = |node: &str| Life { node: node.into(), generation: 3 };
        let view = View::default().with(&life("n1")).expect("there is room");
        let view = view.with(&life("n2")).expect("there is room");
        let written = with_word("cluster/view", view.bytes());
        assert_ne!(written, view.bytes());
        assert_eq!(View::parse(view.version, &written), Some(view.clone()));
        let row = Row {
            generation: 3,
            alive: true,
            beat: 7,
            adopted: 2,
            weight: 1,
            nonce: 5,
            addr: "n1:7800".into(),
            zone: "a".into(),
        };
        let written = with_word("cluster/node/n1", row.bytes());
        assert_ne!(written, row.bytes());
        assert_eq!(Row::parse(&written), Some(row));
        let lease = Bytes::from_static(b"1 n1:00 2");
        assert_eq!(with_word("node", lease.clone()), lease);
    }
}
