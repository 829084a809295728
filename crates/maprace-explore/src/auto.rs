//! The default: a bounded search for the first bug, then DPOR, then states where that gives up.

use crate::program::Program;
use crate::report::{Counterexample, Engine, Options, Report, Stop};
use crate::{dpor, icb, states};

/// Explores with one engine after the other until one of them completes.
pub(crate) fn explore(program: &dyn Program, options: &Options<'_>) -> Report {
    let first = Options { first_bug_only: true, ..*options };
    let bounded = icb::explore(program, &first, options.budget.first_bug);
    let mut reports = vec![bounded];
    let is_enough = |report: &Report| {
        report.stopped == Some(Stop::Asked) || options.first_bug_only && report.bad > 0
    };
    if !is_enough(&reports[0]) {
        reports.push(dpor::explore(program, options));
        let last = reports.last().expect("it was just added");
        // Where executions do not end, states do not either.
        let endless = last.stopped == Some(Stop::Steps);
        if !last.complete && !endless && !is_enough(last) {
            reports.push(states::explore(program, options));
        }
    }
    merge(reports)
}

/// The verdict of the engine that completed, or else of the one that found most; with the first bug
/// and the least counterexample of all.
fn merge(reports: Vec<Report>) -> Report {
    let first_bug_at = first_bug(&reports);
    let order = |report: &Report| match report.engine {
        Engine::Dpor => 0,
        Engine::States => 1,
        _ => 2,
    };
    let mut reports = reports;
    // The bounded search is complete only where it ran all interleavings, which DPOR then does too.
    reports.sort_by_key(|r| (!(r.complete && order(r) < 2), r.bad == 0, order(r)));
    let mut reports = reports.into_iter();
    let mut verdict = reports.next().expect("at least one engine ran");
    verdict.first_bug_at = first_bug_at;
    if !verdict.minimal {
        let found = reports.filter_map(|report| report.counterexample);
        verdict.counterexample = verdict.counterexample.into_iter().chain(found).min_by_key(size);
    }
    verdict
}

fn size(example: &Counterexample) -> (u32, u32, usize) {
    (example.preemptions, example.switches, example.schedule.len())
}

/// The execution that first ended in damage, counted over all engines in the order they ran.
fn first_bug(reports: &[Report]) -> Option<u64> {
    let mut before = 0;
    for report in reports {
        if let Some(at) = report.first_bug_at {
            return Some(before + at);
        }
        before += report.executions;
    }
    None
}
