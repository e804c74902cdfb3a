//! Agents who do not answer, and agents who go: a script in, the story out.

use crate::desk::{Agent, AgentCommand, AgentEvent, AgentPolicy, Ask, Presence, WhenGone};
use crate::ids::{ConversationId, OfferId, QueueId};
use crate::time::Time;

struct Bench {
    agent: Agent,
    policy: AgentPolicy,
}

fn id(n: u64) -> ConversationId {
    ConversationId::new(Time::from_ms(0), 1, n)
}

fn offer(n: u64) -> OfferId {
    OfferId::new(format!("of_{n}"))
}

impl Bench {
    fn online(policy: AgentPolicy) -> Self {
        let mut bench = Self { agent: Agent::default(), policy };
        bench.run(0, AgentCommand::SetPresence { presence: Presence::Online, capacity: None, reason: None });
        bench
    }

    fn run(&mut self, now: i64, command: AgentCommand) -> Vec<AgentEvent> {
        let events = self.agent.decide(Time::from_ms(now), &self.policy, command).expect("not refused");
        events.iter().for_each(|event| self.agent.apply(event));
        events
    }

    fn granted(&mut self, n: u64, weight: u16) -> bool {
        let queue = QueueId::new("q");
        let ask =
            AgentCommand::AskPlace { queue, conversation: id(n), offer: offer(n), weight, ask: Ask::Queue };
        matches!(self.run(1, ask)[..], [AgentEvent::PlaceGranted { .. }])
    }

    fn released(&mut self, n: u64, missed: bool) {
        self.run(2, AgentCommand::Release { conversation: id(n), offer: offer(n), missed });
    }
}

#[test]
fn three_offers_in_a_row_that_run_out_set_the_agent_away() {
    let mut bench = Bench::online(AgentPolicy::default());
    for (n, missed) in [(1, true), (2, true), (3, false), (4, true), (5, true)] {
        assert!(bench.granted(n, 1));
        bench.released(n, missed);
        assert_eq!(bench.agent.presence(), Presence::Online, "after {n}");
    }
    assert!(bench.granted(6, 1));
    bench.released(6, true);
    assert_eq!((bench.agent.presence(), bench.agent.reason()), (Presence::Away, Some("missed_offers")));
    assert!(!bench.granted(7, 1));
    bench.run(3, AgentCommand::SetPresence { presence: Presence::Online, capacity: None, reason: None });
    assert!(bench.granted(8, 1), "back again, counting from nothing");
}

#[test]
fn places_are_counted_in_points() {
    let mut bench = Bench::online(AgentPolicy { capacity: 5, ..AgentPolicy::default() });
    assert!(bench.granted(1, 3));
    assert!(!bench.granted(2, 3));
    assert!(bench.granted(3, 2));
    assert_eq!((bench.agent.taken(), bench.agent.free()), (5, 0));
}

#[test]
fn conversations_of_an_agent_who_is_gone_are_kept_for_a_while_and_offers_are_not() {
    let policy = AgentPolicy { when_gone: WhenGone::Keep, keep_ms: 10_000, ..AgentPolicy::default() };
    let mut bench = Bench::online(policy);
    assert!(bench.granted(1, 1) && bench.granted(2, 1));
    bench.run(2, AgentCommand::Confirm { conversation: id(1), offer: offer(1) });
    let gone = bench.run(100, AgentCommand::Gone);
    let until = Time::from_ms(10_100);
    let left =
        AgentEvent::Left { lost: vec![(id(2), offer(2))], at: Time::from_ms(100), kept_until: Some(until) };
    assert_eq!(gone, [left]);
    assert_eq!(bench.run(200, AgentCommand::Gone), [], "it was gone already");
    assert!(!bench.granted(3, 1));
    let (at, give_back) = bench.agent.due().expect("a time of keeping");
    assert_eq!((at, &give_back), (until, &AgentCommand::GiveBack));
    // Back in time: everything stays.
    let mut back = Bench { agent: bench.agent.clone(), policy: bench.policy.clone() };
    back.run(5_000, AgentCommand::SetPresence { presence: Presence::Online, capacity: None, reason: None });
    assert_eq!(back.run(10_100, AgentCommand::GiveBack), []);
    assert_eq!(back.agent.places().len(), 1);
    // Not back: given back.
    let events = bench.run(10_100, give_back);
    assert!(matches!(&events[..], [AgentEvent::Left { lost, kept_until: None, .. }] if lost.len() == 1));
    assert_eq!(bench.agent.due(), None);
}

#[test]
fn by_default_everything_is_given_back_at_once() {
    let mut bench = Bench::online(AgentPolicy::default());
    assert!(bench.granted(1, 1));
    bench.run(2, AgentCommand::Confirm { conversation: id(1), offer: offer(1) });
    let events = bench.run(100, AgentCommand::Gone);
    assert!(matches!(&events[..], [AgentEvent::Left { lost, kept_until: None, .. }] if lost.len() == 1));
}
