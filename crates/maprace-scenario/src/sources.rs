//! Which change of the kernel brought a setting of a knob, and which damage no setting is meant to
//! cure: what a finding is compared with before it is called new.
//!
//! One entry for each knob. A knob that is added without one shows as undocumented wherever it cures
//! something, and a test here asks for it.

use maprace_fs::Checker;

/// Where the setting comes from: the title of the change, and the release that had it first; for what
/// no release had, where it was discussed. `None`: nothing is known, or the value is no protection.
pub fn citation(knob: &str, value: &str) -> Option<&'static str> {
    Some(match (knob, value) {
        ("insert", "exclusive") => {
            "ext4: convert to exclusive lock while inserting delalloc extents (acf795dc161f, v6.8)"
        }
        ("insert", "one-hold") => {
            "ext4: check the extent status again before inserting delalloc block (0ea6560abb3b, \
             v6.11) closes it at less cost, on top of insert=exclusive (v6.8)"
        }
        ("recheck", "on") => {
            "ext4: check the extent status again before inserting delalloc block (0ea6560abb3b, v6.11)"
        }
        ("accounting", "v6.12") => {
            "ext4: update delalloc data reserve spcae in ext4_es_insert_extent() (v6.12)"
        }
        ("fillers_take_invalidate_lock", "on") => {
            "mm: Protect operations adding pages to page cache with invalidate_lock (v5.15)"
        }
        ("fallocate_takes_invalidate_lock", "on") => {
            "XFS takes MMAPLOCK_EXCL in every fallocate mode; ext4 does not, as of v6.19"
        }
        ("zero_range", "v6.15") => "ext4: move out common parts into ext4_fallocate() (v6.15)",
        ("cookie", "late" | "on") => {
            "iomap: write iomap validity checks (d7b64041164c, v6.2); xfs: use iomap_valid method to \
             detect stale cached iomaps (304a68b9c63b, v6.2)"
        }
        ("iomap_f_new", "on") => {
            "iomap_end of a short write needs IOMAP_F_NEW on a delayed map; the posted ext4 series \
             derives it from EXT4_MAP_NEW"
        }
        ("faults_take_invalidate_lock", "on") => {
            "ext4: fix races between page faults and hole punching (ea3d7209ca01, after v4.4)"
        }
        ("flush", "locked") => {
            "ext4: fix races between buffered IO and collapse / insert range (32ebffd3bbb4)"
        }
        ("delalloc_release", "truncates") => {
            "xfs: punching delalloc extents on write failure is racy (v6.2)"
        }
        ("delalloc_release", "skips-dirty") => {
            "iomap: buffered write failure should not truncate the page cache (v6.2)"
        }
        ("zero_looks_at_cache", "on") => {
            "iomap: fix handling of dirty folios over unwritten extents (v6.12)"
        }
        ("writeback_cookie", "on") => {
            "xfs: validate writeback mapping using data fork seq counter (d9252d526ba6)"
        }
        ("fiemap_takes_i_rwsem", "on") => {
            "ext4: prevent stale extent cache entries caused by concurrent fiemap (v6.16)"
        }
        ("writeback_nocache", "on") => {
            "ext4: prevent stale extent cache entries caused by concurrent I/O writeback (v6.16)"
        }
        ("split_nocache", "on") => "ext4: don't cache extent during splitting extent (v7.0)",
        ("written_never_delayed", "on") => {
            "ext4: fix data corruption caused by unwritten and delayed extents (d2dc317d564a, v4.1)"
        }
        ("handle", "of-order") => {
            "Lock Ordering in fs/ext4/super.c: transaction, then folio lock; the posted iomap series \
             turns it round for all paths at once"
        }
        _ => return None,
    })
}

/// What is known of damage between two operations that no knob is meant to cure. `checker` is the one
/// that broke first, if it was not a deadlock.
pub fn documented(ops: [&str; 2], checker: Option<Checker>) -> Option<&'static str> {
    let direct = ops.contains(&"dio_write");
    let mapped = ops.iter().any(|op| op.starts_with("mmap_"));
    if direct && mapped && checker == Some(Checker::Data) {
        return Some(
            "Documentation and open(2), O_DIRECT: direct I/O and stores through a mapping of the \
             same file are not coherent",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knobs::values_of;
    use maprace_fs::Knobs;

    #[test]
    fn every_knob_has_a_source_for_its_strongest_value_and_none_for_its_weakest() {
        for knob in Knobs::names() {
            let values = values_of(knob);
            let (first, last) = (values[0], values[values.len() - 1]);
            assert!(
                citation(knob, last).is_some(),
                "add the source of {knob}={last} to sources.rs"
            );
            assert_eq!(citation(knob, first), None, "{knob}={first} protects from nothing");
        }
        assert_eq!(citation("nope", "on"), None);
    }

    #[test]
    fn direct_io_beside_a_mapping_is_a_known_incoherence_of_bytes_alone() {
        let data = Some(Checker::Data);
        assert!(documented(["dio_write", "mmap_write"], data).is_some());
        assert!(documented(["mmap_read", "dio_write"], data).is_some());
        assert_eq!(documented(["dio_write", "write"], data), None);
        assert_eq!(documented(["dio_write", "mmap_write"], Some(Checker::IBlocks)), None);
        assert_eq!(documented(["dio_write", "mmap_write"], None), None);
    }
}
