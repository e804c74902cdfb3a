//! Letters over a link: the figures of the program `link`, which has both of its ends in processes of their own.

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::Bench;

/// Memory that a sender may gain while its peer stands still, MiB.
pub(crate) const MIB_MAX: f64 = 64.0;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let rounds = bench.rounds().to_string();
    let letters = bench.either("1000000", "100000");
    let table = output(bench, &["--rounds", &rounds, "--letters", letters, "--asks", "5000"]).await?;
    let (tcp, link) = (columns(&table, "raw TCP")?, columns(&table, "link")?);
    bench.say(&format!("link: {:.0} letters/s one way, {:.2} us each at both ends", link[0], link[1]));
    let report = &mut bench.report;
    report.row(
        "letters of 256 B one way over a link, per second; over TCP",
        format!("{:.0} and {:.0}", link[0], tcp[0]),
        None,
    );
    report.row(
        "CPU of a letter over a link at both ends, us; over TCP",
        format!("{:.2} and {:.2}", link[1], tcp[1]),
        None,
    );
    report.figure("link_letters_per_s", link[0]);
    report.figure("link_cpu_us_per_letter", link[1]);
    report.figure("link_cpu_over_tcp", link[1] / tcp[1]);
    let seconds = bench.either("60", "5");
    let said = output(bench, &["--stopped", seconds]).await?;
    let mib = |line: &str| -> Result<f64> {
        let found = said.lines().find_map(|said| said.strip_prefix(line)?.split_whitespace().next());
        found.with_context(|| format!("the program link did not say {line:?}"))?.parse().context("a number")
    };
    let grown = mib("at its end ")? - mib("before ")?;
    bench.report.row(
        "memory that a link's sender gains, peer stopped for 60 s, MiB",
        format!("{grown:.1}"),
        Some((grown, MIB_MAX)),
    );
    bench.report.figure("link_stopped_mib", grown);
    Ok(())
}

async fn output(bench: &Bench, arguments: &[&str]) -> Result<String> {
    let output = Command::new(&bench.link).args(arguments).kill_on_drop(true).output().await?;
    ensure!(output.status.success(), "link failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The numbers of a row of its table.
fn columns(table: &str, name: &str) -> Result<Vec<f64>> {
    let row = table.lines().find_map(|line| line.strip_prefix(&format!("| {name} |")));
    let cells = row.with_context(|| format!("the program link printed no row {name:?}"))?.split('|');
    let numbers: Vec<f64> = cells.filter_map(|cell| cell.trim().parse().ok()).collect();
    ensure!(numbers.len() == 4, "the row {name:?} has {} numbers", numbers.len());
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_by_its_name() {
        let table =
            "| one way | letters/s |\n|---|---|\n| raw TCP | 1 | 2.5 | 3 | 4 |\n| link | 5 | 6 | 7 | 8 |\n";
        assert_eq!(columns(table, "link").expect("it is there"), [5.0, 6.0, 7.0, 8.0]);
        assert!(columns(table, "link, TLS").is_err());
    }
}
