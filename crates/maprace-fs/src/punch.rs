//! `fallocate(PUNCH_HOLE)`.

use crate::Errno;
use crate::Order;
use crate::inode::Inode;
use crate::journal::Handle;
use crate::layer::{Layer, Removal};
use crate::setup::Planted;
use maprace_runtime::{Effect, RwSem, Spin, Step};

static MARK_INODE: Step = Step::new("ext4_mark_inode_dirty");

impl<L: Layer> Inode<L> {
    /// `ext4_punch_hole`, v6.8. Bytes beyond `i_size` are left out.
    ///
    /// # Divergence from Linux
    /// The flush that comes first up to v6.14 is left out: it holds no lock, so what is dirtied behind it
    /// is as dirty as without it, and that is what a race needs. A scenario that wants it puts a
    /// `writeback` or `fsync` before.
    pub(crate) async fn punch_hole(&self, id: u64, lo: u64, hi: u64) -> Result<(), Errno> {
        let inverted = match self.has(Planted::LocksInverted) {
            true => Some(self.mapping.invalidate_lock.down_write().await),
            false => None,
        };
        let _i_rwsem = self.i_rwsem.down_write().await;
        let hi = hi.min(self.i_size().next_multiple_of(u64::from(self.geometry.block)));
        if lo >= hi {
            return Ok(());
        }
        let _invalidate = match inverted {
            None => self.mapping.invalidate_lock.down_write().await,
            Some(held) => held,
        };
        let blocks = self.geometry.whole_blocks_of(lo, hi);
        self.truncate_pagecache_range(lo, hi, blocks, |truth| truth.begin_hole(id, lo, hi)).await;
        let mut handle = self.zero_edges_and_start(lo, hi).await;
        if !blocks.is_empty() {
            self.layer.remove(&mut handle, blocks, Removal::Punch).await;
        }
        self.end_change(id, lo, hi).await;
        Ok(())
    }

    /// `ext4_journal_start` and `ext4_zero_partial_blocks`, which locks folios: the transaction first in
    /// buffer_head order, after them in iomap order.
    pub(crate) async fn zero_edges_and_start(&self, lo: u64, hi: u64) -> Handle<'_, L::Rt> {
        let whole = self.geometry.whole_blocks_of(lo, hi);
        if self.order == Order::Iomap {
            self.zero_partial_blocks(lo, hi, whole).await;
            return self.journal.start().await;
        }
        let handle = self.journal.start().await;
        self.zero_partial_blocks(lo, hi, whole).await;
        handle
    }

    /// The end of an operation that changes the bytes `lo..hi`: nobody may see the old ones any more.
    pub(crate) async fn end_change(&self, id: u64, lo: u64, hi: u64) {
        let foot = || self.bytes(lo, hi, Effect::Write);
        self.truth.with(&MARK_INODE, foot, |truth| truth.end_change(id)).await;
    }
}
