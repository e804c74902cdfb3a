//! One identity of a customer: a visitor, with what is known of it and its merges. The engine judges, this says whom to tell.
//!
//! Its id is the visitor's, so a visitor of any channel has one without anything being stored. Both ends of a merge journal it; the
//! letter between them makes them agree, whatever dies in between.

use conversa_engine::ids::PersonId;
use conversa_engine::person::{self, Command, Event};
use conversa_engine::refusal::Decision;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::claim::{self, Claim};
use crate::behaviour::{Behaviour, Context, Outbox};

/// The actor of one identity; its key is the visitor's id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Identity(person::Identity);

impl Behaviour for Identity {
    const KIND: &'static str = "identity";
    type Command = Command;
    type Event = Event;

    fn decide(&self, cx: &Context<'_>, command: Command) -> Decision<Event> {
        let me = PersonId::new(cx.key());
        self.0.decide(&me, &cx.tenant.merge_by, cx.now, cx.bits(0), command)
    }

    fn apply(&mut self, event: &Event) {
        self.0.apply(event);
    }

    fn react(&self, cx: &Context<'_>, event: &Event, out: &mut Outbox) {
        let me = PersonId::new(cx.key());
        if let Event::Told { keys, .. } = event {
            for key in keys {
                let hold = claim::Command::Hold { value: key.value.clone(), identity: me.clone() };
                out.tell::<Claim>(&claim::key(key), hold);
            }
        }
        if let Some((other, command)) = event.letter(&me) {
            out.tell::<Self>(&other, command);
        }
    }

    /// The state as it is: who gathers a customer reads it back.
    fn view(&self) -> Value {
        serde_json::to_value(&self.0).unwrap_or_default()
    }
}
