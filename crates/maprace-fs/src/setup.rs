//! What a world starts from: geometry, protocol, and the state of the one file in it.

use crate::{Order, Protocol};
use maprace_extent::Blocks;
use maprace_media::{Instantly, Medium};
use std::borrow::Cow;
use std::sync::Arc;

/// Sizes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Geometry {
    /// Bytes of a block, a power of two from 16.
    pub block: u32,
    /// Blocks of a folio, from 1.
    pub folio_blocks: u32,
    /// Blocks of a cluster, from 1; more than 1 is bigalloc.
    pub cluster_blocks: u32,
}

impl Geometry {
    /// Bytes of a folio.
    pub fn folio(self) -> u64 {
        u64::from(self.block) * u64::from(self.folio_blocks)
    }

    /// The blocks that hold any of the bytes `lo..hi`.
    pub fn blocks_of(self, lo: u64, hi: u64) -> Blocks {
        if lo >= hi {
            return Blocks::new(0, 0);
        }
        let block = u64::from(self.block);
        Blocks::new(fit(lo / block), fit(hi.div_ceil(block)))
    }

    /// The blocks that lie wholly in the bytes `lo..hi`.
    pub fn whole_blocks_of(self, lo: u64, hi: u64) -> Blocks {
        let block = u64::from(self.block);
        Blocks::new(fit(lo.div_ceil(block)), fit(hi / block))
    }

    /// The bytes of `blocks`.
    pub fn bytes_of(self, blocks: Blocks) -> (u64, u64) {
        let block = u64::from(self.block);
        (u64::from(blocks.lo) * block, u64::from(blocks.hi) * block)
    }

    /// The folios that hold any of `blocks`, by index.
    pub fn folios_of(self, blocks: Blocks) -> std::ops::Range<u32> {
        if blocks.is_empty() {
            return 0..0;
        }
        blocks.lo / self.folio_blocks..blocks.hi.div_ceil(self.folio_blocks)
    }

    /// The blocks of the folio at `index`.
    pub fn blocks_in(self, index: u32) -> Blocks {
        Blocks::new(index * self.folio_blocks, (index + 1) * self.folio_blocks)
    }
}

fn fit(block: u64) -> u32 {
    u32::try_from(block).expect("files of the model have fewer blocks than a u32 counts")
}

/// What the extent status tree holds at the start.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum EsAtStart {
    /// Every hole of the file, as reading it through a mapping leaves them.
    #[default]
    Hole,
    /// Nothing but what is delayed.
    Cold,
    /// Everything.
    Full,
}

/// The file at the start.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FileAtStart {
    /// `i_size`, in bytes.
    pub size: u64,
    /// Blocks with data on the medium.
    pub written: Vec<Blocks>,
    /// Blocks allocated and unwritten.
    pub unwritten: Vec<Blocks>,
    /// Blocks dirty in the page cache; over a hole they are delayed.
    pub dirty: Vec<Blocks>,
    /// Blocks read through the mapping before.
    pub prefault: Vec<Blocks>,
    /// What the status tree has.
    pub es: EsAtStart,
}

/// The blocks of some ranges, to ask about one after the other: there may be many of either.
#[derive(Debug)]
pub(crate) struct Cover<'a>(Cow<'a, [Blocks]>);

impl Cover<'_> {
    /// `ranges` in any order; they may overlap.
    pub(crate) fn of(ranges: &[Blocks]) -> Cover<'_> {
        if ranges.is_sorted_by(|a, b| a.hi <= b.lo) {
            return Cover(Cow::Borrowed(ranges));
        }
        let mut sorted = ranges.to_vec();
        sorted.sort_unstable_by_key(|blocks| blocks.lo);
        sorted.dedup_by(|next, last| {
            let meets = next.lo <= last.hi;
            if meets {
                last.hi = last.hi.max(next.hi);
            }
            meets
        });
        Cover(Cow::Owned(sorted))
    }

    /// Whether `lblk` is in one of them.
    pub(crate) fn contains(&self, lblk: u32) -> bool {
        let at = self.0.partition_point(|blocks| blocks.hi <= lblk);
        self.0.get(at).is_some_and(|blocks| blocks.contains(lblk))
    }

    /// Whether one of `blocks` is.
    pub(crate) fn meets(&self, blocks: Blocks) -> bool {
        blocks.iter().any(|lblk| self.contains(lblk))
    }
}

/// A bug planted in a path of the model, for the tests of the checkers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[doc(hidden)]
pub enum Planted {
    /// `ext4_es_remove_extent` does not release what it removed.
    RemovalKeepsReservation,
    /// A release takes one more than was reserved.
    ReleaseOneTooMany,
    /// The fs counter is not lowered when a reservation is settled.
    DirtyCounterKept,
    /// Allocation leaves the old status in the tree.
    AllocationLeavesEs,
    /// The copy of a buffered write does not dirty the folio.
    CopyLeavesClean,
    /// Punch does not take the folio out of the page cache.
    PunchKeepsDirty,
    /// Punch frees the blocks and leaves them in the extent tree.
    PunchLeavesExtents,
    /// Direct allocation is not charged to the quota.
    AllocationUncharged,
    /// Direct allocation is not counted in `i_blocks`.
    AllocationUncounted,
    /// Conversion runs before the data is on the medium.
    ConvertBeforeData,
    /// A change of status does not bump the sequence.
    SequenceNotBumped,
    /// Reading a written block fills with zeroes.
    FillForgetsData,
    /// The folio lock is not released after a write.
    FolioLeftLocked,
    /// Punch takes the page lock's place in the order: `i_data_sem` first, then `invalidate_lock`.
    LocksInverted,
    /// A mapping of an iomap write is taken for valid whatever its cookie.
    StaleMapUsed,
    /// A mapping of an iomap write is never taken for valid.
    NeverValid,
    /// The writeback bit goes out before the conversion.
    WritebackEndsEarly,
    /// `i_disksize` is raised to the end of the block, past `i_size`.
    DisksizePastEof,
}

/// The medium under a file system: one that takes no time, or one that others may use as well.
#[derive(Clone, Default, Debug)]
pub enum Under {
    /// Every access completes at once.
    #[default]
    Instantly,
    /// Accesses of whoever has it meet each other there.
    Shared(Arc<dyn Medium>),
}

impl Under {
    /// The medium itself.
    pub(crate) fn medium(&self) -> Arc<dyn Medium> {
        match self {
            Under::Instantly => Arc::new(Instantly),
            Under::Shared(medium) => medium.clone(),
        }
    }
}

/// Two are equal if they are the same one.
impl PartialEq for Under {
    fn eq(&self, other: &Under) -> bool {
        match (self, other) {
            (Under::Instantly, Under::Instantly) => true,
            (Under::Shared(a), Under::Shared(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl Eq for Under {}

/// Everything a world is built from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setup {
    /// Sizes.
    pub geometry: Geometry,
    /// The protocol, with its settings.
    pub protocol: Protocol,
    /// The order of buffered writes.
    pub order: Order,
    /// The file.
    pub file: FileAtStart,
    /// Blocks that are neither allocated nor promised at the start.
    pub free_blocks: u32,
    /// Whether the first allocation of each group has to read its block bitmap.
    pub cold_bitmaps: bool,
    /// Clusters of a group: what one bitmap says of. ext4 has 8 times the bytes of a block.
    pub group_clusters: u32,
    /// The medium.
    pub under: Under,
    /// Whether buffered writes and faults reserve and let writeback allocate; else they allocate.
    pub delalloc: bool,
    /// How many extents a transaction may take away or move before it has to start anew; `None`:
    /// enough for all.
    pub journal_credits: Option<u32>,
    /// Whether somebody commits: only then can the start of a transaction wait.
    pub commits: bool,
    /// Whether `i_size` may shrink.
    pub shrinks: bool,
    /// No operation reaches this block, wherever the file ends.
    pub farthest: u32,
    /// At most so many blocks are claimed in a run: below that many free, claims see each other.
    pub claims_most: u32,
    /// A planted bug.
    #[doc(hidden)]
    pub planted: Option<Planted>,
}

impl Setup {
    /// Blocks of the file, the last possibly in part.
    pub fn file_blocks(&self) -> u32 {
        self.geometry.blocks_of(0, self.file.size).hi
    }

    /// The blocks that are delayed at the start: dirty over a hole, each once.
    pub fn delayed_blocks(&self) -> impl Iterator<Item = u32> + '_ {
        let FileAtStart { written, unwritten, dirty, .. } = &self.file;
        let [written, unwritten, dirty] = [written, unwritten, dirty].map(|all| Cover::of(all));
        let (file, allocated) = (Blocks::new(0, self.file_blocks()), [written, unwritten]);
        let allocated = move |lblk| allocated.iter().any(|cover| cover.contains(lblk));
        let dirty = dirty.0.into_owned().into_iter().flat_map(move |b| b.within(file).iter());
        dirty.filter(move |lblk| !allocated(*lblk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cover_has_what_one_of_its_ranges_has_in_any_order() {
        let all = [(7, 9), (2, 4), (3, 6), (12, 12), (9, 10), (2, 3)];
        let all = all.map(|(lo, hi)| Blocks::new(lo, hi));
        for len in 0..=all.len() {
            let cover = Cover::of(&all[..len]);
            for lblk in 0..14 {
                let has = all[..len].iter().any(|blocks| blocks.contains(lblk));
                assert_eq!(cover.contains(lblk), has, "{lblk} of {len}");
                assert_eq!(cover.meets(Blocks::one(lblk)), has);
            }
        }
        assert!(Cover::of(&all).meets(Blocks::new(0, 3)));
        assert!(!Cover::of(&all).meets(Blocks::new(10, 14)));
    }
}
