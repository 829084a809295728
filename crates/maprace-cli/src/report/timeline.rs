//! A run as lanes: who ran when, what each step found, who held and waited for what, which window was
//! open, what landed in it, and what is wrong at the end.
//!
//! One record for the page and for a trace viewer. [`of_replay`] makes it from a schedule of the
//! explorer, where one step is one unit of the axis; a run in virtual time fills the same record in
//! nanoseconds. Windows are found by the names of steps and by footprints, so a layer of somebody
//! else's has lanes and locks but no windows. W6 is not looked for: it has no look-up of its own.

mod windows;

use maprace_explore::{End, Replay};
use maprace_fs::places;
use maprace_runtime::Object;
use maprace_runtime::sim::{Guard, Hold};
use maprace_scenario::{Config, Moment, Plan, Scenario, Story, operation};
use serde::Serialize;

/// What the axis of a timeline counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    /// Steps, each one wide: there is no time.
    Step,
    /// Nanoseconds of virtual time.
    #[cfg_attr(not(test), expect(dead_code, reason = "the explorer has no time"))]
    Ns,
}

/// An operation of a task.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Operation {
    /// As the scenario has it.
    pub(crate) op: String,
    /// The kernel's function.
    pub(crate) function: String,
}

/// A task.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Lane {
    /// Its name.
    pub(crate) name: String,
    /// What it does; nothing for an I/O that another one started.
    pub(crate) ops: Vec<Operation>,
}

/// A step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Step {
    /// The number of its lane.
    pub(crate) task: usize,
    /// Which operation of its lane it belongs to.
    pub(crate) op: usize,
    /// Its name.
    pub(crate) name: String,
    /// The kernel functions around it, outermost first.
    pub(crate) calls: Vec<String>,
    /// What it found.
    pub(crate) saw: Vec<String>,
    /// Where it begins on the axis.
    pub(crate) from: u64,
    /// Where it ends.
    pub(crate) to: u64,
}

/// A lock from the step that takes it to the one that gives it back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Held {
    /// The lane of who took it.
    pub(crate) task: usize,
    /// What it is called.
    pub(crate) lock: String,
    /// Whether it is held alone.
    pub(crate) exclusive: bool,
    /// Where it begins on the axis.
    pub(crate) from: u64,
    /// Where it ends.
    pub(crate) to: u64,
}

/// A task that cannot go on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Wait {
    /// Its lane.
    pub(crate) task: usize,
    /// The lock it waits for.
    pub(crate) lock: String,
    /// Since when.
    pub(crate) from: u64,
    /// Until when.
    pub(crate) to: u64,
}

/// An open window: an answer is out of date if something changes now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Window {
    /// `W1` to `W5`.
    pub(crate) name: String,
    /// The lane of who uses the answer.
    pub(crate) task: usize,
    /// From what to what, in a line.
    pub(crate) what: String,
    /// Where the look-up ended.
    pub(crate) from: u64,
    /// Where its answer took effect.
    pub(crate) to: u64,
    /// The steps of others that landed in it, by number from 0.
    pub(crate) hits: Vec<usize>,
}

/// A broken invariant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Wrong {
    /// The step in which it was found broken, from 0; `None` after the last.
    pub(crate) step: Option<usize>,
    /// The same in words.
    pub(crate) when: String,
    /// The checker.
    pub(crate) checker: String,
    /// What it found.
    pub(crate) words: String,
    /// Whether a user of the kernel can see it.
    pub(crate) kernel_visible: bool,
}

/// A run as lanes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Timeline {
    /// What the scenario is called in the table.
    pub(crate) scenario: String,
    /// The order of buffered writes.
    pub(crate) order: String,
    /// The preset's name.
    pub(crate) protocol: String,
    /// Other presets under which the run is the same.
    pub(crate) also: Vec<String>,
    /// Knobs that are not the preset's, as `KNOB=VALUE`.
    pub(crate) moved: Vec<String>,
    /// What the axis counts.
    pub(crate) unit: Unit,
    /// The command that runs it again.
    pub(crate) command: String,
    /// The tasks.
    pub(crate) tasks: Vec<Lane>,
    /// The steps, in order.
    pub(crate) steps: Vec<Step>,
    /// Who holds what.
    pub(crate) locks: Vec<Held>,
    /// Who waits for what.
    pub(crate) waits: Vec<Wait>,
    /// The windows that were hit; where none was, all that were open.
    pub(crate) windows: Vec<Window>,
    /// What is wrong, in the order in which it was found.
    pub(crate) wrong: Vec<Wrong>,
    /// What happens when all tasks have ended.
    pub(crate) after: Vec<String>,
}

impl Timeline {
    /// A name for it that others of one report do not have.
    pub(crate) fn name(&self) -> String {
        let mut name = format!("{}, {} order, {}", self.scenario, self.order, self.protocol);
        self.moved.iter().for_each(|setting| name += &format!(", {setting}"));
        name
    }

    /// Whether `other` is the same run under another preset; its replay names the preset.
    pub(crate) fn is_as(&self, other: &Timeline) -> bool {
        let parts = |t: &Timeline| (t.scenario.clone(), t.order.clone(), t.moved.clone());
        parts(self) == parts(other)
            && (&self.steps, &self.locks, &self.waits) == (&other.steps, &other.locks, &other.waits)
            && self.wrong == other.wrong
    }
}

/// What a run was a run of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of<'a> {
    /// What the scenario is called in the table.
    pub(crate) name: &'a str,
    /// The scenario.
    pub(crate) scenario: &'a Scenario,
    /// What was planned.
    pub(crate) plan: &'a Plan,
    /// The configuration.
    pub(crate) config: &'a Config,
    /// The command that runs it again.
    pub(crate) command: &'a str,
}

/// The timeline of a schedule that was run.
pub(crate) fn of_replay(of: &Of<'_>, replay: &Replay, story: &Story) -> Timeline {
    let holds = holds(replay);
    Timeline {
        scenario: of.name.to_owned(),
        order: of.config.order.name().to_owned(),
        protocol: of.config.protocol.name.to_owned(),
        also: Vec::new(),
        moved: of.config.moved().iter().map(|(knob, value)| format!("{knob}={value}")).collect(),
        unit: Unit::Step,
        command: of.command.to_owned(),
        tasks: lanes(of, replay),
        steps: steps(replay, story),
        windows: windows::windows(replay, &holds),
        locks: holds.iter().map(|hold| hold.shown(replay)).collect(),
        waits: waits(replay),
        wrong: wrong(of.plan, replay, story),
        after: of.plan.after_text.clone(),
    }
}

/// A number of a step on the axis.
fn axis(step: usize) -> u64 {
    step as u64
}

fn lanes(of: &Of<'_>, replay: &Replay) -> Vec<Lane> {
    let of_task = |number: usize| -> Vec<Operation> {
        let Some(task) = of.scenario.tasks.get(number) else { return Vec::new() };
        let requests = &of.plan.tasks[number].requests;
        let both = task.ops.iter().zip(requests);
        both.map(|(op, request)| Operation {
            op: op.to_string(),
            function: operation(request.op, of.config.order, &of.config.layer).to_owned(),
        })
        .collect()
    };
    let lane =
        |(number, label): (usize, &String)| Lane { name: label.clone(), ops: of_task(number) };
    replay.labels.iter().enumerate().map(lane).collect()
}

fn steps(replay: &Replay, story: &Story) -> Vec<Step> {
    let step = |(i, step): (usize, &maprace_explore::Replayed)| {
        let task = step.done.task;
        let ends = story.ends.get(task).map_or(&[][..], Vec::as_slice);
        Step {
            task,
            op: ends.iter().take_while(|end| **end < i).count(),
            name: step.done.step.name.to_owned(),
            calls: step.note.calls.iter().map(|call| (*call).to_owned()).collect(),
            saw: step.note.saw.clone(),
            from: axis(i),
            to: axis(i + 1),
        }
    };
    replay.steps.iter().enumerate().map(step).collect()
}

/// A hold, by numbers of steps.
struct Holding {
    object: Object,
    exclusive: bool,
    /// Who took it.
    task: usize,
    /// The first step in which it is held.
    from: usize,
    /// One past the last.
    to: usize,
}

impl Holding {
    fn shown(&self, replay: &Replay) -> Held {
        let Holding { object, exclusive, task, from, to } = *self;
        let lock = places::lock(replay.key(object));
        Held { task, lock, exclusive, from: axis(from), to: axis(to) }
    }
}

/// Every hold of the run; what is never given back lasts to its end.
fn holds(replay: &Replay) -> Vec<Holding> {
    let end = replay.steps.len();
    let mut all: Vec<Holding> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for (i, step) in replay.steps.iter().enumerate() {
        let task = step.done.task;
        for hold in &step.done.holds {
            let (object, exclusive, begins) = match *hold {
                Hold::Take(object) => (object, true, true),
                Hold::Share(object) => (object, false, true),
                Hold::Drop(object) => (object, true, false),
                Hold::Unshare(object) => (object, false, false),
            };
            if begins {
                // What the step did not ask for is taken after it, without a step of its own.
                let asked = step.done.main.accesses().iter().any(|access| access.obj == object);
                let from = if asked { i } else { i + 1 };
                open.push(all.len());
                all.push(Holding { object, exclusive, task, from, to: end });
                continue;
            }
            let fits = |at: &usize| all[*at].object == object && all[*at].exclusive == exclusive;
            let own = open.iter().position(|at| fits(at) && all[*at].task == task);
            // An I/O clears what its submitter set.
            if let Some(n) = own.or_else(|| open.iter().position(fits)) {
                all[open.remove(n)].to = i + 1;
            }
        }
    }
    all.retain(|hold| hold.from < hold.to);
    all
}

/// Who waits for what: a task that has begun, has not ended and cannot run waits for what its next step
/// asks for.
fn waits(replay: &Replay) -> Vec<Wait> {
    let mut all = Vec::new();
    for task in 0..replay.labels.len() {
        let mut since = None;
        for (i, step) in replay.steps.iter().enumerate() {
            let can_run = step.enabled >> task & 1 == 1;
            let here = step.done.task == task;
            if here || can_run {
                if let (Some(from), Some(lock)) = (since.take(), awaited(replay, task, i)) {
                    all.push(Wait { task, lock, from: axis(from), to: axis(i) });
                }
            } else if since.is_none() && begun(replay, task, i) {
                since = Some(i);
            }
        }
        if let (Some(from), Some(End::Deadlock(left))) = (since, replay.end.as_ref().map(|e| &e.0))
            && let Some((_, step)) = left.iter().find(|(waiting, _)| *waiting == task)
        {
            let (lock, to) = ((*step).to_owned(), axis(replay.steps.len()));
            all.push(Wait { task, lock, from: axis(from), to });
        }
    }
    all
}

/// Whether a task is there before step `i`: the first ones are from the start.
fn begun(replay: &Replay, task: usize, i: usize) -> bool {
    let started = replay.steps.iter().position(|step| step.done.spawned.contains(&task));
    started.is_none_or(|at| at < i)
}

/// What the next step of a task from step `i` on waits for.
fn awaited(replay: &Replay, task: usize, i: usize) -> Option<String> {
    let next = replay.steps[i..].iter().find(|step| step.done.task == task)?;
    let object = match next.done.guard {
        Guard::None => return None,
        Guard::Shared(object) | Guard::Exclusive(object) | Guard::Clear(object) => object,
    };
    Some(places::lock(replay.key(object)))
}

fn wrong(plan: &Plan, replay: &Replay, story: &Story) -> Vec<Wrong> {
    let mut all: Vec<Wrong> = Vec::new();
    for happened in &story.happened {
        let (step, when) = match happened.moment {
            Moment::Step(i) => (Some(i), format!("in step {}", i + 1)),
            Moment::End => (None, "when all have ended".to_owned()),
            Moment::After(n) => {
                let op = plan.after_text.get(n).map_or("", String::as_str);
                (None, format!("after {op}"))
            }
        };
        all.push(Wrong {
            step,
            when,
            checker: happened.broken.checker.name().to_owned(),
            words: happened.broken.words(),
            kernel_visible: happened.broken.checker.is_kernel_visible(),
        });
    }
    if let Some((End::Deadlock(waiting), _)) = &replay.end {
        let who = |(task, step): &(usize, &str)| format!("{} in {step}", replay.labels[*task]);
        let who: Vec<String> = waiting.iter().map(who).collect();
        all.push(Wrong {
            step: None,
            when: "at the end".to_owned(),
            checker: "deadlock".to_owned(),
            words: format!("all that are left wait: {}", who.join(", ")),
            kernel_visible: true,
        });
    }
    all
}

#[cfg(test)]
pub(crate) mod tests;
