//! Dropping a range of the page cache, and zeroing what of it fills no block: `mm/truncate.c` and the
//! parts of `fs/ext4/inode.c` that go with it.

use crate::cache::{Place, Pte};
use crate::check::Truth;
use crate::folio::{Buffer, FolioRef};
use crate::inode::Inode;
use crate::layer::Layer;
use crate::setup::Planted;
use crate::{Order, Status, Switch};
use maprace_extent::{Blocks, Origin};
use maprace_runtime::{BitLock, Effect, Runtime, Spin, Step};

static UNMAP: Step = Step::new("unmap_mapping_pages");
static ZERO: Step = Step::new("folio_zero_segment");
static TRUST: Step = Step::new("iomap_zero_iter");
static SEEK: Step = Step::new("mapping_seek_hole_data");

impl<L: Layer> Inode<L> {
    /// `truncate_pagecache_range`: unmaps the bytes `lo..hi`, then drops or clears folio after folio what
    /// lies in `blocks`. What is true of the bytes changes, as `change` says, when they are unmapped: no
    /// store comes after that.
    ///
    /// # Divergence from Linux
    /// Every folio that holds one of the bytes is unmapped, as from v6.14 on; before, only those that lie
    /// inside, so that with blocks smaller than a folio a writable entry survived at the edges.
    pub(crate) async fn truncate_pagecache_range(
        &self,
        lo: u64,
        hi: u64,
        blocks: Blocks,
        change: impl FnOnce(&mut Truth),
    ) {
        let drop = self.unmap_and_drop(lo, hi, blocks, change);
        self.rt.call("truncate_pagecache_range", drop).await;
    }

    async fn unmap_and_drop(
        &self,
        lo: u64,
        hi: u64,
        blocks: Blocks,
        change: impl FnOnce(&mut Truth),
    ) {
        let at = self.folios_at(lo, hi);
        let foot = || {
            self.bytes(lo, hi, Effect::Write).and(self.mapping.touch(
                Place::Pte,
                at.clone(),
                Effect::Write,
            ))
        };
        self.mapping
            .step(&UNMAP, foot, |pages| {
                pages.lower_ptes(at.clone(), Pte::None);
                self.truth.nested(change);
            })
            .await;
        if blocks.is_empty() {
            return;
        }
        for folio in self.mapping.folios(self.geometry.folios_of(blocks)).await {
            self.truncate_folio(&folio, blocks).await;
        }
    }

    /// `truncate_inode_partial_folio` or `truncate_inode_folio`: what lies in `blocks` goes.
    async fn truncate_folio(&self, folio: &FolioRef<L::Rt>, blocks: Blocks) {
        let test = || folio.writeback.touch(Effect::Test);
        if !self.mapping.lock(folio, test).await {
            return self.mapping.unlock_and_put(folio).await;
        }
        if folio.writeback.is_set() {
            folio.wait_writeback().await;
        }
        let whole = folio.with(|state| state.range());
        let gone = whole.within(blocks);
        if gone == whole {
            return self.remove_folio(folio).await;
        }
        let (lo, hi) = self.geometry.bytes_of(gone);
        let nothing = |_: &mut Truth| {};
        self.zero_bytes(folio, lo, hi, nothing, |state| {
            state.bytes.set(lo, hi, Origin::Zero);
            for lblk in gone.iter() {
                state.block(lblk).dirty = false;
                state.block(lblk).buffer = Buffer::None;
            }
        })
        .await;
        self.mapping.unlock_and_put(folio).await;
    }

    /// `__filemap_remove_folio` of a locked folio, with its unlock.
    pub(crate) async fn remove_folio(&self, folio: &FolioRef<L::Rt>) {
        if self.has(Planted::PunchKeepsDirty) {
            return self.mapping.unlock_and_put(folio).await;
        }
        let at = folio.index..folio.index + 1;
        let touch = |place| self.mapping.touch(place, at.clone(), Effect::Write);
        let foot = touch(Place::Slot).and(touch(Place::Tag)).and(touch(Place::Pte));
        self.mapping
            .unlock_with(folio, foot, |pages| {
                pages.put(folio);
                pages.remove(folio);
            })
            .await;
    }

    /// `folio_zero_segment` in a locked folio: `zero` changes the bytes `lo..hi` and what goes with them,
    /// `change` what is true of them.
    async fn zero_bytes(
        &self,
        folio: &FolioRef<L::Rt>,
        lo: u64,
        hi: u64,
        change: impl FnOnce(&mut Truth),
        zero: impl FnOnce(&mut crate::folio::FolioState),
    ) {
        let at = folio.index..folio.index + 1;
        let foot = || {
            self.bytes(lo, hi, Effect::Write).and(self.mapping.touch(Place::Tag, at, Effect::Write))
        };
        self.mapping
            .step(&ZERO, foot, |pages| {
                self.truth.nested(change);
                let dirty = folio.with(|state| {
                    zero(state);
                    state.is_dirty()
                });
                pages.tag_dirty(folio.index, dirty);
            })
            .await;
    }

    /// `ext4_zero_partial_blocks`: the ends of the range that do not fill a block.
    pub(crate) async fn zero_partial_blocks(&self, lo: u64, hi: u64, whole: Blocks) {
        let edges: Vec<u32> =
            self.geometry.blocks_of(lo, hi).iter().filter(|b| !whole.contains(*b)).collect();
        for lblk in edges {
            let (first, end) = self.geometry.bytes_of(Blocks::one(lblk));
            let zero = self.block_zero_page_range(lblk, lo.max(first), hi.min(end));
            self.rt.call("ext4_block_zero_page_range", zero).await;
        }
    }

    /// Whether `iomap_zero_iter` goes by the mapping alone, as before v6.12: what is unwritten reads as
    /// zero, be its folio dirty or not.
    fn zeroes_by_mapping(&self) -> bool {
        self.order == Order::Iomap && self.knobs.zero_looks_at_cache == Switch::Off
    }

    /// `__ext4_block_zero_page_range`: nothing to do where nothing is written; else reads the block if
    /// need be, zeroes, dirties.
    ///
    /// # Divergence from Linux
    /// It waits for writeback of the folio first and then looks the block up; the kernel goes by the
    /// buffer, which is mapped from the submission on, and zeroes under the I/O.
    pub(crate) async fn block_zero_page_range(&self, lblk: u32, lo: u64, hi: u64) {
        let folio = self.mapping.lock_folio(lblk / self.geometry.folio_blocks).await;
        folio.wait_writeback().await;
        let before = folio.with(|state| *state.block(lblk));
        if !before.dirty || self.zeroes_by_mapping() {
            let want = Blocks::one(lblk);
            let map = self.layer.look_up(want).await.assert_answers(want);
            let zeroes =
                map.status == Status::Mapped || before.dirty && map.status == Status::Delalloc;
            if !zeroes {
                return self.leave_as_zero(&folio, lo, hi).await;
            }
            if !before.uptodate {
                self.fill_from(&folio, lblk, map.pblk).await;
            }
            if self.order == Order::BufferHead {
                folio.with(|state| state.block(lblk).buffer = Buffer::of(&map, lblk));
            }
        }
        let (first, end) = self.geometry.bytes_of(Blocks::one(lblk));
        let (from, to) = if before.uptodate { (lo, hi) } else { (first, end) };
        let also = |state: &mut crate::folio::FolioState| {
            state.bytes.set(lo, hi, Origin::Zero);
            state.block(lblk).uptodate = true;
            state.block(lblk).dirty = true;
        };
        let zeroed = |truth: &mut Truth| truth.write(lo, hi, Origin::Zero);
        self.zero_bytes(&folio, from, to, zeroed, also).await;
        self.mapping.unlock_and_put(&folio).await;
    }

    /// Nothing is zeroed, as the mapping says that it reads as zero. Where that is trusted without a look
    /// at the page cache, it is what has to be true of the bytes.
    async fn leave_as_zero(&self, folio: &FolioRef<L::Rt>, lo: u64, hi: u64) {
        if self.zeroes_by_mapping() {
            let foot = || self.bytes(lo, hi, Effect::Write);
            let zeroed = |truth: &mut Truth| truth.write(lo, hi, Origin::Zero);
            self.truth.with(&TRUST, foot, zeroed).await;
        }
        self.mapping.unlock_and_put(folio).await;
    }

    /// `truncate_pagecache_range` of a failed write before v6.2: what is delayed over `blocks` and not
    /// used goes, whoever has dirtied it meanwhile.
    pub(crate) async fn drop_unused(&self, blocks: Blocks) {
        let (lo, hi) = self.geometry.bytes_of(blocks);
        self.truncate_pagecache_range(lo, hi, blocks, |_| ()).await;
    }

    /// `mapping_seek_hole_data` over the page cache: the dirty blocks among `blocks`.
    pub(crate) async fn dirty_in(&self, blocks: Blocks) -> Vec<u32> {
        let at = self.geometry.folios_of(blocks);
        let foot = || {
            let tags = self.mapping.touch(Place::Tag, at.clone(), Effect::Read);
            tags.and(self.mapping.touch(Place::Slot, at.clone(), Effect::Read))
        };
        self.mapping
            .step(&SEEK, foot, |pages| {
                let folios: Vec<_> = pages.among(at.clone()).collect();
                let dirty = folios.iter().flat_map(|folio| folio.with(|state| state.dirty()));
                dirty.filter(|lblk| blocks.contains(*lblk)).collect()
            })
            .await
    }
}
