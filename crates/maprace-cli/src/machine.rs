//! What depends on the machine: the one clock of the program, and what the machine calls itself.

use maprace_scenario::Machine;

/// Runs `work` and tells how many seconds it took.
#[expect(
    clippy::disallowed_types,
    reason = "the one place that reads the clock; what it says stands under `machine` alone"
)]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = std::time::Instant::now();
    let out = work();
    (out, start.elapsed().as_secs_f64())
}

/// What is reported of a search of `executions` that took `seconds`.
pub(crate) fn machine(executions: u64, seconds: f64) -> Machine {
    let rounded = |value: f64, per: f64| (value * per).round() / per;
    Machine {
        seconds: rounded(seconds, 1e6),
        executions_per_second: rounded(per_second(executions, seconds), 10.0),
        host: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
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
