//! The figures: a table for people, a file for programs.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use conversa_benches::procstat;
use serde_json::{Map, Value, json};

use crate::Bench;

/// What was measured until now.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    figures: Map<String, Value>,
    skipped: Vec<String>,
}

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) what: &'static str,
    /// The yardstick's figure.
    pub(crate) yardstick: String,
    /// Conversa's figure.
    pub(crate) conversa: String,
    /// What is judged, where there is a limit.
    pub(crate) judged: Option<Judged>,
}

/// A figure with its limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged {
    pub(crate) value: f64,
    pub(crate) max: f64,
    pub(crate) decimals: usize,
}

impl Report {
    pub(crate) fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// A figure for programs.
    pub(crate) fn figure(&mut self, name: &str, value: impl Into<Value>) {
        self.figures.insert(name.to_owned(), value.into());
    }

    /// Something that could not be measured here, and why.
    pub(crate) fn skip(&mut self, why: String) {
        self.skipped.push(why);
    }

    pub(crate) fn table(&self) -> String {
        let mut table = format!("\n{:<44}{:>16}{:>16}{:>10}{:>10}\n", "", "floor", "conversa", "", "at most");
        for Row { what, yardstick, conversa, judged } in &self.rows {
            let (value, max, over) = match judged {
                Some(Judged { value, max, decimals }) => (
                    format!("{value:.decimals$}"),
                    format!("{max:.decimals$}"),
                    if value > max { "  over" } else { "" },
                ),
                None => Default::default(),
            };
            writeln!(table, "{what:<44}{yardstick:>16}{conversa:>16}{value:>10}{max:>10}{over}")
                .expect("a string takes text");
        }
        for why in &self.skipped {
            writeln!(table, "not measured: {why}").expect("a string takes text");
        }
        table
    }

    pub(crate) fn write(&self, file: &Path, bench: &Bench, failure: Option<&anyhow::Error>) -> Result<()> {
        let mut figures = self.figures.clone();
        figures.insert("rounds".into(), bench.rounds().into());
        figures.insert("quick".into(), bench.args.quick.into());
        figures.insert("encoding".into(), if bench.args.msgpack { "msgpack" } else { "json" }.into());
        figures.insert("faults".into(), serde_json::to_value(bench.faults)?);
        figures.insert("void".into(), (!bench.faults.none()).into());
        figures.insert("skipped".into(), self.skipped.clone().into());
        figures.insert("failure".into(), failure.map(|failure| format!("{failure:#}")).into());
        figures.insert(
            "machine".into(),
            json!({ "processor": processor(), "load_average": procstat::load_average() }),
        );
        let text = serde_json::to_string_pretty(&figures)?;
        std::fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))
    }
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(String::new, |(_, name)| name.trim().to_owned())
}

/// A number as people read it: 12345 -> 12,345.
pub(crate) fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) && digit.is_ascii_digit() {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_limits_shown() {
        assert_eq!(
            [whole(7.4), whole(999.0), whole(1_000.0), whole(1_234_567.0)],
            ["7", "999", "1,000", "1,234,567"]
        );
        let mut report = Report::default();
        let judged = Some(Judged { value: 3.0, max: 2.5, decimals: 2 });
        report.row(Row { what: "x", yardstick: "1".into(), conversa: "3".into(), judged });
        assert!(report.table().contains("3.00      2.50  over"), "{}", report.table());
    }
}
