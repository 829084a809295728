//! A trace as a partial order over which one can compute: downsets, and who is enabled in each.
//!
//! A downset is a set of steps closed under happens-before, that is a state some interleaving of the
//! trace passes through. It is [packed](crate::packed) into one number, and so is what a step needs.
//!
//! Whether a task *could* run in a downset, though in this trace it runs later, follows from who holds
//! what there: each hold is an interval from the step that took it to the step that gave it back,
//! which may be of another task.

use crate::clocks::{Clock, Log};
use crate::packed::Packed;
use crate::run::MOST_TASKS;
use maprace_runtime::Foot;
use maprace_runtime::sim::Guard;
use std::ops::Range;

/// A task that waits for ever at the end of an execution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocked {
    pub(crate) task: usize,
    pub(crate) guard: Guard,
    /// What it would touch.
    pub(crate) main: Foot,
}

/// One task of a trace.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lane {
    pub(crate) task: usize,
    /// How far its lane is shifted.
    pub(crate) shift: u32,
    /// Its first point.
    first: usize,
    /// How many steps it runs.
    pub(crate) len: usize,
    /// Whether there is one more point, at which it waits for ever.
    waits: bool,
}

/// A step of a trace, or one that is waited for in vain.
#[derive(Clone, Debug)]
struct Point<P> {
    /// What must be in a downset before it can run in this trace.
    need: P,
    /// What keeps it from running.
    blockers: Range<usize>,
}

/// What keeps a step from running in the downsets that have `from` and have not `to`.
#[derive(Clone, Copy, Debug)]
struct Interval<P> {
    from: P,
    to: P,
}

/// The partial order of one trace. It is built again and again in the same buffers.
#[derive(Debug, Default)]
pub(crate) struct Shape<P> {
    pub(crate) lanes: Vec<Lane>,
    points: Vec<Point<P>>,
    blockers: Vec<Interval<P>>,
    /// The top bit of every lane.
    high: P,
    lane_bits: u32,
    /// The bits of a lane but for the top one.
    mask: u16,
    /// Steps of the trace.
    pub(crate) steps: usize,
}

impl<P: Packed> Shape<P> {
    /// Takes the trace that `log` is an interleaving of, with the tasks that are stuck at its
    /// end. False if the numbers have no room for it.
    pub(crate) fn build(&mut self, log: &Log, blocked: &[Blocked]) -> bool {
        self.steps = log.len();
        if !self.lay_out(log, blocked) {
            return false;
        }
        self.blockers.clear();
        for (at, step) in log.steps.iter().enumerate() {
            let lane = self.lane_of(step.task);
            let own = usize::from(log.clocks[at][step.task]) - 1;
            let need = self.pack(&log.clocks[at]).minus_one(lane.shift);
            let blockers = self.blockers_of(log, step.guard, log.birth(at));
            self.points[lane.first + own] = Point { need, blockers };
        }
        for Blocked { task, guard, .. } in blocked {
            let lane = self.lane_of(*task);
            let birth = log.last_of(*task).filter(|_| lane.len == 0);
            let blockers = self.blockers_of(log, *guard, birth);
            self.points[lane.first + lane.len] = Point { need: P::NEVER, blockers };
        }
        true
    }

    /// Gives each task a lane, in the order of their numbers, if there is room.
    fn lay_out(&mut self, log: &Log, blocked: &[Blocked]) -> bool {
        let mut lens = [0; MOST_TASKS];
        let mut waits = 0u32;
        log.steps.iter().for_each(|step| lens[step.task] += 1);
        blocked.iter().for_each(|blocked| waits |= 1 << blocked.task);
        self.lanes.clear();
        let (mut first, mut longest) = (0, 0);
        for (task, len) in lens.into_iter().enumerate() {
            let waits = waits >> task & 1 != 0;
            if len > 0 || waits {
                self.lanes.push(Lane { task, shift: 0, first, len, waits });
                first += len + usize::from(waits);
                longest = longest.max(len);
            }
        }
        let lanes = u32::try_from(self.lanes.len().max(1)).expect("at most 16");
        self.lane_bits = (P::BITS / lanes).min(u16::BITS);
        self.mask = (1 << (self.lane_bits - 1)) - 1;
        if longest >= usize::from(self.mask) {
            return false;
        }
        self.points.clear();
        self.points.resize(first, Point { need: P::NEVER, blockers: 0..0 });
        self.high = P::default();
        let mut shift = 0;
        for lane in &mut self.lanes {
            lane.shift = shift;
            shift += self.lane_bits;
            self.high = self.high.or(P::at(1, shift - 1));
        }
        true
    }

    fn lane_of(&self, task: usize) -> Lane {
        *self.lanes.iter().find(|lane| lane.task == task).expect("every task has a lane")
    }

    fn pack(&self, clock: &Clock) -> P {
        let lanes = self.lanes.iter();
        lanes.fold(P::default(), |sum, lane| sum.or(P::at(clock[lane.task], lane.shift)))
    }

    /// What a downset with the `at`-th step of the log has.
    fn having(&self, log: &Log, at: usize) -> P {
        let task = log.steps[at].task;
        P::at(log.clocks[at][task], self.lane_of(task).shift)
    }

    /// Notes what keeps a step with that guard, of a task that was started by the `birth`-th step,
    /// from running.
    fn blockers_of(&mut self, log: &Log, guard: Guard, birth: Option<usize>) -> Range<usize> {
        let start = self.blockers.len();
        if guard != Guard::None {
            for hold in log.holds.iter().filter(|h| h.from != h.to && h.blocks(guard)) {
                let from = hold.from.map_or_else(P::default, |from| self.having(log, from));
                let to = hold.to.map_or(P::NEVER, |to| self.having(log, to));
                self.blockers.push(Interval { from, to });
            }
        }
        if let Some(birth) = birth {
            let to = self.having(log, birth);
            self.blockers.push(Interval { from: P::default(), to });
        }
        start..self.blockers.len()
    }

    /// What the task of `lane` can do in `downset`.
    #[inline]
    pub(crate) fn next(&self, downset: P, lane: &Lane) -> Next {
        let at = downset.count(lane.shift, self.mask);
        if at == lane.len && !lane.waits {
            return Next::Nothing;
        }
        let point = &self.points[lane.first + at];
        if downset.has(point.need, self.high) {
            return Next::Ready;
        }
        let is_blocked = self.blockers[point.blockers.clone()]
            .iter()
            .any(|b| downset.has(b.from, self.high) && !downset.has(b.to, self.high));
        if is_blocked { Next::Nothing } else { Next::Elsewhere }
    }

    /// Whether the task of `lane` has steps left after `downset`.
    #[inline]
    pub(crate) fn is_unfinished(&self, downset: P, lane: &Lane) -> bool {
        downset.count(lane.shift, self.mask) < lane.len
    }

    /// `downset` with a mark for `lane`, in bits that no downset uses.
    #[inline]
    pub(crate) fn marked(&self, downset: P, lane: &Lane) -> P {
        downset.or(P::at(1, lane.shift + self.lane_bits - 1))
    }
}

/// What a task can do in a downset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Its step is enabled, and the execution stays in the trace.
    Ready,
    /// Its step is enabled, and leads to another trace.
    Elsewhere,
    /// It has ended, has not begun, or waits.
    Nothing,
}
