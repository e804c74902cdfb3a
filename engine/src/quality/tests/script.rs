//! Conversations written as lines, and scores written as text.

use crate::quality::{Contribution, Medium, Moment, Role, Score, ScoreCard, Verdict, What};

pub(super) const SAMPLE: &str = include_str!("../../../../gateway/sample/scorecard.toml");

pub(super) fn sample() -> ScoreCard {
    ScoreCard::parse(SAMPLE).expect("the sample card is sound")
}

/// The moments of a script: one a line, `seconds what`, where what is `open`, `queue`, `assign`, `close`, `reopen`, or
/// `V`, `A`, `B`, `S` (visitor, agent, bot, system) and their words; `V:` shows rather than writes. Line 1 is seq 1.
pub(super) fn moments(script: &str) -> Vec<Moment<'_>> {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.zip(1..).map(|(line, seq)| moment(line, seq)).collect()
}

fn moment(line: &str, seq: u64) -> Moment<'_> {
    let (seconds, what) = line.split_once(' ').expect("a line has a time");
    let said = |role, text| What::Said { role, text, medium: Medium::Text, understanding: None };
    let what = match what.split_once(' ').unwrap_or((what, "")) {
        ("open", _) => What::Opened { channel: "web" },
        ("queue", _) => What::Queued,
        ("assign", _) => What::Assigned,
        ("close", _) => What::Closed,
        ("reopen", _) => What::Reopened,
        ("V", text) => said(Role::Visitor, text),
        ("A", text) => said(Role::Agent, text),
        ("B", text) => said(Role::Bot, text),
        ("S", text) => said(Role::System, text),
        ("V:", text) => What::Said { role: Role::Visitor, text, medium: Medium::Other, understanding: None },
        (other, _) => panic!("{other} is no moment"),
    };
    Moment { seq, ts: seconds.parse::<i64>().expect("the time is a number") * 1_000, what }
}

pub(super) fn heard(card: &ScoreCard, script: &str) -> Contribution {
    let mut contribution = Contribution::default();
    moments(script).iter().for_each(|moment| contribution.hear(card, moment));
    contribution
}

/// A score as text: what applies, with its evidence.
pub(super) fn told(score: &Score) -> String {
    let mut text = format!("{} points{}\n", score.points, if score.fatal { ", fatal" } else { "" });
    for item in score.items.iter().filter(|item| item.verdict != Verdict::NotApplicable) {
        let mark = if item.verdict == Verdict::Pass { '+' } else { '-' };
        text += &format!("{mark} {} {}/{}\n", item.rule, item.points, item.max);
        for evidence in &item.evidence {
            text += &format!("    {} {}s {}\n", evidence.seq, evidence.ts / 1_000, evidence.text);
        }
    }
    text
}
