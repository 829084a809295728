//! What depends on the machine: the one clock of the program, and what the machine calls itself.

use maprace_scenario::Machine;
use std::time::Duration;

/// Runs `work` and tells how long it took.
#[expect(
    clippy::disallowed_types,
    reason = "the one place that reads the clock; what it says stands under `machine` alone, or in a table of costs"
)]
fn clocked<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = std::time::Instant::now();
    let out = work();
    (out, start.elapsed())
}

/// Runs `work` and tells how many seconds it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let (out, took) = clocked(work);
    (out, took.as_secs_f64())
}

/// Runs `work` and tells how many nanoseconds it took.
#[inline]
pub(crate) fn timed_ns<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let (out, took) = clocked(work);
    (out, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX))
}

/// Today, as `2026-01-31`, in UTC.
#[expect(clippy::disallowed_types, reason = "a table of costs says when it was measured")]
pub(crate) fn today() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    date(since.map_or(0, |since| since.as_secs() / 86_400))
}

/// The date so many days after 1970-01-01: Howard Hinnant, "chrono-compatible low-level date
/// algorithms", civil_from_days.
fn date(days: u64) -> String {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// What the machine calls itself, on one line.
pub(crate) fn host() -> String {
    let host = system();
    match cpu() {
        Some(cpu) => format!("{host}, {cpu}"),
        None => host,
    }
}

fn system() -> String {
    format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)
}

/// What is reported of a search of `executions` that took `seconds`.
pub(crate) fn machine(executions: u64, seconds: f64) -> Machine {
    let rounded = |value: f64, per: f64| (value * per).round() / per;
    Machine {
        seconds: rounded(seconds, 1e6),
        executions_per_second: rounded(per_second(executions, seconds), 10.0),
        host: system(),
        cpu: cpu(),
        cores: std::thread::available_parallelism().ok().map(std::num::NonZero::get),
    }
}

fn per_second(executions: u64, seconds: f64) -> f64 {
    let executions = u32::try_from(executions).map_or(f64::from(u32::MAX), f64::from);
    if seconds > 0.0 { executions / seconds } else { 0.0 }
}

/// The processor's name as Linux tells it; elsewhere it is not known.
fn cpu() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        let dates = [0, 58, 59, 11_016, 19_782, 20_818].map(date);
        let want =
            ["1970-01-01", "1970-02-28", "1970-03-01", "2000-02-29", "2024-02-29", "2026-12-31"];
        assert_eq!(dates, want);
    }
}
