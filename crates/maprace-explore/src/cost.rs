//! How contrived a schedule is, and the least contrived one of each kind of damage.

use crate::run::Ended;
use std::collections::BTreeMap;

/// The order in which schedules are preferred: fewer preemptions, fewer switches, fewer steps, fewer
/// tasks, then the one whose first different step is of the earlier task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate {
    pub(crate) cost: Cost,
    pub(crate) schedule: Vec<u8>,
}

/// The first part of that order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cost {
    pub(crate) preemptions: u32,
    pub(crate) switches: u32,
    pub(crate) steps: u32,
    pub(crate) tasks: u32,
}

/// Counts preemptions and switches along one execution.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    last: Option<usize>,
    pub(crate) preemptions: u32,
    pub(crate) switches: u32,
}

impl Meter {
    /// The next step is of `task` while `enabled` could run.
    #[inline]
    pub(crate) fn step(&mut self, task: usize, enabled: u32) {
        if let Some(last) = self.last.filter(|last| *last != task) {
            self.switches += 1;
            self.preemptions += enabled >> last & 1;
        }
        self.last = Some(task);
    }
}

/// A kind of damage: a checker's bit, or this for deadlocks.
const DEADLOCK: u32 = u64::BITS;

/// The kinds of damage of one end.
fn kinds(ended: &Ended) -> impl Iterator<Item = u32> + use<> {
    let mut left = ended.failed;
    let deadlock = ended.deadlock.then_some(DEADLOCK);
    let checkers = std::iter::from_fn(move || {
        let bit = (left != 0).then(|| left.trailing_zeros())?;
        left &= left - 1;
        Some(bit)
    });
    checkers.chain(deadlock)
}

/// The least schedule of each kind of damage so far.
#[derive(Debug, Default)]
pub(crate) struct Examples {
    best: BTreeMap<u32, (Candidate, Ended)>,
    counts: BTreeMap<u32, u64>,
}

impl Examples {
    /// Counts the damage of one trace.
    pub(crate) fn count(&mut self, ended: &Ended) {
        for kind in kinds(ended) {
            *self.counts.entry(kind).or_default() += 1;
        }
    }

    /// The cost that a schedule of the trace of `run` must not exceed to be of any use.
    pub(crate) fn bound(&self, run: impl Iterator<Item = (usize, u32)>, ended: &Ended) -> Cost {
        let own = cost_of(run);
        let mut known = kinds(ended).map(|kind| self.best.get(&kind).map(|(best, _)| best.cost));
        let worst =
            known.try_fold(Cost::default(), |worst: Cost, best| best.map(|best| worst.max(best)));
        worst.map_or(own, |worst| worst.min(own))
    }

    /// Takes a schedule in where it is better than what is known.
    pub(crate) fn offer(&mut self, candidate: &Candidate, ended: &Ended) {
        for kind in kinds(ended) {
            let known = self.best.get(&kind);
            if known.is_none_or(|(best, _)| candidate < best) {
                self.best.insert(kind, (candidate.clone(), *ended));
            }
        }
    }

    /// The least schedule of all.
    pub(crate) fn least(&self) -> Option<(&Candidate, &Ended)> {
        self.best.values().map(|(candidate, ended)| (candidate, ended)).min_by_key(|(c, _)| *c)
    }

    /// Each kind of damage: the checker's bit or `None` for a deadlock, how often, and its least
    /// schedule.
    pub(crate) fn by_kind(&self) -> impl Iterator<Item = (Option<u32>, u64, &Candidate, &Ended)> {
        self.best.iter().map(|(kind, (candidate, ended))| {
            let checker = (*kind != DEADLOCK).then_some(*kind);
            let count = self.counts.get(kind).copied().unwrap_or_default();
            (checker, count, candidate, ended)
        })
    }

    /// Takes in a schedule that was run: who ran, and who was enabled, step by step.
    pub(crate) fn offer_run(
        &mut self,
        run: impl Iterator<Item = (usize, u32)> + Clone,
        ended: &Ended,
    ) {
        let cost = cost_of(run.clone());
        if cost <= self.bound(run.clone(), ended) {
            let schedule = run.map(|(task, _)| task_byte(task)).collect();
            self.offer(&Candidate { cost, schedule }, ended);
        }
    }
}

/// The cost of a schedule that was run.
fn cost_of(run: impl Iterator<Item = (usize, u32)>) -> Cost {
    let (mut meter, mut steps, mut seen) = (Meter::default(), 0, 0u32);
    for (task, enabled) in run {
        meter.step(task, enabled);
        steps += 1;
        seen |= 1 << task;
    }
    let Meter { preemptions, switches, .. } = meter;
    Cost { preemptions, switches, steps, tasks: seen.count_ones() }
}

/// A task number in a schedule that is kept.
pub(crate) fn task_byte(task: usize) -> u8 {
    u8::try_from(task).expect("at most 16 tasks")
}
