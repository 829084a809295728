//! What whoever serves a file to others asks of it beside operations: to sync a part of it, to take turns
//! of what the kernel's own threads do, to give back what freed blocks held, and how much there is.
//!
//! No operation of a scenario comes here: there the whole file is small enough for each of them.

use crate::cache::Cached;
use crate::inode::Inode;
use crate::layer::Layer;
use crate::writeback::{Sync, writepages};
use maprace_extent::{Blocks, Pblk};
use std::sync::Arc;

impl<L: Layer> Inode<L> {
    /// How much the page cache holds.
    pub fn cached(&self) -> Cached {
        self.mapping.peek(crate::cache::Pages::amounts)
    }

    /// Bytes that the medium keeps for real.
    pub fn kept_bytes(&self) -> u64 {
        self.device.kept()
    }

    /// `vfs_fsync_range`, as a write with O_DSYNC ends: the bytes `lo..hi`.
    pub async fn fsync_range(self: &Arc<Self>, lo: u64, hi: u64) {
        self.write_and_wait(self.folios_at(lo, hi)).await;
    }

    /// A turn of the flusher (`wb_writeback`): the next `most` dirty folios from `from` on are written, and
    /// waited for; where to go on, or `None` when there were none.
    ///
    /// # Divergence from Linux
    /// The flusher does not wait for what it has submitted; here a turn does, so that there is a bound
    /// of what is in flight.
    pub async fn flush_turn(self: &Arc<Self>, from: u32, most: usize) -> Option<u32> {
        let end = self.mapping.peek(|pages| pages.end_of_dirty(from, most))?;
        writepages(self, from..end, Sync::None).await;
        self.mapping.wait_for_writeback(from..end).await;
        Some(end)
    }

    /// Waits for what is under writeback.
    pub async fn wait_for_writeback(&self) {
        self.mapping.wait_for_writeback(0..u32::MAX).await;
    }

    /// A turn of `kswapd`: the next `most` clean folios from `from` on leave the page cache, but for
    /// those in use; where to go on, or `None` at the end of the file.
    pub async fn reclaim_turn(&self, from: u32, most: usize) -> Option<u32> {
        self.shrink_turn(from, most).await
    }

    /// Where the bytes `lo..hi` are on the medium: what [`Inode::discard_free`] wants once they are gone.
    pub async fn places(&self, lo: u64, hi: u64) -> Vec<(Pblk, u32)> {
        let mut rest = self.geometry.whole_blocks_of(lo, hi);
        let mut places = Vec::new();
        while !rest.is_empty() {
            let map = self.layer.look_up(rest).await.assert_answers(rest);
            places.extend(map.pblk.map(|pblk| (pblk, map.blocks.len())));
            rest = Blocks::new(map.blocks.hi, rest.hi);
        }
        places
    }

    /// Mount option `discard`: of those blocks of the medium, the ones that belong to nobody hold nothing
    /// any more.
    ///
    /// # Divergence from Linux
    /// At once and in no time; the kernel discards what a transaction has freed when it has committed,
    /// and waits for the medium.
    pub fn discard_free(&self, places: &[(Pblk, u32)]) {
        for (pblk, len) in places {
            self.layer.with_free(*pblk, *len, &mut |pblk, len| self.device.discard(pblk, len));
        }
    }
}
