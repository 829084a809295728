//! What every engine counts, and how it becomes a report.

use crate::cost::{Candidate, Examples};
use crate::report::{Counterexample, Damage, Engine, Missing, Options, Progress, Report, Stop};
use crate::run::{Ended, MOST_TASKS, Run};
use rustc_hash::FxHashMap;

/// How many executions pass between two reports of progress, as a mask.
const PROGRESS_MASK: u64 = 0x3ff;

/// What an engine has counted so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Executions, those cut short included.
    pub(crate) executions: u64,
    /// Executions given up because what was left is covered elsewhere.
    pub(crate) cut: u64,
    /// Executions that came to their end: all, bad ones, deadlocks.
    pub(crate) ends: u64,
    pub(crate) bad: u64,
    pub(crate) deadlocks: u64,
    pub(crate) steps_max: usize,
    pub(crate) first_bug_at: Option<u64>,
    /// Each outcome, and whether it is bad.
    outcomes: FxHashMap<u128, bool>,
    pub(crate) examples: Examples,
    pub(crate) stopped: Option<Stop>,
}

impl Tally {
    /// Counts the end of the current execution, which took `steps`.
    pub(crate) fn end(&mut self, ended: &Ended, steps: usize) {
        self.ends += 1;
        self.steps_max = self.steps_max.max(steps);
        self.outcomes.insert(ended.key, ended.is_bad());
        self.deadlocks += u64::from(ended.deadlock);
        if ended.is_bad() {
            self.bad += 1;
            self.first_bug_at.get_or_insert(self.executions);
            self.examples.count(ended);
        }
    }

    /// Whether another execution may start; if not, why is kept. `at_most` is the budget.
    pub(crate) fn may_go_on(&mut self, options: &Options<'_>, at_most: u64) -> bool {
        let stop = if options.stopped() {
            Some(Stop::Asked)
        } else if options.first_bug_only && self.first_bug_at.is_some() {
            Some(Stop::FirstBug)
        } else if self.executions >= at_most {
            Some(Stop::Executions)
        } else {
            None
        };
        if stop.is_some() {
            self.stopped = stop;
        }
        stop.is_none()
    }

    /// Tells whoever wants to know, now and then.
    pub(crate) fn progress(&self, options: &Options<'_>, engine: Engine, states: u64) {
        if self.executions & PROGRESS_MASK == 0
            && let Some(tell) = options.progress
        {
            tell(Progress { engine, executions: self.executions, bad: self.bad, states });
        }
    }

    /// The report of an engine that ran in `run`, with the counts that every engine has.
    pub(crate) fn report(self, engine: Engine, run: &mut Run<'_>) -> Report {
        let mut examples = Vec::new();
        let mut damage = Vec::new();
        for (checker, traces, candidate, ended) in self.examples.by_kind() {
            let example = counterexample(run, candidate, ended);
            let index = examples.iter().position(|e| *e == example).unwrap_or_else(|| {
                examples.push(example);
                examples.len() - 1
            });
            if let Some(checker) = checker {
                damage.push(Damage { checker, traces, example: index });
            }
        }
        let least = self.examples.least().map(|(c, ended)| counterexample(run, c, ended));
        let bad_outcomes = self.outcomes.values().filter(|bad| **bad).count() as u64;
        Report {
            engine,
            complete: self.stopped.is_none(),
            executions: self.executions,
            cut: self.cut,
            bad: self.bad,
            traces: None,
            bad_traces: None,
            interleavings: None,
            bad_interleavings: None,
            outcomes: Some(self.outcomes.len() as u64),
            bad_outcomes: Some(bad_outcomes),
            outcome_keys: self.outcomes.into_keys().collect(),
            certificate: None,
            certificate_missing: Some(Missing::Engine),
            p_random: None,
            deadlocks: self.deadlocks,
            damage,
            steps_max: self.steps_max,
            states: None,
            counterexample: least,
            minimal: false,
            examples,
            stopped: self.stopped,
            first_bug_at: self.first_bug_at,
            preemption_bound: None,
        }
    }
}

/// Runs a schedule again and gives its tasks the numbers that a fresh execution gives them.
fn counterexample(run: &mut Run<'_>, candidate: &Candidate, ended: &Ended) -> Counterexample {
    run.begin();
    let mut fresh = [usize::MAX; MOST_TASKS];
    let mut next = 0;
    let mut admit = |task: usize| {
        fresh[task] = next;
        next += 1;
    };
    (0..run.exec.len()).for_each(&mut admit);
    let mut schedule = Vec::with_capacity(candidate.schedule.len());
    for task in candidate.schedule.iter().map(|task| usize::from(*task)) {
        let done = run.step(task);
        schedule.push(task);
        done.spawned.iter().copied().for_each(&mut admit);
    }
    run.abandon();
    for task in &mut schedule {
        *task = fresh[*task];
    }
    let (preemptions, switches) = (candidate.cost.preemptions, candidate.cost.switches);
    Counterexample {
        schedule,
        preemptions,
        switches,
        failed: ended.failed,
        deadlock: ended.deadlock,
    }
}
