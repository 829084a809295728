//! Direct I/O into a part of an unwritten extent: split before the I/O, so that its end converts just
//! what was written.
//!
//! The extent is cut short first and what was cut off is put back as one of its own. Whoever reads the
//! leaf in between sees a hole there, and may cache it: row 12 of the known races.

use super::{Ext4, Found};
use crate::layer::Mapping;
use crate::{Errno, Status, Switch};
use maprace_extent::{Blocks, Extent, ExtentTree};
use maprace_runtime::{Runtime, RwSem};

impl<R: Runtime> Ext4<R> {
    /// `ext4_map_blocks` with IO_CREATE_EXT (`ext4_iomap_alloc`), v6.8: allocates unwritten, or splits
    /// what is unwritten.
    pub(super) async fn map_blocks_direct(&self, want: Blocks) -> Result<Mapping, Errno> {
        let (want, reserve) = match self.map_lookup(want).await {
            Found::Known(map) if map.status == Status::Mapped => return Ok(map),
            found => self.to_allocate(found),
        };
        let mut tree = self.i_data_sem.down_write().await;
        if let Some((blocks, extent)) = tree.lookup(want)
            && extent.unwritten
        {
            let split = self.split_extent(&mut tree, blocks);
            self.rt.call("ext4_split_convert_extents", split).await;
        }
        self.ext_map_create(&mut tree, want, reserve).await
    }

    /// `ext4_split_extent`: at the end of `blocks`, then at their beginning.
    async fn split_extent(&self, tree: &mut ExtentTree, blocks: Blocks) {
        let whole = tree.around(blocks.lo);
        self.split_extent_at(tree, Blocks::new(blocks.hi, whole.hi)).await;
        if whole.lo < blocks.lo {
            self.split_extent_at(tree, blocks).await;
        }
    }

    /// `ext4_split_extent_at`, v6.12: `rest` is cut off and put back.
    async fn split_extent_at(&self, tree: &mut ExtentTree, rest: Blocks) {
        if rest.is_empty() || self.protocol.knobs.split_nocache == Switch::On {
            return;
        }
        let cut: Vec<(Blocks, Extent)> = tree.extents(rest).collect();
        tree.remove(rest);
        self.cache_extents(tree, Some(rest)).await;
        for (blocks, extent) in cut {
            tree.insert(blocks, extent);
        }
    }
}
