//! Hole caching: a look-up that finds nothing on disk enters a HOLE for the whole gap, cut at what is
//! delayed. The scan and the insertion are two sections of `i_es_lock`, which is where W3 lives.

use super::{EVERYTHING, Ext4};
use maprace_extent::{Blocks, EsEntry, EsStatus, ExtentTree};
use maprace_runtime::Runtime;

const HOLE: EsEntry = EsEntry::bare(EsStatus::Hole);

fn gap_around(tree: &ExtentTree, lblk: u32) -> Blocks {
    let gap = tree.gap(lblk);
    Blocks::new(gap.lo, gap.hi.min(EVERYTHING.hi))
}

impl<R: Runtime> Ext4<R> {
    /// `ext4_ext_put_gap_in_cache`, `fs/ext4/extents.c`, v5.10: caches nothing when something delayed
    /// begins where the gap begins.
    ///
    /// # Divergence from Linux
    /// It tells how far the hole goes for the one who inserts several blocks; v5.10, which inserts one,
    /// need not know.
    pub(super) async fn put_gap_in_cache(&self, tree: &ExtentTree, want: Blocks) -> Blocks {
        let gap = gap_around(tree, want.lo);
        let mut hole = gap;
        if let Some(delayed) = self.es_find_delayed(gap).await {
            if delayed.lo <= gap.lo {
                return want.first(1);
            }
            hole = Blocks::new(gap.lo, delayed.lo.min(gap.hi));
        }
        self.es_insert(hole, HOLE, false).await;
        if hole.contains(want.lo) { want.within(hole) } else { want.first(1) }
    }

    /// `ext4_ext_determine_insert_hole`, `fs/ext4/extents.c`, v6.8: leaves the tree alone when the
    /// block itself has become delayed meanwhile.
    pub(super) async fn determine_insert_hole(&self, tree: &ExtentTree, want: Blocks) -> Blocks {
        let mut hole = gap_around(tree, want.lo);
        while let Some(delayed) = self.es_find_delayed(hole).await {
            if delayed.contains(want.lo) {
                return want.within(Blocks::new(want.lo, delayed.hi));
            }
            if delayed.lo > want.lo {
                hole = Blocks::new(hole.lo, delayed.lo);
                break;
            }
            hole = Blocks::new(want.lo, hole.hi);
        }
        self.es_insert(hole, HOLE, false).await;
        want.within(hole)
    }
}
