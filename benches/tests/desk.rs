//! Work per command, however many wait. The bound is far above what it takes, so that a busy machine does not fail it, and far below
//! what a scan of all that wait would take.

use conversa_benches::clock::now_ns;
use conversa_engine::conversation::Wait;
use conversa_engine::desk::{Queue, QueueCommand, QueueEvent, QueuePolicy, Ring, Skills};
use conversa_engine::ids::{ConversationId, PersonId, QueueId, SkillId};
use conversa_engine::time::Time;

const WAITING: u64 = 10_000;
const AGENTS: u64 = 500;

/// Numbers that look random; the constants are those of Knuth's MMIX generator.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn skills(chance: &mut Chance) -> Skills {
    let mut skills = Skills::new();
    for name in ["returns", "billing", "en", "zh"] {
        let level = chance.below(11);
        if level > 0 {
            skills.insert(SkillId::new(name), u8::try_from(level).expect("it is small"));
        }
    }
    skills
}

#[test]
fn with_ten_thousand_waiting_and_five_hundred_agents_the_slowest_percent_takes_less_than_20_ms() {
    let mut chance = Chance(1);
    let mut queue = Queue::default();
    let rings = vec![Ring { after_ms: 30_000, relax: 3 }, Ring { after_ms: 60_000, relax: 10 }];
    let policy = QueuePolicy { rings, ..QueuePolicy::default() };
    let mut taken: Vec<u64> = Vec::new();
    let mut run = |queue: &mut Queue, now: i64, command: QueueCommand| {
        let begin = now_ns();
        let events = queue.decide(Time::from_ms(now), &policy, command).expect("within the bound");
        events.iter().for_each(|event| queue.apply(event));
        let due = queue.due();
        taken.push((now_ns() - begin) / 1_000);
        (events, due)
    };
    for n in 0..WAITING {
        let at = i64::try_from(n).expect("it is small");
        let mut wait = Wait::new(QueueId::new("q"), Time::from_ms(at), 0);
        wait.needs = if n % 4 == 0 { Skills::new() } else { skills(&mut chance) };
        run(
            &mut queue,
            at,
            QueueCommand::Enqueue { conversation: ConversationId::new(Time::from_ms(at), 1, n), wait },
        );
    }
    let mut served = 0_u64;
    for round in 0..4 {
        for n in 0..AGENTS {
            let now = 20_000 + round * 15_000;
            let agent = PersonId::new(format!("ag_{n}"));
            let own = skills(&mut Chance(n));
            let free = if round % 2 == 0 { 3 } else { 1 };
            let idle_since = Time::from_ms(now);
            let seen = QueueCommand::AgentSeen { agent, free, idle_since, taken: 0, skills: own };
            let (events, _) = run(&mut queue, now, seen);
            for event in events {
                let QueueEvent::PlaceAsked(ask) = event else { continue };
                served += 1;
                let (conversation, offer, agent) = (ask.conversation, ask.offer, ask.agent);
                run(&mut queue, now, QueueCommand::Granted { conversation, offer, agent });
                run(&mut queue, now, QueueCommand::Leave { conversation, served: true });
            }
            while let (Some((at, command)), true) = (queue.due(), n % 50 == 0) {
                if at.ms() > now {
                    break;
                }
                run(&mut queue, now, command);
            }
        }
    }
    assert!(served > 2_000, "only {served} were served");
    taken.sort_unstable();
    let p99 = taken[taken.len() * 99 / 100];
    println!("{} commands: median {} us, 99 of 100 within {p99} us", taken.len(), taken[taken.len() / 2]);
    assert!(p99 < 20_000, "{p99} us");
}
