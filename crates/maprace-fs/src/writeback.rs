//! Writeback: what is dirty is mapped, submitted, and completed by a task of its own.
//!
//! Two ways, as the two orders have them. buffer_head order locks a run of folios, maps it, submits it
//! (`ext4_do_writepages`); iomap order locks one folio and maps further than it locks. Allocation is
//! always unwritten, so every new block is converted at I/O end.

use crate::device::Segments;
use crate::folio::{Buffer, FolioRef};
use crate::inode::Inode;
use crate::io_end::IoEnd;
use crate::layer::{Delay, Layer, Mapping};
use crate::places::BOTH_SIZES;
use crate::setup::Planted;
use crate::{Errno, Order, Status, Switch, knobs};
use maprace_extent::{Blocks, Content, Pblk};
use maprace_runtime::{BitLock, Effect, Runtime, Spin, Step};
use std::ops::Range;
use std::sync::Arc;

static UPDATE_DISKSIZE: Step = Step::new("ext4_update_i_disksize");

/// `wbc->sync_mode`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sync {
    /// `WB_SYNC_NONE`: passes over what is under writeback already.
    None,
    /// `WB_SYNC_ALL`: waits for it.
    All,
}

/// `ext4_writepages` over folios `at`; returns when everything is submitted.
pub(crate) async fn writepages<L: Layer>(inode: &Arc<Inode<L>>, at: Range<u32>, sync: Sync) {
    let pages = async {
        match inode.order {
            Order::BufferHead => do_writepages(inode, at, sync).await,
            Order::Iomap => iomap_writepages(inode, at, sync).await,
        }
    };
    inode.rt.call("ext4_do_writepages", pages).await;
}

/// buffer_head order: a transaction, then the folios of one extent, then their mapping.
async fn do_writepages<L: Layer>(inode: &Arc<Inode<L>>, at: Range<u32>, sync: Sync) {
    let mut run: Vec<FolioRef<L::Rt>> = Vec::new();
    let mut ready: IoEnd<L::Rt> = IoEnd::default();
    let mut handle = None;
    for folio in inode.mapping.dirty_folios(at).await {
        let adjacent = run.last().is_none_or(|last| last.index + 1 == folio.index);
        if !adjacent {
            map_and_submit(inode, &mut run).await;
            handle = None;
        }
        if handle.is_none() && inode.knobs.handle == knobs::Handle::OfOrder {
            handle = Some(inode.journal.start().await);
        }
        if lock_for_writeback(inode, &folio, sync).await {
            prepare(inode, folio, &mut run, &mut ready).await;
        }
    }
    map_and_submit(inode, &mut run).await;
    submit(inode, ready);
}

/// iomap order, as posted: a folio, and under its lock a transaction for what it has to map.
async fn iomap_writepages<L: Layer>(inode: &Arc<Inode<L>>, at: Range<u32>, sync: Sync) {
    let mut ready: IoEnd<L::Rt> = IoEnd::default();
    let mut map: Option<Mapping> = None;
    for folio in inode.mapping.dirty_folios(at).await {
        let _handle = match inode.knobs.handle {
            knobs::Handle::Mixed => Some(inode.journal.start().await),
            knobs::Handle::OfOrder => None,
        };
        if lock_for_writeback(inode, &folio, sync).await {
            iomap_writeback_folio(inode, &folio, &mut map, &mut ready).await;
        }
    }
    submit(inode, ready);
}

/// Locks a folio found dirty and sees whether it is still to be written.
async fn lock_for_writeback<L: Layer>(
    inode: &Inode<L>,
    folio: &FolioRef<L::Rt>,
    sync: Sync,
) -> bool {
    let here = inode.mapping.lock(folio, || folio.writeback.touch(Effect::Test)).await;
    let busy = folio.writeback.is_set();
    if !here || !folio.with(|state| state.is_dirty()) || (busy && sync == Sync::None) {
        inode.mapping.unlock_and_put(folio).await;
        return false;
    }
    if busy {
        folio.wait_writeback().await;
    }
    true
}

/// `mpage_process_page_bufs`: a folio with nothing to map is submitted at once; another joins the run of
/// adjacent folios that are mapped together and stay locked.
async fn prepare<L: Layer>(
    inode: &Arc<Inode<L>>,
    folio: FolioRef<L::Rt>,
    run: &mut Vec<FolioRef<L::Rt>>,
    ready: &mut IoEnd<L::Rt>,
) {
    let to_map = folio.with(|state| {
        let dirty = state.dirty();
        dirty.iter().any(|lblk| !matches!(state.block(*lblk).buffer, Buffer::Mapped(_)))
    });
    if to_map {
        run.push(folio);
    } else {
        map_and_submit(inode, run).await;
        submit_folio(inode, folio, &[], ready).await;
    }
}

/// `mpage_map_and_submit_extent`: maps the locked run, then submits folio after folio.
///
/// # Divergence from Linux
/// When no block is to be had the run stays dirty; the kernel drops its data and says so.
async fn map_and_submit<L: Layer>(inode: &Arc<Inode<L>>, run: &mut Vec<FolioRef<L::Rt>>) {
    if run.is_empty() {
        return;
    }
    let mut io = IoEnd::default();
    let _handle = match inode.knobs.handle {
        knobs::Handle::Mixed => Some(inode.journal.start().await),
        knobs::Handle::OfOrder => None,
    };
    match map_run(inode, run).await {
        Ok(unwritten) => {
            for folio in std::mem::take(run) {
                submit_folio(inode, folio, &unwritten, &mut io).await;
            }
            submit(inode, io);
        }
        Err(_) => {
            for folio in std::mem::take(run) {
                inode.mapping.unlock_and_put(&folio).await;
            }
        }
    }
}

/// `mpage_map_one_extent` over all dirty blocks of the run that are not mapped; returns those that were
/// mapped unwritten.
async fn map_run<L: Layer>(
    inode: &Inode<L>,
    run: &[FolioRef<L::Rt>],
) -> Result<Vec<Blocks>, Errno> {
    let mut unwritten = Vec::new();
    for (mut rest, delay) in extents_to_map(run) {
        while !rest.is_empty() {
            let map = inode.layer.map_for_writeback(rest, Delay::Buffer(delay)).await?;
            let map = map.assert_answers(rest);
            for lblk in map.blocks.iter() {
                let pblk = map.pblk_of(lblk).expect("writeback maps to a place");
                let folio = folio_of(run, lblk / inode.geometry.folio_blocks);
                folio.with(|state| state.block(lblk).buffer = Buffer::Mapped(pblk));
            }
            if map.status == Status::Unwritten {
                unwritten.push(map.blocks);
            }
            rest.lo = map.blocks.hi;
        }
    }
    Ok(unwritten)
}

/// The folio at `index` of a run of adjacent ones, which it is in.
fn folio_of<R: Runtime>(run: &[FolioRef<R>], index: u32) -> &FolioRef<R> {
    let first = run.first().map_or(index, |folio| folio.index);
    run.get((index - first) as usize).expect("the block is of the run")
}

/// `mpage_add_bh_to_extent`: the dirty unmapped blocks of the run, adjacent ones of one state together.
fn extents_to_map<R: Runtime>(run: &[FolioRef<R>]) -> Vec<(Blocks, bool)> {
    let mut extents: Vec<(Blocks, bool)> = Vec::new();
    for folio in run {
        folio.with(|state| {
            for lblk in state.dirty() {
                let delay = match state.block(lblk).buffer {
                    Buffer::Mapped(_) => continue,
                    Buffer::Delay => true,
                    Buffer::None | Buffer::Unwritten(_) => false,
                };
                match extents.last_mut() {
                    Some((blocks, same)) if blocks.hi == lblk && *same == delay => blocks.hi += 1,
                    _ => extents.push((Blocks::one(lblk), delay)),
                }
            }
        });
    }
    extents
}

/// `mpage_submit_folio` and `ext4_bio_write_folio`: dirty state off, writeback bit on, unlocked.
/// `unwritten`: what was mapped so, in order; what of it is in the folio has to be converted.
async fn submit_folio<L: Layer>(
    inode: &Inode<L>,
    folio: FolioRef<L::Rt>,
    unwritten: &[Blocks],
    io: &mut IoEnd<L::Rt>,
) {
    let dirty = inode.mapping.clear_dirty_for_io(&folio).await;
    let places = folio.with(|state| {
        let place = |lblk: &u32| match state.block(*lblk).buffer {
            Buffer::Mapped(pblk) => (*lblk, pblk),
            other => unreachable!("block {lblk} is submitted as {other:?}"),
        };
        dirty.iter().map(place).collect()
    });
    let range = folio.with(|state| state.range());
    let first = unwritten.partition_point(|blocks| blocks.hi <= range.lo);
    let here = unwritten[first..].iter().take_while(|blocks| blocks.lo < range.hi);
    io.unwritten.extend(here.map(|blocks| blocks.within(range)));
    start_io(inode, folio, places, io).await;
}

/// Takes the bytes, sets the writeback bit, unlocks.
async fn start_io<L: Layer>(
    inode: &Inode<L>,
    folio: FolioRef<L::Rt>,
    places: Vec<(u32, Pblk)>,
    io: &mut IoEnd<L::Rt>,
) {
    let (lo, hi) = inode.geometry.bytes_of(folio.with(|state| state.range()));
    let reads = inode.bytes(lo, hi, Effect::Read);
    let segments = inode.mapping.start_writeback(&folio, reads, |state| {
        let segment = |(lblk, pblk): &(u32, Pblk)| {
            let (lo, hi) = inode.geometry.bytes_of(Blocks::one(*lblk));
            let mut bytes = Content::default();
            bytes.copy(lo, &state.bytes, lo, hi - lo);
            (*pblk, lo, bytes)
        };
        Segments(places.iter().map(segment).collect())
    });
    io.segments.0.extend(segments.await.0);
    inode.mapping.unlock_and_put(&folio).await;
    io.folios.push(folio);
}

/// `ext4_io_submit`: the I/O completes in a task of its own.
fn submit<L: Layer>(inode: &Arc<Inode<L>>, io: IoEnd<L::Rt>) {
    if io.folios.is_empty() {
        return;
    }
    let inode = inode.clone();
    let rt = inode.rt.clone();
    rt.spawn("io_end", async move { inode.end_io(io).await });
}

/// `iomap_writeback_folio` with `ext4_iomap_map_writeback_range`, as posted: one folio is locked, and
/// the mapping goes as far as the delayed extent; the next folios use it while it is not stale.
async fn iomap_writeback_folio<L: Layer>(
    inode: &Inode<L>,
    folio: &FolioRef<L::Rt>,
    cached: &mut Option<Mapping>,
    io: &mut IoEnd<L::Rt>,
) {
    let dirty = inode.mapping.clear_dirty_for_io(folio).await;
    let mut places = Vec::new();
    for lblk in &dirty {
        let Ok(map) = writeback_map(inode, *lblk, cached).await else {
            inode.mapping.mark_dirty(folio, Blocks::one(*lblk)).await;
            continue;
        };
        places.push((*lblk, map.pblk_of(*lblk).expect("writeback maps to a place")));
        if map.status == Status::Unwritten {
            io.unwritten.push(Blocks::one(*lblk));
        }
    }
    if places.is_empty() {
        return inode.mapping.unlock_and_put(folio).await;
    }
    start_io(inode, folio.clone(), places, io).await;
}

/// The mapping at hand if it covers the block and is not stale, else a new one.
async fn writeback_map<L: Layer>(
    inode: &Inode<L>,
    lblk: u32,
    cached: &mut Option<Mapping>,
) -> Result<Mapping, Errno> {
    if let Some(map) = cached.filter(|map| map.blocks.contains(lblk))
        && (inode.knobs.writeback_cookie == Switch::Off
            || inode.layer.sequence().await == map.cookie)
    {
        return Ok(map);
    }
    let want = Blocks::new(lblk, inode.farthest.max(lblk + 1));
    let _handle = match inode.knobs.handle {
        knobs::Handle::OfOrder => Some(inode.journal.start().await),
        knobs::Handle::Mixed => None,
    };
    let map = inode.layer.map_for_writeback(want, Delay::Books).await?.assert_answers(want);
    *cached = Some(map);
    Ok(map)
}

impl<L: Layer> Inode<L> {
    /// Raises `i_disksize` to what has been submitted: the end of `mpage_map_and_submit_extent`.
    ///
    /// # Divergence from Linux
    /// It happens under a lock of its own, not under `i_data_sem`, and when the I/O has ended.
    pub(crate) async fn update_disksize(&self, end: u64) {
        let sizes = self.sizes.object();
        let foot = || maprace_runtime::Foot::write(sizes, BOTH_SIZES.start, BOTH_SIZES.end);
        let raise = |sizes: &mut crate::inode::Sizes| {
            let end = if self.has(Planted::DisksizePastEof) { end } else { end.min(sizes.i_size) };
            sizes.i_disksize = sizes.i_disksize.max(end);
        };
        self.sizes.with(&UPDATE_DISKSIZE, foot, raise).await;
    }
}
