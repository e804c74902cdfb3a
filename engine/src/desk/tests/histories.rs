//! Random histories: whatever happens, capacity holds, a conversation is in exactly one place with at most one offer, and nobody waits
//! while a free agent who matches could take it.

use std::collections::BTreeMap;

use super::chance::Chance;
use super::world::{World, queue_id};
use crate::conversation::{
    Asker, Author, AuthorKind, Closer, Command, DeskCommand, Handover, Opening, Person, Phase, QueueReason,
    Stage, Target,
};
use crate::desk::{AgentCommand, AgentPolicy, Choice, Part, Presence, QueueCommand, Ring, Skills, WhenGone};
use crate::ids::{ConversationId, OfferId, PersonId, SkillId};
use crate::refusal::Code;
use crate::time::Time;

const SEEDS: u64 = 10_000;
const STEPS: usize = 200;

fn skills(chance: &mut Chance) -> Skills {
    let mut skills = Skills::new();
    for name in ["returns", "en"] {
        let level = chance.below(5);
        if level > 0 {
            skills.insert(SkillId::new(name), u8::try_from(2 * level).expect("it is small"));
        }
    }
    skills
}

fn new_world(chance: &mut Chance, people: &[PersonId], conversations: &[ConversationId]) -> World {
    let mut world = World::default();
    world.now = 1;
    world.queue_policy.offer_ms = 5_000;
    world.queue_policy.choice =
        [Choice::LongestIdle, Choice::LeastLoaded, Choice::RoundRobin][chance.below(3)];
    world.queue_policy.auto_accept = chance.below(8) == 0;
    world.queue_policy.rings = vec![Ring { after_ms: 4_000, relax: 3 }, Ring { after_ms: 9_000, relax: 5 }];
    world.queue_policy.wrap.wrap_ms = [0, 3_000][chance.below(2)];
    let when_gone = [WhenGone::Requeue, WhenGone::Keep][chance.below(2)];
    for person in people {
        let policy = AgentPolicy {
            misses_max: u8::try_from(2 * chance.below(2)).expect("it is small"),
            when_gone,
            keep_ms: 8_000,
            serves: vec![queue_id()],
            ..AgentPolicy::default()
        };
        world.agent_policy.insert(person.clone(), policy);
        world.skills.insert(person.clone(), skills(chance));
    }
    let anybody = chance.below(2) == 0;
    for (conversation, n) in conversations.iter().zip(0..) {
        let needs = if anybody { Skills::new() } else { skills(chance) };
        world.needs.insert(*conversation, (needs, 1 + u16::from(chance.below(4) == 0)));
        let visitor = Person { id: PersonId::new(format!("vi_{n}")), name: String::new() };
        let opening = Opening {
            visitor,
            channel: "web".into(),
            language: "en".into(),
            queue: queue_id(),
            bot: Some(crate::ids::BotId::new("bot")),
            at: world.time(),
        };
        world.conversation_does(*conversation, Command::Open(opening)).expect("it opens");
    }
    world
}

/// An agent, perhaps not the one who was asked, takes an offer, perhaps one of long ago. Exactly one may have it.
fn race(world: &mut World, chance: &mut Chance, people: &[PersonId], old: &[(ConversationId, OfferId)]) {
    let Some((id, offer)) = chance.pick(old).cloned() else { return };
    let standing = world.offer_of(id);
    for agent in people {
        if chance.below(2) == 0 {
            continue;
        }
        let before = world.conversations[&id].phase().clone();
        let mine =
            standing.as_ref().is_some_and(|standing| standing.id == offer && standing.agent.id == *agent);
        match world.accept(id, agent, &offer) {
            Ok(()) => {
                assert!(mine && matches!(before, Phase::Offered(..)), "{agent} took what another was offered")
            }
            Err(code) => match before {
                Phase::Assigned { agent: holder, .. } if holder.id == *agent => {
                    assert!(matches!(code, Code::Duplicate | Code::AlreadyTaken), "{code:?}")
                }
                Phase::Assigned { agent: holder, .. } => {
                    assert_eq!(code, Code::AlreadyTaken);
                    let refusal = world.accepts(id, agent, &offer).expect_err("it is taken");
                    let who = holder.id.as_str();
                    assert!(refusal.detail.contains(who), "{refusal} does not name {who}");
                }
                Phase::Offered(..) => assert!(matches!(code, Code::AlreadyTaken | Code::Gone), "{code:?}"),
                Phase::Unopened | Phase::Bot | Phase::Queued(_) | Phase::Closed { .. } => {
                    assert_eq!(code, Code::Gone)
                }
            },
        }
    }
}

fn step(
    world: &mut World,
    chance: &mut Chance,
    people: &[PersonId],
    conversations: &[ConversationId],
    old: &mut Vec<(ConversationId, OfferId)>,
) {
    world.now += i64::try_from(chance.below(900)).expect("it is small");
    let person = &people[chance.below(people.len())];
    let id = conversations[chance.below(conversations.len())];
    match chance.below(20) {
        0 | 1 => {
            let by = Author { kind: AuthorKind::Bot, id: PersonId::new("bot"), name: String::new() };
            drop(world.conversation_does(id, Command::AskHuman { by, reason: QueueReason::Asked }));
        }
        2 => world.presence(person, Presence::Online, 2 + u16::from(chance.below(3) == 0)),
        3 => {
            let set = AgentCommand::SetPresence { presence: Presence::Away, capacity: None, reason: None };
            world.agent_does(person, set);
        }
        4 if chance.below(4) == 0 => world.agent_does(person, AgentCommand::Gone),
        5 => race(world, chance, people, old),
        6 => {
            if let Some(offer) = world.offer_of(id) {
                let _ = world.accept(id, &offer.agent.id, &offer.id);
            }
        }
        7 => {
            if let Some(offer) = world.offer_of(id) {
                let decline = Command::Decline { agent: offer.agent.id, offer: offer.id };
                world.conversation_does(id, decline).expect("it stands");
            }
        }
        8 if chance.below(4) == 0 => {
            let close = Command::Close { by: Closer::System, person: None, reason: String::new() };
            drop(world.conversation_does(id, close));
        }
        9 => {
            let paused = chance.below(3) == 0;
            if paused != world.queue.paused() {
                world.queue_does(QueueCommand::Pause { paused, by: PersonId::new("su_1") });
            }
        }
        10 => world.tick(),
        11 => {
            let to = [Target::Queue(queue_id()), Target::Bot][chance.below(2)].clone();
            let (summary, slots) = (String::new(), BTreeMap::new());
            let transfer = DeskCommand::Transfer { to, summary, slots };
            let Phase::Assigned { agent, .. } = world.conversations[&id].phase() else { return };
            let by = Asker { person: agent.clone(), part: Part::Agent };
            world.conversation_does(id, Command::Desk { by, command: transfer }).expect("it is held");
        }
        12 if chance.below(2) == 0 => {
            let Some(agent) = world.conversations[&id].wrap().map(|wrap| wrap.agent.clone()) else { return };
            let by = Asker { person: Person { name: agent.to_string(), id: agent }, part: Part::Agent };
            let command = DeskCommand::Wrap { disposition: "solved".into(), tags: Vec::new() };
            world.conversation_does(id, Command::Desk { by, command }).expect("it is open");
        }
        12 => {
            let visitor = world.conversations[&id].opening().expect("it is open").visitor.clone();
            let by = Asker { person: visitor, part: Part::Visitor };
            drop(world.conversation_does(id, Command::Desk { by, command: DeskCommand::LeaveQueue }));
        }
        13 | 14 => hand_over(world, chance, id, person),
        15 | 16 => {
            // The one who is asked takes a handover, or does not.
            let pending = |id: &&ConversationId| world.conversations[*id].second().is_some();
            let Some(id) = conversations.iter().find(pending).copied() else { return };
            let Some(handover) = world.conversations[&id].handover() else { return };
            let (agent, offer) = (handover.ask.to.id.clone(), handover.ask.offer.clone());
            if chance.below(6) == 0 {
                drop(world.conversation_does(id, Command::Decline { agent, offer }));
            } else {
                let _ = world.accept(id, &agent, &offer);
            }
        }
        _ => {
            for _ in 0..3 {
                world.deliver(chance);
            }
        }
    }
    old.extend(world.offer_of(id).map(|offer| (id, offer.id)));
}

/// The holder gives it to another, asks another in, or ends that; or a supervisor does as it likes.
fn hand_over(world: &mut World, chance: &mut Chance, id: ConversationId, person: &PersonId) {
    let (to, summary) = (Person { id: person.clone(), name: person.to_string() }, String::new());
    let slots = BTreeMap::new();
    let held = |id: &ConversationId| matches!(world.conversations[id].phase(), Phase::Assigned { .. });
    let all: Vec<ConversationId> = world.conversations.keys().copied().filter(held).collect();
    let id = chance.pick(&all).copied().unwrap_or(id);
    let holder = match world.conversations[&id].phase() {
        Phase::Assigned { agent, .. } => Some(agent.clone()),
        Phase::Unopened | Phase::Bot | Phase::Queued(_) | Phase::Offered(..) | Phase::Closed { .. } => None,
    };
    let supervisor = Asker { person: to.clone(), part: Part::Supervisor };
    let (by, command) = match (chance.below(48), holder) {
        (0, _) => (supervisor, DeskCommand::TakeOver),
        (1, _) => (supervisor, DeskCommand::ForceAssign { to, summary }),
        (2..16, Some(person)) => {
            let by = Asker { person, part: Part::Agent };
            (by, DeskCommand::Transfer { to: Target::Agent(to), summary, slots })
        }
        (16..36, Some(person)) => {
            (Asker { person, part: Part::Agent }, DeskCommand::Consult { to, summary, slots })
        }
        (36..46, Some(person)) => (Asker { person, part: Part::Agent }, DeskCommand::Complete),
        (46.., Some(person)) => (Asker { person, part: Part::Agent }, DeskCommand::Withdraw),
        (_, None) => return,
    };
    let before = world.conversations[&id].controller();
    let done = world.conversation_does(id, Command::Desk { by, command });
    if let Err(refusal) = done {
        let known = matches!(
            refusal.code,
            Code::Conflict | Code::Duplicate | Code::Gone | Code::ConversationClosed | Code::NotAssigned
        );
        assert!(known, "{refusal}");
        assert_eq!(before, world.conversations[&id].controller(), "a refusal changes nothing");
    }
}

/// Everything arrives, every time of avoidance and every ring passes, nothing is paused.
fn settle(world: &mut World, chance: &mut Chance) {
    if world.queue.paused() {
        world.queue_does(QueueCommand::Pause { paused: false, by: PersonId::new("su_1") });
    }
    // Every offer is taken; agents live on.
    for _ in 0..60 {
        world.deliver_all(chance);
        for id in world.conversations.keys().copied().collect::<Vec<_>>() {
            if let Some(offer) = world.offer_of(id) {
                // One that has run out meanwhile ends at the next tick.
                let _ = world.accept(id, &offer.agent.id, &offer.id);
            }
        }
        world.now += 1_000;
        world.tick();
        for agent in world.agents.keys().cloned().collect::<Vec<_>>() {
            world.agent_does(&agent, AgentCommand::Renew);
        }
    }
    world.deliver_all(chance);
}

fn check(seed: u64, world: &World) {
    let mut places: BTreeMap<ConversationId, Vec<(&PersonId, &OfferId)>> = BTreeMap::new();
    for (id, agent) in &world.agents {
        for (conversation, place) in agent.places() {
            places.entry(*conversation).or_default().push((id, &place.offer));
        }
    }
    let mut waiting = 0;
    for (id, conversation) in &world.conversations {
        let held = places.remove(id).unwrap_or_default();
        let mut expected: Vec<(&PersonId, &OfferId)> = match conversation.phase() {
            Phase::Offered(_, offer) => vec![(&offer.agent.id, &offer.id)],
            Phase::Assigned { agent, offer, .. } => vec![(&agent.id, offer)],
            Phase::Unopened | Phase::Bot | Phase::Queued(_) | Phase::Closed { .. } => Vec::new(),
        };
        // Whoever was asked has answered, or the time was over; a consultant has a place of its own.
        if let Some(Handover { ask, stage }) = conversation.handover() {
            assert!(matches!(stage, Stage::Joined { .. }), "seed {seed}: {id}: {ask:?} is still {stage:?}");
            expected.push((&ask.to.id, &ask.offer));
            expected.sort();
        }
        assert_eq!(held, expected, "seed {seed}: {id} is {:?}", conversation.phase());
        waiting += usize::from(matches!(conversation.phase(), Phase::Queued(_) | Phase::Offered(..)));
        if let Phase::Queued(wait) = conversation.phase() {
            let last = world.queue_policy.rings.last().expect("there are rings");
            let needs = last.relaxed(&wait.needs);
            let free = world.agents.iter().find(|(agent, state)| {
                let own = &world.skills[*agent];
                state.free() >= wait.weight
                    && needs.iter().all(|(skill, level)| own.get(skill).is_some_and(|own| own >= level))
            });
            assert!(free.is_none(), "seed {seed}: {id} waits while {free:?} is free: {:?}", world.queue);
        }
    }
    assert!(places.is_empty(), "seed {seed}: places without a conversation: {places:?}");
    assert_eq!(
        world.queue.waiting(),
        waiting,
        "seed {seed}: somebody is in no queue, or in one without waiting"
    );
}

fn run(seed: u64) -> Vec<String> {
    let mut chance = Chance(seed);
    let people: Vec<PersonId> = ["ag_a", "ag_b", "ag_c"].map(PersonId::new).to_vec();
    let conversations: Vec<ConversationId> =
        (0..6).map(|n| ConversationId::new(Time::from_ms(n), 1, n.unsigned_abs())).collect();
    let mut world = new_world(&mut chance, &people, &conversations);
    let mut old = Vec::new();
    for _ in 0..STEPS {
        step(&mut world, &mut chance, &people, &conversations, &mut old);
    }
    settle(&mut world, &mut chance);
    check(seed, &world);
    world.story
}

#[test]
fn whatever_happens_capacity_holds_and_nobody_waits_beside_a_free_agent() {
    let (mut assigned, mut handed) = (0, BTreeMap::new());
    for story in (0..SEEDS).map(run) {
        assigned += story.iter().filter(|line| line.ends_with("has it")).count();
        for line in &story {
            if let Some((_, kind)) = line.split_once(" takes it by ") {
                *handed.entry(kind.to_owned()).or_insert(0) += 1;
            }
        }
    }
    assert!(assigned > 10_000, "only {assigned} assignments: the histories are empty");
    let often = ["transfer", "consult", "force_assign", "take_over"].map(|kind| handed.get(kind).copied());
    assert!(often.iter().all(|count| count.is_some_and(|count: u32| count > 300)), "{handed:?}");
}
