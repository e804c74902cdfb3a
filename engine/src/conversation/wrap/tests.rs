//! Wrap-ups as scripts: the place is kept until the agent has said how it ended, or until the time is over.

use super::{WrapEnd, WrapEvent};
use crate::content::Content;
use crate::conversation::{
    Asker, Author, AuthorKind, Closer, Command, Conversation, DeskCommand, DeskEvent, Event, Offer, Opening,
    Person, QueueReason, Said, Visibility,
};
use crate::desk::{Part, WrapPolicy};
use crate::ids::{OfferId, PersonId, QueueId};
use crate::refusal::{Code, Refusal};
use crate::time::Time;

fn person(id: &str) -> Person {
    Person { id: PersonId::new(id), name: id.to_owned() }
}

struct Script(Conversation);

impl Script {
    /// An agent holds it and ends it at 10 ms; wrapping up takes 100 ms at most.
    fn closed() -> Self {
        let mut script = Self(Conversation::default());
        let offer = OfferId::new("of_1");
        let opening = Opening {
            visitor: person("vi"),
            channel: "web".into(),
            language: "en".into(),
            queue: QueueId::new("q"),
            bot: None,
            at: Time::from_ms(1),
        };
        let agent = person("ag");
        let offered = Offer { id: offer.clone(), agent, expires: Time::from_ms(9_000), auto: false };
        let agent = PersonId::new("ag");
        script.run(1, Command::Open(opening)).expect("it opens");
        script.run(2, Command::Offer { queue: QueueId::new("q"), offer: offered }).expect("it waits");
        script.run(3, Command::Accept { agent: agent.clone(), offer }).expect("it stands");
        let close = Command::Close { by: Closer::Agent, person: Some(agent), reason: String::new() };
        let events = script.run(10, close).expect("it is held");
        assert!(matches!(events[..], [Event::Desk(DeskEvent::Wrap(_)), Event::Closed { .. }]), "{events:?}");
        script
    }

    fn run(&mut self, ms: i64, command: Command) -> Result<Vec<Event>, Refusal> {
        let now = Time::from_ms(ms);
        let mut events = self.0.decide(now, command)?;
        let policy = WrapPolicy { wrap_ms: 100, codes: vec!["solved".into(), "spam".into()] };
        self.0.begin_wrap(now, &policy, &mut events);
        events.iter().for_each(|event| self.0.apply(event));
        Ok(events)
    }

    fn wraps(&mut self, who: &str, disposition: &str) -> Result<Vec<Event>, Refusal> {
        let by = Asker { person: person(who), part: Part::Agent };
        let command = DeskCommand::Wrap { disposition: disposition.into(), tags: vec!["refund".into()] };
        self.run(20, Command::Desk { by, command })
    }

    fn why(events: &[Event]) -> Option<(WrapEnd, Option<&str>)> {
        events.iter().find_map(|event| match event {
            Event::Desk(DeskEvent::Wrap(WrapEvent::Ended { why, disposition, .. })) => {
                Some((*why, disposition.as_deref()))
            }
            _ => None,
        })
    }
}

#[test]
fn the_agent_says_how_it_ended_in_one_of_the_queues_words() {
    let mut script = Script::closed();
    assert_eq!(script.wraps("other", "solved").expect_err("not its own").code, Code::NotAssigned);
    let refused = script.wraps("ag", "whatever").expect_err("no word of the queue");
    assert_eq!((refused.code, refused.detail.contains("solved, spam")), (Code::BadRequest, true));
    let done = script.wraps("ag", "solved").expect("it is open");
    assert_eq!(Script::why(&done), Some((WrapEnd::Done, Some("solved"))));
    assert!(!done[0].public());
    assert_eq!(script.wraps("ag", "solved").expect_err("once").code, Code::NotAssigned);
    assert_eq!(script.0.due(), None);
}

#[test]
fn the_timer_ends_it() {
    let mut script = Script::closed();
    let (at, over) = script.0.due().expect("there is a limit");
    assert_eq!(at, Time::from_ms(110));
    assert!(script.run(50, over.clone()).expect("it waits").is_empty());
    let events = script.run(110, over.clone()).expect("it is over");
    assert_eq!(Script::why(&events), Some((WrapEnd::TimedOut, None)));
    assert!(script.run(111, over).expect("it was over").is_empty());
}

#[test]
fn it_ends_when_the_agent_is_gone_and_when_the_conversation_goes_on() {
    let mut script = Script::closed();
    let gone = Command::AgentGone { agent: PersonId::new("ag"), offer: OfferId::new("of_1") };
    let events = script.run(20, gone).expect("it is told");
    assert_eq!(Script::why(&events), Some((WrapEnd::AgentGone, None)));

    let mut script = Script::closed();
    let said = Said {
        author: Author::person(AuthorKind::Visitor, &person("vi")),
        key: None,
        content: Content::text("one more thing"),
        visibility: Visibility::Public,
        reply_to: None,
        at: Time::from_ms(20),
        understanding: Default::default(),
    };
    let events = script.run(20, Command::Carry { said, reopen: true }).expect("it opens again");
    assert_eq!(Script::why(&events[..1]), Some((WrapEnd::Reopened, None)));
    let by = Author::person(AuthorKind::Visitor, &person("vi"));
    drop(script.run(21, Command::AskHuman { by, reason: QueueReason::Asked }));
    assert_eq!(script.0.wrap(), None);
}
