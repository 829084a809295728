//! The loop: begin what is due, wait, count what was answered. One worker, one thread, one engine.
//!
//! The clock is read once a turn, and nothing is allocated after the first. So a request's time begins at
//! the reading before it was queued and ends at the reading after it was answered: what the generator
//! itself takes for a batch counts as latency, never as speed of the target.

use crate::ack::{AckLog, Acked};
use crate::arrivals::Arrivals;
use crate::cpu::{self, CpuTime};
use crate::engine::{Done, Engine, EngineFacts, Wait};
use crate::generate::Generator;
use crate::job::{Job, Pace, Until};
use crate::request::{Op, Request};
use crate::tally::Tally;
use crate::verify::{Mismatch, Verifier};
use rustix::io::Errno;
use slab::Slab;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// An arrival is late when a slot has been free for more than this after its time, in nanoseconds.
const LATE_NS: u64 = 20_000;

/// What a worker shares with whoever watches it.
#[derive(Debug, Default)]
pub struct Shared {
    /// Requests answered so far, those of the ramp included.
    pub ios: AtomicU64,
    /// Bytes so far.
    pub bytes: AtomicU64,
    /// Requests that failed so far.
    pub errors: AtomicU64,
}

/// What a worker works with.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The job.
    pub job: &'a Job,
    /// Which worker it is, from 0.
    pub worker: u16,
    /// The run's id, carried by verified blocks.
    pub run: u64,
    /// Whether what was trimmed reads as zeroes.
    pub trim_zeroes: bool,
    /// How long after the end unanswered requests are waited for.
    pub patience: Duration,
    /// Where acknowledged writes are written down.
    pub ack_log: Option<AckLog>,
    /// Set by whoever wants an early end.
    pub stop: &'a AtomicBool,
    /// What the process had cost when the first worker began to measure.
    pub cpu_at_start: &'a OnceLock<CpuTime>,
    /// What it had cost when the last worker had measured.
    pub cpu_at_end: &'a Mutex<Option<CpuTime>>,
    /// For whoever watches.
    pub shared: &'a Shared,
}

/// How a worker ended.
#[derive(Debug)]
pub enum Ending {
    /// As the job says.
    Done,
    /// It was asked to.
    Stopped,
    /// A request failed: what, where, and the errno; 0 is a transfer that was cut short.
    Failed(Request, i32),
    /// The same, and the device has been deleted.
    Gone(Request, i32),
    /// The engine failed.
    Engine(io::Error),
    /// An acknowledgement could not be written down.
    AckLog(io::Error),
}

/// What a worker comes to.
#[derive(Debug)]
pub struct Outcome {
    /// What was counted.
    pub tally: Tally,
    /// How it ended.
    pub ending: Ending,
    /// The share of the measured time that its thread was on a processor, 0 to 1.
    pub busy: f64,
    /// What its engine is.
    pub facts: EngineFacts,
    /// Units that were compared with something known.
    pub checked: u64,
    /// Units that were wrong.
    pub wrong: u64,
    /// The first of them.
    pub mismatches: Vec<Mismatch>,
    /// Of the requests that were never answered, the one that was waited for longest.
    pub waited: Option<Waited>,
}

/// A request that was waited for in vain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waited {
    /// What was asked.
    pub request: Request,
    /// For how long, in nanoseconds.
    pub ns: u64,
}

/// A request in flight.
#[derive(Debug)]
struct InFlight {
    request: Request,
    intended_ns: u64,
    begun_ns: u64,
    /// Whether it enters the figures.
    counts: bool,
    /// Verification's, and of a flush how many acknowledgements were written when it began.
    mark: (u64, u64),
}

/// One worker.
struct Driver<'e, 'a, E> {
    engine: &'e mut E,
    parts: Parts<'a>,
    generator: Generator,
    arrivals: Option<Arrivals>,
    verifier: Option<Verifier>,
    slots: Slab<InFlight>,
    depth: usize,
    done: Vec<Done>,
    /// Drawn, but a block of it has a request in flight.
    held: Option<Request>,
    tally: Tally,
    /// Requests that are left to begin.
    left: u64,
    ends_ns: u64,
    /// Whether the ramp is over.
    measuring: bool,
    /// Since when there is a free slot, where all were taken before.
    free_since_ns: u64,
    cpu_from_ns: u64,
    busy: f64,
    ending: Option<Ending>,
    waited: Option<Waited>,
    ios: u64,
    bytes: u64,
}

/// Runs one worker to its end, on this thread.
pub fn drive<E: Engine>(engine: &mut E, parts: Parts<'_>) -> Outcome {
    let mut driver = Driver::new(engine, parts);
    driver.load();
    driver.drain();
    driver.look_after();
    driver.rest();
    if driver.ending.is_none() && driver.tally.lost == 0 {
        driver.read_back();
    }
    driver.outcome()
}

impl<'e, 'a, E: Engine> Driver<'e, 'a, E> {
    fn new(engine: &'e mut E, parts: Parts<'a>) -> Driver<'e, 'a, E> {
        let (job, worker) = (parts.job, parts.worker);
        let verifier = job.verify.then(|| Verifier::new(job, worker, parts.run, parts.trim_zeroes));
        let depth = usize::try_from(job.iodepth).unwrap_or(1);
        let generator = Generator::new(job, worker);
        let start_ns = engine.now_ns();
        let from_ns = start_ns.saturating_add(job.ramp_ns);
        let arrivals = match job.pace {
            Pace::Closed => None,
            Pace::Open { rate_iops, arrivals } => {
                let seed = job.seed.wrapping_add(u64::from(worker) << 32);
                Some(Arrivals::new(rate_iops, arrivals, start_ns, seed))
            }
        };
        let (left, ends_ns) = match job.until {
            Until::Ios(n) => (n, u64::MAX),
            Until::Ns(ns) => (u64::MAX, from_ns.saturating_add(ns)),
        };
        Driver {
            engine,
            generator,
            arrivals,
            verifier,
            slots: Slab::with_capacity(depth),
            depth,
            done: Vec::with_capacity(depth),
            held: None,
            tally: Tally::new(job, from_ns),
            left,
            ends_ns,
            measuring: false,
            free_since_ns: 0,
            cpu_from_ns: cpu::of_thread_ns(),
            busy: 0.0,
            ending: None,
            waited: None,
            ios: 0,
            bytes: 0,
            parts,
        }
    }

    /// Until the job is done, or somebody or something ends it.
    fn load(&mut self) {
        loop {
            let now = self.engine.now_ns();
            self.reap(now);
            if !self.measuring && now >= self.tally.from_ns {
                self.measuring = true;
                self.parts.cpu_at_start.get_or_init(CpuTime::of_process);
                self.cpu_from_ns = cpu::of_thread_ns();
            }
            if self.parts.stop.load(Ordering::Relaxed) {
                self.ending.get_or_insert(Ending::Stopped);
            }
            if self.ending.is_some() || self.left == 0 || now >= self.ends_ns {
                return self.count_unserved(now);
            }
            let begun = match self.arrivals {
                None => self.fill(now).map(|()| Wait::Answer),
                Some(_) => Ok(self.fill_due(now)),
            };
            if let Err(error) = begun.and_then(|wait| self.engine.submit(wait)) {
                self.ending = Some(Ending::Engine(error));
            }
        }
    }

    /// The next request, if its blocks are free.
    #[inline]
    fn next_request(&mut self) -> Option<Request> {
        let Some(verifier) = &self.verifier else { return Some(self.generator.next()) };
        let request = self.held.take().unwrap_or_else(|| self.generator.next());
        if verifier.admits(&request) {
            return Some(request);
        }
        self.held = Some(request);
        None
    }

    /// Closed loop: as many as fit. What is queued does not wait for the whole batch to be: the target
    /// would idle meanwhile.
    #[inline]
    fn fill(&mut self, now: u64) -> io::Result<()> {
        let mut queued = 0;
        while self.slots.len() < self.depth && self.left > 0 {
            if queued == self.parts.job.iodepth_batch_submit {
                queued = 0;
                self.engine.submit(Wait::No)?;
            }
            let Some(request) = self.next_request() else { break };
            self.begin(request, now, now);
            queued += 1;
        }
        Ok(())
    }

    /// Open loop: those whose time has come; tells what to wait for.
    fn fill_due(&mut self, now: u64) -> Wait {
        while let Some(arrivals) = &mut self.arrivals {
            let at = arrivals.next_ns();
            if self.slots.len() == self.depth || self.left == 0 {
                return Wait::Answer;
            }
            if at > now || at >= self.ends_ns {
                return Wait::Until(at.min(self.ends_ns));
            }
            let Some(request) = self.next_request() else { return Wait::Answer };
            if request.op == Op::Flush {
                self.begin(request, now, now);
                continue;
            }
            if let Some(arrivals) = &mut self.arrivals {
                arrivals.pass();
            }
            let could_ns = at.max(self.free_since_ns);
            self.tally.late += u64::from(now > could_ns + LATE_NS);
            self.begin(request, at, now);
        }
        Wait::Answer
    }

    /// Arrivals that nobody began. In an open loop leaving them out would hide the target's worst.
    fn count_unserved(&mut self, now: u64) {
        let end = self.ends_ns.min(now);
        while let Some(arrivals) = &mut self.arrivals
            && self.left > 0
            && arrivals.next_ns() < end
        {
            self.tally.unserved += u64::from(arrivals.next_ns() >= self.tally.from_ns);
            arrivals.pass();
        }
    }

    #[inline]
    fn begin(&mut self, request: Request, intended_ns: u64, begun_ns: u64) {
        let counts = intended_ns >= self.tally.from_ns;
        self.left -= u64::from(counts && request.op != Op::Flush);
        self.take(InFlight { request, intended_ns, begun_ns, counts, mark: (0, 0) });
    }

    /// Gives a request a slot and the engine the request.
    #[inline]
    fn take(&mut self, flight: InFlight) {
        let request = flight.request;
        let slot = self.slots.insert(flight);
        if self.verifier.is_some() {
            self.mark(slot, &request);
        }
        self.engine.queue(slot, &request);
    }

    /// What verification and the ack log need of a request that begins.
    fn mark(&mut self, slot: usize, request: &Request) {
        let Some(verifier) = &mut self.verifier else { return };
        let buffer = match request.op {
            Op::Write => self.engine.buffer(slot),
            _ => &mut [][..],
        };
        let mut mark = verifier.begin(request, buffer);
        if let (Op::Flush, Some(log)) = (request.op, &self.parts.ack_log) {
            mark.0 = log.written();
        }
        self.slots[slot].mark = mark;
    }

    /// Counts what has been answered by `now`.
    #[inline]
    fn reap(&mut self, now: u64) {
        self.engine.reap(&mut self.done);
        if self.done.is_empty() {
            return;
        }
        if self.parts.ack_log.is_some()
            && let Err(error) = self.write_down()
        {
            self.ending.get_or_insert(Ending::AckLog(error));
        }
        if self.slots.len() == self.depth {
            self.free_since_ns = now;
        }
        let mut done = std::mem::take(&mut self.done);
        let mut counted = false;
        for one in done.drain(..) {
            counted |= self.answered(one, now);
        }
        self.done = done;
        if counted {
            self.tally.at(now);
        }
        self.parts.shared.ios.store(self.ios, Ordering::Relaxed);
        self.parts.shared.bytes.store(self.bytes, Ordering::Relaxed);
    }

    /// Appends what was acknowledged to the log, before it counts.
    fn write_down(&mut self) -> io::Result<()> {
        let Some(log) = &mut self.parts.ack_log else { return Ok(()) };
        let unit = self.parts.job.unit();
        for one in &self.done {
            let Some(flight) = self.slots.get(one.slot) else { continue };
            let request = flight.request;
            if request.op == Op::Read || !is_good(&request, one.result) {
                continue;
            }
            log.add(&Acked {
                worker: self.parts.worker,
                op: request.op,
                fua: request.fua,
                block: request.pos / u64::from(unit),
                units: request.len / unit,
                sequence: flight.mark.0,
            });
        }
        log.write()
    }

    /// A request was answered; whether that counts.
    #[inline]
    fn answered(&mut self, done: Done, now: u64) -> bool {
        let Some(flight) = self.slots.try_remove(done.slot) else { return false };
        let request = flight.request;
        let good = is_good(&request, done.result);
        if let Some(verifier) = &mut self.verifier {
            let buffer = match request.op {
                Op::Read => {
                    &self.engine.buffer(done.slot)[..usize::try_from(request.len).unwrap_or(0)]
                }
                _ => &[],
            };
            verifier.end(&request, flight.mark, good, buffer);
        }
        if !good {
            self.failed(&request, done.result);
            return false;
        }
        self.ios += 1;
        self.bytes += u64::from(request.len);
        if flight.counts {
            let (latency, service) = (now - flight.intended_ns, now - flight.begun_ns);
            self.tally.answered(request.op, request.len, latency, service);
        }
        flight.counts
    }

    #[cold]
    fn failed(&mut self, request: &Request, result: i32) {
        let errno = if result < 0 { -result } else { 0 };
        self.tally.failed(request.op, errno);
        self.parts.shared.errors.fetch_add(1, Ordering::Relaxed);
        // A device that is gone, or a place that is full, fails what comes after as well.
        let is_final = [Errno::NODEV, Errno::NXIO, Errno::NOSPC, Errno::BADF, Errno::ROFS]
            .iter()
            .any(|end| end.raw_os_error() == errno);
        if is_final || !self.parts.job.continue_on_error || self.engine.is_gone() {
            self.ending.get_or_insert(Ending::Failed(*request, errno));
        }
    }

    /// The measured time is over: how much of it this thread was on a processor.
    fn rest(&mut self) {
        let cpu = CpuTime::of_process();
        *self.parts.cpu_at_end.lock().unwrap_or_else(PoisonError::into_inner) = Some(cpu);
        let cpu_ns = cpu::of_thread_ns().saturating_sub(self.cpu_from_ns);
        let elapsed_ns = self.engine.now_ns().saturating_sub(self.tally.from_ns);
        self.busy = as_float(cpu_ns) / as_float(elapsed_ns.max(1));
    }

    /// Waits for what is in flight.
    fn drain(&mut self) {
        let from = self.engine.now_ns();
        let mut now = from;
        while !self.slots.is_empty() {
            if Duration::from_nanos(now.saturating_sub(from)) > self.parts.patience {
                return self.give_up(now);
            }
            if let Err(error) = self.engine.submit(Wait::Answer) {
                self.ending.get_or_insert(Ending::Engine(error));
                return self.give_up(now);
            }
            now = self.engine.now_ns();
            self.reap(now);
        }
    }

    /// What was in flight while a device was being deleted may fail before it is gone: asked once more.
    fn look_after(&mut self) {
        if let Some(Ending::Failed(request, errno)) = self.ending
            && self.engine.is_gone()
        {
            self.ending = Some(Ending::Gone(request, errno));
        }
    }

    /// What is in flight is lost.
    fn give_up(&mut self, now: u64) {
        self.tally.lost += u64::try_from(self.slots.len()).unwrap_or(0);
        let first = self.slots.iter().map(|(_, flight)| flight).min_by_key(|one| one.begun_ns);
        self.waited =
            first.map(|one| Waited { request: one.request, ns: now.saturating_sub(one.begun_ns) });
    }

    /// Reads every block that something is known of. Nothing of it enters the figures.
    fn read_back(&mut self) {
        let (from, size) = self.parts.job.part(self.parts.worker);
        let mut next = Some(0);
        loop {
            while self.slots.len() < self.depth
                && let Some(request) = self.next_to_read_back(&mut next, from + size)
            {
                let now = self.engine.now_ns();
                let (intended_ns, begun_ns) = (now, now);
                let mark = (0, 0);
                self.take(InFlight { request, intended_ns, begun_ns, counts: false, mark });
            }
            if self.slots.is_empty() {
                return;
            }
            if let Err(error) = self.engine.submit(Wait::Answer) {
                self.ending.get_or_insert(Ending::Engine(error));
            }
            let now = self.engine.now_ns();
            self.reap(now);
            if self.parts.stop.load(Ordering::Relaxed) {
                self.ending.get_or_insert(Ending::Stopped);
            }
            if self.ending.is_some() {
                return self.drain();
            }
        }
    }

    /// The next read of what is known, from a place on.
    fn next_to_read_back(&self, next: &mut Option<usize>, end: u64) -> Option<Request> {
        let verifier = self.verifier.as_ref()?;
        let place = verifier.known_from((*next)?);
        let request = place.map(|place| verifier.read_at(place, self.parts.job.bs, end));
        *next = place.zip(request).map(|(place, read)| place + verifier.units_of(&read));
        request
    }

    fn outcome(self) -> Outcome {
        let (checked, wrong, mismatches) = match self.verifier {
            Some(verifier) => (verifier.checked, verifier.wrong, verifier.mismatches),
            None => (0, 0, Vec::new()),
        };
        Outcome {
            busy: self.busy,
            ending: self.ending.unwrap_or(Ending::Done),
            facts: self.engine.facts(),
            tally: self.tally,
            checked,
            wrong,
            mismatches,
            waited: self.waited,
        }
    }
}

/// Whether a result is what was asked for.
#[inline]
fn is_good(request: &Request, result: i32) -> bool {
    match request.op {
        Op::Read | Op::Write => u32::try_from(result) == Ok(request.len),
        _ => result >= 0,
    }
}

/// For a share.
#[expect(clippy::cast_precision_loss, reason = "two digits are looked at")]
fn as_float(ns: u64) -> f64 {
    ns as f64
}
