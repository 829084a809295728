//! Replay: from a schedule and what the tasks say of themselves to the task that runs next.
//!
//! Pure: the driver runs nothing and knows no runtime. Whoever replays shows it the tasks before each
//! step, and runs exactly one step of the task it names.

use super::{Item, Run, Schedule};
use crate::suggest::{OneLine, Quoted, nearest};
use std::fmt;

/// What a task of the run that is being replayed could do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskView<'a> {
    /// Its name.
    pub name: &'a str,
    /// The name of the step it would take next; `None`: it has ended.
    pub announced: Option<&'a str>,
    /// Whether it can take that step now.
    pub enabled: bool,
    /// The task it waits for, if it waits and that is known.
    pub waits_for: Option<String>,
}

/// Replays a schedule, one step at a time.
#[derive(Clone, Debug)]
pub struct Driver<'s> {
    schedule: &'s Schedule,
    /// The item in hand.
    item: usize,
    /// Steps it has had.
    done: u32,
}

impl<'s> Driver<'s> {
    /// At the start of the schedule.
    pub fn new(schedule: &'s Schedule) -> Driver<'s> {
        Driver { schedule, item: 0, done: 0 }
    }

    /// The number in `tasks` of the one that takes the next step; `None` when the schedule has no
    /// more to say.
    ///
    /// `tasks` are all there are now, ended ones too. The caller runs exactly one step of the task
    /// before it asks again, and when there is none runs the rest in order.
    ///
    /// # Errors
    ///
    /// When the run is not the one the schedule describes; after that the driver is of no use.
    pub fn next(&mut self, tasks: &[TaskView<'_>]) -> Result<Option<usize>, Mismatch> {
        while let Some(item) = self.schedule.items.get(self.item) {
            let number = tasks.iter().position(|task| task.name == item.task).ok_or_else(|| {
                let tasks = tasks.iter().map(|task| task.name.to_owned()).collect();
                self.mismatch(MismatchKind::NoTask { task: item.task.clone(), tasks })
            })?;
            if self.choose(item, &tasks[number])? {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// Whether the item's task takes the next step; if not, the item is done.
    fn choose(&mut self, item: &Item, view: &TaskView<'_>) -> Result<bool, Mismatch> {
        if item.run == Run::ToEnd && (view.announced.is_none() || !view.enabled) {
            self.turn_page();
            return Ok(false);
        }
        let task = || item.task.clone();
        let Some(step) = view.announced else {
            let (run, done) = (item.run.clone(), self.done);
            return Err(self.mismatch(MismatchKind::Ended { task: task(), run, done }));
        };
        if let Run::Exactly(expected) = &item.run
            && expected != step
        {
            let (expected, found) = (expected.clone(), step.to_owned());
            return Err(self.mismatch(MismatchKind::OtherStep { task: task(), expected, found }));
        }
        if !view.enabled {
            let (step, held_by) = (step.to_owned(), view.waits_for.clone());
            return Err(self.mismatch(MismatchKind::Waits { task: task(), step, held_by }));
        }
        self.done = self.done.saturating_add(1);
        let last = match &item.run {
            Run::Steps(steps) => self.done >= *steps,
            Run::ToEnd => false,
            Run::Through(name) => name == step,
            Run::Exactly(_) => true,
        };
        if last {
            self.turn_page();
        }
        Ok(true)
    }

    fn turn_page(&mut self) {
        self.item += 1;
        self.done = 0;
    }

    fn mismatch(&self, kind: MismatchKind) -> Mismatch {
        let line = self.schedule.items.get(self.item).map_or(1, |item| item.at.line);
        let one_line = self.schedule.items.iter().all(|item| item.at.line == line);
        Mismatch { item: self.item + 1, line: (!one_line).then_some(line), kind }
    }
}

/// The run is not the one the schedule describes: `line N: what`, or `item N: what` where the whole
/// schedule stands on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    item: usize,
    line: Option<usize>,
    kind: MismatchKind,
}

impl Mismatch {
    /// The item, from 1.
    pub fn item(&self) -> usize {
        self.item
    }

    /// The line of the text it stands on, from 1; `None` where all items stand on one line.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// What was expected and what was found.
    pub fn kind(&self) -> &MismatchKind {
        &self.kind
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.kind),
            None => write!(f, "item {}: {}", self.item, self.kind),
        }
    }
}

impl std::error::Error for Mismatch {}

/// How a run differs from its schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MismatchKind {
    /// No task has that name, or none has it yet.
    NoTask {
        /// The name.
        task: String,
        /// The tasks there are.
        tasks: Vec<String>,
    },
    /// The task announces another step.
    OtherStep {
        /// The task.
        task: String,
        /// The step of the schedule.
        expected: String,
        /// The step it announces.
        found: String,
    },
    /// The task cannot run now.
    Waits {
        /// The task.
        task: String,
        /// The step it cannot take.
        step: String,
        /// The task it waits for, if that is known.
        held_by: Option<String>,
    },
    /// The task has ended before the item was done.
    Ended {
        /// The task.
        task: String,
        /// How far it should have run.
        run: Run,
        /// Steps it took for this item.
        done: u32,
    },
}

impl fmt::Display for MismatchKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MismatchKind::NoTask { task, tasks } => no_task(f, task, tasks),
            MismatchKind::OtherStep { task, expected, found } => {
                let (expected, found) = (OneLine(expected), OneLine(found));
                write!(f, "expected {task} to run {expected}, found {found}")
            }
            MismatchKind::Waits { task, step, held_by } => {
                write!(f, "{task} cannot run here: it waits in {}", OneLine(step))?;
                match held_by {
                    None => Ok(()),
                    Some(holder) => write!(f, ", held by {}", OneLine(holder)),
                }
            }
            MismatchKind::Ended { task, run, done } => {
                write!(f, "{task} has ended; it was to run ")?;
                match run {
                    Run::Steps(steps) => match steps.saturating_sub(*done) {
                        1 => f.write_str("1 more step"),
                        more => write!(f, "{more} more steps"),
                    },
                    Run::Through(step) => write!(f, "through {}", OneLine(step)),
                    Run::Exactly(step) => OneLine(step).fmt(f),
                    Run::ToEnd => f.write_str("to its end"),
                }
            }
        }
    }
}

fn no_task(f: &mut fmt::Formatter<'_>, task: &str, tasks: &[String]) -> fmt::Result {
    write!(f, "no task {}: ", Quoted(task))?;
    match tasks {
        [] => return f.write_str("there are none"),
        tasks => write!(f, "tasks are {}", OneLine(&tasks.join(", ")))?,
    }
    match nearest(task, tasks) {
        Some(name) => write!(f, "; did you mean {}?", Quoted(name)),
        None => Ok(()),
    }
}
