//! The ledger of one session: what both sides sent and saw, and where the conversation stands as far as they know.

use conversa_engine::content::Content;
use conversa_engine::conversation::AuthorKind;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;

use super::checker::{History, Line, Reader, Sending, Side};
use crate::client::{ConversationView, LogEvent, Message, Sent};

/// Written by the sockets of a session, read by the one who plays it.
#[derive(Debug)]
pub(super) struct Ledger {
    page: Mutex<Page>,
    turned: watch::Sender<u64>,
}

/// What is known now.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    /// Offset of the newest event that says where the conversation stands.
    pub(super) o: u64,
    /// The phase; empty until it is known.
    pub(super) phase: String,
    /// Who holds it.
    pub(super) agent: Option<String>,
    /// (offer, agent) that stands.
    pub(super) offer: Option<(String, String)>,
    /// Why it can never be sound any more.
    pub(super) broken: Option<String>,
    sent: Vec<Sending>,
    readers: Vec<Reader>,
}

impl Page {
    /// True when some socket of `side` was shown the message under `key`.
    pub(super) fn saw(&self, side: Side, key: &str) -> bool {
        let mut readers = self.readers.iter().filter(|reader| reader.side == side);
        readers.any(|reader| {
            reader.seen.iter().rev().any(|line| line.side != side && line.key.as_deref() == Some(key))
        })
    }

    fn reader(&mut self, side: Side, name: &str) -> &mut Reader {
        let place =
            self.readers.iter().position(|reader| reader.side == side && reader.name == name).unwrap_or_else(
                || {
                    self.readers.push(Reader { side, name: name.to_owned(), seen: Vec::new() });
                    self.readers.len() - 1
                },
            );
        &mut self.readers[place]
    }

    fn stand(&mut self, event: &LogEvent) {
        let phase = event.d["phase"].as_str();
        let Some(phase) = phase.filter(|_| event.o > self.o) else { return };
        (self.o, self.phase) = (event.o, phase.to_owned());
        let agent = event.d["agent"]["id"].as_str().map(str::to_owned);
        let offer = event.d["offer"].as_str().map(str::to_owned);
        match phase {
            "offered" => (self.agent, self.offer) = (None, offer.zip(agent)),
            "assigned" => (self.agent, self.offer) = (agent, None),
            _ => (self.agent, self.offer) = (None, None),
        }
    }
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self { page: Mutex::default(), turned: watch::Sender::new(0) }
    }

    /// A receiver that tells when something is new.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.turned.subscribe()
    }

    /// Looks at what is known.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Page) -> T) -> T {
        look(&self.page.lock())
    }

    fn write<T>(&self, write: impl FnOnce(&mut Page) -> T) -> T {
        let written = write(&mut self.page.lock());
        self.turned.send_modify(|turn| *turn += 1);
        written
    }

    /// The answer to `conversation.open` says where the conversation stands.
    pub(super) fn opened(&self, answer: &Value) {
        let (Some(o), Some(phase)) = (answer["o"].as_u64(), answer["phase"].as_str()) else { return };
        self.write(|page| {
            if o > page.o {
                (page.o, page.phase) = (o, phase.to_owned());
            }
        });
    }

    /// A snapshot says where the conversation stands.
    pub(super) fn learn(&self, view: &ConversationView) {
        self.write(|page| {
            if view.o < page.o {
                return;
            }
            (page.o, page.phase) = (view.o, view.phase.clone());
            page.offer = view.offer.as_ref().map(|offer| (offer.offer.clone(), offer.agent.clone()));
            page.agent =
                view.agent.as_ref().filter(|_| view.phase == "assigned").map(|agent| agent.id.clone());
        });
    }

    /// A socket of `side` was shown an event.
    pub(super) fn show(&self, side: Side, reader: &str, event: &LogEvent) {
        self.write(|page| {
            page.stand(event);
            match event.message() {
                Ok(Some(message)) => {
                    if let Some(line) = line(message) {
                        page.reader(side, reader).seen.push(line);
                    }
                }
                Ok(None) => {}
                Err(error) => page.broken = Some(format!("{reader} was shown what cannot be read: {error}")),
            }
        });
    }

    /// A message is about to be sent; gives its place.
    pub(super) fn sending(&self, side: Side, content: Content) -> usize {
        self.write(|page| {
            page.sent.push(Sending { side, key: None, content, acknowledged: false, o: None });
            page.sent.len() - 1
        })
    }

    /// The message at `place` is stored, the server says.
    pub(super) fn acknowledged(&self, place: usize, sent: &Sent) {
        self.write(|page| {
            let sending = &mut page.sent[place];
            sending.acknowledged = true;
            sending.key = Some(sent.key.clone());
            // A repeat that is long past is confirmed without its offset.
            sending.o = Some(sent.o).filter(|o| *o > 0);
        });
    }

    /// Everything, for the checker.
    pub(super) fn history(
        &self,
        name: &str,
        planned: usize,
        failure: Option<String>,
        stored: Vec<Message>,
    ) -> History {
        let page = self.page.lock().clone();
        let stored = stored.into_iter().filter_map(line).collect();
        History { name: name.to_owned(), planned, sent: page.sent, readers: page.readers, stored, failure }
    }
}

/// A message as the checker compares it; what bots and the system say is not compared.
fn line(message: Message) -> Option<Line> {
    let side = match message.author.kind {
        AuthorKind::Visitor => Side::Visitor,
        AuthorKind::Agent => Side::Agent,
        AuthorKind::Bot | AuthorKind::System => return None,
    };
    Some(Line { o: message.o, side, key: message.key, content: message.content })
}
