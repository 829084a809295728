//! Short words: what a broken invariant looks like, and what the kernel calls an operation.

use crate::range::{BlockRange, ByteRange};
use maprace_fs::{Broken, Checker, Geometry, Op, Order, Request};

/// A broken invariant in the words of a diagram: the kernel's own where it has any.
pub fn words(broken: &Broken) -> String {
    let (found, expected) = broken.values.unwrap_or_default();
    let place = broken.place.unwrap_or_default();
    match broken.checker {
        Checker::ReservedEqualsDelayed => format!("{found} reserved, {expected} delayed"),
        Checker::DirtyCounterEqualsReserved => {
            format!("dirty counter {found}, {expected} reserved")
        }
        Checker::ReleaseWithinReservation => {
            format!("used {found} with only {expected} reserved data blocks")
        }
        Checker::EsMatchesExtentTree => format!("es of block {place} differs from the extent tree"),
        Checker::DelayedNotAllocated => "delayed over allocated".to_owned(),
        Checker::DelayedHasDirtyFolio => format!("block {place} delayed, no dirty folio"),
        Checker::DirtyIsMapped => format!("block {place} dirty, nothing under it"),
        Checker::NoBlockTwice if broken.values.is_some() => {
            format!("{found} blocks owned or free, there are {expected}")
        }
        Checker::NoBlockTwice => format!("block {place} of the medium used twice"),
        Checker::QuotaEqualsAllocation => format!("quota {found}, should be {expected}"),
        Checker::WrittenAfterData => format!("block {place} written before its data"),
        Checker::WritebackCoversConversion => format!("block {place}: writeback ends unconverted"),
        Checker::MappingIsCurrent => format!("block {place} is not as it is mapped"),
        Checker::StaleRetriesEnd => "stale again, nothing changed".to_owned(),
        Checker::LockOrder => "lock order inverted".to_owned(),
        Checker::SequenceDatesChanges => format!("block {place} changed, sequence not bumped"),
        Checker::Data => format!("wrong byte at {place}"),
        Checker::ReservedAtEvict => format!("i_reserved_data_blocks ({found}) not cleared!"),
        Checker::DirtyCounterAfterSync => format!("delayed_allocation_blocks is {found}"),
        Checker::IBlocks => format!("i_blocks is {found}, {}", allocated(expected)),
        Checker::DisksizeWithinSize => format!("i_disksize {found} > i_size {expected}"),
        Checker::EnospcWithSpaceFree => format!("ENOSPC, {found} blocks free"),
        Checker::AfterEnds => "never ends".to_owned(),
    }
}

fn allocated(blocks: i64) -> String {
    let verb = if blocks == 1 { "is" } else { "are" };
    format!("{blocks} {verb} allocated")
}

/// What the kernel calls the way an operation takes: the head of its column.
pub(crate) fn operation(op: Op, order: Order, layer: &str) -> &'static str {
    match (op, order) {
        (Op::Write, Order::Iomap) => "iomap_file_buffered_write",
        (Op::Write, Order::BufferHead) if layer == "ext4" => "ext4_buffered_write_iter",
        (Op::Write, Order::BufferHead) => "generic_perform_write",
        (Op::Read, _) => "filemap_read",
        (Op::MmapWrite, _) => "page_mkwrite",
        (Op::MmapRead, _) => "mmap_read",
        (Op::Fallocate, _) => "fallocate",
        (Op::DioWrite, _) => "ext4_dio_write_iter",
        (Op::PunchHole, _) => "punch_hole",
        (Op::ZeroRange, _) => "zero_range",
        (Op::CollapseRange, _) => "collapse_range",
        (Op::InsertRange, _) => "insert_range",
        (Op::Truncate, _) => "truncate",
        (Op::Fiemap, _) => "fiemap",
        (Op::Commit, _) => "jbd2 commit",
        (Op::Writeback, _) => "writepages",
        (Op::Fsync, _) => "fsync",
        (Op::Reclaim, _) => "shrink_folio_list",
        (Op::ShrinkEs, _) => "ext4_es_scan",
        (Op::Evict, _) => "evict",
    }
}

/// The call that an operation's head stands for, so that it is not said twice.
pub(super) fn call_of(op: Op) -> Option<&'static str> {
    match op {
        Op::MmapWrite => Some("ext4_page_mkwrite"),
        Op::Writeback => Some("ext4_do_writepages"),
        _ => None,
    }
}

/// The range of an operation, as a scenario has it: in blocks where it fills them.
pub(super) fn range(request: &Request, geometry: Geometry) -> String {
    let block = u64::from(geometry.block);
    let (pos, len) = (request.pos, request.len);
    if request.op == Op::Truncate {
        return pos.to_string();
    }
    if pos % block == 0 && len % block == 0 {
        return BlockRange { start: pos / block, end: (pos + len) / block }.to_string();
    }
    ByteRange { pos, len }.to_string()
}
