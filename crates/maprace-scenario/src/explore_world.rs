//! The explore world: a plan as a program for the explorer, with the checkers watching.

use crate::plan::Plan;
use maprace_explore::{End, Outcome, Program, Watch, World};
use maprace_fs::check::lock_order::LockOrder;
use maprace_fs::check::{check_books, check_idle, enospc_with_space_free};
use maprace_fs::{Broken, Checker, Errno, Inode, Layer, LayerKind, Log, settle};
use maprace_runtime::Digest;
use maprace_runtime::sim::{Done, Exec, Hold, Note, Sim, Task, TaskName};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// When an invariant was found broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Moment {
    /// In step `n` of the tasks, counted from 0.
    Step(usize),
    /// When all tasks had ended.
    End,
    /// In or after operation `n` of what happens afterwards.
    After(usize),
}

/// A broken invariant and its moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Happened {
    /// When.
    pub moment: Moment,
    /// What.
    pub broken: Broken,
}

/// What a run leaves for whoever draws it.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Broken invariants, each checker once, in order.
    pub happened: Vec<Happened>,
    /// The results of the operations of each task; afterwards' last.
    pub results: Vec<Vec<Result<(), Errno>>>,
    /// The steps of each operation that happens afterwards.
    pub after: Vec<Vec<(Done, Note)>>,
    /// The step in which each operation of each task ended, counted over all tasks; only where notes
    /// are kept.
    pub ends: Vec<Vec<usize>>,
}

/// A program that also tells what happened in its last run.
pub trait Storied: Program {
    /// The story of the last run.
    fn story(&self) -> Story;
}

/// A plan of a layer as a program for the explorer.
pub(crate) fn program<K: LayerKind>(kind: K, plan: &Plan) -> Box<dyn Storied> {
    Box::new(Planned { kind, plan: plan.clone(), story: Rc::default() })
}

struct Planned<K> {
    kind: K,
    plan: Plan,
    story: Rc<RefCell<Story>>,
}

type Results = Rc<RefCell<Vec<Vec<Result<(), Errno>>>>>;

impl<K: LayerKind> Program for Planned<K> {
    fn start(&self, sim: &Sim) -> World {
        let setup = &self.plan.setup;
        let log = Arc::new(Log::default());
        let layer = self.kind.build(sim, setup, &log);
        let inode = Arc::new(Inode::new(sim, setup, layer, log));
        let results: Results = Rc::new(RefCell::new(vec![Vec::new(); self.plan.tasks.len() + 1]));
        let task = |(number, requests): (usize, Vec<maprace_fs::Request>)| {
            let (inode, results) = (inode.clone(), results.clone());
            Box::pin(async move {
                for request in requests {
                    let result = inode.run(request).await;
                    results.borrow_mut()[number].push(result);
                    settle(inode.runtime(), &results.borrow()[number]);
                }
            }) as Task
        };
        let requests = self.plan.tasks.iter().map(|task| task.requests.clone());
        let tasks = requests.enumerate().map(task).collect();
        let watch = Checking {
            sim: sim.clone(),
            inode,
            results,
            after: self.plan.after.clone(),
            failed: 0,
            steps: 0,
            lock_order: LockOrder::new(setup.order),
            story: self.story.clone(),
            happened: Vec::new(),
            ends: vec![Vec::new(); self.plan.tasks.len()],
        };
        World { tasks, watch: Box::new(watch) }
    }

    fn label(&self, name: TaskName) -> String {
        match name.parent {
            None => {
                let number = name.ordinal as usize;
                self.plan.tasks.get(number).map_or("after".into(), |task| task.name.clone())
            }
            Some(parent) => child_label(&self.plan, parent, name),
        }
    }

    fn checkers(&self) -> Vec<String> {
        Checker::ALL.iter().map(|checker| checker.name().to_owned()).collect()
    }
}

/// `io_end`, numbered from the second of its parent on, and with its parent's name where several tasks
/// may start I/O.
fn child_label(plan: &Plan, parent: usize, name: TaskName) -> String {
    let starts_io = |request: &maprace_fs::Request| request.op.starts_io();
    let starters = plan.tasks.iter().filter(|task| task.requests.iter().any(starts_io)).count();
    let mut label = name.name.to_owned();
    if starters > 1
        && let Some(task) = plan.tasks.get(parent)
    {
        label = format!("{label}:{}", task.name);
    }
    if name.ordinal > 0 {
        label = format!("{label}.{}", name.ordinal + 1);
    }
    label
}

impl<K: LayerKind> Storied for Planned<K> {
    fn story(&self) -> Story {
        self.story.borrow().clone()
    }
}

struct Checking<L: Layer> {
    sim: Sim,
    inode: Arc<Inode<L>>,
    results: Results,
    after: Vec<maprace_fs::Request>,
    failed: u64,
    steps: usize,
    lock_order: LockOrder,
    story: Rc<RefCell<Story>>,
    happened: Vec<Happened>,
    ends: Vec<Vec<usize>>,
}

fn bit(checker: Checker) -> u64 {
    1 << checker as u64
}

impl<L: Layer<Rt = Sim>> Checking<L> {
    fn note(&mut self, moment: Moment, broken: Broken) {
        if self.failed & bit(broken.checker) == 0 {
            self.failed |= bit(broken.checker);
            self.happened.push(Happened { moment, broken });
        }
    }

    fn drain(&mut self, moment: Moment) {
        for broken in self.inode.log().take() {
            self.note(moment, broken);
        }
    }

    /// Writes down in which step operations ended.
    fn note_ends(&mut self) {
        for (ends, results) in self.ends.iter_mut().zip(&*self.results.borrow()) {
            ends.resize(results.len(), self.steps);
        }
    }

    /// Everything that holds when nothing is in flight; `results`: of the operations that just ended.
    fn check_idle(&mut self, moment: Moment, results: &[Result<(), Errno>]) {
        self.drain(moment);
        for broken in check_idle(&self.inode) {
            self.note(moment, broken);
        }
        if results.contains(&Err(Errno::Enospc))
            && let Some(broken) = enospc_with_space_free(&self.inode)
        {
            self.note(moment, broken);
        }
    }

    /// Tells the lock-order checker what the step took and gave back.
    fn check_locks(&mut self, done: &Done, moment: Moment) {
        for hold in &done.holds {
            match hold {
                Hold::Take(obj) | Hold::Share(obj) => {
                    if let Some(broken) = self.lock_order.takes(done.task, self.sim.key(*obj)) {
                        self.note(moment, broken);
                    }
                }
                Hold::Drop(obj) | Hold::Unshare(obj) => {
                    self.lock_order.drops(done.task, self.sim.key(*obj));
                }
            }
        }
    }

    /// The results of all tasks, what happens afterwards left out.
    fn results_of_tasks(&self) -> Vec<Result<(), Errno>> {
        let results = self.results.borrow();
        results.iter().take(results.len() - 1).flatten().copied().collect()
    }

    /// Runs what happens afterwards, one operation at a time, each with its I/O.
    fn run_after(&mut self) {
        let mut story = Vec::new();
        for (i, request) in std::mem::take(&mut self.after).into_iter().enumerate() {
            let (inode, results) = (self.inode.clone(), self.results.clone());
            let mut exec = Exec::new(&self.sim);
            exec.start(vec![Box::pin(async move {
                let result = inode.run(request).await;
                if let Some(after) = results.borrow_mut().last_mut() {
                    after.push(result);
                }
            })]);
            match exec.run_out() {
                Ok(steps) if self.sim.keeps_notes() => story.push(steps),
                Ok(_) => {}
                Err(_) => {
                    let broken = Broken { checker: Checker::AfterEnds, values: None, place: None };
                    return self.note(Moment::After(i), broken);
                }
            }
            drop(exec);
            let last = self.results.borrow().last().and_then(|after| after.last()).copied();
            self.check_idle(Moment::After(i), last.as_slice());
        }
        self.story.borrow_mut().after = story;
    }
}

impl<L: Layer<Rt = Sim>> Watch for Checking<L> {
    fn after_step(&mut self, _: &Exec, done: &Done) {
        let moment = Moment::Step(self.steps);
        if self.sim.keeps_notes() {
            self.note_ends();
        }
        self.steps += 1;
        self.drain(moment);
        self.check_locks(done, moment);
        let lock = self.inode.layer().lock();
        let released = done.holds.iter().any(|hold| match hold {
            Hold::Drop(obj) | Hold::Unshare(obj) => *obj == lock,
            Hold::Take(_) | Hold::Share(_) => false,
        });
        if released
            && self.sim.is_free(lock)
            && let Some(books) = self.inode.layer().books()
        {
            for broken in check_books(&books) {
                self.note(moment, broken);
            }
        }
    }

    fn digest(&self) -> u128 {
        Digest::of(&(self.failed, &*self.results.borrow(), self.lock_order.learnt()))
    }

    fn finish(mut self: Box<Self>, end: End) -> Outcome {
        self.drain(Moment::End);
        self.story.borrow_mut().after.clear();
        if end == End::Finished {
            self.check_idle(Moment::End, &self.results_of_tasks());
            self.run_after();
        }
        let content = self.inode.content_now(true);
        let results = self.results.borrow().clone();
        let key = Digest::of(&(content, self.inode.size_now(), &results, self.failed));
        let mut story = self.story.borrow_mut();
        story.happened = std::mem::take(&mut self.happened);
        story.ends = std::mem::take(&mut self.ends);
        story.results = results;
        Outcome { key, failed: self.failed }
    }
}
