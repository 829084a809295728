//! What an object of a footprint is called: known by the steps that touch it before all else.
//!
//! Objects have numbers and no names. The first place that a step announces is what it is about, so a
//! step of `extents_status.c` names the extent status tree. An object that no known step is about is
//! named by a step that is.

use maprace_explore::Replayed;
use maprace_runtime::{Access, Object};
use std::collections::BTreeMap;

/// What a place is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// `i_es_lock` and the tree under it.
    ExtentStatus,
    /// `i_pages`, tags and page table entries.
    PageCache,
    /// The bytes of the file, as its readers see them.
    Bytes,
    /// `i_size` and `i_disksize`.
    Size,
    /// `i_block_reservation_lock`, the counters of the file system and its bitmap.
    Counters,
    /// The medium.
    Medium,
}

/// How steps begin that are about a kind of place.
const ABOUT: &[(&str, Kind)] = &[
    ("ext4_es_", Kind::ExtentStatus),
    ("es_reclaim_extents", Kind::ExtentStatus),
    ("READ_ONCE(i_es_seq)", Kind::ExtentStatus),
    ("filemap_get_", Kind::PageCache),
    ("__filemap_get_folio", Kind::PageCache),
    ("isolate_lru_folios", Kind::PageCache),
    ("set_pte_range", Kind::PageCache),
    ("pte_offset_map", Kind::PageCache),
    ("finish_mkwrite_fault", Kind::PageCache),
    ("folio_mark_dirty", Kind::PageCache),
    ("folio_clear_dirty_for_io", Kind::PageCache),
    ("store", Kind::Bytes),
    ("load", Kind::Bytes),
    ("copy_folio_", Kind::Bytes),
    ("unmap_mapping_pages", Kind::Bytes),
    ("i_size_write", Kind::Size),
    ("ext4_update_i_disksize", Kind::Size),
    ("ext4_da_", Kind::Counters),
    ("ext4_mb_new_blocks", Kind::Counters),
    ("ext4_free_blocks", Kind::Counters),
    ("submit_bio(", Kind::Medium),
    ("bio_endio(", Kind::Medium),
];

/// The parts of the page cache are this far apart in footprints.
const PART: u64 = 1 << 29;

/// In the order of their numbers in footprints.
const PARTS: [&str; 5] =
    ["page cache slot", "folio references", "dirty tag", "page table entry", "writeback tag"];

/// The sequence of the status tree stands past every block.
const SEQUENCE: u64 = u32::MAX as u64 - 1;

/// The objects of a run, by number.
pub(super) struct Places(BTreeMap<Object, (Option<Kind>, &'static str)>);

fn kind_of(step: &str) -> Option<Kind> {
    ABOUT.iter().find(|(begin, _)| step.starts_with(begin)).map(|(_, kind)| *kind)
}

impl Places {
    /// Learns the objects of a run.
    pub(super) fn of(steps: &[Replayed]) -> Places {
        let mut known: BTreeMap<Object, (Option<Kind>, &'static str)> = BTreeMap::new();
        for step in steps {
            let name = step.done.step.name;
            let Some(first) = step.done.main.accesses().first() else { continue };
            let entry = known.entry(first.obj).or_insert((None, name));
            entry.0 = entry.0.or(kind_of(name));
        }
        Places(known)
    }

    /// What two accesses have in common: the place, what its range counts, and the range.
    pub(super) fn name(
        &self,
        one: &Access,
        other: &Access,
    ) -> (String, &'static str, Option<(u64, u64)>) {
        let (lo, hi) = (one.lo.max(other.lo), one.hi.min(other.hi));
        let (lo, hi) = (u64::from(lo), u64::from(hi));
        let Some((kind, step)) = self.0.get(&one.obj) else {
            return ("something no step is about".to_owned(), "", None);
        };
        match kind {
            Some(Kind::ExtentStatus) if lo == SEQUENCE => ("i_es_seq".to_owned(), "", None),
            Some(Kind::ExtentStatus) => ("extent status".to_owned(), "blocks", Some((lo, hi))),
            Some(Kind::PageCache) => {
                let part = usize::try_from(lo / PART).ok().and_then(|part| PARTS.get(part));
                let base = lo / PART * PART;
                let name = part.unwrap_or(&"page cache");
                ((*name).to_owned(), "folios", Some((lo - base, hi - base)))
            }
            Some(Kind::Bytes) => ("bytes of the file".to_owned(), "bytes", Some((lo, hi))),
            Some(Kind::Size) => ("i_size".to_owned(), "", None),
            Some(Kind::Counters) => ("counters of free and reserved blocks".to_owned(), "", None),
            Some(Kind::Medium) => ("the medium".to_owned(), "", None),
            None => (format!("what {step} is about"), "", None),
        }
    }
}
