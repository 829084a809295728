//! A small model of the race, on the runtime alone: what the engines are tested and measured on.
//!
//! A fault (`page_mkwrite`) locks a folio, looks its block up in the extent status tree, and where it
//! finds a hole reserves space and inserts a delayed extent. `fallocate` allocates all blocks. A
//! buffered write does what a fault does, in one of two orders. It deliberately knows no journal, no
//! `invalidate_lock` and no writeback; the real model is elsewhere.
//!
//! The engines' numbers on it are known from a program that shares nothing with this one, so a step
//! more or less anywhere shows. It is written a second time for another explorer, to be measured
//! beside this one: change both or none.

use crate::program::{End, Outcome, Program, Watch, World};
use maprace_runtime::sim::{Done, Exec, Sim, Task, TaskName};
use maprace_runtime::{
    Digest, Effect, Foot, Key, Runtime, RwSem, SemSteps, Spin, State, Step, sem_steps,
};
use std::cell::RefCell;
use std::hash::Hash;
use std::rc::Rc;

/// What is a step, and what it touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// Every acquire and every release of every lock is a step.
    Fine,
    /// Every acquire is; a section under a spin lock touches all that the lock protects.
    Sync,
    /// As `Sync`, but sections touch ranges of blocks, and additions to a counter commute.
    Sem,
}

/// Whether a delayed extent is inserted on the answer of an old look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insert {
    /// It is, under `i_data_sem` shared.
    Buggy,
    /// No: it is looked up again under `i_data_sem` exclusive.
    Fixed,
}

/// What one task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// A write fault on a block.
    Fault(u64),
    /// `fallocate` of the whole file.
    Fallocate,
    /// A buffered write of a block that locks the folio, then maps.
    BufferHead(u64),
    /// A buffered write of a block that maps, then locks the folio.
    Iomap(u64),
}

/// The model with a list of jobs, one task each.
#[derive(Clone, Debug)]
pub struct Little {
    /// What the tasks do.
    pub jobs: Vec<Job>,
    /// How long the file is.
    pub blocks: u64,
    /// Whether it has the bug.
    pub insert: Insert,
    /// How finely it is cut into steps.
    pub grain: Grain,
}

impl Little {
    /// A fault on each of `tasks - 1` blocks, against one `fallocate`.
    pub fn faults(tasks: u64, insert: Insert, grain: Grain) -> Little {
        let jobs = (0..tasks - 1).map(Job::Fault).chain([Job::Fallocate]).collect();
        Little { jobs, blocks: (tasks - 1).max(2), insert, grain }
    }

    /// A write of the first block in either order against a fault on it.
    pub fn write(write: fn(u64) -> Job, insert: Insert, grain: Grain) -> Little {
        Little { jobs: vec![write(0), Job::Fault(0)], blocks: 2, insert, grain }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Status {
    Hole,
    Delayed,
    Unwritten,
}

/// What a task found when it has ended: what its system call would depend on.
#[derive(Clone, Copy, Debug, Hash)]
struct Found {
    /// The answer of its look-up, and of the one under the lock.
    status: Status,
    again: Option<Status>,
    /// Delayed blocks that it replaced.
    delayed: u64,
}

static FOLIO: SemSteps =
    SemSteps { down_read: Step::new("folio_trylock"), down_write: Step::new("folio_lock") };
static INODE: SemSteps =
    SemSteps { down_read: Step::new("inode_lock_shared"), down_write: Step::new("inode_lock") };
static DATA: SemSteps = sem_steps!("i_data_sem");
static ES_LOCK: SemSteps = sem_steps!("i_es_lock");
static RESERVATION_LOCK: SemSteps = sem_steps!("i_block_reservation_lock");
static LOOKUP: Step = Step::new("ext4_es_lookup_extent");
static INSERT: Step = Step::new("ext4_es_insert_extent");
static INSERT_DELAYED: Step = Step::new("ext4_es_insert_delayed_extent");
static RESERVE: Step = Step::new("ext4_da_reserve_space");
static UPDATE_RESERVE: Step = Step::new("ext4_da_update_reserve_space");
static UP: Step = Step::new("up");

/// Data with the spin lock around it.
struct Locked<R: Runtime, T: State> {
    /// Only where releases are steps; elsewhere the data's own lock does.
    lock: Option<R::RwSem<()>>,
    data: R::Spin<T>,
}

impl<R: Runtime, T: State> Locked<R, T> {
    fn new(rt: &R, grain: Grain, kind: &'static str, steps: &'static SemSteps, value: T) -> Self {
        let key = Key { kind, index: 1 };
        let lock = (grain == Grain::Fine).then(|| R::RwSem::new(rt, key, steps, ()));
        Locked { lock, data: R::Spin::new(rt, Key::only(kind), value) }
    }
}

fn index(block: u64) -> usize {
    usize::try_from(block).expect("few blocks")
}

struct Model<R: Runtime> {
    rt: R,
    grain: Grain,
    insert: Insert,
    folios: Vec<R::RwSem<()>>,
    inode: R::RwSem<()>,
    /// Protects which blocks are allocated.
    data: R::RwSem<Vec<bool>>,
    es: Locked<R, Vec<Status>>,
    reserved: Locked<R, u64>,
    /// By task; `None` until it has ended.
    found: RefCell<Vec<Option<Found>>>,
}

impl<R: Runtime> Model<R> {
    fn new(rt: &R, little: &Little) -> Self {
        let (blocks, grain) = (index(little.blocks), little.grain);
        let folio = |index| R::RwSem::new(rt, Key { kind: "folio", index }, &FOLIO, ());
        let tree = vec![Status::Hole; blocks];
        Model {
            rt: rt.clone(),
            grain,
            insert: little.insert,
            folios: (0..little.blocks).map(folio).collect(),
            inode: R::RwSem::new(rt, Key::only("inode"), &INODE, ()),
            data: R::RwSem::new(rt, Key::only("i_data_sem"), &DATA, vec![false; blocks]),
            es: Locked::new(rt, grain, "es", &ES_LOCK, tree),
            reserved: Locked::new(rt, grain, "reserved", &RESERVATION_LOCK, 0),
            found: RefCell::new(vec![None; little.jobs.len()]),
        }
    }

    async fn run(&self, task: usize, job: Job) {
        let found = match job {
            Job::Fault(block) | Job::BufferHead(block) => {
                let folio = self.folios[index(block)].down_write().await;
                let found = self.map_delayed(block).await;
                self.up(folio).await;
                found
            }
            Job::Iomap(block) => {
                let found = self.map_delayed(block).await;
                let folio = self.folios[index(block)].down_write().await;
                self.up(folio).await;
                found
            }
            Job::Fallocate => self.fallocate().await,
        };
        self.found.borrow_mut()[task] = Some(found);
    }

    /// `ext4_da_map_blocks`.
    async fn map_delayed(&self, block: u64) -> Found {
        let mut found = Found { status: self.look_up(block).await, again: None, delayed: 0 };
        if found.status != Status::Hole {
            return found;
        }
        match self.insert {
            Insert::Buggy => {
                let data = self.data.down_read().await;
                self.insert_delayed(block).await;
                self.up(data).await;
            }
            Insert::Fixed => {
                let data = self.data.down_write().await;
                let again = self.look_up(block).await;
                found.again = Some(again);
                if again == Status::Hole {
                    self.insert_delayed(block).await;
                }
                self.up(data).await;
            }
        }
        found
    }

    async fn look_up(&self, block: u64) -> Status {
        let range = (block, block + 1, Effect::Read);
        self.section(&self.es, &LOOKUP, range, |es| es[index(block)]).await
    }

    async fn insert_delayed(&self, block: u64) {
        let reserve = |reserved: &mut u64| *reserved += 1;
        self.section(&self.reserved, &RESERVE, (0, 1, Effect::Add), reserve).await;
        let insert = |es: &mut Vec<Status>| es[index(block)] = Status::Delayed;
        let range = (block, block + 1, Effect::Write);
        self.section(&self.es, &INSERT_DELAYED, range, insert).await;
    }

    /// `ext4_alloc_file_blocks`: one extent for the whole file, whatever the look-up at its start finds.
    async fn fallocate(&self) -> Found {
        let inode = self.inode.down_write().await;
        let status = self.look_up(0).await;
        let query = self.data.down_read().await;
        self.up(query).await;
        let mut data = self.data.down_write().await;
        data.fill(true);
        let all = (0, data.len() as u64, Effect::Write);
        let insert = |es: &mut Vec<Status>| {
            let delayed = es.iter().filter(|status| **status == Status::Delayed).count() as u64;
            es.fill(Status::Unwritten);
            delayed
        };
        let delayed = self.section(&self.es, &INSERT, all, insert).await;
        if delayed > 0 {
            let release = |reserved: &mut u64| *reserved = reserved.wrapping_sub(delayed);
            self.section(&self.reserved, &UPDATE_RESERVE, (0, 1, Effect::Add), release).await;
        }
        self.up(data).await;
        self.up(inode).await;
        Found { status, again: None, delayed }
    }

    /// Gives a lock back.
    async fn up<G>(&self, guard: G) {
        if self.grain == Grain::Fine {
            self.rt.io(&UP, || Foot::NONE, |now| now, || drop(guard)).await;
        }
    }

    /// A section under a spin lock that touches the blocks `lo..hi`.
    async fn section<T: State, O: Hash>(
        &self,
        cell: &Locked<R, T>,
        step: &'static Step,
        (lo, hi, effect): (u64, u64, Effect),
        act: impl FnOnce(&mut T) -> O,
    ) -> O {
        let Some(lock) = &cell.lock else {
            let object = cell.data.object();
            let foot = move || match (self.grain, effect) {
                (Grain::Sem, _) => Foot::at(object, lo, hi, effect),
                (_, Effect::Read) => Foot::whole(object, Effect::Read),
                (_, _) => Foot::whole(object, Effect::Write),
            };
            return cell.data.with(step, foot, act).await;
        };
        if effect == Effect::Read {
            let guard = lock.down_read().await;
            self.leave(&cell.data, guard, act).await
        } else {
            let guard = lock.down_write().await;
            self.leave(&cell.data, guard, act).await
        }
    }

    /// The section itself, in the step that gives its lock back.
    async fn leave<T: State, O: Hash, G>(
        &self,
        data: &R::Spin<T>,
        guard: G,
        act: impl FnOnce(&mut T) -> O,
    ) -> O {
        let act = || {
            let out = data.nested(act);
            drop(guard);
            out
        };
        self.rt.io(&UP, || Foot::NONE, |now| now, act).await
    }
}

impl Program for Little {
    fn start(&self, sim: &Sim) -> World {
        let model = Rc::new(Model::new(sim, self));
        let task = |(task, job): (usize, &Job)| -> Task {
            let (job, model) = (*job, Rc::clone(&model));
            Box::pin(async move { model.run(task, job).await })
        };
        let tasks = self.jobs.iter().enumerate().map(task).collect();
        World { tasks, watch: Box::new(AtEnd(model)) }
    }

    fn label(&self, name: TaskName) -> String {
        match self.jobs[usize::try_from(name.ordinal).expect("few jobs")] {
            Job::Fault(block) => format!("fault {block}"),
            Job::Fallocate => "fallocate".to_owned(),
            Job::BufferHead(block) | Job::Iomap(block) => format!("write {block}"),
        }
    }

    fn checkers(&self) -> Vec<String> {
        vec!["reserved_equals_delayed".to_owned(), "delayed_not_allocated".to_owned()]
    }
}

/// Looks at the model when all tasks have ended.
struct AtEnd(Rc<Model<Sim>>);

impl Watch for AtEnd {
    fn after_step(&mut self, _: &Exec, _: &Done) {}

    fn digest(&self) -> u128 {
        Digest::of(&*self.0.found.borrow())
    }

    fn finish(self: Box<Self>, _: End) -> Outcome {
        let reserved = self.0.reserved.data.peek(|reserved| *reserved);
        self.0.es.data.peek(|es| {
            let delayed = es.iter().filter(|status| **status == Status::Delayed).count() as u64;
            let is_shadowed = |allocated: &Vec<bool>| {
                es.iter().zip(allocated).any(|(status, on)| *on && *status == Status::Delayed)
            };
            let shadowed = self.0.data.peek(is_shadowed).expect("all guards are dropped");
            let failed = u64::from(reserved != delayed) | u64::from(shadowed) << 1;
            Outcome { key: Digest::of(&(es, reserved, self.digest())), failed }
        })
    }
}
