//! `fallocate` mode 0: `i_rwsem`, and neither `invalidate_lock` nor a folio lock, to this day.

use crate::inode::Inode;
use crate::layer::Layer;
use crate::{Errno, Switch};
use maprace_extent::Blocks;
use maprace_runtime::{Runtime, RwSem};

impl<L: Layer> Inode<L> {
    /// `ext4_fallocate`, mode 0, v5.10 to v6.19.
    ///
    /// # Divergence from Linux
    /// `i_size` grows once, when all is allocated; the kernel moves it with each extent.
    pub(crate) async fn fallocate(&self, lo: u64, hi: u64) -> Result<(), Errno> {
        let _i_rwsem = self.i_rwsem.down_write().await;
        let _invalidate = match self.knobs.fallocate_takes_invalidate_lock {
            Switch::On => Some(self.mapping.invalidate_lock.down_write().await),
            Switch::Off => None,
        };
        let blocks = self.geometry.blocks_of(lo, hi);
        let allocate = async {
            self.alloc_file_blocks(blocks).await?;
            self.grow(hi).await;
            Ok(())
        };
        self.rt.call("ext4_alloc_file_blocks", allocate).await
    }

    /// `ext4_alloc_file_blocks`: one extent a turn, each in a transaction of its own.
    ///
    /// # Divergence from Linux
    /// An extent may have any length, not 32767 blocks.
    pub(crate) async fn alloc_file_blocks(&self, blocks: Blocks) -> Result<(), Errno> {
        let mut rest = blocks;
        while !rest.is_empty() {
            let _handle = self.journal.start().await;
            let map = self.layer.allocate(rest).await?.assert_answers(rest);
            rest.lo = map.blocks.hi;
        }
        Ok(())
    }
}
