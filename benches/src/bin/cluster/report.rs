//! The figures: a table for people, a file for programs.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use conversa_benches::procstat;
use serde_json::{Map, Value};

use crate::Bench;

/// What was measured until now.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Line>,
    figures: Map<String, Value>,
}

#[derive(Debug)]
struct Line {
    what: &'static str,
    shown: String,
    /// A figure and the most that it may be.
    judged: Option<(f64, f64)>,
}

impl Report {
    /// A line of the table; `judged` is a figure and the most that it may be.
    pub(crate) fn row(&mut self, what: &'static str, shown: String, judged: Option<(f64, f64)>) {
        self.rows.push(Line { what, shown, judged });
    }

    /// A figure for programs.
    pub(crate) fn figure(&mut self, name: &str, value: f64) {
        self.figures.insert(name.to_owned(), ((value * 1e4).round() / 1e4).into());
    }

    pub(crate) fn table(&self) -> String {
        let mut table = format!("\n{:<58}{:>34}{:>10}{:>10}\n", "", "", "", "at most");
        for Line { what, shown, judged } in &self.rows {
            let judged = judged.map_or(String::new(), |(value, most)| {
                format!("{value:>10.2}{most:>10.2}{}", if value > most { "  over" } else { "" })
            });
            writeln!(table, "{what:<58}{shown:>34}{judged}").expect("a string takes text");
        }
        table
    }

    pub(crate) fn write(&self, file: &Path, bench: &Bench, failure: Option<&anyhow::Error>) -> Result<()> {
        let mut figures = self.figures.clone();
        figures.insert("rounds".into(), bench.rounds().into());
        figures.insert("quick".into(), bench.args.quick.into());
        figures.insert("faults".into(), serde_json::to_value(bench.faults)?);
        figures.insert("failure".into(), failure.map(|failure| format!("{failure:#}")).into());
        figures.insert("load_average".into(), procstat::load_average().into());
        let text = serde_json::to_string_pretty(&figures)?;
        std::fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_its_limit_is_marked() {
        let mut report = Report::default();
        report.row("x", "1 and 3".into(), Some((3.0, 2.0)));
        report.row("y", "1 and 1".into(), Some((1.0, 2.0)));
        let table = report.table();
        assert!(table.contains("3.00      2.00  over") && !table.contains("1.00      2.00  over"), "{table}");
    }
}
