//! One execution: builds the world, steps it, follows it with the program's watch, ends it.
//!
//! The same `Run` is used again and again: task numbers stay the same over its executions, and the
//! buffers of the simulation are kept. A world is dropped whole before the next one is built.

use crate::program::{End, Outcome, Program, Watch, World};
use maprace_runtime::sim::{Done, Exec, Keep, Sim};
use maprace_runtime::{Digest, Key};

/// Tasks in one execution, children included. A child that some executions start and others do not
/// has its number in all.
pub(crate) const MOST_TASKS: usize = 16;

/// How an execution ended, as the search sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Tells outcomes apart, a deadlock from an ordinary end too.
    pub(crate) key: u128,
    /// The checkers that failed.
    pub(crate) failed: u64,
    /// Whether tasks were left that wait for ever.
    pub(crate) deadlock: bool,
}

impl Ended {
    pub(crate) fn is_bad(&self) -> bool {
        self.failed != 0 || self.deadlock
    }
}

/// What executions run in.
pub(crate) struct Run<'a> {
    program: &'a dyn Program,
    keep: Keep,
    sim: Sim,
    pub(crate) exec: Exec,
    watch: Option<Box<dyn Watch>>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(program: &'a dyn Program, keep: Keep) -> Run<'a> {
        let sim = Sim::new(keep);
        let exec = Exec::new(&sim);
        Run { program, keep, sim, exec, watch: None }
    }

    /// The same for a search that does not ask which steps depend on which.
    pub(crate) fn without_footprints(program: &'a dyn Program, keep: Keep) -> Run<'a> {
        let run = Run::new(program, keep);
        run.sim.keep_footprints(false);
        run
    }

    /// Gives up the last execution, if it still stands, and starts the next.
    pub(crate) fn begin(&mut self) {
        self.abandon();
        self.sim.reset(self.keep);
        let World { tasks, watch } = self.program.start(&self.sim);
        self.watch = Some(watch);
        self.exec.start(tasks);
    }

    /// Whether there are more tasks than a search can follow: it must look no further.
    #[inline]
    pub(crate) fn is_crowded(&self) -> bool {
        self.exec.len() > MOST_TASKS
    }

    /// Runs the announced step of `task`, which must be enabled.
    pub(crate) fn step(&mut self, task: usize) -> &Done {
        self.exec.advance(task);
        let done = self.exec.done();
        if let Some(watch) = &mut self.watch {
            watch.after_step(&self.exec, done);
        }
        done
    }

    /// The identity of the state, with what the watch has recorded; needs hashes to be kept.
    pub(crate) fn key(&self) -> u128 {
        let watched = self.watch.as_ref().map_or(0, |watch| watch.digest());
        Digest::of(&(self.exec.state(), watched))
    }

    /// What the objects of the world are, by number.
    pub(crate) fn keys(&self) -> Vec<Key> {
        self.sim.keys()
    }

    /// Ends an execution in which nobody can run.
    pub(crate) fn end(&mut self) -> (End, Outcome) {
        let end = if self.exec.live() == 0 {
            End::Finished
        } else {
            let left = (0..self.exec.len())
                .filter_map(|id| self.exec.announced(id).map(|a| (id, a.step.name)));
            End::Deadlock(left.collect())
        };
        self.exec.clear();
        let watch = self.watch.take().expect("an execution ends once");
        let outcome = watch.finish(end.clone());
        (end, outcome)
    }

    /// The same, as a search wants it.
    pub(crate) fn ended(&mut self) -> Ended {
        let (end, outcome) = self.end();
        let deadlock = end.is_deadlock();
        let key = if deadlock { Digest::of(&(outcome.key, "deadlock")) } else { outcome.key };
        Ended { key, failed: outcome.failed, deadlock }
    }

    /// Drops the world, wherever it is.
    pub(crate) fn abandon(&mut self) {
        self.exec.clear();
        self.watch = None;
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// The tasks of a bit mask, smallest first.
pub(crate) fn tasks_of(mask: u32) -> impl Iterator<Item = usize> {
    let mut left = mask;
    std::iter::from_fn(move || {
        let task = (left != 0).then(|| first_of(left))?;
        left &= left - 1;
        Some(task)
    })
}

/// The smallest task of a mask that is not empty.
pub(crate) fn first_of(mask: u32) -> usize {
    mask.trailing_zeros() as usize
}
