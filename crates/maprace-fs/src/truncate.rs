//! `truncate(2)`, both ways.

use crate::inode::Inode;
use crate::layer::{Layer, Removal};
use crate::{Errno, Order};
use maprace_extent::Blocks;
use maprace_runtime::{Runtime, RwSem};

impl<L: Layer> Inode<L> {
    /// `ext4_setattr` with ATTR_SIZE, v6.8: `i_rwsem` and `invalidate_lock` exclusive, then `i_size`, then
    /// the page cache, then the blocks.
    pub(crate) async fn truncate(&self, size: u64) -> Result<(), Errno> {
        let _i_rwsem = self.i_rwsem.down_write().await;
        let old = self.i_size();
        let _invalidate = self.mapping.invalidate_lock.down_write().await;
        if size != old {
            let _handle = self.journal.start().await;
            self.set_size(size).await;
        }
        if size > old {
            self.pagecache_isize_extended(old, size).await;
        }
        let beyond = Blocks::new(self.geometry.blocks_of(0, size).hi, self.farthest);
        let folio = self.geometry.folio();
        let (from, far) = (size.next_multiple_of(folio), self.far_pos().next_multiple_of(folio));
        self.truncate_pagecache_range(from.min(far), far, beyond, |_| ()).await;
        if size <= old {
            self.rt.call("ext4_truncate", self.ext4_truncate(size, beyond)).await;
        }
        Ok(())
    }

    /// `ext4_truncate`, v6.8: zeroes the rest of the last block, then takes what is past it away. The
    /// transaction starts where its order has it.
    async fn ext4_truncate(&self, size: u64, beyond: Blocks) {
        let end = size.next_multiple_of(u64::from(self.geometry.block));
        let tail = (size < end).then(|| self.geometry.blocks_of(size, end).lo);
        let zero = async {
            if let Some(lblk) = tail {
                let zero = self.block_zero_page_range(lblk, size, end);
                self.rt.call("ext4_block_truncate_page", zero).await;
            }
        };
        let mut handle = match self.order {
            Order::BufferHead => {
                let handle = self.journal.start().await;
                zero.await;
                handle
            }
            Order::Iomap => {
                zero.await;
                self.journal.start().await
            }
        };
        self.layer.remove(&mut handle, beyond, Removal::Truncate).await;
    }
}
