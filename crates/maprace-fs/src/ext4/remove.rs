//! Taking blocks away: punch hole, truncate, unused delalloc, the end of the inode. `i_data_sem`
//! exclusive, dropped in the middle when the transaction has no credits left: W5.

use super::{EVERYTHING, Ext4, TreeGuard};
use crate::journal::Handle;
use crate::layer::Removal;
use crate::setup::Planted;
use maprace_extent::{Blocks, EsEntry, EsStatus, Extent};
use maprace_runtime::{Runtime, RwSem};

impl<R: Runtime> Ext4<R> {
    /// The part of `ext4_punch_hole` and `ext4_ext_truncate` under `i_data_sem`: status tree, then
    /// extent tree; from v6.8 on a HOLE is entered for what was punched.
    pub(super) async fn remove_space(
        &self,
        handle: &mut Handle<'_, R>,
        blocks: Blocks,
        why: Removal,
    ) {
        let tree = self.i_data_sem.down_write().await;
        self.es_remove_extent(blocks).await;
        let remove = self.ext_remove_space(tree, handle, blocks);
        let _tree = self.rt.call("ext4_ext_remove_space", remove).await;
        if why == Removal::Punch && !self.is_first_era() {
            self.es_insert(blocks, EsEntry::bare(EsStatus::Hole), false).await;
        }
    }

    /// `ext4_ext_remove_space`: extent after extent, the last one first.
    pub(super) async fn ext_remove_space<'a>(
        &'a self,
        mut tree: TreeGuard<'a, R>,
        handle: &mut Handle<'_, R>,
        blocks: Blocks,
    ) -> TreeGuard<'a, R> {
        if self.has(Planted::PunchLeavesExtents) {
            let left: Vec<(Blocks, Extent)> = tree.extents(blocks).collect();
            for (piece, extent) in left {
                self.free_blocks(extent.pblk.0, piece.len()).await;
            }
            return tree;
        }
        loop {
            let Some((piece, extent)) = tree.last(blocks) else { return tree };
            if !handle.take_credit() {
                tree = self.restart(tree, handle).await;
                continue;
            }
            tree.remove(piece);
            self.free_clusters(&tree, piece, extent).await;
        }
    }

    /// `ext4_datasem_ensure_credits` and `ext4_ext_trunc_restart_fn`, v6.8: `i_data_sem` is dropped while
    /// the transaction is restarted, since a commit may have to wait for somebody who wants it.
    pub(super) async fn restart<'a>(
        &'a self,
        tree: TreeGuard<'a, R>,
        handle: &mut Handle<'_, R>,
    ) -> TreeGuard<'a, R> {
        let again = async {
            drop(tree);
            handle.restart().await;
            self.i_data_sem.down_write().await
        };
        self.rt.call("ext4_datasem_ensure_credits", again).await
    }

    /// `ext4_es_remove_extent`: in every era it releases the delayed blocks it removes.
    pub(super) async fn es_remove_extent(&self, blocks: Blocks) {
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
