//! A small layer in the manner of XFS: one lock, and look-up and reservation in one hold of it.
//!
//! ext4 looks a block up in a cache under a spin lock and inserts it later under `i_data_sem`; what
//! happens in between is what maprace is about. XFS has one tree for what is on disk and what is
//! delayed, and `xfs_buffered_write_iomap_begin` holds ILOCK exclusively from the look-up to the
//! reservation, so there is no in between. That is why this layer is safe under every preset where
//! ext4 is not: presets turn what ext4's layer does, and this one has no such knobs.
//!
//! What it cannot be safe from lies above it. Under v5.10 filling the page cache takes no
//! `invalidate_lock`, and a read against a punch returns old bytes (`read-punch`), whatever the layer.
//! With `--set cookie=off` nobody asks the sequence kept here, and `stale-map` loses data in iomap
//! order. XFS's fallocate takes `invalidate_lock` exclusively; the model's does so with
//! `--set fallocate_takes_invalidate_lock=on`, and this layer does not need it: a fault that comes
//! between two allocations finds what they left.
//!
//! Left out on purpose: speculative preallocation, the COW fork, transactions.

use maprace_extent::{Allocator, Blocks, Extent, ExtentTree, NoSpace, Pblk, RunMap, Space, Value};
use maprace_fs::layer::Delay;
use maprace_fs::{Books, Errno, Handle, Layer, LayerKind, Log, Mapping, Removal, Setup, Status};
use maprace_runtime::{
    Foot, Key, Object, Point, Runtime, RwSem, SemSteps, Spin, Step, Traced, sem_steps,
};
use std::sync::Arc;

static ILOCK: SemSteps = sem_steps!("ILOCK");
static BUMP: Step = Step::new("WRITE_ONCE(if_seq)");
static SAMPLE: Step = Step::new("READ_ONCE(if_seq)");

/// The whole of a file.
const EVERYTHING: Blocks = Blocks { lo: 0, hi: u32::MAX };

/// A delayed block: nothing but that it is one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Delayed;

impl Value for Delayed {
    fn at(self, _: u64) -> Delayed {
        Delayed
    }
}

/// `struct xfs_ifork`, the counters and the bitmap, all under ILOCK.
///
/// XFS keeps free space under locks of its own; here one lock is enough, since one file has it all.
#[derive(Hash, Debug)]
struct Fork {
    extents: ExtentTree,
    delayed: RunMap<Delayed>,
    space: Space,
    bitmap: Allocator,
}

impl Fork {
    /// The file of `setup`.
    fn new(setup: &Setup) -> Fork {
        let mut bitmap = Allocator::new(setup.file_blocks() + setup.free_blocks);
        let mut extents = ExtentTree::default();
        let file = &setup.file;
        let written = file.written.iter().map(|blocks| (*blocks, false));
        for (blocks, unwritten) in written.chain(file.unwritten.iter().map(|b| (*b, true))) {
            let (pblk, _) = bitmap.take(blocks.len()).expect("room for the file");
            extents.insert(blocks, Extent { pblk, unwritten });
        }
        let used = i64::from(extents.allocated());
        let free = i64::from(bitmap.free());
        let space = Space { free, quota_used: used, i_blocks: used, ..Space::default() };
        let mut fork = Fork { extents, delayed: RunMap::new(), space, bitmap };
        for lblk in file.dirty.iter().flat_map(|blocks| blocks.iter()) {
            if fork.extents.lookup(Blocks::one(lblk)).is_none() {
                fork.delay(Blocks::one(lblk)).expect("room for what is dirty");
            }
        }
        fork
    }

    /// What the first of `want` are: `xfs_bmapi_read`.
    fn look_up(&self, want: Blocks, cookie: u64) -> Mapping {
        let mapping = |blocks, status, pblk| Mapping { blocks, status, pblk, new: false, cookie };
        if let Some((blocks, extent)) = self.extents.lookup(want) {
            let status = if extent.unwritten { Status::Unwritten } else { Status::Mapped };
            return mapping(blocks, status, Some(extent.pblk));
        }
        let lo = u64::from(want.lo);
        let up_to = |end: u64| Blocks::new(want.lo, lblk(end).min(want.hi));
        if let Some(run) = self.delayed.find(lo) {
            return mapping(up_to(run.end()), Status::Delalloc, None);
        }
        let gap = up_to(self.delayed.gap_end(lo)).within(self.extents.gap(want.lo));
        mapping(gap, Status::Hole, None)
    }

    /// Reserves: `xfs_bmapi_reserve_delalloc`.
    fn delay(&mut self, blocks: Blocks) -> Result<(), Errno> {
        self.space.reserve(blocks.len()).map_err(|_| Errno::Enospc)?;
        self.delayed.set(u64::from(blocks.lo), u64::from(blocks.hi), Delayed);
        Ok(())
    }

    /// What is delayed in `blocks` is so no more: allocated, or not wanted.
    fn undelay(&mut self, blocks: Blocks, allocated: bool) {
        let (lo, hi) = (u64::from(blocks.lo), u64::from(blocks.hi));
        let count = lblk(self.delayed.range(lo, hi).map(|run| run.len).sum());
        self.delayed.remove(lo, hi);
        self.space.settle(count, allocated);
    }

    /// Allocates the first of `want` unwritten, unless they are there: `xfs_bmapi_write`.
    fn allocate(&mut self, want: Blocks, cookie: u64) -> Result<Mapping, Errno> {
        let found = self.look_up(want, cookie);
        if found.pblk.is_some() {
            return Ok(found);
        }
        let taken = self.bitmap.take(found.blocks.len());
        let (pblk, len) = taken.map_err(|_: NoSpace| Errno::Enospc)?;
        let blocks = found.blocks.first(len);
        if found.status == Status::Delalloc {
            self.space.allocate_reserved(len);
            self.undelay(blocks, true);
        } else if self.space.allocate_direct(len).is_err() {
            assert!(self.bitmap.give(pblk, len), "the blocks were just taken");
            return Err(Errno::Enospc);
        }
        self.extents.insert(blocks, Extent { pblk, unwritten: true });
        Ok(Mapping { blocks, status: Status::Unwritten, pblk: Some(pblk), new: true, cookie })
    }

    /// Takes what `blocks` have away: `xfs_free_file_space`.
    fn remove(&mut self, blocks: Blocks) {
        for (pblk, len) in self.extents.remove(blocks) {
            assert!(self.bitmap.give(pblk, len), "what is allocated is not free");
            self.space.free_allocated(len);
        }
        self.undelay(blocks, false);
    }
}

/// A block number of a file; the model's files are far smaller than the largest.
fn lblk(pos: u64) -> u32 {
    u32::try_from(pos).unwrap_or(u32::MAX)
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Hole => "hole",
        Status::Delalloc => "delayed",
        Status::Unwritten => "unwritten",
        Status::Mapped => "written",
    }
}

/// One inode's extents.
pub struct Xfs<R: Runtime> {
    rt: R,
    ilock: R::RwSem<Fork>,
    /// `if_seq`: written under ILOCK exclusive, read by `iomap_valid` without it.
    if_seq: R::Spin<u64>,
}

impl<R: Runtime> Xfs<R> {
    /// The sequence, for who holds ILOCK.
    fn seq(&self) -> u64 {
        self.if_seq.peek(|seq| *seq)
    }

    /// Dates a change: every change of the extent list does, in the hold that makes it.
    async fn bump(&self) -> u64 {
        let foot = || Foot::write(self.if_seq.object(), 0, 1);
        let next = |seq: &mut u64| {
            *seq += 1;
            *seq
        };
        self.if_seq.with(&BUMP, foot, next).await
    }

    /// For diagrams, and for whoever measures windows.
    fn saw(&self, map: &Mapping) {
        self.rt.saw(|| word(map.status).to_owned());
        let point = if map.status == Status::Hole { Point::Hole } else { Point::Known };
        self.trace(if map.new { Point::Changed } else { point }, map.blocks);
    }

    fn trace(&self, point: Point, blocks: Blocks) {
        self.rt.tracepoint(|| Traced { point, lo: blocks.lo, hi: blocks.hi });
    }

    async fn allocate_first(&self, want: Blocks) -> Result<Mapping, Errno> {
        let mut fork = self.ilock.down_write().await;
        let map = fork.allocate(want, self.seq())?;
        self.saw(&map);
        Ok(if map.new { Mapping { cookie: self.bump().await, ..map } } else { map })
    }

    async fn change(&self, blocks: Blocks, change: impl FnOnce(&mut Fork)) {
        let mut fork = self.ilock.down_write().await;
        change(&mut fork);
        self.trace(Point::Changed, blocks);
        self.bump().await;
    }
}

impl<R: Runtime> Layer for Xfs<R> {
    type Rt = R;

    async fn look_up(&self, want: Blocks) -> Mapping {
        let read = async {
            let fork = self.ilock.down_read().await;
            let map = fork.look_up(want, self.seq());
            self.saw(&map);
            map
        };
        self.rt.call("xfs_read_iomap_begin", read).await
    }

    /// Look-up and reservation in one exclusive hold: the point of it all.
    async fn map_for_write(&self, want: Blocks) -> Result<Mapping, Errno> {
        let begin = async {
            let mut fork = self.ilock.down_write().await;
            let map = fork.look_up(want, self.seq());
            self.saw(&map);
            if map.status != Status::Hole {
                return Ok(map);
            }
            fork.delay(map.blocks)?;
            self.trace(Point::Delayed, map.blocks);
            let cookie = self.bump().await;
            Ok(Mapping { status: Status::Delalloc, new: true, cookie, ..map })
        };
        self.rt.call("xfs_buffered_write_iomap_begin", begin).await
    }

    async fn allocate(&self, want: Blocks) -> Result<Mapping, Errno> {
        self.rt.call("xfs_alloc_file_space", self.allocate_first(want)).await
    }

    /// Whether a block was delayed is in the tree, never in a buffer.
    async fn map_for_writeback(&self, want: Blocks, _: Delay) -> Result<Mapping, Errno> {
        self.rt.call("xfs_map_blocks", self.allocate_first(want)).await
    }

    async fn convert(&self, blocks: Blocks) {
        let convert = self.change(blocks, |fork| fork.extents.convert(blocks));
        self.rt.call("xfs_iomap_write_unwritten", convert).await;
    }

    async fn remove(&self, _: &mut Handle<'_, R>, blocks: Blocks, _: Removal) {
        let remove = self.change(blocks, |fork| fork.remove(blocks));
        self.rt.call("xfs_free_file_space", remove).await;
    }

    async fn punch_delalloc(&self, blocks: Blocks) {
        let punch = self.change(blocks, |fork| fork.undelay(blocks, false));
        self.rt.call("xfs_bmap_punch_delalloc_range", punch).await;
    }

    async fn sequence(&self) -> u64 {
        let foot = || Foot::read(self.if_seq.object(), 0, 1);
        self.if_seq.with(&SAMPLE, foot, |seq| *seq).await
    }

    /// There is no cache of the tree: nothing to forget.
    async fn shrink(&self, _: Blocks) {}

    async fn evict(&self) -> u32 {
        let mut fork = self.ilock.down_write().await;
        fork.undelay(EVERYTHING, false);
        fork.space.reserved
    }

    fn books(&self) -> Option<Books> {
        self.ilock.peek(|fork| {
            let (extents, hi) = (&fork.extents, u64::from(u32::MAX));
            let delayed_at = |blocks: Blocks| {
                let mut runs = fork.delayed.range(u64::from(blocks.lo), u64::from(blocks.hi));
                runs.next().map(|run| lblk(run.start))
            };
            let mut owned: Vec<(Pblk, u32)> =
                extents.extents(EVERYTHING).map(|(b, e)| (e.pblk, b.len())).collect();
            owned.sort_unstable();
            let twice = owned.windows(2).find(|pair| pair[0].0.0 + pair[0].1 > pair[1].0.0);
            Books {
                space: fork.space,
                delayed: lblk(fork.delayed.range(0, hi).map(|run| run.len).sum()),
                allocated: extents.allocated(),
                total: fork.bitmap.total(),
                free: fork.bitmap.free(),
                delayed_over_allocated: extents
                    .extents(EVERYTHING)
                    .find_map(|(blocks, _)| delayed_at(blocks)),
                block_twice: twice.map(|pair| pair[1].0),
                ..Books::default()
            }
        })
    }

    fn lock(&self) -> Object {
        self.ilock.object()
    }

    fn place_of(&self, lblk: u32) -> Option<(Pblk, bool)> {
        let found = self.ilock.peek(|fork| fork.extents.lookup(Blocks::one(lblk)))?;
        found.map(|(_, extent)| (extent.pblk, !extent.unwritten))
    }

    fn is_reserved(&self, lblk: u32) -> bool {
        let found = self.ilock.peek(|fork| fork.delayed.get(u64::from(lblk)));
        found.flatten().is_some()
    }
}

/// The layer's kind, for any world.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mine;

impl Mine {
    /// The one there is.
    pub fn new() -> Mine {
        Mine
    }
}

impl LayerKind for Mine {
    type In<R: Runtime> = Xfs<R>;

    fn build<R: Runtime>(&self, rt: &R, setup: &Setup, _: &Arc<Log>) -> Xfs<R> {
        Xfs {
            rt: rt.clone(),
            ilock: RwSem::new(rt, Key::only("ILOCK"), &ILOCK, Fork::new(setup)),
            if_seq: Spin::new(rt, Key::only("if_seq"), 0),
        }
    }
}
