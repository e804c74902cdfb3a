//! What comes in through a channel from one of its users: taken in once, in the order of arrival, then passed to the visitor's session.
//!
//! The channel's own id of a message says whether it is known. It is answered once its event is durable; from there letters carry it
//! into the conversation, whatever dies in between.

use std::collections::VecDeque;

use conversa_engine::content::Content;
use conversa_engine::conversation::{Author, AuthorKind, Said, Visibility};
use conversa_engine::ids::PersonId;
use conversa_engine::refusal::{Code, Decision, Refusal};
use conversa_engine::time::Time;
use conversa_engine::voice::Understanding;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use super::session::{self, Session};
use crate::behaviour::{Behaviour, Context, Outbox};

/// Messages of one user whose ids are remembered. A channel repeats within hours; this many are a week of a busy customer.
const KNOWN_MAX: usize = 1_024;

/// The actor of one user of one channel; its key is the visitor that the user is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intake {
    /// (digest of the channel's id, of the content), oldest first.
    known: VecDeque<(u128, u64)>,
    count: u64,
}

/// A message of a channel's user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Through which channel.
    pub channel: String,
    /// The channel's id of the message.
    pub id: String,
    /// As whom the user writes.
    pub name: String,
    /// In which language.
    pub language: String,
    /// What.
    pub content: Content,
}

/// It was taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The message.
    pub message: Command,
    /// When.
    pub at: Time,
}

impl Behaviour for Intake {
    const KIND: &'static str = "intake";
    type Command = Command;
    type Event = Event;

    fn decide(&self, cx: &Context<'_>, message: Command) -> Decision<Event> {
        message.content.check()?;
        let (id, digest) = digests(&message);
        match self.known.iter().find(|(known, _)| *known == id) {
            Some((_, known)) if *known == digest => Err(Refusal::duplicate(None)),
            Some(_) => Err(Refusal::new(
                Code::Conflict,
                "this id already names another message: every message has its own",
            )),
            None => Ok(vec![Event { message, at: cx.now }]),
        }
    }

    fn apply(&mut self, event: &Event) {
        self.count += 1;
        if self.known.len() == KNOWN_MAX {
            self.known.pop_front();
        }
        self.known.push_back(digests(&event.message));
    }

    fn react(&self, cx: &Context<'_>, event: &Event, out: &mut Outbox) {
        let Event { message, at } = event;
        let visitor = PersonId::new(cx.key());
        let said = Said {
            author: Author { kind: AuthorKind::Visitor, id: visitor.clone(), name: message.name.clone() },
            // The channel's ids are not dense, as a device's keys are: repeats end here.
            key: None,
            content: message.content.clone(),
            reply_to: None,
            visibility: Visibility::Public,
            at: *at,
            understanding: Understanding::default(),
        };
        let (channel, name, language) =
            (message.channel.clone(), message.name.clone(), message.language.clone());
        out.tell::<Session>(&visitor, session::Command::Deliver { channel, name, language, said });
    }

    fn view(&self) -> Value {
        json!({ "messages": self.count })
    }
}

fn digests(message: &Command) -> (u128, u64) {
    (xxh3_128(message.id.as_bytes()), message.content.digest())
}
