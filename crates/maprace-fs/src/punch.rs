//! `fallocate(PUNCH_HOLE)`, and dropping a range of the page cache.

use crate::cache::{Place, Pte};
use crate::folio::{Buffer, FolioRef};
use crate::inode::Inode;
use crate::layer::Layer;
use crate::setup::Planted;
use crate::{Errno, Order};
use maprace_extent::{Blocks, Origin};
use maprace_runtime::{BitLock, Effect, Runtime, RwSem, Spin, Step};

static UNMAP: Step = Step::new("unmap_mapping_pages");
static ZERO: Step = Step::new("folio_zero_segment");
static MARK_INODE: Step = Step::new("ext4_mark_inode_dirty");

impl<L: Layer> Inode<L> {
    /// `ext4_punch_hole`, v6.8. Bytes beyond `i_size` are left out.
    ///
    /// # Divergence from Linux
    /// No journal: the range is removed in one hold of `i_data_sem`. The flush that comes first up to
    /// v6.14 is left out: it holds no lock, so what is dirtied behind it is as dirty as without it, and
    /// that is what a race needs. A scenario that wants it puts a `writeback` or `fsync` before.
    pub(crate) async fn punch_hole(&self, id: u32, lo: u64, hi: u64) -> Result<(), Errno> {
        let _i_rwsem = self.i_rwsem.down_write().await;
        let hi = hi.min(self.i_size().next_multiple_of(u64::from(self.geometry.block)));
        if lo >= hi {
            return Ok(());
        }
        let _invalidate = self.mapping.invalidate_lock.down_write().await;
        let blocks = self.geometry.whole_blocks_of(lo, hi);
        let drop_cache = self.truncate_pagecache_range(id, lo, hi, blocks);
        self.rt.call("truncate_pagecache_range", drop_cache).await;
        self.zero_partial_blocks(lo, hi, blocks).await;
        if !blocks.is_empty() {
            self.layer.remove(blocks).await;
        }
        let foot = || self.bytes(lo, hi, Effect::Write);
        self.truth.with(&MARK_INODE, foot, |truth| truth.end_hole(id)).await;
        Ok(())
    }

    /// `truncate_pagecache_range`: unmaps the range, then drops or clears folio after folio. What is
    /// true of the bytes changes when they are unmapped: no store comes after that.
    async fn truncate_pagecache_range(&self, id: u32, lo: u64, hi: u64, blocks: Blocks) {
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
                at.clone().for_each(|index| pages.lower_pte(index, Pte::None));
                self.truth.nested(|truth| truth.begin_hole(id, lo, hi));
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
        self.zero_bytes(folio, lo, hi, |state| {
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

    /// `folio_zero_segment` in a locked folio: `zero` changes the bytes `lo..hi` and what goes with them.
    async fn zero_bytes(
        &self,
        folio: &FolioRef<L::Rt>,
        lo: u64,
        hi: u64,
        zero: impl FnOnce(&mut crate::folio::FolioState),
    ) {
        let at = folio.index..folio.index + 1;
        let foot = || {
            self.bytes(lo, hi, Effect::Write).and(self.mapping.touch(Place::Tag, at, Effect::Write))
        };
        self.mapping
            .step(&ZERO, foot, |pages| {
                let dirty = folio.with(|state| {
                    zero(state);
                    state.is_dirty()
                });
                pages.tag_dirty(folio.index, dirty);
            })
            .await;
    }

    /// `ext4_zero_partial_blocks`: the ends of the range that do not fill a block.
    async fn zero_partial_blocks(&self, lo: u64, hi: u64, whole: Blocks) {
        let edges: Vec<u32> =
            self.geometry.blocks_of(lo, hi).iter().filter(|b| !whole.contains(*b)).collect();
        for lblk in edges {
            let (first, end) = self.geometry.bytes_of(Blocks::one(lblk));
            let zero = self.block_zero_page_range(lblk, lo.max(first), hi.min(end));
            self.rt.call("ext4_block_zero_page_range", zero).await;
        }
    }

    /// `__ext4_block_zero_page_range`: nothing to do where nothing is written; else reads the block if
    /// need be, zeroes, dirties.
    ///
    /// # Divergence from Linux
    /// It waits for writeback of the folio first and then looks the block up; the kernel goes by the
    /// buffer, which is mapped from the submission on, and zeroes under the I/O.
    async fn block_zero_page_range(&self, lblk: u32, lo: u64, hi: u64) {
        let folio = self.mapping.lock_folio(lblk / self.geometry.folio_blocks).await;
        folio.wait_writeback().await;
        let before = folio.with(|state| *state.block(lblk));
        if !before.dirty {
            let want = Blocks::one(lblk);
            let map = self.layer.look_up(want).await.assert_answers(want);
            if map.status != crate::Status::Mapped {
                return self.mapping.unlock_and_put(&folio).await;
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
        self.zero_bytes(&folio, from, to, also).await;
        self.mapping.unlock_and_put(&folio).await;
    }
}
