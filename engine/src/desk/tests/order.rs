//! Who goes first, and who is asked: a script in, the order out.

use crate::conversation::Wait;
use crate::desk::{Choice, Queue, QueueCommand, QueueEvent, QueuePolicy, Ring, Skills, TAKEN_MS};
use crate::ids::{ConversationId, OfferId, PersonId, QueueId, SkillId};
use crate::time::Time;

/// A queue under one policy.
#[derive(Default)]
struct Bench {
    queue: Queue,
    policy: QueuePolicy,
    /// The last one that was asked for.
    offer: Option<OfferId>,
}

fn id(n: u64) -> ConversationId {
    ConversationId::new(Time::from_ms(0), 1, n)
}

fn skills(words: &str) -> Skills {
    let skill = |word: &str| {
        let (name, level) = word.split_once(':').expect("name:level");
        (SkillId::new(name), level.parse().expect("a level"))
    };
    words.split_whitespace().map(skill).collect()
}

impl Bench {
    /// The agents that were asked, with the number of the conversation.
    fn run(&mut self, now: i64, command: QueueCommand) -> Vec<String> {
        let events = self.queue.decide(Time::from_ms(now), &self.policy, command).expect("not refused");
        events.iter().for_each(|event| self.queue.apply(event));
        let asked = events.iter().filter_map(|event| {
            let QueueEvent::PlaceAsked(ask) = event else { return None };
            self.offer = Some(ask.offer.clone());
            let n = (0..100).find(|n| id(*n) == ask.conversation).expect("a known conversation");
            Some(format!("{}<-{n}", ask.agent))
        });
        asked.collect()
    }

    fn waits(&mut self, now: i64, n: u64, change: impl Fn(&mut Wait)) -> Vec<String> {
        let mut wait = Wait::new(QueueId::new("q"), Time::from_ms(now), 0);
        change(&mut wait);
        self.run(now, QueueCommand::Enqueue { conversation: id(n), wait })
    }

    fn seen(&mut self, now: i64, agent: &str, free: u16, words: &str) -> Vec<String> {
        self.noted(now, agent, (free, 0), now, words)
    }

    fn noted(
        &mut self,
        now: i64,
        agent: &str,
        (free, taken): (u16, u16),
        idle: i64,
        words: &str,
    ) -> Vec<String> {
        let (agent, idle_since, skills) = (PersonId::new(agent), Time::from_ms(idle), skills(words));
        self.run(now, QueueCommand::AgentSeen { agent, free, idle_since, taken, skills })
    }
}

#[test]
fn the_higher_priority_goes_first_then_the_least_time_left_then_the_longest_wait() {
    let mut bench = Bench::default();
    bench.waits(1, 1, |_| {});
    bench.waits(2, 2, |wait| wait.due = Some(Time::from_ms(60_000)));
    bench.waits(3, 3, |wait| wait.due = Some(Time::from_ms(50_000)));
    bench.waits(4, 4, |wait| wait.priority = 2);
    bench.waits(5, 5, |_| {});
    assert_eq!(bench.seen(6, "ag_a", 5, ""), ["ag_a<-4", "ag_a<-3", "ag_a<-2", "ag_a<-1", "ag_a<-5"]);
}

#[test]
fn whoever_matches_gets_it_and_needs_relax_ring_by_ring() {
    let mut bench = Bench::default();
    bench.policy.rings = vec![Ring { after_ms: 30_000, relax: 2 }, Ring { after_ms: 60_000, relax: 8 }];
    bench.seen(0, "ag_junior", 1, "returns:4");
    bench.seen(0, "ag_other", 1, "");
    assert_eq!(bench.waits(0, 1, |wait| wait.needs = skills("returns:6")), [""; 0]);
    assert_eq!(bench.waits(1, 2, |wait| wait.needs = skills("returns:8")), [""; 0]);
    let (at, command) = bench.queue.due().expect("a ring");
    assert_eq!(at, Time::from_ms(30_000));
    assert_eq!(bench.run(30_000, command), ["ag_junior<-1"], "4 is enough after half a minute");
    let (at, command) = bench.queue.due().expect("a ring");
    assert_eq!((at, bench.run(30_001, command)), (Time::from_ms(30_001), Vec::new()), "6 is still too much");
    let (at, command) = bench.queue.due().expect("a ring");
    assert_eq!((at, bench.run(60_000, command).len()), (Time::from_ms(60_000), 0), "the first is on its way");
    let (_, command) = bench.queue.due().expect("a ring");
    assert_eq!(bench.run(60_001, command), ["ag_other<-2"], "anybody will do now");
}

#[test]
fn a_light_conversation_is_taken_where_a_heavy_one_does_not_fit() {
    let mut bench = Bench::default();
    bench.waits(0, 1, |wait| wait.weight = 3);
    bench.waits(1, 2, |_| {});
    assert_eq!(bench.seen(2, "ag_a", 2, ""), ["ag_a<-2"]);
    assert_eq!(bench.seen(3, "ag_b", 3, ""), ["ag_b<-1"]);
}

#[test]
fn each_choice_asks_another_agent() {
    let asked = |choice: Choice| {
        let mut bench =
            Bench { policy: QueuePolicy { choice, ..QueuePolicy::default() }, ..Bench::default() };
        bench.noted(10, "ag_a", (3, 2), 1, "");
        bench.noted(10, "ag_b", (3, 0), 5, "");
        (1..=4).flat_map(|n| bench.waits(20, n, |_| {})).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(asked(Choice::LongestIdle), "ag_a<-1 ag_b<-2 ag_a<-3 ag_b<-4");
    assert_eq!(asked(Choice::LeastLoaded), "ag_b<-1 ag_b<-2 ag_a<-3 ag_b<-4");
    assert_eq!(asked(Choice::RoundRobin), "ag_a<-1 ag_b<-2 ag_a<-3 ag_b<-4");
}

#[test]
fn the_agent_who_is_preferred_is_asked_first_and_waited_for_never() {
    let mut bench = Bench::default();
    bench.noted(10, "ag_a", (1, 0), 1, "");
    bench.noted(10, "ag_b", (1, 0), 5, "");
    let likes_b = |wait: &mut Wait| wait.prefers = Some(PersonId::new("ag_b"));
    assert_eq!(bench.waits(20, 1, likes_b), ["ag_b<-1"]);
    assert_eq!(bench.waits(20, 2, likes_b), ["ag_a<-2"]);
}

#[test]
fn who_has_not_given_back_the_place_of_a_conversation_yet_is_asked_again_in_a_second() {
    let mut bench = Bench::default();
    bench.noted(0, "ag_a", (4, 2), 0, "");
    assert_eq!(bench.waits(10, 1, |_| {}), ["ag_a<-1"]);
    let offer = bench.offer.clone().expect("asked");
    let denied =
        QueueCommand::Denied { conversation: id(1), offer, agent: PersonId::new("ag_a"), taken: true };
    assert_eq!(bench.run(20, denied), [""; 0]);
    assert_eq!(bench.noted(21, "ag_a", (6, 0), 20, ""), [""; 0], "it is avoided for a moment");
    let (at, command) = bench.queue.due().expect("the moment ends");
    assert_eq!(at, Time::from_ms(20).after_ms(TAKEN_MS));
    assert_eq!(bench.run(20 + TAKEN_MS, command), ["ag_a<-1"]);
}

#[test]
fn a_paused_queue_assigns_nothing_and_then_everything() {
    let mut bench = Bench::default();
    let pause = |paused| QueueCommand::Pause { paused, by: PersonId::new("su_1") };
    bench.run(0, pause(true));
    for n in 1..=40 {
        bench.waits(1, n, |_| {});
    }
    assert_eq!(bench.seen(2, "ag_a", 20, ""), [""; 0]);
    assert_eq!(bench.seen(2, "ag_b", 30, ""), [""; 0]);
    assert_eq!(bench.queue.due(), None);
    bench.run(3, pause(false));
    let mut asked = 0;
    while let Some((_, command)) = bench.queue.due() {
        asked += bench.run(4, command).len();
    }
    assert_eq!(asked, 40, "in steps of bounded size");
}

#[test]
fn too_many_different_needs_wait_where_anybody_serves_them() {
    let mut bench = Bench::default();
    for n in 0..300 {
        let needs: Skills = [(SkillId::new(format!("skill-{n}")), 5)].into();
        bench.waits(1, n, |wait| wait.needs.clone_from(&needs));
    }
    let events = bench.queue.decide(
        Time::from_ms(2),
        &bench.policy,
        QueueCommand::AgentSeen {
            agent: PersonId::new("ag_a"),
            free: 100,
            idle_since: Time::from_ms(1),
            taken: 0,
            skills: Skills::new(),
        },
    );
    let asked = events.expect("not refused").len() - 1;
    assert_eq!(asked, 28, "of the 44 beyond the bound, as many as one command asks for");
}

#[test]
fn a_message_that_is_kept_is_offered_first_thing_after_opening_by_its_time() {
    let mut bench = Bench::default();
    let kept = |wait: &mut Wait| (wait.opens, wait.kept) = (Some(Time::from_ms(9_000)), true);
    bench.seen(0, "ag_a", 3, "");
    assert_eq!(bench.waits(10, 2, kept), [""; 0], "somebody is there all the same");
    assert_eq!(bench.waits(20, 1, kept), [""; 0]);
    assert_eq!((bench.queue.waiting(), bench.queue.kept(), bench.queue.offers()), (2, 2, 0));
    bench.waits(30, 3, kept);
    bench.run(40, QueueCommand::Leave { conversation: id(3), served: true });
    assert_eq!(bench.seen(50, "ag_a", 2, ""), [""; 0], "nor are they for who becomes free");
    assert_eq!(bench.waits(60, 4, |_| {}), ["ag_a<-4"], "others are");
    let (at, command) = bench.queue.due().expect("it opens");
    assert_eq!(at, Time::from_ms(9_000));
    bench.seen(70, "ag_b", 1, "");
    assert_eq!(bench.run(9_000, command), ["ag_b<-2", "ag_a<-1"]);
    assert_eq!((bench.queue.kept(), bench.queue.offers()), (0, 3));
}

#[test]
fn who_waits_has_a_place_and_is_told_for_how_long_still() {
    let mut bench = Bench::default();
    let places =
        |bench: &Bench| bench.queue.line().map(|at| (0..100).find(|n| id(*n) == at)).collect::<Vec<_>>();
    let leave = |bench: &mut Bench, now, n, served| {
        bench.run(now, QueueCommand::Leave { conversation: id(n), served });
    };
    for n in 1..=5 {
        bench.waits(0, n, |_| {});
    }
    bench.waits(1, 6, |wait| wait.priority = 1);
    bench.waits(2, 7, |wait| (wait.opens, wait.kept) = (Some(Time::from_ms(900_000)), true));
    assert_eq!(places(&bench), [6, 1, 2, 3, 4, 5].map(Some), "one that is kept has none");
    assert_eq!(bench.queue.expected_ms(1), None);
    leave(&mut bench, 50_000, 6, true);
    assert_eq!(bench.queue.expected_ms(1), None, "nobody knows since when an agent was busy");
    leave(&mut bench, 60_000, 1, true);
    assert_eq!((bench.queue.expected_ms(1), bench.queue.expected_ms(3)), (Some(10_000), Some(30_000)));
    leave(&mut bench, 61_000, 2, false);
    assert_eq!(bench.queue.expected_ms(1), Some(10_000), "who gives up is not served");
    leave(&mut bench, 88_000, 3, true);
    assert_eq!(bench.queue.expected_ms(1), Some(12_250), "an eighth of 28 s");
    bench.run(88_000, QueueCommand::Pause { paused: true, by: PersonId::new("su_1") });
    assert_eq!(bench.queue.expected_ms(1), None);
    bench.run(500_000, QueueCommand::Pause { paused: false, by: PersonId::new("su_1") });
    leave(&mut bench, 500_100, 4, true);
    assert_eq!(bench.queue.expected_ms(1), Some(12_250), "a pause is no time of service");
    leave(&mut bench, 500_200, 5, false);
    bench.waits(900_100, 8, |_| {});
    leave(&mut bench, 900_200, 8, true);
    assert_eq!(bench.queue.expected_ms(1), Some(12_250), "nor is one in which nobody waits");
    bench.run(900_300, QueueCommand::Match);
    assert_eq!(places(&bench), [Some(7)], "the queue has opened");
}
