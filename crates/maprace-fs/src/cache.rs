//! `struct address_space`: the folios of the file, their references, tags and page table entries.
//!
//! Everything here is under the lock of the xarray or a page table lock, which are one cell in the
//! model; places in footprints tell them apart. Where cells nest, this one is the outermost, then come
//! `i_size`, what is true of the bytes, and the folio: threads would wait for each other otherwise.

mod sparse;

use crate::folio::{Folio, FolioRef, FolioState};
use crate::places::Kind;
pub(crate) use crate::places::Place;
use crate::setup::Geometry;
use maprace_extent::Blocks;
use maprace_runtime::{
    BitLock, Effect, Foot, Point, Runtime, RwSem, SemSteps, Spin, Step, Traced, sem_steps,
};
use sparse::{Sparse, Tags};
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

static INVALIDATE_LOCK: SemSteps = sem_steps!("invalidate_lock");
static GET: Step = Step::new("__filemap_get_folio");
static GET_TAG: Step = Step::new("filemap_get_folios_tag(DIRTY)");
static GET_WRITEBACK: Step = Step::new("filemap_get_folios_tag(WRITEBACK)");
static START_WRITEBACK: Step = Step::new("folio_start_writeback");
static END_WRITEBACK: Step = Step::new("folio_end_writeback");
static GET_RANGE: Step = Step::new("filemap_get_folios");
static LOCK: Step = Step::new("folio_lock");
static UNLOCK: Step = Step::new("folio_unlock");
static MARK_DIRTY: Step = Step::new("folio_mark_dirty");
static CLEAR_DIRTY: Step = Step::new("folio_clear_dirty_for_io");
static READ_PTE: Step = Step::new("pte_offset_map");
static SET_PTE: Step = Step::new("set_pte_range");
static UNMAP: Step = Step::new("unmap_mapping_folio");
static MKWRITE_PTE: Step = Step::new("finish_mkwrite_fault");

/// A page table entry.
///
/// # Divergence from Linux
/// There is one for each folio, not for each page, and one address space maps the file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Pte {
    /// Not present.
    #[default]
    None,
    /// Present, write-protected.
    ReadOnly,
    /// Present and writable.
    Writable,
}

struct Slot<R: Runtime> {
    folio: Arc<Folio<R>>,
    /// References beside the cache's own and the page table's.
    refs: u32,
}

/// How many folios the page cache has, and how many of them are tagged so.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Cached {
    /// All of them.
    pub folios: u32,
    /// Dirty ones.
    pub dirty: u32,
    /// Those under writeback.
    pub writeback: u32,
}

/// What the cell holds.
pub(crate) struct Pages<R: Runtime> {
    slots: Sparse<Option<Slot<R>>>,
    /// How many folios are there.
    count: u32,
    dirty: Tags,
    writeback: Tags,
    ptes: Sparse<Pte>,
}

impl<R: Runtime> Hash for Pages<R> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for (_, slot) in self.slots.all() {
            let key = slot.as_ref().map(|slot| {
                let index = slot.folio.index;
                let tags = (self.dirty.is_set(index), self.writeback.is_set(index));
                (slot.folio.lock.identity(), slot.refs, tags)
            });
            key.hash(state);
        }
        self.ptes.hash(state);
    }
}

/// Slots are compared with an empty one only.
impl<R: Runtime> PartialEq for Slot<R> {
    fn eq(&self, other: &Slot<R>) -> bool {
        Arc::ptr_eq(&self.folio, &other.folio)
    }
}

impl<R: Runtime> Pages<R> {
    fn slot(&mut self, index: u32) -> Option<&mut Slot<R>> {
        self.slots.get_mut(index)?.as_mut()
    }

    fn is_here(&mut self, folio: &FolioRef<R>) -> bool {
        self.slot(folio.index).is_some_and(|slot| Arc::ptr_eq(&slot.folio, &folio.0))
    }

    /// `folio_put`.
    pub(crate) fn put(&mut self, folio: &FolioRef<R>) {
        if self.is_here(folio)
            && let Some(slot) = self.slot(folio.index)
        {
            slot.refs = slot.refs.saturating_sub(1);
        }
    }

    fn take(&mut self, index: u32) -> Option<FolioRef<R>> {
        self.slot(index).map(|slot| {
            slot.refs += 1;
            FolioRef(slot.folio.clone())
        })
    }

    /// The entry of the folio at `index`.
    pub(crate) fn pte(&mut self, index: u32) -> &mut Pte {
        self.ptes.or_default(index)
    }

    /// The folio at `index`, without a reference.
    pub(crate) fn folio(&mut self, index: u32) -> Option<FolioRef<R>> {
        self.slot(index).map(|slot| FolioRef(slot.folio.clone()))
    }

    /// Write-protects or unmaps `index`.
    pub(crate) fn lower_pte(&mut self, index: u32, most: Pte) {
        self.lower_ptes(index..index + 1, most);
    }

    /// Write-protects or unmaps what is mapped among `at`.
    pub(crate) fn lower_ptes(&mut self, at: Range<u32>, most: Pte) {
        self.ptes.change(at, |pte| {
            *pte = match (*pte, most) {
                (Pte::None, _) | (_, Pte::None) => Pte::None,
                _ => Pte::ReadOnly,
            };
        });
    }

    /// Tags the folio dirty or clean.
    pub(crate) fn tag_dirty(&mut self, index: u32, dirty: bool) {
        if self.slot(index).is_some() {
            self.dirty.set(index, dirty);
        }
    }

    /// Tags the folio as under writeback or not.
    fn tag_writeback(&mut self, folio: &FolioRef<R>, writeback: bool) {
        if self.is_here(folio) {
            self.writeback.set(folio.index, writeback);
        }
    }

    /// `__filemap_remove_folio`.
    pub(crate) fn remove(&mut self, folio: &FolioRef<R>) {
        if self.is_here(folio) {
            self.slots.clear(folio.index);
            self.count -= 1;
            self.dirty.set(folio.index, false);
            self.writeback.set(folio.index, false);
        }
        folio.with(|state| state.in_cache = false);
        self.lower_pte(folio.index, Pte::None);
    }

    /// Whether only the cache holds the folio.
    pub(crate) fn is_unreferenced(&mut self, folio: &FolioRef<R>) -> bool {
        self.is_here(folio) && self.slot(folio.index).is_some_and(|slot| slot.refs == 0)
    }

    /// All folios that are there.
    pub(crate) fn all(&self) -> Vec<Arc<Folio<R>>> {
        self.slots.all().filter_map(|(_, slot)| Some(slot.as_ref()?.folio.clone())).collect()
    }

    /// The folios among `at`, without references.
    pub(crate) fn among(&self, at: Range<u32>) -> impl Iterator<Item = FolioRef<R>> {
        self.slots.range(at).filter_map(|(_, slot)| Some(FolioRef(slot.as_ref()?.folio.clone())))
    }

    /// Those of them that are not dirty.
    pub(crate) fn clean_among(&self, at: Range<u32>) -> impl Iterator<Item = FolioRef<R>> {
        self.among(at).filter(|folio| !self.dirty.is_set(folio.index))
    }

    /// How much is there.
    pub(crate) fn amounts(&self) -> Cached {
        let (folios, dirty) = (self.count, self.dirty.count());
        Cached { folios, dirty, writeback: self.writeback.count() }
    }

    /// One past the folio with which `most` dirty ones from `from` on are found; `None` if there is none.
    pub(crate) fn end_of_dirty(&self, from: u32, most: usize) -> Option<u32> {
        self.dirty.among(from..u32::MAX).take(most).last().map(|index| index + 1)
    }
}

/// `struct address_space` with its page tables.
pub(crate) struct AddressSpace<R: Runtime> {
    rt: R,
    geometry: Geometry,
    pub(crate) invalidate_lock: R::RwSem<()>,
    i_pages: R::Spin<Pages<R>>,
}

impl<R: Runtime> AddressSpace<R> {
    pub(crate) fn new(rt: &R, geometry: Geometry) -> AddressSpace<R> {
        AddressSpace {
            rt: rt.clone(),
            geometry,
            invalidate_lock: RwSem::new(rt, Kind::InvalidateLock.key(), &INVALIDATE_LOCK, ()),
            i_pages: Spin::new(
                rt,
                Kind::IPages.key(),
                Pages {
                    slots: Sparse::default(),
                    count: 0,
                    dirty: Tags::default(),
                    writeback: Tags::default(),
                    ptes: Sparse::default(),
                },
            ),
        }
    }

    /// The footprint of touching `place` of folios `at` in a way.
    pub(crate) fn touch(&self, place: Place, at: Range<u32>, effect: Effect) -> Foot {
        let range = place.range(at);
        Foot::at(self.i_pages.object(), range.start, range.end, effect)
    }

    fn at(&self, place: Place, index: u32, effect: Effect) -> Foot {
        self.touch(place, index..index + 1, effect)
    }

    /// A section of this cell inside another step, whose footprint covers it.
    pub(crate) fn nested<O>(&self, section: impl FnOnce(&mut Pages<R>) -> O) -> O {
        self.i_pages.nested(section)
    }

    /// One step on the folios and entries.
    pub(crate) async fn step<O: Hash>(
        &self,
        step: &'static Step,
        foot: impl FnOnce() -> Foot,
        section: impl FnOnce(&mut Pages<R>) -> O,
    ) -> O {
        self.i_pages.with(step, foot, section).await
    }

    /// Looks at the cell; not a step.
    pub(crate) fn peek<O>(&self, look: impl FnOnce(&Pages<R>) -> O) -> O {
        self.i_pages.peek(look)
    }

    /// `__filemap_get_folio(.., FGP_CREAT)`: finds it or puts a new one there, with a reference.
    ///
    /// # Divergence from Linux
    /// A new folio is not locked yet, so that creating what another task creates at the same time
    /// commutes; whoever locks it first finds it not uptodate, as after the other order.
    pub(crate) async fn get_folio(&self, index: u32) -> FolioRef<R> {
        let foot = || {
            self.at(Place::Slot, index, Effect::Add).and(self.at(Place::Refs, index, Effect::Add))
        };
        self.step(&GET, foot, |pages| self.get_or_add(pages, index)).await
    }

    /// The same, inside another step.
    pub(crate) fn get_or_add(&self, pages: &mut Pages<R>, index: u32) -> FolioRef<R> {
        let slot = pages.slots.or_default(index);
        if slot.is_none() {
            let folio = Folio::new(&self.rt, index, self.geometry.blocks_in(index));
            *slot = Some(Slot { folio, refs: 0 });
            pages.count += 1;
        }
        pages.take(index).expect("it was put there if it was not")
    }

    /// The folio at `index` if it is there, with a reference; inside a step of the caller.
    pub(crate) fn find(&self, pages: &mut Pages<R>, index: u32) -> Option<FolioRef<R>> {
        pages.take(index)
    }

    /// `folio_lock`, touching `also` in the step; then whether it is still in the cache.
    pub(crate) async fn lock(&self, folio: &FolioRef<R>, also: impl FnOnce() -> Foot) -> bool {
        folio.lock.lock(&LOCK, also, || folio.with(|state| state.in_cache)).await
    }

    /// Gets and locks the folio at `index`, again if it was truncated meanwhile.
    pub(crate) async fn lock_folio(&self, index: u32) -> FolioRef<R> {
        loop {
            let folio = self.get_folio(index).await;
            if self.lock(&folio, || Foot::NONE).await {
                return folio;
            }
            self.unlock_and_put(&folio).await;
        }
    }

    /// `folio_unlock` and `folio_put`.
    pub(crate) async fn unlock_and_put(&self, folio: &FolioRef<R>) {
        self.unlock_with(folio, Foot::NONE, |pages| pages.put(folio)).await;
    }

    /// `folio_unlock`; the reference is kept.
    pub(crate) async fn unlock(&self, folio: &FolioRef<R>) {
        folio.lock.unlock(&UNLOCK, || Foot::NONE, || ()).await;
    }

    /// `folio_unlock` in one step with `section`, which drops the reference or the folio.
    pub(crate) async fn unlock_with(
        &self,
        folio: &FolioRef<R>,
        also: Foot,
        section: impl FnOnce(&mut Pages<R>),
    ) {
        let foot = || self.at(Place::Refs, folio.index, Effect::Add).and(also);
        folio.lock.unlock(&UNLOCK, foot, || self.nested(section)).await;
    }

    /// `folio_mark_dirty` for some blocks of a locked folio.
    pub(crate) async fn mark_dirty(&self, folio: &FolioRef<R>, blocks: Blocks) {
        let foot = || self.at(Place::Tag, folio.index, Effect::Write);
        self.step(&MARK_DIRTY, foot, |pages| {
            folio.with(|state| blocks.iter().for_each(|b| state.block(b).dirty = true));
            pages.tag_dirty(folio.index, true);
            self.trace_dirtied(blocks);
        })
        .await;
    }

    /// `trace_folio_mark_dirty`, inside the step that does.
    pub(crate) fn trace_dirtied(&self, blocks: Blocks) {
        let (point, Blocks { lo, hi }) = (Point::Dirtied, blocks);
        self.rt.tracepoint(|| Traced { point, lo, hi });
    }

    /// `folio_clear_dirty_for_io` of a locked folio: write-protects it and takes its dirty blocks.
    pub(crate) async fn clear_dirty_for_io(&self, folio: &FolioRef<R>) -> Vec<u32> {
        let index = folio.index;
        let foot = || {
            self.at(Place::Tag, index, Effect::Write).and(self.at(Place::Pte, index, Effect::Write))
        };
        self.step(&CLEAR_DIRTY, foot, |pages| {
            pages.lower_pte(index, Pte::ReadOnly);
            pages.tag_dirty(index, false);
            folio.with(|state| {
                let dirty = state.dirty();
                dirty.iter().for_each(|b| state.block(*b).dirty = false);
                dirty
            })
        })
        .await
    }

    /// `filemap_get_folios_tag(PAGECACHE_TAG_DIRTY)`: what is dirty among `at`, with references.
    ///
    /// # Divergence from Linux
    /// It finds all of them at once; the kernel fills a batch of at most 15, and looks again after it.
    pub(crate) async fn dirty_folios(&self, at: Range<u32>) -> Vec<FolioRef<R>> {
        let foot = || {
            self.touch(Place::Tag, at.clone(), Effect::Read).and(self.touch(
                Place::Refs,
                at.clone(),
                Effect::Add,
            ))
        };
        self.step(&GET_TAG, foot, |pages| {
            let dirty: Vec<u32> = pages.dirty.among(at.clone()).collect();
            dirty.into_iter().filter_map(|i| pages.take(i)).collect()
        })
        .await
    }

    /// `folio_start_writeback`; the bytes are taken here. Stores through a mapping cannot come before
    /// another `page_mkwrite`, since the folio was write-protected when its dirty state was cleared.
    pub(crate) async fn start_writeback<O: Hash>(
        &self,
        folio: &FolioRef<R>,
        bytes: Foot,
        take: impl FnOnce(&mut FolioState) -> O,
    ) -> O {
        let foot = || {
            let bit = folio.writeback.touch(Effect::Exclusive).and(bytes);
            bit.and(self.at(Place::Writeback, folio.index, Effect::Write))
        };
        self.step(&START_WRITEBACK, foot, |pages| {
            folio.writeback.set();
            pages.tag_writeback(folio, true);
            folio.with(take)
        })
        .await
    }

    /// `folio_end_writeback`.
    pub(crate) async fn end_writeback(&self, folio: &FolioRef<R>) {
        let foot = || self.at(Place::Writeback, folio.index, Effect::Write);
        let untag = || self.nested(|pages| pages.tag_writeback(folio, false));
        folio.writeback.unlock(&END_WRITEBACK, foot, untag).await;
    }

    /// `__filemap_fdatawait_range`: waits for what is under writeback among `at`. No references are
    /// taken: nobody frees a folio under writeback, and nothing of it is looked at afterwards.
    pub(crate) async fn wait_for_writeback(&self, at: Range<u32>) {
        let foot = || self.touch(Place::Writeback, at.clone(), Effect::Read);
        let busy: Vec<FolioRef<R>> = self
            .step(&GET_WRITEBACK, foot, |pages| {
                let busy: Vec<u32> = pages.writeback.among(at.clone()).collect();
                busy.into_iter().filter_map(|i| pages.folio(i)).collect()
            })
            .await;
        for folio in busy {
            folio.wait_writeback().await;
        }
    }

    /// `filemap_get_folios`: what is there among `at`, with references.
    pub(crate) async fn folios(&self, at: Range<u32>) -> Vec<FolioRef<R>> {
        let foot = || {
            self.touch(Place::Slot, at.clone(), Effect::Read).and(self.touch(
                Place::Refs,
                at.clone(),
                Effect::Add,
            ))
        };
        self.step(&GET_RANGE, foot, |pages| {
            let found: Vec<_> = pages.among(at.clone()).collect();
            found.iter().filter_map(|folio| pages.take(folio.index)).collect()
        })
        .await
    }

    /// Reads the page table entry of `index`; with the folio behind it and a reference, if present.
    pub(crate) async fn read_pte(&self, index: u32) -> (Pte, Option<FolioRef<R>>) {
        let foot = || {
            self.at(Place::Pte, index, Effect::Read).and(self.at(Place::Refs, index, Effect::Add))
        };
        self.step(&READ_PTE, foot, |pages| {
            let pte = *pages.pte(index);
            (pte, if pte == Pte::ReadOnly { pages.take(index) } else { None })
        })
        .await
    }

    /// `set_pte_range`: makes the locked folio readable through the mapping.
    pub(crate) async fn set_pte(&self, folio: &FolioRef<R>) {
        let foot = || self.at(Place::Pte, folio.index, Effect::Write);
        self.step(&SET_PTE, foot, |pages| {
            if *pages.pte(folio.index) == Pte::None {
                *pages.pte(folio.index) = Pte::ReadOnly;
            }
        })
        .await;
    }

    /// `unmap_mapping_folio`: nobody reaches the locked folio through the mapping any more.
    pub(crate) async fn unmap(&self, folio: &FolioRef<R>) {
        let foot = || self.at(Place::Pte, folio.index, Effect::Write);
        self.step(&UNMAP, foot, |pages| pages.lower_pte(folio.index, Pte::None)).await;
    }

    /// `finish_mkwrite_fault`: makes the locked folio writable, unless its entry has gone meanwhile.
    pub(crate) async fn make_pte_writable(&self, folio: &FolioRef<R>) {
        let foot = || self.at(Place::Pte, folio.index, Effect::Write);
        self.step(&MKWRITE_PTE, foot, |pages| {
            if *pages.pte(folio.index) == Pte::ReadOnly {
                *pages.pte(folio.index) = Pte::Writable;
            }
        })
        .await;
    }
}
