//! Runs one schedule and keeps what a diagram needs.
//!
//! Task numbers are those of a fresh execution: first the tasks that are there from the start, then
//! the others in the order in which this schedule starts them.

use crate::cost::Meter;
use crate::program::{End, Outcome, Program};
use crate::run::Run;
use maprace_runtime::sim::{Done, Exec, Keep, Note};
use maprace_runtime::{Key, Object};

/// One step of a replay.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// What it did.
    pub done: Done,
    /// The calls around it, and what it saw.
    pub note: Note,
    /// The tasks that could run before it, one bit each.
    pub enabled: u32,
}

/// A schedule that was run.
#[derive(Clone, Debug)]
pub struct Replay {
    /// Its steps.
    pub steps: Vec<Replayed>,
    /// The label of each task, by number.
    pub labels: Vec<String>,
    /// What each object of its footprints is, by number.
    pub keys: Vec<Key>,
    /// How it ended and what came out; `None` if it was given up before its end.
    pub end: Option<(End, Outcome)>,
    /// How often it leaves a task that could go on.
    pub preemptions: u32,
    /// How often it leaves a task at all.
    pub switches: u32,
}

impl Replay {
    /// What `object` is.
    ///
    /// # Panics
    /// When it is of another run.
    pub fn key(&self, object: Object) -> Key {
        self.keys[object.index()]
    }
}

/// A schedule asked for a task that cannot run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The step, counted from 0.
    pub at: usize,
    /// The task that was asked for.
    pub wanted: usize,
    /// The tasks that could run, one bit each.
    pub enabled: u32,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "step {}: task {} cannot run", self.at, self.wanted)
    }
}

impl std::error::Error for Mismatch {}

/// Runs the tasks that `pick` picks, until all ended, nobody can run, `pick` gives up, or there are
/// more tasks than 16.
///
/// `pick` sees the execution before each step: who is enabled and what each task has announced.
///
/// # Errors
/// When `pick` asks for a task that cannot run.
pub fn replay_with(
    program: &dyn Program,
    pick: &mut dyn FnMut(&Exec) -> Option<usize>,
) -> Result<Replay, Mismatch> {
    let mut run = Run::new(program, Keep { notes: true, ..Keep::default() });
    run.begin();
    let (mut steps, mut meter) = (Vec::new(), Meter::default());
    let is_over = loop {
        if run.is_crowded() {
            break false;
        }
        let enabled = run.exec.enabled();
        if enabled == 0 {
            break true;
        }
        let Some(wanted) = pick(&run.exec) else { break false };
        if enabled.checked_shr(u32::try_from(wanted).unwrap_or(u32::MAX)).unwrap_or(0) & 1 == 0 {
            return Err(Mismatch { at: steps.len(), wanted, enabled });
        }
        meter.step(wanted, enabled);
        let calls = run.exec.calls(wanted);
        let done = run.step(wanted).clone();
        let note = run.exec.note(calls);
        steps.push(Replayed { done, note, enabled });
    };
    let labels = (0..run.exec.len()).map(|task| program.label(run.exec.name(task))).collect();
    let end = is_over.then(|| run.end());
    let Meter { preemptions, switches, .. } = meter;
    let keys = run.keys();
    Ok(Replay { steps, labels, keys, end, preemptions, switches })
}

/// Runs a schedule that names a task for each step; it may end early.
///
/// # Errors
/// When the schedule asks for a task that cannot run.
pub fn replay(program: &dyn Program, schedule: &[usize]) -> Result<Replay, Mismatch> {
    let mut rest = schedule.iter().copied();
    replay_with(program, &mut |_| rest.next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::little::{Grain, Insert, Little};

    #[test]
    fn a_replay_says_what_the_objects_of_its_footprints_are() {
        let program = Little::faults(2, Insert::Buggy, Grain::Sem);
        let played = replay(&program, &[0, 0, 1]).unwrap();
        let kind = |step: &Replayed| played.key(step.done.main.accesses()[0].obj);
        let kinds: Vec<Key> = played.steps.iter().map(kind).collect();
        assert_eq!(kinds, ["folio", "es", "inode"].map(Key::only));
        let holds: Vec<usize> =
            played.steps.iter().map(|step| step.note.around_holds.len()).collect();
        assert_eq!(holds, played.steps.iter().map(|s| s.done.holds.len()).collect::<Vec<_>>());
    }
}
