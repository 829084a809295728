//! The threads world: the same file system on the machine's own threads, measured with its clock.
//!
//! Windows and costs are measured; hit rates are not, since they follow the mood of the machine: hits
//! are a bare count. Every figure is measured several times over, in repeats, and comes with the least
//! and the greatest of its medians; a difference smaller than that is none. Nothing here is repeatable.

use crate::config::Config;
use crate::measure::{Meter, Tally};
use crate::plan::Plan;
use crate::virtual_world::{Media, run_one};
use maprace_fs::check::check_idle;
use maprace_fs::window::Watched;
use maprace_fs::{Broken, Inode, Layer, LayerKind, Log, Request};
use maprace_runtime::Happening;
use maprace_runtime::sim::{Keep, Sim};
use maprace_runtime::threads::{self, Recorder, Recording, Threads};
use std::sync::{Arc, Barrier, Mutex};

/// A measurement on threads.
#[derive(Clone, Debug)]
pub struct OnThreads<'a> {
    /// What is run.
    pub plan: Plan,
    /// What it is called.
    pub name: &'a str,
    /// In which configuration.
    pub config: &'a Config,
    /// The medium.
    pub media: Media,
    /// The seed of the medium's draws.
    pub seed: u64,
    /// Rounds of one repeat.
    pub rounds: u64,
}

/// Room for what happens to one thread in one round.
const ROOM: usize = 1 << 14;

/// What one round left.
struct Left {
    recordings: Vec<Recording>,
    broken: Vec<Broken>,
}

/// Where the threads of a measurement meet.
struct Meeting<L: Layer> {
    start: Barrier,
    end: Barrier,
    now: Mutex<Option<Arc<Inode<L>>>>,
    recordings: Mutex<Vec<Recording>>,
}

const UNPOISONED: &str = "nobody panics while holding it";

/// All rounds of one repeat.
pub(crate) fn run_rounds<K: LayerKind>(kind: &K, job: &OnThreads<'_>, repeat: u32) -> Tally
where
    K::In<Threads<Recorder>>: Send + Sync,
{
    let mut tally = Tally::default();
    let rt = Threads::new().probed::<Recorder>();
    let mut meter = Meter::new(watched(kind, &job.plan));
    let (setup, tasks) = (&job.plan.setup, &job.plan.tasks);
    let meeting = Meeting {
        start: Barrier::new(tasks.len() + 1),
        end: Barrier::new(tasks.len() + 1),
        now: Mutex::new(None),
        recordings: Mutex::new(Vec::new()),
    };
    std::thread::scope(|scope| {
        for (number, task) in tasks.iter().enumerate() {
            let meeting = &meeting;
            scope.spawn(move || work(meeting, number, &task.requests));
        }
        for round in 0..job.rounds {
            let mut setup = setup.clone();
            setup.under = job.media.under(job.seed ^ (u64::from(repeat) << 32) ^ round);
            let log = Arc::new(Log::default());
            let layer = kind.build(&rt, &setup, &log);
            let file = Arc::new(Inode::new(&rt, &setup, layer, log));
            let left = one_round(&meeting, &file, &job.plan.after);
            tell(&rt.merge(left.recordings), &left.broken, &mut meter, &mut tally);
        }
        *meeting.now.lock().expect(UNPOISONED) = None;
        meeting.start.wait();
    });
    tally
}

/// What the meter has to know of the layer, asked of one that nobody uses.
pub(crate) fn watched<K: LayerKind>(kind: &K, plan: &Plan) -> Watched {
    let sim = Sim::new(Keep::default());
    let layer = kind.build(&sim, &plan.setup, &Arc::new(Log::default()));
    Watched {
        lock: sim.key(layer.lock()),
        folio_blocks: plan.setup.geometry.folio_blocks,
        order: plan.setup.order,
        knobs: plan.setup.protocol.knobs,
    }
}

/// One task, on its own thread, round after round.
fn work<L: Layer>(meeting: &Meeting<L>, number: usize, requests: &[Request]) {
    loop {
        // Before the others come: to make room takes a while.
        Recorder::start(number, ROOM);
        meeting.start.wait();
        let file = meeting.now.lock().expect(UNPOISONED).clone();
        let Some(file) = file else { return };
        for (i, request) in (0..).zip(requests) {
            // What it returns is a result of the model and no damage.
            let _ = threads::run(run_one(&file, i, *request, None));
        }
        drop(file);
        meeting.recordings.lock().expect(UNPOISONED).push(Recorder::stop());
        meeting.end.wait();
    }
}

fn one_round<L: Layer>(meeting: &Meeting<L>, file: &Arc<Inode<L>>, after: &[Request]) -> Left {
    *meeting.now.lock().expect(UNPOISONED) = Some(file.clone());
    meeting.start.wait();
    meeting.end.wait();
    let recordings = std::mem::take(&mut *meeting.recordings.lock().expect(UNPOISONED));
    let mut broken = check_idle(file);
    for request in after {
        let _ = threads::run(file.run(*request));
        broken.extend(check_idle(file));
    }
    broken.extend(file.log().take());
    Left { recordings, broken }
}

/// Tells the meter what happened in a round, from when its first task began.
pub(crate) fn tell(
    happened: &[(u64, usize, Happening)],
    broken: &[Broken],
    meter: &mut Meter,
    tally: &mut Tally,
) {
    let Some((first_ns, ..)) = happened.first() else { return };
    let last_ns = happened.last().map_or(*first_ns, |(ns, ..)| *ns);
    for (ns, task, happening) in happened {
        meter.see(ns - first_ns, *task, happening, tally);
    }
    meter.next_round(tally);
    tally.round(last_ns - first_ns, 0, false, broken);
}
