//! How long a queue waits, and in which way: in the kernel up to a margin, and the rest on the clock.
//!
//! The margin follows what the kernel's timers are late by on this machine. Who is preempted gains
//! nothing by reading the clock and takes the processor from whoever would send requests, so the loop
//! sleeps for a while when it sees that. Pure: instants come in, a decision goes out.

use crate::{Until, Waiting};

/// The margin is never below this, in ns: a timer that was once on time is not on time always.
const MARGIN_NS_MIN: u64 = 5_000;

/// The margin is never above this, in ns: what is later than that is not the timer's doing, and not
/// counted.
const MARGIN_NS_MAX: u64 = 200_000;

/// The margin until something has been measured.
const MARGIN_NS_FIRST: u64 = 60_000;

/// Sleeps over which the margin is taken.
const WINDOW: usize = 128;

/// Sleeps after which it is taken anew.
const EVERY: usize = 16;

/// The percentile of what they were late by that is the margin. Two of a hundred that somebody else made
/// late must not move it: a margin as long as the wait is spinning, which no credit was measured for.
const PERCENT: usize = 95;

/// A gap of this length, in ns, is a processor taken away.
const JUMP_NS: u64 = 1_000_000;

/// So many of them, less one for each [`FORGIVEN_NS`], end the reading of the clock.
const JUMPS: u32 = 3;

/// After so long, in ns, a gap is forgiven.
const FORGIVEN_NS: u64 = 10_000_000;

/// For how long the kernel's timers have to do then, in ns; twice as long each time it happens again
/// soon, up to sixteen times. Short, since it may have been the host of this machine, whom it does not
/// help.
const REST_NS: u64 = 20_000_000;

/// What soon is, in ns.
const SOON_NS: u64 = 100_000_000;

/// How a queue waits.
#[derive(Debug)]
pub(crate) struct Patience {
    mode: Waiting,
    margin_ns: u64,
    /// What the last sleeps were late by.
    window: [u64; WINDOW],
    /// Sleeps measured so far.
    measured: usize,
    /// The instant that the wait which goes on was told, or at which the loop last read the clock.
    aimed: Option<u64>,
    /// Gaps that are not forgiven, and since when that is so.
    jumps: u32,
    jumps_ns: u64,
    /// Until then the kernel's timers have to do.
    rests_until_ns: u64,
    /// Rests in a row.
    rests: u32,
}

impl Patience {
    /// Waits in that way.
    pub(crate) fn new(mode: Waiting) -> Patience {
        Patience {
            mode,
            margin_ns: MARGIN_NS_FIRST,
            window: [0; WINDOW],
            measured: 0,
            aimed: None,
            jumps: 0,
            jumps_ns: 0,
            rests_until_ns: 0,
            rests: 0,
        }
    }

    /// How to wait at `now_ns`, with something to do at `first_ns` and so many requests to be answered.
    pub(crate) fn until(&mut self, now_ns: u64, first_ns: Option<u64>, in_flight: u64) -> Until {
        let margin_ns = match self.mode {
            Waiting::Spin if in_flight > 0 => return Until::Now,
            Waiting::Hybrid if now_ns >= self.rests_until_ns => self.margin_ns,
            Waiting::Spin | Waiting::Hybrid | Waiting::Sleep => 0,
        };
        let Some(first_ns) = first_ns else { return Until::Arrival };
        let wakes_ns = first_ns.saturating_sub(margin_ns);
        if wakes_ns <= now_ns {
            self.aimed = Some(now_ns);
            return Until::Now;
        }
        self.aimed = Some(wakes_ns);
        Until::At(wakes_ns)
    }

    /// The wait has ended at `now_ns`; `quiet`: not because of anything that had come.
    pub(crate) fn woke(&mut self, now_ns: u64, waited: Until, quiet: bool) {
        let Some(aimed_ns) = self.aimed.take().filter(|_| quiet && self.mode == Waiting::Hybrid)
        else {
            return;
        };
        // Before its time: by a signal, or by a bell.
        let Some(late_ns) = now_ns.checked_sub(aimed_ns) else { return };
        if late_ns >= JUMP_NS {
            return self.jumped(now_ns);
        }
        if matches!(waited, Until::At(_)) && late_ns <= MARGIN_NS_MAX {
            self.slept(late_ns);
        }
    }

    fn slept(&mut self, late_ns: u64) {
        self.window[self.measured % WINDOW] = late_ns;
        self.measured += 1;
        if self.measured.is_multiple_of(EVERY) {
            let mut sorted = self.window;
            let sorted = &mut sorted[..self.measured.min(WINDOW)];
            let rank = (sorted.len() * PERCENT).div_ceil(100) - 1;
            let (_, late_ns, _) = sorted.select_nth_unstable(rank);
            self.margin_ns = (*late_ns).clamp(MARGIN_NS_MIN, MARGIN_NS_MAX);
        }
    }

    fn jumped(&mut self, now_ns: u64) {
        // Who sleeps has given the processor away himself.
        let Some(since_rest_ns) = now_ns.checked_sub(self.rests_until_ns) else { return };
        let forgiven = (now_ns - self.jumps_ns.min(now_ns)) / FORGIVEN_NS;
        let forgiven = u32::try_from(forgiven).unwrap_or(u32::MAX);
        (self.jumps, self.jumps_ns) = (self.jumps.saturating_sub(forgiven) + 1, now_ns);
        if self.jumps >= JUMPS {
            let is_again = self.rests_until_ns > 0 && since_rest_ns < SOON_NS;
            self.rests = if is_again { (self.rests + 1).min(4) } else { 0 };
            self.rests_until_ns = now_ns.saturating_add(REST_NS << self.rests);
            self.jumps = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUE: u64 = 1_000_000_000;

    /// One wait for [`DUE`] from a second before, `late_ns` too long.
    fn wait(patience: &mut Patience, late_ns: u64) -> Until {
        let until = patience.until(0, Some(DUE), 1);
        if let Until::At(wakes_ns) = until {
            patience.woke(wakes_ns + late_ns, until, true);
        }
        until
    }

    #[test]
    fn each_way_of_waiting_is_what_it_says() {
        let until = |mode, now_ns| Patience::new(mode).until(now_ns, Some(DUE), 1);
        assert_eq!(until(Waiting::Sleep, 0), Until::At(DUE));
        assert_eq!(until(Waiting::Sleep, DUE), Until::Now);
        assert_eq!(until(Waiting::Hybrid, 0), Until::At(DUE - MARGIN_NS_FIRST));
        assert_eq!(until(Waiting::Hybrid, DUE - MARGIN_NS_FIRST), Until::Now);
        assert_eq!(until(Waiting::Spin, 0), Until::Now);
        for mode in [Waiting::Sleep, Waiting::Hybrid, Waiting::Spin] {
            assert_eq!(Patience::new(mode).until(0, None, 0), Until::Arrival, "{mode:?}");
        }
        assert_eq!(Patience::new(Waiting::Spin).until(0, None, 1), Until::Now);
    }

    #[test]
    fn the_margin_is_what_timers_are_late_by() {
        for (late_ns, margin_ns) in [
            (30_000, 30_000),
            (10, MARGIN_NS_MIN),
            (MARGIN_NS_MAX, MARGIN_NS_MAX),
            (MARGIN_NS_MAX + 1, MARGIN_NS_FIRST),
        ] {
            let mut patience = Patience::new(Waiting::Hybrid);
            for _ in 0..EVERY {
                wait(&mut patience, late_ns);
            }
            assert_eq!(patience.until(0, Some(DUE), 1), Until::At(DUE - margin_ns));
        }
    }

    #[test]
    fn six_late_sleeps_of_a_window_do_not_count_and_seven_do() {
        for (late, margin_ns) in [(6, 20_000), (7, 150_000)] {
            let mut patience = Patience::new(Waiting::Hybrid);
            for i in 0..WINDOW {
                wait(&mut patience, if i % 18 < 1 && i / 18 < late { 150_000 } else { 20_000 });
            }
            // Seven in all: those at 0, 18, .., 108.
            assert_eq!(wait(&mut patience, 0), Until::At(DUE - margin_ns), "{late}");
        }
    }

    #[test]
    fn what_came_by_itself_or_early_is_not_measured() {
        let mut patience = Patience::new(Waiting::Hybrid);
        for _ in 0..WINDOW {
            let until = patience.until(0, Some(DUE), 1);
            patience.woke(DUE, until, false);
            let until = patience.until(0, Some(DUE), 1);
            patience.woke(5, until, true);
        }
        assert_eq!(wait(&mut patience, 0), Until::At(DUE - MARGIN_NS_FIRST));
    }

    /// Reads the clock from `now_ns`, and is kept from it for a while; until when.
    fn preempted(patience: &mut Patience, now_ns: u64) -> u64 {
        let until = patience.until(now_ns, Some(now_ns + 10), 1);
        assert_eq!(until, Until::Now, "at {now_ns}");
        patience.woke(now_ns + JUMP_NS, until, true);
        now_ns + JUMP_NS
    }

    fn rests(patience: &mut Patience, now_ns: u64) -> bool {
        patience.until(now_ns, Some(now_ns + 10), 1) == Until::At(now_ns + 10)
    }

    #[test]
    fn who_is_preempted_sleeps_for_a_while_and_longer_if_it_happens_again() {
        let mut patience = Patience::new(Waiting::Hybrid);
        let mut now_ns = DUE;
        for rest in [1, 2, 4, 8, 16, 16] {
            for _ in 0..JUMPS {
                now_ns = preempted(&mut patience, now_ns);
            }
            // What happens meanwhile does not count.
            now_ns += rest * REST_NS - 1;
            assert!(rests(&mut patience, now_ns), "{rest}");
            patience.woke(now_ns, Until::At(0), true);
            now_ns += 1;
            assert!(!rests(&mut patience, now_ns), "{rest}");
        }
        now_ns += SOON_NS;
        for _ in 0..JUMPS {
            now_ns = preempted(&mut patience, now_ns);
        }
        assert!(rests(&mut patience, now_ns));
        assert!(!rests(&mut patience, now_ns + REST_NS), "not as soon: as long as the first");
    }

    #[test]
    fn jumps_far_apart_are_forgiven() {
        let mut patience = Patience::new(Waiting::Hybrid);
        let mut now_ns = DUE;
        for _ in 0..20 {
            now_ns = preempted(&mut patience, now_ns) + FORGIVEN_NS;
        }
        assert!(!rests(&mut patience, now_ns));
    }

    #[test]
    fn a_sleep_that_is_too_long_by_far_is_a_jump_and_no_measure() {
        let mut patience = Patience::new(Waiting::Hybrid);
        for _ in 0..JUMPS {
            assert_eq!(wait(&mut patience, JUMP_NS), Until::At(DUE - MARGIN_NS_FIRST));
        }
        assert!(rests(&mut patience, DUE + JUMP_NS));
    }
}
