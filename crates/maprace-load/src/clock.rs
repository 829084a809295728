//! The machine's clock: the processor's time stamp counter where it may be used, one for all threads.

use quanta::Clock as Counter;
use std::sync::LazyLock;
use std::time::Duration;

/// How much earlier than needed a sleeper has itself woken: the kernel's slack for timers is 50 us.
pub(crate) const OVERSLEEPS_NS: u64 = 80_000;

/// Calibrated once, on first use.
static COUNTER: LazyLock<(Counter, u64)> = LazyLock::new(|| {
    let counter = Counter::new();
    let origin = counter.raw();
    (counter, origin)
});

/// The clock. A copy of it is cheap and reads the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    counter: Counter,
    origin: u64,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::new()
    }
}

impl Clock {
    /// The one clock of this process.
    pub fn new() -> Clock {
        let (counter, origin) = &*COUNTER;
        Clock { counter: counter.clone(), origin: *origin }
    }

    /// Nanoseconds since the process first asked for a clock.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        self.counter.delta_as_nanos(self.origin, self.counter.raw())
    }

    /// Waits until a time: asleep while it is far, on the processor for the rest, since a sleeper is woken
    /// late. At most a quarter of a second, so that whoever waits can look up.
    pub fn wait_until(&self, until_ns: u64) {
        let from = self.now_ns();
        let until_ns = until_ns.min(from + 250_000_000);
        let rest = until_ns.saturating_sub(from);
        if rest > 2 * OVERSLEEPS_NS {
            std::thread::sleep(Duration::from_nanos(rest - OVERSLEEPS_NS));
        }
        while self.now_ns() < until_ns {
            std::hint::spin_loop();
        }
    }

    /// The smallest step other than none that was seen between readings one after the other, in
    /// nanoseconds: what a difference of two readings may be off by.
    pub fn step_ns(&self) -> u64 {
        let readings: Vec<u64> = (0..1000).map(|_| self.now_ns()).collect();
        let steps = readings.windows(2).map(|two| two[1] - two[0]);
        steps.filter(|step| *step > 0).min().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_forward_and_is_one() {
        let (a, b) = (Clock::new(), Clock::new());
        let first = a.now_ns();
        let second = b.now_ns();
        assert!(second >= first && a.step_ns() > 0);
    }
}
