//! One run of tasks in turn, with who holds what in each step.

use super::{Conflict, HeldLock, LockedStep, Mode, Quiet};
use crate::explore_world::Storied;
use maprace_explore::{Replay, Replayed, replay_with};
use maprace_fs::places::{self, Described};
use maprace_runtime::sim::{Exec, Hold};
use maprace_runtime::{Access, Effect, Foot, Key, Object};
use std::collections::BTreeSet;

/// A lock from the step that takes it to the one that gives it back.
struct Interval {
    object: Object,
    mode: Mode,
    /// Who takes it, and who gives it back: an I/O clears what its submitter set.
    owners: Vec<usize>,
    /// The first step in which it is held.
    from: usize,
    /// The last one.
    to: Option<usize>,
}

/// A run of some of the tasks, each to its end before the next.
pub(super) struct Ran {
    steps: Vec<Replayed>,
    /// What each object is.
    keys: Vec<Key>,
    labels: Vec<&'static str>,
    /// The task that started each; the first tasks are their own.
    roots: Vec<usize>,
    intervals: Vec<Interval>,
    /// The step in which each operation of each of the first tasks ended.
    ends: Vec<Vec<usize>>,
}

/// Runs the tasks of `order`, each with the I/O it starts, one after the other.
pub(super) fn run(program: &dyn Storied, order: &[usize]) -> Ran {
    let mut roots: Vec<usize> = Vec::new();
    let mut labels: Vec<&'static str> = Vec::new();
    let played = replay_with(program, &mut |exec| {
        for id in roots.len()..exec.len() {
            let name = exec.name(id);
            roots.push(name.parent.map_or(id, |parent| roots[parent]));
            labels.push(name.name);
        }
        order.iter().find_map(|task| next_of(exec, &roots, *task)).flatten()
    });
    let Replay { steps, keys, .. } = played.expect("only tasks that can run are picked");
    let intervals = intervals(&steps);
    // The last step may have started somebody who was never asked for.
    let tasks = steps.iter().flat_map(|s| s.done.spawned.iter().copied().chain([s.done.task]));
    let most = tasks.max().map_or(0, |most| most + 1);
    roots.extend(roots.len()..most);
    labels.resize(roots.len(), "");
    Ran { steps, keys, labels, roots, intervals, ends: program.story().ends }
}

/// Who of a task and what it started runs next; `None` when all of them have ended, `Some(None)` when
/// they wait.
fn next_of(exec: &Exec, roots: &[usize], task: usize) -> Option<Option<usize>> {
    let own = || (0..exec.len()).filter(|id| roots[*id] == task && exec.is_live(*id));
    own().next()?;
    Some(own().find(|id| exec.is_enabled(*id)))
}

/// What a change of who holds what is about, in which mode, and whether a hold begins.
fn told(hold: Hold) -> (Object, Mode, bool) {
    match hold {
        Hold::Take(object) => (object, Mode::Write, true),
        Hold::Share(object) => (object, Mode::Read, true),
        Hold::Drop(object) => (object, Mode::Write, false),
        Hold::Unshare(object) => (object, Mode::Read, false),
    }
}

/// Whether change `n` of a step is what the step is about; else it follows without a step of its own.
fn is_own(step: &Replayed, n: usize) -> bool {
    let of = |hold: &Hold| told(*hold).0;
    let (before, object) = (&step.done.holds[..n], of(&step.done.holds[n]));
    let is_announced = step.done.main.accesses().iter().any(|access| access.obj == object);
    is_announced && before.iter().all(|hold| of(hold) != object)
}

fn intervals(steps: &[Replayed]) -> Vec<Interval> {
    let mut all: Vec<Interval> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let task = step.done.task;
        for (n, hold) in step.done.holds.iter().enumerate() {
            let (object, mode, begins) = told(*hold);
            if begins {
                let from = if is_own(step, n) { at } else { at + 1 };
                all.push(Interval { object, mode, owners: vec![task], from, to: None });
                continue;
            }
            let open = |i: &&mut Interval| i.to.is_none() && i.object == object && i.mode == mode;
            let own = all.iter_mut().filter(|i| i.owners.contains(&task)).find(open);
            let ended = match own {
                Some(own) => Some(own),
                None => all.iter_mut().find(open),
            };
            if let Some(ended) = ended {
                ended.to = Some(at);
                if !ended.owners.contains(&task) {
                    ended.owners.push(task);
                }
            }
        }
    }
    all
}

impl Ran {
    /// How many steps task `task` has.
    pub(super) fn steps_of(&self, task: usize) -> usize {
        self.steps.iter().filter(|step| step.done.task == task).count()
    }

    /// Whether it takes no lock in the whole run.
    pub(super) fn holds_nothing(&self, task: usize) -> bool {
        !self.intervals.iter().any(|interval| interval.owners.contains(&task))
    }

    /// What it started, in order.
    pub(super) fn children_of(&self, task: usize) -> Vec<usize> {
        let ran: BTreeSet<usize> = self.steps.iter().map(|step| step.done.task).collect();
        ran.into_iter().filter(|id| *id != task && self.roots[*id] == task).collect()
    }

    /// What its parent called it.
    pub(super) fn name_of(&self, task: usize) -> &'static str {
        self.labels[task]
    }

    /// What the task of step `at` holds in it.
    fn held(&self, at: usize) -> impl Iterator<Item = &Interval> {
        let task = self.steps[at].done.task;
        self.intervals.iter().filter(move |interval| {
            let here = interval.from <= at && interval.to.is_none_or(|to| at <= to);
            here && interval.owners.contains(&task)
        })
    }

    /// The steps of a task, with what it holds.
    pub(super) fn locked_steps(&self, task: usize) -> Vec<LockedStep> {
        let ends = self.ends.get(task).map_or(&[][..], Vec::as_slice);
        let own = self.steps.iter().enumerate().filter(|(_, step)| step.done.task == task);
        let held = |at| {
            let lock = |i: &Interval| HeldLock { lock: self.lock(i.object), mode: i.mode };
            self.held(at).map(lock).collect()
        };
        own.map(|(at, step)| LockedStep {
            op: ends.iter().take_while(|end| **end < at).count(),
            calls: step.note.calls.clone(),
            step: step.done.step.name,
            saw: step.note.saw.clone(),
            held: held(at),
            then: self.quiet(step),
        })
        .collect()
    }

    fn lock(&self, object: Object) -> String {
        places::lock(self.keys[object.index()])
    }

    /// What is taken and given back after the step and before the next, without a step.
    fn quiet(&self, step: &Replayed) -> Vec<Quiet> {
        let changes = step.done.holds.iter().zip(&step.note.around_holds).enumerate();
        let quiet = changes.filter(|(n, _)| !is_own(step, *n));
        quiet
            .filter_map(|(_, (hold, calls))| {
                let (object, mode, takes) = told(*hold);
                let (key, shared) = (self.keys[object.index()], mode == Mode::Read);
                let name = if takes { places::taking } else { places::releasing };
                Some(Quiet { calls: calls.clone(), takes, what: name(key, shared)? })
            })
            .collect()
    }

    /// Tells of every two steps of the two tasks that touch the same place: where, and which locks both
    /// hold in modes that exclude each other.
    pub(super) fn conflicts(
        &self,
        one: usize,
        other: usize,
        tell: &mut impl FnMut(Conflict, Option<(u64, u64)>, BTreeSet<String>),
    ) {
        let of = |task: usize| {
            let own = move |at: &usize| self.roots[self.steps[*at].done.task] == task;
            (0..self.steps.len()).filter(own)
        };
        for a in of(one) {
            for b in of(other) {
                let (foot_a, foot_b) = (&self.steps[a].done.main, &self.steps[b].done.main);
                for (x, y) in clashes(foot_a, foot_b) {
                    let Described { what, unit, range } = self.place(&x, &y);
                    let (one, other) = (self.step_name(a), self.step_name(b));
                    tell(Conflict { place: what, unit, one, other }, range, self.common(a, b));
                }
            }
        }
    }

    /// What two accesses have in common; of an object of somebody else's layer its kind.
    fn place(&self, one: &Access, other: &Access) -> Described {
        let (lo, hi) = (u64::from(one.lo.max(other.lo)), u64::from(one.hi.min(other.hi)));
        let key = self.keys[one.obj.index()];
        let strange = Described { what: key.kind, unit: "", range: None };
        places::describe(key, lo, hi).unwrap_or(strange)
    }

    /// The steps that touch what has no name, with its kind; also those that touch so much that nothing
    /// of it is known.
    #[cfg(test)]
    pub(super) fn unnamed(&self) -> Vec<String> {
        let mut all = Vec::new();
        for Replayed { done, .. } in &self.steps {
            let name = done.step.name;
            all.extend(done.main.is_everything().then(|| format!("{name}: everything")));
            for access in done.main.accesses() {
                let key = self.keys[access.obj.index()];
                let named = places::describe(key, access.lo.into(), access.hi.into());
                all.extend(named.is_none().then(|| format!("{name}: {}", key.kind)));
            }
        }
        all
    }

    fn step_name(&self, at: usize) -> String {
        let done = &self.steps[at].done;
        match self.labels[done.task] {
            "" => done.step.name.to_owned(),
            child => format!("{child}: {}", done.step.name),
        }
    }

    /// The locks that both steps hold and that exclude each other, by what such locks are called: of
    /// two folios each has its own, and it is the same protection.
    fn common(&self, a: usize, b: usize) -> BTreeSet<String> {
        let excludes = |x: &&Interval| {
            let write = |y: &Interval| x.mode == Mode::Write || y.mode == Mode::Write;
            self.held(b).any(|y| x.object == y.object && write(y))
        };
        let class = |i: &Interval| places::class(self.keys[i.object.index()]).to_owned();
        self.held(a).filter(excludes).map(class).collect()
    }
}

/// The data that both touch so that their order can matter; locks are no data.
fn clashes(a: &Foot, b: &Foot) -> Vec<(Access, Access)> {
    let is_data = |x: &&Access| matches!(x.effect, Effect::Read | Effect::Add | Effect::Write);
    let foot = |x: &Access| Foot::at(x.obj, u64::from(x.lo), u64::from(x.hi), x.effect);
    let mut all = Vec::new();
    for x in a.accesses().iter().filter(is_data) {
        let meets = |y: &&Access| foot(x).clash(&foot(y));
        all.extend(b.accesses().iter().filter(is_data).filter(meets).map(|y| (*x, *y)));
    }
    all
}
