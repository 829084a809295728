//! What the runtime of threads costs: a store through a shared mapping, which faults, in the model and
//! as blocking code written by hand, over the same data structures and with the same locks.
//!
//! Two faults: over a hole, which is reserved and entered as delayed (`insert`), and over a block that
//! the status tree knows to be written (`hit`). One thread, and two that store to different blocks of
//! one file. After criterion's figures come the ratios, from rounds in which the sides take turns: a
//! ratio of two figures measured apart would be one of the machine's moods. The bytes' origins, which
//! checkers need and no kernel keeps, are kept on both sides.

#[path = "threads/by_hand.rs"]
mod by_hand;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, measurement::WallTime};
use maprace_extent::Blocks;
use maprace_fs::ext4::{Ext4, Ext4Kind};
use maprace_fs::layer::Layer;
use maprace_fs::{
    EsAtStart, FileAtStart, Geometry, Inode, LayerKind, Log, Op, Order, Request, Setup, Under,
};
use maprace_runtime::threads::{self, Off, Probe, Recorder, Threads, clock_ns};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const GEOMETRY: Geometry = Geometry { block: 4096, folio_blocks: 1, cluster_blocks: 1 };

/// `--bench` is given by `cargo bench` only: without it, as a test, the sizes are small.
fn is_measured() -> bool {
    std::env::args().any(|arg| arg == "--bench")
}

/// Blocks of a file; each is stored to once.
fn blocks() -> u32 {
    // A pass is so short that the machine seldom takes the processor away in the middle.
    if is_measured() { 256 } else { 16 }
}

/// What is faulted on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Insert,
    Hit,
}

impl Fault {
    const ALL: [Fault; 2] = [Fault::Insert, Fault::Hit];

    fn name(self) -> &'static str {
        match self {
            Fault::Insert => "insert",
            Fault::Hit => "hit",
        }
    }
}

/// One of the sides.
trait File: Sync {
    fn new(fault: Fault) -> Self;
    /// Before the first store of a thread.
    fn begin() {}
    fn store(&self, block: u32);
    /// Blocks that are delayed, and that are reserved.
    fn delayed_and_reserved(&self) -> (u32, u32);
}

struct Modelled<P: Probe>(Arc<Inode<Ext4<Threads<P>>>>);

fn setup(fault: Fault) -> Setup {
    let all = Blocks::new(0, blocks());
    let written = if fault == Fault::Hit { vec![all] } else { Vec::new() };
    let (prefault, es) = (vec![all], EsAtStart::Full);
    let size = GEOMETRY.bytes_of(all).1;
    Setup {
        geometry: GEOMETRY,
        protocol: maprace_fs::protocol::preset("v6.12").expect("it is built in"),
        order: Order::BufferHead,
        file: FileAtStart { size, written, prefault, es, ..FileAtStart::default() },
        free_blocks: 2 * blocks(),
        cold_bitmaps: false,
        group_clusters: 8 * GEOMETRY.block,
        under: Under::Instantly,
        delalloc: true,
        journal_credits: None,
        commits: false,
        shrinks: false,
        farthest: blocks(),
        claims_most: blocks(),
        planted: None,
    }
}

fn request(block: u32) -> Request {
    let (pos, end) = GEOMETRY.bytes_of(Blocks::one(block));
    Request { id: u64::from(block) + 1, op: Op::MmapWrite, pos, len: end - pos, fails: None }
}

impl<P: Probe> File for Modelled<P> {
    fn new(fault: Fault) -> Self {
        let (rt, setup, log) =
            (Threads::new().probed::<P>(), setup(fault), Arc::new(Log::default()));
        let layer = Ext4Kind.build(&rt, &setup, &log);
        Modelled(Arc::new(Inode::new(&rt, &setup, layer, log)))
    }

    fn begin() {
        if size_of::<P::Lock>() > 0 {
            Recorder::start(0, 64 * blocks() as usize);
        }
    }

    fn store(&self, block: u32) {
        threads::run(self.0.run(request(block))).expect("there is room");
    }

    fn delayed_and_reserved(&self) -> (u32, u32) {
        let books = self.0.layer().books().expect("nobody is inside");
        (books.delayed, books.space.reserved)
    }
}

impl File for by_hand::Inode {
    fn new(fault: Fault) -> Self {
        by_hand::Inode::new(GEOMETRY, blocks(), fault == Fault::Hit)
    }

    fn store(&self, block: u32) {
        let Request { id, pos, len, .. } = request(block);
        self.mmap_write(id, block, pos, pos + len).expect("there is room");
    }

    fn delayed_and_reserved(&self) -> (u32, u32) {
        self.delayed_and_reserved()
    }
}

/// Stores to every block of a fresh file, the threads in turns: how long the last of them took. Each
/// has done the same to another file before: a new thread has neither code nor stack in its caches.
fn pass<F: File>(fault: Fault, threads: u32) -> Duration {
    let (file, other) = (F::new(fault), F::new(fault));
    let arrived = AtomicU32::new(0);
    let stores = |first: u32| {
        let blocks = || (first..blocks()).step_by(threads as usize);
        F::begin();
        blocks().for_each(|block| other.store(block));
        // Spun for: threads that are woken one after the other would not meet.
        arrived.fetch_add(1, Ordering::AcqRel);
        while arrived.load(Ordering::Acquire) < threads {
            std::hint::spin_loop();
        }
        let start = Instant::now();
        blocks().for_each(|block| file.store(block));
        start.elapsed()
    };
    let took = if threads == 1 {
        stores(0)
    } else {
        std::thread::scope(|scope| {
            let stores = &stores;
            let started: Vec<_> = (0..threads).map(|t| scope.spawn(move || stores(t))).collect();
            let took = started.into_iter().map(|t| t.join().expect("no store panics"));
            took.max().expect("there are threads")
        })
    };
    let delayed = if fault == Fault::Insert { blocks() } else { 0 };
    assert_eq!(file.delayed_and_reserved(), (delayed, delayed));
    took
}

fn side<F: File>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    (fault, threads): (Fault, u32),
) {
    let passes = |n: u64| (0..n).map(|_| pass::<F>(fault, threads)).sum();
    group.bench_function(name, |bench| bench.iter_custom(passes));
}

fn sides(criterion: &mut Criterion) {
    for threads in [1, 2] {
        for fault in Fault::ALL {
            let name = format!("mmap_write {}, threads {threads}", fault.name());
            let mut group = criterion.benchmark_group(name);
            group.throughput(Throughput::Elements(u64::from(blocks())));
            side::<by_hand::Inode>(&mut group, "by hand", (fault, threads));
            side::<Modelled<Off>>(&mut group, "model", (fault, threads));
            side::<Modelled<Recorder>>(&mut group, "model, recorded", (fault, threads));
            group.finish();
        }
    }
}

/// A side: its name, and one pass of it.
type Side = (&'static str, fn(Fault, u32) -> Duration);

/// The first is what the others are compared with; the second, the same again, shows the noise.
const SIDES: [Side; 4] = [
    ("by hand", pass::<by_hand::Inode>),
    ("by hand again", pass::<by_hand::Inode>),
    ("model", pass::<Modelled<Off>>),
    ("model, recorded", pass::<Modelled<Recorder>>),
];

/// The median, and before and behind it the quartiles.
fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarters| values[(values.len() - 1) * quarters / 4])
}

/// The ratios, from rounds in which every side has a turn, each of them first equally often.
#[expect(clippy::print_stdout, reason = "a benchmark's figures are its output")]
fn ratios() {
    let rounds = if is_measured() { 1_000 } else { 2 };
    println!("mmap_write: ns per store and thread, and times `by hand` of the same round");
    println!("  {rounds} rounds of {} stores: median [quartiles]", blocks());
    for threads in [1, 2] {
        for fault in Fault::ALL {
            let mut times = SIDES.map(|_| Vec::new());
            for round in 0..rounds {
                for turn in 0..SIDES.len() {
                    let turn = (turn + round) % SIDES.len();
                    let took = SIDES[turn].1(fault, threads).as_secs_f64() * 1e9;
                    times[turn].push(took * f64::from(threads) / f64::from(blocks()));
                }
            }
            for (side, (name, _)) in SIDES.iter().enumerate() {
                let [_, ns, _] = spread(times[side].clone());
                let ratio = times[side].iter().zip(&times[0]).map(|(a, b)| a / b).collect();
                let [low, mid, high] = spread(ratio);
                let case = format!("{}, threads {threads}", fault.name());
                println!("  {case:<18} {name:<16} {ns:>7.1} ns  x{mid:.2} [{low:.2}-{high:.2}]");
            }
        }
    }
    let cost = clock_ns();
    println!("  clock: {:.1} ns a reading, {:.1} ns an event", cost.reading_ns, cost.event_ns);
}

criterion_group!(benches, sides);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    ratios();
}
