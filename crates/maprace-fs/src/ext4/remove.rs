//! Taking blocks away: punch hole, unused delalloc, the end of the inode. `i_data_sem` exclusive.

use super::{EVERYTHING, Ext4};
use crate::setup::Planted;
use maprace_extent::{Blocks, EsEntry, EsStatus};
use maprace_runtime::{Runtime, RwSem};

impl<R: Runtime> Ext4<R> {
    /// The part of `ext4_punch_hole` under `i_data_sem`: status tree, then extent tree; from v6.8 on a
    /// HOLE is entered for what was punched.
    pub(super) async fn remove_space(&self, blocks: Blocks) {
        let mut tree = self.i_data_sem.down_write().await;
        self.es_remove_extent(blocks).await;
        let freed = if self.has(Planted::PunchLeavesExtents) {
            tree.extents(blocks).map(|(b, e)| (e.pblk, b.len())).collect()
        } else {
            tree.remove(blocks)
        };
        self.rt.call("ext4_ext_remove_space", self.free_blocks(freed)).await;
        if !self.is_first_era() {
            self.es_insert(blocks, EsEntry::bare(EsStatus::Hole), false).await;
        }
    }

    /// `ext4_es_remove_extent`: in every era it releases the delayed blocks it removes.
    async fn es_remove_extent(&self, blocks: Blocks) {
        let removed = self.es_remove(blocks).await;
        if removed > 0 && !self.has(Planted::RemovalKeepsReservation) {
            self.release(removed).await;
        }
    }

    /// `ext4_iomap_punch_delalloc` of the posted series.
    pub(super) async fn release_delayed(&self, blocks: Blocks) {
        let _tree = self.i_data_sem.down_write().await;
        self.es_remove_extent(blocks).await;
    }

    /// `ext4_clear_inode`: the whole status tree goes, with what it had delayed.
    pub(super) async fn clear_inode(&self) -> u32 {
        self.es_remove_extent(EVERYTHING).await;
        self.reserved()
    }
}
