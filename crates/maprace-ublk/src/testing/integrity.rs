//! Does a backend keep what is written to it? Random requests from several queues, beside a plain array.
//!
//! A batch of requests that do not overlap is handed over at once, some to each queue; then all queues
//! are polled until every one has ended. A read has to bring what the array has, whatever was in its
//! buffer before. What is left out: overlapping requests in flight together, which have no order; and
//! errors, which no request here deserves.

use crate::{Answer, Backend, Bell, Finish, Io, Op, Outcome, Ring, Service, Tag};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a request may take that nothing hinders.
const LIMIT: Duration = Duration::from_secs(20);

/// What is asked of a backend.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Suite {
    /// Bytes of the device: whole blocks.
    pub size: u64,
    /// Bytes of a block: the least a request is about.
    pub block: u64,
    /// Bytes of the longest transfer.
    pub buffer: u64,
    /// Queues.
    pub queues: u16,
    /// Random sequences that are tried.
    pub cases: u32,
}

impl Default for Suite {
    fn default() -> Suite {
        // Not whole pages; and a buffer of many pages and a piece.
        Suite { size: (1 << 20) + 1536, block: 512, buffer: 128 << 10, queues: 3, cases: 64 }
    }
}

/// Asks a backend of any size everything that a backend has to do; `make` makes an empty one.
///
/// # Panics
/// It lost, moved or invented bytes, or did not answer. The message has the requests that show it, few
/// and short.
pub fn integrity(make: impl Fn(u64) -> Arc<dyn Backend>) {
    if let Err(what) = Suite::default().run(make) {
        panic!("{what}");
    }
}

/// A request in blocks.
#[derive(Clone, Copy, Debug)]
struct Asked {
    queue: u16,
    op: Op,
    block: u64,
    blocks: u64,
    /// The bytes it writes are made of this.
    fill: u8,
}

impl Suite {
    /// Tries the edges, and then sequences at random; the same each time.
    ///
    /// # Errors
    /// What went wrong, and the requests that show it.
    pub fn run(&self, make: impl Fn(u64) -> Arc<dyn Backend>) -> Result<(), String> {
        let told = |error: TestCaseError| format!("at the edges: {error}");
        self.play(make(self.size), &self.edges()).map_err(told)?;
        let config = Config {
            cases: self.cases,
            failure_persistence: None,
            max_shrink_iters: 2_000,
            ..Config::default()
        };
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let batches = vec(vec(self.asked(), 1..6), 1..30);
        let tried = runner.run(&batches, |batches| self.play(make(self.size), &batches));
        tried.map_err(|error| match error {
            TestError::Fail(why, batches) => format!("{why}, after {batches:?}"),
            TestError::Abort(why) => format!("given up: {why}"),
        })
    }

    fn asked(&self) -> impl Strategy<Value = Asked> + use<> {
        let op = prop_oneof![
            4 => Just(Op::Read),
            4 => prop::bool::ANY.prop_map(|fua| Op::Write { fua }),
            1 => Just(Op::Flush),
            1 => Just(Op::Discard),
            1 => prop::bool::ANY.prop_map(|unmap| Op::WriteZeroes { unmap }),
        ];
        let (count, longest, queues) =
            (self.size / self.block, self.buffer / self.block, self.queues);
        // Mostly at few places, so that requests meet again.
        let block = prop_oneof![3 => 0..count.min(40), 1 => 0..count];
        let blocks = prop_oneof![3 => 1..=longest.min(20), 1 => 1..=longest];
        (0..queues, op, block, blocks, 1..=u8::MAX).prop_map(
            move |(queue, op, block, blocks, fill)| {
                let blocks = blocks.min(count - block);
                Asked { queue, op, block, blocks, fill }
            },
        )
    }

    /// The last block, whole transfers from the first block and to the last, the whole device.
    fn edges(&self) -> Vec<Vec<Asked>> {
        let (count, longest) = (self.size / self.block, self.buffer / self.block);
        let asked = |op, block, blocks, fill| vec![Asked { queue: 0, op, block, blocks, fill }];
        let (write, fua) = (Op::Write { fua: false }, Op::Write { fua: true });
        vec![
            asked(Op::Read, count - 1, 1, 0),
            asked(fua, count - 1, 1, 7),
            asked(write, 0, longest, 8),
            asked(Op::Read, 0, longest, 0),
            asked(write, count - longest, longest, 9),
            asked(Op::Flush, 0, 0, 0),
            asked(Op::Read, count - 1, 1, 0),
            asked(Op::Discard, 1, 1, 0),
            asked(Op::WriteZeroes { unmap: false }, 2, 1, 0),
            asked(Op::WriteZeroes { unmap: true }, count - 1, 1, 0),
            asked(Op::Discard, 0, count, 0),
            asked(write, count / 2, 1, 10),
            asked(Op::WriteZeroes { unmap: false }, 0, count, 0),
        ]
    }

    /// Plays batches against an empty backend; in the end every byte is read again, by each queue some.
    fn play(&self, backend: Arc<dyn Backend>, batches: &[Vec<Asked>]) -> Result<(), TestCaseError> {
        let mut bench = Bench::new(self, backend);
        for batch in batches {
            bench.batch(batch)?;
        }
        let (count, longest) = (self.size / self.block, self.buffer / self.block);
        for (queue, block) in (0..self.queues).cycle().zip((0..count).step_by(index(longest))) {
            let blocks = longest.min(count - block);
            bench.batch(&[Asked { queue, op: Op::Read, block, blocks, fill: 0 }])?;
        }
        Ok(())
    }
}

fn index(value: u64) -> usize {
    usize::try_from(value).expect("a test's device fits into memory")
}

/// A bell that is heard.
#[derive(Debug, Default)]
struct Heard(AtomicBool);

impl Ring for Heard {
    fn ring(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A backend with its queues, beside the array.
struct Bench<'s> {
    suite: &'s Suite,
    services: Vec<Box<dyn Service>>,
    heard: Arc<Heard>,
    bytes: Vec<u8>,
    now_ns: u64,
    /// Distinguishes writes.
    written: u8,
}

/// One request in flight.
struct Flight {
    queue: u16,
    io: Io,
    buffer: Vec<u8>,
    outcome: Option<Outcome>,
}

impl Finish for Vec<Flight> {
    fn finish(&mut self, tag: Tag, outcome: Outcome, bytes: &[u8]) {
        self.finish_with(tag, outcome, &mut |buffer| buffer.copy_from_slice(bytes));
    }

    fn finish_with(&mut self, tag: Tag, outcome: Outcome, fill: &mut dyn FnMut(&mut [u8])) {
        let flight = &mut self[usize::from(tag.0)];
        assert!(flight.outcome.is_none(), "tag {} has ended twice", tag.0);
        flight.outcome = Some(outcome);
        if flight.io.op == Op::Read && outcome.is_ok() {
            fill(&mut flight.buffer);
        }
    }
}

impl<'s> Bench<'s> {
    fn new(suite: &'s Suite, backend: Arc<dyn Backend>) -> Bench<'s> {
        let heard = Arc::new(Heard::default());
        let attach = |queue| Arc::clone(&backend).attach(queue, Arc::clone(&heard) as Bell);
        Bench {
            suite,
            services: (0..suite.queues).map(attach).collect(),
            bytes: vec![0; index(suite.size)],
            heard,
            now_ns: 1_000,
            written: 0,
        }
    }

    /// The bytes a request is about.
    fn range(io: Io) -> Range<usize> {
        index(io.pos)..index(io.pos + io.len)
    }

    /// Hands requests over, waits for all, and compares; what overlaps an earlier one is left out.
    fn batch(&mut self, batch: &[Asked]) -> Result<(), TestCaseError> {
        let mut flights: Vec<Flight> = Vec::new();
        for asked in batch {
            let mut io = Io { op: asked.op, pos: 0, len: 0 };
            if asked.op != Op::Flush {
                io.pos = asked.block * self.suite.block;
                io.len = asked.blocks * self.suite.block;
            }
            let meets = |other: &Flight| {
                io.pos < other.io.pos + other.io.len && other.io.pos < io.pos + io.len
            };
            if !flights.iter().any(meets) {
                flights.push(self.flight(asked, io));
            }
        }
        self.submit(&mut flights);
        self.wait(&mut flights)?;
        flights.iter().try_for_each(|flight| self.compare(flight))
    }

    fn flight(&mut self, asked: &Asked, io: Io) -> Flight {
        let moves = matches!(io.op, Op::Read | Op::Write { .. });
        // What a read finds in its buffer is no zero, and nothing that was written.
        let mut buffer = vec![0; if moves { index(io.len) } else { 0 }];
        self.written = self.written.wrapping_add(1);
        for (i, byte) in (0_u64..).zip(&mut buffer) {
            // Each block of each write is another.
            let block = (io.pos + i) / self.suite.block;
            let mixed = block.wrapping_mul(0x9E37_79B9).rotate_right(7).to_le_bytes()[0];
            *byte = asked.fill ^ self.written ^ mixed;
        }
        Flight { queue: asked.queue, io, buffer, outcome: None }
    }

    fn submit(&mut self, flights: &mut [Flight]) {
        for (tag, flight) in (0..).zip(flights) {
            let Flight { io, buffer, .. } = flight;
            let written = buffer.clone();
            let service = &mut self.services[usize::from(flight.queue)];
            let answer = service.submit(Tag(tag), *io, buffer, self.now_ns);
            if let Op::Write { .. } | Op::Discard | Op::WriteZeroes { .. } = io.op {
                let place = &mut self.bytes[Self::range(*io)];
                match io.op {
                    Op::Write { .. } => place.copy_from_slice(&written),
                    _ => place.fill(0),
                }
            }
            match answer {
                Answer::Now(outcome) => flight.outcome = Some(outcome),
                // The buffer is the kernel's again, and whatever it likes is in it.
                Answer::Later => buffer.fill(0x5A),
            }
        }
    }

    /// Polls all queues until all requests have ended.
    fn wait(&mut self, flights: &mut Vec<Flight>) -> Result<(), TestCaseError> {
        let ends = Instant::now() + LIMIT;
        while flights.iter().any(|flight| flight.outcome.is_none()) {
            let mut next_ns = None::<u64>;
            for (queue, service) in (0..).zip(&mut self.services) {
                let mut own = Own { queue, flights: &mut *flights };
                let again_ns = service.poll(self.now_ns, &mut own);
                next_ns = next_ns.into_iter().chain(again_ns).min();
            }
            self.now_ns = next_ns.unwrap_or(0).max(self.now_ns + 1);
            let idle = next_ns.is_none() && !self.heard.0.swap(false, Ordering::SeqCst);
            if idle && flights.iter().any(|flight| flight.outcome.is_none()) {
                if Instant::now() > ends {
                    return Err(TestCaseError::fail("a request does not end"));
                }
                // Whoever works on it may be another thread.
                std::thread::yield_now();
            }
        }
        Ok(())
    }

    fn compare(&self, flight: &Flight) -> Result<(), TestCaseError> {
        let Flight { queue, io, buffer, outcome } = flight;
        if *outcome != Some(Ok(())) {
            return Err(TestCaseError::fail(format!("{io:?} of queue {queue} ended {outcome:?}")));
        }
        if io.op != Op::Read {
            return Ok(());
        }
        let want = &self.bytes[Self::range(*io)];
        match buffer.iter().zip(want).position(|(found, want)| found != want) {
            None => Ok(()),
            Some(at) => Err(TestCaseError::fail(format!(
                "{io:?} of queue {queue} has {:#04x} where {:#04x} should be, {at} bytes from its begin",
                buffer[at], want[at]
            ))),
        }
    }
}

/// A queue ends its own requests only.
struct Own<'f> {
    queue: u16,
    flights: &'f mut Vec<Flight>,
}

impl Finish for Own<'_> {
    fn finish(&mut self, tag: Tag, outcome: Outcome, bytes: &[u8]) {
        self.check(tag);
        self.flights.finish(tag, outcome, bytes);
    }

    fn finish_with(&mut self, tag: Tag, outcome: Outcome, fill: &mut dyn FnMut(&mut [u8])) {
        self.check(tag);
        self.flights.finish_with(tag, outcome, fill);
    }
}

impl Own<'_> {
    fn check(&self, tag: Tag) {
        let queue = self.flights[usize::from(tag.0)].queue;
        assert_eq!(queue, self.queue, "tag {} is ended by another queue", tag.0);
    }
}
