//! Presence as a company wants it: reasons from its list, and leave to be away.

use crate::desk::{Agent, AgentCommand, AgentEvent, AgentPolicy, Presence};
use crate::ids::PersonId;
use crate::refusal::{Code, Refusal};
use crate::time::Time;

struct Script(Agent, AgentPolicy);

impl Script {
    fn new() -> Self {
        let policy = AgentPolicy {
            reasons: vec!["lunch".into(), "training".into()],
            away_asks: true,
            ..AgentPolicy::default()
        };
        let mut script = Self(Agent::default(), policy);
        script.set(Presence::Online, None).expect("it comes");
        script
    }

    fn run(&mut self, command: AgentCommand) -> Result<Vec<AgentEvent>, Refusal> {
        let events = self.0.decide(Time::from_ms(1), &self.1, command)?;
        events.iter().for_each(|event| self.0.apply(event));
        Ok(events)
    }

    fn set(&mut self, presence: Presence, reason: Option<&str>) -> Result<Vec<AgentEvent>, Refusal> {
        let reason = reason.map(str::to_owned);
        self.run(AgentCommand::SetPresence { presence, capacity: None, reason })
    }

    fn answer(&mut self, approved: bool) -> Result<Vec<AgentEvent>, Refusal> {
        self.run(AgentCommand::AnswerAway { approved, by: PersonId::new("su_1") })
    }
}

#[test]
fn a_reason_for_being_away_is_one_of_the_companys() {
    let mut script = Script::new();
    for wrong in [None, Some("tired")] {
        let refused = script.set(Presence::Away, wrong).expect_err("not in the list");
        assert_eq!((refused.code, refused.detail.contains("lunch, training")), (Code::BadRequest, true));
    }
    script.set(Presence::Away, Some("lunch")).expect("it is in the list");
    assert!(script.0.asked().is_some());
}

#[test]
fn an_agent_takes_conversations_until_a_supervisor_lets_it_go() {
    let mut script = Script::new();
    assert_eq!(script.answer(true).expect_err("nothing is asked").code, Code::Gone);
    script.set(Presence::Away, Some("lunch")).expect("it asks");
    assert_eq!((script.0.presence(), script.0.free()), (Presence::Online, 5));
    assert!(script.set(Presence::Away, Some("lunch")).expect("it asks again").is_empty());
    script.answer(false).expect("it is asked");
    assert_eq!((script.0.presence(), script.0.asked()), (Presence::Online, None));
    script.set(Presence::Away, Some("training")).expect("it asks");
    script.answer(true).expect("it is asked");
    let away = (script.0.presence(), script.0.reason(), script.0.asked());
    assert_eq!(away, (Presence::Away, Some("training"), None));
    // Back, and gone for the day: nobody is asked.
    script.set(Presence::Online, None).expect("it comes");
    script.set(Presence::Away, Some("lunch")).expect("it asks");
    script.set(Presence::Online, None).expect("it thinks better of it");
    assert_eq!(script.0.asked(), None);
    script.set(Presence::Offline, None).expect("it goes");
    assert_eq!(script.0.presence(), Presence::Offline);
}
