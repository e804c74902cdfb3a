//! Journals of earlier versions: what was stored then is read now, and folds to a state that goes on.

use conversa_engine::conversation::Event;
use conversa_engine::desk::{Agent, AgentEvent, Queue, QueueEvent};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const CV: &str = "cv_00000000000070018000000000000001";

/// The events as a journal of version 0.1.0 has them, through `MessagePack` as they are stored.
fn stored<E: DeserializeOwned>(events: Value) -> Vec<E> {
    let events = events.as_array().expect("a list").iter();
    let read = |event: &Value| {
        let bytes = rmp_serde::to_vec_named(event).expect("it is representable");
        rmp_serde::from_slice(&bytes).unwrap_or_else(|error| panic!("{event}: {error}"))
    };
    events.map(read).collect()
}

#[test]
fn a_queue_of_the_first_version_goes_on() {
    let wait = json!({ "queue": "q", "since": 1_000, "priority": 1 });
    let events = stored::<QueueEvent>(json!([
        { "AgentNoted": { "agent": "ag_a", "free": 2, "idle_since": 500 } },
        { "Enqueued": { "conversation": CV, "wait": wait } },
        { "PlaceAsked": { "conversation": CV, "agent": "ag_a", "offer": "of_1" } },
        { "OfferFailed": { "conversation": CV, "offer": "of_1", "agent": "ag_a", "avoid_until": 9_000 } },
        { "AgentNoted": { "agent": "ag_a", "free": 1, "idle_since": 600 } },
        { "PlaceAsked": { "conversation": CV, "agent": "ag_a", "offer": "of_2" } },
        { "OfferMade": { "conversation": CV, "offer": "of_2", "agent": "ag_a", "expires": 30_000 } },
        { "PlaceUnused": { "conversation": CV, "offer": "of_0", "agent": "ag_a" } },
    ]));
    let mut queue = Queue::default();
    events.iter().for_each(|event| queue.apply(event));
    assert_eq!((queue.waiting(), queue.offers(), queue.agents_free()), (1, 1, 0));
    assert_eq!((queue.line().count(), queue.expected_ms(1)), (1, None));
    for event in stored::<QueueEvent>(json!([{ "LeftQueue": { "conversation": CV } }])) {
        queue.apply(&event);
    }
    assert_eq!((queue.waiting(), queue.offers(), queue.due()), (0, 0, None));
}

#[test]
fn an_agent_of_the_first_version_goes_on() {
    let events = stored::<AgentEvent>(json!([
        { "PresenceSet": { "presence": "online", "capacity": 3, "at": 1_000 } },
        { "PlaceGranted": { "queue": "q", "conversation": CV, "offer": "of_1", "at": 1_100 } },
        { "PlaceConfirmed": { "conversation": CV, "offer": "of_1", "at": 1_200 } },
        { "PlaceDenied": { "queue": "q", "conversation": CV, "offer": "of_2", "at": 1_300 } },
        { "Renewed": { "at": 1_400 } },
        { "Doubted": { "places": [[CV, "of_1"]], "at": 1_500 } },
    ]));
    let mut agent = Agent::default();
    events.iter().for_each(|event| agent.apply(event));
    assert_eq!((agent.taken(), agent.free(), agent.serves()), (1, 2, None));
    for event in stored::<AgentEvent>(json!([
        { "PlaceReleased": { "conversation": CV, "offer": "of_1", "at": 1_600 } },
        { "Left": { "lost": [], "at": 1_700 } },
    ])) {
        agent.apply(&event);
    }
    assert_eq!((agent.taken(), agent.free(), agent.due()), (0, 0, None));
}

#[test]
fn a_conversations_desk_events_of_the_first_version_are_read() {
    let agent = json!({ "id": "ag_a", "name": "A" });
    let wait = json!({ "queue": "q", "since": 1_000, "priority": 0 });
    let events = stored::<Event>(json!([
        { "Queued": { "wait": wait, "reason": "asked", "at": 1_000 } },
        { "Offered": { "queue": "q", "offer": { "id": "of_1", "agent": agent, "expires": 21_000 }, "at": 1_100 } },
        { "OfferEnded": { "queue": "q", "offer": "of_1", "agent": "ag_a", "why": "timed_out", "at": 21_000 } },
        { "Assigned": { "agent": agent, "offer": "of_2", "queue": "q", "at": 22_000 } },
        { "PlaceChecked": { "agent": "ag_a", "offer": "of_2", "held": true, "at": 23_000 } },
        { "OfferVoided": { "agent": "ag_a", "offer": "of_3", "at": 23_100 } },
        { "OfferRejected": { "queue": "q", "offer": "of_3", "agent": "ag_a", "at": 23_200 } },
        { "Closed": { "by": "agent", "reason": "", "held": { "place": ["ag_a", "of_2"] }, "at": 24_000 } },
    ]));
    assert_eq!(events.len(), 8);
}
