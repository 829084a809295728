//! `fallocate(COLLAPSE_RANGE)` and `fallocate(INSERT_RANGE)`: what follows moves down or up.

use crate::Errno;
use crate::inode::Inode;
use crate::knobs::Flush;
use crate::layer::Layer;
use maprace_extent::Blocks;
use maprace_runtime::{Effect, RwSem, Spin, Step};
use std::sync::Arc;

static UNDO: Step = Step::new("ext4_std_error");

impl<L: Layer> Inode<L> {
    /// Collapse and insert range work on whole clusters.
    fn is_aligned(&self, lo: u64, hi: u64) -> bool {
        let cluster = u64::from(self.geometry.block) * u64::from(self.geometry.cluster_blocks);
        lo.is_multiple_of(cluster) && hi.is_multiple_of(cluster)
    }

    /// `filemap_write_and_wait_range` from the folio of byte `lo` on.
    async fn flush_from(self: &Arc<Self>, lo: u64) {
        let first = self.folios_at(lo, lo + 1).start;
        self.write_and_wait(first..self.all_folios().end.max(first)).await;
    }

    /// What collapse flushes: the folio of `lo`, whose end is inclusive, and all from `hi` on. What it
    /// takes away it need not write.
    async fn flush_around(self: &Arc<Self>, lo: u64, hi: u64) {
        self.write_and_wait(self.folios_at(lo, lo + 1)).await;
        self.flush_from(hi).await;
    }

    /// `ext4_collapse_range`, v6.8. Before 32ebffd3bbb4 it flushed under no lock.
    pub(crate) async fn collapse_range(
        self: &Arc<Self>,
        id: u64,
        lo: u64,
        hi: u64,
    ) -> Result<(), Errno> {
        if !self.is_aligned(lo, hi) {
            return Err(Errno::Einval);
        }
        if self.knobs.flush == Flush::Unlocked {
            self.flush_from(lo).await;
        }
        let _i_rwsem = self.i_rwsem.down_write().await;
        let size = self.i_size();
        if hi >= size {
            return Err(Errno::Einval);
        }
        let _invalidate = self.mapping.invalidate_lock.down_write().await;
        if self.knobs.flush == Flush::Locked {
            self.flush_around(lo, hi).await;
        }
        self.drop_from(lo, |truth| truth.begin_collapse(id, lo, hi, size)).await;
        let mut handle = self.journal.start().await;
        let gone = self.geometry.blocks_of(lo, hi);
        let done = self.layer.collapse(&mut handle, gone).await;
        if done.is_ok() {
            self.set_size(size - (hi - lo)).await;
        }
        self.end_move(id, lo, done).await
    }

    /// `ext4_insert_range`, v6.8: `i_size` grows before the extents move.
    pub(crate) async fn insert_range(
        self: &Arc<Self>,
        id: u64,
        lo: u64,
        hi: u64,
    ) -> Result<(), Errno> {
        if !self.is_aligned(lo, hi) {
            return Err(Errno::Einval);
        }
        if self.knobs.flush == Flush::Unlocked {
            self.flush_from(lo).await;
        }
        let _i_rwsem = self.i_rwsem.down_write().await;
        let size = self.i_size();
        if lo >= size {
            return Err(Errno::Einval);
        }
        let _invalidate = self.mapping.invalidate_lock.down_write().await;
        if self.knobs.flush == Flush::Locked {
            self.flush_from(lo).await;
        }
        self.drop_from(lo, |truth| truth.begin_insert(id, lo, hi - lo, size)).await;
        let mut handle = self.journal.start().await;
        self.set_size(size + (hi - lo)).await;
        let room = self.geometry.blocks_of(lo, hi);
        let done = self.layer.make_room(&mut handle, room).await;
        self.end_move(id, lo, done).await
    }

    /// `truncate_pagecache` from the folio of byte `lo` on.
    async fn drop_from(&self, lo: u64, change: impl FnOnce(&mut crate::check::Truth)) {
        let first = lo - lo % self.geometry.folio();
        let far = self.far_pos();
        let blocks = Blocks::new(self.geometry.blocks_of(0, first).hi, self.farthest);
        self.truncate_pagecache_range(first, far, blocks, change).await;
    }

    async fn end_move(&self, id: u64, lo: u64, done: Result<(), Errno>) -> Result<(), Errno> {
        let far = self.far_pos();
        if done.is_err() {
            let foot = || self.bytes(lo, far, Effect::Write);
            self.truth.with(&UNDO, foot, |truth| truth.undo_change(id)).await;
        } else {
            self.end_change(id, lo, far).await;
        }
        done
    }
}
