//! Queues on threads of their own, on a virtual clock, beside plain bytes: what is read is what was
//! written, whatever order, store, medium and pressure.

use super::*;
use maprace_fs::Order;
use maprace_fs::ext4::Ext4Kind;
use maprace_ublk::Ring;
use std::sync::atomic::{AtomicU64, Ordering};

const BLOCK: u64 = LOGICAL_BLOCK as u64;

fn options(preset: &str, order: Order) -> FsOptions {
    FsOptions {
        size: 4 << 20,
        config: Config::ext4(preset, order),
        store: Store::Write,
        zeroes: Zeroes::ZeroRange,
        cache_mb: 64,
        profile: None,
        seed: 1,
        dilate: 1,
    }
}

const ORDERS: [Order; 2] = [Order::BufferHead, Order::Iomap];

#[derive(Debug)]
struct Park(std::thread::Thread);

impl Ring for Park {
    fn ring(&self) {
        self.0.unpark();
    }
}

/// What ended: the tag, how, and what a read brought.
type Done = Vec<(Tag, Outcome, Vec<u8>)>;

struct Into(Done, u64);

impl Finish for Into {
    fn finish(&mut self, tag: Tag, outcome: Outcome, bytes: &[u8]) {
        self.0.push((tag, outcome, bytes.to_vec()));
    }
    fn finish_with(&mut self, tag: Tag, outcome: Outcome, fill: &mut dyn FnMut(&mut [u8])) {
        let mut bytes = vec![0xEE; usize::try_from(self.1).unwrap()];
        fill(&mut bytes);
        self.0.push((tag, outcome, bytes));
    }
}

/// One queue: requests in flight, and a clock that all queues share.
struct Queue<'a> {
    service: Box<dyn Service>,
    clock: &'a AtomicU64,
    in_flight: Vec<Option<Io>>,
}

impl<'a> Queue<'a> {
    fn of(backend: &Arc<FsBackend>, clock: &'a AtomicU64) -> Queue<'a> {
        let bell: Bell = Arc::new(Park(std::thread::current()));
        Queue { service: backend.clone().attach(0, bell), clock, in_flight: Vec::new() }
    }

    fn submit(&mut self, io: Io, bytes: &[u8]) -> Tag {
        let free = self.in_flight.iter().position(Option::is_none);
        let at = free.unwrap_or_else(|| {
            self.in_flight.push(None);
            self.in_flight.len() - 1
        });
        self.in_flight[at] = Some(io);
        let tag = Tag(u16::try_from(at).unwrap());
        let mut buffer = bytes.to_vec();
        let now = self.clock.load(Ordering::SeqCst);
        assert_eq!(self.service.submit(tag, io, &mut buffer, now), Answer::Later);
        tag
    }

    /// What ends next: time passes only if nothing else can.
    fn some(&mut self) -> Vec<(Io, Outcome, Vec<u8>)> {
        loop {
            let longest = self.in_flight.iter().flatten().map(|io| io.len).max();
            let mut done = Into(Vec::new(), longest.expect("something is in flight"));
            let next = self.service.poll(self.clock.load(Ordering::SeqCst), &mut done);
            if !done.0.is_empty() {
                let taken = |(tag, outcome, bytes): (Tag, Outcome, Vec<u8>)| {
                    let io = self.in_flight[usize::from(tag.0)].take().expect("it is in flight");
                    (io, outcome, bytes)
                };
                return done.0.into_iter().map(taken).collect();
            }
            match next {
                Some(next) => drop(self.clock.fetch_max(next, Ordering::SeqCst)),
                None => std::thread::park(),
            }
        }
    }

    fn one(&mut self, op: Op, pos: u64, len: u64, bytes: &[u8]) -> (Outcome, Vec<u8>) {
        self.submit(Io { op, pos, len }, bytes);
        let (_, outcome, mut bytes) = self.some().pop().expect("it has ended");
        bytes.truncate(usize::try_from(len).unwrap());
        (outcome, bytes)
    }

    fn write(&mut self, pos: u64, bytes: &[u8]) {
        let done = self.one(Op::Write { fua: false }, pos, bytes.len() as u64, bytes);
        assert_eq!(done.0, Ok(()));
    }

    fn read(&mut self, pos: u64, len: u64) -> Vec<u8> {
        let (outcome, bytes) = self.one(Op::Read, pos, len, &[]);
        assert_eq!(outcome, Ok(()));
        bytes
    }
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// Random requests of one queue to its stripes of the device, at most `depth` in flight at once and no two
/// on the same bytes, beside a plain array.
struct Load<'a> {
    queue: Queue<'a>,
    chance: Chance,
    stripe: (u64, u64),
    plain: Vec<u8>,
    depth: usize,
}

impl Load<'_> {
    /// Some blocks of a stripe of its own: stripes have 8 blocks, and queues take turns.
    fn place(&mut self, blocks: u64) -> (u64, u64) {
        let (mine, of) = self.stripe;
        let stripe = self.chance.below(blocks / (8 * of)) * of + mine;
        let lo = self.chance.below(8);
        let len = 1 + self.chance.below(8 - lo);
        ((stripe * 8 + lo) * BLOCK, len * BLOCK)
    }

    fn draw(&mut self) -> Option<(Io, Vec<u8>)> {
        let (pos, len) = self.place(self.plain.len() as u64 / BLOCK);
        let op = match self.chance.below(20) {
            0..8 => Op::Read,
            8..15 => Op::Write { fua: self.chance.below(4) == 0 },
            15 => Op::Flush,
            16 | 17 => Op::Discard,
            _ => Op::WriteZeroes { unmap: self.chance.below(2) == 0 },
        };
        if op == Op::Flush {
            return Some((Io { op, pos: 0, len: 0 }, Vec::new()));
        }
        let meets = |io: &Io| io.pos < pos + len && pos < io.pos + io.len;
        if self.queue.in_flight.iter().flatten().any(meets) {
            return None;
        }
        let byte = |at: u64| u8::try_from((at / 512 + self.chance.0) % 251).unwrap();
        let writes = matches!(op, Op::Write { .. });
        let bytes = if writes { (pos..pos + len).map(byte).collect() } else { Vec::new() };
        Some((Io { op, pos, len }, bytes))
    }

    fn turn(&mut self) {
        while self.queue.in_flight.iter().flatten().count() < self.depth {
            let Some((io, bytes)) = self.draw() else { break };
            self.queue.submit(io, &bytes);
            let at = usize::try_from(io.pos).unwrap();
            let span = at..at + usize::try_from(io.len).unwrap();
            match io.op {
                Op::Write { .. } => self.plain[span].copy_from_slice(&bytes),
                Op::Discard | Op::WriteZeroes { .. } => self.plain[span].fill(0),
                Op::Read | Op::Flush => {}
            }
        }
        for (io, outcome, bytes) in self.queue.some() {
            assert_eq!(outcome, Ok(()), "{io:?}");
            let (at, len) = (usize::try_from(io.pos).unwrap(), usize::try_from(io.len).unwrap());
            if io.op == Op::Read {
                assert!(bytes[..len] == self.plain[at..at + len], "{io:?} brings other bytes");
            }
        }
    }
}

/// Queues on threads of their own, each with so many turns of random requests.
fn load(options: FsOptions, queues: u64, depth: usize, turns: u32) -> Vec<String> {
    let size = usize::try_from(options.size).unwrap();
    let backend = open(&Ext4Kind, options).expect("a size that can be");
    let clock = AtomicU64::new(1);
    std::thread::scope(|scope| {
        for mine in 0..queues {
            let (backend, clock) = (&backend, &clock);
            scope.spawn(move || {
                let mut load = Load {
                    queue: Queue::of(backend, clock),
                    chance: Chance(mine + 1),
                    stripe: (mine, queues),
                    plain: vec![0; size],
                    depth,
                };
                (0..turns).for_each(|_| load.turn());
            });
        }
    });
    backend.close()
}

#[test]
fn what_is_read_is_what_was_written_in_both_orders_by_one_queue_and_by_several() {
    for order in ORDERS {
        for (queues, depth) in [(1, 1), (1, 32), (3, 8)] {
            let found = load(options("v6.12", order), queues, depth, 400);
            assert_eq!(found, [] as [&str; 0], "{order} {queues} {depth}");
        }
    }
}

#[test]
fn the_oldest_protocol_keeps_bytes_in_sequential_use() {
    for order in ORDERS {
        let found = load(options("v5.10", order), 1, 1, 600);
        assert_eq!(found, [] as [&str; 0], "{order}");
    }
}

#[test]
fn stores_through_a_mapping_and_zeroes_by_fallocate_keep_bytes_too() {
    for order in ORDERS {
        let (store, zeroes) = (Store::Mmap, Zeroes::Fallocate);
        let found = load(FsOptions { store, zeroes, ..options("v6.12", order) }, 2, 8, 300);
        assert_eq!(found, [] as [&str; 0], "{order}");
    }
}

#[test]
fn a_slow_medium_and_a_small_cache_change_no_byte() {
    let profile = maprace_media::Profile::open("nvme-tlc-dc").ok();
    for order in ORDERS {
        let options = FsOptions {
            profile: profile.clone(),
            cache_mb: 1,
            dilate: 2,
            size: 16 << 20,
            ..options("v6.12", order)
        };
        assert_eq!(load(options, 2, 16, 600), [] as [&str; 0], "{order}");
    }
}

/// The same clock for a test of one queue.
fn alone(options: FsOptions, test: impl FnOnce(&Arc<FsBackend>, &mut Queue<'_>)) {
    let backend = open(&Ext4Kind, options).expect("a size that can be");
    let clock = AtomicU64::new(1);
    let mut queue = Queue::of(&backend, &clock);
    test(&backend, &mut queue);
    drop(queue);
    assert_eq!(backend.close(), [] as [&str; 0]);
}

#[test]
fn the_page_cache_stays_within_its_bound_and_discard_gives_memory_back() {
    let options = FsOptions { size: 64 << 20, cache_mb: 2, ..options("v6.12", Order::Iomap) };
    alone(options, |backend, queue| {
        let bytes = vec![7; 32 * 4096];
        let most = (2 << 20) / BLOCK + 32;
        for pos in (0..16 << 20).step_by(bytes.len()) {
            queue.write(pos, &bytes);
            let cached = u64::from(backend.served.cached().folios);
            assert!(cached <= most, "{cached} folios, {most} are allowed");
        }
        assert_eq!(queue.one(Op::Flush, 0, 0, &[]).0, Ok(()));
        assert_eq!(backend.kept_bytes(), 16 << 20);
        assert_eq!(queue.read(16 << 20, 4096), vec![0; 4096]);
        assert_eq!(queue.read(5 << 20, 8192), vec![7; 8192]);
        assert_eq!(queue.one(Op::Discard, 0, 15 << 20, &[]).0, Ok(()));
        assert_eq!(backend.kept_bytes(), 1 << 20);
        assert_eq!(queue.read(5 << 20, 4096), vec![0; 4096]);
        assert_eq!(queue.read(15 << 20, 4096), vec![7; 4096]);
    });
}

#[test]
fn a_large_empty_device_costs_nothing_and_its_ends_are_used() {
    let size = SERVED_BYTES_MOST;
    for order in ORDERS {
        alone(FsOptions { size, ..options("v6.12", order) }, |backend, queue| {
            queue.write(0, &[1; 4096]);
            queue.write(size - 8192, &[2; 8192]);
            assert_eq!(queue.one(Op::Write { fua: true }, 1 << 40, 4096, &[3; 4096]).0, Ok(()));
            assert_eq!(queue.one(Op::Flush, 0, 0, &[]).0, Ok(()));
            assert_eq!(queue.read(size - 4096, 4096), vec![2; 4096]);
            assert_eq!(queue.read(1 << 40, 8192)[..4096], vec![3; 4096]);
            assert_eq!(queue.read(size / 2, 4096), vec![0; 4096]);
            assert_eq!(queue.one(Op::Discard, size - 8192, 4096, &[]).0, Ok(()));
            assert_eq!(backend.kept_bytes(), 3 * 4096);
        });
    }
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let sized = |size| FsOptions { size, ..options("v6.12", Order::Iomap) };
    let refused = |size| open(&Ext4Kind, sized(size)).err();
    assert_eq!(refused(4096 + 512), Some(OpenError::Uneven(4608)));
    let large = SERVED_BYTES_MOST + 4096;
    assert_eq!(refused(large), Some(OpenError::TooLarge(large)));
    assert_eq!(refused(4096), None);
}

#[test]
fn a_reservation_that_leaks_is_told_in_the_kernel_s_words_when_the_device_goes() {
    let backend = open(&Ext4Kind, options("v6.12", Order::Iomap)).expect("a size that can be");
    backend.findings.add(vec![maprace_fs::Broken::of(maprace_fs::Checker::ReservedAtEvict, 1, 0)]);
    assert_eq!(backend.close(), ["i_reserved_data_blocks (1) not cleared!"]);
}

#[test]
fn a_queue_that_goes_with_requests_in_flight_leaves_nothing_locked() {
    let profile = maprace_media::Profile::open("nvme-tlc-dc").ok();
    let backend =
        open(&Ext4Kind, FsOptions { profile, ..options("v6.12", Order::BufferHead) }).unwrap();
    let clock = AtomicU64::new(1);
    let mut queue = Queue::of(&backend, &clock);
    for block in 0..16 {
        queue.submit(write_io(block), &[1; 4096]);
    }
    queue.submit(Io { op: Op::Flush, pos: 0, len: 0 }, &[]);
    let mut none = Into(Vec::new(), 0);
    assert!(queue.service.poll(1, &mut none).is_some(), "the medium is waited for");
    drop(queue);
    assert_eq!(backend.close(), [] as [&str; 0]);
}

fn write_io(block: u64) -> Io {
    Io { op: Op::Write { fua: false }, pos: block * BLOCK, len: BLOCK }
}

/// What every backend has to pass, over the file system of the last release.
#[test]
fn the_suite_of_all_backends_passes_in_both_orders() {
    for order in ORDERS {
        for queues in [1, 3] {
            let suite = maprace_ublk::testing::Suite {
                size: 1 << 20,
                block: BLOCK,
                queues,
                cases: 12,
                ..Default::default()
            };
            let made = suite.run(|size| {
                let options = FsOptions { size, ..options("v6.12", order) };
                open(&Ext4Kind, options).expect("it fits") as Arc<dyn Backend>
            });
            assert_eq!(made, Ok(()), "{order:?}, {queues} queues");
        }
    }
}
