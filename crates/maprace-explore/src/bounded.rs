//! Depth first through every interleaving with at most so many preemptions.
//!
//! Nothing is reduced and nothing remembered but the way to where it stands: the dumb enumeration
//! that the clever engines are compared with, and the search of [`icb`](crate::icb).

use crate::report::{Engine, Options, Stop};
use crate::run::{Ended, Run, first_of};
use crate::tally::Tally;
use maprace_runtime::sim::Done;

/// A choice on the way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    /// What was enabled.
    pub(crate) enabled: u32,
    /// What is yet to be tried.
    left: u32,
    /// The task that ran.
    pub(crate) chosen: usize,
    /// The task that ran before it, as a mask, if it could go on.
    last: u32,
    /// Preemptions before it.
    preemptions: u32,
    /// The chance of the way up to here under a uniform scheduler.
    chance: f64,
}

/// An interleaving that came to its end.
#[derive(Debug)]
pub(crate) struct Visit<'a> {
    pub(crate) way: &'a [Choice],
    /// What each step did; empty unless asked for.
    pub(crate) steps: &'a [Done],
    /// Its chance under a uniform scheduler.
    pub(crate) chance: f64,
    pub(crate) ended: Ended,
}

/// A depth first search.
pub(crate) struct Bounded<'r, 'p> {
    pub(crate) run: &'r mut Run<'p>,
    /// In whose name progress is told.
    pub(crate) engine: Engine,
    /// Preemptions allowed.
    pub(crate) bound: u32,
    /// Executions allowed, those already in the tally included.
    pub(crate) executions: u64,
    /// Whether visits want to know what each step did.
    pub(crate) keep_steps: bool,
    /// Executions with fewer preemptions were counted before.
    pub(crate) at_least: u32,
    /// Whether the bound has kept it from anything.
    pub(crate) is_bounded: bool,
}

impl<'r, 'p> Bounded<'r, 'p> {
    /// All interleavings.
    pub(crate) fn unbounded(run: &'r mut Run<'p>, engine: Engine, executions: u64) -> Self {
        let (bound, at_least) = (u32::MAX, 0);
        Bounded { run, engine, bound, executions, at_least, keep_steps: false, is_bounded: false }
    }

    /// Runs through all; true unless something stopped it, which `tally` then says.
    pub(crate) fn search(
        &mut self,
        options: &Options<'_>,
        tally: &mut Tally,
        visit: &mut dyn FnMut(&Visit<'_>),
    ) -> bool {
        let (mut way, mut steps) = (Vec::new(), Vec::new());
        loop {
            if !tally.may_go_on(options, self.executions) {
                return false;
            }
            tally.executions += 1;
            tally.progress(options, self.engine, 0);
            if let Some(ended) = self.execute(options, &mut way, &mut steps) {
                let preemptions = way.last().map_or(0, Choice::preemptions_after);
                if preemptions >= self.at_least {
                    count(tally, &way, &ended);
                    let chance = way.last().map_or(1.0, Choice::chance_after);
                    visit(&Visit { way: &way, steps: &steps, chance, ended });
                }
            } else {
                tally.cut += 1;
                tally.steps_max = tally.steps_max.max(way.len());
                tally.stopped = Some(Stop::Steps);
            }
            if !turn(&mut way) {
                return tally.stopped.is_none();
            }
        }
    }

    /// Runs along `way` and then to the end; `None` if that is too far or there are too many tasks.
    fn execute(
        &mut self,
        options: &Options<'_>,
        way: &mut Vec<Choice>,
        steps: &mut Vec<Done>,
    ) -> Option<Ended> {
        self.run.begin();
        steps.clear();
        for choice in way.iter() {
            let done = self.run.step(choice.chosen);
            if self.keep_steps {
                steps.push(done.clone());
            }
        }
        loop {
            if self.run.is_crowded() {
                return None;
            }
            let enabled = self.run.exec.enabled();
            if enabled == 0 {
                return Some(self.run.ended());
            }
            if way.len() == options.budget.steps {
                return None;
            }
            let choice = self.choose(way.last(), enabled);
            way.push(choice);
            let done = self.run.step(choice.chosen);
            if self.keep_steps {
                steps.push(done.clone());
            }
        }
    }

    /// Goes on with the task that ran last if it can, else with the first.
    fn choose(&mut self, before: Option<&Choice>, enabled: u32) -> Choice {
        let (last, preemptions, chance) = before.map_or((0, 0, 1.0), |before| {
            (1 << before.chosen & enabled, before.preemptions_after(), before.chance_after())
        });
        let may = if last != 0 && preemptions >= self.bound { last } else { enabled };
        self.is_bounded |= may != enabled;
        let chosen = first_of(if last != 0 { last } else { may });
        Choice { enabled, left: may & !(1 << chosen), chosen, last, preemptions, chance }
    }
}

impl Choice {
    fn preemptions_after(&self) -> u32 {
        self.preemptions + u32::from(self.last & !(1 << self.chosen) != 0)
    }

    fn chance_after(&self) -> f64 {
        self.chance / f64::from(self.enabled.count_ones())
    }
}

fn count(tally: &mut Tally, way: &[Choice], ended: &Ended) {
    tally.end(ended, way.len());
    if ended.is_bad() {
        let run = way.iter().map(|choice| (choice.chosen, choice.enabled));
        tally.examples.offer_run(run, ended);
    }
}

/// Turns at the last choice that has another way; false when there is none.
fn turn(way: &mut Vec<Choice>) -> bool {
    while let Some(choice) = way.last_mut() {
        if choice.left != 0 {
            choice.chosen = first_of(choice.left);
            choice.left &= choice.left - 1;
            return true;
        }
        way.pop();
    }
    false
}
