//! What is explored: a program that builds the same world each time, and what watches its runs.
//!
//! The explorer knows tasks, steps and footprints, never what they mean. Meaning comes back from the
//! program as an [`Outcome`]: a number that tells outcomes apart, and the checkers that failed.

use maprace_runtime::sim::{Done, Exec, Sim, Task, TaskName};

/// What is explored. It must build the same world each time, and the tasks must depend on nothing
/// but the order of their steps.
pub trait Program {
    /// Builds a fresh world on `sim`, which is empty.
    fn start(&self, sim: &Sim) -> World;

    /// The name of a task in schedules and diagrams, the same whatever the schedule.
    fn label(&self, name: TaskName) -> String;

    /// The names of the checkers, by bit of [`Outcome::failed`].
    fn checkers(&self) -> Vec<String>;
}

/// A world ready to run.
pub struct World {
    /// The tasks that are there from the start. Together with those they start at most 16: executions
    /// with more are given up.
    pub tasks: Vec<Task>,
    /// What follows the execution.
    pub watch: Box<dyn Watch>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}

/// Follows one execution.
pub trait Watch {
    /// Called after every step; a checker may look at the world here.
    ///
    /// Footprints in `done` are empty where the engine does not ask for them. What it records must not depend on the order of independent steps, or else on the state
    /// alone: the explorer runs one interleaving of each trace.
    fn after_step(&mut self, exec: &Exec, done: &Done);

    /// What it has recorded so far that [`Watch::finish`] will use: part of a state's identity.
    fn digest(&self) -> u128;

    /// Runs after all tasks ended or got stuck; the tasks are already dropped.
    fn finish(self: Box<Self>, end: End) -> Outcome;
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Every task ended.
    Finished,
    /// Nobody could run any more: each task that was left, and the step it waits in.
    Deadlock(Vec<(usize, &'static str)>),
}

impl End {
    /// Whether tasks were left that wait for ever.
    pub fn is_deadlock(&self) -> bool {
        matches!(self, End::Deadlock(_))
    }
}

/// What came out of one execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Tells outcomes apart: final bytes, error numbers and failed checkers, digested.
    pub key: u128,
    /// The checkers that failed, one bit each. A deadlock is bad by itself and has no bit.
    pub failed: u64,
}
