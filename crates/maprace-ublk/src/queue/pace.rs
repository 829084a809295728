//! The medium of one queue: when is a request due?

use crate::{Floor, Io, Op, Timing};
use maprace_media::params::ShareError;
use maprace_media::{Draws, Keying, Model};
use std::sync::Arc;

/// Sets the draws of queues apart; any number will do.
const QUEUE: u64 = 0x7175_6575;

/// One queue's part of a medium, on a clock of its own.
#[derive(Debug)]
pub(crate) struct Pace {
    model: Model,
    dilate: u64,
}

/// When a request is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Due {
    /// To be answered then.
    pub(crate) at_ns: u64,
    /// Whether the medium would have answered before this machine can.
    pub(crate) infeasible: bool,
}

impl Pace {
    /// That of one of so many queues; none where requests wait for nothing.
    pub(crate) fn new(
        timing: &Timing,
        queue: u16,
        queues: u16,
    ) -> Result<Option<Pace>, ShareError> {
        let Some(profile) = timing.profile.as_ref().filter(|profile| !profile.params.is_instant())
        else {
            return Ok(None);
        };
        let params = match queues {
            0 | 1 => Arc::clone(&profile.params),
            queues => Arc::new(profile.params.share(u32::from(queues))?),
        };
        let seed = Draws::of([timing.seed, QUEUE, u64::from(queue), 0]).word(0);
        // By number: what the other keying remembers of each address has no bound.
        let model = Model::seeded(params, seed, Keying::ByNumber);
        Ok(Some(Pace { model, dilate: timing.dilate.max(1) }))
    }

    /// The draws of the request that comes next.
    pub(crate) fn draws(&self, io: Io) -> Draws {
        self.model.draws(io.on_medium())
    }

    /// Takes a request that has arrived at `now_ns`.
    pub(crate) fn due(&mut self, io: Io, now_ns: u64, floor: &Floor) -> Due {
        let medium_ns = now_ns / self.dilate;
        let served = self.model.serve(io.on_medium(), medium_ns);
        let takes_ns = served.done_ns.saturating_sub(medium_ns).saturating_mul(self.dilate);
        let least_ns = match io.op {
            Op::Read => floor.read_ns,
            Op::Write { .. } => floor.write_ns,
            // These bring no bytes with them.
            Op::Flush | Op::Discard | Op::WriteZeroes { .. } => floor.read_ns.min(floor.write_ns),
        };
        Due {
            at_ns: now_ns.saturating_add(takes_ns.saturating_sub(floor.credit_ns)),
            infeasible: takes_ns < least_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use maprace_media::Profile;

    fn timing(text: &str, dilate: u64) -> Timing {
        let profile = Profile::parse("test", &format!("name = \"test\"\n{text}")).unwrap();
        Timing { profile: Some(profile), seed: 1, dilate }
    }

    const READ: Io = Io { op: Op::Read, pos: 0, len: 4096 };
    const ONE_US: &str = "[read]\nocc_ns.rand = 1000\nocc_ns.seq = 1000\n";

    #[test]
    fn a_dilated_medium_takes_exactly_so_many_times_longer() {
        for dilate in [1, 2, 64] {
            let mut pace = Pace::new(&timing(ONE_US, dilate), 0, 1).unwrap().unwrap();
            // At an instant that the medium's clock has no number for, and twice.
            let due = pace.due(READ, 1_000_003, &Floor::default());
            assert_eq!(due, Due { at_ns: 1_000_003 + 1000 * dilate, infeasible: false });
            let behind = pace.due(READ, 1_000_003, &Floor::default()).at_ns;
            assert_eq!(behind, 1_000_003 + 2000 * dilate);
        }
    }

    #[test]
    fn the_credit_is_taken_off_and_what_is_below_the_floor_is_told() {
        let mut pace = Pace::new(&timing(ONE_US, 8), 0, 1).unwrap().unwrap();
        let floor = Floor { read_ns: 8_000, write_ns: 9_000, credit_ns: 300 };
        let due = pace.due(READ, 0, &floor);
        assert_eq!(due, Due { at_ns: 7_700, infeasible: false });
        let floor = Floor { read_ns: 8_001, write_ns: 1, credit_ns: 9_000 };
        assert_eq!(pace.due(READ, 1 << 30, &floor), Due { at_ns: 1 << 30, infeasible: true });
        // A flush has no medium here, and is below any floor.
        let flush = Io { op: Op::Flush, pos: 0, len: 0 };
        assert!(pace.due(flush, 1 << 31, &floor).infeasible);
    }

    #[test]
    fn what_takes_no_time_has_no_pace() {
        let null = Timing { profile: Some(Profile::open("null").unwrap()), seed: 0, dilate: 1 };
        assert!(Pace::new(&null, 0, 64).unwrap().is_none());
        let disk = Timing { profile: Some(Profile::open("hdd-7200").unwrap()), seed: 0, dilate: 1 };
        assert!(Pace::new(&disk, 0, 2).is_err());
        assert!(Pace::new(&disk, 0, 1).unwrap().is_some());
    }
}
