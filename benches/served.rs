//! What a request to a served file costs: 4 KiB, 32 in flight on one thread, on a medium that takes no time.
//!
//! Reads and writes of what is cached, and writes of what is not, in both orders; what a MiB of a long write
//! costs in each. Beside them what copying
//! 4 KiB costs, which a backend without a file system would have to do as well.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use maprace_fs::ext4::Ext4Kind;
use maprace_fs::{Content, Errno, Order, Under};
use maprace_runtime::tasks::Worker;
use maprace_scenario::{
    Answered, AnyLayer, Asked, Config, Served, ServedFile, Slots, Store, Zeroes,
};
use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;

/// `--bench` is given by `cargo bench` only: without it, as a test, the sizes are small.
fn is_measured() -> bool {
    std::env::args().any(|arg| arg == "--bench")
}

const BLOCK: u64 = 4096;
const DEPTH: u64 = 32;
/// Bytes of a long write.
const LONG: u64 = 1 << 20;

fn blocks() -> u64 {
    if is_measured() { 32 << 10 } else { 64 }
}

#[derive(Default)]
struct Sink {
    ended: Cell<u64>,
    into: RefCell<Vec<u8>>,
}

impl Answered for Sink {
    fn answered(&self, pos: u64, outcome: Result<Content, Errno>) {
        let content = outcome.expect("nothing fails");
        let mut into = self.into.borrow_mut();
        into.resize(4096, 0);
        if pos != u64::MAX {
            content.fill(pos, &mut into);
        }
        self.ended.set(self.ended.get() + 1);
    }
}

struct Queue {
    served: Arc<dyn Served>,
    slots: Slots,
    worker: Worker,
    next: u64,
}

impl Queue {
    fn new(order: Order, cache_bytes: u64) -> Queue {
        let served = Ext4Kind.serve(&ServedFile {
            config: Config::ext4("v6.12", order),
            size: 1 << 40,
            cache_bytes,
            under: Under::Instantly,
            store: Store::Write,
            zeroes: Zeroes::ZeroRange,
        });
        let slots = Slots::new(served.clone(), Rc::<Sink>::default());
        Queue { served, slots, worker: Worker::new(Arc::new(|| {})), next: 0 }
    }

    /// The next block of those that are used, in an order that jumps.
    fn pos(&mut self) -> u64 {
        self.next += 1;
        self.next.wrapping_mul(7919) % blocks() * BLOCK * 64
    }

    /// One write, to its end.
    fn write(&mut self, pos: u64, bytes: &[u8]) {
        let bytes = self.served.take(pos, bytes);
        self.ask(u64::MAX, Asked::Write { pos, bytes, durable: false });
    }

    fn ask(&mut self, token: u64, asked: Asked) {
        self.slots.start(&self.worker, token, asked);
        self.settle();
    }

    fn settle(&mut self) {
        let mut now_ns = 0;
        while let Some(next_ns) = self.worker.run(now_ns) {
            now_ns = next_ns;
        }
    }

    fn round(&mut self, writes: bool) {
        for _ in 0..DEPTH {
            let pos = self.pos();
            let (token, asked) = match writes {
                true => {
                    let bytes = self.served.take(pos, &[7; 4096]);
                    (u64::MAX, Asked::Write { pos, bytes, durable: false })
                }
                false => (pos, Asked::Read { pos, len: BLOCK }),
            };
            self.slots.start(&self.worker, token, asked);
        }
        self.settle();
    }
}

fn served(c: &mut Criterion) {
    let mut group = c.benchmark_group("served");
    group.throughput(Throughput::Elements(DEPTH));
    for order in [Order::BufferHead, Order::Iomap] {
        let mut queue = Queue::new(order, 1 << 30);
        (0..blocks() / DEPTH).for_each(|_| queue.round(true));
        group.bench_function(format!("{order}/write"), |b| b.iter(|| queue.round(true)));
        group.bench_function(format!("{order}/read"), |b| b.iter(|| queue.round(false)));
        let mut small = Queue::new(order, 16 << 20);
        (0..blocks() / DEPTH).for_each(|_| small.round(true));
        group.bench_function(format!("{order}/write past the cache"), |b| {
            b.iter(|| small.round(true));
        });
    }
    group.finish();
    let mut group = c.benchmark_group("write path");
    group.throughput(Throughput::Bytes(LONG));
    for order in [Order::BufferHead, Order::Iomap] {
        let mut queue = Queue::new(order, 1 << 30);
        let bytes = vec![7; usize::try_from(LONG).expect("a MiB")];
        queue.write(0, &bytes);
        group.bench_function(format!("{order}/1M over what is there"), |b| {
            b.iter(|| queue.write(0, &bytes));
        });
        group.bench_function(format!("{order}/1M into a hole, and punched"), |b| {
            b.iter(|| {
                queue.write(LONG, &bytes);
                queue.ask(u64::MAX, Asked::Discard { pos: LONG, len: LONG });
            });
        });
    }
    group.finish();
    let mut group = c.benchmark_group("served");
    group.throughput(Throughput::Elements(DEPTH));
    let (from, mut to) = ([7u8; 4096], [0u8; 4096]);
    group.bench_function("copy", |b| {
        b.iter(|| (0..DEPTH).for_each(|_| to.copy_from_slice(black_box(&from))));
    });
    group.finish();
}

criterion_group!(benches, served);
criterion_main!(benches);
