//! Identities that become one customer: whatever actor dies before whatever effect, both ends of every merge agree in the end.

use std::collections::BTreeMap;

use conversa_actors::behaviours::claim;
use conversa_actors::letter::{Letter, Payload};
use conversa_actors::port::outside::Taken;
use conversa_engine::ids::PersonId;
use conversa_engine::person::{
    Command, Customer, Fact, Gathering, Identity, MergeId, RuleKey, Source, State, Why,
};
use conversa_engine::refusal::Code;
use conversa_tests::solo::Solo;
use serde_json::json;

fn key() -> RuleKey {
    RuleKey { name: "email".into(), value: "ann@shop.example".into() }
}

fn person(n: usize) -> PersonId {
    PersonId::new(format!("vi_{n}"))
}

/// Three identities and the value that two of them share.
struct World {
    actors: BTreeMap<(String, String), Solo>,
    /// Letters that nobody has taken over yet, oldest first.
    waiting: Vec<Letter>,
    crashes: usize,
}

impl World {
    fn new() -> Self {
        let mut actors = BTreeMap::new();
        let mut add = |kind: &str, key: &str| {
            let solo = Solo::new(kind, key, |_| Ok(Taken::Delivered));
            drop(actors.insert((kind.to_owned(), key.to_owned()), solo));
        };
        for n in 1..=3 {
            add("identity", person(n).as_str());
        }
        add("claim", &claim::key(&key()));
        Self { actors, waiting: Vec::new(), crashes: 0 }
    }

    /// Those that died live again; what they send is collected.
    fn revive(&mut self) {
        for solo in self.actors.values_mut() {
            if !solo.alive() {
                self.crashes += 1;
                solo.fuse = None;
                solo.wake();
            }
            self.waiting.append(&mut solo.sent);
        }
    }

    fn settle(&mut self) {
        self.revive();
        while !self.waiting.is_empty() {
            let letter = self.waiting.remove(0);
            let to = (letter.to.kind.to_owned(), letter.to.key.to_string());
            loop {
                self.actors.get_mut(&to).expect("an actor of the world").hand(letter.clone());
                let died = !self.actors[&to].alive();
                self.revive();
                // As a sender does: the same letter until it is taken over.
                if !died {
                    break;
                }
            }
        }
    }

    /// As a client does: the same request until it is answered.
    fn ask(&mut self, n: usize, command: Command) {
        let at = ("identity".to_owned(), person(n).to_string());
        loop {
            let solo = self.actors.get_mut(&at).expect("an actor of the world");
            let answer = solo.try_ask(Payload::of(command.clone()));
            self.revive();
            match answer {
                Some(Ok(_)) => break,
                Some(Err(refusal)) if refusal.code == Code::Duplicate => break,
                Some(Err(refusal)) => panic!("{refusal}"),
                None => {}
            }
        }
    }

    fn identity(&mut self, id: &PersonId) -> Identity {
        let solo =
            self.actors.get_mut(&("identity".to_owned(), id.to_string())).expect("an actor of the world");
        // To be looked at is no effect of the story: the crash waits for one that is.
        let (fuse, before) = (solo.fuse.take(), solo.performed);
        let view = solo.view();
        solo.fuse = fuse.map(|fuse| fuse + solo.performed - before);
        serde_json::from_value(view).expect("an identity")
    }

    fn gather(&mut self, n: usize) -> Customer {
        let mut gathering = Gathering::new(person(n));
        while let Some(id) = gathering.next() {
            let identity = self.identity(&id);
            gathering.take(id, identity);
        }
        gathering.done()
    }
}

fn signed() -> Command {
    let (name, value) = ("email".to_owned(), " Ann@shop.example".to_owned());
    Command::Tell { facts: vec![Fact { name, value, source: Source::Signed }] }
}

/// Two are merged by rule, the third by word; the rule's merge is undone, and does not come again. Returns who is whose customer.
fn story(fuse: Option<(usize, usize)>) -> (World, Vec<Vec<String>>) {
    let mut world = World::new();
    if let Some((actor, effects)) = fuse {
        let solo = world.actors.values_mut().nth(actor).expect("an actor of the world");
        solo.fuse = Some(solo.performed + effects);
    }
    let why = Why::Word { by: PersonId::new("ag_1"), note: "same order".into() };
    let undo =
        Command::Undo { id: MergeId::rule("email", &person(1), &person(2)), by: PersonId::new("ag_1") };
    let acts = [
        (1, signed()),
        (2, signed()),
        (2, Command::Merge { other: person(3), why }),
        (1, undo),
        (2, signed()),
        (1, signed()),
    ];
    let mut stages = Vec::new();
    for (n, command) in acts {
        world.ask(n, command);
        world.settle();
        let customers = (1..=3).map(|n| {
            let ids = world.gather(n).identities.into_keys().map(|id| id.to_string());
            ids.collect::<Vec<_>>().join("+")
        });
        stages.push(customers.collect());
    }
    (world, stages)
}

#[test]
fn a_crash_at_any_point_leaves_both_ends_agreeing() {
    let (whole, stages) = story(None);
    let expected = [
        ["vi_1", "vi_2", "vi_3"],
        ["vi_1+vi_2", "vi_1+vi_2", "vi_3"],
        ["vi_1+vi_2+vi_3", "vi_1+vi_2+vi_3", "vi_1+vi_2+vi_3"],
        ["vi_1", "vi_2+vi_3", "vi_2+vi_3"],
        ["vi_1", "vi_2+vi_3", "vi_2+vi_3"],
        ["vi_1", "vi_2+vi_3", "vi_2+vi_3"],
    ];
    assert_eq!(stages, expected);
    let effects: Vec<usize> = whole.actors.values().map(|solo| solo.performed).collect();
    let mut crashes = 0;
    for (actor, count) in effects.iter().enumerate() {
        for fuse in 0..*count {
            let (mut world, stages) = story(Some((actor, fuse)));
            assert_eq!(stages, expected, "actor {actor} dies before its effect {fuse}");
            for n in 1..=3 {
                for merge in world.identity(&person(n)).merges().cloned().collect::<Vec<_>>() {
                    let other = world.identity(&merge.other);
                    let theirs = other.merges().find(|theirs| theirs.id == merge.id);
                    let theirs = theirs.expect("both ends know it");
                    let same = |state: &State| matches!(state, State::Stands);
                    assert_eq!(same(&merge.state), same(&theirs.state), "actor {actor}, effect {fuse}");
                }
            }
            crashes += world.crashes;
        }
    }
    assert!(crashes > 40, "{crashes} crashes: nothing is tested");
}

#[test]
fn a_value_that_many_share_names_nobody() {
    let mut solo = Solo::new("claim", &claim::key(&key()), |_| Ok(Taken::Delivered));
    let hold = |n: usize, value: &str| {
        Payload::of(claim::Command::Hold { value: value.to_owned(), identity: person(n) })
    };
    for n in 0..claim::HOLDERS_MAX + 3 {
        solo.ask(hold(n, "ann@shop.example")).expect("it is taken in");
    }
    assert_eq!(
        solo.sent.len(),
        claim::HOLDERS_MAX - 1,
        "the first merges with nobody, those beyond the bound neither"
    );
    assert_eq!(solo.view()["holders"].as_array().map(Vec::len), Some(claim::HOLDERS_MAX));
    solo.sent.clear();
    // Another value of the same digest, should there be one.
    solo.ask(hold(1, "bob@shop.example")).expect("it is taken in");
    assert!(solo.sent.is_empty());
    solo.ask(hold(0, "ann@shop.example")).expect("it is taken in");
    assert!(solo.sent.is_empty(), "the first is told of nobody");
}

#[test]
fn a_session_keeps_the_trail_of_conversations() {
    let mut solo = Solo::new("session", "vi_1", |_| Ok(Taken::Delivered));
    for channel in ["web", "app"] {
        let open = conversa_actors::behaviours::SessionCommand::Open {
            channel: channel.into(),
            language: "en".into(),
            name: "Ann".into(),
        };
        solo.ask(Payload::of(open)).expect("it opens");
    }
    let trail = solo.view()["trail"].clone();
    assert_eq!(trail.as_array().map(Vec::len), Some(2));
    assert_eq!((&trail[0]["channel"], &trail[1]["channel"]), (&json!("web"), &json!("app")));
    solo.wake();
    assert_eq!(solo.view()["trail"], trail, "also after a snapshot");
}
