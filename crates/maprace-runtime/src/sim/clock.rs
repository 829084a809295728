//! The virtual clock: a driver of the simulation in which every step takes time.
//!
//! Discrete events, a number of processors, locks in order of arrival. A step runs at the end of the
//! time it costs; a medium access takes the task off its processor until it completes. What a step
//! costs is the affair of [`Costs`], what happened that of the caller. The same tasks, costs and start
//! times give the same events, in the same order, always.
//!
//! Locks queue as `kernel/locking/rwsem.c` and `mm/filemap.c` of v6.8 have it; `queue` says how.
//!
//! # Divergence from Linux
//! Sections of one spin lock do not wait for each other. Processors take tasks in order of arrival: no
//! priorities, no migration, no preemption inside a step.

mod queue;

use super::{Event, Exec, Hold, Sim};
use crate::{Foot, Object, Step};
use queue::{Asked, Asks, Queues, Woken};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::ControlFlow;

/// The machine that tasks run on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Machine {
    /// Processors, from 1.
    pub cpus: u32,
    /// From the moment a task is woken to that at which it can run, in nanoseconds.
    pub wake_ns: u64,
    /// How long a task may keep its processor while others wait for one, in nanoseconds. It leaves at
    /// the end of a step.
    pub slice_ns: u64,
    /// From a release to a task that spins for the lock having it, in nanoseconds.
    pub spin_ns: u64,
}

/// What things cost, in nanoseconds of processor time.
pub trait Costs {
    /// A step that touches `foot`.
    fn step_ns(&mut self, step: &'static Step, foot: &Foot) -> u64;
    /// The entry into a kernel function, beside its steps.
    fn call_ns(&mut self, name: &'static str) -> u64;
}

/// What is told of a step when it has run.
#[derive(Debug)]
pub struct Moment<'a> {
    /// When, in nanoseconds.
    pub now_ns: u64,
    /// Who ran.
    pub task: usize,
    /// The step; `None` for what a task does before its first step, told when it first runs.
    pub step: Option<&'static Step>,
    /// What happened in it, with the task: tasks it started have begun in it.
    pub events: &'a [(usize, Event)],
    /// How long it waited for what the step takes, in nanoseconds.
    pub waited_ns: u64,
    /// Whether the task has ended.
    pub finished: bool,
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// When the last event was, in nanoseconds.
    pub now_ns: u64,
    /// How many steps were run.
    pub steps: u64,
    /// Whether all tasks have ended.
    pub stopped: Option<Stopped>,
}

/// Why a run ended before all tasks had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stopped {
    /// Tasks wait for each other for ever.
    Deadlock,
    /// The caller said so.
    Asked,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Due {
    /// The announced step has used its processor time.
    Spent,
    /// The task may run: it starts, was woken, or its medium access has completed.
    Runnable,
    /// The task has spun for a lock of readers for as long as one may.
    SpunEnough,
}

/// What the clock keeps of a task.
#[derive(Clone, Default, Debug)]
struct Place {
    /// The announced step was paid for: all it needs is a processor.
    paid: bool,
    /// Since when it has its processor.
    since_ns: u64,
    /// Since when it waits for a lock.
    queued_ns: Option<u64>,
    /// What the calls cost that it entered since its last step.
    calls_ns: u64,
    /// What it did before its first step.
    opening: Vec<(usize, Event)>,
}

/// The clock. One can be used for many runs, one after the other.
#[derive(Debug)]
pub struct Clock<C> {
    sim: Sim,
    machine: Machine,
    costs: C,
    now_ns: u64,
    arrivals: u64,
    steps: u64,
    /// By time, then by arrival, so that ties are settled alike in every run.
    due: BinaryHeap<Reverse<(u64, u64, usize, Due)>>,
    idle_cpus: u32,
    runnable: VecDeque<usize>,
    places: Vec<Place>,
    queues: Queues,
    events: Vec<(usize, Event)>,
}

impl<C: Costs> Clock<C> {
    /// A clock for worlds on `sim`, which must [keep](super::Keep) events.
    pub fn new(sim: &Sim, machine: Machine, costs: C) -> Clock<C> {
        assert!(machine.cpus > 0, "somebody has to run the tasks");
        Clock {
            sim: sim.clone(),
            machine,
            costs,
            now_ns: 0,
            arrivals: 0,
            steps: 0,
            due: BinaryHeap::new(),
            idle_cpus: machine.cpus,
            runnable: VecDeque::new(),
            places: Vec::new(),
            queues: Queues::default(),
            events: Vec::new(),
        }
    }

    /// The costs, to ask or to change between runs.
    pub fn costs(&mut self) -> &mut C {
        &mut self.costs
    }

    /// Starts the clock at 0 for a world that is about to be built: medium accesses now have an end.
    pub fn reset(&mut self) {
        (self.now_ns, self.arrivals, self.steps) = (0, 0, 0);
        self.idle_cpus = self.machine.cpus;
        self.due.clear();
        self.runnable.clear();
        self.places.clear();
        self.queues.clear();
        self.sim.0.timed.set(true);
        self.sim.0.now_ns.set(0);
    }

    /// Runs the tasks that `exec` has started to their end. Task `i` begins at `starts_ns[i]`, or at 0.
    /// After each step `follow` is told of it, and may end the run.
    pub fn run(
        &mut self,
        exec: &mut Exec,
        starts_ns: &[u64],
        mut follow: impl FnMut(&Exec, &Moment<'_>) -> ControlFlow<()>,
    ) -> Ended {
        self.open(exec, starts_ns);
        while let Some(Reverse((time, _, task, due))) = self.due.pop() {
            self.set_now(time);
            let flow = match due {
                Due::Runnable => {
                    self.runnable.push_back(task);
                    ControlFlow::Continue(())
                }
                Due::Spent => self.spent(exec, task, &mut follow),
                Due::SpunEnough => {
                    self.idle_cpus += self.queues.spun_enough(task, time);
                    ControlFlow::Continue(())
                }
            };
            if flow.is_break() {
                return self.ended(Some(Stopped::Asked));
            }
            while self.idle_cpus > 0
                && let Some(task) = self.runnable.pop_front()
            {
                self.idle_cpus -= 1;
                self.places[task].since_ns = self.now_ns;
                self.queues.runs(task);
                if self.tell_opening(exec, task, &mut follow).is_break() {
                    return self.ended(Some(Stopped::Asked));
                }
                self.spend(exec, task);
            }
        }
        let is_stuck = (0..exec.len()).any(|id| exec.is_live(id));
        self.ended(is_stuck.then_some(Stopped::Deadlock))
    }

    fn ended(&self, stopped: Option<Stopped>) -> Ended {
        Ended { now_ns: self.now_ns, steps: self.steps, stopped }
    }

    fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
        self.sim.0.now_ns.set(now_ns);
    }

    fn place(&mut self, task: usize) -> &mut Place {
        if self.places.len() <= task {
            self.places.resize_with(task + 1, Place::default);
        }
        &mut self.places[task]
    }

    /// The tasks have run up to their first steps; what they did on the way is told when they start.
    fn open(&mut self, exec: &Exec, starts_ns: &[u64]) {
        self.take_events();
        for (task, event) in std::mem::take(&mut self.events) {
            self.place(task).opening.push((task, event));
        }
        for task in 0..exec.len() {
            self.place(task);
            if exec.is_live(task) {
                let start = starts_ns.get(task).copied().unwrap_or(0);
                self.arrive(exec, task, start);
            }
        }
    }

    /// `task` can run from `from_ns` on, or from when the medium access it has announced completes.
    fn arrive(&mut self, exec: &Exec, task: usize, from_ns: u64) {
        let at = exec.due_ns(task).map_or(from_ns, |due| due.max(from_ns));
        self.at(at, task, Due::Runnable);
    }

    fn at(&mut self, time_ns: u64, task: usize, due: Due) {
        self.arrivals += 1;
        self.due.push(Reverse((time_ns, self.arrivals, task, due)));
    }

    fn take_events(&mut self) {
        self.events.clear();
        std::mem::swap(&mut self.events, &mut *self.sim.0.events.borrow_mut());
    }

    fn tell_opening(
        &mut self,
        exec: &Exec,
        task: usize,
        follow: &mut impl FnMut(&Exec, &Moment<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.places[task].opening.is_empty() {
            return ControlFlow::Continue(());
        }
        let events = std::mem::take(&mut self.places[task].opening);
        self.charge_calls(&events);
        let (now_ns, step, waited_ns, finished) = (self.now_ns, None, 0, false);
        follow(exec, &Moment { now_ns, task, step, events: &events, waited_ns, finished })
    }

    /// Entering functions costs whoever entered them, before the next step.
    fn charge_calls(&mut self, events: &[(usize, Event)]) {
        for (task, event) in events {
            if let Event::Enter(name) = event {
                let ns = self.costs.call_ns(name);
                self.place(*task).calls_ns += ns;
            }
        }
    }

    /// The running task begins to pay for its announced step.
    fn spend(&mut self, exec: &Exec, task: usize) {
        let ns = if self.places[task].paid { 0 } else { self.price(exec, task) };
        self.at(self.now_ns.saturating_add(ns), task, Due::Spent);
    }

    fn price(&mut self, exec: &Exec, task: usize) -> u64 {
        let calls_ns = std::mem::take(&mut self.places[task].calls_ns);
        let costs = &mut self.costs;
        exec.with_announced(task, |step, foot| costs.step_ns(step, foot).saturating_add(calls_ns))
    }

    /// The processor time is spent: the step runs, or its task begins to wait.
    fn spent(
        &mut self,
        exec: &mut Exec,
        task: usize,
        follow: &mut impl FnMut(&Exec, &Moment<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        loop {
            self.places[task].paid = false;
            if self.must_wait(exec, task) {
                return ControlFlow::Continue(());
            }
            exec.advance(task);
            self.steps += 1;
            let finished = exec.done().finished;
            self.take_events();
            let events = std::mem::take(&mut self.events);
            for id in exec.done().spawned.iter().copied() {
                self.begin(exec, id);
            }
            self.charge_calls(&events);
            for (holder, event) in &events {
                match event {
                    Event::Hold(Hold::Take(obj)) => self.queues.owned(*obj, *holder),
                    Event::Hold(Hold::Drop(obj) | Hold::Unshare(obj)) => self.released(exec, *obj),
                    _ => {}
                }
            }
            let (now_ns, step) = (self.now_ns, Some(exec.done().step));
            let waited_ns = self.places[task].queued_ns.take().map_or(0, |since| now_ns - since);
            let moment = Moment { now_ns, task, step, events: &events, waited_ns, finished };
            let flow = follow(exec, &moment);
            self.events = events;
            flow?;
            let Some(next_ns) = self.goes_on(exec, task, finished) else {
                return ControlFlow::Continue(());
            };
            // What nobody comes before need not pass through the queue.
            if self.due.peek().is_some_and(|Reverse((time, ..))| *time <= next_ns) {
                self.at(next_ns, task, Due::Spent);
                return ControlFlow::Continue(());
            }
            self.set_now(next_ns);
        }
    }

    /// When the next step of the task that just ran one is paid for, if it keeps its processor.
    fn goes_on(&mut self, exec: &Exec, task: usize, finished: bool) -> Option<u64> {
        if finished {
            self.leaves_cpu(task);
            return None;
        }
        if exec.due_ns(task).is_some_and(|due| due > self.now_ns) {
            self.leaves_cpu(task);
            self.arrive(exec, task, self.now_ns);
            return None;
        }
        let ran_ns = self.now_ns - self.places[task].since_ns;
        if !self.runnable.is_empty() && ran_ns >= self.machine.slice_ns {
            self.leaves_cpu(task);
            self.runnable.push_back(task);
            return None;
        }
        Some(self.now_ns.saturating_add(self.price(exec, task)))
    }

    /// A task that was just started: as one that is woken.
    fn begin(&mut self, exec: &Exec, id: usize) {
        *self.place(id) = Place::default();
        if exec.is_live(id) {
            self.arrive(exec, id, self.now_ns.saturating_add(self.machine.wake_ns));
        }
    }

    /// The task leaves its processor; who spins for a lock of its goes to sleep.
    fn leaves_cpu(&mut self, task: usize) {
        self.idle_cpus += 1 + self.queues.leaves_cpu(task, self.now_ns);
    }

    /// Whether the announced step of `task` cannot run now; then it spins or sleeps.
    fn must_wait(&mut self, exec: &Exec, task: usize) -> bool {
        if exec.is_granted(task) {
            return false;
        }
        let guard = exec.guard(task);
        let Some(obj) = guard.object() else { return false };
        let (is_sem, may_spin) = (self.sim.is_sem(obj), self.runnable.is_empty());
        let asks = Asks { is_sem, may_spin, now_ns: self.now_ns };
        match self.queues.ask(task, guard, self.sim.lock_state(obj), asks) {
            Asked::Taken => return false,
            Asked::Spins { until_ns } => {
                if let Some(until_ns) = until_ns {
                    self.at(until_ns, task, Due::SpunEnough);
                }
            }
            Asked::Sleeps => self.leaves_cpu(task),
        }
        let place = &mut self.places[task];
        place.queued_ns = place.queued_ns.or(Some(self.now_ns));
        true
    }

    /// A hold of `obj` has ended: tasks that spin for it take it, those that sleep are woken.
    fn released(&mut self, exec: &mut Exec, obj: Object) {
        let is_sem = self.sim.is_sem(obj);
        while let Some(woken) = self.queues.next(
            obj,
            |task| exec.guard(task),
            self.sim.lock_state(obj),
            is_sem,
            self.now_ns,
        ) {
            let (task, ns) = match woken {
                Woken::Spinner(task) => (task, self.machine.spin_ns),
                Woken::Granted(task) | Woken::ToTry(task) => (task, self.machine.wake_ns),
            };
            self.places[task].paid = true;
            let at = self.now_ns.saturating_add(ns);
            match woken {
                Woken::Spinner(_) => {
                    exec.grant(task);
                    self.queues.granted(task, obj, exec.guard(task));
                    self.at(at, task, Due::Spent);
                }
                Woken::Granted(_) => {
                    exec.grant(task);
                    self.queues.granted(task, obj, exec.guard(task));
                    // Nobody spins for one that sleeps.
                    self.idle_cpus += self.queues.stop_spinning(obj, self.now_ns);
                    self.at(at, task, Due::Runnable);
                }
                Woken::ToTry(_) => {
                    self.at(at, task, Due::Runnable);
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
