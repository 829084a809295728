//! Whether a queue lets others run before it looks again, where nothing is in flight.
//!
//! The driver wakes a queue that sleeps in its ring for each request, also where many are in flight and
//! whoever sends them shares the processor: two changes of task for one request. A queue that gives the
//! processor away instead (`sched_yield`) finds all that has come meanwhile at once. It cannot know
//! beforehand which is the case: it tries now and then, and goes on as long as several come together.
//! Alone, a request is answered at once, but for those tries. Pure: counts come in, a decision goes out.

use crate::Until;

/// More than one request at once is company.
const SEVERAL: usize = 2;

/// Whoever kept the processor for longer than this, in ns, and sent fewer than [`MANY`], was busy with
/// something else.
const LONG_NS: u64 = 1_000_000;

/// See [`LONG_NS`].
const MANY: usize = 16;

/// After so many failures in a row a queue sleeps again, at most.
const TRUST: u32 = 16;

/// So many failures one success outweighs: it saves several changes of task, a failure costs less than
/// one.
const WORTH: u32 = 4;

/// Turns until it is tried again, at first and at most: a try that fails costs a tenth of a turn, and many
/// may come at any moment.
const PAUSE: (u32, u32) = (8, 128);

/// What has come of it so far.
#[derive(Debug)]
pub(crate) struct Company {
    /// How often it may fail before the queue sleeps; 0: it sleeps.
    trust: u32,
    /// Turns until the next try, and until the one after it if that fails.
    tries_in: u32,
    pause: u32,
    /// When the processor was given away last.
    yielded_ns: Option<u64>,
}

impl Company {
    pub(crate) fn new() -> Company {
        Company { trust: 0, tries_in: 0, pause: PAUSE.0, yielded_ns: None }
    }

    /// How to wait at `now_ns`, after `came` requests had come together at `arrived_ns`.
    pub(crate) fn until(&mut self, came: usize, arrived_ns: u64, now_ns: u64) -> Until {
        match self.yielded_ns.take() {
            Some(since_ns) => self.learn(came, arrived_ns.saturating_sub(since_ns)),
            None => self.tries_in = self.tries_in.saturating_sub(1),
        }
        if self.trust == 0 && self.tries_in > 0 {
            return Until::Arrival;
        }
        self.yielded_ns = Some(now_ns);
        Until::Yield
    }

    fn learn(&mut self, came: usize, took_ns: u64) {
        if came >= SEVERAL && (took_ns < LONG_NS || came >= MANY) {
            (self.trust, self.pause) = ((self.trust + WORTH).min(TRUST), PAUSE.0);
            return;
        }
        self.trust = self.trust.saturating_sub(1);
        if self.trust == 0 {
            self.tries_in = self.pause;
            self.pause = (self.pause * 2).min(PAUSE.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns in which `together` come each time, `took_ns` after the processor was given away; which of
    /// them gave it away again.
    fn turns(company: &mut Company, together: usize, took_ns: u64, count: u64) -> Vec<u64> {
        let gives = |turn: &u64| {
            let now_ns = turn * took_ns;
            company.until(together, now_ns, now_ns) == Until::Yield
        };
        (0..count).filter(gives).collect()
    }

    #[test]
    fn one_alone_is_hardly_ever_made_to_wait() {
        let tried = turns(&mut Company::new(), 1, 1_000, 650);
        // The pauses are 8, 16, .. 128 turns, and 128 from then on; one turn finds out.
        let pauses = [8, 16, 32, 64, 128, 128, 128, 128];
        let ends = pauses.iter().scan(0, |turn, pause| {
            *turn += pause + 1;
            Some(*turn)
        });
        assert_eq!(tried, std::iter::once(0).chain(ends).collect::<Vec<_>>());
    }

    #[test]
    fn where_several_come_together_it_goes_on() {
        assert_eq!(turns(&mut Company::new(), 2, 1_000, 1_000).len(), 1_000);
    }

    #[test]
    fn one_that_comes_alone_among_many_changes_nothing() {
        let mut company = Company::new();
        turns(&mut company, 8, 1_000, 10);
        for _ in 0..100 {
            assert_eq!(turns(&mut company, 8, 1_000, 1), [0]);
            assert_eq!(turns(&mut company, 1, 1_000, 3).len(), 3);
        }
    }

    #[test]
    fn whoever_is_alone_again_sleeps_soon() {
        let mut company = Company::new();
        turns(&mut company, 8, 1_000, 100);
        let last = u64::from(TRUST) - 1;
        assert_eq!(turns(&mut company, 1, 1_000, 20), (0..last).collect::<Vec<_>>());
    }

    #[test]
    fn a_processor_that_somebody_else_keeps_is_not_given_away_for_nothing() {
        let mut company = Company::new();
        turns(&mut company, 8, 1_000, 100);
        // The first turn is still told of the yield before it.
        let last = u64::from(TRUST);
        assert_eq!(turns(&mut company, 8, LONG_NS, 24), (0..last).collect::<Vec<_>>());
        assert_eq!(turns(&mut Company::new(), MANY, LONG_NS, 100).len(), 100);
    }
}
