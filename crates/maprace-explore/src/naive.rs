//! Every interleaving, one by one: exact totals, and whether outcomes are a matter of traces.

use crate::bounded::{Bounded, Visit};
use crate::clocks::Log;
use crate::program::Program;
use crate::report::{Engine, Options, Report};
use crate::run::{Ended, Run};
use crate::tally::Tally;
use maprace_runtime::sim::Keep;
use rustc_hash::FxHashMap;

/// Explores every interleaving.
pub(crate) fn explore(program: &dyn Program, options: &Options<'_>) -> Report {
    let (mut all, mut bad) = (0.0, 0.0);
    let (mut tally, mut run) =
        (Tally::default(), Run::without_footprints(program, Keep::default()));
    enumerate(&mut run, options, &mut tally, false, &mut |visit| {
        all += visit.chance;
        if visit.ended.is_bad() {
            bad += visit.chance;
        }
    });
    let (ends, bad_ends) = (tally.ends, tally.bad);
    let mut report = tally.report(Engine::Naive, &mut run);
    report.certificate = Some(all);
    report.certificate_missing = None;
    if report.complete {
        report.interleavings = Some(u128::from(ends));
        report.bad_interleavings = Some(u128::from(bad_ends));
        report.p_random = Some(bad);
        report.minimal = true;
    }
    report
}

fn enumerate(
    run: &mut Run<'_>,
    options: &Options<'_>,
    tally: &mut Tally,
    keep_steps: bool,
    visit: &mut dyn FnMut(&Visit<'_>),
) -> bool {
    let executions = options.budget.executions;
    let mut bounded = Bounded::unbounded(run, Engine::Naive, executions);
    bounded.keep_steps = keep_steps;
    bounded.search(options, tally, visit)
}

/// The traces that every interleaving falls into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traces {
    /// How many there are.
    pub traces: u64,
    /// Those that end in damage.
    pub bad_traces: u64,
}

/// Why traces could not be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uncounted {
    /// Two interleavings of one trace end differently, so that footprints are too small or a watch
    /// depends on the order of independent steps. Here are both.
    Split(Vec<usize>, Vec<usize>),
    /// The budget ended.
    Budget,
}

/// Enumerates every interleaving of `program` and counts the distinct traces among them, by a way
/// that shares nothing with [`Engine::Dpor`] but the footprints: a test of both.
///
/// # Errors
/// When two interleavings of one trace differ in their outcome, or when the budget ends.
pub fn enumerate_traces(program: &dyn Program, options: &Options<'_>) -> Result<Traces, Uncounted> {
    let (mut tally, mut run) = (Tally::default(), Run::new(program, Keep::default()));
    let mut log = Log::new(&[]);
    let mut seen: FxHashMap<u128, (Ended, Vec<usize>)> = FxHashMap::default();
    let mut split = None;
    let complete = enumerate(&mut run, options, &mut tally, true, &mut |visit| {
        log.truncate(0);
        for step in visit.steps {
            log.push(step.clone());
        }
        let schedule = || visit.way.iter().map(|choice| choice.chosen).collect::<Vec<_>>();
        let (first, other) =
            seen.entry(log.trace_id()).or_insert_with(|| (visit.ended, schedule()));
        if *first != visit.ended && split.is_none() {
            split = Some((other.clone(), schedule()));
        }
    });
    match split {
        Some((one, other)) => Err(Uncounted::Split(one, other)),
        None if !complete => Err(Uncounted::Budget),
        None => Ok(Traces {
            traces: seen.len() as u64,
            bad_traces: seen.values().filter(|(ended, _)| ended.is_bad()).count() as u64,
        }),
    }
}
