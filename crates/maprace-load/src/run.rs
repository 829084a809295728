//! Workers as threads: made, started together, watched, and added up.

use crate::ack::AckLog;
use crate::cpu::CpuTime;
use crate::drive::{Ending, Outcome, Parts, Shared, Waited, drive};
use crate::engine::{Engine, EngineFacts};
use crate::error::Error;
use crate::in_process::{Device, InProcess};
use crate::job::Job;
use crate::null::Null;
use crate::psync::Psync;
use crate::ring::{self, Uring};
use crate::tally::Tally;
use crate::target::Target;
use crate::verify::Mismatch;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Barrier, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Which engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EngineChoice {
    /// The ring if the kernel has one, else system calls; what it was is told.
    Auto,
    /// The ring, or nothing.
    Uring,
    /// System calls.
    Psync,
}

/// What a run needs beside its job.
#[derive(Clone, Debug)]
pub struct RunSpec {
    /// The run's id; verified blocks carry it.
    pub run: u64,
    /// Where acknowledged writes are written down; the file exists.
    pub ack_log: Option<PathBuf>,
    /// Whether the log is on its medium before an acknowledgement counts.
    pub ack_syncs: bool,
    /// How long after the end unanswered requests are waited for.
    pub patience: Duration,
}

impl RunSpec {
    /// With an id that no other run has, without a log, and patient for 30 s.
    pub fn new() -> RunSpec {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let ns = since.map_or(0, |since| since.as_nanos());
        let low = u64::try_from(ns & u128::from(u64::MAX)).unwrap_or(0);
        let run = (low ^ u64::from(std::process::id()) << 40) | 1;
        RunSpec { run, ack_log: None, ack_syncs: false, patience: Duration::from_secs(30) }
    }
}

impl Default for RunSpec {
    fn default() -> RunSpec {
        RunSpec::new()
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Requests answered.
    pub ios: u64,
    /// Bytes transferred.
    pub bytes: u64,
    /// Requests failed.
    pub errors: u64,
}

/// Who watches a run.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Set by whoever wants an early end. A worker whose requests are never answered outlives the run.
    pub stop: &'static AtomicBool,
    /// Told now and then how far it is.
    pub tell: &'a dyn Fn(Progress),
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("stop", self.stop).finish_non_exhaustive()
    }
}

/// A run that has ended.
#[derive(Debug)]
pub struct Finished {
    /// The job as it was run.
    pub job: Job,
    /// What all workers counted.
    pub tally: Tally,
    /// How the first ended that did not end as the job says.
    pub ending: Ending,
    /// Of each worker, the share of the measured time that its thread was on a processor.
    pub busy: Vec<f64>,
    /// What the engine is.
    pub facts: EngineFacts,
    /// What the process cost from the start of measuring to the end.
    pub cpu: CpuTime,
    /// Whether time was virtual.
    pub is_virtual: bool,
    /// The run's id.
    pub run: u64,
    /// Units that were compared with something known.
    pub checked: u64,
    /// Units that were wrong.
    pub wrong: u64,
    /// The first of them.
    pub mismatches: Vec<Mismatch>,
    /// Of the requests that were never answered, the one that was waited for longest.
    pub waited: Option<Waited>,
}

/// How often a watcher is told.
const TELLS_EVERY: Duration = Duration::from_millis(100);

/// Runs a job on a target.
///
/// # Errors
///
/// The job makes no sense, or the engine cannot be had.
pub fn run_target(
    job: &Job,
    target: &Arc<Target>,
    choice: EngineChoice,
    spec: &RunSpec,
    watch: Watch<'_>,
) -> Result<Finished, Error> {
    let trim_zeroes = !target.is_block_device();
    let (own, too) = (Arc::clone(target), Arc::clone(target));
    let uring = move |job: &Job, _| Uring::new(Arc::clone(&own), job.iodepth, job.bs, job.seed);
    let psync = move |job: &Job, _| Psync::new(Arc::clone(&too), job.bs, job.seed);
    let refused = ring::available().err();
    match (choice, refused) {
        (EngineChoice::Auto | EngineChoice::Uring, None) => {
            run(job, spec, watch, trim_zeroes, uring)
        }
        (EngineChoice::Uring, Some(cause)) => Err(Error::system(
            "the kernel grants no ring (see /proc/sys/kernel/io_uring_disabled; --ioengine psync works)",
            cause,
        )),
        (EngineChoice::Psync, _) => run(&one_deep(job), spec, watch, trim_zeroes, psync),
        (EngineChoice::Auto, Some(cause)) => {
            let mut finished = run(&one_deep(job), spec, watch, trim_zeroes, psync)?;
            let note = format!("instead of uring, which the kernel does not grant: {cause}");
            finished.facts.notes.insert(0, note);
            Ok(finished)
        }
    }
}

/// The job with what system calls can have in flight.
fn one_deep(job: &Job) -> Job {
    Job { iodepth: 1, ..job.clone() }
}

/// Runs a job on nothing.
///
/// # Errors
///
/// The job makes no sense, or wants its bytes checked.
pub fn run_null(job: &Job, spec: &RunSpec, watch: Watch<'_>) -> Result<Finished, Error> {
    if job.verify {
        return Err(Error::job("null: keeps nothing, so that nothing can be verified on it"));
    }
    run(job, spec, watch, false, |job, _| Ok(Null::new(job.iodepth)))
}

/// Runs a job on a device in this process, in virtual time; one worker, since virtual time is one.
///
/// # Errors
///
/// The job makes no sense, or has several workers.
pub fn run_in_process<D: Device>(
    job: &Job,
    device: D,
    spec: &RunSpec,
    watch: Watch<'_>,
) -> Result<Finished, Error> {
    job.check()?;
    if job.numjobs != 1 {
        let depth = job.iodepth.saturating_mul(job.numjobs.into());
        let what =
            format!("numjobs {}: virtual time has one worker; type --iodepth {depth}", job.numjobs);
        return Err(Error::job(what));
    }
    let mut engine = InProcess::new(device, job.iodepth, job.bs, job.verify);
    let (cpu_at_start, cpu_at_end) = (OnceLock::new(), Mutex::new(None));
    let shared = Shared::default();
    let ack_log = match &spec.ack_log {
        Some(path) => Some(AckLog::append_to(path, spec.ack_syncs)?),
        None => None,
    };
    let parts = Parts {
        job,
        worker: 0,
        run: spec.run,
        trim_zeroes: true,
        patience: spec.patience,
        ack_log,
        stop: watch.stop,
        cpu_at_start: &cpu_at_start,
        cpu_at_end: &cpu_at_end,
        shared: &shared,
    };
    let outcome = drive(&mut engine, parts);
    (watch.tell)(progress(std::slice::from_ref(&shared)));
    let cpu = cost(&cpu_at_start, &cpu_at_end);
    let mut finished = Finished::of(job, vec![outcome], cpu, spec.run);
    finished.is_virtual = true;
    Ok(finished)
}

/// What the process cost while it was measured.
fn cost(at_start: &OnceLock<CpuTime>, at_end: &Mutex<Option<CpuTime>>) -> CpuTime {
    let end = *at_end.lock().unwrap_or_else(PoisonError::into_inner);
    let end = end.unwrap_or_else(CpuTime::of_process);
    end.since(at_start.get().copied().unwrap_or(end))
}

fn progress(shared: &[Shared]) -> Progress {
    let sum = |of: fn(&Shared) -> u64| shared.iter().map(of).sum();
    Progress {
        ios: sum(|one| one.ios.load(Ordering::Relaxed)),
        bytes: sum(|one| one.bytes.load(Ordering::Relaxed)),
        errors: sum(|one| one.errors.load(Ordering::Relaxed)),
    }
}

/// What the workers of a run share.
struct Crew<M> {
    job: Job,
    spec: RunSpec,
    trim_zeroes: bool,
    make: M,
    stop: &'static AtomicBool,
    /// Of each worker.
    shared: Vec<Shared>,
    cpu_at_start: OnceLock<CpuTime>,
    cpu_at_end: Mutex<Option<CpuTime>>,
    /// Whether an engine could not be had: then nobody begins.
    failed: AtomicBool,
    start: Barrier,
}

/// What a worker comes to; nothing if another could not begin.
type Told = Result<Option<Outcome>, Error>;

impl<M> Crew<M> {
    /// One worker, on its thread, from its engine to what it tells.
    fn work<E: Engine>(&self, worker: u16, shared: &Shared, told: &Sender<Told>)
    where
        M: Fn(&Job, u16) -> Result<E, Error>,
    {
        let ready = pin(&self.job, worker).and_then(|()| {
            let log = self.spec.ack_log.as_ref();
            let log = log.map(|path| AckLog::append_to(path, self.spec.ack_syncs)).transpose()?;
            Ok(((self.make)(&self.job, worker)?, log))
        });
        self.failed.fetch_or(ready.is_err(), Ordering::SeqCst);
        self.start.wait();
        let (mut engine, ack_log) = match ready {
            Ok(ready) if !self.failed.load(Ordering::SeqCst) => ready,
            other => return drop(told.send(other.map(|_| None))),
        };
        let outcome = drive(
            &mut engine,
            Parts {
                job: &self.job,
                worker,
                run: self.spec.run,
                trim_zeroes: self.trim_zeroes,
                patience: self.spec.patience,
                ack_log,
                stop: self.stop,
                cpu_at_start: &self.cpu_at_start,
                cpu_at_end: &self.cpu_at_end,
                shared,
            },
        );
        let is_lost = outcome.tally.lost > 0;
        // Nobody listens any more only if the run has failed already.
        drop(told.send(Ok(Some(outcome))));
        // The kernel lets no thread end whose requests it has. Whoever waits for the figures need not.
        if is_lost {
            loop {
                std::thread::park();
            }
        }
    }
}

/// Runs a job, each worker on a thread with an engine of its own.
fn run<E: Engine>(
    job: &Job,
    spec: &RunSpec,
    watch: Watch<'_>,
    trim_zeroes: bool,
    make: impl Fn(&Job, u16) -> Result<E, Error> + Send + Sync + 'static,
) -> Result<Finished, Error> {
    job.check()?;
    let crew = Arc::new(Crew {
        job: job.clone(),
        spec: spec.clone(),
        trim_zeroes,
        make,
        stop: watch.stop,
        shared: (0..job.numjobs).map(|_| Shared::default()).collect(),
        cpu_at_start: OnceLock::new(),
        cpu_at_end: Mutex::new(None),
        failed: AtomicBool::new(false),
        start: Barrier::new(job.numjobs.into()),
    });
    let (tell, told) = channel();
    for worker in 0..job.numjobs {
        let (crew, tell) = (Arc::clone(&crew), tell.clone());
        std::thread::spawn(move || crew.work(worker, &crew.shared[usize::from(worker)], &tell));
    }
    drop(tell);
    let mut outcomes = Vec::new();
    while outcomes.len() < usize::from(job.numjobs) {
        match told.recv_timeout(TELLS_EVERY) {
            Ok(outcome) => outcomes.push(outcome),
            Err(RecvTimeoutError::Timeout) => (watch.tell)(progress(&crew.shared)),
            Err(RecvTimeoutError::Disconnected) => panic!("a worker ended without a word"),
        }
    }
    let outcomes: Result<Vec<_>, Error> = outcomes.into_iter().collect();
    let cpu = cost(&crew.cpu_at_start, &crew.cpu_at_end);
    let outcomes: Vec<Outcome> = outcomes?.into_iter().flatten().collect();
    Ok(Finished::of(job, outcomes, cpu, spec.run))
}

/// Keeps this thread on its processor, where the job names some.
fn pin(job: &Job, worker: u16) -> Result<(), Error> {
    let cpus = &job.cpus_allowed;
    let cpu = cpus.get(usize::from(worker) % cpus.len().max(1));
    cpu.map_or(Ok(()), |cpu| pin_to(*cpu, "cpus_allowed"))
}

/// Keeps this thread on a processor, which errors call so.
pub(crate) fn pin_to(cpu: u32, what: &str) -> Result<(), Error> {
    let mut set = CpuSet::new();
    let index = usize::try_from(cpu).unwrap_or(usize::MAX);
    if index >= CpuSet::MAX_CPU {
        return Err(Error::job(format!("{what} {cpu}: there is no such processor")));
    }
    set.set(index);
    sched_setaffinity(None, &set)
        .map_err(|_| Error::job(format!("{what} {cpu}: this machine does not grant it")))
}

impl Finished {
    fn of(job: &Job, outcomes: Vec<Outcome>, cpu: CpuTime, run: u64) -> Finished {
        let mut sum: Option<Finished> = None;
        for outcome in outcomes {
            let Some(sum) = &mut sum else {
                sum = Some(Finished {
                    job: job.clone(),
                    tally: outcome.tally,
                    ending: outcome.ending,
                    busy: vec![outcome.busy],
                    facts: outcome.facts,
                    cpu,
                    is_virtual: false,
                    run,
                    checked: outcome.checked,
                    wrong: outcome.wrong,
                    mismatches: outcome.mismatches,
                    waited: outcome.waited,
                });
                continue;
            };
            sum.tally.merge(&outcome.tally);
            if matches!(sum.ending, Ending::Done | Ending::Stopped)
                && !matches!(outcome.ending, Ending::Done)
            {
                sum.ending = outcome.ending;
            }
            sum.busy.push(outcome.busy);
            sum.checked += outcome.checked;
            sum.wrong += outcome.wrong;
            sum.mismatches.extend(outcome.mismatches);
            sum.waited = sum.waited.into_iter().chain(outcome.waited).max_by_key(|one| one.ns);
        }
        sum.expect("a job has a worker")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::drive::Ending;
    use crate::engine::{Done, Wait};
    use crate::job::Pattern;
    use crate::request::{Op, Request};
    use std::io;

    /// Answers some requests, and then never again.
    struct Silent {
        clock: Clock,
        left: usize,
        queued: Vec<usize>,
    }

    impl Engine for Silent {
        fn now_ns(&mut self) -> u64 {
            self.clock.now_ns()
        }

        fn queue(&mut self, slot: usize, _: &Request) {
            self.queued.push(slot);
        }

        fn submit(&mut self, _: Wait) -> io::Result<()> {
            Ok(())
        }

        fn reap(&mut self, done: &mut Vec<Done>) {
            let n = self.left.min(self.queued.len());
            self.left -= n;
            done.extend(self.queued.drain(..n).map(|slot| Done { slot, result: 4096 }));
        }

        fn buffer(&mut self, _: usize) -> &mut [u8] {
            &mut []
        }

        fn facts(&self) -> EngineFacts {
            EngineFacts::default()
        }
    }

    impl Drop for Silent {
        fn drop(&mut self) {
            assert!(self.queued.is_empty(), "its requests are out: it must not end");
        }
    }

    #[test]
    fn a_target_that_never_answers_is_told_with_what_it_answered_before() {
        static STOP: AtomicBool = AtomicBool::new(false);
        let mut job = Job::new(Pattern::Read, 1 << 20, 1_000);
        (job.iodepth, job.numjobs) = (4, 2);
        let spec = RunSpec { patience: Duration::from_millis(1), ..RunSpec::new() };
        // Asked to end as soon as both are stuck, as Ctrl-C would.
        let tell = |progress: Progress| STOP.store(progress.ios == 20, Ordering::Relaxed);
        let watch = Watch { stop: &STOP, tell: &tell };
        let make = |_: &Job, _| Ok(Silent { clock: Clock::new(), left: 10, queued: Vec::new() });
        let finished = run(&job, &spec, watch, false, make).unwrap();
        assert_eq!((finished.tally.ios(), finished.tally.lost), (20, 8));
        let waited = finished.waited.expect("somebody was waited for");
        assert!(waited.request.op == Op::Read && waited.ns >= 1_000_000, "{waited:?}");
        assert!(matches!(finished.ending, Ending::Stopped), "{:?}", finished.ending);
    }

    /// A deleted device: answers some requests, then says that it has ended.
    struct Deleted(Silent);

    impl Engine for Deleted {
        fn now_ns(&mut self) -> u64 {
            self.0.now_ns()
        }

        fn queue(&mut self, slot: usize, request: &Request) {
            self.0.queue(slot, request);
        }

        fn submit(&mut self, wait: Wait) -> io::Result<()> {
            self.0.submit(wait)
        }

        fn reap(&mut self, done: &mut Vec<Done>) {
            self.0.reap(done);
            done.extend(self.0.queued.drain(..).map(|slot| Done { slot, result: 0 }));
        }

        fn buffer(&mut self, _: usize) -> &mut [u8] {
            &mut []
        }

        fn is_gone(&self) -> bool {
            self.0.left == 0
        }

        fn facts(&self) -> EngineFacts {
            EngineFacts::default()
        }
    }

    // Reads of a deleted device end at once and without an error: a load that goes on after failures asked
    // for 1.3 million of them, and `device del` waited until it was done.
    #[test]
    fn nobody_goes_on_on_a_device_that_was_deleted() {
        static STOP: AtomicBool = AtomicBool::new(false);
        let mut job = Job::new(Pattern::Read, 1 << 20, 1_000);
        (job.iodepth, job.continue_on_error) = (4, true);
        let watch = Watch { stop: &STOP, tell: &|_: Progress| () };
        let make =
            |_: &Job, _| Ok(Deleted(Silent { clock: Clock::new(), left: 10, queued: Vec::new() }));
        let finished = run(&job, &RunSpec::new(), watch, false, make).unwrap();
        let failed: u64 = finished.tally.errors.values().sum();
        assert_eq!((finished.tally.ios(), finished.tally.lost), (10, 0));
        assert!((1..=8).contains(&failed), "{failed}");
        assert!(matches!(finished.ending, Ending::Gone(_, 0)), "{:?}", finished.ending);
        let record = crate::record::Record::of(&finished, &crate::record::Seen::default());
        let by = record.ended_by.unwrap();
        assert!(by.ends_with(": cut short: the device has been deleted"), "{by}");
    }

    #[test]
    fn an_engine_that_cannot_be_had_stops_all_workers() {
        static STOP: AtomicBool = AtomicBool::new(false);
        let mut job = Job::new(Pattern::Read, 1 << 20, 1_000);
        job.numjobs = 3;
        let watch = Watch { stop: &STOP, tell: &|_: Progress| () };
        let make = |job: &Job, worker| match worker {
            1 => Err(Error::job("no engine")),
            _ => Ok(Null::new(job.iodepth)),
        };
        let told = run(&job, &RunSpec::new(), watch, false, make).unwrap_err().to_string();
        assert_eq!(told, "no engine");
    }
}
