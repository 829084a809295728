//! Moving extents: collapse range and insert range, under `i_data_sem` exclusive, which is dropped in
//! the middle when the transaction has no credits left: W5.

use super::{EVERYTHING, Ext4, TreeGuard};
use crate::Errno;
use crate::journal::Handle;
use maprace_extent::{Blocks, Extent};
use maprace_runtime::{Runtime, RwSem};

/// Where the extents from a block on go.
#[derive(Clone, Copy, Debug)]
struct Shift {
    /// The first block that moves.
    from: u32,
    /// Where it goes.
    to: u32,
}

impl Shift {
    fn target(self, lblk: u32) -> u32 {
        lblk - self.from + self.to
    }
}

impl<R: Runtime> Ext4<R> {
    /// The part of `ext4_collapse_range` under `i_data_sem`, v6.8: the status tree from the range on,
    /// the range itself, then what follows moves down.
    pub(super) async fn collapse_range(
        &self,
        handle: &mut Handle<'_, R>,
        gone: Blocks,
    ) -> Result<(), Errno> {
        let tree = self.i_data_sem.down_write().await;
        self.es_remove_extent(Blocks::new(gone.lo, EVERYTHING.hi)).await;
        let remove = self.ext_remove_space(tree, handle, gone);
        let tree = self.rt.call("ext4_ext_remove_space", remove).await;
        let shift = Shift { from: gone.hi, to: gone.lo };
        self.rt.call("ext4_ext_shift_extents", self.ext_shift_extents(tree, handle, shift)).await
    }

    /// The part of `ext4_insert_range` under `i_data_sem`, v6.8: the status tree from the range on, then
    /// everything from there on moves up. An extent around the place is split.
    pub(super) async fn insert_range(
        &self,
        handle: &mut Handle<'_, R>,
        room: Blocks,
    ) -> Result<(), Errno> {
        let tree = self.i_data_sem.down_write().await;
        self.es_remove_extent(Blocks::new(room.lo, EVERYTHING.hi)).await;
        let shift = Shift { from: room.lo, to: room.hi };
        self.rt.call("ext4_ext_shift_extents", self.ext_shift_extents(tree, handle, shift)).await
    }

    /// `ext4_ext_shift_extents`: moving down the first extent goes first, moving up the last.
    ///
    /// # Divergence from Linux
    /// An extent moves at a time, and pays for itself; the kernel moves all of a leaf.
    async fn ext_shift_extents<'a>(
        &'a self,
        mut tree: TreeGuard<'a, R>,
        handle: &mut Handle<'_, R>,
        shift: Shift,
    ) -> Result<(), Errno> {
        let mut rest = Blocks::new(shift.from, EVERYTHING.hi);
        loop {
            let down = shift.to < shift.from;
            let next = if down { tree.extents(rest).next() } else { tree.last(rest) };
            let Some((piece, _)) = next else { return Ok(()) };
            if !handle.take_credit() {
                tree = self.restart(tree, handle).await;
                continue;
            }
            let target = Blocks::new(shift.target(piece.lo), shift.target(piece.hi));
            let stays = |(other, _): &(Blocks, Extent)| !is_within(*other, piece);
            if tree.extents(target).any(|other| stays(&other)) {
                return Err(Errno::Einval);
            }
            tree.shift(piece, target.lo);
            rest =
                if down { Blocks::new(piece.hi, rest.hi) } else { Blocks::new(rest.lo, piece.lo) };
        }
    }
}

fn is_within(inner: Blocks, outer: Blocks) -> bool {
    inner.within(outer) == inner
}
