//! Queues that help each other: a script of waits in, the ways that conversations took out.

use std::collections::{BTreeMap, VecDeque};

use super::Chance;
use crate::conversation::{
    Author, AuthorKind, Command, Conversation, Event, Opening, Person, Phase, QueueReason, Wait,
};
use crate::desk::{Calendar, OverflowPolicy, Queue, QueueCommand, QueueEvent, QueuePolicy};
use crate::ids::{ConversationId, PersonId, QueueId};
use crate::time::Time;

fn id(n: u64) -> ConversationId {
    ConversationId::new(Time::from_ms(0), 1, n)
}

/// Queues and conversations, whose letters come in the order in which they were sent.
#[derive(Default)]
struct Company {
    now: i64,
    queues: BTreeMap<QueueId, (Queue, QueuePolicy)>,
    conversations: BTreeMap<ConversationId, Conversation>,
    letters: VecDeque<Letter>,
    /// What the queues have journalled.
    logs: BTreeMap<QueueId, Vec<QueueEvent>>,
}

enum Letter {
    Queue(QueueId, QueueCommand),
    Conversation(ConversationId, Command),
}

impl Company {
    /// `a>b,c after=5 longer=1`
    fn of(queues: &[&str]) -> Self {
        let mut company = Self::default();
        for words in queues {
            let mut words = words.split_whitespace();
            let (name, to) = words.next().and_then(|word| word.split_once('>')).expect("name>others");
            let to = to.split(',').filter(|to| !to.is_empty()).map(QueueId::new).collect();
            let mut overflow = OverflowPolicy { to, ..OverflowPolicy::default() };
            for (key, value) in words.filter_map(|word| word.split_once('=')) {
                let value: u16 = value.parse().expect("a number");
                match key {
                    "after" => overflow.after_ms = Some(value.into()),
                    "longer" => overflow.longer_than = Some(value.into()),
                    _ => panic!("{key}?"),
                }
            }
            let policy = QueuePolicy { overflow, ..QueuePolicy::default() };
            company.queues.insert(QueueId::new(name), (Queue::default(), policy));
        }
        company
    }

    fn policy(&mut self, queue: &str) -> &mut QueuePolicy {
        &mut self.queues.get_mut(&QueueId::new(queue)).expect("a queue").1
    }

    fn comes(&mut self, n: u64, queue: &str) {
        let opening = Opening {
            visitor: Person { id: PersonId::new("vi_1"), name: String::new() },
            channel: "web".into(),
            language: "en".into(),
            queue: QueueId::new(queue),
            bot: None,
            at: Time::from_ms(self.now),
        };
        self.letters.push_back(Letter::Conversation(id(n), Command::Open(opening)));
        self.settle();
    }

    fn tell(&mut self, queue: &str, command: QueueCommand) {
        self.letters.push_back(Letter::Queue(QueueId::new(queue), command));
        self.settle();
    }

    /// Lets time pass, timer by timer.
    fn until(&mut self, at: i64) {
        loop {
            let timers = self.queues.iter().filter_map(|(name, (queue, _))| Some((queue.due()?, name)));
            let next = timers.min_by_key(|((at, _), name)| (*at, (*name).clone()));
            let Some(((due, command), name)) = next.filter(|((due, _), _)| due.ms() <= at) else { break };
            let name = name.clone();
            self.now = self.now.max(due.ms());
            self.letters.push_back(Letter::Queue(name, command));
            self.settle();
        }
        self.now = at;
    }

    fn settle(&mut self) {
        while let Some(letter) = self.letters.pop_front() {
            let now = Time::from_ms(self.now);
            match letter {
                Letter::Queue(name, command) => {
                    let (queue, policy) = self.queues.get_mut(&name).expect("a queue");
                    for event in queue.decide(now, policy, command).expect("not refused") {
                        queue.apply(&event);
                        self.letters.extend(told(&name, &event));
                        self.logs.entry(name.clone()).or_default().push(event);
                    }
                }
                Letter::Conversation(id, command) => {
                    let conversation = self.conversations.entry(id).or_default();
                    for event in conversation.decide(now, command).expect("not refused") {
                        conversation.apply(&event);
                        let Event::Queued { wait, reason, .. } = event else { continue };
                        if let (QueueReason::Overflow, Some(left)) = (reason, wait.passed.last()) {
                            let leave = QueueCommand::Leave { conversation: id, served: false };
                            self.letters.push_back(Letter::Queue(left.clone(), leave));
                        }
                        let to = wait.queue.clone();
                        self.letters
                            .push_back(Letter::Queue(to, QueueCommand::Enqueue { conversation: id, wait }));
                    }
                }
            }
        }
    }

    fn wait(&self, n: u64) -> &Wait {
        match self.conversations[&id(n)].phase() {
            Phase::Queued(wait) | Phase::Offered(wait, _) => wait,
            phase => panic!("{phase:?}"),
        }
    }

    /// The queues of a wait, first to last.
    fn way(&self, n: u64) -> String {
        let wait = self.wait(n);
        let all = wait.passed.iter().chain([&wait.queue]);
        all.map(QueueId::as_str).collect::<Vec<_>>().join(">")
    }

    /// Everybody stands in the queue where it waits, and in no other.
    fn agrees(&self) {
        for conversation in self.conversations.keys() {
            let Phase::Queued(wait) = self.conversations[conversation].phase() else { panic!("it waits") };
            for (name, (queue, _)) in &self.queues {
                let there = queue.line().any(|one| one == *conversation);
                assert_eq!(there, *name == wait.queue, "{conversation} and {name}");
            }
        }
    }
}

fn told(me: &QueueId, event: &QueueEvent) -> Option<Letter> {
    let from = me.clone();
    Some(match event {
        QueueEvent::RoomAsked { conversation, queue, .. } => {
            Letter::Queue(queue.clone(), QueueCommand::AskRoom { conversation: *conversation, from })
        }
        QueueEvent::RoomAnswered { conversation, to, free } => {
            let (conversation, free) = (*conversation, *free);
            Letter::Queue(to.clone(), QueueCommand::Room { conversation, queue: from, free })
        }
        QueueEvent::Overflowing { conversation, to, .. } => {
            Letter::Conversation(*conversation, Command::Overflow { from, to: to.clone() })
        }
        _ => return None,
    })
}

#[test]
fn who_waits_too_long_goes_to_the_queue_that_helps_and_keeps_its_turn() {
    let mut company = Company::of(&["a>b after=5000", "b>"]);
    company.comes(1, "a");
    company.until(3_000);
    company.comes(2, "b");
    company.until(4_999);
    assert_eq!(company.way(1), "a");
    company.until(5_000);
    assert_eq!((company.way(1).as_str(), company.wait(1).since), ("a>b", Time::from_ms(0)));
    company.agrees();
    let line: Vec<_> = company.queues[&QueueId::new("b")].0.line().collect();
    assert_eq!(line, [id(1), id(2)], "by the whole wait");
}

#[test]
fn who_comes_when_too_many_wait_goes_elsewhere() {
    let mut company = Company::of(&["a>b longer=2", "b>"]);
    (1..=4).for_each(|n| company.comes(n, "a"));
    assert_eq!([1, 2, 3, 4].map(|n| company.way(n)), ["a", "a", "a>b", "a>b"]);
    company.agrees();
}

#[test]
fn queues_that_help_each_other_send_nobody_round() {
    let mut company = Company::of(&["a>b after=1000", "b>c,a after=4000", "c>a,b after=9000"]);
    company.comes(1, "a");
    company.until(1_000_000);
    assert_eq!(company.way(1), "a>b>c");
    let moves =
        company.logs.values().flatten().filter(|event| matches!(event, QueueEvent::Overflowing { .. }));
    assert_eq!(moves.count(), 2);
    company.agrees();
}

#[test]
fn a_queue_that_is_closed_full_or_paused_is_passed_over_and_asked_again() {
    let mut company = Company::of(&["a>b,c,d after=1000", "b>a longer=1", "c>", "d>"]);
    company.comes(9, "b");
    let week = [("mon".to_owned(), vec!["09:00-10:00".to_owned()])].into();
    let calendar = Calendar { zone: "UTC".into(), week, ..Calendar::default() };
    company.policy("c").time.hours = Some(std::sync::Arc::new(calendar.hours().expect("a calendar")));
    company.tell("d", QueueCommand::Pause { paused: true, by: PersonId::new("su_1") });
    company.comes(1, "a");
    company.until(2_000);
    assert_eq!(company.way(1), "a", "nobody has room");
    company.tell("d", QueueCommand::Pause { paused: false, by: PersonId::new("su_1") });
    company.until(30_999);
    assert_eq!(company.way(1), "a");
    company.until(31_000);
    assert_eq!(company.way(1), "a>d");
    company.agrees();
}

#[test]
fn who_is_offered_to_an_agent_stays_until_that_comes_to_nothing() {
    let mut company = Company::of(&["a>b after=1000 longer=1", "b>"]);
    let seen = QueueCommand::AgentSeen {
        agent: PersonId::new("ag_1"),
        free: 1,
        idle_since: Time::default(),
        taken: 0,
        skills: [].into(),
    };
    company.tell("a", seen);
    company.comes(1, "a");
    company.until(5_000);
    assert_eq!(company.way(1), "a");
    let Some(QueueEvent::PlaceAsked(ask)) =
        company.logs[&QueueId::new("a")].iter().rfind(|event| matches!(event, QueueEvent::PlaceAsked(_)))
    else {
        panic!("an agent is asked")
    };
    let (conversation, offer, agent) = (ask.conversation, ask.offer.clone(), ask.agent.clone());
    company.tell("a", QueueCommand::Denied { conversation, offer, agent, taken: false });
    company.until(31_000);
    assert_eq!(company.way(1), "a>b");
}

#[test]
fn a_conversation_that_does_not_wait_there_any_more_is_moved_by_nobody() {
    let mut company = Company::of(&["a>b", "b>"]);
    company.comes(1, "a");
    let (a, b) = (QueueId::new("a"), QueueId::new("b"));
    let conversation = company.conversations.get_mut(&id(1)).expect("it is there");
    let mut told = |from: &QueueId, to: &QueueId| {
        let command = Command::Overflow { from: from.clone(), to: to.clone() };
        let events = conversation.decide(Time::from_ms(9), command).expect("not refused");
        events.iter().for_each(|event| conversation.apply(event));
        events.len()
    };
    assert_eq!([told(&b, &a), told(&a, &a), told(&a, &b), told(&a, &b), told(&b, &a)], [0, 0, 1, 0, 0]);
    let by = Author::person(AuthorKind::Visitor, &Person { id: PersonId::new("vi_1"), name: String::new() });
    assert!(
        conversation.decide(Time::from_ms(9), Command::AskHuman { by, reason: QueueReason::Asked }).is_err()
    );
}

#[test]
fn whatever_the_company_says_each_wait_is_in_one_queue_and_comes_to_rest() {
    for seed in 0..60 {
        let mut chance = Chance(seed);
        let names = ["a", "b", "c", "d"];
        let lines: Vec<String> = names
            .iter()
            .map(|name| {
                let to: Vec<&str> =
                    names.into_iter().filter(|to| to != name && chance.below(2) == 0).collect();
                let (after, longer) = (500 + chance.below(3_000), 1 + chance.below(3));
                format!("{name}>{} after={after} longer={longer}", to.join(","))
            })
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut company = Company::of(&lines);
        for n in 0..12 {
            company.comes(n, names[chance.below(4)]);
            company.until(company.now + i64::try_from(chance.below(900)).expect("small"));
        }
        company.until(company.now + 600_000);
        company.agrees();
        for n in 0..12 {
            let wait = company.wait(n);
            let mut been: Vec<&QueueId> = wait.passed.iter().chain([&wait.queue]).collect();
            been.sort_unstable();
            been.dedup();
            assert_eq!(been.len(), wait.passed.len() + 1, "seed {seed}: {}", company.way(n));
        }
        // A replay under no settings at all comes to the same.
        for (name, log) in &company.logs {
            let mut again = Queue::default();
            log.iter().for_each(|event| again.apply(event));
            assert_eq!(&again, &company.queues[name].0, "seed {seed}: {name}");
        }
    }
}
