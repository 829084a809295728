//! Every interleaving of a program, by replay alone: shares no search with the engines.

use maprace_explore::{Program, Replay, replay_with};
use std::collections::{BTreeMap, BTreeSet};

/// Preemptions, switches, steps.
pub(crate) type Cost = (u32, u32, usize);

/// What all interleavings together say.
#[derive(Debug, Default)]
pub(crate) struct Brute {
    pub(crate) interleavings: u128,
    pub(crate) bad: u128,
    pub(crate) p_random: f64,
    pub(crate) outcomes: BTreeSet<(u128, bool)>,
    pub(crate) bad_outcomes: BTreeSet<(u128, bool)>,
    /// The least cost of damage, by checker; deadlock is the 64th.
    pub(crate) least: BTreeMap<u32, Cost>,
}

impl Brute {
    /// Runs all; `None` if they are more than `most`.
    pub(crate) fn of(program: &dyn Program, most: u128) -> Option<Brute> {
        let (mut brute, mut schedule) = (Brute::default(), Vec::new());
        loop {
            if brute.interleavings == most {
                return None;
            }
            let run = run(program, &schedule);
            brute.count(&run);
            schedule.clear();
            schedule.extend(run.steps.iter().map(|step| step.done.task));
            // The next one in the order of schedules.
            loop {
                let Some(last) = schedule.pop() else { return Some(brute) };
                let later = run.steps[schedule.len()].enabled >> last >> 1;
                if later != 0 {
                    schedule.push(last + 1 + later.trailing_zeros() as usize);
                    break;
                }
            }
        }
    }

    /// The least cost of any damage.
    pub(crate) fn least_of_all(&self) -> Option<Cost> {
        self.least.values().min().copied()
    }

    fn count(&mut self, run: &Replay) {
        let (end, outcome) = run.end.as_ref().expect("it ran to its end");
        self.interleavings += 1;
        let is_bad = outcome.failed != 0 || end.is_deadlock();
        self.outcomes.insert((outcome.key, end.is_deadlock()));
        if !is_bad {
            return;
        }
        self.bad += 1;
        self.bad_outcomes.insert((outcome.key, end.is_deadlock()));
        let branches = run.steps.iter().map(|step| f64::from(step.enabled.count_ones()));
        self.p_random += branches.map(|n| 1.0 / n).product::<f64>();
        let cost = (run.preemptions, run.switches, run.steps.len());
        let checkers = (0..64).filter(|bit| outcome.failed >> bit & 1 != 0);
        for kind in checkers.chain(end.is_deadlock().then_some(64)) {
            let least = self.least.entry(kind).or_insert(cost);
            *least = cost.min(*least);
        }
    }
}

/// Runs along a schedule, then always the first task that can run.
fn run(program: &dyn Program, schedule: &[usize]) -> Replay {
    let mut rest = schedule.iter().copied();
    replay_with(program, &mut |exec| {
        Some(rest.next().unwrap_or_else(|| exec.enabled().trailing_zeros() as usize))
    })
    .expect("only enabled tasks are picked")
}
