//! What the queue loop of a block device costs, and how late it answers, without a kernel's ring.
//!
//! Criterion: nanoseconds per request where nothing is waited for (`null`, alone and 32 at a time), with
//! a medium (`timed`), and with a backend that answers later (`later`); `zeroes` is what it costs to
//! fill 4096 bytes with zeroes. Then lateness at a target of 200 us on the machine's clock, by way of
//! waiting: when the answer was handed over, beyond when it was due. No figure is asserted: a machine
//! that is busy with something else is late.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use maprace_media::Profile;
use maprace_ublk::desk::Desks;
use maprace_ublk::queue::{QueueSetup, run};
use maprace_ublk::raw::Null;
use maprace_ublk::testing::{Clock, Closed, Fake};
use maprace_ublk::{
    Answer, Arrival, Backend, Bell, Finish, Floor, Io, Op, Ring, Service, State, Tag, Timed,
    Timing, Transport, Until, Waiting,
};
use rustix::time::{ClockId, clock_gettime};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

const BLOCK: usize = 4096;
const TARGET_NS: u64 = 200_000;

/// `--bench` is given by `cargo bench` only: without it, as a test, the sizes are small.
fn is_measured() -> bool {
    std::env::args().any(|arg| arg == "--bench")
}

#[derive(Debug)]
struct Deaf;

impl Ring for Deaf {
    fn ring(&self) {}
}

/// A ring on which each answer is followed by the next request at once, and that is nothing else.
struct Endless {
    depth: u16,
    left: u64,
    back: Vec<Tag>,
    buffer: Vec<u8>,
}

impl Endless {
    fn new(depth: u16, count: u64) -> Endless {
        Endless { depth, left: count, back: (0..depth).map(Tag).collect(), buffer: vec![0; BLOCK] }
    }
}

impl Transport for Endless {
    fn now_ns(&self) -> u64 {
        now_ns()
    }

    fn reap(&mut self, take: &mut dyn FnMut(Arrival)) -> State {
        if self.left == 0 && self.back.len() == usize::from(self.depth) {
            return State::Gone;
        }
        while self.left > 0
            && let Some(tag) = self.back.pop()
        {
            self.left -= 1;
            take(Arrival {
                tag,
                io: Io { op: Op::Read, pos: self.left * 4096 % (1 << 30), len: 4096 },
            });
        }
        State::Open
    }

    fn buffer(&mut self, _: Tag) -> &mut [u8] {
        &mut self.buffer
    }

    fn commit(&mut self, tag: Tag, _: i32) {
        self.back.push(tag);
    }

    fn wait(&mut self, _: Until) -> std::io::Result<()> {
        Ok(())
    }

    fn bell(&self) -> Bell {
        Arc::new(Deaf)
    }
}

fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// Does nothing, at once.
struct Nothing;

impl Service for Nothing {
    fn submit(&mut self, _: Tag, _: Io, _: &mut [u8], _: u64) -> Answer {
        Answer::Now(Ok(()))
    }
}

/// Answers when it is polled.
struct Later(Vec<Tag>);

impl Service for Later {
    fn submit(&mut self, tag: Tag, _: Io, _: &mut [u8], _: u64) -> Answer {
        self.0.push(tag);
        Answer::Later
    }

    fn poll(&mut self, _: u64, done: &mut dyn Finish) -> Option<u64> {
        for tag in self.0.drain(..) {
            done.finish_with(tag, Ok(()), &mut |_| {});
        }
        None
    }
}

fn constant(ns: u64) -> Timing {
    let text = format!("name = \"constant\"\n[read]\nlat_ns = {{ rand = {ns}, seq = {ns} }}\n");
    let profile = Profile::parse("constant", &text).expect("the text is fixed");
    Timing { profile: Some(profile), seed: 1, dilate: 1 }
}

fn untimed() -> Timing {
    Timing { profile: None, seed: 1, dilate: 1 }
}

fn setup(timed: Timed, timing: Timing, waiting: Waiting) -> QueueSetup {
    let floor = Floor::default();
    QueueSetup { queue: 0, queues: 1, depth: 64, timed, timing, waiting, floor }
}

/// How long so many requests take, so many at a time.
fn takes(depth: u16, count: u64, service: Box<dyn Service>, setup: QueueSetup) -> Duration {
    let (desks, mut posts) = Desks::new(1, setup.timed);
    let start = Instant::now();
    run(Endless::new(depth, count), service, posts.remove(0), setup).expect("it cannot fail");
    let took = start.elapsed();
    assert_eq!(desks.stats().expect("it has ended").operations["read"].requests, count);
    took
}

fn per_request(c: &mut Criterion) {
    let mut group = c.benchmark_group("queue_loop");
    group.throughput(Throughput::Elements(1));
    for depth in [1, 32] {
        group.bench_function(BenchmarkId::new("null", depth), |bench| {
            let setup = || setup(Timed::ByLoop, untimed(), Waiting::Hybrid);
            bench.iter_custom(|count| takes(depth, count, Box::new(Nothing), setup()));
        });
        group.bench_function(BenchmarkId::new("timed", depth), |bench| {
            // So short that it is over when the loop looks: what is left is what the loop costs.
            let setup = || setup(Timed::ByLoop, constant(1), Waiting::Spin);
            bench.iter_custom(|count| takes(depth, count, Box::new(Nothing), setup()));
        });
        group.bench_function(BenchmarkId::new("later", depth), |bench| {
            let setup = || setup(Timed::ByBackend, untimed(), Waiting::Hybrid);
            bench.iter_custom(|count| takes(depth, count, Box::new(Later(Vec::new())), setup()));
        });
    }
    group.bench_function("zeroes", |bench| {
        let setup = || setup(Timed::ByLoop, untimed(), Waiting::Hybrid);
        let null = || Arc::new(Null::new(1 << 30)).attach(0, Arc::new(Deaf));
        bench.iter_custom(|count| takes(32, count, null(), setup()));
    });
    group.finish();
}

/// Lateness in ns of requests that have a target of 200 us: median and 99th percentile.
fn lateness_ns(waiting: Waiting, depth: u64, count: u64) -> (u64, u64) {
    let guest = Closed::new(depth, count, |n| Io { op: Op::Read, pos: n * 8192, len: 4096 });
    let mut fake = Fake::new(guest, Clock::Real, 64, BLOCK)
        .expecting(Box::new(|_, arrived_ns| arrived_ns + TARGET_NS));
    let (_desks, mut posts) = Desks::new(1, Timed::ByLoop);
    let setup = setup(Timed::ByLoop, constant(TARGET_NS), waiting);
    run(&mut fake, Box::new(Nothing), posts.remove(0), setup).expect("it cannot fail");
    fake.assert_clean();
    let late =
        |answer: &maprace_ublk::testing::Answer| answer.answered_ns - answer.arrived_ns - TARGET_NS;
    let mut late: Vec<u64> = fake.guest.told.iter().map(late).collect();
    late.sort_unstable();
    (late[late.len() / 2], late[late.len() * 99 / 100])
}

#[expect(clippy::print_stdout, reason = "a benchmark's figures are its output")]
fn lateness() {
    // As a ring's wait, which timer slack does not touch.
    let exact = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    let (rounds, count) = if is_measured() { (5, 2_000) } else { (1, 20) };
    println!(
        "\nlateness at a target of {} us, us beyond the deadline (timer slack: {exact:?})",
        TARGET_NS / 1_000
    );
    println!(" depth   waiting       p50       p99   p50 of sleep / p50");
    for depth in [1, 16] {
        // Rounds in which the ways take turns, so that a mood of the machine is nobody's.
        let ways = [Waiting::Sleep, Waiting::Hybrid, Waiting::Spin];
        let mut found = ways.map(|_| Vec::new());
        for _ in 0..rounds {
            for (way, found) in ways.into_iter().zip(&mut found) {
                found.push(lateness_ns(way, depth, count));
            }
        }
        let medians = found.map(|mut rounds: Vec<(u64, u64)>| {
            rounds.sort_unstable();
            rounds[rounds.len() / 2]
        });
        for (way, (p50_ns, p99_ns)) in ways.into_iter().zip(medians) {
            let ratio = us(medians[0].0) / us(p50_ns.max(1));
            let name = format!("{way:?}").to_lowercase();
            println!("{depth:>6} {name:>9} {:>9.2} {:>9.2}   {ratio:.0}", us(p50_ns), us(p99_ns));
        }
    }
    println!(
        "wanted of hybrid at depth 1: p50 < 5, p99 < 100, on a machine with nothing else to do"
    );
}

#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn us(ns: u64) -> f64 {
    ns as f64 / 1_000.0
}

criterion_group!(benches, per_request);

fn main() {
    benches();
    lateness();
    Criterion::default().configure_from_args().final_summary();
}
