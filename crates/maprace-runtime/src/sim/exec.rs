//! One execution, as its driver sees it: the tasks, which of them can run, and what a step did.

use super::{Announced, Guard, Hold, Note, Sim};
use crate::{Digest, Foot, Object, Step};
use smallvec::SmallVec;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

/// A task's future. It never leaves its thread.
pub type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Who a task is, independent of the order in which tasks were started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct TaskName {
    /// The task that started it, or `None` for one that was there from the start.
    pub parent: Option<usize>,
    /// Which of its parent's children it is; for the first tasks, which task.
    pub ordinal: u32,
    /// What the parent called it; empty for the first tasks.
    pub name: &'static str,
}

/// What one granted step did.
#[derive(Clone, Debug)]
pub struct Done {
    /// Who ran.
    pub task: usize,
    /// The step.
    pub step: &'static Step,
    /// What it had waited for.
    pub guard: Guard,
    /// What it announced to touch.
    pub main: Foot,
    /// The same with the releases that joined it.
    pub full: Foot,
    /// Holds that began and ended in it, in order.
    pub holds: SmallVec<[Hold; 4]>,
    /// Tasks it started.
    pub spawned: SmallVec<[usize; 1]>,
    /// Whether the task ended in it.
    pub finished: bool,
}

/// The tasks of one execution.
///
/// Task numbers are stable over the executions of one `Exec`: a child gets the number that the same
/// child of the same parent had the first time it was seen.
pub struct Exec {
    sim: Sim,
    tasks: Vec<Option<Task>>,
    names: Vec<TaskName>,
    /// The numbers of ended tasks that may be given away again; `None`: each keeps its own.
    spare: Option<Vec<usize>>,
    /// The numbers of tasks that ended in the running step: who is born in it gets another.
    just_ended: Vec<usize>,
    /// What the last step did.
    last: Done,
}

static START: Step = Step::new("start");

impl Default for Exec {
    fn default() -> Exec {
        Exec::new(&Sim::default())
    }
}

impl std::fmt::Debug for Exec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exec").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Exec {
    /// No tasks yet, on `sim`.
    pub fn new(sim: &Sim) -> Exec {
        let last = Done {
            task: 0,
            step: &START,
            guard: Guard::None,
            main: Foot::NONE,
            full: Foot::NONE,
            holds: SmallVec::new(),
            spawned: SmallVec::new(),
            finished: false,
        };
        Exec {
            sim: sim.clone(),
            tasks: Vec::new(),
            names: Vec::new(),
            spare: None,
            just_ended: Vec::new(),
            last,
        }
    }

    /// The same for a run of any length: a task that is started takes the number of one that has ended.
    pub fn recycling(sim: &Sim) -> Exec {
        Exec { spare: Some(Vec::new()), ..Exec::new(sim) }
    }

    /// Forgets the tasks of the last execution and starts these, each up to its first announcement.
    pub fn start(&mut self, tasks: Vec<Task>) {
        self.tasks.clear();
        if let Some(spare) = &mut self.spare {
            spare.clear();
            self.names.clear();
        }
        self.just_ended.clear();
        for (i, task) in tasks.into_iter().enumerate() {
            let ordinal = u32::try_from(i).expect("few tasks");
            let id = self.id_of(TaskName { parent: None, ordinal, name: "" });
            self.begin(id, task, 0);
        }
        // Those that a task starts before its first step are there from the start.
        self.adopt();
    }

    /// Drops all tasks, wherever they are.
    pub fn clear(&mut self) {
        self.tasks.clear();
    }

    fn id_of(&mut self, name: TaskName) -> usize {
        if let Some(spare) = &mut self.spare {
            let Some(id) = spare.pop() else {
                self.names.push(name);
                return self.names.len() - 1;
            };
            self.names[id] = name;
            return id;
        }
        self.names.iter().position(|n| *n == name).unwrap_or_else(|| {
            self.names.push(name);
            self.names.len() - 1
        })
    }

    fn begin(&mut self, id: usize, task: Task, history: u128) {
        while self.tasks.len() <= id {
            self.tasks.push(None);
        }
        self.tasks[id] = Some(task);
        let core = &*self.sim.0;
        let mut slots = core.slots.borrow_mut();
        if slots.len() <= id {
            slots.resize_with(id + 1, Default::default);
        }
        let slot = &mut slots[id];
        (slot.next, slot.history, slot.children) = (None, history, 0);
        (slot.due_ns, slot.granted) = (None, false);
        slot.main.clear();
        let mut notes = core.notes.borrow_mut();
        if notes.len() <= id {
            notes.resize_with(id + 1, Vec::new);
        }
        drop((slots, notes));
        self.poll(id);
    }

    /// Polls a task up to its next announcement; true when it ended.
    fn poll(&mut self, id: usize) -> bool {
        self.sim.0.current.set(id);
        let task = self.tasks[id].as_mut().expect("only live tasks are polled");
        let ended = task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        if ended {
            self.tasks[id] = None;
            self.sim.0.slots.borrow_mut()[id].next = None;
            self.just_ended.push(id);
        }
        ended
    }

    /// How many task numbers are in use.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there is no task at all.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Who task `id` is.
    pub fn name(&self, id: usize) -> TaskName {
        self.names[id]
    }

    /// Whether `id` has started and not ended.
    pub fn is_live(&self, id: usize) -> bool {
        self.tasks.get(id).is_some_and(Option::is_some)
    }

    /// The step that `id` has announced, if it lives.
    pub fn announced(&self, id: usize) -> Option<Announced> {
        if !self.is_live(id) {
            return None;
        }
        let slot = &self.sim.0.slots.borrow()[id];
        slot.next.map(|(step, guard)| Announced { step, guard, main: slot.main })
    }

    /// Asks `look` about the step that `id` has announced and what it will touch.
    #[inline]
    pub(super) fn with_announced<O>(
        &self,
        id: usize,
        look: impl FnOnce(&'static Step, &Foot) -> O,
    ) -> O {
        let slot = &self.sim.0.slots.borrow()[id];
        let (step, _) = slot.next.expect("a live task has announced a step");
        look(step, &slot.main)
    }

    /// What the step that `id` has announced waits for.
    #[inline]
    pub(super) fn guard(&self, id: usize) -> Guard {
        self.sim.0.slots.borrow()[id].next.expect("a live task has announced a step").1
    }

    /// Whether the order of the step that `id` has announced and one that touches `full` can matter.
    #[inline]
    pub fn clashes(&self, id: usize, full: &Foot) -> bool {
        self.sim.0.slots.borrow()[id].main.clash(full)
    }

    /// Whether `id` can run now.
    pub fn is_enabled(&self, id: usize) -> bool {
        let slots = self.sim.0.slots.borrow();
        self.is_live(id) && slots[id].next.is_some_and(|(_, guard)| self.sim.is_open(guard))
    }

    /// The tasks that can run now, as a bit mask of the first 32.
    pub fn enabled(&self) -> u32 {
        let slots = self.sim.0.slots.borrow();
        let mut mask = 0;
        for (id, (task, slot)) in self.tasks.iter().zip(slots.iter()).enumerate() {
            let is_open = || slot.next.is_some_and(|(_, guard)| self.sim.is_open(guard));
            mask |= if task.is_some() && is_open() { bit(id) } else { 0 };
        }
        mask
    }

    /// The tasks that have not ended, as a bit mask of the first 32.
    pub fn live(&self) -> u32 {
        (0..self.tasks.len()).filter(|id| self.is_live(*id)).fold(0, |mask, id| mask | bit(id))
    }

    /// What is held now, one entry for each hold: taken exclusively or shared.
    pub fn held(&self) -> Vec<Hold> {
        let mut all = Vec::new();
        for (obj, held) in (0u32..).map(Object).zip(self.sim.0.held.borrow().iter()) {
            all.extend(held.writer.then_some(Hold::Take(obj)));
            all.extend((0..held.readers).map(|_| Hold::Share(obj)));
        }
        all
    }

    /// Runs the announced step of `id`, up to its next announcement.
    ///
    /// # Panics
    /// When `id` cannot run: the driver must have asked.
    pub fn step(&mut self, id: usize) -> Done {
        self.advance(id);
        self.last.clone()
    }

    /// The same for a driver that need not keep what the step [did](Exec::done).
    ///
    /// # Panics
    /// When `id` cannot run: the driver must have asked.
    pub fn advance(&mut self, id: usize) {
        let core = &*self.sim.0;
        let mut slots = core.slots.borrow_mut();
        let slot = &mut slots[id];
        let (step, guard) = slot.next.expect("a live task has announced a step");
        let was_granted = std::mem::take(&mut slot.granted);
        assert!(was_granted || self.sim.is_open(guard), "{} cannot run", step.name);
        core.granted.set(was_granted && matches!(guard, Guard::Shared(_) | Guard::Exclusive(_)));
        let is_footless = core.footless.get();
        (self.last.task, self.last.step, self.last.guard) = (id, step, guard);
        if is_footless {
            self.last.main.clear();
            self.last.full.clear();
        } else {
            self.last.main = slot.main;
            core.released.borrow_mut().clear();
        }
        drop(slots);
        core.holds.borrow_mut().clear();
        if core.recording.get() {
            core.saw.borrow_mut().clear();
            core.around_holds.borrow_mut().clear();
        }
        self.last.spawned.clear();
        self.last.finished = self.poll(id);
        self.adopt();
        let core = &*self.sim.0;
        if !is_footless {
            self.last.full = self.last.main;
            self.last.full.join(&core.released.borrow());
        }
        std::mem::swap(&mut self.last.holds, &mut *core.holds.borrow_mut());
    }

    /// Hands over to `id` what its announced step waits for, before that step runs.
    ///
    /// # Panics
    /// When that is not free.
    pub(super) fn grant(&mut self, id: usize) {
        let mut slots = self.sim.0.slots.borrow_mut();
        let slot = &mut slots[id];
        let (_, guard) = slot.next.expect("a live task has announced a step");
        assert!(self.sim.is_open(guard), "what is handed over is free");
        self.sim.grant(guard);
        slot.granted = true;
    }

    /// Whether what `id` waits for was handed over to it.
    pub(super) fn is_granted(&self, id: usize) -> bool {
        self.sim.0.slots.borrow()[id].granted
    }

    /// When the medium access that `id` has announced completes; `None` if it waits for none.
    pub(super) fn due_ns(&self, id: usize) -> Option<u64> {
        self.sim.0.slots.borrow()[id].due_ns
    }

    /// What the last step did.
    pub fn done(&self) -> &Done {
        &self.last
    }

    /// Gives the tasks that the running step started their numbers, and starts them, with those that
    /// they start before their own first step.
    fn adopt(&mut self) {
        while !self.sim.0.spawned.borrow().is_empty() {
            let born = std::mem::take(&mut *self.sim.0.spawned.borrow_mut());
            for child in born {
                let (parent, ordinal, name) = (Some(child.parent), child.ordinal, child.name);
                let id = self.id_of(TaskName { parent, ordinal, name });
                self.begin(id, child.body, child.history);
                self.last.spawned.push(id);
            }
        }
        match &mut self.spare {
            Some(spare) => spare.append(&mut self.just_ended),
            None => self.just_ended.clear(),
        }
    }

    /// The calls around the step that `id` has announced; empty unless notes are kept.
    pub fn calls(&self, id: usize) -> Vec<&'static str> {
        self.sim.0.notes.borrow().get(id).cloned().unwrap_or_default()
    }

    /// What surrounds the last step, `calls` being those around it before it ran.
    pub fn note(&self, calls: Vec<&'static str>) -> Note {
        let core = &*self.sim.0;
        let saw = core.saw.borrow().clone();
        Note { calls, saw, around_holds: core.around_holds.borrow().clone() }
    }

    /// Runs `id` and then what it starts, always the youngest that can run, until nothing is left.
    ///
    /// For text that is not explored: what happens after the tasks. Returns the notes of each step.
    ///
    /// # Errors
    /// The names of the steps that wait for ever, when nobody can run; and of those announced, after
    /// more steps than any text of sense has.
    pub fn run_out(&mut self) -> Result<Vec<(Done, Note)>, Vec<&'static str>> {
        let mut steps = Vec::new();
        loop {
            if steps.len() > STEPS_MAX {
                return Err(self.announced_names());
            }
            let Some(id) = (0..self.tasks.len()).rev().find(|id| self.is_enabled(*id)) else {
                let stuck = self.announced_names();
                return if stuck.is_empty() { Ok(steps) } else { Err(stuck) };
            };
            let calls = self.calls(id);
            let done = self.step(id);
            steps.push((done, self.note(calls)));
        }
    }

    fn announced_names(&self) -> Vec<&'static str> {
        let announced = (0..self.tasks.len()).filter_map(|id| self.announced(id));
        announced.map(|a| a.step.name).collect()
    }

    /// The identity of the state: what every object holds, who holds what, where every task is.
    /// Zero unless hashes are kept.
    pub fn state(&self) -> u128 {
        let core = &*self.sim.0;
        let mut sum = core.hash.borrow().sum;
        let slots = core.slots.borrow();
        for (id, slot) in slots.iter().enumerate() {
            let place = slot.next.map(|(step, _)| (step.name, slot.history));
            let name = self.names[id];
            let who = (name.parent, name.ordinal);
            sum = sum.wrapping_add(Digest::of(&(who, place, slot.children)));
        }
        sum
    }
}

/// So many steps without an end are a loop.
const STEPS_MAX: usize = 100_000;

/// The bit of a task in a mask; a task past the mask's end has none.
fn bit(task: usize) -> u32 {
    u32::try_from(task).ok().and_then(|task| 1u32.checked_shl(task)).unwrap_or_default()
}
