//! Whether steps that are declared independent are: runs both orders and compares the states.

use crate::program::Program;
use crate::run::{Run, tasks_of};
use maprace_runtime::sim::{Done, Keep};
use rustc_hash::FxHashSet;

/// How much was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// States looked at.
    pub states: u64,
    /// Pairs of enabled steps that were declared independent, and are.
    pub pairs: u64,
    /// Whether these were all reachable states.
    pub complete: bool,
}

/// What is wrong with two steps that were declared independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The state after both depends on their order.
    State,
    /// One of them does something else after the other: its footprint or its holds differ.
    Step,
    /// One of them lets the other run, or keeps it from running.
    Guard,
}

/// Two steps whose footprints say that their order does not matter, though it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependence {
    /// Who ran to get there, step by step.
    pub schedule: Vec<usize>,
    /// The first of the two tasks, and its step.
    pub one: (usize, &'static str),
    /// The other.
    pub other: (usize, &'static str),
    /// What is wrong.
    pub flaw: Flaw,
}

impl std::fmt::Display for Dependence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Dependence { schedule, one, other, flaw } = self;
        let what = match flaw {
            Flaw::State => "leave another state in the other order",
            Flaw::Step => "touch other things in the other order",
            Flaw::Guard => "let or keep each other from running",
        };
        write!(
            f,
            "{} of task {} and {} of task {} are declared independent and {what}, after {schedule:?}",
            one.1, one.0, other.1, other.0
        )
    }
}

impl std::error::Error for Dependence {}

/// Looks at up to `most` reachable states of `program`; in each runs every pair of enabled steps that
/// are declared independent in both orders.
///
/// # Errors
/// The first pair that is not independent.
pub fn check_independence(program: &dyn Program, most: u64) -> Result<Checked, Dependence> {
    let mut check = Check {
        run: Run::new(program, Keep { hashes: true, ..Keep::default() }),
        way: Vec::new(),
        checked: Checked::default(),
    };
    check.check(most)?;
    Ok(check.checked)
}

struct Check<'p> {
    run: Run<'p>,
    way: Vec<usize>,
    checked: Checked,
}

impl Check<'_> {
    fn check(&mut self, most: u64) -> Result<(), Dependence> {
        let mut known = FxHashSet::default();
        let mut is_all = true;
        // Ways to states that are to be looked at.
        let mut todo = vec![Vec::new()];
        while let Some(way) = todo.pop() {
            self.way = way;
            self.go();
            if self.run.is_crowded() {
                is_all = false;
                continue;
            }
            if !known.insert(self.run.key()) {
                continue;
            }
            if self.checked.states == most {
                return Ok(());
            }
            self.checked.states += 1;
            let enabled = self.run.exec.enabled();
            self.check_state(enabled)?;
            for task in tasks_of(enabled) {
                let mut way = self.way.clone();
                way.push(task);
                todo.push(way);
            }
        }
        self.checked.complete = is_all;
        Ok(())
    }

    /// Goes to the state at the end of the way.
    fn go(&mut self) {
        self.run.begin();
        for task in &self.way {
            self.run.step(*task);
        }
    }

    /// Checks every step of a state against every other announced step.
    fn check_state(&mut self, enabled: u32) -> Result<(), Dependence> {
        for one in tasks_of(enabled) {
            self.go();
            let live = self.run.exec.live();
            let done = self.run.step(one).clone();
            let after = self.run.exec.enabled();
            for other in tasks_of(live & !(1 << one)) {
                let waiting = self.run.exec.announced(other).expect("it has not run");
                if (enabled ^ after) >> other & 1 != 0 && !waiting.main.clash(&done.full) {
                    return Err(self.flaw((one, &done), (other, waiting.step.name), Flaw::Guard));
                }
            }
            let both = enabled & after & !((2 << one) - 1);
            for other in tasks_of(both) {
                self.check_pair(one, other)?;
            }
        }
        Ok(())
    }

    /// Runs two steps that are enabled in both orders.
    ///
    /// Independent they are said to be either by happens-before, over full footprints, or by the rule
    /// of sleep sets, the main footprint of one against the full one of the other: the second says so
    /// of more pairs.
    fn check_pair(&mut self, one: usize, other: usize) -> Result<(), Dependence> {
        let (first, then, state) = self.run_pair(one, other);
        if first.full.clash(&then.main) && first.main.clash(&then.full) {
            return Ok(());
        }
        let (then_first, first_then, other_state) = self.run_pair(other, one);
        let same = |a: &Done, b: &Done| {
            a.step.name == b.step.name
                && a.guard == b.guard
                && a.holds == b.holds
                && a.main.accesses() == b.main.accesses()
                && a.full.accesses() == b.full.accesses()
        };
        let flaw = if state != other_state {
            Flaw::State
        } else if !same(&first, &first_then) || !same(&then, &then_first) {
            Flaw::Step
        } else {
            self.checked.pairs += 1;
            return Ok(());
        };
        Err(self.flaw((one, &first), (other, then.step.name), flaw))
    }

    fn run_pair(&mut self, one: usize, other: usize) -> (Done, Done, u128) {
        self.go();
        let first = self.run.step(one).clone();
        let then = self.run.step(other).clone();
        (first, then, self.run.key())
    }

    fn flaw(&self, one: (usize, &Done), other: (usize, &'static str), flaw: Flaw) -> Dependence {
        let one = (one.0, one.1.step.name);
        Dependence { schedule: self.way.clone(), one, other, flaw }
    }
}
