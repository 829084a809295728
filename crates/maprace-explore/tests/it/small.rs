//! Programs of a few steps, written as lists of what each task does.
//!
//! A task has one number of its own, which its loads fill and its stores write. Whether the end is
//! bad is decided by the cells alone; what the tasks have found is part of the outcome.

use maprace_explore::{End, Outcome, Program, Watch, World};
use maprace_runtime::sim::{Done, Exec, Sim, SimBit, SimSem, SimSpin, Task, TaskName};
use maprace_runtime::{
    BitLock, Digest, Effect, Foot, Key, Runtime, RwSem, SemSteps, Spin, Step, sem_steps,
};
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

/// What a task does next, to the object with that number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Reads the cell into the task's number.
    Load(usize),
    /// Writes one more than the task's number.
    Store(usize),
    /// Adds one, which commutes.
    Add(usize),
    /// Writes one more than the task's number, and announces to touch another cell.
    Lie(usize),
    /// Acquires the bit lock.
    Lock(usize),
    /// Takes the bit lock if it is free.
    Try(usize),
    /// Releases it, if it was taken by this task.
    Unlock(usize),
    /// Waits until the bit is clear.
    Wait(usize),
    /// Adds whether the bit is set to the task's number.
    Test(usize),
    /// Releases a bit lock that another task may have taken.
    Clear(usize),
    /// Acquires the semaphore shared.
    Read(usize),
    /// Acquires it exclusively.
    Write(usize),
    /// Releases the semaphore acquired last.
    Up,
    /// Starts a task.
    Spawn(Vec<Op>),
}

/// A program, and what its cells must hold at the end.
#[derive(Clone, Debug)]
pub(crate) struct Small {
    pub(crate) tasks: Vec<Vec<Op>>,
    pub(crate) expected: Option<Vec<u64>>,
}

/// Objects of each kind.
const EACH: usize = 3;

static SEM: SemSteps = sem_steps!("sem");
static LOAD: Step = Step::new("load");
static STORE: Step = Step::new("store");
static ADD: Step = Step::new("add");
static LOCK: Step = Step::new("lock");
static TRY: Step = Step::new("try_lock");
static UNLOCK: Step = Step::new("unlock");
static WAIT: Step = Step::new("wait");
static TEST: Step = Step::new("test");

struct Objects {
    sim: Sim,
    cells: Vec<SimSpin<u64>>,
    bits: Vec<SimBit>,
    sems: Vec<SimSem<()>>,
    /// What the tasks found, whatever the order in which they ended.
    found: Cell<u128>,
}

impl Objects {
    fn new(sim: &Sim) -> Objects {
        let key = |kind, index: usize| Key { kind, index: index as u64 };
        Objects {
            sim: sim.clone(),
            cells: (0..EACH).map(|i| SimSpin::new(sim, key("cell", i), 0)).collect(),
            bits: (0..EACH).map(|i| SimBit::new(sim, key("bit", i))).collect(),
            sems: (0..EACH).map(|i| SimSem::new(sim, key("sem", i), &SEM, ())).collect(),
            found: Cell::new(0),
        }
    }

    fn cell(&self, at: usize, effect: Effect) -> Foot {
        Foot::whole(self.cells[at].object(), effect)
    }

    /// One access to a cell.
    async fn touch(&self, op: &Op, number: &mut u64) {
        let value = *number + 1;
        match *op {
            Op::Load(at) => {
                let foot = || self.cell(at, Effect::Read);
                *number = self.cells[at].with(&LOAD, foot, |cell| *cell).await;
            }
            Op::Store(at) => {
                let foot = || self.cell(at, Effect::Write);
                self.cells[at].with(&STORE, foot, |cell| *cell = value).await;
            }
            Op::Add(at) => {
                let foot = || self.cell(at, Effect::Add);
                self.cells[at].with(&ADD, foot, |cell| *cell += 1).await;
            }
            Op::Lie(at) => {
                let foot = || self.cell((at + 1) % EACH, Effect::Write);
                self.cells[at].with(&STORE, foot, |cell| *cell = value).await;
            }
            _ => unreachable!("not an access to a cell"),
        }
    }

    /// One use of a bit lock; `mine` are those that the task has taken.
    async fn bit(&self, op: &Op, number: &mut u64, mine: &mut [bool; EACH]) {
        match *op {
            Op::Lock(at) => {
                self.bits[at].lock(&LOCK, || Foot::NONE, || ()).await;
                mine[at] = true;
            }
            Op::Try(at) => {
                mine[at] |= self.bits[at].try_lock(&TRY, || Foot::NONE, |free| free).await;
                *number += u64::from(mine[at]);
            }
            Op::Unlock(at) => {
                if std::mem::take(&mut mine[at]) {
                    self.bits[at].unlock(&UNLOCK, || Foot::NONE, || ()).await;
                }
            }
            Op::Clear(at) => self.bits[at].unlock(&UNLOCK, || Foot::NONE, || ()).await,
            Op::Wait(at) => self.bits[at].wait(&WAIT).await,
            Op::Test(at) => {
                let foot = || self.bits[at].touch(Effect::Test);
                let is_set = self.sim.io(&TEST, foot, |now| now, || self.bits[at].is_set()).await;
                *number += 10 * u64::from(is_set);
            }
            _ => unreachable!("not a use of a bit lock"),
        }
    }

    /// Notes what a task found.
    fn find(&self, who: &'static str, number: u64) {
        let found = Digest::of(&(who, number));
        self.found.set(self.found.get().wrapping_add(found));
    }
}

enum Guard<R, W> {
    Read(R),
    Write(W),
}

/// Names of tasks: the runtime wants them to live for ever.
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn run(all: Rc<Objects>, ops: Vec<Op>, who: &'static str) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        let (mut number, mut mine, mut guards) = (0, [false; EACH], Vec::new());
        for op in ops {
            match op {
                Op::Load(_) | Op::Store(_) | Op::Add(_) | Op::Lie(_) => {
                    all.touch(&op, &mut number).await;
                }
                Op::Read(at) => guards.push(Guard::Read(all.sems[at].down_read().await)),
                Op::Write(at) => guards.push(Guard::Write(all.sems[at].down_write().await)),
                Op::Up => drop(guards.pop()),
                Op::Spawn(ops) => all.sim.spawn(who, run(Rc::clone(&all), ops, who)),
                op => all.bit(&op, &mut number, &mut mine).await,
            }
        }
        all.find(who, number);
    })
}

impl Program for Small {
    fn start(&self, sim: &Sim) -> World {
        let all = Rc::new(Objects::new(sim));
        let task = |(ops, who): (&Vec<Op>, &&'static str)| -> Task {
            run(Rc::clone(&all), ops.clone(), who)
        };
        let tasks = self.tasks.iter().zip(&NAMES).map(task).collect();
        World { tasks, watch: Box::new(AtEnd { all, expected: self.expected.clone() }) }
    }

    fn label(&self, name: TaskName) -> String {
        format!("{:?}", (name.parent, name.ordinal))
    }

    fn checkers(&self) -> Vec<String> {
        vec!["expected".to_owned(), "first cell".to_owned()]
    }
}

struct AtEnd {
    all: Rc<Objects>,
    expected: Option<Vec<u64>>,
}

impl Watch for AtEnd {
    fn after_step(&mut self, _: &Exec, _: &Done) {}

    fn digest(&self) -> u128 {
        self.all.found.get()
    }

    fn finish(self: Box<Self>, _: End) -> Outcome {
        let cells: Vec<u64> = self.all.cells.iter().map(|cell| cell.peek(|v| *v)).collect();
        let want = self.expected.as_ref();
        let is_bad = want.is_some_and(|want| cells.iter().zip(want).any(|(a, b)| a != b));
        let is_first_bad = want.is_some_and(|want| cells[0] < want[0]);
        let failed = u64::from(is_bad) | u64::from(is_first_bad) << 1;
        Outcome { key: Digest::of(&(&cells, self.all.found.get())), failed }
    }
}
