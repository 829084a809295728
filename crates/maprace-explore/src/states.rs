//! Every state once: exact path counts and the exact chance of damage, by depth first search.
//!
//! A state is recognised by the digest of what every object holds, where every task is and what it
//! was given, and what the watch has recorded. Futures cannot be copied, so the way to a state is run
//! again from the root whenever the search turns there. What lies behind a state is summed up when it
//! is left for the last time, and used each time it is met again: the sums are over all
//! interleavings, though few are run. It needs no footprints: a check on the engines that do.

use crate::program::Program;
use crate::report::{Engine, Missing, Options, Report, Stop};
use crate::run::{Run, first_of};
use crate::tally::Tally;
use maprace_runtime::sim::Keep;
use rustc_hash::FxHashMap;

/// What lies behind a state.
#[derive(Clone, Copy, Debug, Default)]
struct Behind {
    /// Ways to an end, and to a bad one; `u128::MAX` when they are more.
    ways: u128,
    bad_ways: u128,
    /// The chance to reach an end, and a bad one, under a uniform scheduler.
    chance: f64,
    bad_chance: f64,
    /// Steps of the longest way.
    steps: usize,
}

impl Behind {
    /// The chance of a state that is still on the way, whose sums are not known.
    const OPEN: Behind = Behind { ways: 0, bad_ways: 0, chance: -1.0, bad_chance: 0.0, steps: 0 };

    fn is_open(&self) -> bool {
        self.chance < 0.0
    }

    /// Adds what lies behind one of `branches` equally likely steps.
    fn add(&mut self, step: &Behind, branches: u32) {
        self.ways = self.ways.saturating_add(step.ways);
        self.bad_ways = self.bad_ways.saturating_add(step.bad_ways);
        self.chance += step.chance / f64::from(branches);
        self.bad_chance += step.bad_chance / f64::from(branches);
        self.steps = self.steps.max(step.steps + 1);
    }
}

/// A state on the way.
#[derive(Clone, Copy, Debug)]
struct Frame {
    key: u128,
    enabled: u32,
    /// Tasks that are yet to be tried here.
    left: u32,
    chosen: usize,
    behind: Behind,
}

struct Search<'p> {
    options: &'p Options<'p>,
    run: Run<'p>,
    known: FxHashMap<u128, Behind>,
    way: Vec<Frame>,
    tally: Tally,
    /// Whether the world stands in the state at the end of the way.
    in_place: bool,
    /// Whether some state can be reached from itself.
    cyclic: bool,
}

/// Explores every state of `program`.
pub(crate) fn explore(program: &dyn Program, options: &Options<'_>) -> Report {
    let mut search = Search {
        options,
        run: Run::without_footprints(program, Keep { hashes: true, ..Keep::default() }),
        known: FxHashMap::default(),
        way: Vec::new(),
        tally: Tally::default(),
        in_place: false,
        cyclic: false,
    };
    let all = search.search();
    search.report(&all)
}

impl Search<'_> {
    /// Runs through all states; what lies behind the first?
    fn search(&mut self) -> Behind {
        self.build();
        let mut found = self.arrive();
        loop {
            let Some(top) = self.way.last_mut() else { return found.unwrap_or_default() };
            if let Some(behind) = found.take() {
                top.behind.add(&behind, top.enabled.count_ones());
            }
            if top.left == 0 {
                let (key, behind) = (top.key, top.behind);
                self.way.pop();
                self.known.insert(key, behind);
                found = Some(behind);
                continue;
            }
            let chosen = first_of(top.left);
            if !self.may_go_on() {
                return self.give_up();
            }
            self.stand_at_top();
            if let Some(top) = self.way.last_mut() {
                top.chosen = chosen;
                top.left &= top.left - 1;
            }
            self.run.step(chosen);
            found = self.arrive();
        }
    }

    fn may_go_on(&mut self) -> bool {
        let states = self.known.len() as u64;
        let room = states < self.options.budget.states;
        if self.tally.may_go_on(self.options, u64::MAX) && !room {
            self.tally.stopped = Some(Stop::States);
        }
        matches!(self.tally.stopped, None | Some(Stop::Steps))
    }

    fn build(&mut self) {
        self.run.begin();
        self.tally.executions += 1;
        self.tally.progress(self.options, Engine::States, self.known.len() as u64);
    }

    /// Runs to the state at the end of the way, unless the world is there.
    fn stand_at_top(&mut self) {
        if self.in_place {
            return;
        }
        self.build();
        let before = self.way.len() - 1;
        for frame in &self.way[..before] {
            self.run.step(frame.chosen);
        }
    }

    /// Looks at the state in which the world is now: what lies behind it, if that is known; if not it
    /// is the new end of the way.
    fn arrive(&mut self) -> Option<Behind> {
        self.in_place = false;
        if self.run.is_crowded() {
            return Some(self.cut_short());
        }
        let key = self.run.key();
        if let Some(behind) = self.known.get(&key) {
            if behind.is_open() {
                self.cyclic = true;
                return Some(Behind::default());
            }
            return Some(*behind);
        }
        let enabled = self.run.exec.enabled();
        if enabled == 0 {
            let behind = self.end();
            self.known.insert(key, behind);
            return Some(behind);
        }
        if self.way.len() == self.options.budget.steps {
            return Some(self.cut_short());
        }
        self.known.insert(key, Behind::OPEN);
        self.way.push(Frame { key, enabled, left: enabled, chosen: 0, behind: Behind::default() });
        self.in_place = true;
        None
    }

    /// Looks no further: of what lies behind this state nothing will be known.
    fn cut_short(&mut self) -> Behind {
        self.tally.cut += 1;
        self.tally.steps_max = self.tally.steps_max.max(self.way.len());
        self.tally.stopped = Some(Stop::Steps);
        Behind::default()
    }

    fn end(&mut self) -> Behind {
        let ended = self.run.ended();
        self.tally.end(&ended, self.way.len());
        if !ended.is_bad() {
            return Behind { ways: 1, chance: 1.0, ..Behind::default() };
        }
        let run = self.way.iter().map(|frame| (frame.chosen, frame.enabled));
        self.tally.examples.offer_run(run, &ended);
        Behind { ways: 1, bad_ways: 1, chance: 1.0, bad_chance: 1.0, steps: 0 }
    }

    /// Sums up what was found so far.
    fn give_up(&mut self) -> Behind {
        let mut sum = Behind::default();
        for (at, frame) in self.way.iter_mut().rev().enumerate() {
            if at > 0 {
                frame.behind.add(&sum, frame.enabled.count_ones());
            }
            sum = frame.behind;
        }
        sum
    }

    fn report(mut self, all: &Behind) -> Report {
        let states = self.known.len() as u64;
        let mut report = self.tally.report(Engine::States, &mut self.run);
        report.states = Some(states);
        if self.cyclic {
            report.certificate_missing = Some(Missing::Cycle);
            return report;
        }
        report.certificate = Some(all.chance);
        report.certificate_missing = None;
        if report.complete {
            report.p_random = Some(all.bad_chance);
            report.steps_max = all.steps;
            let count = |ways: u128| Some(ways).filter(|ways| *ways != u128::MAX);
            report.interleavings = count(all.ways);
            report.bad_interleavings = count(all.bad_ways);
        }
        report
    }
}
