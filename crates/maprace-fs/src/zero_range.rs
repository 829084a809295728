//! `fallocate(ZERO_RANGE)`, in both forms: up to v6.14 an unaligned end makes the whole range preallocated
//! before `invalidate_lock` is taken, where it is as open to a fault as mode 0; from v6.15 on all of it
//! is done under the lock.

use crate::check::Truth;
use crate::inode::Inode;
use crate::layer::Layer;
use crate::{Errno, ZeroRange};
use maprace_extent::Blocks;
use maprace_runtime::{Runtime, RwSem};

impl<L: Layer> Inode<L> {
    /// `ext4_zero_range`. The file grows to the end of the range.
    ///
    /// # Divergence from Linux
    /// The flush that comes first up to v6.14, under no lock, is left out, as for punch hole.
    pub(crate) async fn zero_range(&self, id: u64, lo: u64, hi: u64) -> Result<(), Errno> {
        match self.knobs.zero_range {
            ZeroRange::V5_10 => self.zero_range_v5_10(id, lo, hi).await,
            ZeroRange::V6_15 => self.zero_range_v6_15(id, lo, hi).await,
        }
    }

    /// v5.10 to v6.14. The edges are zeroed after `invalidate_lock` is dropped, so a store may come before
    /// or after that.
    async fn zero_range_v5_10(&self, id: u64, lo: u64, hi: u64) -> Result<(), Errno> {
        let _i_rwsem = self.i_rwsem.down_write().await;
        let (all, whole) = (self.geometry.blocks_of(lo, hi), self.geometry.whole_blocks_of(lo, hi));
        if all != whole {
            self.preallocate(all).await?;
        }
        if !whole.is_empty() {
            let _invalidate = self.mapping.invalidate_lock.down_write().await;
            let (first, end) = self.geometry.bytes_of(whole);
            let zeroed = |truth: &mut Truth| truth.begin_hole(id, first, end);
            self.truncate_pagecache_range(first, end, whole, zeroed).await;
            self.zero_or_end(id, whole).await?;
        }
        if all != whole {
            drop(self.zero_edges_and_start(lo, hi).await);
        }
        self.grow(hi).await;
        self.end_change(id, lo, hi).await;
        Ok(())
    }

    /// From v6.15 on.
    async fn zero_range_v6_15(&self, id: u64, lo: u64, hi: u64) -> Result<(), Errno> {
        let _i_rwsem = self.i_rwsem.down_write().await;
        let _invalidate = self.mapping.invalidate_lock.down_write().await;
        let (all, whole) = (self.geometry.blocks_of(lo, hi), self.geometry.whole_blocks_of(lo, hi));
        if all != whole {
            self.preallocate(all).await?;
        }
        let zeroed = |truth: &mut Truth| truth.begin_hole(id, lo, hi);
        self.truncate_pagecache_range(lo, hi, whole, zeroed).await;
        if !whole.is_empty() {
            self.zero_or_end(id, whole).await?;
        }
        if all != whole {
            drop(self.zero_edges_and_start(lo, hi).await);
        }
        self.grow(hi).await;
        self.end_change(id, lo, hi).await;
        Ok(())
    }

    async fn preallocate(&self, blocks: Blocks) -> Result<(), Errno> {
        self.rt.call("ext4_alloc_file_blocks", self.alloc_file_blocks(blocks)).await
    }

    /// Where no space is left the page cache has been dropped all the same, and the bytes with it.
    async fn zero_or_end(&self, id: u64, whole: Blocks) -> Result<(), Errno> {
        let done = self.zero_blocks(whole).await;
        if done.is_err() {
            let (lo, hi) = self.geometry.bytes_of(whole);
            self.end_change(id, lo, hi).await;
        }
        done
    }

    /// `ext4_alloc_file_blocks` with CONVERT_UNWRITTEN.
    async fn zero_blocks(&self, blocks: Blocks) -> Result<(), Errno> {
        let zero = async {
            let mut rest = blocks;
            while !rest.is_empty() {
                let _handle = self.journal.start().await;
                let map = self.layer.zero(rest).await?.assert_answers(rest);
                rest.lo = map.blocks.hi;
            }
            Ok(())
        };
        self.rt.call("ext4_alloc_file_blocks", zero).await
    }
}
