//! Asks for a rating when a conversation has closed: the smallest behaviour, and the one that README explains.

use conversa_engine::content::{Choice, Content};
use conversa_engine::conversation::{self, Author, Say};
use conversa_engine::refusal::Decision;
use serde::{Deserialize, Serialize};

use super::Conversation;
use crate::behaviour::{Behaviour, Context, Outbox};

/// The state: whether this conversation was asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rating {
    asked: bool,
}

/// The request: ask.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Command;

/// The fact: it was asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event;

impl Behaviour for Rating {
    const KIND: &'static str = "rating";
    type Command = Command;
    type Event = Event;

    fn follows(event: &conversation::Event) -> Option<Command> {
        matches!(event, conversation::Event::Closed { .. }).then_some(Command)
    }

    fn decide(&self, _cx: &Context<'_>, _command: Command) -> Decision<Event> {
        Ok(if self.asked { vec![] } else { vec![Event] })
    }

    fn apply(&mut self, _event: &Event) {
        self.asked = true;
    }

    fn react(&self, cx: &Context<'_>, _event: &Event, out: &mut Outbox) {
        let text = "您对这次服务满意吗？ How did we do?";
        let options = (1..=5).rev().map(|n| Choice::new(n.to_string(), "★".repeat(n))).collect();
        let content = Content::choices(text, options);
        let say = conversation::Command::Say(Say::new(Author::system(), content));
        out.tell::<Conversation>(&cx.address.key, say);
    }
}
