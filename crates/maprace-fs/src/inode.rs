//! The inode: its locks, its page cache, its sizes, the layer below it. The paths are in files of their
//! own; here is what they share.

use crate::cache::{AddressSpace, Place};
use crate::check::{Broken, Checker, Log, Seen, Truth, mapping_is_current, truth_at_start};
use crate::device::Device;
use crate::folio::FolioRef;
use crate::journal::Journal;
use crate::layer::{Layer, Mapping};
use crate::places::{I_SIZE, Kind};
use crate::setup::{Cover, Geometry, Planted, Setup};
use crate::{Cookie, Errno, Knobs, Order};
use maprace_extent::{Blocks, Content, Origin};
use maprace_runtime::{Effect, Foot, Runtime, RwSem, SemSteps, Spin, Step, sem_steps};
use std::ops::Range;
use std::sync::Arc;

static I_RWSEM: SemSteps = sem_steps!("i_rwsem");
static COPY_IN: Step = Step::new("copy_folio_from_iter_atomic");
static BALANCE_DIRTY: Step = Step::new("balance_dirty_pages_ratelimited");
static SHORT_WRITE: Step = Step::new("block_write_end");
static MARK_UPTODATE: Step = Step::new("folio_mark_uptodate");

/// `i_size` and `i_disksize`, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Sizes {
    pub(crate) i_size: u64,
    pub(crate) i_disksize: u64,
}

/// `struct inode` with everything that hangs on it.
pub struct Inode<L: Layer> {
    pub(crate) rt: L::Rt,
    pub(crate) geometry: Geometry,
    pub(crate) knobs: Knobs,
    pub(crate) order: Order,
    pub(crate) planted: Option<Planted>,
    /// I/O that ends below it never moves `i_disksize`: `i_size` when the world was built, or 0 where it
    /// may shrink.
    pub(crate) size_at_start: u64,
    /// Mount option `delalloc`.
    pub(crate) delalloc: bool,
    /// No operation reaches this block, wherever the file ends.
    pub(crate) farthest: u32,
    pub(crate) journal: Journal<L::Rt>,
    pub(crate) i_rwsem: <L::Rt as Runtime>::RwSem<()>,
    pub(crate) mapping: AddressSpace<L::Rt>,
    pub(crate) sizes: <L::Rt as Runtime>::Spin<Sizes>,
    pub(crate) layer: L,
    pub(crate) device: Device<L::Rt>,
    pub(crate) truth: <L::Rt as Runtime>::Spin<Truth>,
    pub(crate) log: Arc<Log>,
}

impl<L: Layer> std::fmt::Debug for Inode<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inode").field("order", &self.order).finish_non_exhaustive()
    }
}

impl<L: Layer> Inode<L> {
    /// The inode of `setup` over `layer`; broken invariants go to `log`.
    pub fn new(rt: &L::Rt, setup: &Setup, layer: L, log: Arc<Log>) -> Inode<L> {
        let size = setup.file.size;
        let clusters = setup.geometry.cluster_blocks;
        let blocks = setup.file_blocks().next_multiple_of(clusters) + setup.free_blocks;
        let settled = if setup.shrinks { 0 } else { size };
        let inode = Inode {
            rt: rt.clone(),
            geometry: setup.geometry,
            knobs: setup.protocol.knobs,
            order: setup.order,
            planted: setup.planted,
            size_at_start: settled.next_multiple_of(u64::from(setup.geometry.block)),
            delalloc: setup.delalloc,
            farthest: setup.farthest,
            journal: Journal::new(rt, setup),
            i_rwsem: RwSem::new(rt, Kind::IRwsem.key(), &I_RWSEM, ()),
            mapping: AddressSpace::new(rt, setup.geometry),
            sizes: Spin::new(rt, Kind::ISize.key(), Sizes { i_size: size, i_disksize: size }),
            layer,
            device: Device::new(rt, setup.geometry.block, blocks, setup.under.medium()),
            truth: Spin::new(rt, Kind::Bytes.key(), truth_at_start(setup)),
            log,
        };
        inode.fill_medium(setup);
        inode.fill_cache(setup);
        inode
    }

    /// Puts the bytes of written blocks where the layer says.
    fn fill_medium(&self, setup: &Setup) {
        for lblk in setup.file.written.iter().flat_map(|b| b.iter()) {
            let (lo, hi) = self.geometry.bytes_of(Blocks::one(lblk));
            let mut bytes = Content::of(lo, hi, Origin::Zero);
            bytes.set(lo, hi.min(setup.file.size), Origin::write(0, lo));
            if let Some((pblk, true)) = self.layer.place_of(lblk) {
                self.device.put(&(pblk, lo, bytes));
            }
        }
    }

    /// Puts the folios there that were prefaulted or are dirty.
    fn fill_cache(&self, setup: &Setup) {
        let (dirty, prefault) = (Cover::of(&setup.file.dirty), Cover::of(&setup.file.prefault));
        if setup.file.dirty.is_empty() && setup.file.prefault.is_empty() {
            return;
        }
        for index in self.geometry.folios_of(Blocks::new(0, setup.file_blocks())) {
            let blocks = self.geometry.blocks_in(index);
            let (is_dirty, is_faulted) = (dirty.meets(blocks), prefault.meets(blocks));
            if !is_dirty && !is_faulted {
                continue;
            }
            self.mapping.nested(|pages| {
                let folio = self.mapping.get_or_add(pages, index);
                for lblk in blocks.iter() {
                    let end = dirty.contains(lblk).then_some(setup.file.size);
                    self.fill_block(&folio, lblk, end);
                }
                pages.tag_dirty(index, is_dirty);
                if is_faulted {
                    *pages.pte(index) = crate::cache::Pte::ReadOnly;
                }
                pages.put(&folio);
            });
        }
    }

    /// `dirty`: where the file ends, if the block is dirty; past that it is zero.
    fn fill_block(&self, folio: &FolioRef<L::Rt>, lblk: u32, dirty: Option<u64>) {
        let (lo, hi) = self.geometry.bytes_of(Blocks::one(lblk));
        let place = self.layer.place_of(lblk);
        let old = match place {
            Some((pblk, true)) => self.device.peek(pblk, lo),
            _ => Content::of(lo, hi, Origin::Zero),
        };
        folio.with(|state| {
            state.bytes.copy(lo, &old, lo, hi - lo);
            let block = state.block(lblk);
            block.uptodate = true;
            let Some(size) = dirty else { return };
            block.dirty = true;
            if self.order == Order::BufferHead {
                block.buffer = buffer_at_start(place);
            }
            state.bytes.set(lo, hi, Origin::Zero);
            state.bytes.set(lo, hi.min(size), Origin::write(0, lo));
        });
    }

    pub(crate) fn has(&self, bug: Planted) -> bool {
        self.planted == Some(bug)
    }

    /// The footprint of touching the bytes `lo..hi` of the file.
    pub(crate) fn bytes(&self, lo: u64, hi: u64, effect: Effect) -> Foot {
        Foot::at(self.truth.object(), lo, hi, effect)
    }

    /// The footprint of reading `i_size` without a lock.
    pub(crate) fn reads_size(&self) -> Foot {
        Foot::read(self.sizes.object(), I_SIZE.start, I_SIZE.end)
    }

    /// `i_size_read`, inside a step that [reads it](Inode::reads_size), or under `i_rwsem`.
    pub(crate) fn i_size(&self) -> u64 {
        self.sizes.peek(|sizes| sizes.i_size)
    }

    /// The parts of the bytes `lo..hi`, cut at folios: folio index, first and last byte.
    pub(crate) fn parts(&self, lo: u64, hi: u64) -> impl Iterator<Item = Part> + use<L> {
        let folio = self.geometry.folio();
        let first = lo / folio;
        let end = if lo < hi { hi.div_ceil(folio) } else { first };
        (first..end).map(move |i| Part {
            index: u32::try_from(i).expect("few folios"),
            lo: lo.max(i * folio),
            hi: hi.min((i + 1) * folio),
        })
    }

    /// Copies the bytes of `part` of `write` into the locked folio: the blocks become uptodate and
    /// dirty. The caller has filled what the write leaves of them.
    pub(crate) async fn copy_in(&self, folio: &FolioRef<L::Rt>, write: &Write, part: Part) {
        let blocks = self.geometry.blocks_of(part.lo, part.hi);
        let (first, end) = self.geometry.bytes_of(blocks);
        let at = part.index..part.index + 1;
        let foot = || {
            self.bytes(first, end, Effect::Write).and(self.mapping.touch(
                Place::Tag,
                at,
                Effect::Write,
            ))
        };
        let dirty = !self.has(Planted::CopyLeavesClean);
        self.mapping
            .step(&COPY_IN, foot, |pages| {
                self.truth.nested(|truth| {
                    truth.write(part.lo, part.hi, write.origin(part.lo));
                    truth.not_reserved_only(blocks);
                });
                folio.with(|state| {
                    write.put(&mut state.bytes, part.lo, part.hi);
                    for lblk in blocks.iter() {
                        state.block(lblk).uptodate = true;
                        state.block(lblk).dirty |= dirty;
                    }
                });
                if dirty {
                    pages.tag_dirty(part.index, true);
                    self.mapping.trace_dirtied(blocks);
                }
            })
            .await;
        self.grow(part.hi).await;
    }

    /// A write or fault in buffer_head order has mapped `blocks` and then failed: what it reserved stays
    /// until somebody writes there or the inode goes.
    pub(crate) async fn leave_reserved(&self, blocks: Blocks) {
        let (first, end) = self.geometry.bytes_of(blocks);
        let foot = || self.bytes(first, end, Effect::Write);
        self.truth.with(&SHORT_WRITE, foot, |truth| truth.leave_reserved(blocks)).await;
    }

    /// `folio_mark_dirty` of some blocks of a locked folio, for a store that will follow.
    pub(crate) async fn mark_dirty(&self, folio: &FolioRef<L::Rt>, blocks: Blocks) {
        self.mapping.mark_dirty(folio, blocks).await;
        let stale = |truth: &Truth| blocks.iter().any(|lblk| truth.is_reserved_only(lblk));
        if self.truth.peek(stale) {
            let (lo, hi) = self.geometry.bytes_of(blocks);
            let foot = || self.bytes(lo, hi, Effect::Write);
            self.truth.with(&SHORT_WRITE, foot, |truth| truth.not_reserved_only(blocks)).await;
        }
    }

    /// Whether a write or a fault may reserve now and leave allocation to writeback.
    pub(crate) async fn delalloc_now(&self) -> bool {
        self.delalloc && !self.layer.is_short_of_space().await
    }

    /// `balance_dirty_pages_ratelimited`: the throttling of whoever dirties pages.
    ///
    /// # Divergence from Linux
    /// A point at which others may run, in iomap order, where a mapping ages meanwhile; in buffer_head
    /// order nothing is held or open then. There is no limit of dirty pages and no flusher.
    pub(crate) async fn balance_dirty_pages(&self) {
        self.rt.pass(&BALANCE_DIRTY).await;
    }

    /// The byte that no operation reaches.
    pub(crate) fn far_pos(&self) -> u64 {
        self.geometry.bytes_of(Blocks::new(0, self.farthest)).1
    }

    /// All folios that any operation reaches.
    pub(crate) fn all_folios(&self) -> Range<u32> {
        self.geometry.folios_of(Blocks::new(0, self.farthest))
    }

    /// Fills what is not uptodate of a locked folio from the medium, or with zeroes where nothing is
    /// written: `ext4_mpage_readpages`, `iomap_readahead`.
    pub(crate) async fn fill(&self, folio: &FolioRef<L::Rt>) {
        let blocks = folio.with(|state| state.range());
        let mut rest = blocks;
        while !rest.is_empty() {
            if folio.with(|state| state.is_uptodate(rest.first(1))) {
                rest.lo += 1;
                continue;
            }
            let map = self.layer.look_up(rest).await.assert_answers(rest);
            for lblk in map.blocks.iter() {
                if !folio.with(|state| state.is_uptodate(Blocks::one(lblk))) {
                    let mapped = map.status == crate::Status::Mapped;
                    self.fill_from(folio, lblk, map.pblk_of(lblk).filter(|_| mapped)).await;
                }
            }
            rest.lo = map.blocks.hi;
        }
        let (lo, hi) = self.geometry.bytes_of(blocks);
        let foot = || self.bytes(lo, hi, Effect::Write);
        let uptodate = |_: &mut Truth| {
            folio.with(|state| state.blocks.iter_mut().for_each(|block| block.uptodate = true));
        };
        self.truth.with(&MARK_UPTODATE, foot, uptodate).await;
    }

    /// Puts the content of one block into a locked folio where the block is not uptodate: from the
    /// medium, or zeroes. Nobody reads it before it is marked uptodate.
    pub(crate) async fn fill_from(
        &self,
        folio: &FolioRef<L::Rt>,
        lblk: u32,
        from: Option<maprace_extent::Pblk>,
    ) {
        let (lo, hi) = self.geometry.bytes_of(Blocks::one(lblk));
        let content = match from {
            Some(pblk) if !self.has(Planted::FillForgetsData) => self.device.read(pblk, lo).await,
            _ => Content::of(lo, hi, Origin::Zero),
        };
        folio.with(|state| state.bytes.copy(lo, &content, lo, hi - lo));
    }

    /// A mapping that was just found valid, at that sequence, is what the layer says now.
    pub(crate) fn check_mapping(&self, map: &Mapping, part: Part, sequence: u64) {
        if self.knobs.cookie == Cookie::On {
            let blocks = self.geometry.blocks_of(part.lo, part.hi).within(map.blocks);
            if let Some(broken) = mapping_is_current(&self.layer, map, sequence, blocks) {
                self.log.broken(broken);
            }
        }
    }

    /// Writes a wrong byte down.
    pub(crate) fn report(&self, seen: Option<Seen>) {
        if let Some(Seen { pos }) = seen {
            self.log.broken(Broken { checker: Checker::Data, values: None, place: Some(pos) });
        }
    }

    /// The folios that hold any of the bytes `lo..hi`.
    pub(crate) fn folios_at(&self, lo: u64, hi: u64) -> Range<u32> {
        self.geometry.folios_of(self.geometry.blocks_of(lo, hi))
    }

    // What checkers look at, while nobody runs.

    /// The layer.
    pub fn layer(&self) -> &L {
        &self.layer
    }

    /// Where broken invariants go.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// `i_size`, in bytes.
    pub fn size_now(&self) -> u64 {
        self.sizes.peek(|sizes| sizes.i_size)
    }

    /// `i_disksize` and `i_size`, in bytes.
    pub(crate) fn sizes_now(&self) -> (u64, u64) {
        self.sizes.peek(|sizes| (sizes.i_disksize, sizes.i_size))
    }

    /// Whether a short write has left block `lblk` reserved.
    pub(crate) fn is_left_reserved(&self, lblk: u32) -> bool {
        self.truth.peek(|truth| truth.is_reserved_only(lblk))
    }

    pub(crate) fn truth_now(&self) -> Content {
        self.truth.peek(Truth::now)
    }

    /// The dirty blocks of the page cache, in order.
    pub(crate) fn dirty_blocks(&self) -> Vec<u32> {
        let folios = self.mapping.peek(|pages| pages.all());
        folios.iter().flat_map(|folio| folio.with(|state| state.dirty())).collect()
    }

    /// What a read of the whole file would return; without `cached`, what it would return had every
    /// clean folio been dropped before.
    pub fn content_now(&self, cached: bool) -> Content {
        let mut content = Content::default();
        let folios = self.mapping.peek(|pages| pages.all());
        let mut folios = folios.iter().peekable();
        for lblk in self.geometry.blocks_of(0, self.size_now()).iter() {
            let (lo, hi) = self.geometry.bytes_of(Blocks::one(lblk));
            let index = lblk / self.geometry.folio_blocks;
            while folios.next_if(|folio| folio.index < index).is_some() {}
            let folio = folios.peek().filter(|folio| folio.index == index);
            let in_cache = folio.is_some_and(|folio| {
                folio.with(|state| {
                    let block = *state.block(lblk);
                    let counts = block.uptodate && (cached || block.dirty);
                    if counts {
                        content.copy(lo, &state.bytes, lo, hi - lo);
                    }
                    counts
                })
            });
            if !in_cache {
                let bytes = match self.layer.place_of(lblk) {
                    Some((pblk, true)) => self.device.peek(pblk, lo),
                    _ => Content::default(),
                };
                content.copy(lo, &bytes, lo, hi - lo);
            }
        }
        content
    }
}

fn buffer_at_start(place: Option<(maprace_extent::Pblk, bool)>) -> crate::folio::Buffer {
    use crate::folio::Buffer;
    match place {
        None => Buffer::Delay,
        Some((pblk, true)) => Buffer::Mapped(pblk),
        Some((pblk, false)) => Buffer::Unwritten(pblk),
    }
}

/// The bytes `lo..hi` of the file, all in the folio at `index`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) index: u32,
    pub(crate) lo: u64,
    pub(crate) hi: u64,
}

impl Part {
    /// The part of it before byte `end`.
    pub(crate) fn before(self, end: u64) -> Option<Part> {
        (self.lo < end).then(|| Part { hi: self.hi.min(end), ..self })
    }
}

/// A `write(2)`: its name, its bytes, and where the copy from the user fails.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) id: u64,
    pub(crate) lo: u64,
    pub(crate) hi: u64,
    /// The bytes themselves, where somebody has them.
    pub(crate) bytes: Option<Content>,
    /// The first byte that cannot be read from the user.
    pub(crate) fails: Option<u64>,
    /// Where the file ended when the write began.
    pub(crate) old_size: u64,
}

impl Write {
    /// What can be copied of `part`.
    pub(crate) fn copied(&self, part: Part) -> Option<Part> {
        self.fails.map_or(Some(part), |fails| part.before(fails))
    }

    /// Where its byte for position `at` of the file comes from.
    pub(crate) fn origin(&self, at: u64) -> Origin {
        Origin::write(self.id, at - self.lo)
    }

    /// Puts its bytes for `lo..hi` of the file there.
    pub(crate) fn put(&self, into: &mut Content, lo: u64, hi: u64) {
        match &self.bytes {
            Some(bytes) => into.copy(lo, bytes, lo, hi - lo),
            None => into.set(lo, hi, self.origin(lo)),
        }
    }

    /// The same write to a file of `size` bytes, which `i_rwsem` keeps as it is.
    pub(crate) fn on(self, size: u64) -> Write {
        Write { old_size: size, ..self }
    }

    /// What `write(2)` returns after `pos`: a short count, or EFAULT when nothing was copied.
    pub(crate) fn short(&self, pos: u64) -> Result<(), Errno> {
        if pos > self.lo { Ok(()) } else { Err(Errno::Efault) }
    }
}
