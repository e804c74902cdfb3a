//! Seeded histories of merges and undos at either end, with letters that cross: both ends agree in the end, and who is whose customer
//! is what the merges that stand connect, in whatever order they came.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;
use crate::ids::PersonId;
use crate::refusal::Code;
use crate::time::Time;

struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % limit.max(1) as u64).expect("it is below a usize")
    }
}

fn person(n: usize) -> PersonId {
    PersonId::new(format!("vi_{n:02}"))
}

fn word() -> Why {
    Why::Word { by: PersonId::new("ag_1"), note: String::new() }
}

fn rule(attribute: &str) -> Why {
    Why::Rule { attribute: attribute.into() }
}

/// Identities whose letters cross: in order per pair, each taken in once, at any time.
#[derive(Default)]
struct World {
    identities: BTreeMap<PersonId, Identity>,
    letters: BTreeMap<(PersonId, PersonId), VecDeque<Command>>,
    now: i64,
    random: u64,
    /// Every name that was ever undone by somebody's word.
    undone: BTreeSet<MergeId>,
}

impl World {
    fn new(count: usize) -> Self {
        let identities = (0..count).map(|n| (person(n), Identity::default())).collect();
        Self { identities, ..Self::default() }
    }

    fn act(&mut self, at: &PersonId, command: Command) -> Result<Vec<Event>, Code> {
        self.now += 1;
        self.random += 1;
        let identity = self.identities.get_mut(at).expect("a person of the world");
        let rules = [String::from("email")];
        let events = identity
            .decide(at, &rules, Time::from_ms(self.now), self.random, command)
            .map_err(|refusal| refusal.code)?;
        for event in &events {
            identity.apply(event);
            if let Some((to, letter)) = event.letter(at) {
                self.letters.entry((at.clone(), to)).or_default().push_back(letter);
            }
        }
        Ok(events)
    }

    fn deliver(&mut self, chance: &mut Chance) -> bool {
        let pairs: Vec<_> = self.letters.iter().filter(|(_, waiting)| !waiting.is_empty()).collect();
        if pairs.is_empty() {
            return false;
        }
        let pair = pairs[chance.below(pairs.len())].0.clone();
        let letter = self.letters.get_mut(&pair).and_then(VecDeque::pop_front).expect("one waits");
        self.act(&pair.1, letter).expect("a letter between ends is never refused");
        true
    }

    fn undo(&mut self, at: &PersonId, id: &MergeId) {
        let by = PersonId::new("ag_1");
        if self.act(at, Command::Undo { id: id.clone(), by }).is_ok() {
            self.undone.insert(id.clone());
        }
    }

    fn standing(&self) -> BTreeMap<MergeId, BTreeSet<PersonId>> {
        let mut ends: BTreeMap<MergeId, BTreeSet<PersonId>> = BTreeMap::new();
        for (id, identity) in &self.identities {
            for merge in identity.merges().filter(|merge| merge.stands()) {
                ends.entry(merge.id.clone()).or_default().insert(id.clone());
            }
        }
        ends
    }

    fn gather(&self, from: &PersonId) -> Customer {
        let mut gathering = Gathering::new(from.clone());
        while let Some(id) = gathering.next() {
            let identity = self.identities[&id].clone();
            gathering.take(id, identity);
        }
        gathering.done()
    }

    fn customers(&self) -> BTreeMap<PersonId, BTreeSet<PersonId>> {
        let people = self.identities.keys();
        people.map(|id| (id.clone(), self.gather(id).identities.into_keys().collect())).collect()
    }
}

/// What edges connect, by another way than the one that is tested: labels that spread until nothing changes.
fn connected<'a>(
    people: impl Iterator<Item = &'a PersonId>,
    edges: &[BTreeSet<PersonId>],
) -> BTreeMap<PersonId, BTreeSet<PersonId>> {
    let mut label: BTreeMap<PersonId, PersonId> = people.map(|id| (id.clone(), id.clone())).collect();
    while edges.iter().any(|edge| {
        let least = edge.iter().map(|id| label[id].clone()).min().expect("an edge has ends");
        let changes = edge.iter().any(|id| label[id] != least);
        edge.iter().for_each(|id| drop(label.insert(id.clone(), least.clone())));
        changes
    }) {}
    let of =
        |id: &PersonId| label.iter().filter(|(_, of)| **of == label[id]).map(|(id, _)| id.clone()).collect();
    label.keys().map(|id| (id.clone(), of(id))).collect()
}

fn random_act(world: &mut World, chance: &mut Chance, count: usize) {
    let (one, other) = (person(chance.below(count)), person(chance.below(count)));
    match chance.below(9) {
        0 | 1 => drop(world.act(&one, Command::Merge { other, why: word() })),
        2 => drop(world.act(&one, Command::Merge { other, why: rule(["email", "phone"][chance.below(2)]) })),
        3..=5 => {
            let known: Vec<MergeId> = world.identities[&one].merges().map(|merge| merge.id.clone()).collect();
            if !known.is_empty() {
                world.undo(&one, &known[chance.below(known.len())]);
            }
        }
        _ => drop(world.deliver(chance)),
    }
}

#[test]
fn both_ends_agree_and_customers_are_what_the_standing_merges_connect() {
    let (mut standing, mut undone, mut split) = (0, 0, 0);
    for seed in 0..2_000 {
        let mut chance = Chance(seed);
        let count = 2 + chance.below(7);
        let mut world = World::new(count);
        for _ in 0..60 {
            random_act(&mut world, &mut chance, count);
        }
        while world.deliver(&mut chance) {}
        let edges = world.standing();
        for (id, ends) in &edges {
            assert_eq!(ends.len(), 2, "seed {seed}: {id:?} stands at one end only: {ends:?}");
            assert!(!world.undone.contains(id), "seed {seed}: {id:?} stands again");
        }
        let edges: Vec<_> = edges.into_values().collect();
        let customers = world.customers();
        assert_eq!(customers, connected(world.identities.keys(), &edges), "seed {seed}");

        // The merges that are left, made by themselves in another order, give the same customers.
        let mut again = World::new(count);
        let mut left = edges.clone();
        while !left.is_empty() {
            let edge = left.swap_remove(chance.below(left.len()));
            let mut ends: Vec<_> = edge.into_iter().collect();
            ends.rotate_left(chance.below(2));
            drop(again.act(&ends[0], Command::Merge { other: ends[1].clone(), why: word() }));
            while again.deliver(&mut chance) {}
        }
        assert_eq!(again.customers(), customers, "seed {seed}: the order of merges matters");
        standing += edges.len();
        undone += world.undone.len();
        split += usize::from(customers.values().collect::<BTreeSet<_>>().len() > 1);
    }
    assert!(
        standing > 2_000 && undone > 2_000 && split > 500,
        "{standing} {undone} {split}: nothing is tested"
    );
}

#[test]
fn undoing_one_merge_leaves_the_later_ones() {
    let mut world = World::new(4);
    let mut chance = Chance(1);
    let merge = |world: &mut World, one: usize, other: usize| {
        let events = world.act(&person(one), Command::Merge { other: person(other), why: word() });
        let Some(Event::Merged { merge, .. }) = events.expect("it merges").pop() else { panic!("no merge") };
        merge.id
    };
    let first = merge(&mut world, 0, 1);
    merge(&mut world, 1, 2);
    merge(&mut world, 2, 3);
    while world.deliver(&mut chance) {}
    assert_eq!(world.gather(&person(3)).id(), "cu_vi_00");
    world.undo(&person(1), &first);
    while world.deliver(&mut chance) {}
    assert_eq!(world.gather(&person(0)).identities.len(), 1);
    assert_eq!(world.gather(&person(3)).id(), "cu_vi_01");
    assert_eq!(world.gather(&person(3)).identities.len(), 3);
    // The undone merge is still shown, with who undid it.
    let zero = world.gather(&person(0));
    assert!(matches!(zero.merges()[0].1.state, State::Undone { by: Some(_), .. }));
    assert_eq!(zero.end_of(&first), Some(&person(0)));
}

#[test]
fn nobody_sees_half_a_merge() {
    let mut world = World::new(2);
    world.act(&person(0), Command::Merge { other: person(1), why: word() }).expect("it merges");
    for n in 0..2 {
        assert_eq!(world.gather(&person(n)).identities.len(), 1, "the letter is on its way");
    }
    while world.deliver(&mut Chance(1)) {}
    for n in 0..2 {
        assert_eq!(world.gather(&person(n)).identities.len(), 2);
    }
}

#[test]
fn a_rule_does_not_make_again_what_was_undone_and_an_agent_may() {
    let mut world = World::new(2);
    let mut chance = Chance(1);
    world.act(&person(0), Command::Merge { other: person(1), why: rule("email") }).expect("it merges");
    while world.deliver(&mut chance) {}
    let id = MergeId::rule("email", &person(1), &person(0));
    world.undo(&person(1), &id);
    // Before the other end knows: its rule begins nothing new either, whoever begins it.
    for n in [0, 1, 0] {
        let begun = world.act(&person(n), Command::Merge { other: person(1 - n), why: rule("email") });
        assert_eq!(begun, Ok(Vec::new()));
        while world.deliver(&mut chance) {}
    }
    assert_eq!(world.gather(&person(0)).identities.len(), 1);
    world.act(&person(0), Command::Merge { other: person(1), why: word() }).expect("a word counts more");
    while world.deliver(&mut chance) {}
    assert_eq!(world.gather(&person(0)).identities.len(), 2);
    let again = world.act(&person(1), Command::Merge { other: person(0), why: word() });
    assert_eq!(again, Err(Code::Duplicate));
    assert_eq!(world.act(&person(1), Command::Undo { id, by: person(9) }), Err(Code::Duplicate));
    let unknown = Command::Undo { id: MergeId::given("mg_0"), by: person(9) };
    assert_eq!(world.act(&person(1), unknown), Err(Code::NotFound));
}

#[test]
fn everything_is_bounded_and_both_ends_agree_at_the_bounds() {
    let count = MERGES_MAX + 5;
    let mut world = World::new(count);
    let mut chance = Chance(7);
    for n in 1..count {
        // Begun at the other end, which has room; the middle turns down what is too much.
        world.act(&person(n), Command::Merge { other: person(0), why: word() }).expect("it has room");
        while world.deliver(&mut chance) {}
    }
    let edges = world.standing();
    assert_eq!(edges.len(), MERGES_MAX);
    assert!(edges.values().all(|ends| ends.len() == 2), "the one that was turned down is told");
    let full = world.act(&person(0), Command::Merge { other: person(count - 1), why: word() });
    assert_eq!(full, Err(Code::Conflict));
    let whole = world.gather(&person(0));
    assert_eq!((whole.identities.len(), whole.more), (IDENTITIES_MAX, true));
    // Undone ones are forgotten, oldest first; what a forgetful end begins again the other end puts right.
    for round in 0..3 {
        for n in 1..count {
            let why = rule(&format!("r{round}"));
            drop(world.act(&person(n), Command::Merge { other: person(0), why }));
            while world.deliver(&mut chance) {}
            for id in world.standing().into_keys() {
                world.undo(&person(0), &id);
            }
            while world.deliver(&mut chance) {}
        }
    }
    assert!(world.identities.values().all(|identity| identity.merges().count() <= MERGES_MAX + UNDONE_MAX));
    let begun = world.act(&person(0), Command::Merge { other: person(1), why: rule("r0") });
    assert_eq!(begun.map(|events| events.len()), Ok(1), "it has forgotten");
    while world.deliver(&mut chance) {}
    assert!(world.standing().is_empty(), "the other end has not");
}

fn signed(name: &str, value: &str) -> Fact {
    Fact { name: name.into(), value: value.into(), source: Source::Signed }
}

#[test]
fn what_was_said_merges_nobody_and_does_not_replace_what_was_signed() {
    let mut world = World::new(1);
    let said = |value: &str| Fact { source: Source::Visitor, ..signed("email", value) };
    let facts = vec![signed("email", " Ann@Shop.example "), said("boss@shop.example")];
    let events = world.act(&person(0), Command::Tell { facts: facts.clone() }).expect("it is taken in");
    let [Event::Told { keys, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(keys, &[RuleKey { name: "email".into(), value: "ann@shop.example".into() }]);
    let known: Vec<_> = world.identities[&person(0)].facts().iter().map(|(_, known)| known).collect();
    assert_eq!(
        known.iter().map(|known| &known.source).collect::<Vec<_>>(),
        [&Source::Signed, &Source::Visitor]
    );
    // Again: nothing is new, but the claim is made again.
    let again = world.act(&person(0), Command::Tell { facts }).expect("it is taken in");
    assert!(matches!(&again[..], [Event::Told { facts, keys, .. }] if facts.is_empty() && keys.len() == 1));
    assert_eq!(
        world.act(&person(0), Command::Tell { facts: vec![said("boss@shop.example")] }),
        Ok(Vec::new())
    );
    let many = (0..=ATTRIBUTES_MAX).map(|n| signed(&format!("a{n}"), "1")).collect();
    assert_eq!(world.act(&person(0), Command::Tell { facts: many }), Err(Code::BadRequest));
    for bad in [signed("", "1"), signed("a b", "1"), signed("a", ""), signed("a", &"x".repeat(257))] {
        assert_eq!(world.act(&person(0), Command::Tell { facts: vec![bad] }), Err(Code::BadRequest));
    }
}

#[test]
fn a_value_has_one_way_of_writing() {
    for (name, value, expected) in [
        ("email", "Ann@Shop.Example", Some("ann@shop.example")),
        ("email", "ann", None),
        ("email", "a b@shop.example", None),
        ("phone", "+86 (138) 0013-8000", Some("+8613800138000")),
        ("phone", "0086 138 0013 8000", Some("+8613800138000")),
        ("phone", "138 0013 8000", None),
        ("phone", "+12", None),
        ("phone", "+1 415 555 01 ext 3", None),
        ("account", " A-1 ", Some("A-1")),
        ("account", "  ", None),
    ] {
        assert_eq!(normal(name, value).as_deref(), expected, "{name} {value:?}");
    }
}

#[test]
fn names_of_customers_and_merges_survive_text() {
    assert_eq!(identity_of(&customer_id(&person(1))), Some(person(1)));
    assert_eq!(identity_of("vi_1"), None);
    assert_eq!(identity_of("cu_a/b"), None);
    assert_eq!(
        MergeId::rule("email", &person(2), &person(1)),
        MergeId::rule("email", &person(1), &person(2))
    );
}
