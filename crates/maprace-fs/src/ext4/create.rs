//! The allocating half of `ext4_map_blocks`, under `i_data_sem` exclusive, and the conversion.

use super::{EVERYTHING, Ext4, Found, entry_of, mapping_of};
use crate::layer::{Mapping, Status};
use crate::setup::Planted;
use crate::{Accounting, Errno, Switch};
use maprace_extent::{Blocks, EsEntry, EsStatus, Extent, ExtentTree};
use maprace_runtime::{Runtime, RwSem};

/// Who allocates: writeback reads leaves of the extent tree that nobody read before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    /// Somebody under `i_rwsem` or `invalidate_lock`.
    Locked,
    /// Writeback, under neither.
    Writeback,
}

impl<R: Runtime> Ext4<R> {
    /// `ext4_map_blocks` with CREATE, allocating unwritten. `buffer_delay`: the caller's buffer was
    /// delayed (`EXT4_GET_BLOCKS_DELALLOC_RESERVE`), which counts up to v6.11; from v6.12 on, what the
    /// look-up said counts.
    pub(super) async fn map_blocks_create(
        &self,
        want: Blocks,
        buffer_delay: bool,
        who: Who,
    ) -> Result<Mapping, Errno> {
        let found = self.map_lookup(want).await;
        let (want, delayed) = match found {
            Found::Known(map) if map.status == Status::Mapped => return Ok(map),
            Found::Known(map) => (map.blocks, map.status == Status::Delalloc),
            Found::Hole(hole) => (hole, false),
            Found::Miss => unreachable!("a query finds an extent or a hole"),
        };
        let reserve = match self.accounting() {
            Accounting::V5_10 => buffer_delay,
            Accounting::V6_12 => delayed,
        };
        let mut tree = self.i_data_sem.down_write().await;
        if who == Who::Writeback {
            self.read_leaf(&tree).await;
        }
        self.ext_map_create(&mut tree, want, reserve).await
    }

    /// What `ext4_find_extent` of writeback caches beside what it was asked for (up to v6.15). With
    /// `i_data_sem` held it is the truth, and stays so unless somebody else is half done with a change:
    /// where no transaction runs out of credits, nobody ever is.
    async fn read_leaf(&self, tree: &ExtentTree) {
        if self.protocol.knobs.writeback_nocache == Switch::Off && self.credits_run_out {
            self.cache_extents(tree, None).await;
        }
    }

    /// `ext4_map_blocks` with CREATE_UNWRIT_EXT and CONVERT_UNWRITTEN, `convert_initialized_extent`,
    /// v6.8: what is written becomes unwritten, what is a hole is allocated.
    pub(super) async fn map_blocks_zero(&self, want: Blocks) -> Result<Mapping, Errno> {
        let (want, reserve) = self.to_allocate(self.map_lookup(want).await);
        let mut tree = self.i_data_sem.down_write().await;
        match tree.lookup(want) {
            Some((blocks, extent)) if !extent.unwritten => {
                tree.unwrite(blocks);
                let extent = Extent { unwritten: true, ..extent };
                Ok(self.es_enter(blocks, extent, reserve, true).await)
            }
            _ => self.ext_map_create(&mut tree, want, reserve).await,
        }
    }

    /// What a look-up leaves to be allocated, and whether a reservation is used for it: from v6.12 on
    /// whoever allocates what the look-up found delayed uses what was reserved.
    pub(super) fn to_allocate(&self, found: Found) -> (Blocks, bool) {
        match found {
            Found::Known(map) => {
                let delayed = map.status == Status::Delalloc;
                (map.blocks, delayed && self.accounting() == Accounting::V6_12)
            }
            Found::Hole(hole) => (hole, false),
            Found::Miss => unreachable!("a query finds an extent or a hole"),
        }
    }

    /// `ext4_iomap_map_writeback_range` of the posted series: look-up and allocation in one exclusive
    /// hold, and whether the blocks were delayed is what the status tree says then.
    ///
    /// # Divergence from Linux
    /// No release has it. Under every accounting the delayed state is the status tree's, since iomap
    /// has no buffers to keep it in.
    pub(super) async fn map_writeback_range(&self, want: Blocks) -> Result<Mapping, Errno> {
        let mut tree = self.i_data_sem.down_write().await;
        let mut found = self.es_lookup(want).await;
        self.read_leaf(&tree).await;
        if found == Found::Miss {
            found = self.map_query_blocks(&tree, want).await;
        }
        match found {
            Found::Known(map) if map.status == Status::Delalloc => {
                self.ext_map_create(&mut tree, map.blocks, true).await
            }
            Found::Known(map) => Ok(map),
            Found::Hole(hole) => self.ext_map_create(&mut tree, hole.first(1), false).await,
            Found::Miss => unreachable!("a query finds an extent or a hole"),
        }
    }

    /// `ext4_ext_map_blocks` with CREATE and the status insertion after it: walks the extent tree
    /// again, so what was looked up before is never allocated twice.
    pub(super) async fn ext_map_create(
        &self,
        tree: &mut ExtentTree,
        want: Blocks,
        reserve: bool,
    ) -> Result<Mapping, Errno> {
        if let Some((blocks, extent)) = tree.lookup(want) {
            return Ok(self.es_enter(blocks, extent, reserve, false).await);
        }
        let gap = want.within(tree.gap(want.lo));
        let placed = self.place(tree, gap, reserve).await?;
        let (blocks, extent) = (placed.blocks, Extent { pblk: placed.pblk, unwritten: true });
        tree.insert(blocks, extent);
        if self.accounting() == Accounting::V5_10 && placed.clusters > 0 {
            self.settle_allocated(blocks, placed.clusters, reserve).await;
        }
        Ok(self.es_enter(blocks, extent, reserve, true).await)
    }

    /// Up to v6.11: allocating new clusters settles their reservations, and nothing else does.
    async fn settle_allocated(&self, blocks: Blocks, clusters: u32, reserve: bool) {
        if reserve {
            return self.settle(clusters, true).await;
        }
        let delayed = self.es_delayed_clu(blocks.clusters_around(self.ratio)).await;
        if delayed > 0 {
            self.settle(delayed, false).await;
        }
    }

    /// The `ext4_es_insert_extent` at the end of `ext4_map_blocks`. Up to v6.11 an unwritten extent is
    /// tagged delayed as a whole if any of its blocks was.
    pub(super) async fn es_enter(
        &self,
        blocks: Blocks,
        extent: Extent,
        reserve: bool,
        new: bool,
    ) -> Mapping {
        if new && self.has(Planted::AllocationLeavesEs) {
            return mapping_of(blocks, extent, new, 0);
        }
        let mut entry = entry_of(extent);
        let may_tag = self.accounting() == Accounting::V5_10 && !reserve && extent.unwritten;
        if may_tag && self.es_scan_delayed(blocks).await {
            entry.status = EsStatus::Unwritten { delayed: true };
        }
        let (displaced, cookie) = self.es_insert(blocks, entry, new).await;
        self.settle_displaced(displaced, reserve).await;
        mapping_of(blocks, extent, new, cookie)
    }

    /// `ext4_convert_unwritten_extents`: the data is on the medium, so the blocks may be read.
    ///
    /// # Divergence from Linux
    /// The look-up of `ext4_map_blocks` before the exclusive hold is left out: its answer decides
    /// nothing here.
    pub(super) async fn convert_unwritten(&self, blocks: Blocks) {
        let mut tree = self.i_data_sem.down_write().await;
        let unwritten: Vec<(Blocks, Extent)> =
            tree.extents(blocks.within(EVERYTHING)).filter(|(_, e)| e.unwritten).collect();
        for (blocks, extent) in unwritten {
            tree.convert(blocks);
            let status = self.status_of_written(blocks).await;
            let entry = EsEntry { status, pblk: Some(extent.pblk) };
            let (displaced, _) = self.es_insert(blocks, entry, true).await;
            self.settle_displaced(displaced, false).await;
        }
    }

    /// Before d2dc317d564a (v4.1) a converted extent kept the tag of a delayed one.
    async fn status_of_written(&self, blocks: Blocks) -> EsStatus {
        let keeps = self.protocol.knobs.written_never_delayed == Switch::Off;
        if keeps && self.es_scan_delayed(blocks).await {
            return EsStatus::WrittenDelayed;
        }
        EsStatus::Written
    }
}
