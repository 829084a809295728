//! iomap order: map as far as the layer gives, then for each folio lock it, ask whether the mapping
//! still holds, and copy; give back what was reserved and not used.
//!
//! Read beside `buffer_head.rs`: the difference is the point. Here nothing but the layer's own locks
//! keeps a fault out between look-up and insertion, and the mapping ages while folios are locked.
//!
//! # Divergence from Linux
//! No release has ext4 in this order; it follows the posted series: several blocks are inserted at once
//! under every protocol, and a delayed mapping that reserved something is `IOMAP_F_NEW` (a knob).

use crate::check::{Broken, Checker};
use crate::folio::FolioRef;
use crate::inode::{Inode, Part, Write};
use crate::knobs::DelallocRelease;
use crate::layer::{Layer, Mapping};
use crate::setup::Planted;
use crate::{Cookie, Errno, Status};
use maprace_extent::Blocks;
use maprace_runtime::{Runtime, RwSem};

/// `iomap_file_buffered_write` and `iomap_write_iter`: maps, writes folio after folio, maps the rest
/// again if it went stale. Between mapping and lock stands the throttling.
pub(crate) async fn buffered_write<L: Layer>(inode: &Inode<L>, write: Write) -> Result<(), Errno> {
    let _i_rwsem = inode.i_rwsem.down_write().await;
    let write = write.on(inode.i_size());
    let (mut pos, mut failed) = (write.lo, false);
    while pos < write.hi && !failed {
        let (start, want) = (pos, inode.geometry.blocks_of(pos, write.hi));
        let begin = write_map(inode, want);
        let map = inode.rt.call("iomap_begin", begin).await?.assert_answers(want);
        assert_ne!(map.status, Status::Hole, "blocks are mapped for a write");
        let end = write.hi.min(inode.geometry.bytes_of(map.blocks).1);
        for part in inode.parts(pos, end) {
            inode.balance_dirty_pages().await;
            let folio = inode.mapping.lock_folio(part.index).await;
            if !iomap_valid(inode, &map, part).await {
                inode.end_write(&folio).await;
                break;
            }
            write_begin(inode, &folio, part, &map).await;
            if let Some(copied) = write.copied(part) {
                inode.copy_in(&folio, &write, copied).await;
                pos = copied.hi;
            }
            inode.end_write(&folio).await;
            inode.isize_extended(&write, part).await;
            failed = pos < part.hi;
            if failed {
                break;
            }
        }
        inode.rt.call("iomap_end", iomap_end(inode, &map, start, pos)).await;
    }
    if failed { write.short(pos) } else { Ok(()) }
}

/// `iomap_begin` of a write: `ext4_iomap_buffered_da_write_begin` as posted, or, near ENOSPC and with
/// delayed allocation off, `ext4_iomap_buffered_write_begin`, with a transaction of its own.
async fn write_map<L: Layer>(inode: &Inode<L>, want: Blocks) -> Result<Mapping, Errno> {
    if inode.delalloc_now().await {
        return inode.layer.map_for_write(want).await;
    }
    let _handle = inode.journal.start().await;
    let map = inode.layer.allocate(want).await?;
    if inode.knobs.cookie == Cookie::Late {
        return Ok(Mapping { cookie: inode.layer.sequence().await, ..map });
    }
    Ok(map)
}

/// `iomap_valid`, under the folio lock.
async fn iomap_valid<L: Layer>(inode: &Inode<L>, map: &Mapping, part: Part) -> bool {
    if inode.knobs.cookie == Cookie::Off {
        return true;
    }
    let now = inode.layer.sequence().await;
    let valid = match inode.planted {
        Some(Planted::StaleMapUsed) => true,
        Some(Planted::NeverValid) => false,
        _ => now == map.cookie,
    };
    inode.rt.saw(|| (if valid { "valid" } else { "IOMAP_F_STALE" }).to_string());
    if valid {
        inode.check_mapping(map, part, now);
        return true;
    }
    if now == map.cookie {
        inode.log.broken(Broken::at(Checker::StaleRetriesEnd, map.blocks.lo));
        return true;
    }
    false
}

/// `__iomap_write_begin`, on the locked folio: fills what the write leaves of each touched block, as
/// the mapping says, however old it is.
async fn write_begin<L: Layer>(
    inode: &Inode<L>,
    folio: &FolioRef<L::Rt>,
    part: Part,
    map: &Mapping,
) {
    for lblk in inode.geometry.blocks_of(part.lo, part.hi).iter() {
        let whole = inode.geometry.whole_blocks_of(part.lo, part.hi).contains(lblk);
        if whole || folio.with(|state| state.block(lblk).uptodate) {
            continue;
        }
        let reads = map.status == Status::Mapped && !map.new;
        inode.fill_from(folio, lblk, map.pblk_of(lblk).filter(|_| reads)).await;
    }
}

/// `iomap_end` of a write that went from `start` to `pos`, with `iomap_write_delalloc_release`: what the
/// mapping reserved past that goes back, but for blocks that somebody has dirtied meanwhile. Before v6.2
/// the page cache over it was dropped instead, first under no lock.
async fn iomap_end<L: Layer>(inode: &Inode<L>, map: &Mapping, start: u64, pos: u64) {
    let far = inode.far_pos();
    // iomap_last_written_block: a block of which something was written is used; if nothing was, none is.
    let unused = match pos == start {
        true => inode.geometry.blocks_of(pos, far),
        false => inode.geometry.whole_blocks_of(pos, far),
    };
    let unused = map.blocks.within(unused);
    if map.status != Status::Delalloc || !map.new || unused.is_empty() {
        return;
    }
    let release = inode.knobs.delalloc_release;
    let _invalidate = match release {
        DelallocRelease::Unlocked => None,
        _ => Some(inode.mapping.invalidate_lock.down_write().await),
    };
    if release != DelallocRelease::SkipsDirty {
        inode.drop_unused(unused).await;
        return inode.layer.punch_delalloc(unused).await;
    }
    let mut kept = inode.dirty_in(unused).await;
    kept.push(unused.hi);
    let mut lo = unused.lo;
    for dirty in kept {
        let clean = Blocks::new(lo, dirty);
        if !clean.is_empty() {
            inode.layer.punch_delalloc(clean).await;
        }
        lo = dirty + 1;
    }
}

/// `iomap_page_mkwrite`: the folio is locked first in this order too; maps all of it inside the file.
pub(crate) async fn page_mkwrite<L: Layer>(
    inode: &Inode<L>,
    folio: &FolioRef<L::Rt>,
    blocks: Blocks,
) -> Result<(), Errno> {
    let mut rest = blocks;
    while !rest.is_empty() {
        let begin = write_map(inode, rest);
        let map = inode.rt.call("iomap_begin", begin).await?.assert_answers(rest);
        assert_ne!(map.status, Status::Hole, "blocks are mapped for a fault");
        inode.mark_dirty(folio, map.blocks).await;
        rest.lo = map.blocks.hi;
    }
    Ok(())
}
