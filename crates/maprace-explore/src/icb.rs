//! Iterative context bounding: every interleaving with few preemptions before those with more.
//!
//! Most bugs need few (Musuvathi and Qadeer, PLDI 2007, section 2), so this finds a first one soon. It
//! begins at one preemption, not at none: the schedules without are the orders of the tasks, as many
//! as the factorial of their number, and they are among those with at most one.

use crate::bounded::Bounded;
use crate::program::Program;
use crate::report::{Engine, Options, Report, Stop};
use crate::run::Run;
use crate::tally::Tally;
use maprace_runtime::sim::Keep;

/// Explores with at most 1 preemption, then 2, until the budget of executions ends or nothing is
/// left. Each interleaving is counted once, in the first round that meets it.
pub(crate) fn explore(program: &dyn Program, options: &Options<'_>, executions: u64) -> Report {
    let (mut tally, mut run) =
        (Tally::default(), Run::without_footprints(program, Keep::default()));
    let most = options.budget.preemptions;
    let (mut reached, mut bound) = (None, most.min(1));
    loop {
        let at_least = if reached.is_none() { 0 } else { bound };
        let mut round = Bounded::unbounded(&mut run, Engine::Icb, executions);
        (round.bound, round.at_least) = (bound, at_least);
        if !round.search(options, &mut tally, &mut |_| {}) {
            break;
        }
        let is_bounded = round.is_bounded;
        reached = Some(bound);
        if !is_bounded {
            break;
        }
        if bound == most {
            tally.stopped = Some(Stop::Preemptions);
            break;
        }
        bound += 1;
    }
    let mut report = tally.report(Engine::Icb, &mut run);
    report.minimal = report.complete;
    report.preemption_bound = reached;
    report
}
