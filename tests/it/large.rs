//! A large file: a fragmented one of 65,536 blocks is built, written all over in no order, synced and
//! checked.
//!
//! The explorer's files have a handful of blocks, and nothing there tells a scan of the whole file from a
//! look-up. Here a scan in each operation is four thousand million looks.

use crate::support::ORDERS;
use maprace_fs::check::check_idle;
use maprace_fs::ext4::Ext4Kind;
use maprace_fs::{
    Blocks, EsAtStart, FileAtStart, Geometry, Inode, Layer, LayerKind, Log, Op, Order, Request,
    Setup, Under, protocol,
};
use maprace_runtime::sim::{Exec, Keep, Sim};
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

const BLOCKS: u32 = 65_536;
const BLOCK: u32 = 4_096;

/// Numbers without order, always the same: splitmix64.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u32::try_from((mixed >> 33) % u64::from(end)).expect("it is below a u32")
    }

    /// All numbers below `end`.
    fn permutation(&mut self, end: u32) -> Vec<u32> {
        let mut all: Vec<u32> = (0..end).collect();
        for at in (1..end).rev() {
            all.swap(at as usize, self.below(at + 1) as usize);
        }
        all
    }
}

/// Ranges of one to five blocks with gaps of one to five: some ten thousand.
fn written(draw: &mut Draw) -> Vec<Blocks> {
    let mut all = Vec::new();
    let mut lo = draw.below(6);
    while lo < BLOCKS {
        let hi = (lo + 1 + draw.below(5)).min(BLOCKS);
        all.push(Blocks::new(lo, hi));
        lo = hi + 1 + draw.below(5);
    }
    all
}

fn setup(order: Order, draw: &mut Draw) -> Setup {
    let written = written(draw);
    let file = FileAtStart {
        size: u64::from(BLOCKS) * u64::from(BLOCK),
        prefault: written.iter().step_by(2).copied().collect(),
        written,
        es: EsAtStart::Hole,
        ..FileAtStart::default()
    };
    assert!(file.written.len() > 10_000);
    Setup {
        geometry: Geometry { block: BLOCK, folio_blocks: 1, cluster_blocks: 1 },
        protocol: protocol::preset("v6.12").expect("a preset"),
        order,
        file,
        free_blocks: 2 * BLOCKS,
        cold_bitmaps: false,
        group_clusters: 8 * BLOCK,
        under: Under::Instantly,
        delalloc: true,
        journal_credits: None,
        commits: false,
        shrinks: false,
        farthest: BLOCKS,
        claims_most: 0,
        planted: None,
    }
}

/// One write to each block, buffered or through the mapping, of all of it or a part.
fn writes(draw: &mut Draw) -> Vec<Request> {
    let order = draw.permutation(BLOCKS);
    let request = |(id, lblk): (u64, u32)| {
        let op = if draw.below(2) == 0 { Op::Write } else { Op::MmapWrite };
        let (skip, len) = if draw.below(4) == 0 { (100, 1_000) } else { (0, u64::from(BLOCK)) };
        Request { id, op, pos: u64::from(lblk) * u64::from(BLOCK) + skip, len, fails: None }
    };
    (1..).zip(order).map(request).collect()
}

fn only(op: Op) -> Vec<Request> {
    vec![Request { id: u64::from(BLOCKS) + 1, op, pos: 0, len: 0, fails: None }]
}

/// Runs `requests` in one task and what they start, whoever is first in line and can; returns how many
/// steps it took.
fn run<L>(sim: &Sim, inode: &Arc<Inode<L>>, requests: Vec<Request>) -> usize
where
    L: Layer<Rt = Sim>,
{
    let (inode, want, done) = (inode.clone(), requests.len(), Rc::new(Cell::new(0)));
    let counted = done.clone();
    let mut exec = Exec::new(sim);
    exec.start(vec![Box::pin(async move {
        for request in requests {
            assert_eq!(inode.run(request).await, Ok(()), "{request:?}");
            counted.set(counted.get() + 1);
        }
    })]);
    let mut line = VecDeque::from([0]);
    let (mut steps, mut passed) = (0, 0);
    while let Some(id) = line.front().copied() {
        if exec.is_enabled(id) {
            exec.advance(id);
            line.extend(&exec.done().spawned);
            (steps, passed) = (steps + 1, 0);
        } else {
            line.pop_front();
            if exec.is_live(id) {
                line.push_back(id);
                passed += 1;
                assert!(passed <= line.len(), "nobody can run");
            }
        }
    }
    assert_eq!(done.get(), want);
    steps
}

/// Nothing is broken, and no read would return a wrong byte.
fn assert_sound<L: Layer>(inode: &Inode<L>) {
    assert_eq!(inode.log().take(), []);
    assert_eq!(check_idle(inode), []);
}

fn write_all_over(kind: &impl LayerKind, order: Order) {
    let mut draw = Draw(1);
    let setup = setup(order, &mut draw);
    let sim = Sim::new(Keep::default());
    sim.keep_footprints(false);
    let log = Arc::new(Log::default());
    let layer = kind.build(&sim, &setup, &log);
    let inode = Arc::new(Inode::new(&sim, &setup, layer, log));
    assert_sound(&inode);
    let steps = run(&sim, &inode, writes(&mut draw));
    assert!(steps > 8 * BLOCKS as usize, "{steps} steps");
    assert_sound(&inode);
    run(&sim, &inode, only(Op::Fsync));
    assert_sound(&inode);
    run(&sim, &inode, only(Op::Evict));
    assert_sound(&inode);
}

#[test]
fn a_large_fragmented_file_is_written_all_over_and_synced() {
    ORDERS.into_iter().for_each(|order| write_all_over(&Ext4Kind, order));
}
