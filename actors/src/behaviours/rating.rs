//! Asks for a rating when a conversation ends: the smallest behaviour, and the one that README explains.

use conversa_engine::conversation::{self, Author, DeskEvent, Say, Survey, SurveyEvent};
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
pub struct Command {
    #[serde(default)]
    survey: Survey,
}

/// The fact: it was asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    #[serde(default)]
    survey: Survey,
}

impl Behaviour for Rating {
    const KIND: &'static str = "rating";
    type Command = Command;
    type Event = Event;

    fn follows(event: &conversation::Event) -> Option<Command> {
        match event {
            conversation::Event::Desk(DeskEvent::Survey(SurveyEvent::Asked(asked))) => {
                Some(Command { survey: asked.survey })
            }
            _ => None,
        }
    }

    fn decide(&self, _cx: &Context<'_>, Command { survey }: Command) -> Decision<Event> {
        Ok(if self.asked { vec![] } else { vec![Event { survey }] })
    }

    fn apply(&mut self, _event: &Event) {
        self.asked = true;
    }

    fn react(&self, cx: &Context<'_>, event: &Event, out: &mut Outbox) {
        let say = conversation::Command::Say(Say::new(Author::system(), event.survey.question()));
        out.tell::<Conversation>(&cx.address.key, say);
    }
}
