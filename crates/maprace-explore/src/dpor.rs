//! Source-DPOR with sleep sets, made for locks: one interleaving of each trace.
//!
//! The algorithm is that of Abdulla, Aronis, Jonsson and Sagonas (POPL 2014, section 5), with another
//! rule of what races, without which no race on a lock is ever found: see [`races`](crate::races).
//! Every complete execution is a trace of its own; its chance, its interleavings and, if it is bad,
//! its least schedule are computed from its happens-before order alone.

use crate::clocks::Log;
use crate::measure::{Measure, Measured, Trace};
use crate::program::Program;
use crate::races::{Later, Node, reverse};
use crate::report::{Engine, Missing, Options, Report, Stop};
use crate::run::{Ended, Run, first_of, tasks_of};
use crate::tally::Tally;
use crate::trace::Blocked;
use maprace_runtime::sim::Keep;

/// How far from 1 the chances of all traces may add up to.
const SLACK: f64 = 1e-6;
/// What rounding may come to over millions of terms; far less than the chance of any trace left out
/// that a person could miss.
const ROUNDING: f64 = 1e-9;

/// Explores one interleaving of each trace of `program`.
pub(crate) fn explore(program: &dyn Program, options: &Options<'_>) -> Report {
    let mut search = Search::new(program, options);
    search.search();
    search.report()
}

struct Search<'p> {
    options: &'p Options<'p>,
    run: Run<'p>,
    /// The way to where the search stands.
    stack: Vec<Node>,
    /// What the steps of that way did.
    log: Log,
    /// Tasks that wait at its end.
    blocked: Vec<Blocked>,
    tally: Tally,
    sums: Sums,
    measure: Measure,
    /// A buffer of [`reverse`].
    unordered: Vec<usize>,
    /// How many executions were given up as too long.
    too_long: u32,
}

/// A sum of chances, which is 1 where only the rounding of its terms keeps it from that.
fn whole(sum: f64) -> f64 {
    if (sum - 1.0).abs() < ROUNDING { 1.0 } else { sum }
}

/// After so many executions without an end there are always more: tasks that make each other start over.
const TOO_LONG_MOST: u32 = 16;

/// Sums over traces.
#[derive(Debug, Default)]
struct Sums {
    chance: f64,
    bad_chance: f64,
    interleavings: u128,
    bad_interleavings: u128,
    /// Traces with more downsets than the budget allows, whose chance is missing above.
    unweighed: u64,
    /// Bad ones among those, whose least schedule is unknown.
    unmeasured: u64,
    overflow: bool,
}

impl Sums {
    fn add(&mut self, measured: &Measured, bad: bool) {
        let Some(chance) = measured.chance else {
            self.unweighed += 1;
            return;
        };
        self.chance += chance;
        self.bad_chance += if bad { chance } else { 0.0 };
        let sum = measured.interleavings.and_then(|more| self.interleavings.checked_add(more));
        self.overflow |= sum.is_none();
        self.interleavings = sum.unwrap_or_default();
        if bad && !self.overflow {
            self.bad_interleavings += measured.interleavings.unwrap_or_default();
        }
    }
}

/// How an execution came out.
enum Came {
    /// To its end.
    Ended(Ended),
    /// To a state from which everything is covered elsewhere.
    Covered,
    /// Too far, or to too many tasks.
    TooLong,
}

impl<'p> Search<'p> {
    fn new(program: &'p dyn Program, options: &'p Options<'p>) -> Search<'p> {
        let mut run = Run::new(program, Keep::default());
        run.begin();
        let held = run.exec.held();
        Search {
            options,
            run,
            stack: Vec::new(),
            log: Log::new(&held),
            blocked: Vec::new(),
            tally: Tally::default(),
            sums: Sums::default(),
            measure: Measure::default(),
            unordered: Vec::new(),
            too_long: 0,
        }
    }

    fn search(&mut self) {
        while self.tally.may_go_on(self.options, self.options.budget.executions) {
            self.tally.executions += 1;
            self.tally.progress(self.options, Engine::Dpor, 0);
            let fresh = self.log.len();
            match self.execute() {
                Came::Ended(ended) => self.end(&ended),
                Came::Covered => self.tally.cut += 1,
                Came::TooLong => {
                    self.tally.cut += 1;
                    self.tally.steps_max = self.tally.steps_max.max(self.stack.len());
                    self.tally.stopped = Some(Stop::Steps);
                    self.too_long += 1;
                    if self.too_long == TOO_LONG_MOST {
                        return;
                    }
                }
            }
            self.find_races(fresh);
            if !self.turn() {
                return;
            }
        }
    }

    /// Runs along the stack, whose last node has not run yet, and then to the end.
    fn execute(&mut self) -> Came {
        self.run.begin();
        self.blocked.clear();
        for node in &self.stack[..self.log.len()] {
            self.run.step(node.chosen);
        }
        let mut sleep = Some(0);
        if !self.stack.is_empty() {
            sleep = self.step();
        }
        loop {
            let Some(asleep) = sleep else { return Came::TooLong };
            let enabled = self.run.exec.enabled();
            if enabled == 0 {
                self.note_blocked();
                return Came::Ended(self.run.ended());
            }
            let awake = enabled & !asleep;
            if awake == 0 {
                // That a task which waits could have come before the one it waits for may show only
                // here: if that one never gives back what it holds.
                self.note_blocked();
                return Came::Covered;
            }
            if self.stack.len() == self.options.budget.steps {
                return Came::TooLong;
            }
            let last = self.stack.last().map_or(0, |node| 1 << node.chosen);
            let chosen = first_of(if awake & last != 0 { last } else { awake });
            let backtrack = 1 << chosen;
            self.stack.push(Node { chosen, enabled, backtrack, done: 0, sleep: asleep });
            sleep = self.step();
        }
    }

    /// Runs the last node of the stack; who sleeps in the state behind it? `None` if that has too many
    /// tasks.
    ///
    /// A task that sleeps, or was tried at that node, stays asleep if its step is independent of this.
    fn step(&mut self) -> Option<u32> {
        let node = self.stack.last()?;
        let step = self.run.step(node.chosen).clone();
        if self.run.is_crowded() {
            return None;
        }
        let candidates = (node.sleep | node.done) & node.enabled & !(1 << node.chosen);
        let sleep = tasks_of(candidates)
            .filter(|task| !self.run.exec.clashes(*task, &step.full))
            .fold(0, |mask, task| mask | 1 << task);
        self.log.push(step);
        Some(sleep)
    }

    fn note_blocked(&mut self) {
        for task in tasks_of(self.run.exec.live() & !self.run.exec.enabled()) {
            if let Some(announced) = self.run.exec.announced(task) {
                self.blocked.push(Blocked { task, guard: announced.guard, main: announced.main });
            }
        }
    }

    /// Finds what could have gone the other way, among the steps from `fresh` on and the steps that
    /// blocked tasks wait for, and puts it into the stack.
    fn find_races(&mut self, fresh: usize) {
        let Search { log, stack, unordered, blocked, options, .. } = self;
        for at in fresh..log.len() {
            let step = &log.steps[at];
            let later = Later {
                at,
                task: step.task,
                main: &step.main,
                full: &step.full,
                guard: step.guard,
                before: log.clock_before(at),
            };
            reverse(log, &later, options.race_rule, stack, unordered);
        }
        for Blocked { task, guard, main } in blocked {
            let (at, task, guard, before) = (log.len(), *task, *guard, log.clock_of(*task));
            let later = Later { at, task, main, full: main, guard, before };
            reverse(log, &later, options.race_rule, stack, unordered);
        }
    }

    /// Counts and weighs a trace.
    fn end(&mut self, ended: &Ended) {
        self.tally.end(ended, self.log.len());
        let run = self.stack.iter().map(|node| (node.chosen, node.enabled));
        // The schedule that was run is one of the trace: no other is of use that costs more.
        let bound = ended.is_bad().then(|| self.tally.examples.bound(run.clone(), ended));
        let trace = Trace { log: &self.log, blocked: &self.blocked };
        let measured = self.measure.measure(&trace, bound, self.options.budget.downsets);
        self.sums.add(&measured, ended.is_bad());
        match measured.least {
            Some(Some(candidate)) => self.tally.examples.offer(&candidate, ended),
            None if ended.is_bad() => {
                self.sums.unmeasured += 1;
                self.tally.examples.offer_run(run, ended);
            }
            _ => {}
        }
    }

    /// Turns at the last node that has another way; false when there is none.
    fn turn(&mut self) -> bool {
        while let Some(mut node) = self.stack.pop() {
            node.done |= 1 << node.chosen;
            let left = node.backtrack & !node.done & !node.sleep;
            if left != 0 {
                node.chosen = first_of(left);
                self.log.truncate(self.stack.len());
                self.stack.push(node);
                return true;
            }
        }
        false
    }

    fn report(mut self) -> Report {
        let (ends, bad, sums) = (self.tally.ends, self.tally.bad, self.sums);
        let mut report = self.tally.report(Engine::Dpor, &mut self.run);
        report.traces = Some(ends);
        report.bad_traces = Some(bad);
        if sums.unweighed == 0 {
            report.certificate = Some(whole(sums.chance));
            report.certificate_missing = None;
        } else {
            report.certificate_missing = Some(Missing::Downsets);
        }
        report.complete &= report.certificate.is_none_or(|sum| (sum - 1.0).abs() <= SLACK);
        if report.complete && sums.unweighed == 0 {
            report.p_random = Some(sums.bad_chance);
            if !sums.overflow {
                report.interleavings = Some(sums.interleavings);
                report.bad_interleavings = Some(sums.bad_interleavings);
            }
        }
        report.minimal = report.complete && sums.unmeasured == 0;
        report
    }
}
