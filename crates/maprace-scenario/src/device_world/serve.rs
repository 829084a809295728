//! The side of the server: files in their places, each task on its queue's thread, the checkers after
//! every batch.

use super::express::BlockRequest;
use super::record::{Finding, RoundSeen, TaskSeen};
use super::{BATCH, OnDevice};
use crate::measure::{About, Meter, Tally};
use crate::measured::Measured;
use crate::threads_world::{tell, watched};
use crate::virtual_world::run_one;
use maprace_fs::check::{check_idle, enospc_with_space_free};
use maprace_fs::window::Window;
use maprace_fs::{Broken, Checker, Content, Errno, Inode, LayerKind, Log, Op, Request};
use maprace_runtime::threads::{self, Recorder, Recording, Threads};
use maprace_runtime::{Happening, Point};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, RwLock};

/// Room for what happens to one task in one round.
const ROOM: usize = 1 << 12;

const UNPOISONED: &str = "nobody panics while holding it";

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// It was the next operation of the task, which ended so.
    Ran(Result<(), Errno>),
    /// It was not: it has changed nothing.
    Stray,
}

/// A scenario, served in rounds.
pub trait RoundServer: Send + Sync + fmt::Debug {
    /// The calling thread is from now on the one that serves `task`'s queue.
    fn attend(&self, task: usize);

    /// Puts so many files into the first places, at most [`BATCH`]; what a batch that was given up has left
    /// goes.
    fn begin(&self, count: u32);

    /// Runs the next operation of `task`, if this is its request; a write's bytes are in `buffer`, and a
    /// read's come into it. On the thread that [attends](RoundServer::attend) the task.
    fn request(&self, task: usize, asked: BlockRequest, buffer: &mut [u8]) -> Arrival;

    /// The batch has ended: what happens afterwards happens, the checkers look.
    ///
    /// # Errors
    /// In words, when a task has not come to its end in every place.
    fn end(&self) -> Result<Vec<RoundSeen>, String>;

    /// What all rounds so far come to.
    fn measured(&self) -> Measured;

    /// How many requests came in batches and were not the next one of a task.
    fn strays(&self) -> u64;

    /// What was broken in all rounds: the first of each kind and in how many rounds.
    fn broken(&self) -> Vec<(Broken, u64)>;
}

/// A file in its place, and what its operations returned.
struct Placed<L: maprace_fs::Layer> {
    inode: Arc<Inode<L>>,
    errors: Mutex<Vec<Errno>>,
}

/// How far a task has come.
#[derive(Default)]
struct Lane {
    place: usize,
    op: usize,
    recordings: Vec<Recording>,
    /// Whether its thread still has what happened in a round that was given up.
    is_stale: bool,
    strays: u64,
}

/// The sums of all rounds.
struct Sums {
    meter: Meter,
    tally: Tally,
    rounds: u64,
    broken: BTreeMap<Checker, (Broken, u64)>,
}

type File<K> = Placed<<K as LayerKind>::In<Threads<Recorder>>>;

struct Rounds<K: LayerKind> {
    kind: K,
    rt: Threads<Recorder>,
    job: OnDevice,
    places: RwLock<Vec<Arc<File<K>>>>,
    lanes: Vec<Mutex<Lane>>,
    sums: Mutex<Sums>,
}

impl<K: LayerKind> fmt::Debug for Rounds<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rounds").field("scenario", &self.job.name).finish_non_exhaustive()
    }
}

/// Makes a server of layers of one kind.
pub(crate) fn round_server<K: LayerKind + Send + Sync>(
    kind: K,
    job: OnDevice,
) -> Arc<dyn RoundServer>
where
    K::In<Threads<Recorder>>: Send + Sync,
{
    let meter = Meter::new(watched(&kind, &job.plan)).keeping();
    let sums = Sums { meter, tally: Tally::default(), rounds: 0, broken: BTreeMap::new() };
    let lanes = job.plan.tasks.iter().map(|_| Mutex::default()).collect();
    let rt = Threads::new().probed::<Recorder>();
    Arc::new(Rounds { kind, rt, job, places: RwLock::default(), lanes, sums: Mutex::new(sums) })
}

impl<K: LayerKind + Send + Sync> RoundServer for Rounds<K>
where
    K::In<Threads<Recorder>>: Send + Sync,
{
    fn attend(&self, task: usize) {
        Recorder::start(task, ROOM);
    }

    fn begin(&self, count: u32) {
        let first = self.sums.lock().expect(UNPOISONED).rounds;
        let files = (0..u64::from(count.min(BATCH))).map(|n| Arc::new(self.place(first + n)));
        let files = files.collect();
        for lane in &self.lanes {
            let mut lane = lane.lock().expect(UNPOISONED);
            let is_stale = lane.is_stale || lane.op != 0;
            *lane = Lane { strays: lane.strays, is_stale, ..Lane::default() };
        }
        *self.places.write().expect(UNPOISONED) = files;
    }

    fn request(&self, task: usize, asked: BlockRequest, buffer: &mut [u8]) -> Arrival {
        let Some(lane) = self.lanes.get(task) else { return Arrival::Stray };
        let mut lane = lane.lock().expect(UNPOISONED);
        let next = self.job.expressed.request(task, lane.op, lane.place);
        let (place, is_idle) = {
            let places = self.places.read().expect(UNPOISONED);
            (places.get(lane.place).cloned(), places.is_empty())
        };
        let Some(file) = place.filter(|_| next == Some(asked)) else {
            lane.strays += u64::from(!is_idle);
            return Arrival::Stray;
        };
        if std::mem::take(&mut lane.is_stale) {
            Recorder::start(task, ROOM);
        }
        let requests = &self.job.plan.tasks[task].requests;
        let outcome = run(&file, lane.op, requests[lane.op], buffer);
        lane.op += 1;
        if lane.op == requests.len() {
            lane.recordings.push(Recorder::stop());
            Recorder::start(task, ROOM);
            (lane.place, lane.op) = (lane.place + 1, 0);
        }
        Arrival::Ran(outcome)
    }

    fn end(&self) -> Result<Vec<RoundSeen>, String> {
        let files = std::mem::take(&mut *self.places.write().expect(UNPOISONED));
        let recordings = self.recordings(files.len())?;
        let mut sums = self.sums.lock().expect(UNPOISONED);
        files.iter().zip(recordings).map(|(file, of)| self.look(file, of, &mut sums)).collect()
    }

    fn measured(&self) -> Measured {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let clock = threads::clock_ns();
        let mut measured = self.sums.lock().expect(UNPOISONED).tally.measured(&About {
            world: "device",
            subject: &self.job.name,
            config: &self.job.config,
            media: self.job.media.name(),
            costs: None,
            cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
            seed: self.job.seed,
            starts_within_ns: None,
        });
        measured.clock_ns = Some(clock.reading_ns);
        measured.event_ns = Some(clock.event_ns);
        measured
    }

    fn strays(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.lock().expect(UNPOISONED).strays).sum()
    }

    fn broken(&self) -> Vec<(Broken, u64)> {
        self.sums.lock().expect(UNPOISONED).broken.values().copied().collect()
    }
}

impl<K: LayerKind> Rounds<K>
where
    K::In<Threads<Recorder>>: Send + Sync,
{
    /// The file of a round.
    fn place(&self, round: u64) -> File<K> {
        let mut setup = self.job.plan.setup.clone();
        setup.under = self.job.media.under(self.job.seed ^ round);
        let log = Arc::new(Log::default());
        let layer = self.kind.build(&self.rt, &setup, &log);
        let inode = Arc::new(Inode::new(&self.rt, &setup, layer, log));
        Placed { inode, errors: Mutex::default() }
    }

    /// What happened to the tasks in each of the places.
    fn recordings(&self, places: usize) -> Result<Vec<Vec<Recording>>, String> {
        let mut all: Vec<Vec<Recording>> = (0..places).map(|_| Vec::new()).collect();
        for (lane, task) in self.lanes.iter().zip(&self.job.plan.tasks) {
            let mut lane = lane.lock().expect(UNPOISONED);
            if (lane.place, lane.op) != (places, 0) {
                return Err(format!(
                    "task {} came to operation {} of round {} of a batch of {places}",
                    task.name,
                    lane.op + 1,
                    lane.place + 1
                ));
            }
            for (of, recording) in all.iter_mut().zip(lane.recordings.drain(..)) {
                if recording.lost() > 0 {
                    let name = &task.name;
                    return Err(format!(
                        "task {name} does more in a round than {ROOM} events hold: \
                         give it fewer operations, or shorter ranges"
                    ));
                }
                of.push(recording);
            }
        }
        Ok(all)
    }

    /// One round, when all its tasks have ended.
    fn look(
        &self,
        file: &File<K>,
        recordings: Vec<Recording>,
        sums: &mut Sums,
    ) -> Result<RoundSeen, String> {
        let happened = self.rt.merge(recordings);
        let broken = self.checked(file);
        tell(&happened, &broken, &mut sums.meter, &mut sums.tally);
        sums.rounds += 1;
        let mut kinds: BTreeMap<Checker, Broken> = BTreeMap::new();
        for one in broken {
            kinds.entry(one.checker).or_insert(one);
        }
        for (checker, first) in &kinds {
            sums.broken.entry(*checker).or_insert((*first, 0)).1 += 1;
        }
        let hit: Vec<Window> = sums.meter.kept().into_iter().filter(|window| window.hit).collect();
        Ok(RoundSeen {
            tasks: seen(&happened, self.lanes.len()),
            hits: hit.len() as u64,
            hit_ns: hit.iter().map(|window| window.closed_ns - window.opened_ns).sum(),
            broken: kinds.values().map(Finding::from).collect(),
        })
    }

    /// What the checkers say, before and after what happens afterwards.
    fn checked(&self, file: &File<K>) -> Vec<Broken> {
        let inode = &file.inode;
        let mut broken = check_idle(inode);
        if file.errors.lock().expect(UNPOISONED).contains(&Errno::Enospc) {
            broken.extend(enospc_with_space_free(inode));
        }
        for request in &self.job.plan.after {
            // What it returns is a result of the model and no damage.
            let _ = threads::run(inode.run(*request));
            broken.extend(check_idle(inode));
        }
        broken.extend(inode.log().take());
        broken
    }
}

/// Runs an operation: its bytes come from the buffer, or go there.
fn run<L>(file: &Placed<L>, number: usize, request: Request, buffer: &mut [u8]) -> Result<(), Errno>
where
    L: maprace_fs::Layer<Rt = Threads<Recorder>>,
{
    let brings = matches!(request.op, Op::Write | Op::MmapWrite | Op::DioWrite);
    let takes = matches!(request.op, Op::Read | Op::MmapRead);
    let mut user = match brings {
        true => Content::real(request.id, request.pos, buffer),
        false => Content::default(),
    };
    let memory = (brings || takes).then_some(&mut user);
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let outcome = threads::run(run_one(&file.inode, number, request, memory));
    match outcome {
        Ok(()) if takes => user.fill(request.pos, buffer),
        Ok(()) => {}
        Err(errno) => file.errors.lock().expect(UNPOISONED).push(errno),
    }
    outcome
}

/// When each task began, and how long it took.
fn seen(happened: &[(u64, usize, Happening)], tasks: usize) -> Vec<TaskSeen> {
    let mut spans = vec![(u64::MAX, 0); tasks];
    for (ns, task, what) in happened {
        let span = &mut spans[*task];
        match what {
            Happening::Trace(traced) if traced.point == Point::Begins => span.0 = span.0.min(*ns),
            Happening::Trace(traced) if traced.point == Point::Ends => span.1 = span.1.max(*ns),
            _ => {}
        }
    }
    let first = spans.iter().map(|(began, _)| *began).min().unwrap_or(0);
    let one = |(began, ended): (u64, u64)| TaskSeen {
        began_ns: began - first,
        took_ns: ended.saturating_sub(began),
    };
    spans.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests;
