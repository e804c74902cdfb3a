//! Totals of quality are an exact, commutative sum.

use super::script::{heard, sample};
use crate::quality::{Contribution, Totals};

/// A small linear congruential generator (Knuth's MMIX constants), so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % sides
    }

    /// A conversation of random lines; now and then it goes on.
    fn script(&mut self) -> String {
        const LINES: [&str; 6] = [
            "V 坏了，我要投诉",
            "A 您好",
            "A 抱歉",
            "A not my problem",
            "B 请看订单页",
            "V where is my order",
        ];
        let lines = (0..self.roll(8)).map(|n| format!("{} {}\n", n * 100, LINES[self.roll(LINES.len())]));
        let mut script: String = lines.collect();
        if self.roll(4) > 0 {
            script += "1000 close";
        }
        script
    }
}

/// The stored form.
fn bytes(totals: &Totals) -> String {
    toml::to_string(totals).expect("totals serialise")
}

#[test]
fn any_order_of_adds_removes_and_merges_leaves_the_same_bytes() {
    let card = sample();
    for seed in 0..50 {
        let mut dice = Dice(seed);
        let conversations: Vec<Contribution> = (0..12).map(|_| heard(&card, &dice.script())).collect();
        let (kept, passing) = conversations.split_at(dice.roll(12));
        let mut plain = Totals::default();
        kept.iter().for_each(|contribution| plain.add(contribution));

        let mut steps: Vec<_> = kept.iter().map(|contribution| (contribution, false)).collect();
        steps.extend(passing.iter().flat_map(|contribution| [(contribution, false), (contribution, true)]));
        let mut slots = [Totals::default(), Totals::default()];
        while !steps.is_empty() {
            let (contribution, away) = steps.swap_remove(dice.roll(steps.len()));
            let slot = &mut slots[dice.roll(2)];
            if away { slot.remove(contribution) } else { slot.add(contribution) }
        }
        let mut merged = Totals::default();
        slots.iter().for_each(|slot| merged.merge(slot));
        assert_eq!(bytes(&merged), bytes(&plain), "seed {seed}");
        assert_eq!(merged.bins.iter().sum::<i64>(), merged.scored, "seed {seed}");
    }
}

#[test]
fn a_conversation_counts_once_it_is_over() {
    let card = sample();
    let (open, closed) = (heard(&card, "0 V 您好\n1 A 您好"), heard(&card, "0 V 您好\n1 A 您好\n2 close"));
    let mut totals = Totals::default();
    totals.add(&open);
    assert_eq!(totals, Totals::default());
    totals.add(&closed);
    assert_eq!(totals.scored, 1);
    assert_eq!(totals.rules["greets"].passed, 1);
}
