//! The virtual world: a plan on a virtual clock, round after round, with a meter.
//!
//! A round builds the file anew, starts every task at a drawn time and runs all to their end; then
//! the checkers look, what happens afterwards happens (in no time), and they look again. Round `n` of a
//! seed is the same whichever rounds are run beside it.

use crate::config::Config;
use crate::measure::{Meter, Tally};
use crate::plan::Plan;
use crate::workload::{Crowd, Workload};
use maprace_fs::check::{check_idle, enospc_with_space_free};
use maprace_fs::window::{Watched, Window};
use maprace_fs::{
    Broken, Checker, Content, Errno, Inode, Layer, LayerKind, Log, Op, Request, Setup, Under,
};
use maprace_media::{Keying, Medium, Model, Modelled, Profile, Request as Access};
use maprace_runtime::sim::{Clock, Costs, Event, Exec, Hold, Keep, Machine, Moment, Sim, Task};
use maprace_runtime::{Foot, Happening, Key, Point, Runtime, Step, Traced};
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

/// More steps than that of a few operations are a run without an end.
const STEPS_MAX: u64 = 10_000_000;

/// What is under the file.
#[derive(Clone, Debug)]
pub enum Media {
    /// Every access completes at once.
    Instantly,
    /// Every access takes so many nanoseconds, side by side with all others.
    Fixed(u64),
    /// As a profile says.
    Profile(Arc<Profile>),
}

impl Media {
    /// Its name in every output.
    pub fn name(&self) -> String {
        match self {
            Media::Instantly => "instant".to_owned(),
            Media::Fixed(ns) => format!("fixed {ns} ns"),
            Media::Profile(profile) => profile.name.clone(),
        }
    }

    /// A fresh one; its draws begin at `seed`.
    pub fn under(&self, seed: u64) -> Under {
        match self {
            Media::Instantly => Under::Instantly,
            Media::Fixed(ns) => Under::Shared(Arc::new(Fixed(*ns))),
            Media::Profile(profile) => {
                let seed = profile.params.seed ^ seed;
                let model = Model::seeded(profile.params.clone(), seed, Keying::ByNumber);
                Under::Shared(Arc::new(Modelled::new(model)))
            }
        }
    }
}

/// A medium on which every access takes the same time.
#[derive(Clone, Copy, Debug)]
struct Fixed(u64);

impl Medium for Fixed {
    fn latency_ns(&self, _: Access) -> u64 {
        self.0
    }
}

/// When tasks start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Starts {
    /// Each at its own time, in nanoseconds.
    At(Vec<u64>),
    /// Each at a time drawn evenly from `0..=within_ns`.
    Drawn {
        /// The latest.
        within_ns: u64,
    },
}

/// One round.
#[derive(Clone, Debug)]
pub struct Round {
    /// Its number: draws depend on it and on the seed.
    pub number: u64,
    /// The seed.
    pub seed: u64,
    /// When tasks start.
    pub starts: Starts,
}

/// How a round ended.
#[derive(Clone, Debug, Default)]
pub struct Rounded {
    /// From the first start to its last event, in nanoseconds.
    pub run_ns: u64,
    /// When each task ended, in nanoseconds; `None` for one that did not.
    pub ends_ns: Vec<Option<u64>>,
    /// Steps of the tasks.
    pub steps: u64,
    /// Steps of what happened afterwards, which took no time.
    pub after_steps: u64,
    /// Whether tasks were left.
    pub stuck: bool,
    /// What was broken.
    pub broken: Vec<Broken>,
    /// Its windows, where they are kept.
    pub windows: Vec<Window>,
}

/// A plan that can be run on a virtual clock, as often as one likes.
pub trait Timed {
    /// Runs one round; what it measured goes to `tally`.
    fn round(&mut self, round: &Round, tally: &mut Tally) -> Rounded;
}

/// What a timed plan needs to know.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The machine.
    pub machine: Machine,
    /// The medium.
    pub media: Media,
    /// Whether each window is kept.
    pub keep_windows: bool,
}

/// Makes the costs for a world.
pub type MakeCosts<'a> = &'a (dyn Fn(&Sim) -> Box<dyn SeededCosts> + Sync);

/// Costs whose draws can begin anew.
pub trait SeededCosts: Costs {
    /// Draws from here on depend on `seed` alone.
    fn reseed(&mut self, seed: u64);
    /// Whether what a step touches decides what it costs.
    fn looks_at_footprints(&self) -> bool;
}

/// The costs of a world behind a pointer.
struct Boxed(Box<dyn SeededCosts>);

impl Costs for Boxed {
    fn step_ns(&mut self, step: &'static Step, foot: &Foot) -> u64 {
        self.0.step_ns(step, foot)
    }
    fn call_ns(&mut self, name: &'static str) -> u64 {
        self.0.call_ns(name)
    }
}

/// What is run: the same tasks each round, or an epoch of a workload.
enum Job {
    Plan(Rc<Fixedly>),
    Workload(Workload, Config),
}

impl Job {
    /// More steps than that in one round are a run without an end. Readers of a workload go on until the
    /// slots are used, so its epochs are as long as they are.
    fn steps_max(&self) -> u64 {
        match self {
            Job::Plan(_) => STEPS_MAX,
            Job::Workload(workload, _) => STEPS_MAX.saturating_mul(workload.slots()),
        }
    }
}

/// What tasks do, one operation after the other; and whether it counts as an operation.
trait Source {
    fn next(&self, task: u32, number: u32) -> Option<(Request, bool)>;
}

/// The fixed tasks of a plan.
struct Fixedly(Vec<Vec<Request>>);

impl Source for Fixedly {
    fn next(&self, task: u32, number: u32) -> Option<(Request, bool)> {
        let requests = self.0.get(task as usize)?;
        requests.get(number as usize).map(|request| (*request, true))
    }
}

impl Source for Crowd {
    fn next(&self, task: u32, number: u32) -> Option<(Request, bool)> {
        Crowd::next(self, task, number)
    }
}

/// A job of one layer on a clock.
struct Running<K> {
    kind: K,
    job: Job,
    setup: Setup,
    tasks: u32,
    after: Vec<Request>,
    terms: Terms,
    sim: Sim,
    exec: Exec,
    clock: Clock<Boxed>,
    meter: Option<Meter>,
}

/// Puts a plan on a clock.
pub(crate) fn timed_plan<K: LayerKind>(
    kind: K,
    plan: &Plan,
    terms: Terms,
    costs: MakeCosts<'_>,
) -> Box<dyn Timed> {
    let tasks = u32::try_from(plan.tasks.len()).expect("a scenario has few tasks");
    let fixed = Fixedly(plan.tasks.iter().map(|task| task.requests.clone()).collect());
    let (job, setup) = (Job::Plan(Rc::new(fixed)), plan.setup.clone());
    let after = plan.after.clone();
    Box::new(running(kind, job, Given { setup, tasks, after }, terms, costs))
}

/// Puts a workload on a clock. Nothing happens after an epoch: what is broken shows in the books when all
/// tasks have ended, and writing a large file back would take longer than the epoch.
pub(crate) fn timed_workload<K: LayerKind>(
    kind: K,
    workload: Workload,
    config: &Config,
    terms: Terms,
    costs: MakeCosts<'_>,
) -> Box<dyn Timed> {
    let job = Job::Workload(workload, config.clone());
    let setup = workload.setup(config, 0);
    let given = Given { setup, tasks: workload.tasks(), after: Vec::new() };
    Box::new(running(kind, job, given, terms, costs))
}

/// What a job begins with.
struct Given {
    setup: Setup,
    tasks: u32,
    after: Vec<Request>,
}

fn running<K>(kind: K, job: Job, given: Given, terms: Terms, costs: MakeCosts<'_>) -> Running<K> {
    let sim = Sim::new(Keep { events: true, ..Keep::default() });
    let costs = costs(&sim);
    sim.keep_footprints(costs.looks_at_footprints());
    let clock = Clock::new(&sim, terms.machine, Boxed(costs));
    let exec = Exec::recycling(&sim);
    let Given { setup, tasks, after } = given;
    Running { kind, job, setup, tasks, after, terms, sim, exec, clock, meter: None }
}

/// The seed of one round.
pub(crate) fn seed_of(seed: u64, round: u64) -> u64 {
    // SplitMix64: neighbours have nothing in common.
    let mut z = seed.wrapping_add(round.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A number drawn evenly from `0..=most`.
pub(crate) fn drawn(seed: u64, word: u64, most: u64) -> u64 {
    let product = u128::from(seed_of(seed, word)) * (u128::from(most) + 1);
    u64::try_from(product >> 64).expect("the high half of a product with a u64 fits")
}

type Results = Rc<RefCell<Vec<Errno>>>;

impl<K: LayerKind> Timed for Running<K> {
    fn round(&mut self, round: &Round, tally: &mut Tally) -> Rounded {
        let seed = seed_of(round.seed, round.number);
        self.exec.clear();
        self.sim.reset(Keep { events: true, ..Keep::default() });
        self.clock.reset();
        self.clock.costs().0.reseed(seed);
        let source = self.source(round.number, seed);
        self.setup.under = self.terms.media.under(seed);
        let log = Arc::new(Log::default());
        let layer = self.kind.build(&self.sim, &self.setup, &log);
        let inode = Arc::new(Inode::new(&self.sim, &self.setup, layer, log));
        let errors = Results::default();
        let tasks = (0..self.tasks).map(|i| task(&inode, i, source.clone(), &errors)).collect();
        self.exec.start(tasks);
        let starts = match &round.starts {
            Starts::At(starts) => starts.clone(),
            Starts::Drawn { within_ns } => {
                (0..u64::from(self.tasks)).map(|i| drawn(seed, i, *within_ns)).collect()
            }
        };
        let mut rounded = self.run(&inode, &starts, tally);
        self.look(&inode, &errors, &mut rounded);
        tally.round(rounded.run_ns, rounded.steps, rounded.stuck, &rounded.broken);
        rounded
    }
}

/// A task: its operations, one after the other.
fn task<L: Layer<Rt = Sim>>(
    inode: &Arc<Inode<L>>,
    task: u32,
    source: Rc<dyn Source>,
    errors: &Results,
) -> Task {
    let (inode, errors) = (inode.clone(), errors.clone());
    Box::pin(async move {
        for number in 0.. {
            let Some((request, counts)) = source.next(task, number) else { return };
            let result = match counts {
                true => run_one(&inode, number, request, None).await,
                false => inode.run(request).await,
            };
            if let Err(error) = result {
                errors.borrow_mut().push(error);
            }
        }
    })
}

/// One operation between two tracepoints: the second says how many bytes it wrote.
/// `user` is the memory of whoever asks, where there is any.
pub(crate) async fn run_one<L: Layer>(
    inode: &Arc<Inode<L>>,
    number: u32,
    request: Request,
    user: Option<&mut Content>,
) -> Result<(), Errno> {
    let rt = inode.runtime();
    rt.tracepoint(|| Traced { point: Point::Begins, lo: number, hi: 0 });
    let result = inode.run_for(request, user).await;
    let writes = matches!(request.op, Op::Write | Op::MmapWrite | Op::DioWrite) && result.is_ok();
    let hi = if writes { u32::try_from(request.len).unwrap_or(u32::MAX) } else { 0 };
    rt.tracepoint(|| Traced { point: Point::Ends, lo: number, hi });
    result
}

impl<K: LayerKind> Running<K> {
    /// Who says what the tasks of a round do; a workload starts from another file each time.
    fn source(&mut self, round: u64, seed: u64) -> Rc<dyn Source> {
        match &self.job {
            Job::Plan(fixed) => fixed.clone(),
            Job::Workload(workload, config) => {
                self.setup = workload.setup(config, seed);
                Rc::new(workload.source(round, seed))
            }
        }
    }

    fn run<L: Layer<Rt = Sim>>(
        &mut self,
        inode: &Arc<Inode<L>>,
        starts: &[u64],
        tally: &mut Tally,
    ) -> Rounded {
        let (sim, setup) = (&self.sim, &self.setup);
        let meter = self.meter.get_or_insert_with(|| {
            let meter = Meter::new(Watched {
                lock: sim.key(inode.layer().lock()),
                folio_blocks: setup.geometry.folio_blocks,
                order: setup.order,
                knobs: setup.protocol.knobs,
            });
            if self.terms.keep_windows { meter.keeping() } else { meter }
        });
        let mut ends_ns = vec![None; starts.len()];
        let (mut steps, steps_max) = (0, self.job.steps_max());
        let ended = self.clock.run(&mut self.exec, starts, |_, moment| {
            feed(sim, moment, meter, tally);
            if moment.finished
                && let Some(end) = ends_ns.get_mut(moment.task)
                && end.is_none()
            {
                *end = Some(moment.now_ns);
            }
            steps += 1;
            if steps > steps_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        meter.next_round(tally);
        // A sweep of offsets starts the first task late, so that the second may start before it.
        let first_ns = starts.iter().min().copied().unwrap_or(0);
        Rounded {
            run_ns: ended.now_ns.saturating_sub(first_ns),
            ends_ns,
            steps: ended.steps,
            after_steps: 0,
            stuck: ended.stopped.is_some(),
            broken: Vec::new(),
            windows: meter.kept(),
        }
    }

    /// What the checkers say, before and after what happens afterwards.
    fn look<L: Layer<Rt = Sim>>(
        &mut self,
        inode: &Arc<Inode<L>>,
        errors: &Results,
        rounded: &mut Rounded,
    ) {
        self.sim.watch(false);
        rounded.broken = inode.log().take();
        if rounded.stuck {
            return;
        }
        rounded.broken.extend(check_idle(inode));
        if errors.borrow().contains(&Errno::Enospc) {
            rounded.broken.extend(enospc_with_space_free(inode));
        }
        for request in &self.after {
            let (file, request) = (inode.clone(), *request);
            self.exec.clear();
            self.exec.start(vec![Box::pin(async move {
                // What it returns is a result of the model and no damage.
                let _ = file.run(request).await;
            })]);
            let Some(steps) = run_alone(&mut self.exec) else {
                let after = Checker::AfterEnds;
                rounded.broken.push(Broken { checker: after, values: None, place: None });
                return;
            };
            rounded.after_steps += steps;
            rounded.broken.extend(inode.log().take());
        }
        if !self.after.is_empty() {
            rounded.broken.extend(check_idle(inode));
        }
    }
}

/// Runs one task and what it starts, in no time: how many steps that took; `None` when it never ends.
pub(crate) fn run_alone(exec: &mut Exec) -> Option<u64> {
    for steps in 0..STEPS_MAX {
        let Some(id) = (0..exec.len()).rev().find(|id| exec.is_enabled(*id)) else {
            let ended = (0..exec.len()).all(|id| !exec.is_live(id));
            return ended.then_some(steps);
        };
        exec.advance(id);
    }
    None
}

/// Tells the meter what happened.
pub(crate) fn feed(sim: &Sim, moment: &Moment<'_>, meter: &mut Meter, tally: &mut Tally) {
    let now_ns = moment.now_ns;
    for (task, event) in moment.events {
        let happening = match event {
            Event::Enter(name) => Happening::Enter(name),
            Event::Leave(name) => Happening::Leave(name),
            Event::Hold(Hold::Take(obj)) => taken(sim.key(*obj), true, moment, meter, tally),
            Event::Hold(Hold::Share(obj)) => taken(sim.key(*obj), false, moment, meter, tally),
            Event::Hold(Hold::Drop(obj)) => {
                Happening::Drops { key: sim.key(*obj), exclusive: true }
            }
            Event::Hold(Hold::Unshare(obj)) => {
                Happening::Drops { key: sim.key(*obj), exclusive: false }
            }
            Event::Trace(traced) => Happening::Trace(*traced),
        };
        meter.see(now_ns, *task, &happening, tally);
    }
    if moment.finished {
        meter.ended(moment.task, tally);
    }
}

/// A lock was taken, after the wait that the moment tells of.
fn taken(
    key: Key,
    exclusive: bool,
    moment: &Moment<'_>,
    meter: &mut Meter,
    tally: &mut Tally,
) -> Happening {
    if moment.waited_ns > 0 {
        let asked_ns = moment.now_ns - moment.waited_ns;
        meter.see(asked_ns, moment.task, &Happening::Asks { key, exclusive }, tally);
    }
    Happening::Takes { key, exclusive }
}

#[cfg(test)]
mod tests {
    use super::*;
    use maprace_fs::Order;

    #[test]
    fn an_epoch_of_the_largest_file_is_no_run_without_an_end() {
        let workload: Workload = "w=4,m=4,r=256,file=4g,ops=1m".parse().unwrap();
        let config = Config::ext4("v6.12", Order::BufferHead);
        // Twelve steps an operation; each reader does as much again while it lasts.
        let steps = 12 * workload.slots() * 257;
        assert!(Job::Workload(workload, config).steps_max() > steps);
        assert_eq!(Job::Plan(Rc::new(Fixedly(Vec::new()))).steps_max(), STEPS_MAX);
    }
}
