//! Rounds, as many as asked, on as many processors as there are: the sums are the same whatever their
//! number, since each round depends on its own number alone.

use super::tally::{About, Tally};
use crate::any_layer::AnyLayer;
use crate::config::Config;
use crate::measured::Measured;
use crate::plan::Plan;
use crate::virtual_world::{MakeCosts, Round, Starts, Terms, Timed};
use crate::workload::Workload;
use maprace_fs::window::Window;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What is measured.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A scenario: its tasks against each other, round after round.
    Plan(Box<Plan>),
    /// A workload; a round is an epoch.
    Workload(Workload),
}

/// A measurement in virtual time.
#[derive(Clone, Debug)]
pub struct Virtual<'a> {
    /// What.
    pub subject: Subject,
    /// What it is called.
    pub name: &'a str,
    /// In which configuration.
    pub config: &'a Config,
    /// Machine and medium.
    pub terms: Terms,
    /// The table of costs, and what its numbers are good for.
    pub costs: String,
    /// The seed.
    pub seed: u64,
    /// How many rounds; a workload has as many as it has epochs.
    pub rounds: u64,
    /// When tasks start; `None`: drawn from as long as the slowest of them takes alone.
    pub starts: Option<Starts>,
    /// How many threads run rounds; `None`: as many as there are processors. No figure depends on it.
    pub threads: Option<usize>,
}

/// How it ended.
#[derive(Debug)]
pub struct Outcome {
    /// The record; of as many rounds as it says.
    pub measured: Measured,
    /// Each window, by round, where they are kept.
    pub windows: Vec<(u64, Vec<Window>)>,
    /// Whether it was ended before its last round.
    pub cut: bool,
}

/// So many rounds of a scenario are done by one thread at a time.
const CHUNK: u64 = 64;

impl Virtual<'_> {
    fn world(&self, layer: &dyn AnyLayer, costs: MakeCosts<'_>) -> Box<dyn Timed> {
        match &self.subject {
            Subject::Plan(plan) => layer.timed(plan, self.terms.clone(), costs),
            Subject::Workload(workload) => {
                layer.crowded(*workload, self.config, self.terms.clone(), costs)
            }
        }
    }

    /// How many rounds there are.
    pub fn rounds(&self) -> u64 {
        match &self.subject {
            Subject::Plan(_) => self.rounds,
            Subject::Workload(workload) => workload.epochs(),
        }
    }

    fn tasks(&self) -> usize {
        match &self.subject {
            Subject::Plan(plan) => plan.tasks.len(),
            Subject::Workload(workload) => workload.tasks() as usize,
        }
    }

    /// Draws starts from as long as the slowest task takes when all others wait for it.
    fn starts(&self, layer: &dyn AnyLayer, costs: MakeCosts<'_>) -> Starts {
        if let Some(starts) = &self.starts {
            return starts.clone();
        }
        if let Subject::Workload(_) = self.subject {
            return Starts::Drawn { within_ns: 10_000 };
        }
        let mut world = self.world(layer, costs);
        let alone = |first: usize| {
            let late = (0..self.tasks()).map(|task| if task == first { 0 } else { LATE_NS });
            let starts = Starts::At(late.collect());
            let round = Round { number: u64::MAX, seed: self.seed, starts };
            world.round(&round, &mut Tally::default()).ends_ns[first].unwrap_or(0)
        };
        let within_ns = (0..self.tasks()).map(alone).max().unwrap_or(0);
        Starts::Drawn { within_ns }
    }

    /// Runs it. `done` is told how many rounds have ended; `stop` ends it after those that have begun.
    pub fn run(
        &self,
        layer: &dyn AnyLayer,
        costs: MakeCosts<'_>,
        stop: &AtomicBool,
        done: &(dyn Fn(u64) + Sync),
    ) -> Outcome {
        let starts = self.starts(layer, costs);
        let chunk = if matches!(self.subject, Subject::Plan(_)) { CHUNK } else { 1 };
        let chunks = self.rounds().div_ceil(chunk);
        let (next, ended) = (AtomicU64::new(0), AtomicU64::new(0));
        let sums = Mutex::new((Tally::default(), Vec::new()));
        let work = || {
            let mut world = self.world(layer, costs);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= chunks || stop.load(Ordering::Relaxed) {
                    return;
                }
                let (mut tally, mut windows) = (Tally::default(), Vec::new());
                for number in number * chunk..((number + 1) * chunk).min(self.rounds()) {
                    let round = Round { number, seed: self.seed, starts: starts.clone() };
                    let rounded = world.round(&round, &mut tally);
                    if self.terms.keep_windows {
                        windows.push((number, rounded.windows));
                    }
                    done(ended.fetch_add(1, Ordering::Relaxed) + 1);
                }
                let mut sums = sums.lock().expect("nobody panics while holding it");
                sums.0.merge(&tally);
                sums.1.append(&mut windows);
            }
        };
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.unwrap_or_else(processors);
        std::thread::scope(|scope| {
            for _ in 1..threads.min(usize::try_from(chunks).unwrap_or(usize::MAX)) {
                scope.spawn(work);
            }
            work();
        });
        let (tally, mut windows) = sums.into_inner().expect("nobody panicked while holding it");
        windows.sort_by_key(|(number, _)| *number);
        let measured = tally.measured(&self.about(&starts));
        let cut = measured.rounds < self.rounds();
        Outcome { measured, windows, cut }
    }

    fn about(&self, starts: &Starts) -> About<'_> {
        About {
            world: "virtual",
            subject: self.name,
            config: self.config,
            media: self.terms.media.name(),
            costs: Some(&self.costs),
            cpus: self.terms.machine.cpus,
            seed: self.seed,
            starts_within_ns: match starts {
                Starts::Drawn { within_ns } => Some(*within_ns),
                Starts::At(_) => None,
            },
        }
    }
}

/// Later than any task ends.
const LATE_NS: u64 = 1 << 50;
