//! The steps of one execution and their happens-before order: a vector clock for each.
//!
//! The order is over full footprints, releases included, so that a release orders what it lets in. A
//! clock counts, for each task, how many of its steps happen before the step or are the step itself.
//! A child starts with the clock of the step that started it. (Flanagan and Godefroid, POPL 2005,
//! section 4.)

use crate::holds::Holds;
use crate::run::MOST_TASKS;
use maprace_runtime::sim::{Done, Hold};
use maprace_runtime::{Digest, Foot};

/// How many steps of each task.
pub(crate) type Clock = [u16; MOST_TASKS];

/// The clock of nothing.
pub(crate) const ZERO: Clock = [0; MOST_TASKS];

/// No step.
const NONE: usize = usize::MAX;

/// Takes the larger count for each task.
#[inline]
pub(crate) fn join(into: &mut Clock, other: &Clock) {
    for (a, b) in into.iter_mut().zip(other) {
        *a = (*a).max(*b);
    }
}

/// The steps of an execution, in the order they ran.
#[derive(Debug)]
pub(crate) struct Log {
    /// What each did.
    pub(crate) steps: Vec<Done>,
    /// The clock of each.
    pub(crate) clocks: Vec<Clock>,
    /// Who held what, from which step to which.
    pub(crate) holds: Holds,
    /// For each, the step before it of the same task, or the one that started the task.
    before: Vec<usize>,
    /// The same for what each task will do next.
    last: [usize; MOST_TASKS],
}

impl Log {
    /// No steps yet; this is held before the first.
    pub(crate) fn new(held: &[Hold]) -> Log {
        Log {
            steps: Vec::new(),
            clocks: Vec::new(),
            holds: Holds::from_start(held),
            before: Vec::new(),
            last: [NONE; MOST_TASKS],
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Forgets all steps from the `len`-th on.
    pub(crate) fn truncate(&mut self, len: usize) {
        while self.steps.len() > len {
            let (Some(step), Some(before)) = (self.steps.pop(), self.before.pop()) else { break };
            self.clocks.pop();
            self.last[step.task] = before;
            for child in &step.spawned {
                self.last[*child] = NONE;
            }
        }
        self.holds.truncate(len);
    }

    /// Adds a step that just ran.
    pub(crate) fn push(&mut self, step: Done) {
        let task = step.task;
        let before = self.last[task];
        let before_it = self.clock_at(before);
        let mut clock = self.clock_if(task, &step.full, self.steps.len(), &before_it);
        clock[task] += 1;
        let index = self.steps.len();
        self.last[task] = index;
        for child in &step.spawned {
            self.last[*child] = index;
        }
        self.holds.push(index, &step);
        self.before.push(before);
        self.clocks.push(clock);
        self.steps.push(step);
    }

    /// The clock that a step of `task` touching `full` has, but for itself, after the first `len`
    /// steps, when its task had the clock `before`.
    #[inline]
    pub(crate) fn clock_if(&self, task: usize, full: &Foot, len: usize, before: &Clock) -> Clock {
        let mut clock = *before;
        for (earlier, at) in self.steps[..len].iter().zip(&self.clocks[..len]).rev() {
            let other = earlier.task;
            if other != task && at[other] > clock[other] && earlier.full.clash(full) {
                join(&mut clock, at);
            }
        }
        clock
    }

    fn clock_at(&self, index: usize) -> Clock {
        self.clocks.get(index).copied().unwrap_or(ZERO)
    }

    /// The clock that the `index`-th step's task had before it.
    pub(crate) fn clock_before(&self, index: usize) -> Clock {
        self.clock_at(self.before[index])
    }

    /// The clock that `task` has after all steps.
    pub(crate) fn clock_of(&self, task: usize) -> Clock {
        self.clock_at(self.last[task])
    }

    /// The last step of `task`, or the one that started it if it has run none yet.
    pub(crate) fn last_of(&self, task: usize) -> Option<usize> {
        Some(self.last[task]).filter(|last| *last != NONE)
    }

    /// The step that started the task of the `index`-th step, if that is its first.
    pub(crate) fn birth(&self, index: usize) -> Option<usize> {
        let before = self.before[index];
        let other = self.steps.get(before)?.task;
        (other != self.steps[index].task).then_some(before)
    }

    /// Whether the `earlier` step happens before a step with this clock.
    #[inline]
    pub(crate) fn is_before(&self, earlier: usize, clock: &Clock) -> bool {
        let task = self.steps[earlier].task;
        self.clocks[earlier][task] <= clock[task]
    }

    /// Whether the `later` step happens after the `earlier` one.
    #[inline]
    pub(crate) fn is_after(&self, later: usize, earlier: usize) -> bool {
        self.is_before(earlier, &self.clocks[later])
    }

    /// The same number for every interleaving of the same trace, and another for every other trace.
    pub(crate) fn trace_id(&self) -> u128 {
        let steps = self.steps.iter().zip(&self.clocks);
        steps.fold(0, |sum: u128, (step, clock)| sum.wrapping_add(Digest::of(&(step.task, clock))))
    }
}
