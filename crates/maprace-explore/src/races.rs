//! Which earlier steps race with a later one, and where to turn so that it comes first.
//!
//! The textbook calls a race what has no step between in happens-before. But between two acquires of
//! a lock there is always the release: no race on a lock would ever be found. Here an earlier step
//! races with a later one when their *main* footprints say so and it is not ordered before the
//! *previous* step of the later one's task. That leaves one thing which could keep the later one from
//! coming first: a hold that it waits for and that ends only after the earlier one. Then the race is
//! with whoever took the hold.

use crate::clocks::{Clock, Log, join};
use crate::report::RaceRule;
use crate::run::first_of;
use maprace_runtime::Foot;
use maprace_runtime::sim::Guard;

/// A choice on the way to where the search stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    /// The task that ran.
    pub(crate) chosen: usize,
    /// Those that could.
    pub(crate) enabled: u32,
    /// Those that are to be tried here.
    pub(crate) backtrack: u32,
    /// Those that were.
    pub(crate) done: u32,
    /// Those whose every continuation is covered elsewhere.
    pub(crate) sleep: u32,
}

/// A step that may have raced with those before it; it ran, or it still waits.
#[derive(Debug)]
pub(crate) struct Later<'a> {
    /// Its place in the log, or the log's length if it waits.
    pub(crate) at: usize,
    pub(crate) task: usize,
    /// What it announced.
    pub(crate) main: &'a Foot,
    /// The same with releases, as far as known.
    pub(crate) full: &'a Foot,
    /// What it waits for.
    pub(crate) guard: Guard,
    /// The clock of its task before it.
    pub(crate) before: Clock,
}

/// Puts a task into the backtrack set of every node at which a step raced with `later`, unless one
/// that reverses the race is there.
pub(crate) fn reverse(
    log: &Log,
    later: &Later<'_>,
    rule: RaceRule,
    stack: &mut [Node],
    unordered: &mut Vec<usize>,
) {
    let mut covered = later.before;
    for at in (0..later.at).rev() {
        let step = &log.steps[at];
        if step.task == later.task
            || log.is_before(at, &covered)
            || !step.main.races(later.main)
            || rule == RaceRule::Textbook && !is_immediate(log, at, later)
            || is_held_off(log, at, later)
        {
            continue;
        }
        join(&mut covered, &log.clocks[at]);
        let node = &mut stack[at];
        let first = initials(log, at, later, unordered) & node.enabled;
        if first == 0 {
            // Not with true guards and footprints: what does not depend on the step can begin.
            node.backtrack |= node.enabled;
        } else if first & (node.backtrack | node.sleep) == 0 {
            let own = first & 1 << later.task;
            node.backtrack |= if own != 0 { own } else { 1 << first_of(first) };
        }
    }
}

/// The tasks with which an execution from before the `at`-th step can begin that runs `later` before
/// that step: the first steps, with nothing before them, of what comes after it and does not depend
/// on it, `later` last.
fn initials(log: &Log, at: usize, later: &Later<'_>, unordered: &mut Vec<usize>) -> u32 {
    let race = log.steps[at].task;
    let own_count = log.clocks[at][race];
    let (mut initials, mut met) = (0u32, 0u32);
    unordered.clear();
    for next in at + 1..later.at {
        let clock = &log.clocks[next];
        if clock[race] >= own_count {
            continue;
        }
        let task = 1 << log.steps[next].task;
        if met & task == 0 {
            met |= task;
            if unordered.iter().all(|earlier| !log.is_before(*earlier, clock)) {
                initials |= task;
            }
        }
        unordered.push(next);
    }
    let own = 1 << later.task;
    let is_free = |earlier: &usize| {
        !log.is_before(*earlier, &later.before) && !log.steps[*earlier].full.clash(later.full)
    };
    if met & own == 0 && unordered.iter().all(is_free) {
        initials |= own;
    }
    initials
}

/// Whether `later` would have to wait if it were to come before the `at`-th step: for a hold that was
/// taken before that step, and that ends in it or in one that depends on it, or never.
fn is_held_off(log: &Log, at: usize, later: &Later<'_>) -> bool {
    if later.guard == Guard::None {
        return false;
    }
    let is_taken = |from: usize| from < at;
    let is_given_back = |to: usize| to < at || to > at && !log.is_after(to, at);
    log.holds.iter().any(|hold| {
        hold.blocks(later.guard)
            && hold.from.is_none_or(is_taken)
            && !hold.to.is_some_and(is_given_back)
    })
}

/// The rule of the textbook: nothing lies between the two in happens-before.
fn is_immediate(log: &Log, at: usize, later: &Later<'_>) -> bool {
    let task = log.steps[at].task;
    let count = log.clocks[at][task];
    let clock = log.clock_if(later.task, later.full, later.at, &later.before);
    !(at + 1..later.at)
        .any(|between| log.clocks[between][task] >= count && log.is_before(between, &clock))
}
