//! How many executions of the same model a CPU second gives, here and in shuttle.
//!
//! Both in one process and in turns, so that whatever else the machine does meets both alike. Rates
//! are executions per second of this thread's CPU time; the median, and the lowest and highest of all
//! rounds. Fails if it is not five times shuttle, or if shuttle's depth-first search has finished
//! after a thousand times the executions that ours needs. The rounds are the only argument.

mod model;

use maprace_explore::little::{Grain, Insert, Little};
use maprace_explore::{Budget, Engine, Options, explore};
use rustix::time::{ClockId, clock_gettime};
use shuttle::scheduler::{DfsScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Executions of one round: about a third of a second each.
const OURS: u64 = 200_000;
const THEIRS: usize = 20_000;
/// What we promise.
const TIMES: f64 = 5.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    Random,
    DepthFirst,
}

/// CPU seconds of this thread.
fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Executions per CPU second of `run`, which returns how many it did.
fn rate(run: impl FnOnce() -> u64) -> f64 {
    let before = cpu_seconds();
    let executions = run();
    executions as f64 / (cpu_seconds() - before)
}

fn ours(tasks: usize, insert: Insert, search: Search, seed: u64) -> (u64, u64) {
    let engine = match search {
        Search::Random => Engine::Random,
        Search::DepthFirst => Engine::Naive,
    };
    let budget = Budget { executions: OURS, ..Budget::default() };
    let little = Little::faults(tasks as u64, insert, Grain::Sync);
    let report = explore(&little, &Options { engine, seed, budget, ..Options::default() });
    (report.executions, report.bad)
}

/// Executions of shuttle, and bad ones.
fn theirs(tasks: usize, insert: Insert, scheduler: impl Scheduler + 'static) -> (u64, u64) {
    let bad = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&bad);
    let insert = match insert {
        Insert::Buggy => model::Insert::Buggy,
        Insert::Fixed => model::Insert::Fixed,
    };
    let executions = Runner::new(scheduler, Config::new()).run(move || {
        count.fetch_add(u64::from(model::execute(tasks, insert)), Ordering::Relaxed);
    });
    (executions as u64, bad.load(Ordering::Relaxed))
}

fn dfs(at_most: usize) -> DfsScheduler {
    DfsScheduler::new(Some(at_most), false)
}

/// The median, the lowest and the highest.
fn spread(rates: &mut [f64]) -> [f64; 3] {
    rates.sort_by(f64::total_cmp);
    [rates[rates.len() / 2], rates[0], rates[rates.len() - 1]]
}

/// Measures both in turns and prints a line; the ratio of the medians.
fn compare(tasks: usize, search: Search, rounds: u64) -> f64 {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for seed in 0..rounds {
        a.push(rate(|| ours_until(tasks, search, seed)));
        b.push(rate(|| match search {
            Search::Random => {
                let scheduler = RandomScheduler::new_from_seed(seed, THEIRS);
                theirs(tasks, Insert::Fixed, scheduler).0
            }
            Search::DepthFirst => theirs(tasks, Insert::Fixed, dfs(THEIRS)).0,
        }));
    }
    let thousands = |[median, low, high]: [f64; 3]| {
        format!("{:6.0} k [{:.0} - {:.0}]", median / 1e3, low / 1e3, high / 1e3)
    };
    let (a, b) = (spread(&mut a), spread(&mut b));
    let ratio = a[0] / b[0];
    let (own, other) = (thousands(a), thousands(b));
    println!("{tasks} tasks, {search:?}: maprace {own}, shuttle {other}, ratio {ratio:.1}");
    ratio
}

/// A depth-first search of ours may end before the round does: then it starts again.
fn ours_until(tasks: usize, search: Search, seed: u64) -> u64 {
    let mut executions = 0;
    while executions < OURS {
        executions += ours(tasks, Insert::Fixed, search, seed).0;
    }
    executions
}

fn main() -> ExitCode {
    let rounds = std::env::args().nth(1).map_or(Ok(7), |n| n.parse());
    let Ok(rounds @ 1..) = rounds else {
        eprintln!("usage: maprace-versus-shuttle [ROUNDS]");
        return ExitCode::from(2);
    };
    println!("executions per CPU second, the median of {rounds} rounds [lowest - highest]");
    let mut least = f64::INFINITY;
    for tasks in [2, 3] {
        for search in [Search::Random, Search::DepthFirst] {
            least = least.min(compare(tasks, search, rounds));
        }
    }
    println!("the least ratio is {least:.1}; promised are {TIMES}");

    let (_, bad) = ours(3, Insert::Buggy, Search::Random, 0);
    let random = RandomScheduler::new_from_seed(0, THEIRS);
    let (_, their_bad) = theirs(3, Insert::Buggy, random);
    let share = |bad: u64, of: u64| 100.0 * bad as f64 / of as f64;
    let (own, other) = (share(bad, OURS), share(their_bad, THEIRS as u64));
    println!("both find the bug at random: maprace {own:.1} %, shuttle {other:.1} % of executions");

    let little = Little::faults(3, Insert::Fixed, Grain::Sync);
    let proof = explore(&little, &Options { engine: Engine::Dpor, ..Options::default() });
    let at_most = 1_000 * proof.executions;
    let (executions, _) = theirs(3, Insert::Fixed, dfs(at_most as usize));
    let has_finished = executions < at_most;
    let needed = proof.executions;
    let word = if has_finished { "has" } else { "has not" };
    println!(
        "three tasks to the end: maprace {needed}; shuttle {word} finished after {executions}"
    );
    let kept = least >= TIMES && !has_finished && proof.complete && bad > 0 && their_bad > 0;
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
