//! The extent status tree: a cache for holes and allocated extents, and the only record of DELAYED.
//!
//! Follows `fs/ext4/extents_status.c`. Locking (`i_es_lock`) is the caller's; so is releasing the
//! reservations that an insertion or removal says it displaced.

use crate::runs::{RunMap, Value};
use crate::{Blocks, Lblk, Pblk};
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

/// What the tree says of a block.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EsStatus {
    /// `EXTENT_STATUS_HOLE`: nothing is allocated.
    Hole,
    /// `EXTENT_STATUS_DELAYED`: space is reserved, nothing is allocated.
    Delayed,
    /// `EXTENT_STATUS_UNWRITTEN`; up to v6.11 it may be tagged DELAYED as well.
    Unwritten {
        /// `EXTENT_STATUS_UNWRITTEN | EXTENT_STATUS_DELAYED`.
        delayed: bool,
    },
    /// `EXTENT_STATUS_WRITTEN`.
    Written,
    /// `EXTENT_STATUS_WRITTEN | EXTENT_STATUS_DELAYED`: forbidden since d2dc317d564a.
    WrittenDelayed,
}

impl EsStatus {
    /// `ext4_es_is_delonly`: delayed, and nothing allocated.
    pub fn is_delonly(self) -> bool {
        self == EsStatus::Delayed
    }

    /// `ext4_es_is_delayed`: tagged delayed, allocated or not.
    pub fn is_delayed(self) -> bool {
        use EsStatus::{Delayed, Unwritten, WrittenDelayed};
        matches!(self, Delayed | WrittenDelayed | Unwritten { delayed: true })
    }

    /// `ext4_es_is_mapped`: something is allocated.
    pub fn is_mapped(self) -> bool {
        !matches!(self, EsStatus::Hole | EsStatus::Delayed)
    }

    /// The word that a diagram uses.
    pub fn word(self) -> &'static str {
        match self {
            EsStatus::Hole => "hole",
            EsStatus::Delayed => "delayed",
            EsStatus::Unwritten { delayed: false } => "unwritten",
            EsStatus::Unwritten { delayed: true } => "unwritten|delayed",
            EsStatus::Written => "written",
            EsStatus::WrittenDelayed => "written|delayed",
        }
    }
}

/// `struct extent_status` without its range.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EsEntry {
    /// The status.
    pub status: EsStatus,
    /// `es_pblk` of the first block, where something is allocated.
    pub pblk: Option<Pblk>,
}

impl EsEntry {
    /// An entry without a physical block.
    pub const fn bare(status: EsStatus) -> EsEntry {
        EsEntry { status, pblk: None }
    }
}

impl Value for EsEntry {
    fn at(self, offset: u64) -> EsEntry {
        let step = u32::try_from(offset).expect("block numbers fit 32 bits");
        EsEntry { pblk: self.pblk.map(|p| Pblk(p.0 + step)), ..self }
    }
}

/// `struct ext4_es_tree` with `i_es_seq` and, for bigalloc, `struct ext4_pending_tree`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct EsTree {
    entries: RunMap<EsEntry>,
    seq: u64,
    /// Clusters that are allocated and have delayed blocks: nothing is reserved for them.
    pending: BTreeSet<u32>,
    suspects: Suspects,
}

/// Where a cluster may be pending without cause, so that not all of them are asked. It says nothing that
/// the rest of the tree does not say, so it is no part of what a tree is.
#[derive(Clone, Debug, Default)]
struct Suspects {
    /// Changed since somebody asked.
    changed: Vec<Blocks>,
    /// Clusters that have become pending since.
    fresh: Vec<u32>,
}

impl PartialEq for Suspects {
    fn eq(&self, _: &Suspects) -> bool {
        true
    }
}

impl Eq for Suspects {}

impl Hash for Suspects {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

fn span(blocks: Blocks) -> (u64, u64) {
    (u64::from(blocks.lo), u64::from(blocks.hi))
}

fn lblk(pos: u64) -> Lblk {
    Lblk::try_from(pos).unwrap_or(Lblk::MAX)
}

impl EsTree {
    /// `ext4_es_lookup_extent`, clipped to `want`: the entry of its first block and how far it goes.
    pub fn lookup(&self, want: Blocks) -> Option<(Blocks, EsEntry)> {
        let run = self.entries.find(u64::from(want.lo))?;
        let entry = run.value.at(u64::from(want.lo) - run.start);
        Some((Blocks::new(want.lo, want.hi.min(lblk(run.end()))), entry))
    }

    /// `ext4_es_find_extent_range` with `ext4_es_is_delayed`: the first delayed entry that meets
    /// `blocks`, with its whole range.
    pub fn find_delayed(&self, blocks: Blocks) -> Option<Blocks> {
        let (lo, hi) = span(blocks);
        let run = self.entries.range(lo, hi).find(|run| run.value.status.is_delayed())?;
        let whole = self.entries.find(run.start)?;
        Some(Blocks::new(lblk(whole.start), lblk(whole.end())))
    }

    /// How many blocks of `blocks` are delayed and not allocated.
    pub fn delonly(&self, blocks: Blocks) -> u32 {
        let (lo, hi) = span(blocks);
        let delonly = self.entries.range(lo, hi).filter(|run| run.value.status.is_delonly());
        lblk(delonly.map(|run| run.len).sum())
    }

    /// `__es_remove_extent` and `__es_insert_extent`: replaces whatever covers `blocks`. Returns how
    /// many delayed blocks went; whether they are released is the caller's era's affair.
    pub fn insert(&mut self, blocks: Blocks, entry: EsEntry) -> u32 {
        let (lo, hi) = span(blocks);
        let displaced = self.delonly(blocks);
        self.suspect(blocks);
        self.entries.set(lo, hi, entry);
        displaced
    }

    /// `__es_remove_extent`. Returns how many delayed blocks went.
    pub fn remove(&mut self, blocks: Blocks) -> u32 {
        let (lo, hi) = span(blocks);
        let displaced = self.delonly(blocks);
        self.suspect(blocks);
        self.entries.remove(lo, hi);
        displaced
    }

    fn suspect(&mut self, blocks: Blocks) {
        if !self.pending.is_empty() {
            self.suspects.changed.push(blocks);
        }
    }

    /// `es_reclaim_extents`: drops every entry of `blocks` that is not tagged delayed.
    pub fn shrink(&mut self, blocks: Blocks) {
        let (lo, hi) = span(blocks);
        let keep = |run: &crate::Run<EsEntry>| run.value.status.is_delayed();
        let victims: Vec<_> = self.entries.range(lo, hi).filter(|run| !keep(run)).collect();
        for run in victims {
            self.entries.remove(run.start, run.end());
        }
    }

    /// `ext4_es_scan_clu`: whether a block of `cluster` has a status that fits.
    pub fn any_in(&self, cluster: Blocks, fits: impl Fn(EsStatus) -> bool) -> bool {
        self.entries(cluster).any(|(_, entry)| fits(entry.status))
    }

    /// `ext4_es_cache_extent`: enters it where the tree knows nothing of any of `blocks`. Returns
    /// whether it did.
    pub fn cache(&mut self, blocks: Blocks, entry: EsEntry) -> bool {
        let unknown = self.entries(blocks).next().is_none();
        if unknown {
            self.insert(blocks, entry);
        }
        unknown
    }

    /// `__insert_pending`: `cluster` has delayed blocks and is allocated.
    pub fn insert_pending(&mut self, cluster: u32) {
        self.pending.insert(cluster);
        self.suspects.fresh.push(cluster);
    }

    /// `__remove_pending`. Returns whether it was pending.
    pub fn remove_pending(&mut self, cluster: u32) -> bool {
        self.pending.remove(&cluster)
    }

    /// Nothing is pending for a cluster of `ratio` blocks without a delayed one.
    pub fn drop_pending(&mut self, ratio: u32) {
        let Suspects { changed, fresh } = std::mem::take(&mut self.suspects);
        let met =
            |blocks: &Blocks| self.pending.range(blocks.lo / ratio..blocks.hi.div_ceil(ratio));
        let cluster = |number: u32| Blocks::new(number * ratio, (number + 1) * ratio);
        let idle = |number: &u32| !self.any_in(cluster(*number), EsStatus::is_delonly);
        let suspects = changed.iter().flat_map(met).copied().chain(fresh);
        let gone: Vec<u32> = suspects.filter(idle).collect();
        for number in gone {
            self.pending.remove(&number);
        }
    }

    /// `ext4_is_pending`.
    pub fn is_pending(&self, cluster: u32) -> bool {
        self.pending.contains(&cluster)
    }

    /// How many clusters of `ratio` blocks, among those that `blocks` meets, have something reserved:
    /// a block that is delayed and not allocated, and no pending reservation.
    pub fn reserved_clusters(&self, blocks: Blocks, ratio: u32) -> u32 {
        if ratio == 1 {
            return self.delonly(blocks);
        }
        let (mut count, mut next) = (0, 0);
        for (delayed, entry) in self.entries(blocks.clusters_around(ratio)) {
            if entry.status.is_delonly() {
                let first = (delayed.lo / ratio).max(next);
                next = delayed.hi.div_ceil(ratio).max(first);
                let all = first..next;
                count += lblk(all.filter(|cluster| !self.is_pending(*cluster)).count() as u64);
            }
        }
        count
    }

    /// `ext4_es_inc_seq`: every mapping handed out before is out of date.
    pub fn bump(&mut self) {
        self.seq += 1;
    }

    /// `i_es_seq`.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// All entries inside `blocks`, in order.
    pub fn entries(&self, blocks: Blocks) -> impl Iterator<Item = (Blocks, EsEntry)> + '_ {
        let (lo, hi) = span(blocks);
        let cut = move |run: crate::Run<EsEntry>| (lblk(run.start), lblk(run.end()), run.value);
        self.entries.range(lo, hi).map(cut).map(|(lo, hi, entry)| (Blocks::new(lo, hi), entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a test does to a tree with clusters of 4 blocks.
    #[derive(Clone, Copy, Debug)]
    enum Act {
        Insert(u32, u32, EsEntry),
        Remove(u32, u32),
        Shrink(u32, u32),
        Pend(u32),
        Unpend(u32),
        Drop,
    }

    fn act() -> impl Strategy<Value = Act> {
        let at = || (0u32..24, 1u32..9);
        let entry = prop_oneof![
            Just(HOLE),
            Just(DELAYED),
            Just(EsEntry { status: EsStatus::Written, pblk: Some(Pblk(9)) }),
        ];
        prop_oneof![
            (at(), entry).prop_map(|((lo, len), entry)| Act::Insert(lo, lo + len, entry)),
            at().prop_map(|(lo, len)| Act::Remove(lo, lo + len)),
            at().prop_map(|(lo, len)| Act::Shrink(lo, lo + len)),
            (0u32..8).prop_map(Act::Pend),
            (0u32..8).prop_map(Act::Unpend),
            Just(Act::Drop),
        ]
    }

    proptest! {
        #[test]
        fn what_is_pending_without_cause_goes(acts in prop::collection::vec(act(), 0..40)) {
            let mut es = EsTree::default();
            let mut pending = BTreeSet::new();
            for act in acts {
                match act {
                    Act::Insert(lo, hi, entry) => drop(es.insert(Blocks::new(lo, hi), entry)),
                    Act::Remove(lo, hi) => drop(es.remove(Blocks::new(lo, hi))),
                    Act::Shrink(lo, hi) => es.shrink(Blocks::new(lo, hi)),
                    Act::Pend(cluster) => {
                        es.insert_pending(cluster);
                        pending.insert(cluster);
                    }
                    Act::Unpend(cluster) => {
                        prop_assert_eq!(es.remove_pending(cluster), pending.remove(&cluster));
                    }
                    Act::Drop => {
                        es.drop_pending(4);
                        let blocks = |number: u32| Blocks::new(4 * number, 4 * number + 4);
                        pending.retain(|n| es.any_in(blocks(*n), EsStatus::is_delonly));
                    }
                }
                prop_assert_eq!(&es.pending, &pending);
            }
        }
    }

    const HOLE: EsEntry = EsEntry::bare(EsStatus::Hole);
    const DELAYED: EsEntry = EsEntry::bare(EsStatus::Delayed);

    #[test]
    fn an_insertion_tells_what_it_displaced_and_a_look_up_is_clipped() {
        let mut es = EsTree::default();
        es.insert(Blocks::new(0, 8), HOLE);
        assert_eq!(es.insert(Blocks::new(2, 4), DELAYED), 0);
        assert_eq!(es.insert(Blocks::new(3, 6), DELAYED), 1);
        assert_eq!(es.lookup(Blocks::new(2, 5)), Some((Blocks::new(2, 5), DELAYED)));
        assert_eq!(es.lookup(Blocks::new(0, 8)), Some((Blocks::new(0, 2), HOLE)));
        assert_eq!(es.find_delayed(Blocks::new(5, 8)), Some(Blocks::new(2, 6)));
        assert_eq!(es.remove(Blocks::new(0, 3)), 1);
    }

    #[test]
    fn shrinking_keeps_what_is_tagged_delayed() {
        let mut es = EsTree::default();
        let both = EsEntry { status: EsStatus::Unwritten { delayed: true }, pblk: Some(Pblk(7)) };
        es.insert(Blocks::new(0, 2), HOLE);
        es.insert(Blocks::new(2, 3), DELAYED);
        es.insert(Blocks::new(3, 5), both);
        es.shrink(Blocks::new(0, 8));
        assert_eq!(es.lookup(Blocks::one(0)), None);
        assert_eq!(es.lookup(Blocks::one(2)), Some((Blocks::one(2), DELAYED)));
        assert_eq!(es.lookup(Blocks::new(4, 5)).map(|e| e.1.pblk), Some(Some(Pblk(8))));
        assert_eq!(es.delonly(Blocks::new(0, 8)), 1);
    }
}
