//! What a process costs, read from /proc: CPU time and memory.

use std::fs;

/// Ticks per second of /proc's times: `USER_HZ`, 100 on every Linux.
const TICKS_PER_S: f64 = 100.0;

/// A process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// User and system time since it started, seconds. The kernel keeps the sum exactly and shows it in steps of 10 ms.
    pub cpu_s: f64,
    /// Proportional set size, bytes.
    pub pss_bytes: u64,
    /// The most that was ever resident, bytes.
    pub peak_bytes: u64,
    /// Threads now.
    pub threads: u64,
}

/// CPU time alone: cheap enough to ask often.
#[must_use]
pub fn cpu_s(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The command's name may hold spaces and brackets: fields are counted after the last bracket.
    let Some((_, fields)) = text.rsplit_once(')') else { return 0.0 };
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS_PER_S
}

/// All of it; reading the memory takes milliseconds from the process.
#[must_use]
pub fn sample(pid: u32) -> Sample {
    let memory = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    Sample {
        cpu_s: cpu_s(pid),
        pss_bytes: number(&memory, "Pss:") * 1024,
        peak_bytes: number(&status, "VmHWM:") * 1024,
        threads: number(&status, "Threads:"),
    }
}

/// What is resident, bytes: read without a cost to the process.
#[must_use]
pub fn rss_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    number(&status, "VmRSS:") * 1024
}

/// The machine's load average of the last minute.
#[must_use]
pub fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

/// The processors that this process may use.
#[must_use]
pub fn cores() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?)
    };
    list.trim().split(',').filter_map(range).flatten().collect()
}

/// The most files that this process may open.
#[must_use]
pub fn open_files_max() -> u64 {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|hard| hard.parse().ok()).unwrap_or(1_024)
}

fn number(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_sees_itself() {
        let own = sample(std::process::id());
        assert!(rss_bytes(std::process::id()) > 100_000);
        assert!(own.pss_bytes > 100_000 && own.threads >= 1, "{own:?}");
        assert!(!cores().is_empty());
        assert!(open_files_max() > 16);
    }
}
