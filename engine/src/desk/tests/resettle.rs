//! Settings that change under an agent who is there.

use crate::desk::{Agent, AgentCommand, AgentEvent, AgentPolicy, Presence};
use crate::ids::QueueId;
use crate::time::Time;

fn policy(capacity: u16, serves: &[&str]) -> AgentPolicy {
    let serves = serves.iter().map(|queue| QueueId::new(*queue)).collect();
    AgentPolicy { capacity, serves, ..AgentPolicy::default() }
}

fn run(agent: &mut Agent, policy: &AgentPolicy, command: AgentCommand) -> Vec<AgentEvent> {
    let events = agent.decide(Time::from_ms(1_000), policy, command).expect("nothing is refused here");
    events.iter().for_each(|event| agent.apply(event));
    events
}

fn online() -> AgentCommand {
    AgentCommand::SetPresence { presence: Presence::Online, capacity: None, reason: None }
}

#[test]
fn the_queues_that_are_left_are_named() {
    let (before, after) = (policy(5, &["a", "b"]), policy(2, &["b", "c"]));
    let mut agent = Agent::default();
    let resettle = AgentCommand::Resettle { capacity: Some(2) };
    assert!(run(&mut agent, &after, resettle.clone()).is_empty(), "who is not there says it when it comes");
    run(&mut agent, &before, online());
    let events = run(&mut agent, &after, resettle);
    let at = Time::from_ms(1_000);
    let (serves, left) = (after.serves.clone(), vec![QueueId::new("a")]);
    assert_eq!(events, [AgentEvent::Resettled { capacity: 2, serves, left, at }]);
    assert_eq!((agent.free(), agent.serves()), (2, Some(&after.serves[..])));
}

#[test]
fn who_was_not_told_of_the_change_leaves_its_queues_with_its_next_word() {
    let (before, after) = (policy(5, &["a", "b"]), policy(5, &["b"]));
    let mut agent = Agent::default();
    run(&mut agent, &before, online());
    let events = run(&mut agent, &after, online());
    assert!(
        matches!(&events[..], [AgentEvent::Resettled { left, .. }, AgentEvent::PresenceSet { .. }] if *left == [QueueId::new("a")]),
        "{events:?}"
    );
}
