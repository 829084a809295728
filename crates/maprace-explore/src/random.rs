//! Schedules by chance: uniform over the enabled tasks, or by random priorities. Never a proof.

use crate::cost::Examples;
use crate::program::Program;
use crate::report::{Engine, Options, Report, Stop};
use crate::run::{MOST_TASKS, Run, tasks_of};
use crate::tally::Tally;
use maprace_runtime::sim::Keep;

/// A small generator (SplitMix64; Steele, Lea and Flood, OOPSLA 2014, figure 17): the same numbers
/// from the same seed on every machine.
#[derive(Clone, Debug)]
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// A number below `end`, which is small: the bias is below 2^-50.
    fn below(&mut self, end: usize) -> usize {
        let product = u128::from(self.next()) * end as u128;
        usize::try_from(product >> 64).expect("below a usize")
    }
}

/// Who is next.
trait Scheduler {
    /// An execution begins.
    fn begin(&mut self, rng: &mut Rng);
    /// One of `enabled` for the step with that number.
    fn pick(&mut self, rng: &mut Rng, step: usize, enabled: u32) -> usize;
    /// The execution had so many steps.
    fn ended(&mut self, _steps: usize) {}
}

/// Uniform among the enabled tasks, step by step.
struct Uniform;

impl Scheduler for Uniform {
    fn begin(&mut self, _: &mut Rng) {}

    fn pick(&mut self, rng: &mut Rng, _: usize, enabled: u32) -> usize {
        let nth = rng.below(enabled.count_ones() as usize);
        tasks_of(enabled).nth(nth).expect("fewer than are enabled")
    }
}

/// Random priorities; at `depth - 1` random steps the task that would run becomes the least (PCT,
/// Burckhardt, Kothari, Musuvathi and Nagarakatte, ASPLOS 2010, section 3).
struct Priorities {
    /// Larger runs first.
    of: [u32; MOST_TASKS],
    /// The steps before which a priority is lowered, and to what.
    changes: Vec<usize>,
    depth: u32,
    /// The longest execution so far: what the random steps are drawn from.
    steps_max: usize,
}

impl Scheduler for Priorities {
    fn begin(&mut self, rng: &mut Rng) {
        // Those below `depth` are for lowered ones.
        for (i, priority) in (self.depth..).zip(0..MOST_TASKS) {
            self.of[priority] = i;
        }
        for i in (1..MOST_TASKS).rev() {
            self.of.swap(i, rng.below(i + 1));
        }
        self.changes.clear();
        for _ in 1..self.depth {
            self.changes.push(rng.below(self.steps_max.max(1)));
        }
    }

    fn pick(&mut self, _: &mut Rng, step: usize, enabled: u32) -> usize {
        let first = |of: &[u32; MOST_TASKS]| {
            tasks_of(enabled).max_by_key(|task| of[*task]).expect("somebody is enabled")
        };
        for (lowered, at) in (1..).zip(&self.changes) {
            if *at == step {
                self.of[first(&self.of)] = self.depth - lowered;
            }
        }
        first(&self.of)
    }

    fn ended(&mut self, steps: usize) {
        self.steps_max = self.steps_max.max(steps);
    }
}

/// Runs as many schedules by chance as the budget has.
pub(crate) fn explore(program: &dyn Program, options: &Options<'_>) -> Report {
    if options.engine == Engine::Pct {
        let depth = options.pct_depth.max(1);
        let (of, changes) = ([0; MOST_TASKS], Vec::new());
        sample(program, options, &mut Priorities { of, changes, depth, steps_max: 0 })
    } else {
        sample(program, options, &mut Uniform)
    }
}

fn sample(program: &dyn Program, options: &Options<'_>, pick: &mut impl Scheduler) -> Report {
    let (mut tally, mut run) =
        (Tally::default(), Run::without_footprints(program, Keep::default()));
    let mut rng = Rng(options.seed);
    let mut way: Vec<(usize, u32)> = Vec::new();
    while tally.may_go_on(options, options.budget.executions) {
        tally.executions += 1;
        tally.progress(options, options.engine, 0);
        run.begin();
        way.clear();
        pick.begin(&mut rng);
        while way.len() < options.budget.steps && !run.is_crowded() {
            let enabled = run.exec.enabled();
            if enabled == 0 {
                break;
            }
            let task = pick.pick(&mut rng, way.len(), enabled);
            way.push((task, enabled));
            run.step(task);
        }
        pick.ended(way.len());
        if run.is_crowded() || run.exec.enabled() != 0 {
            tally.cut += 1;
            tally.steps_max = tally.steps_max.max(way.len());
            continue;
        }
        let ended = run.ended();
        tally.end(&ended, way.len());
        if ended.is_bad() {
            Examples::offer_run(&mut tally.examples, way.iter().copied(), &ended);
        }
    }
    tally.stopped.get_or_insert(Stop::Executions);
    tally.report(options.engine, &mut run)
}
