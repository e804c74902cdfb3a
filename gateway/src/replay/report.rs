//! The report of a replay: for people as a table, for programs as JSON.

use std::fmt;

use serde::Serialize;

use super::boards::{Boards, Worst};
use super::checker::Counts;

/// Findings and failures that are printed; all are in the JSON.
const SHOWN: usize = 20;
const BAR_CHARS: u64 = 40;

/// What a replay came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Sessions played.
    pub sessions: usize,
    /// Of these not to their end.
    pub failed: usize,
    /// Turns to be played.
    pub turns: usize,
    /// The checker's counts.
    #[serde(flatten)]
    pub counts: Counts,
    /// From the first connection to the last session's end, seconds.
    pub seconds: f64,
    /// How often the node was killed.
    pub kills: usize,
    /// How often it was to be killed.
    pub kills_wanted: usize,
    /// The seed of this run.
    pub seed: u64,
    /// Connections that were lost and taken up again.
    pub resumed: u64,
    /// Messages whose first acknowledgement was lost: sent again, and recognised by the server.
    pub repeated: u64,
    /// What the checker found, one sentence each.
    pub findings: Vec<String>,
    /// What the watchers made of it.
    #[serde(flatten)]
    pub boards: Boards,
    /// Why there are no boards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boards_missing: Option<String>,
}

impl Report {
    /// True when every session was played to its end and the checker found nothing: the exit code is 0 then, else 1.
    #[must_use]
    pub fn clean(&self) -> bool {
        let Counts { lost, doubled, out_of_order, altered, .. } = self.counts;
        self.failed == 0
            && [lost, doubled, out_of_order, altered] == [0; 4]
            && self.kills == self.kills_wanted
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { sent, acknowledged, lost, doubled, out_of_order, altered } = self.counts;
        let per_s = self.turns as f64 / self.seconds.max(0.001);
        writeln!(f, "{:<14}{:>8}", "sessions", self.sessions)?;
        writeln!(f, "{:<14}{:>8}", "turns", self.turns)?;
        writeln!(f, "{:<14}{:>8.1}   {per_s:.0} turns per second", "seconds", self.seconds)?;
        let (resumed, repeated) = (self.resumed, self.repeated);
        writeln!(
            f,
            "{:<14}{:>8}   seed {}, {resumed} sockets resumed, {repeated} messages repeated",
            "kills", self.kills, self.seed
        )?;
        writeln!(f)?;
        for (name, count) in [("sent", sent), ("acknowledged", acknowledged)] {
            writeln!(f, "{name:<14}{count:>8}")?;
        }
        for (name, count) in
            [("lost", lost), ("doubled", doubled), ("out of order", out_of_order), ("altered", altered)]
        {
            writeln!(f, "{name:<14}{count:>8}{}", if count == 0 { "" } else { "   <-- must be 0" })?;
        }
        self.findings(f)?;
        if self.kills < self.kills_wanted {
            writeln!(
                f,
                "\nkilled {} times of {}: the replay was over before",
                self.kills, self.kills_wanted
            )?;
        }
        match &self.boards_missing {
            Some(why) => writeln!(f, "\nno boards: {why}"),
            None => self.boards(f),
        }
    }
}

impl Report {
    fn findings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.findings.is_empty() {
            writeln!(f)?;
        }
        for finding in self.findings.iter().take(SHOWN) {
            writeln!(f, "  {finding}")?;
        }
        if self.findings.len() > SHOWN {
            writeln!(f, "  … and {} more; --report FILE has them all", self.findings.len() - SHOWN)?;
        }
        Ok(())
    }

    fn boards(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nhottest keywords")?;
        writeln!(
            f,
            "{:>6}{:>15}{:>10}{:>9}{:>10}  {:<8}keyword",
            "heat", "conversations", "positive", "neutral", "negative", "mood"
        )?;
        for word in &self.boards.keywords {
            writeln!(
                f,
                "{:>6.2}{:>15}{:>10}{:>9}{:>10}  {:<8}{}",
                word.heat,
                word.conversations,
                word.positive,
                word.neutral,
                word.negative,
                word.sentiment,
                word.keyword
            )?;
        }
        let quality = &self.boards.quality;
        let mean = quality.mean.map_or_else(|| "none".to_owned(), |mean| format!("{mean:.1}"));
        writeln!(f, "\nquality scores: {} conversations, mean {mean}", quality.scored)?;
        let highest = quality.distribution.iter().map(|bin| bin.count).max().unwrap_or_default().max(1);
        for bin in &quality.distribution {
            let length = usize::try_from((bin.count * BAR_CHARS).div_ceil(highest)).expect("at most 40");
            let line = format!("{:>3} to {:>3}{:>8}  {}", bin.from, bin.to, bin.count, "#".repeat(length));
            writeln!(f, "{}", line.trim_end())?;
        }
        writeln!(f, "\nworst sessions")?;
        self.boards.worst.iter().try_for_each(|worst| write_worst(f, worst))
    }
}

fn write_worst(f: &mut fmt::Formatter<'_>, worst: &Worst) -> fmt::Result {
    let session = worst.session.as_deref().unwrap_or("of another run");
    writeln!(f, "{:>6.1}  {session}  {}{}", worst.score, worst.cv, if worst.fatal { "  fatal" } else { "" })?;
    for evidence in &worst.evidence {
        let title = evidence.title["zh"].as_str().unwrap_or(&evidence.rule);
        writeln!(f, "        {title} ({})", evidence.rule)?;
        for message in &evidence.messages {
            writeln!(f, "          {message}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::boards::{Bin, Keyword, Quality};
    use super::*;

    fn report() -> Report {
        let keyword = Keyword {
            keyword: "发票".into(),
            conversations: 9,
            positive: 1,
            neutral: 5,
            negative: 3,
            sentiment: "yellow".into(),
            heat: 0.5,
        };
        let quality =
            Quality { scored: 1, mean: Some(80.0), distribution: vec![Bin { from: 80, to: 90, count: 1 }] };
        Report {
            sessions: 1,
            failed: 0,
            turns: 6,
            counts: Counts { sent: 6, acknowledged: 6, ..Counts::default() },
            seconds: 2.0,
            kills: 0,
            kills_wanted: 0,
            seed: 1,
            resumed: 0,
            repeated: 0,
            findings: Vec::new(),
            boards: Boards { keywords: vec![keyword], quality, worst: Vec::new() },
            boards_missing: None,
        }
    }

    #[test]
    fn any_count_that_is_not_zero_makes_the_exit_code_1() {
        assert!(report().clean());
        let spoil: [fn(&mut Report); 6] = [
            |report| report.counts.lost = 1,
            |report| report.counts.doubled = 1,
            |report| report.counts.out_of_order = 1,
            |report| report.counts.altered = 1,
            |report| report.failed = 1,
            |report| report.kills_wanted = 1,
        ];
        for spoil in spoil {
            let mut report = report();
            spoil(&mut report);
            assert!(!report.clean(), "{report}");
        }
    }

    #[test]
    fn programs_find_the_counts_at_the_top_and_people_find_everything() {
        let json = serde_json::to_value(report()).expect("a report is representable");
        for field in [
            "sessions",
            "turns",
            "acknowledged",
            "lost",
            "doubled",
            "out_of_order",
            "altered",
            "seconds",
            "kills",
        ] {
            assert!(json[field].is_number(), "{field} in {json}");
        }
        assert_eq!(
            (&json["keywords"][0]["keyword"], &json["quality"]["mean"]),
            (&"发票".into(), &80.0.into())
        );
        let text = report().to_string();
        assert!(text.contains("yellow  发票") && text.contains(" 80 to  90       1  ####"), "{text}");
    }
}
