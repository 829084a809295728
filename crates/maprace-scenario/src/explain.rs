//! Which locks a task holds where, and what two tasks touch with no lock between them: from runs, not
//! from prose.
//!
//! Every task is run alone, and every two one after the other, in both orders; nothing is interleaved,
//! so what is said here is about the paths and not about one race. Locks and places are named
//! by the keys of their objects, so those of another layer, of which nothing else is known, have a name
//! too.

mod runs;
#[cfg(test)]
mod tests;

use crate::any_layer::AnyLayer;
use crate::config::Config;
use crate::diagram::operation;
use crate::format::Scenario;
use crate::plan::{NotModelled, Plan};
use runs::{Ran, run};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How a lock is held.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub enum Mode {
    /// Shared.
    #[serde(rename = "R")]
    Read,
    /// Exclusively.
    #[serde(rename = "W")]
    Write,
}

/// A lock that is held.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct HeldLock {
    /// Its name, for example `i_data_sem`, of a folio's `folio_lock 0`.
    pub lock: String,
    /// How.
    pub mode: Mode,
}

impl fmt::Display for HeldLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            Mode::Read => "R",
            Mode::Write => "W",
        };
        write!(f, "{} {mode}", self.lock)
    }
}

/// One step of a task.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LockedStep {
    /// Which operation of its task it belongs to, counted from 0; of an I/O the first.
    pub op: usize,
    /// The kernel functions around it, outermost first.
    pub calls: Vec<&'static str>,
    /// Its name.
    pub step: &'static str,
    /// What it found.
    pub saw: Vec<String>,
    /// The locks held in it, those it takes included, those it gives back too.
    pub held: Vec<HeldLock>,
    /// What is taken or given back after it and before the next, which is no step of its own.
    pub then: Vec<Quiet>,
}

/// A lock taken where nobody has to wait for it, or given back where nobody looks whether it is free.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Quiet {
    /// The kernel functions around it, outermost first.
    pub calls: Vec<&'static str>,
    /// Whether it is taken.
    pub takes: bool,
    /// How the kernel does it, for example `up_write(i_data_sem)`.
    pub what: String,
}

/// An operation, and what the kernel calls the way it takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct NamedOp {
    /// As the scenario has it.
    pub op: String,
    /// The kernel's function.
    pub function: &'static str,
}

/// What a task does when nobody interferes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TaskSteps {
    /// The task, or the I/O that it starts.
    pub task: String,
    /// Its operations; an I/O has none.
    pub ops: Vec<NamedOp>,
    /// The tasks that ran before it in this run, because alone it has next to nothing to do.
    pub after: Vec<String>,
    /// Its steps.
    pub steps: Vec<LockedStep>,
}

/// A lock that two tasks hold in modes that exclude each other.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CommonLock {
    /// Its name; locks of folios go by one, whatever their index.
    pub lock: String,
    /// At how many of the pair's conflicts both hold it.
    pub conflicts: usize,
}

/// A place that two tasks touch with no lock that would exclude one of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OpenPlace {
    /// What it is.
    pub place: String,
    /// Where in it: first and one past the last, in blocks, bytes or folios; `None` where it is one thing.
    pub range: Option<(u64, u64)>,
    /// What the range counts; empty where there is none.
    pub unit: &'static str,
    /// The steps that touch it so: of the first task, and of the second.
    pub steps: Vec<[String; 2]>,
}

/// What there is between two tasks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PairLocks {
    /// The first task.
    pub one: String,
    /// The second.
    pub other: String,
    /// Steps of the first that touch what a step of the second touches, so that the order can matter:
    /// each two names and each place once.
    pub conflicts: usize,
    /// The locks that both hold there.
    pub common: Vec<CommonLock>,
    /// Where both hold none.
    pub open: Vec<OpenPlace>,
}

/// What runs tell of a scenario in a configuration.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Explained {
    /// Every task, and every I/O that it starts.
    pub tasks: Vec<TaskSteps>,
    /// Every two tasks.
    pub pairs: Vec<PairLocks>,
}

/// Runs the tasks of `scenario` one after the other, and tells what they hold.
///
/// # Errors
/// When the scenario asks for something that the model lacks.
pub fn explain(
    layer: &dyn AnyLayer,
    scenario: &Scenario,
    config: &Config,
) -> Result<Explained, NotModelled> {
    let plan = Plan::new(scenario, config)?;
    let program = layer.program(&plan);
    let count = scenario.tasks.len();
    let in_turn: Vec<usize> = (0..count).collect();
    let together = run(&*program, &in_turn);
    let mut tasks = Vec::new();
    for number in 0..count {
        let alone = Scenario { tasks: vec![scenario.tasks[number].clone()], ..scenario.clone() };
        let own = run(&*layer.program(&Plan::new(&alone, config)?), &[0]);
        // Where nothing is dirty writeback has nothing to write: then what came before counts.
        let is_idle = own.holds_nothing(0) && together.steps_of(number) > own.steps_of(0);
        let (ran, at) = if is_idle { (&together, number) } else { (&own, 0) };
        tasks.extend(tables(scenario, config, &plan, number, ran, at));
    }
    let mut orders = vec![in_turn.clone(), in_turn.into_iter().rev().collect()];
    for one in 0..count {
        orders.extend((0..count).filter(|other| *other != one).map(|other| vec![one, other]));
    }
    let runs: Vec<Ran> = orders.iter().map(|order| run(&*program, order)).collect();
    let mut pairs = Vec::new();
    for one in 0..count {
        pairs.extend((one + 1..count).map(|other| pair(scenario, &runs, one, other)));
    }
    Ok(Explained { tasks, pairs })
}

/// The table of task `number`, which is task `at` of that run, and of each I/O that it started.
fn tables(
    scenario: &Scenario,
    config: &Config,
    plan: &Plan,
    number: usize,
    ran: &Ran,
    at: usize,
) -> Vec<TaskSteps> {
    let spec = &scenario.tasks[number];
    let ops = spec.ops.iter().zip(&plan.tasks[number].requests).map(|(op, request)| NamedOp {
        op: op.to_string(),
        function: operation(request.op, config.order, &config.layer),
    });
    let after: Vec<String> = scenario.tasks[..at].iter().map(|task| task.name.clone()).collect();
    let mut all = vec![TaskSteps {
        task: spec.name.clone(),
        ops: ops.collect(),
        after: after.clone(),
        steps: ran.locked_steps(at),
    }];
    for child in ran.children_of(at) {
        all.push(TaskSteps {
            task: format!("{} of {}", ran.name_of(child), spec.name),
            ops: Vec::new(),
            after: after.clone(),
            steps: ran.locked_steps(child),
        });
    }
    all
}

/// Two steps that touch one place, by names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Conflict {
    place: &'static str,
    unit: &'static str,
    one: String,
    other: String,
}

/// What is known of a conflict over all runs: where, and which locks were held every time.
struct Known {
    range: Option<(u64, u64)>,
    common: BTreeSet<String>,
}

fn pair(scenario: &Scenario, runs: &[Ran], one: usize, other: usize) -> PairLocks {
    let mut known: BTreeMap<Conflict, Known> = BTreeMap::new();
    for ran in runs {
        ran.conflicts(one, other, &mut |conflict, range, common| match known.get_mut(&conflict) {
            None => drop(known.insert(conflict, Known { range, common })),
            Some(known) => {
                known.range = hull(known.range, range);
                known.common.retain(|lock| common.contains(lock));
            }
        });
    }
    let locks: BTreeSet<&String> = known.values().flat_map(|known| &known.common).collect();
    let count = |lock: &String| known.values().filter(|k| k.common.contains(lock)).count();
    let mut common: Vec<CommonLock> = locks
        .into_iter()
        .map(|lock| CommonLock { lock: lock.clone(), conflicts: count(lock) })
        .collect();
    common.sort_by_key(|lock| std::cmp::Reverse(lock.conflicts));
    PairLocks {
        one: scenario.tasks[one].name.clone(),
        other: scenario.tasks[other].name.clone(),
        conflicts: known.len(),
        common,
        open: open(&known),
    }
}

/// The conflicts with no lock between them, put together by place.
fn open(known: &BTreeMap<Conflict, Known>) -> Vec<OpenPlace> {
    let mut places: Vec<OpenPlace> = Vec::new();
    for (conflict, known) in known.iter().filter(|(_, known)| known.common.is_empty()) {
        let Conflict { place, unit, one, other } = conflict;
        let at = places.iter().position(|p| p.place == *place).unwrap_or_else(|| {
            places.push(OpenPlace {
                place: (*place).to_owned(),
                range: known.range,
                unit,
                steps: Vec::new(),
            });
            places.len() - 1
        });
        let open = &mut places[at];
        open.range = hull(open.range, known.range);
        open.steps.push([one.clone(), other.clone()]);
    }
    places
}

fn hull(one: Option<(u64, u64)>, other: Option<(u64, u64)>) -> Option<(u64, u64)> {
    one.zip(other).map(|((a, b), (c, d))| (a.min(c), b.max(d)))
}
