//! The steps under `i_es_lock`: `fs/ext4/extents_status.c`, each function one spin section.

use super::{EVERYTHING, Ext4, Found, entry_of};
use crate::check::{Broken, Checker};
use crate::layer::{Mapping, Status};
use crate::places::SEQUENCE;
use crate::setup::Planted;
use maprace_extent::{Blocks, EsEntry, EsStatus, EsTree, ExtentTree};
use maprace_runtime::{Foot, Point, Runtime, Spin, Step, Traced};

static LOOKUP: Step = Step::new("ext4_es_lookup_extent");
static FIND: Step = Step::new("ext4_es_find_extent_range");
static SCAN: Step = Step::new("ext4_es_scan_range");
static DELAYED_CLU: Step = Step::new("ext4_es_delayed_clu");
static INSERT: Step = Step::new("ext4_es_insert_extent");
static INSERT_DELAYED_BLOCK: Step = Step::new("ext4_es_insert_delayed_block");
static INSERT_DELAYED: Step = Step::new("ext4_es_insert_delayed_extent");
static REMOVE: Step = Step::new("ext4_es_remove_extent");
static RECLAIM: Step = Step::new("es_reclaim_extents");
static CACHE_EXTENTS: Step = Step::new("ext4_cache_extents");
static READ_SEQUENCE: Step = Step::new("READ_ONCE(i_es_seq)");

fn word(found: Option<(Blocks, EsEntry)>) -> &'static str {
    found.map_or("miss", |(_, entry)| entry.status.word())
}

fn to_found(tree: &EsTree, found: Option<(Blocks, EsEntry)>) -> Found {
    let Some((blocks, entry)) = found else { return Found::Miss };
    let status = match entry.status {
        EsStatus::Hole => return Found::Hole(blocks),
        EsStatus::Delayed => Status::Delalloc,
        EsStatus::Unwritten { .. } => Status::Unwritten,
        EsStatus::Written | EsStatus::WrittenDelayed => Status::Mapped,
    };
    let new = entry.status == EsStatus::WrittenDelayed;
    Found::Known(Mapping { blocks, status, pblk: entry.pblk, new, cookie: tree.seq() })
}

impl<R: Runtime> Ext4<R> {
    pub(super) fn es_read(&self, blocks: Blocks) -> Foot {
        Foot::read(self.i_es_lock.object(), u64::from(blocks.lo), u64::from(blocks.hi))
    }

    /// A change of `blocks`, which looks at all of their clusters; `dates` when the new sequence is
    /// handed out.
    pub(super) fn es_write(&self, blocks: Blocks, dates: bool) -> Foot {
        let obj = self.i_es_lock.object();
        let blocks = blocks.clusters_around(self.ratio);
        let foot = Foot::write(obj, u64::from(blocks.lo), u64::from(blocks.hi));
        match (self.counts_changes, dates && self.dated) {
            (false, _) => foot,
            (true, false) => foot.and(Foot::add(obj, SEQUENCE.start, SEQUENCE.end)),
            (true, true) => foot.and(Foot::write(obj, SEQUENCE.start, SEQUENCE.end)),
        }
    }

    fn trace(&self, point: Point, blocks: Blocks) {
        self.rt.tracepoint(|| Traced { point, lo: blocks.lo, hi: blocks.hi });
    }

    /// The sequence, where mappings carry it; else 0, so that nobody depends on it.
    fn cookie(&self, tree: &EsTree) -> u64 {
        if self.dated { tree.seq() } else { 0 }
    }

    /// `ext4_es_lookup_extent`, clipped to `want`.
    pub(super) async fn es_lookup(&self, want: Blocks) -> Found {
        let foot = || {
            let blocks = self.es_read(want);
            let dated = || Foot::read(self.i_es_lock.object(), SEQUENCE.start, SEQUENCE.end);
            if self.dated { blocks.and(dated()) } else { blocks }
        };
        let section = |tree: &mut EsTree| {
            let found = tree.lookup(want);
            self.rt.saw(|| word(found).to_string());
            let mut found = to_found(tree, found);
            if let Found::Known(map) = &mut found {
                map.cookie = self.cookie(tree);
            }
            self.rt.tracepoint(|| found.traced(want));
            found
        };
        self.i_es_lock.with(&LOOKUP, foot, section).await
    }

    /// `ext4_es_find_extent_range(.., ext4_es_is_delayed, ..)`.
    pub(super) async fn es_find_delayed(&self, blocks: Blocks) -> Option<Blocks> {
        let section = |tree: &mut EsTree| {
            let found = tree.find_delayed(blocks);
            self.rt.saw(|| found.map_or("none delayed".into(), |b| format!("delayed {b}")));
            self.trace(Point::Scanned, blocks);
            found
        };
        self.i_es_lock.with(&FIND, || self.es_read(blocks), section).await
    }

    /// `ext4_es_scan_range(.., ext4_es_is_delayed, ..)`.
    pub(super) async fn es_scan_delayed(&self, blocks: Blocks) -> bool {
        let section = |tree: &mut EsTree| {
            let found = tree.find_delayed(blocks);
            self.rt.saw(|| if found.is_some() { "delayed" } else { "none delayed" }.into());
            found.is_some()
        };
        self.i_es_lock.with(&SCAN, || self.es_read(blocks), section).await
    }

    /// `ext4_es_delayed_clu`: how many clusters of `blocks` are delayed and not allocated.
    pub(super) async fn es_delayed_clu(&self, blocks: Blocks) -> u32 {
        let section = |tree: &mut EsTree| {
            let count = tree.reserved_clusters(blocks, self.ratio);
            self.rt.saw(|| count.to_string());
            count
        };
        self.i_es_lock.with(&DELAYED_CLU, || self.es_read(blocks), section).await
    }

    /// `ext4_es_insert_extent`. `changes`: the status of the blocks changes, even where the tree did
    /// not know it. Returns how many delayed blocks were displaced, and the cookie.
    ///
    /// # Divergence from Linux
    /// The sequence is bumped only when a status changes, as from v7.0; v6.19 bumps it as well when
    /// an extent that is on disk already is merely cached.
    pub(super) async fn es_insert(
        &self,
        blocks: Blocks,
        entry: EsEntry,
        changes: bool,
    ) -> (u32, u64) {
        let section = |tree: &mut EsTree| self.es_put(tree, blocks, entry, changes);
        self.i_es_lock.with(&INSERT, || self.es_write(blocks, true), section).await
    }

    /// `ext4_es_insert_delayed_extent`: replaces what covers `blocks` without counting it.
    /// The clusters `pending` are allocated already.
    pub(super) async fn es_insert_delayed(&self, blocks: Blocks, pending: Vec<u32>) -> u64 {
        let step = if self.is_block_era() { &INSERT_DELAYED_BLOCK } else { &INSERT_DELAYED };
        let entry = EsEntry::bare(EsStatus::Delayed);
        let section = |tree: &mut EsTree| {
            let before = tree.lookup(Blocks::one(blocks.lo));
            if before.is_some_and(|(_, e)| e.status != EsStatus::Hole) {
                self.rt.saw(|| format!("replaces {}", word(before)));
            }
            pending.into_iter().for_each(|cluster| tree.insert_pending(cluster));
            self.es_put(tree, blocks, entry, true).1
        };
        self.i_es_lock.with(step, || self.es_write(blocks, true), section).await
    }

    fn es_put(&self, tree: &mut EsTree, at: Blocks, entry: EsEntry, changes: bool) -> (u32, u64) {
        let differs = |(_, old): (Blocks, EsEntry)| !same_status(old.status, entry.status);
        let changed = tree.entries(at).any(differs);
        let (before, reserved) = (tree.seq(), tree.reserved_clusters(at, self.ratio));
        tree.insert(at, entry);
        if self.ratio > 1 && entry.status.is_mapped() {
            self.revise_pending(tree, at);
        }
        let displaced = reserved.saturating_sub(tree.reserved_clusters(at, self.ratio));
        if (changes || changed) && !self.has(Planted::SequenceNotBumped) {
            tree.bump();
        }
        match (entry.status, changes || changed) {
            (EsStatus::Delayed, _) => self.trace(Point::Delayed, at),
            (_, true) => self.trace(Point::Changed, at),
            (EsStatus::Hole, false) => self.trace(Point::HoleCached, at),
            (_, false) => self.trace(Point::Cached, at),
        }
        if changed && tree.seq() == before {
            self.log.broken(Broken::at(Checker::SequenceDatesChanges, at.lo));
        }
        if entry.status != EsStatus::Delayed {
            self.rt.saw(|| entry.status.word().to_string());
        }
        (displaced, self.cookie(tree))
    }

    /// `ext4_es_remove_extent`, its spin section: returns how many clusters nobody reserves any more.
    pub(super) async fn es_remove(&self, blocks: Blocks) -> u32 {
        let section = |tree: &mut EsTree| {
            let known = tree.entries(blocks).next().is_some();
            let not_hole = |(_, entry): (Blocks, EsEntry)| entry.status != EsStatus::Hole;
            let something = tree.entries(blocks).any(not_hole);
            let reserved = tree.reserved_clusters(blocks, self.ratio);
            tree.remove(blocks);
            if self.ratio > 1 {
                tree.drop_pending(self.ratio);
            }
            if known {
                tree.bump();
            }
            self.trace(Point::Removing, blocks.within(Blocks::new(0, self.farthest)));
            if something {
                self.trace(Point::Changed, blocks);
            }
            reserved.saturating_sub(tree.reserved_clusters(blocks, self.ratio))
        };
        self.i_es_lock.with(&REMOVE, || self.es_write(blocks, false), section).await
    }

    /// `ext4_cache_extents`: what a leaf of the extent tree holds goes into the status tree, where that
    /// knows nothing; between two extents a HOLE. `cut`: blocks that are about to come back.
    ///
    /// # Divergence from Linux
    /// There is one leaf, and it is read whenever it may matter: by writeback where credits run out, and
    /// while an extent is split. A HOLE is entered for `cut` even where no extent follows it.
    pub(super) async fn cache_extents(&self, tree: &ExtentTree, cut: Option<Blocks>) {
        let section = |es: &mut EsTree| {
            let mut end = None;
            for (blocks, extent) in tree.extents(EVERYTHING) {
                if let Some(before) = end.filter(|before| *before < blocks.lo) {
                    let hole = Blocks::new(before, blocks.lo);
                    if es.cache(hole, EsEntry::bare(EsStatus::Hole)) {
                        self.trace(Point::Cached, hole);
                    }
                }
                if es.cache(blocks, entry_of(extent)) {
                    self.trace(Point::Cached, blocks);
                }
                end = Some(blocks.hi);
            }
            let mut hole = |cut| es.cache(cut, EsEntry::bare(EsStatus::Hole));
            if let Some(cut) = cut.filter(|cut| hole(*cut)) {
                self.trace(Point::Cached, cut);
                self.rt.saw(|| "hole".into());
            }
        };
        let foot = || self.es_write(EVERYTHING, true);
        self.i_es_lock.with(&CACHE_EXTENTS, foot, section).await;
    }

    /// `es_reclaim_extents`: never bumps the sequence.
    pub(super) async fn es_shrink(&self, blocks: Blocks) {
        let obj = self.i_es_lock.object();
        let foot = || Foot::write(obj, u64::from(blocks.lo), u64::from(blocks.hi));
        self.i_es_lock.with(&RECLAIM, foot, |tree| tree.shrink(blocks)).await;
    }

    /// `READ_ONCE(i_es_seq)`.
    pub(super) async fn read_sequence(&self) -> u64 {
        let foot = || Foot::read(self.i_es_lock.object(), SEQUENCE.start, SEQUENCE.end);
        self.i_es_lock.with(&READ_SEQUENCE, foot, |tree| tree.seq()).await
    }
}

/// Whether a mapping to the one is as good as a mapping to the other.
fn same_status(a: EsStatus, b: EsStatus) -> bool {
    let plain = |s| match s {
        EsStatus::Unwritten { .. } => EsStatus::Unwritten { delayed: false },
        EsStatus::WrittenDelayed => EsStatus::Written,
        other => other,
    };
    plain(a) == plain(b)
}
