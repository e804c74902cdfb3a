//! Totals are an exact, commutative sum.

use expect_test::expect;

use super::*;

/// A small linear congruential generator (Knuth's MMIX constants), so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % sides
    }

    fn contribution(&mut self) -> Contribution {
        const SAID: [&str; 6] = [
            "快递太慢了",
            "发票什么时候开",
            "质量很好，谢谢",
            "the refund is late",
            "great quality",
            "屏幕碎了，要换货",
        ];
        let mut contribution = Contribution::default();
        for seq in 0..self.roll(5) {
            contribution.hear(seq as u64, 0, SAID[self.roll(SAID.len())], None);
        }
        contribution
    }
}

/// The stored form.
fn bytes(totals: &Totals) -> String {
    toml::to_string(totals).expect("totals serialise")
}

#[test]
fn any_order_of_adds_removes_and_merges_leaves_the_same_bytes() {
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let kept: Vec<_> = (0..dice.roll(12)).map(|_| dice.contribution()).collect();
        let passing: Vec<_> = (0..dice.roll(12)).map(|_| dice.contribution()).collect();
        let mut plain = Totals::default();
        kept.iter().for_each(|contribution| plain.add(contribution));

        let mut steps: Vec<_> = kept.iter().map(|contribution| (contribution, false)).collect();
        steps.extend(passing.iter().flat_map(|contribution| [(contribution, false), (contribution, true)]));
        let mut slots = [Totals::default(), Totals::default(), Totals::default()];
        while !steps.is_empty() {
            let (contribution, away) = steps.swap_remove(dice.roll(steps.len()));
            let slot = &mut slots[dice.roll(3)];
            if away { slot.remove(contribution) } else { slot.add(contribution) }
        }
        let mut merged = Totals::default();
        slots.iter().for_each(|slot| merged.merge(slot));
        assert_eq!(bytes(&merged), bytes(&plain), "seed {seed}");
        assert_eq!(toml::from_str(&bytes(&merged)), Ok(plain), "seed {seed}");
    }
}

#[test]
fn what_was_added_and_removed_leaves_no_trace() {
    let mut totals = Totals::default();
    let contribution = Dice(7).contribution();
    assert_ne!(contribution, Contribution::default());
    totals.add(&contribution);
    totals.remove(&contribution);
    totals.add(&Contribution::default());
    assert_eq!(bytes(&totals), bytes(&Totals::default()));
}

#[test]
fn the_hottest_words_come_first_in_their_colours() {
    let mut totals = Totals::default();
    for said in [
        ["快递太慢了", "发票还没开"],
        ["快递丢了", "质量很好"],
        ["快递到哪了", "质量不错，发票呢"],
        ["the courier was rude", "快递差"],
    ] {
        let mut contribution = Contribution::default();
        for (seq, text) in (0..).zip(said) {
            contribution.hear(seq, 0, text, None);
        }
        totals.add(&contribution);
    }
    let board: String = totals
        .hottest(4)
        .iter()
        .map(|heat| {
            let Heat { keyword, conversations, positive, neutral, negative, colour } = heat;
            format!(
                "{keyword}: {conversations} conversations, +{positive} ={neutral} -{negative}, {colour:?}\n"
            )
        })
        .collect();
    expect![[r#"
        快递: 4 conversations, +0 =1 -3, Red
        发票: 2 conversations, +0 =2 -0, Yellow
        质量: 2 conversations, +2 =0 -0, Green
        courier: 1 conversations, +0 =0 -1, Yellow
    "#]]
    .assert_eq(&board);
}
