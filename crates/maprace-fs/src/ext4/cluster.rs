//! bigalloc: space comes and is promised in clusters of several blocks, and the blocks of one cluster
//! share it.
//!
//! Without bigalloc a cluster is a block, and nothing here takes a step.

use super::Ext4;
use crate::Errno;
use maprace_extent::{Blocks, EsStatus, EsTree, Extent, ExtentTree, Pblk};
use maprace_runtime::{Runtime, Spin, Step};

static SCAN_CLU: Step = Step::new("ext4_es_scan_clu");
static IS_PENDING: Step = Step::new("ext4_is_pending");

/// What is known of a cluster: `ext4_clu_alloc_state`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum ClusterState {
    /// Nothing: it has to be reserved.
    Free,
    /// A delayed block has reserved it.
    Reserved,
    /// It is allocated.
    Allocated,
}

/// What new delayed blocks need.
pub(super) struct ToReserve {
    /// How many clusters nobody has reserved or allocated.
    pub(super) clusters: u32,
    /// The clusters that are allocated: they become pending.
    pub(super) pending: Vec<u32>,
}

/// Where new blocks go.
pub(super) struct Placed {
    pub(super) blocks: Blocks,
    pub(super) pblk: Pblk,
    /// How many clusters were taken for them.
    pub(super) clusters: u32,
}

impl<R: Runtime> Ext4<R> {
    fn cluster_of(&self, lblk: u32) -> Blocks {
        Blocks::one(lblk).clusters_around(self.ratio)
    }

    /// The first and the last cluster of delayed blocks may be there already:
    /// `ext4_insert_delayed_blocks`, v6.12.
    pub(super) async fn clusters_to_reserve(&self, tree: &ExtentTree, hole: Blocks) -> ToReserve {
        let mut need = ToReserve { clusters: hole.clusters(self.ratio), pending: Vec::new() };
        if self.ratio == 1 {
            return need;
        }
        for lblk in [hole.lo, hole.hi - 1] {
            if need.clusters == 0 {
                break;
            }
            let state = self.clu_alloc_state(tree, lblk).await;
            if state != ClusterState::Free {
                need.clusters -= 1;
            }
            if state == ClusterState::Allocated {
                need.pending.push(lblk / self.ratio);
            }
        }
        need
    }

    /// `ext4_clu_alloc_state`, v6.12; in v5.10 the same questions stand in
    /// `ext4_insert_delayed_block`.
    async fn clu_alloc_state(&self, tree: &ExtentTree, lblk: u32) -> ClusterState {
        let cluster = self.cluster_of(lblk);
        if self.es_scan_clu(cluster, EsStatus::is_delonly).await {
            return ClusterState::Reserved;
        }
        let mapped = self.es_scan_clu(cluster, EsStatus::is_mapped).await;
        if mapped || tree.extents(cluster).next().is_some() {
            return ClusterState::Allocated;
        }
        ClusterState::Free
    }

    /// `ext4_es_scan_clu`.
    async fn es_scan_clu(&self, cluster: Blocks, fits: fn(EsStatus) -> bool) -> bool {
        let section = |tree: &mut EsTree| {
            let found = tree.any_in(cluster, fits);
            self.rt.saw(|| if found { "yes" } else { "no" }.into());
            found
        };
        self.i_es_lock.with(&SCAN_CLU, || self.es_read(cluster), section).await
    }

    /// Takes space for the first blocks of `gap`, which has no extent: in a cluster that a neighbour
    /// has (`get_implied_cluster_alloc`), or in new ones (`ext4_mb_new_blocks`).
    pub(super) async fn place(
        &self,
        tree: &ExtentTree,
        gap: Blocks,
        reserve: bool,
    ) -> Result<Placed, Errno> {
        let inside = gap.lo % self.ratio;
        if let Some(pblk) = self.implied(tree, gap.lo) {
            let blocks = gap.within(self.cluster_of(gap.lo));
            return Ok(Placed { blocks, pblk, clusters: 0 });
        }
        let last = self.cluster_of(gap.hi - 1);
        let gap = match self.implied(tree, last.lo) {
            Some(_) => Blocks::new(gap.lo, last.lo),
            None => gap,
        };
        let (cluster, clusters) = self.new_blocks(gap.clusters(self.ratio), reserve).await?;
        let blocks = gap.first(clusters * self.ratio - inside);
        Ok(Placed { blocks, pblk: Pblk(cluster * self.ratio + inside), clusters })
    }

    /// Where block `lblk` lives if its cluster is allocated for another block.
    fn implied(&self, tree: &ExtentTree, lblk: u32) -> Option<Pblk> {
        let (neighbour, extent) = tree.extents(self.cluster_of(lblk)).next()?;
        let base = extent.pblk.0 - neighbour.lo % self.ratio;
        Some(Pblk(base + lblk % self.ratio))
    }

    /// Gives the clusters back that no block of the tree is in any more, after `blocks` went. One that
    /// delayed blocks rely on becomes a reservation (`ext4_rereserve_cluster`).
    pub(super) async fn free_clusters(&self, tree: &ExtentTree, blocks: Blocks, extent: Extent) {
        if self.ratio == 1 {
            return self.free_blocks(extent.pblk.0, blocks.len()).await;
        }
        let base = extent.pblk.0 / self.ratio;
        let first = blocks.lo / self.ratio;
        for number in first..first + blocks.clusters(self.ratio) {
            if tree.extents(self.cluster_of(number * self.ratio)).next().is_some() {
                continue;
            }
            if self.take_pending(number).await {
                self.rereserve().await;
            }
            self.free_blocks(base + number - first, 1).await;
        }
    }

    /// `ext4_is_pending` and `ext4_remove_pending`.
    async fn take_pending(&self, cluster: u32) -> bool {
        let foot = || self.es_write(self.cluster_of(cluster * self.ratio), false);
        self.i_es_lock.with(&IS_PENDING, foot, |tree| tree.remove_pending(cluster)).await
    }

    /// `__revise_pending`: blocks `at` are allocated now; their clusters are pending where other blocks
    /// of them are still delayed.
    pub(super) fn revise_pending(&self, tree: &mut EsTree, at: Blocks) {
        for cluster in at.lo / self.ratio..at.hi.div_ceil(self.ratio) {
            tree.insert_pending(cluster);
        }
        tree.drop_pending(self.ratio);
    }
}
