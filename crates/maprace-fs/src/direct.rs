//! Direct I/O: `write(2)` with O_DIRECT, past the page cache.
//!
//! The page cache over the range is written out and dropped before, and dropped again after. Nothing
//! keeps a fault from bringing a folio back in between: that direct I/O and mapped stores do not mix is
//! documented, and the data checker sees it.

use crate::cache::Place;
use crate::check::Truth;
use crate::folio::FolioRef;
use crate::inode::{Inode, Write};
use crate::layer::{Layer, Mapping};
use crate::{Errno, Status};
use maprace_extent::{Blocks, Content};
use maprace_runtime::{BitLock, Effect, Runtime, RwSem, Spin};
use std::ops::Range;
use std::sync::Arc;

/// What dropping the page cache came to: `invalidate_inode_pages2_range`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Invalidated {
    /// Nothing is cached any more.
    All,
    /// EBUSY: something was dirtied meanwhile and stays.
    Busy,
}

type ReadHold<'a, R> = <<R as Runtime>::RwSem<()> as RwSem<R, ()>>::Read<'a>;
type WriteHold<'a, R> = <<R as Runtime>::RwSem<()> as RwSem<R, ()>>::Write<'a>;

/// The hold of `i_rwsem`: shared where every block is written already (an overwrite).
enum Held<'a, R: Runtime> {
    Shared(ReadHold<'a, R>),
    Exclusive(WriteHold<'a, R>),
}

impl<L: Layer> Inode<L> {
    /// `ext4_dio_write_iter` and `iomap_dio_rw`, v6.8. Where the page cache cannot be dropped it falls
    /// back to a buffered write, as the kernel does.
    ///
    /// # Divergence from Linux
    /// It waits for its I/O. An aligned write over unwritten blocks takes `i_rwsem` exclusively in every
    /// release; from v6.5 on the kernel takes it shared. The fallback is not written out at its end.
    pub(crate) async fn direct_write(self: &Arc<Self>, write: Write) -> Result<(), Errno> {
        let Write { lo, hi, .. } = &write;
        let (lo, hi) = (*lo, *hi);
        let block = u64::from(self.geometry.block);
        if !lo.is_multiple_of(block) || !hi.is_multiple_of(block) {
            return Err(Errno::Einval);
        }
        let blocks = self.geometry.blocks_of(lo, hi);
        let held = self.lock_for_direct(blocks, hi).await;
        let write = write.on(self.i_size());
        let at = self.folios_at(lo, hi);
        self.write_and_wait(at.clone()).await;
        if self.invalidate_inode_pages2_range(at.clone()).await == Invalidated::Busy {
            drop(held);
            return self.buffered_write(write).await;
        }
        let mut rest = blocks;
        while !rest.is_empty() {
            let map = self.rt.call("ext4_iomap_begin", self.map_direct(rest)).await?;
            self.submit_direct(&write, &map).await;
            rest.lo = map.blocks.hi;
        }
        self.invalidate_inode_pages2_range(at).await;
        self.grow(hi).await;
        self.end_change(write.id, lo, hi).await;
        Ok(())
    }

    /// `ext4_dio_write_checks` with `ext4_overwrite_io`: shared first, exclusive if it is no overwrite.
    async fn lock_for_direct(&self, blocks: Blocks, end: u64) -> Held<'_, L::Rt> {
        let shared = self.i_rwsem.down_read().await;
        if end <= self.i_size() && self.is_overwrite(blocks).await {
            return Held::Shared(shared);
        }
        drop(shared);
        Held::Exclusive(self.i_rwsem.down_write().await)
    }

    async fn is_overwrite(&self, blocks: Blocks) -> bool {
        let map = self.layer.look_up(blocks).await.assert_answers(blocks);
        map.status == Status::Mapped && map.blocks == blocks
    }

    /// `ext4_iomap_begin` of a direct write.
    async fn map_direct(&self, want: Blocks) -> Result<Mapping, Errno> {
        let map = self.layer.look_up(want).await.assert_answers(want);
        if map.status == Status::Mapped {
            return Ok(map);
        }
        let _handle = self.journal.start().await;
        let want = map.blocks;
        Ok(self.layer.allocate_for_direct(want).await?.assert_answers(want))
    }

    /// `iomap_dio_bio_iter` and its end, `ext4_dio_write_end_io`: the data, then the conversion.
    async fn submit_direct(&self, write: &Write, map: &Mapping) {
        let segment = |lblk| {
            let (lo, hi) = self.geometry.bytes_of(Blocks::one(lblk));
            let pblk = map.pblk_of(lblk).expect("direct I/O goes to a place");
            let mut bytes = Content::default();
            write.put(&mut bytes, lo, hi);
            (pblk, lo, bytes)
        };
        let segments: Vec<_> = map.blocks.iter().map(segment).collect();
        let (lo, hi) = self.geometry.bytes_of(map.blocks);
        let reaches = |truth: &mut Truth| {
            truth.begin_direct(write.id, write.lo, lo, hi);
        };
        let foot = self.bytes(lo, hi, Effect::Write);
        self.device.write_with(&segments, foot, || self.truth.nested(reaches)).await;
        if map.status == Status::Unwritten {
            let convert = async {
                let _handle = self.journal.start().await;
                self.layer.convert(map.blocks).await;
            };
            self.rt.call("ext4_dio_write_end_io", convert).await;
        }
    }

    /// `invalidate_inode_pages2_range`, `mm/truncate.c`, v6.8: unmaps and drops folio after folio, but for
    /// what is dirty.
    async fn invalidate_inode_pages2_range(&self, at: Range<u32>) -> Invalidated {
        let drop = async {
            let mut all = Invalidated::All;
            for folio in self.mapping.folios(at).await {
                if self.invalidate_folio(&folio).await == Invalidated::Busy {
                    all = Invalidated::Busy;
                }
            }
            all
        };
        self.rt.call("invalidate_inode_pages2_range", drop).await
    }

    async fn invalidate_folio(&self, folio: &FolioRef<L::Rt>) -> Invalidated {
        let test = || folio.writeback.touch(Effect::Test);
        if !self.mapping.lock(folio, test).await {
            self.mapping.unlock_and_put(folio).await;
            return Invalidated::All;
        }
        if folio.writeback.is_set() {
            folio.wait_writeback().await;
        }
        self.mapping.unmap(folio).await;
        let at = folio.index..folio.index + 1;
        let touch = |place| self.mapping.touch(place, at.clone(), Effect::Write);
        let foot = touch(Place::Slot).and(touch(Place::Tag)).and(touch(Place::Pte));
        let dirty = folio.with(|state| state.is_dirty());
        self.mapping
            .unlock_with(folio, foot, |pages| {
                pages.put(folio);
                if !dirty {
                    pages.remove(folio);
                }
            })
            .await;
        if dirty { Invalidated::Busy } else { Invalidated::All }
    }
}
