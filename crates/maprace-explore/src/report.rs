//! What is asked of an exploration, and what it answers.
//!
//! Nothing here depends on the machine: the same options give the same report, bit for bit. Seconds
//! and rates belong to whoever calls.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

/// A way to choose schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Engine {
    /// Every interleaving, one by one.
    Naive,
    /// Source-DPOR with sleep sets: one interleaving of each trace, and few more.
    Dpor,
    /// Every state once, recognised by its digest.
    States,
    /// Every interleaving with 0 preemptions, then with 1, and so on.
    Icb,
    /// Uniformly among the enabled tasks, step by step.
    Random,
    /// Random priorities with a few random changes (PCT, Burckhardt and others, ASPLOS 2010).
    Pct,
    /// [`Engine::Icb`] for the first bug, then [`Engine::Dpor`], then [`Engine::States`] when the
    /// budget of that ends.
    Auto,
}

impl Engine {
    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Engine::Naive => "naive",
            Engine::Dpor => "dpor",
            Engine::States => "states",
            Engine::Icb => "icb",
            Engine::Random => "random",
            Engine::Pct => "pct",
            Engine::Auto => "auto",
        }
    }
}

/// When to give up. Never in seconds: the same budget ends at the same place on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Executions of one engine, those that were cut short included.
    pub executions: u64,
    /// Executions that [`Engine::Auto`] gives to the search for a first bug.
    pub first_bug: u64,
    /// Steps of one execution; one that is longer is cut short and the search is not complete.
    pub steps: usize,
    /// States that [`Engine::States`] keeps, 75 to 150 bytes each.
    pub states: u64,
    /// Preemptions up to which [`Engine::Icb`] goes.
    pub preemptions: u32,
    /// Downsets of one trace up to which its chance and its size are computed.
    pub downsets: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            executions: 200_000,
            first_bug: 2_000,
            steps: 1_000,
            states: 1_800_000,
            preemptions: u32::MAX,
            downsets: 1_000_000,
        }
    }
}

/// Which earlier steps count as racing with a later one in [`Engine::Dpor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RaceRule {
    /// Those not ordered before the *previous* step of the later one's task: a race between two
    /// acquires is found although the release between them orders them.
    #[default]
    LockAware,
    /// Those with no step between: the rule of the textbook, which misses races on locks. For tests.
    Textbook,
}

/// What to do, and how far to go.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// How to choose schedules.
    pub engine: Engine,
    /// Where [`Engine::Random`] and [`Engine::Pct`] begin.
    pub seed: u64,
    /// When to give up.
    pub budget: Budget,
    /// Ends the search as soon as it is true, with what was found so far.
    pub stop: Option<&'a AtomicBool>,
    /// Told now and then how far the search is.
    pub progress: Option<&'a dyn Fn(Progress)>,
    /// Ends the search at the first bug.
    pub first_bug_only: bool,
    /// The depth `d` of [`Engine::Pct`]: one less than this many priority changes.
    pub pct_depth: u32,
    /// The rule of races; anything but the default is wrong and for tests.
    pub race_rule: RaceRule,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            engine: Engine::Auto,
            seed: 0,
            budget: Budget::default(),
            stop: None,
            progress: None,
            first_bug_only: false,
            pct_depth: 3,
            race_rule: RaceRule::LockAware,
        }
    }
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("engine", &self.engine)
            .field("seed", &self.seed)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

impl Options<'_> {
    /// Whether somebody asked to stop.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}

/// How far a search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The engine that runs now.
    pub engine: Engine,
    /// Its executions so far.
    pub executions: u64,
    /// Bad ones among them.
    pub bad: u64,
    /// States so far; 0 but for [`Engine::States`].
    pub states: u64,
}

/// Why a search ended before it was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Its budget of executions ended.
    Executions,
    /// Its budget of states ended.
    States,
    /// Its bound of preemptions was reached.
    Preemptions,
    /// At least one execution had more steps than allowed, or more than 16 tasks.
    Steps,
    /// Somebody asked for it.
    Asked,
    /// The first bug was found, and no more was wanted.
    FirstBug,
}

/// Why there is no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The engine gives none.
    Engine,
    /// A trace has more downsets than the budget allows.
    Downsets,
    /// Some state can be reached from itself, so that there are interleavings without end.
    Cycle,
}

/// A schedule that ends in damage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// Which task runs, step by step; numbers as a fresh execution gives them, see
    /// [`replay`](crate::replay()).
    pub schedule: Vec<usize>,
    /// How often it leaves a task that could go on.
    pub preemptions: u32,
    /// How often it leaves a task at all.
    pub switches: u32,
    /// The checkers that fail.
    pub failed: u64,
    /// Whether it ends with tasks that wait for ever.
    pub deadlock: bool,
}

/// What one checker found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Its bit in [`Outcome::failed`](crate::Outcome::failed).
    pub checker: u32,
    /// Traces in which it failed; for an engine that knows no traces, executions or outcomes.
    pub traces: u64,
    /// Where in [`Report::examples`] a schedule is that makes it fail.
    pub example: usize,
}

/// What an exploration found. `None` where the engine cannot know.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The engine that gave the verdict; never [`Engine::Auto`].
    pub engine: Engine,
    /// Whether nothing was left out: the search came to its end, and the certificate, if there is one,
    /// is 1 within 1e-6. An end with another certificate means that some footprint is too small.
    pub complete: bool,
    /// Executions of that engine, those cut short included.
    pub executions: u64,
    /// Executions given up because all that could run was known to be covered elsewhere.
    pub cut: u64,
    /// Executions that ended in damage; for [`Engine::States`] distinct states at the end.
    pub bad: u64,
    /// Traces, that is interleavings up to the order of independent steps.
    pub traces: Option<u64>,
    /// Those that end in damage.
    pub bad_traces: Option<u64>,
    /// Interleavings; `None` also when they overflow.
    pub interleavings: Option<u128>,
    /// Those that end in damage.
    pub bad_interleavings: Option<u128>,
    /// Different outcomes.
    pub outcomes: Option<u64>,
    /// Those that are damage.
    pub bad_outcomes: Option<u64>,
    /// The outcomes themselves; a deadlock's key is mixed with the fact that it is one.
    pub outcome_keys: BTreeSet<u128>,
    /// The chances of all traces together under a uniform scheduler: 1 exactly when none is missing.
    pub certificate: Option<f64>,
    /// Why there is none.
    pub certificate_missing: Option<Missing>,
    /// The exact chance of damage under a scheduler that picks uniformly among the enabled tasks.
    pub p_random: Option<f64>,
    /// Traces (executions, states) that end with tasks that wait for ever.
    pub deadlocks: u64,
    /// What the checkers found, by bit.
    pub damage: Vec<Damage>,
    /// The longest execution, in steps, those given up as too long included.
    pub steps_max: usize,
    /// States, if they were told apart.
    pub states: Option<u64>,
    /// The least schedule that ends in damage, by preemptions, switches, steps; over all traces if
    /// `minimal` says so, else the least of those that were run.
    pub counterexample: Option<Counterexample>,
    /// Whether no schedule with less preemptions, or as many and less switches, ends in damage.
    pub minimal: bool,
    /// One schedule for each checker that failed and for deadlock.
    pub examples: Vec<Counterexample>,
    /// What ended the search before its end.
    pub stopped: Option<Stop>,
    /// The execution, counted from 1, that first ended in damage; in [`Engine::Auto`] over all
    /// engines that ran.
    pub first_bug_at: Option<u64>,
    /// The preemptions up to which every schedule was tried, for [`Engine::Icb`].
    pub preemption_bound: Option<u32>,
}
