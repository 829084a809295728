//! The clock of the threads: the processor's time stamp counter, and waiting on it.
//!
//! One counter for all threads. A processor whose counters do not tick evenly and together has the
//! monotonic clock of the system instead, which is dearer to read. No calendar, no sleeping for fun.

use super::record;
use parking_lot::Mutex;
use quanta::Clock;
use std::hint::{black_box, spin_loop};
use std::sync::LazyLock;
use std::time::Duration;

/// Calibrated once, on first use.
static CLOCK: LazyLock<Clock> = LazyLock::new(Clock::new);

/// What is submitted to a medium is submitted in the order of its times, which a medium relies on.
static SUBMISSION: Mutex<()> = Mutex::new(());

/// A wait shorter than this is spun: asleep, half of it would be oversleeping.
const SLEEPS_FROM_NS: u64 = 200_000;

/// How much earlier than needed a sleeper has itself woken; it spins for the rest. On the machine this
/// was measured on, a thread woke 75 us late in the median for sleeps of up to 100 us, 120 us for 5 ms,
/// and 140 us in the 90th percentile: 50 us of that is the kernel's slack for timers.
const WAKES_LATE_NS: u64 = 150_000;

/// The counter now.
#[inline]
pub(super) fn ticks() -> u64 {
    CLOCK.raw()
}

/// From one reading of the counter to a later one, in nanoseconds.
#[inline]
pub(super) fn ns_between(from: u64, to: u64) -> u64 {
    CLOCK.delta_as_nanos(from, to)
}

/// Asks when an access that is submitted now completes, and waits until then: nanoseconds since
/// `origin`, which is in ticks.
#[inline]
pub(super) fn wait_for(origin: u64, done_ns: impl FnOnce(u64) -> u64) {
    let submission = SUBMISSION.lock();
    let now_ns = ns_between(origin, ticks());
    let done_ns = done_ns(now_ns);
    drop(submission);
    if done_ns > now_ns {
        wait_until(origin, done_ns);
    }
}

#[cold]
fn wait_until(origin: u64, done_ns: u64) {
    let now_ns = || ns_between(origin, ticks());
    let rest_ns = done_ns.saturating_sub(now_ns());
    if rest_ns >= SLEEPS_FROM_NS {
        sleep(Duration::from_nanos(rest_ns - WAKES_LATE_NS));
    }
    while now_ns() < done_ns {
        spin_loop();
    }
}

#[expect(clippy::disallowed_methods, reason = "here time is real, and this is who waits for it")]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// What looking at the clock costs, on this machine and now.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ClockCost {
    /// One reading, in nanoseconds.
    pub reading_ns: f64,
    /// One event kept by a [`Recorder`](super::Recorder), its reading included, in nanoseconds.
    pub event_ns: f64,
}

/// Measures what the clock itself costs, to be told with every result it gave: medians of short rounds,
/// some 2 ms in all. A recording of the calling thread goes on afterwards as if nothing had been.
pub fn clock_ns() -> ClockCost {
    let reading_ns = per_turn_ns(|| {
        black_box(ticks());
    });
    let event_ns = record::beside(TURNS, || per_turn_ns(record::tell_for_measure));
    ClockCost { reading_ns, event_ns }
}

const ROUNDS: usize = 101;
const TURNS: u32 = 512;

fn per_turn_ns(turn: impl Fn()) -> f64 {
    let mut rounds: Vec<u64> = (0..ROUNDS)
        .map(|_| {
            let start = ticks();
            (0..TURNS).for_each(|_| turn());
            ns_between(start, ticks())
        })
        .collect();
    rounds.sort_unstable();
    let median = u32::try_from(rounds[ROUNDS / 2]).unwrap_or(u32::MAX);
    f64::from(median) / f64::from(TURNS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_access_asks_once_and_a_slow_one_is_waited_for() {
        let origin = ticks();
        let mut asked = 0;
        wait_for(origin, |now| {
            asked += 1;
            now
        });
        assert_eq!(asked, 1);
        // One that is spun for, one that is slept for.
        for takes_ns in [20_000, 1_000_000] {
            let mut done_ns = 0;
            wait_for(origin, |now| {
                done_ns = now + takes_ns;
                done_ns
            });
            assert!(ns_between(origin, ticks()) >= done_ns);
        }
    }

    #[test]
    fn looking_at_the_clock_costs_something() {
        let cost = clock_ns();
        assert!(cost.reading_ns > 0.0 && cost.event_ns > 0.0, "{cost:?}");
    }
}
