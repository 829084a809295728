//! The on-disk extent tree of one inode: which blocks are allocated, where, and whether written.
//!
//! Follows `fs/ext4/extents.c` in what it answers, not in its nodes: leaves, index blocks and splits
//! are not modelled. `i_data_sem` is the caller's.

use crate::runs::{RunMap, Value};
use crate::{Blocks, Lblk, Pblk};
use std::collections::BTreeSet;

/// `struct ext4_extent` without its range.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Extent {
    /// The physical block of the first block.
    pub pblk: Pblk,
    /// `ext4_ext_is_unwritten`.
    pub unwritten: bool,
}

impl Value for Extent {
    fn at(self, offset: u64) -> Extent {
        let step = u32::try_from(offset).expect("block numbers fit 32 bits");
        Extent { pblk: Pblk(self.pblk.0 + step), ..self }
    }
}

/// The extents of a file.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct ExtentTree {
    extents: RunMap<Extent>,
}

fn lblk(pos: u64) -> Lblk {
    Lblk::try_from(pos).unwrap_or(Lblk::MAX)
}

impl ExtentTree {
    /// `ext4_find_extent`: the extent of the first of `want`, clipped to it.
    pub fn lookup(&self, want: Blocks) -> Option<(Blocks, Extent)> {
        let run = self.extents.find(u64::from(want.lo))?;
        let extent = run.value.at(u64::from(want.lo) - run.start);
        Some((Blocks::new(want.lo, want.hi.min(lblk(run.end()))), extent))
    }

    /// The whole extent around block `at`, which has one.
    ///
    /// # Panics
    /// When it has none.
    pub fn around(&self, at: Lblk) -> Blocks {
        let run = self.extents.find(u64::from(at)).expect("the block has an extent");
        Blocks::new(lblk(run.start), lblk(run.end()))
    }

    /// `ext4_ext_find_hole`: the whole gap around `at`, which has no extent.
    pub fn gap(&self, at: Lblk) -> Blocks {
        let at = u64::from(at);
        Blocks::new(lblk(self.extents.gap_start(at)), lblk(self.extents.gap_end(at)))
    }

    /// Adds an extent over a gap.
    ///
    /// # Panics
    /// When a block of it is allocated already: the caller has looked under the lock.
    pub fn insert(&mut self, blocks: Blocks, extent: Extent) {
        let (lo, hi) = (u64::from(blocks.lo), u64::from(blocks.hi));
        let taken = self.extents.range(lo, hi).next();
        assert!(taken.is_none(), "blocks {blocks} are allocated already: {taken:?}");
        self.extents.set(lo, hi, extent);
    }

    /// `ext4_convert_unwritten_extents_endio`: what is unwritten in `blocks` becomes written.
    pub fn convert(&mut self, blocks: Blocks) {
        let (lo, hi) = (u64::from(blocks.lo), u64::from(blocks.hi));
        let found: Vec<_> = self.extents.range(lo, hi).filter(|r| r.value.unwritten).collect();
        for run in found {
            let written = Extent { unwritten: false, ..run.value };
            self.extents.set(run.start, run.end(), written);
        }
    }

    /// `convert_initialized_extent`: what is written in `blocks` becomes unwritten.
    pub fn unwrite(&mut self, blocks: Blocks) {
        let (lo, hi) = (u64::from(blocks.lo), u64::from(blocks.hi));
        let found: Vec<_> = self.extents.range(lo, hi).filter(|r| !r.value.unwritten).collect();
        for run in found {
            let unwritten = Extent { unwritten: true, ..run.value };
            self.extents.set(run.start, run.end(), unwritten);
        }
    }

    /// Moves the extents inside `blocks` to where the first of `blocks` becomes `to`: one turn of
    /// `ext4_ext_shift_path_extents`.
    ///
    /// # Panics
    /// When something is allocated where they go: the caller moves them in the order that makes room.
    pub fn shift(&mut self, blocks: Blocks, to: Lblk) {
        let (lo, hi) = (u64::from(blocks.lo), u64::from(blocks.hi));
        let moved: Vec<_> = self.extents.range(lo, hi).collect();
        self.extents.remove(lo, hi);
        for run in moved {
            let start = lblk(run.start - lo + u64::from(to));
            let end = start + lblk(run.len);
            self.insert(Blocks::new(start, end), run.value);
        }
    }

    /// `ext4_ext_remove_space`: takes the extents of `blocks` away and returns the blocks they had.
    pub fn remove(&mut self, blocks: Blocks) -> Vec<(Pblk, u32)> {
        let (lo, hi) = (u64::from(blocks.lo), u64::from(blocks.hi));
        let freed = self.extents.range(lo, hi).map(|r| (r.value.pblk, lblk(r.len))).collect();
        self.extents.remove(lo, hi);
        freed
    }

    /// How many blocks are allocated.
    pub fn allocated(&self) -> u32 {
        lblk(self.extents.runs().map(|run| run.len).sum())
    }

    /// How many clusters of `ratio` blocks of the medium its blocks are in.
    pub fn allocated_clusters(&self, ratio: u32) -> u32 {
        if ratio == 1 {
            return self.allocated();
        }
        let clusters = |run: crate::Run<Extent>| {
            let first = run.value.pblk.0;
            first / ratio..(first + lblk(run.len)).div_ceil(ratio)
        };
        let all: BTreeSet<u32> = self.extents.runs().flat_map(clusters).collect();
        lblk(all.len() as u64)
    }

    /// The last extent inside `blocks`, cut to them.
    pub fn last(&self, blocks: Blocks) -> Option<(Blocks, Extent)> {
        let run = self.extents.last_in(u64::from(blocks.lo), u64::from(blocks.hi))?;
        Some((Blocks::new(lblk(run.start), lblk(run.end())), run.value))
    }

    /// All extents inside `blocks`, in order.
    pub fn extents(&self, blocks: Blocks) -> impl Iterator<Item = (Blocks, Extent)> + '_ {
        let (lo, hi) = (u64::from(blocks.lo), u64::from(blocks.hi));
        let cut = |run: crate::Run<Extent>| Blocks::new(lblk(run.start), lblk(run.end()));
        self.extents.range(lo, hi).map(move |run| (cut(run), run.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_and_removes_only_what_is_asked() {
        let mut tree = ExtentTree::default();
        tree.insert(Blocks::new(2, 6), Extent { pblk: Pblk(10), unwritten: true });
        tree.convert(Blocks::new(3, 4));
        let (found, extent) = tree.lookup(Blocks::new(3, 6)).unwrap();
        assert_eq!((found, extent), (Blocks::one(3), Extent { pblk: Pblk(11), unwritten: false }));
        assert_eq!(tree.remove(Blocks::new(0, 4)), [(Pblk(10), 1), (Pblk(11), 1)]);
        assert_eq!(tree.gap(0), Blocks::new(0, 4));
        assert_eq!(tree.allocated(), 2);
    }

    #[test]
    fn extents_move_either_way_and_become_unwritten() {
        let mut tree = ExtentTree::default();
        tree.insert(Blocks::new(0, 1), Extent { pblk: Pblk(10), unwritten: false });
        tree.insert(Blocks::new(3, 5), Extent { pblk: Pblk(20), unwritten: false });
        tree.shift(Blocks::new(3, 5), 1);
        assert_eq!(tree.lookup(Blocks::one(2)).unwrap().1.pblk, Pblk(21));
        assert_eq!(tree.gap(4), Blocks::new(3, u32::MAX));
        tree.shift(Blocks::new(2, 3), 7);
        assert_eq!(tree.lookup(Blocks::one(7)).unwrap().1.pblk, Pblk(21));
        tree.unwrite(Blocks::new(0, 2));
        let unwritten = |at| tree.lookup(Blocks::one(at)).unwrap().1.unwritten;
        assert_eq!((unwritten(0), unwritten(1), unwritten(7)), (true, true, false));
    }

    #[test]
    fn clusters_are_counted_once() {
        let mut tree = ExtentTree::default();
        tree.insert(Blocks::new(1, 2), Extent { pblk: Pblk(1), unwritten: false });
        tree.insert(Blocks::new(3, 4), Extent { pblk: Pblk(3), unwritten: true });
        tree.insert(Blocks::new(4, 6), Extent { pblk: Pblk(8), unwritten: true });
        assert_eq!((tree.allocated_clusters(4), tree.allocated_clusters(1)), (2, 4));
    }

    #[test]
    #[should_panic(expected = "allocated already")]
    fn a_block_is_not_allocated_twice() {
        let mut tree = ExtentTree::default();
        tree.insert(Blocks::new(0, 2), Extent { pblk: Pblk(1), unwritten: true });
        tree.insert(Blocks::one(1), Extent { pblk: Pblk(9), unwritten: true });
    }
}
