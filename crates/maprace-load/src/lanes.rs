//! Lanes: threads on processors of their own that ask one thing at a time, and begin each round together.
//!
//! For races: what matters is when a request is sent after another lane's, not how many there are. A round is
//! a list of requests for each lane, and how long the lane waits before its first one. Not for loads, which
//! are `drive`'s affair; what the requests mean is not known here.

use crate::clock::Clock;
use crate::engine::{Done, Engine, Wait};
use crate::error::Error;
use crate::request::{Op, Request};
use crate::ring::Uring;
use crate::run::pin_to;
use crate::target::Target;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// From the moment at which the last lane has come to the one at which the first may begin: longer than it
/// takes the others to see it.
const LEAD_NS: u64 = 3_000;

/// How long a lane may take to have a ring.
const STARTS: Duration = Duration::from_secs(60);

/// Turns of a waiting loop between two offers of the processor to others.
const TURNS: u32 = 1 << 12;

/// What a lane does in a round.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LaneRound {
    /// How long it waits before its first request, in nanoseconds.
    pub delay_ns: u64,
    /// Its requests, one after the other.
    pub requests: Vec<Request>,
}

/// Rounds for one lane, with where it meets the others.
struct Batch {
    meeting: Arc<Meeting>,
    rounds: Vec<LaneRound>,
}

/// What a lane's requests were answered, round by round: as [`Done::result`].
type Answers = Vec<Vec<i32>>;

type Told = (usize, Result<Answers, Error>);

/// Lanes that wait for rounds.
#[derive(Debug)]
pub struct Lanes {
    lanes: Vec<Sender<Batch>>,
    threads: Vec<JoinHandle<()>>,
    told: Receiver<Told>,
}

impl Lanes {
    /// A lane on each of these processors, with a ring for requests of up to `longest` bytes of the target.
    /// When this is dropped, each ends after what it has in flight, and is not waited for.
    ///
    /// # Errors
    /// No ring, no memory, or no such processor.
    pub fn start(
        target: &Arc<Target>,
        cpus: &[u32],
        longest: u32,
        seed: u64,
    ) -> Result<Lanes, Error> {
        let (tell, told) = channel();
        let (mut lanes, mut threads) = (Vec::new(), Vec::new());
        for (number, cpu) in cpus.iter().copied().enumerate() {
            let (give, batches) = channel();
            let (target, tell) = (Arc::clone(target), tell.clone());
            let lane = move || {
                let ring = pin_to(cpu, "processor")
                    .and_then(|()| Uring::new(target, 1, longest, seed ^ u64::from(cpu)));
                serve(number, ring, &batches, &tell);
            };
            let thread = std::thread::Builder::new().name(format!("lane {number}")).spawn(lane);
            threads
                .push(thread.map_err(|cause| Error::system("a thread cannot be started", cause))?);
            lanes.push(give);
        }
        let lanes = Lanes { lanes, threads, told };
        lanes.hear(STARTS)?;
        Ok(lanes)
    }

    /// Runs rounds, the same number for each lane; how each request was answered, by lane and round.
    ///
    /// # Errors
    /// The ring of a lane fails, or a lane needs longer than `limit`: then nothing can be run any more.
    pub fn run(&self, rounds: Vec<Vec<LaneRound>>, limit: Duration) -> Result<Vec<Answers>, Error> {
        let meeting = Arc::new(Meeting::of(self.lanes.len()));
        for (lane, rounds) in self.lanes.iter().zip(rounds) {
            let batch = Batch { meeting: Arc::clone(&meeting), rounds };
            lane.send(batch).map_err(|_| Error::job("a lane has ended"))?;
        }
        self.hear(limit).inspect_err(|_| meeting.is_off.store(true, Ordering::Release))
    }

    /// Ends them, and waits until nobody has the target open any more.
    pub fn end(self) {
        drop(self.lanes);
        for thread in self.threads {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }

    /// Waits for a word of each lane.
    fn hear(&self, limit: Duration) -> Result<Vec<Answers>, Error> {
        let mut all = vec![Answers::default(); self.lanes.len()];
        let clock = Clock::new();
        let from = clock.now_ns();
        for _ in 0..self.lanes.len() {
            let left = limit.saturating_sub(Duration::from_nanos(clock.now_ns() - from));
            let (lane, answers) = self.told.recv_timeout(left).map_err(|error| match error {
                RecvTimeoutError::Timeout => Error::job("a request was not answered"),
                RecvTimeoutError::Disconnected => Error::job("a lane has ended"),
            })?;
            all[lane] = answers?;
        }
        Ok(all)
    }
}

/// A lane's life: a word when it has a ring, and one after each batch.
fn serve(
    number: usize,
    ring: Result<Uring, Error>,
    batches: &Receiver<Batch>,
    tell: &Sender<Told>,
) {
    let mut ring = match ring {
        Ok(ring) => ring,
        // Whoever started it has gone if nobody hears this.
        Err(error) => return drop(tell.send((number, Err(error)))),
    };
    let clock = Clock::new();
    let mut result = Ok(Answers::default());
    while tell.send((number, result)).is_ok() {
        let Ok(batch) = batches.recv() else { return };
        let off = OffUnlessDone(&batch.meeting);
        result = run(&mut ring, &clock, &batch);
        if result.is_ok() {
            std::mem::forget(off);
        }
    }
}

/// Calls a meeting off when it is dropped, also by a panic: the others would wait.
struct OffUnlessDone<'a>(&'a Meeting);

impl Drop for OffUnlessDone<'_> {
    fn drop(&mut self) {
        self.0.is_off.store(true, Ordering::Release);
    }
}

fn run(ring: &mut Uring, clock: &Clock, batch: &Batch) -> Result<Answers, Error> {
    let mut all = Answers::default();
    for (number, round) in batch.rounds.iter().enumerate() {
        let mut answers = Vec::with_capacity(round.requests.len());
        // Made ready before the others are met, if it does not begin by that: a trim may be a system call.
        let ready = round.requests.first().filter(|first| first.op != Op::Trim);
        if let Some(first) = ready {
            ring.queue(0, first);
        }
        let Some(start_ns) = batch.meeting.meet(number, clock) else {
            return Err(Error::job("another lane has failed"));
        };
        while clock.now_ns() < start_ns + round.delay_ns {
            std::hint::spin_loop();
        }
        for (at, request) in round.requests.iter().enumerate() {
            if at > 0 || ready.is_none() {
                ring.queue(0, request);
            }
            answers.push(answer(ring)?);
        }
        all.push(answers);
    }
    Ok(all)
}

/// Sends what was queued, and waits for its answer.
fn answer(ring: &mut Uring) -> Result<i32, Error> {
    let mut done: Vec<Done> = Vec::new();
    loop {
        ring.submit(Wait::Answer).map_err(|cause| Error::system("io_uring_enter", cause))?;
        ring.reap(&mut done);
        if let Some(done) = done.first() {
            return Ok(done.result);
        }
    }
}

/// Where lanes meet before each round. They wait on their processors: a sleeper would be woken later than
/// most rounds take.
#[derive(Debug)]
struct Meeting {
    of: usize,
    arrived: AtomicUsize,
    /// The round that has begun, from 1, and when.
    begun: AtomicUsize,
    start_ns: AtomicU64,
    is_off: AtomicBool,
}

impl Meeting {
    fn of(lanes: usize) -> Meeting {
        Meeting {
            of: lanes,
            arrived: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            start_ns: AtomicU64::new(0),
            is_off: AtomicBool::new(false),
        }
    }

    /// Waits until all lanes have come to this round; when it starts, or none if it never will.
    fn meet(&self, round: usize, clock: &Clock) -> Option<u64> {
        if self.is_off.load(Ordering::Acquire) {
            return None;
        }
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.of {
            self.arrived.store(0, Ordering::Release);
            self.start_ns.store(clock.now_ns() + LEAD_NS, Ordering::Release);
            self.begun.store(round + 1, Ordering::Release);
        }
        let mut turns = 0;
        while self.begun.load(Ordering::Acquire) <= round {
            if self.is_off.load(Ordering::Acquire) {
                return None;
            }
            turns += 1;
            match turns % TURNS {
                0 => std::thread::yield_now(),
                _ => std::hint::spin_loop(),
            }
        }
        Some(self.start_ns.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Access, open_target};

    const LIMIT: Duration = Duration::from_secs(60);

    fn target(dir: &tempfile::TempDir) -> Arc<Target> {
        let access = Access { writes: true, direct: false, size: Some(1 << 20), destroys: None };
        Arc::new(open_target(&dir.path().join("file"), access).unwrap())
    }

    fn request(op: Op, pos: u64, len: u32) -> Request {
        Request { op, fua: false, pos, len }
    }

    /// This machine may have one processor alone: lanes then take turns on it.
    fn cpus() -> [u32; 2] {
        let all = rustix::thread::sched_getaffinity(None).unwrap();
        let mut own =
            (0..1024).filter(|cpu| all.is_set(*cpu)).map(|cpu| u32::try_from(cpu).unwrap());
        let first = own.next().unwrap();
        [first, own.next().unwrap_or(first)]
    }

    #[test]
    fn every_request_of_every_round_is_answered() {
        let dir = tempfile::tempdir().unwrap();
        let lanes = Lanes::start(&target(&dir), &cpus(), 8192, 1).unwrap();
        for _ in 0..3 {
            let one = LaneRound {
                delay_ns: 100,
                requests: vec![request(Op::Write, 4096, 8192), request(Op::Flush, 0, 0)],
            };
            let two = LaneRound { delay_ns: 0, requests: vec![request(Op::Read, 0, 4096)] };
            let answers = lanes.run(vec![vec![one; 20], vec![two; 20]], LIMIT).unwrap();
            assert_eq!(answers, [vec![vec![8192, 0]; 20], vec![vec![4096]; 20]]);
        }
        lanes.end();
    }

    #[test]
    fn an_answer_that_is_an_error_is_an_answer_and_a_lane_without_a_processor_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let lanes = Lanes::start(&target(&dir), &cpus()[..1], 4096, 1).unwrap();
        let trim = LaneRound { delay_ns: 0, requests: vec![request(Op::Trim, 0, 4096); 2] };
        assert_eq!(lanes.run(vec![vec![trim; 2]], LIMIT).unwrap(), [vec![vec![0, 0]; 2]]);
        let far =
            LaneRound { delay_ns: 0, requests: vec![request(Op::WriteZeroes, 1 << 62, 4096)] };
        let answers = lanes.run(vec![vec![far]], LIMIT).unwrap();
        assert!(answers[0][0][0] < 0, "{answers:?}");
        let told = Lanes::start(&target(&dir), &[100_000], 4096, 1).unwrap_err().to_string();
        assert!(told.contains("processor"), "{told}");
    }

    #[test]
    fn a_meeting_that_is_off_lets_everybody_go() {
        let meeting = Meeting::of(2);
        meeting.is_off.store(true, Ordering::Release);
        assert_eq!(meeting.meet(0, &Clock::new()), None);
        let off = Meeting::of(1);
        drop(OffUnlessDone(&off));
        assert_eq!(off.meet(0, &Clock::new()), None, "nobody comes after that");
        let alone = Meeting::of(1);
        assert!(alone.meet(0, &Clock::new()).is_some() && alone.meet(1, &Clock::new()).is_some());
    }
}
