//! What the process, or a thread of it, has cost the processors. User and system time together are exact; how they divide is
//! known in ticks of the kernel's accounting only.

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Processor time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CpuTime {
    /// User and system, in nanoseconds.
    pub total_ns: u64,
    /// Ticks in user mode, as the kernel counts them.
    pub user_ticks: u64,
    /// Ticks in the kernel.
    pub system_ticks: u64,
}

impl CpuTime {
    /// What this process has cost since it began, with the kernel's workers that do its blocking requests.
    pub fn of_process() -> CpuTime {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let (user_ticks, system_ticks) = ticks(&stat).unwrap_or((0, 0));
        CpuTime { total_ns: clock_ns(ClockId::ProcessCPUTime), user_ticks, system_ticks }
    }

    /// What was spent between an earlier reading and this one.
    #[must_use]
    pub fn since(self, earlier: CpuTime) -> CpuTime {
        CpuTime {
            total_ns: self.total_ns.saturating_sub(earlier.total_ns),
            user_ticks: self.user_ticks.saturating_sub(earlier.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(earlier.system_ticks),
        }
    }

    /// The kernel's part of the total, in nanoseconds; none where no tick fell.
    pub fn system_ns(self) -> Option<u64> {
        let ticks = self.user_ticks + self.system_ticks;
        if ticks == 0 {
            return None;
        }
        let part = u128::from(self.total_ns) * u128::from(self.system_ticks) / u128::from(ticks);
        u64::try_from(part).ok()
    }
}

fn clock_ns(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// What this thread has cost since it began, in nanoseconds.
pub(crate) fn of_thread_ns() -> u64 {
    clock_ns(ClockId::ThreadCPUTime)
}

/// `utime` and `stime` of a `stat` file: after the name, which may hold anything, the 12th and 13th field.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "7 (a) b (c)) R 1 2 3 4 5 6 7 8 9 10 111 222 13 14";
        assert_eq!(ticks(stat), Some((111, 222)));
        assert_eq!(ticks("7 (a) R 1 2"), None);
    }

    #[test]
    fn work_costs_time() {
        let (before, thread) = (CpuTime::of_process(), of_thread_ns());
        let mut x = 1_u64;
        for i in 0..1_000_000 {
            x = std::hint::black_box(x.wrapping_mul(i | 1));
        }
        assert!(of_thread_ns() > thread, "{x}");
        assert!(CpuTime::of_process().since(before).total_ns > 0);
    }

    #[test]
    fn the_kernels_part_is_by_ticks() {
        let cpu = CpuTime { total_ns: 1_000, user_ticks: 3, system_ticks: 1 };
        assert_eq!(cpu.system_ns(), Some(250));
        assert_eq!(CpuTime::default().system_ns(), None);
    }
}
