//! Measuring: what is asked for, put together before anything runs, and the runs in virtual time.
//!
//! The figures are `maprace_scenario::measure`'s; here is which of them, in which order, how far they
//! are, and that what is finished survives.

mod csv;
mod state;
mod table;

pub(crate) use table::{sweeps, table, threads, time};

use crate::answer::Context;
use crate::args::{MeasureArgs, WorldName};
use crate::device_world::{self, OnDevice};
use crate::failure::Failure;
use crate::files::{Existing, check_file};
use crate::plan::{Compare, Search, Subject};
use crate::search::{Bar, STOP, uncontradicted, watch_for_interrupt};
use csv::Csv;
use maprace_media::Profile;
use maprace_runtime::sim::Sim;
use maprace_scenario::costs::{CostTable, Priced};
use maprace_scenario::device_world::DeviceVerdict;
use maprace_scenario::measure::{self, Repeats, Virtual};
use maprace_scenario::{
    Config, Measured, Media, OnThreads, Plan, Scenario, SeededCosts, Starts, Sweep, SweepPoint,
    SweepSpec, SweepValue, Terms, Workload, nanoseconds,
};
use state::State;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Processors of a scenario and of a workload, where none are typed.
const CPUS: (u32, u32) = (2, 32);

/// What is measured, and where it goes.
#[derive(Clone, Debug)]
pub(crate) struct Measure {
    pub(crate) explores: bool,
    pub(crate) is_virtual: bool,
    pub(crate) threads: bool,
    pub(crate) device: bool,
    pub(crate) media: Vec<Media>,
    pub(crate) table: CostTable,
    cpus: Option<u32>,
    pub(crate) rounds: u64,
    pub(crate) seed: u64,
    workloads: Vec<Workload>,
    sweep: Option<SweepSpec>,
    csv: Option<PathBuf>,
    state: Option<PathBuf>,
    resume: bool,
    existing: Existing,
}

/// What was measured in virtual time.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Where nothing is swept.
    pub(crate) measured: Vec<Measured>,
    /// One for each subject and medium, where something is.
    pub(crate) sweeps: Vec<Sweep>,
    /// Whether it was ended early.
    pub(crate) cut: bool,
}

/// What is run once: a scenario or a workload, with its name.
#[derive(Clone, Debug)]
enum What<'a> {
    Scenario(&'a str, &'a Scenario),
    Workload(String, Workload),
}

impl Measure {
    /// Explores only.
    pub(crate) fn nothing() -> Measure {
        Measure {
            explores: true,
            is_virtual: false,
            threads: false,
            device: false,
            media: Vec::new(),
            table: CostTable::open(maprace_scenario::costs::DEFAULT).expect("it is built in"),
            cpus: None,
            rounds: 0,
            seed: 0,
            workloads: Vec::new(),
            sweep: None,
            csv: None,
            state: None,
            resume: false,
            existing: Existing::Keep,
        }
    }

    /// What was typed, looked up; nothing is run and nothing written yet.
    pub(crate) fn plan(
        args: MeasureArgs,
        search: &Search,
        subjects: &[(String, Subject)],
        force: bool,
    ) -> Result<Measure, Failure> {
        let existing = Existing::of(force);
        let is = |world| args.worlds.is_empty() || args.worlds.contains(&world);
        let of_scenarios = args.workloads.is_empty() && args.sweep.is_none();
        if let Some(path) = &args.csv {
            check_file(path, existing)?;
        }
        if let Some(path) = &args.state
            && !args.resume
        {
            check_file(path, existing)?;
        }
        let table = args.costs.as_deref().unwrap_or(maprace_scenario::costs::DEFAULT);
        let measure = Measure {
            explores: is(WorldName::Explore) && of_scenarios,
            is_virtual: is(WorldName::Virtual),
            threads: is(WorldName::Threads) && of_scenarios && search.timing,
            device: args.worlds.contains(&WorldName::Device) && of_scenarios && search.timing,
            media: media(&args.media)?,
            table: CostTable::open(table)?,
            cpus: args.cpus,
            rounds: args.rounds,
            seed: search.seed,
            workloads: args.workloads,
            sweep: args.sweep,
            csv: args.csv,
            state: args.state,
            resume: args.resume,
            existing,
        };
        if !(measure.explores || measure.is_virtual || measure.threads || measure.device) {
            let what = "nothing is left to do: threads and devices run scenarios, without a sweep, and \
                        depend on the machine, which --no-timing leaves out";
            return Err(Failure::Usage(what.to_owned()));
        }
        measure.check_sweep(subjects)?;
        Ok(measure)
    }

    /// Whether each value of the sweep fits each subject.
    fn check_sweep(&self, subjects: &[(String, Subject)]) -> Result<(), Failure> {
        let Some(sweep) = &self.sweep else { return Ok(()) };
        for SweepValue { value, typed } in &sweep.values {
            for (name, subject) in subjects {
                let swept = sweep.scenario(&subject.scenario, *value);
                swept.map_err(|why| sweep_failure(sweep, typed, name, &why))?;
            }
            for workload in &self.workloads {
                let swept = sweep.workload(workload, *value);
                let name = workload.to_string();
                swept.map_err(|why| sweep_failure(sweep, typed, &name, &why.to_string()))?;
            }
        }
        Ok(())
    }

    pub(crate) fn terms(&self, media: &Media, is_crowd: bool) -> Terms {
        let cpus = self.cpus.unwrap_or(if is_crowd { CPUS.1 } else { CPUS.0 });
        let machine = self.table.machine(cpus);
        Terms { machine, media: media.clone(), keep_windows: self.csv.is_some() }
    }

    fn values(&self) -> Vec<Option<&SweepValue>> {
        match &self.sweep {
            None => vec![None],
            Some(sweep) => sweep.values.iter().map(Some).collect(),
        }
    }
}

fn sweep_failure(sweep: &SweepSpec, typed: &str, name: &str, why: &str) -> Failure {
    Failure::Usage(format!("--sweep {}={typed} does not fit {name}: {why}", sweep.key.name()))
}

/// Media by name; the first profile where none is typed.
pub(crate) fn media(typed: &[String]) -> Result<Vec<Media>, Failure> {
    let first = || maprace_media::all().first().map(|entry| entry.name.to_owned());
    let typed = if typed.is_empty() { first().into_iter().collect() } else { typed.to_vec() };
    let one = |name: String| -> Result<Media, Failure> {
        if name == "instant" {
            return Ok(Media::Instantly);
        }
        let Some(time) = name.strip_prefix("fixed:") else {
            return Ok(Media::Profile(Arc::new(Profile::open(&name)?)));
        };
        let ns = nanoseconds(time).and_then(|ns| u64::try_from(ns).ok());
        ns.map(Media::Fixed).ok_or_else(|| {
            Failure::Usage(format!(
                "--media fixed: is `{time}`, must be 0 to 10s, with ns, us, ms or s"
            ))
        })
    };
    typed.into_iter().map(one).collect()
}

/// One run: everything it depends on.
struct Job<'a> {
    what: &'a What<'a>,
    config: &'a Config,
    media: &'a Media,
    value: Option<&'a SweepValue>,
}

/// Runs everything in virtual time that is asked for.
pub(crate) fn run(context: &Context<'_>, bar: &Bar, plan: &Compare) -> Result<Found, Failure> {
    watch_for_interrupt();
    let measure = &plan.measure;
    let mut state = State::open(measure, plan)?;
    let mut csv = Csv::create(measure.csv.as_deref(), measure.existing)?;
    let mut found = Found::default();
    let scenarios = plan.subjects.iter().map(|(name, s)| What::Scenario(name, &s.scenario));
    let workloads = measure.workloads.iter().map(|w| What::Workload(w.to_string(), *w));
    for what in scenarios.chain(workloads) {
        for media in &measure.media {
            let mut points = Vec::new();
            for value in measure.values() {
                let mut row = Vec::new();
                for config in &plan.configs {
                    let job = Job { what: &what, config, media, value };
                    if STOP.load(Ordering::Relaxed) {
                        found.cut = true;
                        break;
                    }
                    row.extend(one(context, bar, plan, &job, &mut state, &mut csv)?);
                }
                found.cut |= STOP.load(Ordering::Relaxed);
                match value {
                    None => found.measured.append(&mut row),
                    Some(value) if !row.is_empty() => points.push(point(value, row)),
                    Some(_) => {}
                }
            }
            if let Some(sweep) = &measure.sweep {
                let (key, unit) = (sweep.key.name().to_owned(), sweep.key.unit());
                found.sweeps.push(Sweep { key, unit, points, cut: found.cut });
            }
        }
    }
    csv.finish()?;
    Ok(found)
}

fn point(value: &SweepValue, measured: Vec<Measured>) -> SweepPoint {
    #[expect(clippy::cast_precision_loss, reason = "values of sweeps are far below 2^53")]
    let x = value.value as f64;
    SweepPoint { x, typed: value.typed.clone(), measured }
}

/// Runs everything on threads that is asked for: each scenario in each configuration on each medium;
/// and whether it was ended early.
pub(crate) fn on_threads(
    context: &Context<'_>,
    bar: &Bar,
    plan: &Compare,
) -> Result<(Vec<Measured>, bool), Failure> {
    watch_for_interrupt();
    let clock = maprace_runtime::threads::clock_ns();
    let mut all = Vec::new();
    for (name, subject) in &plan.subjects {
        for media in &plan.measure.media {
            let mut jobs = Vec::new();
            for config in &plan.configs {
                jobs.push((config, Repeats::new(job_on_threads(plan, subject, config, media)?)));
            }
            for repeat in 1..=REPEATS {
                bar.say(|| format!("{name} on {}: threads, {repeat} of {REPEATS}", media.name()));
                for (config, repeats) in &mut jobs {
                    if STOP.load(Ordering::Relaxed) {
                        return Ok((all, true));
                    }
                    let layer = context.layers.get(&config.layer)?;
                    uncontradicted(context, name, || repeats.repeat(layer))?;
                }
            }
            all.extend(jobs.iter().map(|(_, repeats)| repeats.measured(clock)));
        }
    }
    Ok((all, false))
}

fn job_on_threads<'a>(
    plan: &Compare,
    subject: &'a Subject,
    config: &'a Config,
    media: &Media,
) -> Result<OnThreads<'a>, Failure> {
    Ok(OnThreads {
        plan: Plan::new(&subject.scenario, config)?,
        name: &subject.scenario.name,
        config,
        media: media.clone(),
        seed: plan.measure.seed,
        rounds: plan.measure.rounds.div_ceil(REPEATS.into()).min(THREAD_ROUNDS),
    })
}

/// What was run on devices.
#[derive(Debug, Default)]
pub(crate) struct OnDevices {
    /// What is finished.
    pub(crate) verdicts: Vec<DeviceVerdict>,
    /// Whether it was ended early.
    pub(crate) cut: bool,
    /// What kept it from going on.
    pub(crate) failure: Option<Failure>,
}

impl OnDevices {
    /// Whether there are none because none can be had, while other worlds were asked for: that is no failure.
    pub(crate) fn are_skipped(&self, has_others: bool) -> bool {
        let is_none =
            self.verdicts.is_empty() && matches!(self.failure, Some(Failure::NoDevice(_)));
        has_others && is_none
    }
}

/// Runs everything on devices that is asked for, one device after the other.
pub(crate) fn on_devices(context: &Context<'_>, bar: &Bar, plan: &Compare) -> OnDevices {
    watch_for_interrupt();
    let Measure { rounds, seed, .. } = plan.measure;
    let mut all = OnDevices::default();
    for (_, subject) in &plan.subjects {
        for media in &plan.measure.media {
            for config in &plan.configs {
                if STOP.load(Ordering::Relaxed) {
                    all.cut = true;
                    return all;
                }
                let until_damage = false;
                let job = OnDevice { subject, config, media, rounds, until_damage, seed };
                match device_world::run(context, bar, &job) {
                    Ok(verdict) => all.verdicts.push(verdict),
                    // One that was being added when it was interrupted.
                    Err(Failure::NoDevice(_)) if STOP.load(Ordering::Relaxed) => all.cut = true,
                    Err(failure) => {
                        all.failure = Some(failure);
                        return all;
                    }
                }
            }
        }
    }
    all
}

/// How often a measurement on threads is repeated, for its spread.
const REPEATS: u32 = 5;
/// The most rounds of one repeat on threads.
const THREAD_ROUNDS: u64 = 200;

/// One run, or what an earlier one has left of it; `None` where it was ended early.
fn one(
    context: &Context<'_>,
    bar: &Bar,
    plan: &Compare,
    job: &Job<'_>,
    state: &mut State,
    csv: &mut Csv,
) -> Result<Option<Measured>, Failure> {
    let measure = &plan.measure;
    let name = job.name();
    let key = job.key();
    if let Some(known) = state.known(&key) {
        return Ok(Some(known));
    }
    let question = job.question(measure, &name)?;
    let layer = context.layers.get(&job.config.layer)?;
    let geometry = match &question.subject {
        measure::Subject::Plan(plan) => plan.setup.geometry,
        measure::Subject::Workload(workload) => workload.geometry(),
    };
    let costs = |sim: &Sim| -> Box<dyn SeededCosts> {
        Box::new(Priced::new(&measure.table, sim, geometry))
    };
    let rounds = question.rounds();
    let tell = |done: u64| {
        if done.is_multiple_of(64) {
            bar.say(|| format!("{key}: {done} of {rounds} rounds"));
        }
    };
    let run = || question.run(layer, &costs, &STOP, &tell);
    let outcome = uncontradicted(context, &name, run)?;
    if outcome.cut {
        return Ok(None);
    }
    csv.write(&outcome, job.value.map_or("", |value| value.typed.as_str()))?;
    state.keep(&key, &outcome.measured)?;
    Ok(Some(outcome.measured))
}

impl Job<'_> {
    fn name(&self) -> String {
        match self.what {
            What::Scenario(_, scenario) => scenario.name.clone(),
            What::Workload(name, _) => name.clone(),
        }
    }

    /// Tells it apart from every other of one command.
    fn key(&self) -> String {
        let name = match self.what {
            What::Scenario(name, _) => name,
            What::Workload(name, _) => name.as_str(),
        };
        let Config { protocol, order, .. } = self.config;
        let cookie = protocol.knobs.cookie.name();
        let value = self.value.map_or("", |value| value.typed.as_str());
        format!("{name} {} {order} {cookie} {} {value}", protocol.name, self.media.name())
    }

    fn question<'a>(&'a self, measure: &'a Measure, name: &'a str) -> Result<Virtual<'a>, Failure> {
        let swept = measure.sweep.as_ref().zip(self.value.map(|value| value.value));
        let is_crowd = matches!(self.what, What::Workload(..));
        let terms = measure.terms(self.media, is_crowd);
        let terms = swept.map_or(terms.clone(), |(sweep, value)| sweep.terms(&terms, value));
        let mut starts: Option<Starts> = None;
        let subject = match self.what {
            What::Scenario(_, scenario) => {
                let changed = swept.map(|(sweep, value)| sweep.scenario(scenario, value));
                let changed = changed.transpose().map_err(Failure::Usage)?;
                let plan = Plan::new(changed.as_ref().unwrap_or(scenario), self.config)?;
                starts = swept.and_then(|(sweep, value)| sweep.starts(plan.tasks.len(), value));
                measure::Subject::Plan(Box::new(plan))
            }
            What::Workload(_, workload) => {
                let changed = swept.map(|(sweep, value)| sweep.workload(workload, value));
                measure::Subject::Workload(changed.transpose()?.unwrap_or(*workload))
            }
        };
        // At fixed times every round is the same.
        let rounds = if starts.is_some() { 1 } else { measure.rounds };
        let (config, seed) = (self.config, measure.seed);
        let costs = measure.table.label();
        let threads = None;
        Ok(Virtual { subject, name, config, terms, costs, seed, rounds, starts, threads })
    }
}
